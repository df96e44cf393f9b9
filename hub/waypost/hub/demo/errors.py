"""What can go wrong in the demonstration."""

from __future__ import annotations


class DemoError(Exception):
    """A step failed; the sentence says which, `hint` where to look."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
