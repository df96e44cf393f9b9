"""One row of a canonical file becomes one value, or a list of everything that is wrong with it.

1. A row has as many cells as its header.
2. What the value cannot do without is there: keys, names, an agency, a hire date, a kind, a status.
3. Cells are read by the rules of cells.py; people by those of people.py; values hold their own (records.py).
4. An employment that ended in a way that the file does not tell is `unknown`; one that goes on has no investigation at
   its separation.
5. "offered_and_declined" is another way to write `offered_declined`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from waypost.node.errors import RecordError
from waypost.node.intake.cells import Cells, Problem
from waypost.node.intake.people import read_person
from waypost.node.persons import Person
from waypost.node.records import (
    Appeal,
    CertificationAction,
    ConductKind,
    ConductRecord,
    Employment,
    FairProcess,
    ForceOutcome,
    ForceType,
    Hearing,
    RecordStatus,
    SeparationKind,
)


class FileKind(StrEnum):
    """Which of the three files it is; in the order in which they are imported."""

    OFFICERS = "officers"
    EMPLOYMENT = "employment"
    CONDUCT = "conduct"


COLUMNS: Final[dict[FileKind, tuple[str, ...]]] = {
    FileKind.OFFICERS: (
        *("officer_key", "family_name", "given_name", "middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
        *("cert_state", "cert_number", "officer_id"),
    ),
    FileKind.EMPLOYMENT: (
        *("officer_key", "ori", "rank", "sworn", "hired_on", "separated_on", "separation_kind", "under_investigation"),
    ),
    FileKind.CONDUCT: (
        *("officer_key", "record_key", "kind", "occurred_on", "effective_on", "summary", "force_type", "force_outcome"),
        *("amount", "authority", "notice_on", "hearing", "decided_by", "decided_on", "appeal", "final_on", "told_on"),
        "status",
    ),
}

DAYS: Final = frozenset(
    {
        *("hired_on", "separated_on", "occurred_on", "effective_on", "notice_on", "decided_on", "final_on", "told_on"),
        "date_of_birth",
    }
)
"""Columns that hold a day."""


@dataclass(frozen=True, slots=True)
class OfficerRow:
    """A row of officers."""

    officer_key: str
    value: Person


@dataclass(frozen=True, slots=True)
class EmploymentRow:
    """A row of employment."""

    officer_key: str
    value: Employment


@dataclass(frozen=True, slots=True)
class ConductRow:
    """A row of conduct; the record is numbered version 1 until the store's own version is known."""

    officer_key: str
    value: ConductRecord


Row = OfficerRow | EmploymentRow | ConductRow
Problems = tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one row of a file says; a row of a canonical file has one part."""

    parts: tuple[Row, ...]


_HEARINGS: Final = {"offered_and_declined": Hearing.OFFERED_DECLINED}


def read_row(kind: FileKind, cells: Sequence[str] | None, today: date) -> Parts | Problems:
    """The row's value, or its problems. `cells` in the order of COLUMNS; None: their number is wrong (rule 1)."""
    if cells is None:
        return (Problem("", "the row has not as many cells as the header has columns"),)
    row = read_part(kind, reader := Cells(COLUMNS[kind], cells, today))
    return tuple(reader.problems) if row is None else Parts((row,))


def read_part(kind: FileKind, cells: Cells) -> Row | None:
    """The value that these cells say; None when something is wrong with them: their problems say what."""
    try:
        row = _READERS[kind](cells)
    except RecordError as error:
        cells.refuse(error.column, str(error))
        return None
    return None if cells.problems else row


def _officer(cells: Cells) -> OfficerRow | None:
    key = cells.key("officer_key", required=True)
    person = read_person(cells)
    return OfficerRow(key, person) if person is not None and not cells.problems else None


def _employment(cells: Cells) -> EmploymentRow | None:
    key = cells.key("officer_key", required=True)
    ori = cells.text("ori", required=True).upper()
    rank = cells.text("rank")
    sworn = cells.flag("sworn", required=True)
    hired_on = cells.day("hired_on")
    separated_on = cells.day("separated_on")
    kind = cells.word("separation_kind", SeparationKind)
    under_investigation = cells.flag("under_investigation")
    if separated_on is not None and kind is None:  # rule 4
        kind = SeparationKind.UNKNOWN
    if under_investigation and kind is None:
        cells.refuse("under_investigation", "is yes although the employment has not ended")
    if hired_on is None and kind is None and not cells.text("hired_on"):
        cells.refuse("hired_on", "is empty or a placeholder although the employment has not ended")
    if cells.problems:
        return None
    return EmploymentRow(key, Employment(ori, rank, sworn, hired_on, separated_on, kind, under_investigation))


def _conduct(cells: Cells) -> ConductRow | None:
    key, record_key = cells.key("officer_key", required=True), cells.key("record_key", required=True)
    kind = cells.word("kind", ConductKind, required=True)
    occurred_on, effective_on = cells.day("occurred_on"), cells.day("effective_on")
    summary = cells.text("summary", lines=True)
    force_type = cells.word("force_type", ForceType)
    outcome = _outcome(cells, kind)
    amount_cents, authority = cells.cents("amount"), cells.text("authority")
    process = _fair_process(cells)
    status = cells.word("status", RecordStatus, required=True)
    if cells.problems or kind is None or status is None or process is None:
        return None
    record = ConductRecord(
        record_key=record_key,
        version=1,
        kind=kind,
        occurred_on=occurred_on,
        effective_on=effective_on,
        summary=summary,
        force_type=force_type,
        force_outcome=outcome,
        amount_cents=amount_cents,
        authority=authority,
        fair_process=process,
        status=status,
    )
    return ConductRow(key, record)


def _outcome(cells: Cells, kind: ConductKind | None) -> ForceOutcome | CertificationAction | None:
    if kind is ConductKind.DECERTIFICATION:
        return cells.word("force_outcome", CertificationAction)
    return cells.word("force_outcome", ForceOutcome)


def _fair_process(cells: Cells) -> FairProcess | None:
    notice_on, hearing = cells.day("notice_on"), cells.word("hearing", Hearing, others=_HEARINGS)
    decided_by, decided_on = cells.text("decided_by"), cells.day("decided_on")
    appeal = cells.word("appeal", Appeal)
    final_on, told_on = cells.day("final_on"), cells.day("told_on")
    if cells.problems:
        return None
    return FairProcess(notice_on, hearing, decided_by, decided_on, appeal, final_on, told_on)


_READERS: Final[dict[FileKind, Callable[[Cells], Row | None]]] = {
    FileKind.OFFICERS: _officer,
    FileKind.EMPLOYMENT: _employment,
    FileKind.CONDUCT: _conduct,
}
