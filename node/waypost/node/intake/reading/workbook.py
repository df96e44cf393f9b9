"""Sheets of an Excel workbook (ECMA-376), read as a stream of XML: what the cells show, not how they came about.

1. Only the workbook, its strings, its styles and its sheets are opened. Links to other files, macros, pictures and
   everything else are never looked at.
2. Formulas are not evaluated: the value that Excel stored is taken, and where none is stored the formula itself, as
   text.
3. A number with a date format is a date (1900 or 1904 system, with Excel's 29 February 1900), written YYYY-MM-DD, with
   a time only if it has one. A number with a format of zeros keeps its leading zeros. Any other is written without
   exponent or useless decimals.
4. A cell's place is its reference: empty cells that are not stored are empty, rows that are not stored are not there. A
   sheet's stated range counts for nothing, so that a range of a billion rows costs nothing.
5. A document type declaration (the way to XML's bombs) is refused; so are rows and columns beyond what a table has.
6. What is damaged is refused in words.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import IO, Any, Final
from xml.parsers import expat

from waypost.node.intake.reading.source import Part, _Bounded, _readable, refuse
from waypost.node.intake.reading.text import Cells
from waypost.node.limits import (
    COLUMNS_MAX,
    FIELD_CHARS_MAX,
    SHARED_TEXT_CHARS_MAX,
    SHEET_ROWS_MAX,
    SHEETS_MAX,
)

_BLOCK: Final = 64 * 1024
_HINT: Final = "open it in Excel and save it again as .xlsx, or as CSV UTF-8"
_DATE_IDS: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
"""Built-in number formats that show a date or a time (ECMA-376 part 1, 18.8.30)."""
_LITERAL: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]hms][^\]]*\]', re.IGNORECASE)
"""What of a format code is shown as it is: quoted, escaped, padding, colours and conditions."""
_ZEROS: Final = re.compile(r"0{2,}")
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_DAY_LAST: Final = 2_958_465
"""31 December 9999."""
_LEAP_BUG: Final = 60
_DAY_SECONDS: Final = 86_400
_GENERAL: Final = ""
_DATE: Final = "date"


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
    strings: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    """By style number: _GENERAL, _DATE, or as many zeros as the number shows digits."""


def open_workbook(part: Part) -> Workbook:
    """The workbook's sheets, strings and styles."""
    book = Workbook(part)
    with part.open() as file, _readable(part.name), zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        main = "xl/workbook.xml"
        if main not in names:
            refuse(part.name, "is a document, but no spreadsheet", "export it as .xlsx or CSV UTF-8")
        targets = _targets(book, archive, "xl/_rels/workbook.xml.rels")
        _read_workbook(book, archive, main, targets)
        if "xl/styles.xml" in names:
            _read_styles(book, archive)
        if "xl/sharedStrings.xml" in names:
            _read_strings(book, archive)
    return book


def rows_of(book: Workbook, sheet: Sheet) -> Iterator[Cells]:
    """The rows of a sheet that hold anything."""
    with book.part.open() as file, _readable(book.part.name), zipfile.ZipFile(file) as archive:
        reader = _SheetReader(book, f"{book.part.name} [{sheet.name}]")
        for _ in _parse(book, archive, sheet.path, reader.start, reader.end, reader.text):
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
                book.sheets.append(Sheet(attributes.get("name", ""), target, hidden))
            if len(book.sheets) > SHEETS_MAX:
                refuse(book.part.name, f"has more than {SHEETS_MAX} sheets", "split it")

    _run(book, archive, path, start)
    book.sheets = [sheet for sheet in book.sheets if "worksheets/" in sheet.path]
    if not book.sheets:
        refuse(book.part.name, "has no sheet", _HINT)


def _targets(book: Workbook, archive: zipfile.ZipFile, path: str) -> dict[str, str]:
    """Parts of the archive by relation; what lies outside it is no target (rule 1)."""
    targets: dict[str, str] = {}

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", "")))
            targets[attributes.get("Id", "")] = target.lstrip("/")

    _run(book, archive, path, start)
    return targets


def _read_styles(book: Workbook, archive: zipfile.ZipFile) -> None:
    codes: dict[int, str] = {}
    inside = ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal inside
        if tag == "numFmt":
            codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif tag in {"cellXfs", "cellStyleXfs"}:
            inside = tag
        elif tag == "xf" and inside == "cellXfs":
            number = int(attributes.get("numFmtId", "0"))
            book.styles.append(_DATE if number in _DATE_IDS else _style(codes.get(number, "")))

    _run(book, archive, "xl/styles.xml", start)


def _style(code: str) -> str:
    """Rule 3."""
    plain = _LITERAL.sub("", code.split(";", maxsplit=1)[0])
    if any(letter in "dmyhs" for letter in plain.lower().replace("general", "")):
        return _DATE
    return plain if _ZEROS.fullmatch(plain) else _GENERAL


def _read_strings(book: Workbook, archive: zipfile.ZipFile) -> None:
    pieces: list[str] = []
    left = SHARED_TEXT_CHARS_MAX
    inside, aside = False, False

    def start(tag: str, _: dict[str, str]) -> None:
        nonlocal inside, aside
        if tag == "si":
            pieces.clear()
        inside, aside = tag == "t", aside or tag == "rPh"  # rPh: how to pronounce it

    def end(tag: str) -> None:
        nonlocal inside, aside, left
        inside = False
        if tag == "rPh":
            aside = False
        elif tag == "si":
            book.strings.append("".join(pieces))
            left -= len(book.strings[-1]) + 1
            if left < 0:
                refuse(book.part.name, "has too much text for a spreadsheet", "export it as CSV UTF-8")

    def text(data: str) -> None:
        if inside and not aside:
            pieces.append(data)

    _run(book, archive, "xl/sharedStrings.xml", start, end, text)


