"""Words of others on a terminal: names of files and of columns, and whatever a file says of itself."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with a question mark in the place of each character that a terminal would obey, or that hides others."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
