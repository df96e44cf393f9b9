"""The parts of a spreadsheet's archive, parsed as streams of XML in bounded memory.

1. A document type declaration (the way to XML's bombs) is refused.
2. So is what the parser would hold all of: a tag, an attribute or a comment longer than any cell, tags within tags
   without end, ever new names of tags and attributes.
3. What is damaged is refused in words.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Final
from xml.parsers import expat

from waypost.node.intake.reading.bounds import Bounded
from waypost.node.intake.reading.source import refuse
from waypost.node.limits import XML_DEPTH_MAX, XML_NAMES_MAX, XML_TOKEN_BYTES_MAX

HINT: Final = "open it in Excel and save it again as .xlsx, or as CSV UTF-8"
_BLOCK: Final = 64 * 1024
_MADE_TO_HARM: Final = "is damaged, or made to fill the memory"


def run(
    name: str,
    archive: zipfile.ZipFile,
    path: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _tag: None,
    text: Callable[[str], None] = lambda _data: None,
) -> None:
    for _ in parse(name, archive, path, start, end, text):
        pass


def parse(
    name: str,
    archive: zipfile.ZipFile,
    path: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[None]:
    """Parse a part of the archive; yields now and then, so that the caller can hand on what there is."""
    parser: Any = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True
    left = XML_DEPTH_MAX

    def doctype(*_: object) -> None:  # rule 1
        refuse(name, "declares a document type, which no spreadsheet does", HINT)

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal left
        left -= 1
        if left < 0:  # rule 2
            refuse(name, _MADE_TO_HARM, HINT)
        start(tag.rpartition(":")[2], attributes)

    def finish(tag: str) -> None:
        nonlocal left
        left += 1
        end(tag.rpartition(":")[2])

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    parser.CharacterDataHandler = text
    try:
        with _stream(name, archive, path) as file:
            fed = 0
            while block := file.read(_BLOCK):
                parser.Parse(block, False)
                fed += len(block)
                if fed - parser.CurrentByteIndex > XML_TOKEN_BYTES_MAX or len(parser.intern) > XML_NAMES_MAX:  # rule 2
                    refuse(name, _MADE_TO_HARM, HINT)
                yield
            parser.Parse(b"", True)
            yield
    except (expat.ExpatError, ValueError, IndexError, KeyError, OverflowError):  # rule 3
        refuse(name, "is damaged, so that it cannot be read as a spreadsheet", HINT)


def _stream(name: str, archive: zipfile.ZipFile, path: str) -> IO[bytes]:
    info = archive.getinfo(path)
    return Bounded(name, archive.open(info), info.compress_size)  # type: ignore[return-value]
