"""A table: its header, and its rows without the lines that are no rows.

1. A column without a name is "column 7"; a name that comes again is told apart as "name.1", "name.2". Characters of a
   name that cannot be seen do not count.
2. No rows are: blank lines, the header repeated, lines of dashes, headings of pages (a line that stands before the
   header, too, whatever its numbers), and totals (a line that says "total", or how many rows there were, and little
   else). They are counted by sort.
3. Cells beyond the header that are empty do not count. A row of a spreadsheet is as wide as its header.
4. Nothing is lost: lines = preamble + header + what is no row, by sort + rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from waypost.node.intake.reading.text import Cells
from waypost.node.intake.reading.wishes import Reading
from waypost.node.limits import HEADER_LINES_MAX, SKIPPED_SHOWN_MAX

TOTAL: Final = re.compile(
    r"(?:grand |sub)?-?totals?\b.{0,40}|(?:record|row)s? ?count\b.{0,20}|(?:count|sum):?|"
    r"[0-9,]+ (?:rows?|records?)(?: (?:selected|affected|returned|found))?\.?|\([0-9,]+ rows?(?: affected)?\)|"
    r"end of (?:report|file|list)\.?",
    re.IGNORECASE,
)
_TOTAL_CELLS_SHARE: Final = 2
DASHES: Final = re.compile(r"[-=_*]{2,}")
"""A cell of a line that only rules off."""
_DIGITS: Final = re.compile(r"\d+")


class Skipped(StrEnum):
    """Lines that are no rows (rule 3)."""

    PREAMBLE = "lines before the header"
    BLANK = "blank lines"
    HEADER_AGAIN = "repeated header lines"
    HEADING_AGAIN = "repeated headings"
    RULE = "lines of dashes"
    TOTAL = "totals"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row as it stands in its file: the line it begins in (from 1), and its cells."""

    line: int
    cells: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """A readable table. `rows()` reads it from the beginning, as often as need be, and counts what it leaves out."""

    name: str
    sha256: bytes
    shape: str
    """How it is read, in words."""
    reading: Reading
    """How it is read, for a profile."""
    header: tuple[str, ...]
    """As it stands in the file."""
    header_line: int
    rows_about: int
    """About how many rows there are; 0 when that is not known."""
    hidden: bool
    _open: Callable[[], Iterator[Cells]]
    _pad: bool
    aside: tuple[str, ...] = ()
    """Tables of the same file that are not read, each with why."""
    skipped: Counter[Skipped] = field(default_factory=Counter)
    skipped_lines: dict[Skipped, list[int]] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, each once (rule 2)."""
        return _unique(self.header)

    def rows(self) -> Iterator[SourceRow]:
        """Every row."""
        self.skipped, self.skipped_lines = Counter(), {}
        width, header = len(self.header), plain(self.header)
        headings: set[str] = set()
        for line, found in self._open():
            cells = found
            if line <= self.header_line:
                if line < self.header_line:
                    self._skip(Skipped.PREAMBLE if any(cells) else Skipped.BLANK, line)
                    if line <= HEADER_LINES_MAX and (heading := _heading(cells)):
                        headings.add(heading)
                continue
            if len(cells) != width:  # rule 3
                cells = _fitted(cells, width, pad=self._pad)
            what = _no_row(cells, width, header, headings)
            if what is None:
                yield SourceRow(line, cells)
            else:
                self._skip(what, line)

    def _skip(self, what: Skipped, line: int) -> None:
        self.skipped[what] += 1
        lines = self.skipped_lines.setdefault(what, [])
        if len(lines) < SKIPPED_SHOWN_MAX:
            lines.append(line)


def _no_row(cells: tuple[str, ...], width: int, header: tuple[str, ...], headings: set[str]) -> Skipped | None:
    """What the line is instead of a row (rule 2)."""
    filled = [cell for cell in cells if cell and not cell.isspace()]
    if not filled:
        return Skipped.BLANK
    first = filled[0].strip("\ufeff").strip()  # a file that was hung onto another brings its mark along
    if first.lower() in header and plain(cells) == header:
        return Skipped.HEADER_AGAIN
    if len(filled) * _TOTAL_CELLS_SHARE <= max(width, 4) and TOTAL.fullmatch(first):
        return Skipped.TOTAL
    if first.startswith(("-", "=", "_", "*")) and all(DASHES.fullmatch(cell.strip()) for cell in filled):
        return Skipped.RULE
    return Skipped.HEADING_AGAIN if headings and _heading(cells) in headings else None


def plain(cells: Sequence[str]) -> tuple[str, ...]:
    """Cells as they are compared with a header."""
    return tuple(cell.strip("\ufeff").strip().lower() for cell in cells)


def _heading(cells: Sequence[str]) -> str:
    """A line without its numbers; empty when there is nothing else in it."""
    text = _DIGITS.sub("", "".join("".join(cells).lower().split()))
    return text if any(map(str.isalpha, text)) else ""


def _fitted(cells: tuple[str, ...], width: int, *, pad: bool) -> tuple[str, ...]:
    """Rule 3."""
    if len(cells) > width:
        return cells[:width] if not any(cells[width:]) else cells
    return (*cells, *([""] * (width - len(cells)))) if pad else cells


def _unique(header: Sequence[str]) -> tuple[str, ...]:
    """Rule 1."""
    seen: Counter[str] = Counter()
    taken: set[str] = set()
    names = []
    for at, cell in enumerate(header, start=1):
        plain_name = name = " ".join("".join(filter(_seen, cell)).split()) or f"column {at}"
        while name.lower() in taken:
            seen[plain_name.lower()] += 1
            name = f"{plain_name}.{seen[plain_name.lower()]}"
        taken.add(name.lower())
        names.append(name)
    return tuple(names)


def _seen(char: str) -> bool:
    return char.isprintable() or char.isspace()
