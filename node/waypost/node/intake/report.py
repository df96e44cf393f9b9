"""What an import did, in numbers that always agree: new + changed + same + rejected = rows, file by file.

A row of a profiled file may say several things (an officer, an employment, a record). The row counts once, by the most
that became of it; what it said counts by kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost.node.fairness import Want
from waypost.node.intake.rejects import Rejection
from waypost.node.intake.rows import FileKind


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of rows."""

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
    """One file: what it is, how it was read, and what became of its rows."""

    name: str
    kind: FileKind | None
    """Of a canonical file; None: a profile brought it in."""
    tally: Tally
    parts: Mapping[FileKind, Tally]
    """What its rows said, by kind. A rejected row of a profiled file is counted among the rows alone."""
    shape: str = ""
    held: int = 0
    """How many of the rejected rows wait for somebody to say what their values mean."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Lines that are no rows, or that the profile leaves out, by sort: they are not counted as rows."""
    aside: tuple[str, ...] = ()
    """Tables of the same file that were not read, each with why."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """A finished import, or what one would do."""

    files: tuple[FileReport, ...]
    shareable: int
    """Accepted conduct rows that passed the fair-process gate."""
    withheld: int
    """Accepted conduct rows that did not: accepted = shareable + withheld."""
    missing: Mapping[Want, int]
    """How many of the withheld rows lack what; one row may lack several things."""
    records: Mapping[str, int]
    """Accepted conduct rows by kind of record."""
    rejections: tuple[Rejection, ...]
    """The first REJECTS_LISTED_MAX of them, without their cells."""
    reasons: Mapping[str, int]
    """How many rows were rejected for what."""
    unknown: Mapping[tuple[str, str], int]
    """Values that no map of the profile knows: (column, value) and how many rows hold it."""
    agencies: Mapping[str, int]
    """Names of agencies that nobody has confirmed, and how many rows hold each."""
    rejects_files: tuple[Path, ...]
    batch: int = 0
    """The number of the batch."""
    missing_officers: tuple[str, ...] = ()
    """Keys of officers that are held and were not in a list that claims to be complete."""
    dry_run: bool = False

    def tally(self, kind: FileKind | None = None) -> Tally:
        """What the rows said of one kind, or the rows themselves."""
        if kind is None:
            return sum((file.tally for file in self.files), Tally())
        return sum((file.parts.get(kind, Tally()) for file in self.files), Tally())

    @property
    def held(self) -> int:
        """Rows that wait for somebody to say what their values mean."""
        return sum(file.held for file in self.files)
