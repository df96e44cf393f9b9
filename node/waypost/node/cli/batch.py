"""`waypost-node check --batch`: a whole academy class or department, resumable.

Every row becomes a check of its own, named by the file's digest and the row. Running the same file again under the same
authorization goes on where it stopped: a row that was asked within RESUME_MS is not asked again. After that, or under
another authorization, it is a new screening.

Each applicant signs for himself: what a row says in the column `authorization` stands in the place of what the command
says for all. A column that nobody reads is told, for a check without what it holds may find less.
"""

from __future__ import annotations

import csv
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from waypost.node import asking
from waypost.node.applicants import Inquiry, inquiry_from_json
from waypost.node.clear import found_word
from waypost.node.cli.check import load, tell_authorizations
from waypost.node.errors import CheckError
from waypost.node.intake.cells import Cells
from waypost.node.intake.people import read_person
from waypost.node.persons import Person
from waypost.node.results import Result, facts
from waypost.node.sufficiency import require_enough

if TYPE_CHECKING:
    from waypost.node.cli.check import Why
    from waypost.node.store import Store

ROWS_MAX: Final = 50_000
"""Applicants of one file: the largest department, screened at once."""

STALL_S: Final = 120.0
"""Without any change for this long, what is missing counts as pending."""

RESUME_MS: Final = 2 * 86_400_000
"""Milliseconds within which the same file again goes on with its checks, rather than asking anew."""

