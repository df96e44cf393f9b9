"""How words of a source are compared: names of columns and agencies, and values."""

from __future__ import annotations


def normal(value: str) -> str:
    """A value as maps, conditions and the table of agencies compare it: capitals and runs of spaces do not count."""
    return " ".join(value.split()).casefold()
