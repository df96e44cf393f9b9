"""How a file is to be read: everything that is None is found out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """The formats that are read."""

    CSV = "csv"
    """Cells separated by commas, semicolons, tabs or bars."""
    FIXED = "fixed"
    """Columns that begin at fixed places of the line."""
    XLSX = "xlsx"
    JSON = "json"
    JSON_LINES = "jsonl"


NO_DELIMITER: Final = "is not one character that separates cells, like ; or |"


def separates(delimiter: str) -> bool:
    """Whether this can separate the cells of a text."""
    return len(delimiter) == 1 and delimiter not in '"\r\n\0'


@dataclass(frozen=True, slots=True)
class Reading:
    """What a profile or a person says about a file."""

    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quoted: bool = True
    """Whether quotation marks enclose cells; else they are letters like any other."""
    columns_at: tuple[int, ...] = ()
    """Where the columns of a text of fixed width begin, counted from 1; empty: it is found out."""
    sheets: tuple[str, ...] = ()
    """Names of the sheets to read; empty: all that are visible."""
    members: tuple[str, ...] = ()
    """Patterns of the archive's files to read, as a shell writes them; empty: all."""
    header_line: int | None = None
    header: tuple[str, ...] = ()
    """The header of a file that has none."""
    wanted: frozenset[str] = frozenset()
    """Columns that the header must have, by which it is found; lower case."""
