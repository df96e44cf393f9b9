"""Tables: what a file holds, each with its header found.

1. The header is the first line that has all wanted columns; without wishes, the line above a line of dashes in a text
   of fixed width, or the first that looks like one: as wide as most lines, and made of distinct words. Lines before it
   are its preamble.
2. A text is of fixed width when it is said so, or when that gives more columns than any separator (fixed.py).
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from waypost.node.intake.reading import fixed, objects, text, workbook
from waypost.node.intake.reading.encoding import Encoding, encoding_of
from waypost.node.intake.reading.packing import Part, parts_of
from waypost.node.intake.reading.source import Source, refuse
from waypost.node.intake.reading.table import DASHES, Table, plain
from waypost.node.intake.reading.text import Cells
from waypost.node.intake.reading.wishes import Format, Reading
from waypost.node.limits import COLUMNS_MAX, HEADER_LINES_MAX, LINE_CHARS_MAX

_NUMBERLIKE: Final = re.compile(r"[\d\s.,:/$%()+-]+")
_LABEL_CHARS_MAX: Final = 100
_WANTED_MIN: Final = 3
"""So many wanted columns in one line are no accident."""


def open_tables(source: Source, reading: Reading = Reading()) -> list[Table]:  # noqa: B008 - it is frozen
    """The tables of a file, at least one; IntakeError when it cannot be read."""
    tables: list[Table] = []
    for part in parts_of(source, reading.members):
        if part.workbook:
            tables += _sheets(part, reading)
        else:
            tables.append(_text(part, reading))
    return tables


def _text(part: Part, reading: Reading) -> Table:
    encoding = encoding_of(part, reading.encoding)
    wanted = reading.format
    if wanted is Format.XLSX:
        refuse(part.name, "is no spreadsheet", "correct the profile's format")
    if wanted is None and _starts(part, encoding.codec)[:1] in {"{", "["}:
        wanted = Format.JSON_LINES if objects.is_lines(part, encoding.codec) else Format.JSON
    if wanted in {Format.JSON, Format.JSON_LINES}:
        return _json(part, reading, encoding, wanted)
    delimiter, layout = _layout(part, reading, encoding)
    return _csv(part, reading, encoding, delimiter) if layout is None else _fixed(part, reading, encoding, layout)


def _layout(part: Part, reading: Reading, encoding: Encoding) -> tuple[str, fixed.Layout | None]:
    """The separator, or the layout of a text of fixed width (rule 2)."""
    if reading.columns_at:
        return "", fixed.Layout(tuple(at - 1 for at in reading.columns_at))
    if reading.delimiter:
        return reading.delimiter, None
    layout = None if reading.format is Format.CSV else fixed.layout_of(part, encoding.codec)
    if reading.format is Format.FIXED:
        if layout is None:
            refuse(part.name, "has no columns under one another", "say where they begin: columns_at = [1, 9, 40]")
        return "", layout
    delimiter, width = text.separated(part, encoding.codec, reading.wanted)
    return delimiter, layout if layout is not None and len(layout.starts) > width else None


def _starts(part: Part, codec: str) -> str:
    with part.open() as file, io.TextIOWrapper(file, codec) as stream:
        return stream.read(1000).lstrip()


def _json(part: Part, reading: Reading, encoding: Encoding, format_: Format) -> Table:
    lines = format_ is Format.JSON_LINES
    columns = objects.columns_of(part, encoding.codec, lines=lines)
    if not columns:
        refuse(part.name, "is empty", "export it again")
    return Table(
        name=part.name,
        sha256=part.sha256,
        shape=_shape(part, "JSON lines" if lines else "JSON", encoding.title),
        reading=Reading(format=format_, encoding=_wish(encoding), members=reading.members),
        header=columns,
        header_line=0,
        rows_about=encoding.lines if lines else 0,
        hidden=False,
        _open=lambda: objects.rows_of(part, encoding.codec, columns, lines=lines),
        _pad=False,
    )


def _fixed(part: Part, reading: Reading, encoding: Encoding, layout: fixed.Layout) -> Table:
    def rows() -> Iterator[Cells]:
        return fixed.rows_of(part, encoding.codec, layout.starts)

    told = reading.header_line or layout.header_line or None
    line, header = _header(part.name, rows, replace(reading, header_line=told))
    places = tuple(start + 1 for start in layout.starts)
    return Table(
        name=part.name,
        sha256=part.sha256,
        shape=_shape(part, f"text of fixed width, columns at {', '.join(map(str, places))}", encoding.title),
        reading=Reading(
            format=Format.FIXED,
            encoding=_wish(encoding),
            columns_at=places,
            header_line=line,
            header=reading.header,
            members=reading.members,
        ),
        header=header,
        header_line=line,
        rows_about=max(0, encoding.lines - line - 1),
        hidden=False,
        _open=rows,
        _pad=True,
    )


def _csv(part: Part, reading: Reading, encoding: Encoding, delimiter: str) -> Table:
    def rows() -> Iterator[Cells]:
        return text.rows_of(part, encoding.codec, delimiter, reading)

    line, header = _header(part.name, rows, reading)
    return Table(
        name=part.name,
        sha256=part.sha256,
        shape=_shape(part, f"text separated by {text.DELIMITERS.get(delimiter, repr(delimiter))}", encoding.title),
        reading=Reading(
            format=Format.CSV,
            encoding=_wish(encoding),
            delimiter=delimiter,
            quoted=reading.quoted,
            header_line=line,
            header=reading.header,
            members=reading.members,
        ),
        header=header,
        header_line=line,
        rows_about=max(0, encoding.lines - line - 1),
        hidden=False,
        _open=rows,
        _pad=False,
    )


def _sheets(part: Part, reading: Reading) -> list[Table]:
    if reading.format not in {None, Format.XLSX}:
        refuse(part.name, "is a spreadsheet", "correct the profile's format")
    book = workbook.open_workbook(part)
    if reading.sheets:
        sheets = [sheet for sheet in book.sheets if sheet.name.strip() in reading.sheets]
        if not sheets:
            refuse(part.name, "has none of the sheets that the profile reads", "look at it with import inspect")
    else:
        sheets = book.sheets
    tables = [table for sheet in sheets if (table := _sheet(part, book, sheet, reading)) is not None]
    if not tables:
        refuse(part.name, "is empty", "export it again")
    tables[0].aside = tuple(
        f"{part.name} [{sheet.name}]: a hidden sheet" for sheet in sheets if sheet.hidden and not reading.sheets
    )
    return tables


def _sheet(part: Part, book: workbook.Workbook, sheet: workbook.Sheet, reading: Reading) -> Table | None:
    """A sheet's table; None when it is empty, or hidden and not asked for."""

    def rows() -> Iterator[Cells]:
        return workbook.rows_of(book, sheet)

    name = f"{part.name} [{sheet.name}]"
    if (sheet.hidden and not reading.sheets) or next(rows(), None) is None:
        return None
    line, header = _header(name, rows, reading)
    return Table(
        name=name,
        sha256=part.sha256,
        shape=_shape(part, f"sheet {sheet.name!r} of a spreadsheet", ""),
        reading=Reading(format=Format.XLSX, sheets=(sheet.name,), header_line=line, header=reading.header),
        header=header,
        header_line=line,
        rows_about=0,
        hidden=sheet.hidden,
        _open=rows,
        _pad=True,
    )


