"""Files to fix: rows of canonical files as the node holds them, each with what is the matter, to be imported again.

1. A file has the columns of a rejects file before the canonical ones: import ignores them, does not compare such a file
   with a whole one, and takes off the apostrophe that keeps a spreadsheet from changing a cell or running it.
2. Importing a file again as it is changes nothing. A person or a thing that no canonical row can say whole (two
   certification numbers, a former name of a kind of its own) is left out and counted: a row would lose something.
3. A row stands in one file, that of the first check that found it, with everything that any check found: a row that was
   mended in one file would be set back by another's.
4. The files are the owner's alone (0600): they hold personal data, the social security number among it.
5. They come into a folder without others: one that somebody mends is not overwritten, and one of an earlier report,
   imported by mistake with the newer ones, would set back what has been mended since.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from waypost.node.changing import canonical
from waypost.node.errors import CustodyError
from waypost.node.intake.canonical import REJECT_COLUMNS
from waypost.node.intake.rows import COLUMNS, ConductRow, EmploymentRow, FileKind, OfficerRow, Parts, Row, read_row
from waypost.node.intake.spreadsheets import guarded
from waypost.node.persons import Person, PersonName
from waypost.node.records import OFFICER_ID_ISSUER, Employment
from waypost.node.store import OfficerConduct


def cells_of(row: Row) -> tuple[str, ...]:
    """The canonical row that says this."""
    if isinstance(row, OfficerRow):
        named = {"officer_key": row.officer_key, **_person(row.value)}
        return tuple(named[column] for column in COLUMNS[FileKind.OFFICERS])
    if isinstance(row, EmploymentRow):
        named = {"officer_key": row.officer_key, **_employment(row.value)}
        return tuple(named[column] for column in COLUMNS[FileKind.EMPLOYMENT])
    named = canonical(OfficerConduct(0, row.officer_key, row.value))
    return tuple(named[column] for column in COLUMNS[FileKind.CONDUCT])


def loses_nothing(kind: FileKind, cells: tuple[str, ...], row: Row, today: date) -> bool:
    """Whether importing these cells gives the row again, or is refused (rule 2)."""
    read = read_row(kind, cells, today)
    return read.parts == (row,) if isinstance(read, Parts) else True


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found in a row: the column to mend (several: with semicolons), and why."""

    check: str
    column: str
    reason: str


class FixFiles:
    """One file a check, in a folder; made when its first row comes, and given its name at the end."""

    def __init__(self, folder: Path | None, today: date) -> None:
        self._folder = folder
        self._today = today
        self._open: dict[str, tuple[IO[str], Path]] = {}
        self.left_out: Counter[str] = Counter()
        self.elsewhere: Counter[str] = Counter()
        """Rows that a check found and that stand in another's file (rule 3)."""

    def add(self, row: Row, findings: Sequence[Finding]) -> None:
        """A row to fix, if anything was found; without a folder it is only judged by rule 2."""
        if not findings:
            return
        first, *others = dict.fromkeys(each.check for each in findings)
        plain = _comparable(row)
        kind = _KINDS[type(plain)]
        cells = cells_of(plain)
        if not loses_nothing(kind, cells, plain, self._today):
            self.left_out.update((first, *others))
        elif self._folder is not None:
            columns = "; ".join(dict.fromkeys(each.column for each in findings))
            reasons = "; ".join(each.reason for each in findings)
            row_cells = ("", columns, "", reasons, "", *map(guarded, cells))
            csv.writer(self._file(first, kind), lineterminator="\r\n").writerow(row_cells)
            self.elsewhere.update(others)

    def _file(self, check: str, kind: FileKind) -> IO[str]:
        assert self._folder is not None  # noqa: S101 - asked by the caller
        name = f"{check}.csv"
        if name not in self._open:
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=f".{name}.")  # mkstemp makes it 0600
            except OSError as error:
                raise CustodyError(
                    f"{self._folder} cannot be written to: {error.strerror}", hint="name another --out"
                ) from None
            file = os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="")
            self._open[name] = (file, Path(temporary))
            csv.writer(file, lineterminator="\r\n").writerow((*REJECT_COLUMNS, *COLUMNS[kind]))
        return self._open[name][0]

    @property
    def paths(self) -> dict[str, Path]:
        """Where the file of each check is."""
        return {name.removesuffix(".csv"): (self._folder or Path()) / name for name in self._open}

    def __enter__(self) -> Self:
        if self._folder is not None and any(self._folder.glob("*.csv")):  # rule 5
            raise CustodyError(
                f"{self._folder} holds files to fix already", hint="import and delete them, or name another folder"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for name, (file, temporary) in self._open.items():
            file.close()
            if kind is None:
                temporary.replace(temporary.with_name(name))
            else:
                temporary.unlink(missing_ok=True)


def _comparable(row: Row) -> Row:
    """The row as a file would bring it: a record in its first version, without what the officer said to it."""
    if isinstance(row, ConductRow):
        return ConductRow(row.officer_key, replace(row.value, version=1, statement=None, dispute=None))
    return row


def _person(person: Person) -> dict[str, str]:
    legal = person.names[0]
    certs = [number for number in person.identifiers if number.kind == "cert"]
    others = [number for number in person.identifiers if number.kind != "cert"]
    issuer = f"{others[0].issuer}:" if others and others[0].issuer != OFFICER_ID_ISSUER else ""
    return {
        "family_name": legal.family,
        "given_name": legal.given,
        "middle_name": legal.middle,
        "suffix": legal.suffix,
        "other_names": "; ".join(map(_other_name, person.names[1:])),
        "date_of_birth": str(person.date_of_birth),
        "ssn": person.ssn or person.ssn_last4,
        "cert_state": certs[0].issuer if certs else "",
        "cert_number": certs[0].value if certs else "",
        "officer_id": f"{issuer}{others[0].value}" if others else "",
    }


def _other_name(name: PersonName) -> str:
    return f"{name.family}, {' '.join(filter(None, (name.given, name.middle)))}"


def _employment(job: Employment) -> dict[str, str]:
    return {
        "ori": job.ori,
        "rank": job.rank,
        "sworn": _flag(job.sworn),
        "hired_on": str(job.hired_on or ""),
        "separated_on": str(job.separated_on or ""),
        "separation_kind": str(job.separation_kind or ""),
        "under_investigation": _flag(job.under_investigation),
    }


def _flag(value: bool) -> str:
    return "yes" if value else "no"


_KINDS: Final[dict[type, FileKind]] = {
    OfficerRow: FileKind.OFFICERS,
    EmploymentRow: FileKind.EMPLOYMENT,
    ConductRow: FileKind.CONDUCT,
}
