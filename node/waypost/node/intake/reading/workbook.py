"""An Excel workbook (ECMA-376): its sheets, and what all of them need, the table of strings and the number formats.

1. Only the workbook, its strings, its styles and its sheets are opened. Links to other files, macros, pictures and
   everything else are never looked at.
2. What is held in memory has its bounds: strings, formats, relations, sheets.

The parts are read as streams (ooxml.py), a sheet's rows by worksheet.py, numbers as Excel shows them (shown.py).
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from waypost.node.intake.reading.bounds import open_archive, readable
from waypost.node.intake.reading.ooxml import HINT, parse, run
from waypost.node.intake.reading.packing import Part
from waypost.node.intake.reading.shown import DATE, DATE_IDS, GENERAL, style_of
from waypost.node.intake.reading.source import refuse
from waypost.node.intake.reading.strings import Strings
from waypost.node.intake.reading.text import Cells
from waypost.node.intake.reading.worksheet import SheetReader
from waypost.node.limits import FORMAT_CODE_CHARS_MAX, NUMBER_FORMATS_MAX, SHARED_TEXT_BYTES_MAX, SHEETS_MAX
from waypost.protocol.printing import printable

_NAME_CHARS_MAX: Final = 200
"""Of a sheet's name; Excel allows 31."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name, its part in the archive, whether it is hidden."""

    name: str
    path: str
    hidden: bool


@dataclass(slots=True)
class Workbook:
    """What all sheets of a workbook need."""

    part: Part
    sheets: list[Sheet] = field(default_factory=list)
    since_1904: bool = False
    strings: Strings = field(default_factory=Strings)
    styles: list[str] = field(default_factory=list)
    """By style number: GENERAL, DATE, or as many zeros as the number shows digits."""


def open_workbook(part: Part) -> Workbook:
    """The workbook's sheets, strings and styles."""
    book = Workbook(part)
    with part.open() as file, readable(part.name), open_archive(part.name, file) as archive:
        names = set(archive.namelist())
        main = "xl/workbook.xml"
        if main not in names:
            refuse(part.name, _no_workbook(names), "unpack it, or save it as .xlsx (Excel Workbook) or CSV UTF-8")
        targets = _targets(book, archive, "xl/_rels/workbook.xml.rels")
        _read_workbook(book, archive, main, targets)
        if "xl/styles.xml" in names:
            _read_styles(book, archive)
        if "xl/sharedStrings.xml" in names:
            _read_strings(book, archive)
    return book


def _no_workbook(names: set[str]) -> str:
    if "[Content_Types].xml" not in names:
        return "is an archive within an archive"
    return "is a binary workbook (.xlsb)" if "xl/workbook.bin" in names else "is a document, but no spreadsheet"


def rows_of(book: Workbook, sheet: Sheet) -> Iterator[Cells]:
    """The rows of a sheet that hold anything."""
    with book.part.open() as file, readable(book.part.name), open_archive(book.part.name, file) as archive:
        name = f"{book.part.name} [{sheet.name}]"
        reader = SheetReader(name, book.strings, book.styles, since_1904=book.since_1904)
        for _ in parse(book.part.name, archive, sheet.path, reader.start, reader.end, reader.text):
            yield from reader.rows
            reader.rows.clear()


def _read_workbook(book: Workbook, archive: zipfile.ZipFile, path: str, targets: dict[str, str]) -> None:
    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "workbookPr":
            book.since_1904 = attributes.get("date1904", "0") in {"1", "true"}
        elif tag == "sheet":
            target = next((targets[value] for key, value in attributes.items() if key.endswith(":id")), "")
            if target:
                hidden = attributes.get("state", "visible") != "visible"
                book.sheets.append(Sheet(printable(attributes.get("name", "")[:_NAME_CHARS_MAX]), target, hidden))
            if len(book.sheets) > SHEETS_MAX:
                refuse(book.part.name, f"has more than {SHEETS_MAX} sheets", "split it")

    run(book.part.name, archive, path, start)
    book.sheets = [sheet for sheet in book.sheets if "worksheets/" in sheet.path]
    if len({sheet.path for sheet in book.sheets}) < len(book.sheets):
        refuse(book.part.name, "is damaged: two of its sheets are one", HINT)
    if not book.sheets:
        refuse(book.part.name, "has no sheet", HINT)


def _targets(book: Workbook, archive: zipfile.ZipFile, path: str) -> dict[str, str]:
    """Parts of the archive by relation; what lies outside it is no target (rule 1)."""
    targets: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
            targets[attributes.get("Id", "")] = target.lstrip("/")
            _bounded(book, len(targets))

    run(book.part.name, archive, path, start)
    return targets


def _read_styles(book: Workbook, archive: zipfile.ZipFile) -> None:
    shown: dict[int, str] = {}
    inside = ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if tag == "numFmt":
            code = attributes.get("formatCode", "")
            shown[int(attributes.get("numFmtId", "0"))] = (
                GENERAL if len(code) > FORMAT_CODE_CHARS_MAX else style_of(code)
            )
            _bounded(book, len(shown))
        elif tag in {"cellXfs", "cellStyleXfs"}:
            inside = tag
        elif tag == "xf" and inside == "cellXfs":
            number = int(attributes.get("numFmtId", "0"))
            _bounded(book, len(book.styles))
            book.styles.append(DATE if number in DATE_IDS else shown.get(number, GENERAL))

    run(book.part.name, archive, "xl/styles.xml", start)


def _bounded(book: Workbook, count: int) -> None:
    """Rule 2."""
    if count > NUMBER_FORMATS_MAX:
        refuse(book.part.name, f"has more than {NUMBER_FORMATS_MAX:,} formats or parts", HINT)


def _read_strings(book: Workbook, archive: zipfile.ZipFile) -> None:
    strings = book.strings
    inside, aside = False, False

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal inside, aside
        inside, aside = tag == "t", aside or tag == "rPh"  # rPh: how to pronounce it

    def end(tag: str) -> None:
        nonlocal inside, aside
        inside = False
        if tag == "rPh":
            aside = False
        elif tag == "si":
            strings.end()
            bounded()

    def text(data: str) -> None:
        if inside and not aside:
            strings.add(data)
            bounded()

    def bounded() -> None:
        """Rule 2."""
        if strings.size_bytes > SHARED_TEXT_BYTES_MAX:
            refuse(book.part.name, "has too much text for a spreadsheet", "export it as CSV UTF-8")

    run(book.part.name, archive, "xl/sharedStrings.xml", start, end, text)
