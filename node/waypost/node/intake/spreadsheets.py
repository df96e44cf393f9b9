"""Cells that go through a spreadsheet on their way back come back as they were.

1. A cell that a spreadsheet would run as a formula (it begins with =, +, -, @, a tab or a line break), or would change
   by opening and saving the file (leading zeros, more digits than it shows, days and what looks like one, numbers with
   an exponent or with zeros at their end), is written with an apostrophe more: it is text then, and stays so. Reading
   takes one apostrophe off. Both ways together change nothing.
2. What a person types into a spreadsheet is not guarded: a day that he typed is saved as the United States write it,
   5/18/2019. Files of mended rows are read so (`typed_day`).
"""

from __future__ import annotations

import re
from typing import Final

_STARTS: Final = frozenset("=+-@\t\r\n")
_DIGITS_MAX: Final = 11
"""A spreadsheet shows and saves longer numbers with an exponent: 1.23457E+11."""
_MONTHS: Final = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_CHANGED: Final = re.compile(
    rf"0\d+(?:\.\d+)?|\d{{{_DIGITS_MAX + 1},}}|\d+\.\d*0|\d+(?:\.\d+)?e[+-]?\d+|"
    r"(?:\d{4}[-/]\d{1,2}(?:[-/]\d{1,2})?|\d{1,2}[-/]\d{1,4}(?:[-/]\d{2,4})?)(?:[ T]\d.*)?|\d{1,2}:\d\d.*|"
    rf"\d{{1,4}}[-/ ]?{_MONTHS}\.?(?:[-/ ,]+\d{{1,4}})?|{_MONTHS}\.?[-/ ,]*\d{{1,4}}(?:[-/ ,]+\d{{2,4}})?",
    re.IGNORECASE | re.DOTALL,
)
TYPED_DAY_FORMAT: Final = "M/D/YYYY"
"""Of days that a person typed (rule 2), as a profile names formats."""
_TYPED_DAY: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: 0?0:00(?::00)?)?")


def guarded(cell: str) -> str:
    """The cell as it is written."""
    return f"'{cell}" if _needs_it(cell.lstrip("'")) else cell


def unguarded(cell: str) -> str:
    """The cell as it was."""
    return cell[1:] if cell[:1] == "'" and _needs_it(cell.lstrip("'")) else cell


def _needs_it(plain: str) -> bool:
    return plain[:1] in _STARTS or bool(_CHANGED.fullmatch(plain.strip()))


def typed_day(cell: str) -> str:
    """A day as a canonical file writes it, where the cell holds one as a spreadsheet of the United States does."""
    found = _TYPED_DAY.fullmatch(cell.strip())
    return f"{found[3]}-{found[1]:>02}-{found[2]:>02}" if found else cell