def _shape(part: Part, format_: str, encoding: str) -> str:
    return ", ".join(filter(None, (part.packing, format_, encoding)))


def _wish(encoding: Encoding) -> str:
    return {"utf-8-sig": "utf-8", "cp1252": "windows-1252"}.get(encoding.codec, encoding.codec)


def _header(name: str, rows: Callable[[], Iterator[Cells]], reading: Reading) -> tuple[int, tuple[str, ...]]:
    """The header's line (0: it is given, not read) and its names (rule 1)."""
    if reading.header:
        return reading.header_line or 0, reading.header
    first = _first(rows())
    filled = [(line, cells) for line, cells in first if any(cell.strip() for cell in cells)]
    if not filled:
        refuse(name, "is empty", "export it again")
    if reading.header_line is not None:
        found = next((row for row in filled if row[0] == reading.header_line), None)
        if found is None:
            refuse(name, f"has no header in line {reading.header_line}", "correct the line, or leave it out")
    else:
        found = _find(filled[:HEADER_LINES_MAX], reading.wanted)
    line, cells = found
    header = _stripped(cells)
    if len(header) > COLUMNS_MAX:
        refuse(name, f"has more than {COLUMNS_MAX:,} columns", "export fewer")
    return line, header


def _first(rows: Iterator[Cells]) -> list[Cells]:
    """The first rows; fewer where they are long, for all of them are in memory."""
    first: list[Cells] = []
    chars = 0
    for row in islice(rows, HEADER_LINES_MAX * 4):
        first.append(row)
        chars += sum(map(len, row[1])) + len(row[1])  # an empty cell takes memory, too
        if chars > LINE_CHARS_MAX * 4:
            break
    return first


def _find(rows: Sequence[Cells], wanted: frozenset[str]) -> Cells:
    if wanted:
        best = max(rows, key=lambda row: len(wanted & set(plain(row[1]))))
        if len(wanted & set(plain(best[1]))) >= min(_WANTED_MIN, len(wanted)):
            return best
    common = Counter(_filled(cells) for _, cells in rows).most_common(1)[0][0]
    wide = max(2, min(common, max(_filled(cells) for _, cells in rows)) * 2 // 3)
    return next((row for row in rows if _filled(row[1]) >= wide and labels(row[1])), rows[0])


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def labels(cells: Sequence[str]) -> bool:
    """Whether these cells look like names of columns."""
    names = [cell.strip() for cell in cells if cell.strip()]
    return not any(
        _NUMBERLIKE.fullmatch(name) or DASHES.fullmatch(name) or len(name) > _LABEL_CHARS_MAX for name in names
    )


def _stripped(cells: tuple[str, ...]) -> tuple[str, ...]:
    end = len(cells)
    while end and not cells[end - 1].strip():
        end -= 1
    return cells[:end]
