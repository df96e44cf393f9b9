"""A file of persons to ask about or to watch: each row is good, or told with its line and what is wrong with it.

1. What is wrong with the file as a whole (not readable, no header, a column twice, too many rows, an authorization of
   the command that cannot be taken) refuses the file, and nothing is done.
2. What is wrong with a row (cells, too little to look anybody up, its own authorization) rejects this row alone. The
   others are done; rows = good + rejected.
3. Each person signs for himself: what a row says in the column `authorization` stands in the place of what the command
   says for all.
4. A column that nobody reads is told, for a check without what it holds may find less.

A reason names a column and never repeats a cell.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from waypost.node.applicants import Inquiry
from waypost.node.cli.check import Why
from waypost.node.errors import CheckError
from waypost.node.intake.cells import Cells
from waypost.node.intake.people import read_person
from waypost.node.persons import Person
from waypost.node.sufficiency import require_enough

ROWS_MAX: Final = 50_000
"""Persons of one file: the largest department, screened at once."""

_OWN: Final = "authorization"
_REQUIRED: Final = ("family_name", "given_name")
_OPTIONAL: Final = (
    *("middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
    *("cert_state", "cert_number", "officer_id", _OWN),
)
_NOT_READ: Final = ("officer_key",)
"""An agency's own files of officers have it; nobody is found by it."""
_DIGEST_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Applicant:
    """A good row: who it is, what it says about his authorization, if anything, and the line on which it begins."""

    person: Person
    authorization: str
    line: int


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row with which nothing is done; `line` is where it begins, as an editor counts."""

    row: int
    line: int
    reason: str

    def __str__(self) -> str:
        return f"row {self.row} (line {self.line}): {self.reason}"


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """A file's digest, its good rows by number, and the rejected ones. Rows are counted from 1, without the header."""

    digest: str
    good: Mapping[int, Applicant]
    rejected: tuple[RejectedRow, ...]

    @property
    def rows(self) -> int:
        return len(self.good) + len(self.rejected)


@dataclass(frozen=True, slots=True)
class Inquiries:
    """What to ask, by row, and why; and every row that was rejected, in order."""

    by_row: Mapping[int, Inquiry]
    reasons: tuple[Why, ...]
    rejected: tuple[RejectedRow, ...]

    @property
    def rows(self) -> int:
        return len(self.by_row) + len(self.rejected)


@dataclass(frozen=True, slots=True)
class Reasons:
    """What the command says for all rows (rule 3)."""

    purpose: str
    authorization: str
    by: str

    def inquiries(self, file: PeopleFile) -> Inquiries:
        """An inquiry for each good row; CheckError when what the command says cannot stand (rule 1)."""
        shared = Why(self.purpose, self.authorization, self.by, shared=True) if self.authorization else None
        if shared is None and not any(applicant.authorization for applicant in file.good.values()):
            shared = Why(self.purpose, "", self.by, shared=True)  # of no row: said once
        made: dict[str, Why] = {} if shared is None else {"": shared}
        found: dict[int, Inquiry] = {}
        rejected = list(file.rejected)
        for row, applicant in file.good.items():
            own = applicant.authorization
            try:
                if own not in made:
                    made[own] = Why(self.purpose, own, self.by, shared=not own)
                found[row] = made[own].inquiry(applicant.person, file.digest, row)
            except CheckError as error:
                rejected.append(RejectedRow(row, applicant.line, str(error)))
        used = {applicant.authorization for row, applicant in file.good.items() if row in found}
        reasons = tuple(why for own, why in made.items() if own in used)
        return Inquiries(found, reasons, tuple(sorted(rejected, key=lambda each: each.row)))


def read_people(path: Path) -> PeopleFile:
    """Read a file (rules 1, 2 and 4); CheckError when it cannot be taken as a whole."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        raise CheckError(f"{path}: {why}", hint="name the CSV file of applicants with --batch") from None
    except UnicodeDecodeError:
        raise CheckError(f"{path} cannot be read as UTF-8 text", hint="save the file as CSV UTF-8") from None
    try:
        (_, header), *lines = [*_lines(text)] or [(1, [])]
    except csv.Error as error:
        raise CheckError(f"{path} is no CSV: {error}", hint="look for a quotation mark that is not closed") from None
    header = [column.strip() for column in header]
    if not set(_REQUIRED) <= set(header):
        raise CheckError(f"{path} lacks a column of {', '.join(_REQUIRED)}", hint="columns are those of officers files")
    _look_over(path, header)
    good, rejected, today = {}, [], datetime.now(UTC).date()
    for row, (line, cells) in enumerate(lines, start=1):
        if not any(cells):
            continue
        read = _row(header, cells, line, today)
        if isinstance(read, Applicant):
            good[row] = read
        else:
            rejected.append(RejectedRow(row, line, read))
    file = PeopleFile(hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS], good, tuple(rejected))
    if not 0 < file.rows <= ROWS_MAX:
        raise CheckError(f"{path} holds no applicant, or more than {ROWS_MAX}", hint="split the file")
    return file


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""))
    begins = 1
    for cells in reader:
        yield begins, cells
        begins = reader.line_num + 1


def _row(header: list[str], row: list[str], line: int, today: date) -> Applicant | str:
    """The applicant of a row, or what is wrong with it (rule 2)."""
    if len(row) != len(header):
        return f"has {len(row)} cells, not {len(header)}"
    absent = [column for column in _OPTIONAL if column not in header]
    cells = Cells([*header, *absent], [*row, *([""] * len(absent))], today)
    person = read_person(cells)
    if person is None:
        return "; ".join(str(problem) for problem in cells.problems)
    try:
        require_enough(person, hint=" ")
    except CheckError as error:
        return str(error)
    return Applicant(person, cells.text(_OWN), line)


def _look_over(path: Path, header: list[str]) -> None:
    """CheckError when a column is there twice; those that nobody reads are told, and passed over (rule 4)."""
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise CheckError(f"{path} has the column {twice[0] or '(without a name)'} twice", hint="take one of them out")
    known = (*_REQUIRED, *_OPTIONAL)
    strange = [column or "(without a name)" for column in header if column not in {*known, *_NOT_READ}]
    if strange:
        console = Console(stderr=True, soft_wrap=True, markup=False)
        console.print(f"not read, for no column is called so: {', '.join(strange)}. Those that are: {', '.join(known)}")


def tell_rejected(rejected: tuple[RejectedRow, ...]) -> None:
    """Say on standard error what is wrong with each rejected row."""
    for each in rejected:
        typer.echo(f"rejected: {each}", err=True)


def end_if_rejected(rejected: tuple[RejectedRow, ...], again: str) -> None:
    """End the command with exit code 1 when rows were rejected, with what to do; everything else is done."""
    if rejected:
        count = f"{len(rejected)} row{'s were' if len(rejected) > 1 else ' was'} rejected"
        raise CheckError(f"{count}; all others are done", hint=f"correct them in the file and {again}")
