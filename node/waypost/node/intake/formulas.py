"""Values that a spreadsheet would run as a formula stay text on the way out.

A cell that begins with =, +, -, @, a tab or a line break (after any apostrophes) gets an apostrophe more; reading a
file that was written so takes one off. Both ways together change nothing.
"""

from __future__ import annotations

_STARTS = frozenset("=+-@\t\r\n")


def guarded(cell: str) -> str:
    """The cell as it is written."""
    rest = cell.lstrip("'")
    return f"'{cell}" if rest and rest[0] in _STARTS else cell


def unguarded(cell: str) -> str:
    """The cell as it was."""
    if cell[:1] != "'":
        return cell
    rest = cell.lstrip("'")
    return cell[1:] if rest and rest[0] in _STARTS else cell
