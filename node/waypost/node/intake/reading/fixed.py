"""Rows of a text report whose columns stand at fixed places in the line, under one another, without separators.

1. Where columns begin is told by a line of dashes under the header, a group for each column (what databases print).
2. Without one, by the blanks: a column begins after two or more places in a row that are blank in every line that is
   long enough, header and heading of a page not counted.
3. A column reaches to where the next one begins; blanks around a cell do not count.
4. A page break (form feed) is no letter of the row. A total is not cut into columns.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from waypost.node.intake.reading.packing import Part
from waypost.node.intake.reading.table import TOTAL
from waypost.node.intake.reading.text import Cells, lines_of

_RULE: Final = re.compile(r"\s*[-=_]{2,}(?: +[-=_]+)+\s*")
_GROUP: Final = re.compile(r"[-=_]+")
_SAMPLE_LINES: Final = 300
_LINE_CHARS_MAX: Final = 2_000
"""Printers and terminals write lines of 80 to 255 characters."""
_LINES_MIN: Final = 5
"""Of fewer lines, blanks that stand under one another tell nothing."""
_COLUMNS_MIN: Final = 3
_ROWS_SHARE: Final = 0.6
"""Lines at least so long, measured by the longest, are rows; shorter ones are headings and totals."""
_HEADING_SHARE: Final = 0.1
"""Of the lines, those that may hold something where columns are apart: headings of pages."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where columns begin, the first at 0; and the line of the header, where a line of dashes tells it (else 0)."""

    starts: tuple[int, ...]
    header_line: int = 0


def layout_of(part: Part, codec: str) -> Layout | None:
    """The layout found out; None when it is no such text."""
    lines = []
    with part.open() as file, io.TextIOWrapper(file, codec, newline="") as text:
        for line in islice(lines_of(part.name, text), _SAMPLE_LINES):
            if len(line) > _LINE_CHARS_MAX:
                return None
            lines.append(line.rstrip().lstrip("\f").expandtabs())
    starts = _by_blanks([line for line in lines if line])
    return _by_rule(lines) or (Layout(starts) if starts else None)


def _by_rule(lines: Sequence[str]) -> Layout | None:
    """Rule 1."""
    for number, line in enumerate(lines):
        if _RULE.fullmatch(line):
            header = next((at for at in range(number, 0, -1) if lines[at - 1]), 0)
            return Layout(_from_first(found.start() for found in _GROUP.finditer(line)), header)
    return None


def _by_blanks(lines: Sequence[str]) -> tuple[int, ...]:
    """Rule 2."""
    width = max(map(len, lines), default=0)
    rows = [line.ljust(width) for line in lines if len(line) >= width * _ROWS_SHARE]
    if len(rows) < _LINES_MIN:
        return ()
    allowed = int(len(rows) * _HEADING_SHARE)
    filled = [sum(char != " " for char in column) > allowed for column in zip(*rows, strict=True)]
    text = "".join("x" if each else " " for each in filled)
    starts = _from_first(found.start(1) for found in re.finditer(r"(?:^|  )(x)", text))
    return starts if len(starts) >= _COLUMNS_MIN else ()


def _from_first(starts: Iterable[int]) -> tuple[int, ...]:
    found = tuple(starts)
    return (0, *found[1:]) if found else ()


def rows_of(part: Part, codec: str, starts: Sequence[int]) -> Iterator[Cells]:
    """Every row, blank ones included."""
    places = [slice(start, end) for start, end in pairwise((*starts, None))]
    with part.open() as file, io.TextIOWrapper(file, codec, newline="") as text:
        for number, line in enumerate(lines_of(part.name, text), start=1):
            plain = line.rstrip("\r\n").lstrip("\f").expandtabs()
            if TOTAL.fullmatch(total := plain.strip()):
                yield number, (total, *[""] * (len(places) - 1))
            else:
                yield number, tuple(plain[place].strip() for place in places)