class _SheetReader:
    """Turns the XML of a sheet into rows."""

    def __init__(self, book: Workbook, name: str) -> None:
        self._book, self._name = book, name
        self.rows: list[Cells] = []
        self._row, self._cells = 0, {}  # type: tuple[int, dict[int, str]]
        self._column, self._kind, self._style = -1, "", ""
        self._into: list[str] | None = None
        self._value: list[str] = []
        self._formula: list[str] = []
        self._chars = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            row = int(attributes.get("r", self._row + 1))
            if not self._row < row <= SHEET_ROWS_MAX:  # rule 5
                refuse(self._name, "has rows that are numbered wrongly", _HINT)
            self._row, self._cells, self._column = row, {}, -1
        elif tag == "c":
            self._begin_cell(attributes)
        elif tag in {"v", "t"}:
            self._into = self._value
        elif tag == "f":
            self._into = self._formula
        elif tag == "rPh":
            self._into = None

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        reference = _REFERENCE.fullmatch(attributes["r"]) if "r" in attributes else None
        self._column = _column(reference[1]) if reference else self._column + 1
        self._kind = attributes.get("t", "n")
        style = int(attributes.get("s", "0"))
        self._style = self._book.styles[style] if style < len(self._book.styles) else _GENERAL
        self._value, self._formula, self._chars = [], [], 0

    def text(self, data: str) -> None:
        if self._into is not None:
            self._chars += len(data)
            if self._chars > FIELD_CHARS_MAX:
                refuse(self._name, f"has a cell longer than {FIELD_CHARS_MAX:,} characters in row {self._row}", _HINT)
            self._into.append(data)

    def end(self, tag: str) -> None:
        if tag in {"v", "t", "f"}:
            self._into = None
        elif tag == "c":
            value = self._shown("".join(self._value))
            if value:
                if not 0 <= self._column < COLUMNS_MAX:
                    refuse(self._name, f"has more than {COLUMNS_MAX:,} columns in row {self._row}", _HINT)
                self._cells[self._column] = value
        elif tag == "row" and self._cells:
            cells = self._cells
            self.rows.append((self._row, tuple(cells.get(at, "") for at in range(max(cells) + 1))))

    def _shown(self, value: str) -> str:
        if self._kind == "s":
            return self._book.strings[int(value)] if value else ""
        if self._kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        if not value and self._formula:  # rule 2
            return "=" + "".join(self._formula)
        if self._kind in {"n", "d"} and value:
            return number_shown(value, self._style, since_1904=self._book.since_1904)
        return value


def number_shown(value: str, style: str, *, since_1904: bool) -> str:
    """Rule 3."""
    try:
        number = float(value)
    except ValueError:
        return value  # a date that is stored as text (type d)
    if style == _DATE and 0 <= number <= _DAY_LAST:
        return _day_shown(number, since_1904=since_1904)
    if number.is_integer() and abs(number) < 1e15:  # noqa: PLR2004 - all its digits are exact
        return str(int(number)).zfill(len(style) if style != _DATE else 0)
    shown = repr(number)
    return f"{number:f}".rstrip("0").rstrip(".") if "e" in shown else shown


def _day_shown(number: float, *, since_1904: bool) -> str:
    seconds = round(number * _DAY_SECONDS)
    day, second = divmod(seconds, _DAY_SECONDS)
    time = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    if day == 0 and second:
        return time
    if since_1904:
        shown = (date(1904, 1, 1) + timedelta(days=day)).isoformat()
    elif day == _LEAP_BUG:
        shown = "1900-02-29"  # Excel's own day; it does not exist
    else:
        shown = (date(1899, 12, 31) + timedelta(days=day - (day > _LEAP_BUG))).isoformat()
    return f"{shown} {time}" if second else shown


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _run(
    book: Workbook,
    archive: zipfile.ZipFile,
    path: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = lambda _tag: None,
    text: Callable[[str], None] = lambda _data: None,
) -> None:
    for _ in _parse(book, archive, path, start, end, text):
        pass


def _parse(
    book: Workbook,
    archive: zipfile.ZipFile,
    path: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[None]:
    """Parse a part of the archive; yields now and then, so that the caller can hand on what there is."""
    parser: Any = expat.ParserCreate(namespace_separator=None)
    parser.buffer_text = True

    def doctype(*_: object) -> None:  # rule 5
        refuse(book.part.name, "declares a document type, which no spreadsheet does", _HINT)

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = lambda tag, attributes: start(tag.rpartition(":")[2], attributes)
    parser.EndElementHandler = lambda tag: end(tag.rpartition(":")[2])
    parser.CharacterDataHandler = text
    try:
        with _stream(book, archive, path) as file:
            while block := file.read(_BLOCK):
                parser.Parse(block, False)
                yield
            parser.Parse(b"", True)
            yield
    except (expat.ExpatError, ValueError, IndexError, KeyError, OverflowError):  # rule 6
        refuse(book.part.name, "is damaged, so that it cannot be read as a spreadsheet", _HINT)


def _stream(book: Workbook, archive: zipfile.ZipFile, path: str) -> IO[bytes]:
    info = archive.getinfo(path)
    return _Bounded(book.part.name, archive.open(info), info.compress_size)  # type: ignore[return-value]