_OWN: Final = "authorization"
_REQUIRED: Final = ("family_name", "given_name")
_OPTIONAL: Final = (
    *("middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
    *("cert_state", "cert_number", "officer_id", _OWN),
)
_NOT_READ: Final = ("officer_key",)
"""An agency's own files of officers have it; nobody is found by it."""
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Applicant:
    """One row: who it is, and what it says about his authorization, if anything."""

    person: Person
    authorization: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """What the command says for all rows; a row's own authorization goes first."""

    purpose: str
    authorization: str
    by: str

    def by_row(self, applicants: Mapping[int, Applicant]) -> dict[int, Why]:
        """Why each row is asked; CheckError names the first that cannot be. Nothing is read twice."""
        from waypost.node.cli.check import Why

        made: dict[str, Why] = {}
        reasons = {}
        for row, applicant in applicants.items():
            own = applicant.authorization
            try:
                if own not in made:
                    made[own] = Why(self.purpose, own or self.authorization, self.by, shared=not own)
            except CheckError as error:
                where = f"row {row}: {error}" if own or not self.authorization else str(error)
                raise CheckError(where, hint=error.hint) from None
            reasons[row] = made[own]
        return reasons


def run_batch(store: Store, path: Path, said: Reasons, *, as_json: bool) -> None:
    """Ask every row of a file, wait for the answers, and print one line per applicant."""
    digest, rows = read_applicants(path)
    reasons = said.by_row(rows)
    inquiries = {row: inquiry_of(reasons[row], applicant, digest, row) for row, applicant in rows.items()}
    if not as_json:
        tell_authorizations(reasons.values())
    earlier = asked_before(store, digest, reasons, time.time_ns() // 1_000_000)
    if earlier:
        Console(stderr=True).print(f"{len(earlier)} of {len(rows)} applicants were asked before: the rest now.")
    done = _queue(store, inquiries, earlier)
    results = _wait(store, done, quiet=as_json)
    if as_json:
        for row in sorted(results):
            typer.echo(json.dumps(facts(results[row])))
        return
    table = Table("row", "applicant", "candidates", "referrals", "records", "pending", "coverage")
    for row in sorted(results):
        table.add_row(*summary_of(row, results[row]))
    Console().print(table)


def inquiry_of(why: Why, applicant: Applicant, digest: str, row: int) -> Inquiry:
    """The inquiry of a row; CheckError when its own reference names the applicant."""
    try:
        return why.inquiry(applicant.person, digest, row)
    except CheckError as error:
        raise CheckError(f"row {row}: {error}", hint=error.hint) from None


def read_applicants(path: Path) -> tuple[str, dict[int, Applicant]]:
    """A file's digest, and its applicants by row; CheckError names the first row that cannot be read."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        raise CheckError(f"{path}: {why}", hint="name the CSV file of applicants with --batch") from None
    except UnicodeDecodeError:
        raise CheckError(f"{path} cannot be read as UTF-8 text", hint="save the file as CSV UTF-8") from None
    try:
        header, *lines = [*csv.reader(text.splitlines())] or [[]]
    except csv.Error as error:
        raise CheckError(f"{path} is no CSV: {error}", hint="look for a quotation mark that is not closed") from None
    header = [column.strip() for column in header]
    if not set(_REQUIRED) <= set(header):
        raise CheckError(f"{path} lacks a column of {', '.join(_REQUIRED)}", hint="columns are those of officers files")
    _look_over(path, header)
    absent = [column for column in _OPTIONAL if column not in header]
    people, today = {}, datetime.now(UTC).date()
    for number, row in enumerate(lines, start=1):
        if not any(row):
            continue
        if len(row) != len(header):
            raise CheckError(f"{path}, row {number}: has {len(row)} cells, not {len(header)}", hint="correct the row")
        cells = Cells([*header, *absent], [*row, *([""] * len(absent))], today)
        person = read_person(cells)
        if person is None:
            problem = cells.problems[0]
            raise CheckError(f"{path}, row {number}: {problem}", hint="correct the row; nothing was asked yet")
        require_enough(
            person,
            where=f"{path}, row {number}: ",
            hint="fill in date_of_birth, cert_state and cert_number, or ssn; nothing was asked yet",
        )
        people[number] = Applicant(person, cells.text(_OWN))
    if not 0 < len(people) <= ROWS_MAX:
        raise CheckError(f"{path} holds no applicant, or more than {ROWS_MAX}", hint="split the file")
    return hashlib.sha256(data).hexdigest()[:32], people


def _look_over(path: Path, header: list[str]) -> None:
    """CheckError when a column is there twice; those that nobody reads are told, and passed over."""
    twice = [column for column in header if header.count(column) > 1]
    if twice:
        raise CheckError(f"{path} has the column {twice[0] or '(without a name)'} twice", hint="take one of them out")
    known = (*_REQUIRED, *_OPTIONAL)
    strange = [column or "(without a name)" for column in header if column not in {*known, *_NOT_READ}]
    if strange:
        console = Console(stderr=True, soft_wrap=True, markup=False)
        console.print(f"not read, for no column is called so: {', '.join(strange)}. Those that are: {', '.join(known)}")


def asked_before(store: Store, digest: str, reasons: Mapping[int, Why], now_ms: int) -> dict[int, bytes]:
    """The checks of this file that are to be gone on with, by row."""
    known: dict[int, bytes] = {}
    for check in store.checks.newest(10 * ROWS_MAX):
        if check.created_at_ms < now_ms - RESUME_MS:
            break
        inquiry = inquiry_from_json(check.request_json)
        why = reasons.get(inquiry.row)
        if why is None or inquiry.batch != digest or check.state == asking.FAILED:
            continue
        asked = (inquiry.purpose, inquiry.authorization_digest, inquiry.authorization_reference)
        if asked == (why.purpose, why.digest, why.reference):
            known[inquiry.row] = check.id
    return known


def _queue(store: Store, inquiries: Mapping[int, Inquiry], known: dict[int, bytes]) -> dict[int, bytes]:
    """Queue what was not asked yet; the check's id of every row."""
    known = dict(known)
    now_ms = time.time_ns() // 1_000_000
    with store.writing():
        for row, inquiry in inquiries.items():
            if row not in known:
                check = asking.new_check(inquiry, now_ms + row)
                store.checks.add(check)
                known[row] = check.id
    return known


def _wait(store: Store, checks: dict[int, bytes], *, quiet: bool) -> dict[int, Result]:
    results: dict[int, Result] = {}
    columns = (TextColumn("applicants"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=quiet)) as progress:
        task = progress.add_task("", total=len(checks))
        open_rows, last_change = dict(checks), time.monotonic()
        while open_rows and time.monotonic() - last_change < STALL_S:
            for row, check_id in list(open_rows.items()):
                held = store.checks.get(check_id)
                if held is None or held.state in {asking.QUEUED, asking.READY}:
                    break  # they are made in this order, so nothing after this one is further
                result = load(store, check_id)
                if result.complete or held.state == asking.FAILED:
                    results[row] = result
                    del open_rows[row]
                    last_change = time.monotonic()
            progress.update(task, completed=len(results))
            if open_rows:
                time.sleep(_POLL_S)
    for row, check_id in open_rows.items():
        results[row] = load(store, check_id)
    return results


def summary_of(row: int, result: Result) -> tuple[str, ...]:
    """A row's line of the table: what was found, offered and read, who is pending, and the coverage."""
    name = result.inquiry.person.names[0]
    found = ", ".join(f"{each.ori} {each.comparison.confidence}" for each in result.candidates) or found_word(result)
    records = sum(len(each.candidate.conduct) for each in result.candidates)
    coverage = result.coverage
    covered = f"{coverage.current} of {coverage.members}" if coverage is not None else "not asked yet"
    state = result.check.reason if result.check.state == asking.FAILED else found
    offered, pending = ", ".join(result.referrals), ", ".join(result.pending)
    return (str(row), f"{name.family}, {name.given}", state, offered, str(records), pending, covered)
