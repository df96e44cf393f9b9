"""What an import did, in numbers that always agree: new + changed + same + rejected = rows, of every kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.node.fairness import Want
from waypost.node.intake.canonical import FileKind
from waypost.node.intake.rejects import Rejection


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the rows of one kind."""

    new: int = 0
    changed: int = 0
    same: int = 0
    rejected: int = 0

    @property
    def accepted(self) -> int:
        """Rows that are in the store now."""
        return self.new + self.changed + self.same

    @property
    def rows(self) -> int:
        """All rows."""
        return self.accepted + self.rejected

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.new + other.new,
            self.changed + other.changed,
            self.same + other.same,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: what it is, and what became of its rows."""

    name: str
    kind: FileKind
    tally: Tally


@dataclass(frozen=True, slots=True)
class ImportReport:
    """A finished import."""

    files: tuple[FileReport, ...]
    shareable: int
    """Accepted conduct rows that passed the fair-process gate."""
    withheld: int
    """Accepted conduct rows that did not: accepted = shareable + withheld."""
    missing: Mapping[Want, int]
    """How many of the withheld rows lack what; one row may lack several things."""
    rejections: tuple[Rejection, ...]
    rejects_files: tuple[Path, ...]
    batch: int = 0
    """The number of the batch."""
    missing_officers: tuple[str, ...] = ()
    """Keys of officers that are held and were not in a list that claims to be complete."""

    def tally(self, kind: FileKind | None = None) -> Tally:
        """The rows of one kind of file, or of all."""
        return sum((file.tally for file in self.files if kind in {None, file.kind}), Tally())
