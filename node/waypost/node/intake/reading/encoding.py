"""A text file's encoding, found out by reading all of it once.

1. Text is UTF-16 with its byte order mark or the zero bytes that give it away; UTF-8 if all of it is; else Windows-1252
   if all of it is; else refused with the line of the first byte that is not. A NUL character is damage.
2. What is no table is refused by name: PDF, documents, web pages and XML (some systems call these .xls). An archive may
   hold such files, when the profile says which of it are to be read.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

from waypost.node.intake.reading.packing import Part
from waypost.node.intake.reading.source import refuse

_LAST: Final = "cp1252"
"""What text is taken for that is nothing else."""
_BLOCK: Final = 1024 * 1024
_ZERO_SHARE: Final = 3
"""Of text in Latin letters, UTF-16 makes every second byte zero; a third is enough to tell."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A text file's encoding (a Python codec), what to call it before people, and about how many lines it has."""

    codec: str
    title: str
    lines: int


def _refuse_documents(part: Part, head: bytes) -> None:
    """Rule 2."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        refuse(part.name, "is UTF-32 text", "save it as CSV UTF-8")
    begins = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    for starts, what, hint in _DOCUMENTS:
        if begins.startswith(starts):
            refuse(part.name, what, _or_leave_it_out(part, hint))


def _or_leave_it_out(part: Part, hint: str) -> str:
    """For a file of an archive."""
    return f'{hint}, or say in a profile which files to read: members = ["*.csv"]' if part.packing == "zip" else hint


def encoding_of(part: Part, wanted: str | None) -> Encoding:
    """The file's encoding, found out or as wanted, after all of it was read (rule 1)."""
    with part.open() as file:
        head = file.read(4096)
    _refuse_documents(part, head)
    candidates = [wanted] if wanted else _candidates(head)
    codec, lines, failure = "", 0, 0
    for codec in candidates:
        lines, failure = _decode(part, codec)
        if not failure:
            break
    if failure:
        named = _TITLES.get(codec, codec)
        refuse(
            part.name,
            f"is {'neither UTF-8 nor' if codec == _LAST and not wanted else 'not'} {named}: "
            f"line {failure} holds a byte that it does not allow",
            "export it again as UTF-8 (in Excel: Save As, CSV UTF-8), or name its encoding",
        )
    return Encoding(codec, _TITLES.get(codec, codec), lines)


_DOCUMENTS: Final = (
    ((b"%pdf-",), "is a PDF document, which holds no table that can be read", "ask for the data as .xlsx or CSV"),
    ((b"{\\rtf",), "is a word processor's document", "save its table as .xlsx or CSV UTF-8"),
    (
        (b"<!doctype html", b"<html", b"<head", b"<meta", b"<style", b"<table"),
        "is a web page, whatever its name says",
        "open it in Excel, and save it as .xlsx or CSV UTF-8",
    ),
    ((b"<?xml", b"<workbook"), "is XML", "open it in Excel, and save it as .xlsx or CSV UTF-8"),
)

_TITLES: Final = {
    "utf-8-sig": "UTF-8",
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252",
}


def _candidates(head: bytes) -> list[str]:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd * _ZERO_SHARE > len(head) // 2 and not even:
        return ["utf-16-le"]
    if even * _ZERO_SHARE > len(head) // 2 and not odd:
        return ["utf-16-be"]
    return ["utf-8-sig", _LAST]


def _decode(part: Part, codec: str) -> tuple[int, int]:
    """How many lines there are, and the line that the codec does not take (0: it takes all)."""
    decoder = _decoder(codec)
    if decoder is None:
        refuse(part.name, f"cannot be read as {codec!r}, which is no encoding", "write utf-8, utf-16 or windows-1252")
    lines = 1
    with part.open() as file:
        while True:
            block = file.read(_BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeError as error:  # some codecs do not tell where
                bad = bytes(error.object[: error.start]) if isinstance(error, UnicodeDecodeError) else b""
                return lines, lines + bad.count(b"\n")
            if (nul := text.find("\0")) >= 0:
                line = lines + text.count("\n", 0, nul)
                hint = _or_leave_it_out(part, "it is damaged or no text: export it again")
                refuse(part.name, f"holds a NUL byte in line {line}", hint)
            lines += text.count("\n")
            if not block:
                return lines, 0


def _decoder(codec: str) -> codecs.IncrementalDecoder | None:
    """The decoder; None when it is none of text (Python calls packing and escaping codecs, too)."""
    try:
        "".encode(codec)
        return codecs.getincrementaldecoder(codec)("strict")
    except (LookupError, ValueError):
        return None
