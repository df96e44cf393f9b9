"""The cells of one row, read one by one; what is wrong with any of them is collected, not raised.

 1. White space around a cell does not count. A blank of another kind within it (a no-break space of a web page) is a
    blank.
 2. Words are those of records.py; capitals, spaces and hyphens do not count.
 3. Dates are written YYYY-MM-DD, exist, and do not lie in the future.
 4. Nothing holds control characters (a summary may break lines), or U+FFFD, which stands where an earlier conversion
    lost a letter.
 5. What a spreadsheet could not work out (#REF!, #N/A) is no value; a number that it has shortened (9.00123E+11) is no
    key, for the digits that are lost tell one person from another.

A reason says which rule a cell breaks and never repeats the cell, so that reasons may be printed and logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final, TypeVar

from waypost.node.limits import KEY_CHARS_MAX

Word = TypeVar("Word", bound=StrEnum)

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{2}))?")
_FLAGS: Final = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
_BLANKS: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""White space that is no line break and no ordinary blank."""
_LINE_BREAKS: Final = str.maketrans("", "", "\t\n\r")
SHORTENED: Final = re.compile(r"-?[0-9](?:\.[0-9]+)?[Ee]\+[0-9]{2,3}")
SHORTENED_WHY: Final = "is a number that a spreadsheet has shortened: its last digits are lost; export it as text"
SPREADSHEET_ERROR_WHY: Final = "is an error of a spreadsheet"
SPREADSHEET_ERROR: Final = re.compile(r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA)|#{3,}")
_SORTS: Final = {
    "whole number": re.compile(r"-?[0-9]+"),
    "decimal number": re.compile(r"-?[0-9]*[.,][0-9]+"),
    "social security number": re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}"),
    "date": re.compile(r"[0-9]{1,4}[-/.][0-9A-Za-z]{1,9}[-/.][0-9]{1,4}(?:[ T][0-9:. APMapm]+)?"),
    "amount": re.compile(r"[($-]*[0-9,]+(?:\.[0-9]+)?\)?"),
    "shortened number": SHORTENED,
    "spreadsheet error": SPREADSHEET_ERROR,
    "formula": re.compile(r"=.*", re.DOTALL),
}
_LONG_CHARS: Final = 200
_LOST: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell; `column` is empty when it is the row as a whole."""

    column: str
    reason: str
    saw: str = field(default="", compare=False)
    """What sort of value stands there, never the value itself."""

    def __str__(self) -> str:
        return f"{self.column} {self.reason}" if self.column else self.reason


def sort_of(cell: str) -> str:
    """What sort of value a cell holds, in words that tell nothing of it."""
    if not cell.strip():
        return "empty"
    for sort, pattern in _SORTS.items():
        if pattern.fullmatch(cell):
            return sort
    if not cell.isprintable():
        return "text with control characters or line breaks"
    return "text" if len(cell) <= _LONG_CHARS else f"text of {len(cell):,} characters"


class Cells:
    """One row's cells by column. Reading a wrong one gives None (a text: empty) and adds to `problems`."""

    __slots__ = ("_cells", "problems", "today")

    def __init__(self, columns: Sequence[str], cells: Sequence[str], today: date) -> None:
        self._cells = dict(zip(columns, map(str.strip, cells), strict=True))
        self.today = today
        self.problems: list[Problem] = []

    def refuse(self, column: str, reason: str) -> None:
        """Note that this cell is wrong."""
        self.problems.append(Problem(column, reason, sort_of(self._cells.get(column, ""))))

    def text(self, column: str, *, required: bool = False, lines: bool = False) -> str:
        """A text, maybe empty; `lines`: it may break lines."""
        cell = self._cells[column]
        if not cell:
            if required:
                self.refuse(column, "is empty")
        elif _LOST in cell:
            self.refuse(column, "holds U+FFFD: a letter was lost in an earlier conversion")
        elif cell[0] == "#" and SPREADSHEET_ERROR.fullmatch(cell):
            self.refuse(column, SPREADSHEET_ERROR_WHY)
        elif cell.isprintable():
            return cell
        elif (plain := _BLANKS.sub(" ", cell)).isprintable() or (lines and plain.translate(_LINE_BREAKS).isprintable()):
            return plain
        else:
            self.refuse(column, "holds a line break or another character that cannot be printed")
        return ""

    def key(self, column: str, *, required: bool = False) -> str:
        """A key or number by which somebody or something is known, maybe empty."""
        key = self.text(column, required=required)
        if len(key) > KEY_CHARS_MAX:
            self.refuse(column, f"is longer than {KEY_CHARS_MAX} characters")
        elif SHORTENED.fullmatch(key):
            self.refuse(column, SHORTENED_WHY)
        return key

    def day(self, column: str, *, required: bool = False) -> date | None:
        """A date (rule 3)."""
        cell = self._cells[column]
        if not cell:
            if required:
                self.refuse(column, "is empty")
            return None
        if not _DAY.fullmatch(cell):
            self.refuse(column, "is not a date written YYYY-MM-DD")
            return None
        try:
            day = date.fromisoformat(cell)
        except ValueError:
            self.refuse(column, "is a date that does not exist")
            return None
        if day > self.today:
            self.refuse(column, "is in the future")
            return None
        return day

    def word(
        self, column: str, words: type[Word], *, required: bool = False, others: Mapping[str, Word] | None = None
    ) -> Word | None:
        """One of a list of words (rule 2), or another way to write one of them."""
        cell = self._cells[column]
        if not cell:
            if required:
                self.refuse(column, f"is empty: write one of {', '.join(words)}")
            return None
        plain = "_".join(cell.lower().replace("-", " ").replace("_", " ").split())
        if others and plain in others:
            return others[plain]
        try:
            return words(plain)
        except ValueError:
            self.refuse(column, f"is none of {', '.join(words)}")
            return None

    def flag(self, column: str, *, required: bool = False) -> bool:
        """Yes or no; empty counts as no unless it is required."""
        cell = self._cells[column].lower()
        if cell in _FLAGS:
            return _FLAGS[cell]
        if cell or required:
            self.refuse(column, "is neither yes nor no" if cell else "is empty: write yes or no")
        return False

    def cents(self, column: str) -> int:
        """An amount in US dollars, in cents; empty is 0."""
        cell = self._cells[column]
        if not cell:
            return 0
        parts = _AMOUNT.fullmatch(cell)
        if parts is None:
            self.refuse(column, "is not an amount in dollars written 12345.67")
            return 0
        return int(parts[1]) * 100 + int(parts[2] or 0)
