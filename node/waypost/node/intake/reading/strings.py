"""A workbook's table of strings in little memory: the letters of all of them in one piece, and where each ends."""

from __future__ import annotations

from array import array


class Strings:
    """Strings by number. `add` the pieces of one, then `end` it."""

    __slots__ = ("_ends", "_text")

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("Q", [0])

    def add(self, piece: str) -> None:
        """A piece of the string that is being read."""
        self._text += piece.encode()

    def end(self) -> None:
        """The string is whole."""
        self._ends.append(len(self._text))

    @property
    def size_bytes(self) -> int:
        """How much memory they take."""
        return len(self._text) + self._ends.itemsize * len(self._ends)

    def __getitem__(self, number: int) -> str:
        """IndexError when there is none of that number."""
        if number < 0:
            raise IndexError(number)
        return self._text[self._ends[number] : self._ends[number + 1]].decode()
