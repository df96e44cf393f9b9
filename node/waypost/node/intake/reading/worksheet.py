"""The rows of one sheet of a workbook, as its XML is read.

1. Formulas are not evaluated: the value that Excel stored is taken, and where none is stored the formula itself, as
   text.
2. A cell's place is its reference: empty cells that are not stored are empty, rows that are not stored are not there. A
   sheet's stated range counts for nothing, so that a range of a billion rows costs nothing.
3. Rows and columns beyond what a table has are refused, and so is a sheet of cells far from one another (sparse.py).
"""

from __future__ import annotations

import re
from typing import Final

from waypost.node.intake.reading.ooxml import HINT
from waypost.node.intake.reading.shown import GENERAL, number_shown
from waypost.node.intake.reading.source import refuse
from waypost.node.intake.reading.sparse import Sparse
from waypost.node.intake.reading.strings import Strings
from waypost.node.intake.reading.text import Cells
from waypost.node.limits import COLUMNS_MAX, FIELD_CHARS_MAX, SHEET_ROWS_MAX

_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


class SheetReader:
    """Turns the XML of a sheet into rows."""

    def __init__(self, name: str, strings: Strings, styles: list[str], *, since_1904: bool) -> None:
        self._name, self._strings, self._styles, self._since_1904 = name, strings, styles, since_1904
        self._sparse = Sparse(name)
        self.rows: list[Cells] = []
        self._row, self._cells = 0, {}  # type: tuple[int, dict[int, str]]
        self._column, self._kind, self._style = -1, "", ""
        self._into: list[str] | None = None
        self._value: list[str] = []
        self._formula: list[str] = []
        self._chars = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """A tag begins."""
        if tag == "row":
            row = int(attributes.get("r", self._row + 1))
            if not self._row < row <= SHEET_ROWS_MAX:  # rule 3
                refuse(self._name, "has rows that are numbered wrongly", HINT)
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
        self._style = self._styles[style] if 0 <= style < len(self._styles) else GENERAL
        self._value, self._formula, self._chars = [], [], 0

    def text(self, data: str) -> None:
        """Text comes."""
        if self._into is not None:
            self._chars += len(data)
            if self._chars > FIELD_CHARS_MAX:
                refuse(self._name, f"has a cell longer than {FIELD_CHARS_MAX:,} characters in row {self._row}", HINT)
            self._into.append(data)

    def end(self, tag: str) -> None:
        """A tag ends."""
        if tag in {"v", "t", "f"}:
            self._into = None
        elif tag == "c":
            value = self._shown("".join(self._value))
            if value:
                if not 0 <= self._column < COLUMNS_MAX:
                    refuse(self._name, f"has more than {COLUMNS_MAX:,} columns in row {self._row}", HINT)
                self._cells[self._column] = value
        elif tag == "row" and self._cells:
            cells = self._cells
            self._sparse.see(max(cells) + 1, len(cells))
            self.rows.append((self._row, tuple(cells.get(at, "") for at in range(max(cells) + 1))))

    def _shown(self, value: str) -> str:
        if self._kind == "s":
            return self._strings[int(value)] if value else ""
        if self._kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value)
        if not value and self._formula:  # rule 1
            return "=" + "".join(self._formula)
        if self._kind in {"n", "d"} and value:
            return number_shown(value, self._style, since_1904=self._since_1904)
        return value


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
