"""How plain values stand in a row: ISO dates, empty for none; and long lists in parts that SQLite takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TypeVar

from waypost.node.limits import SQL_VARIABLES_MAX

Item = TypeVar("Item")


def iso(day: date | None) -> str:
    """The date as it stands in a row."""
    return day.isoformat() if day else ""


def day_or_none(text: str) -> date | None:
    """The date that stands in a row."""
    return date.fromisoformat(text) if text else None


def marks(values: Sequence[object]) -> str:
    """As many placeholders as there are values."""
    return ", ".join("?" * len(values))


def in_parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in parts that one statement can bind."""
    for start in range(0, len(items), SQL_VARIABLES_MAX):
        yield items[start : start + SQL_VARIABLES_MAX]
