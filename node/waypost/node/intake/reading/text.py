"""Rows of a text file whose cells are separated by commas, semicolons, tabs or bars.

1. The separator is the one by which a line has the wanted columns; without wishes, the one that gives most of the first
   lines the same number of cells, more than one.
2. A quotation mark that is not closed, or stands where CSV allows none, ends the reading: nobody can tell where rows
   end.
3. A line, a row or a cell longer than any table has ends it, too, before it is in memory.
4. Line ends may be mixed; lines are counted as an editor counts them.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

from waypost.node.intake.reading.packing import Part
from waypost.node.intake.reading.source import refuse
from waypost.node.intake.reading.wishes import Reading
from waypost.node.limits import COLUMNS_MAX, FIELD_CHARS_MAX, LINE_CHARS_MAX

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_QUOTING: Final[dict[bool, Literal[0, 3]]] = {True: csv.QUOTE_MINIMAL, False: csv.QUOTE_NONE}
_SAMPLE_LINES: Final = 200
_NO_TABLE: Final = "it is no table of text"

Cells = tuple[int, tuple[str, ...]]
"""The line a row begins in, and its cells."""


def separated(part: Part, codec: str, wanted: frozenset[str] = frozenset()) -> tuple[str, int]:
    """The separator (rule 1), and how many cells it gives most lines; `wanted` in lower case.

    Lines that have the wanted columns by it are certain, whatever else the text looks like: COLUMNS_MAX cells.
    """
    lines, chars = [], 0
    with part.open() as file, io.TextIOWrapper(file, codec, newline="") as text:
        for line in lines_of(part.name, text):
            lines.append(line)
            chars += len(line)
            if len(lines) == _SAMPLE_LINES or chars > LINE_CHARS_MAX:
                break
    delimiter = max(DELIMITERS, key=lambda each: (_hits(lines, each, wanted), _fit(lines, each)[0]))
    return delimiter, COLUMNS_MAX if _hits(lines, delimiter, wanted) else _fit(lines, delimiter)[1]


def _hits(lines: list[str], delimiter: str, wanted: frozenset[str]) -> int:
    """The most wanted columns that a line has; one is no sign, for a line of one cell may be it."""
    cells = ({cell.strip(' "\r\n\ufeff').lower() for cell in line.split(delimiter)} for line in lines)
    hits = max((len(wanted & each) for each in cells), default=0)
    return hits if hits > 1 else 0


def _fit(lines: list[str], delimiter: str) -> tuple[float, int]:
    """How well it fits, and the cells of most lines."""
    csv.field_size_limit(FIELD_CHARS_MAX)
    try:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if any(row))
    except csv.Error:
        return 0, 1
    widths.pop(1, None)
    if not widths:
        return 0, 1
    width, rows = widths.most_common(1)[0]
    return rows / len(lines) + min(width, 100) / 1000, width


def rows_of(part: Part, codec: str, delimiter: str, reading: Reading) -> Iterator[Cells]:
    """Every row, blank ones included."""
    csv.field_size_limit(FIELD_CHARS_MAX)
    line, left = 1, LINE_CHARS_MAX

    def lines() -> Iterator[str]:
        nonlocal left
        for each in lines_of(part.name, text):
            left -= len(each)
            if left < 0:  # rule 3; cells in quotation marks may break lines without end
                refuse(part.name, f"has a row of more than {LINE_CHARS_MAX:,} characters, from line {line}", _NO_TABLE)
            yield each

    with part.open() as file, io.TextIOWrapper(file, codec, newline="") as text:
        reader = csv.reader(lines(), delimiter=delimiter, strict=reading.quoted, quoting=_QUOTING[reading.quoted])
        try:
            for cells in reader:
                yield line, tuple(cells)
                line, left = reader.line_num + 1, LINE_CHARS_MAX
        except csv.Error:  # rules 2 and 3
            refuse(
                part.name,
                "has a quotation mark that is not closed, or stands within a cell, or a cell longer than "
                f"{FIELD_CHARS_MAX:,} characters, in the row that begins in line {line}",
                'put a cell that holds a quotation mark into quotation marks, and double those within ("")',
            )


def lines_of(name: str, text: io.TextIOWrapper) -> Iterator[str]:
    """Every line with its end (rule 3)."""
    number = 0
    while line := text.readline(LINE_CHARS_MAX + 1):
        number += 1
        if len(line) > LINE_CHARS_MAX:
            refuse(name, f"has more than {LINE_CHARS_MAX:,} characters in line {number}", _NO_TABLE)
        yield line
