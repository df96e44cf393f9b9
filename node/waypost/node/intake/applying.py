"""Accepted rows meet the store: what is new, what has changed, what is the same.

1. Officers first, then employments, then conduct, whatever the order of the files.
2. A row whose officer is neither held nor imported along with it is rejected. A withdrawn officer is not held.
3. Two rows of one import about the same thing: if they say the same, the second changes nothing; if not, the second is
   rejected, for nobody can tell which is right.
4. A record keeps its officer. A row that gives a held record to somebody else is rejected; keys that were merged are
   of one person.
5. A changed record becomes a new version; the former versions stay.
6. Nothing is ever removed because a file no longer has it.

The caller holds a write transaction: all of it happens, or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Generic, TypeVar

from waypost.node.fairness import Want, Withheld, judge
from waypost.node.intake.canonical import CanonicalFile, SourceRow
from waypost.node.intake.cells import Problem
from waypost.node.intake.rejects import Rejection
from waypost.node.intake.report import Tally
from waypost.node.intake.rows import ConductRow, EmploymentRow, OfficerRow, Row
from waypost.node.records import ConductRecord
from waypost.node.store import OfficerEmployment, Store

AnyRow = TypeVar("AnyRow", OfficerRow, EmploymentRow, ConductRow)


class Fate(StrEnum):
    """What became of a row."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Placed(Generic[AnyRow]):
    """A row's value with the place it came from: the file's index among the files of the import, and the source."""

    file: int
    source: SourceRow
    row: AnyRow


@dataclass(slots=True)
class Outcome:
    """What became of the rows so far, and how the accepted conduct rows passed the fair-process gate."""

    files: Sequence[CanonicalFile]
    today: date
    fates: Counter[tuple[int, Fate]] = field(default_factory=Counter)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    missing: Counter[Want] = field(default_factory=Counter)
    shareable: int = 0
    withheld: int = 0

    def accept(self, placed: Placed[AnyRow], fate: Fate) -> None:
        """Count a row that is in the store now."""
        self.fates[placed.file, fate] += 1
        if isinstance(placed.row, ConductRow):
            self._judge(placed.row.value)

    def reject(self, file: int, source: SourceRow, problems: tuple[Problem, ...]) -> None:
        """Count and keep a row that is not."""
        self.fates[file, Fate.REJECTED] += 1
        self.rejections.append((file, Rejection(self.files[file].name, source, problems)))

    def tally(self, file: int) -> Tally:
        """What became of a file's rows."""
        return Tally(*(self.fates[file, fate] for fate in Fate))

    def _judge(self, record: ConductRecord) -> None:
        fairness = judge(record, self.today)
        if isinstance(fairness, Withheld):
            self.withheld += 1
            self.missing.update(missing.want for missing in fairness.missing)
        else:
            self.shareable += 1


@dataclass(slots=True)
class AcceptedRows:
    """The rows that are right by themselves, by kind."""

    officers: list[Placed[OfficerRow]] = field(default_factory=list)
    employment: list[Placed[EmploymentRow]] = field(default_factory=list)
    conduct: list[Placed[ConductRow]] = field(default_factory=list)

    def add(self, file: int, source: SourceRow, row: Row) -> None:
        """Keep a row."""
        if isinstance(row, OfficerRow):
            self.officers.append(Placed(file, source, row))
        elif isinstance(row, EmploymentRow):
            self.employment.append(Placed(file, source, row))
        else:
            self.conduct.append(Placed(file, source, row))


def apply_rows(store: Store, rows: AcceptedRows, outcome: Outcome, import_id: int) -> None:
    """Put the rows into the store (rule 1) and count what became of each."""
    officer_ids = _apply_officers(store, rows.officers, outcome, import_id)
    _apply_employment(store, _of_known(rows.employment, officer_ids, outcome), officer_ids, outcome, import_id)
    _apply_conduct(store, _of_known(rows.conduct, officer_ids, outcome), officer_ids, outcome, import_id)


def _apply_officers(
    store: Store, placed: Sequence[Placed[OfficerRow]], outcome: Outcome, import_id: int
) -> dict[str, int]:
    held = store.officers.held()
    new, changed = [], []
    for item in _distinct(placed, lambda row: row.officer_key, "officer_key", outcome):
        known = held.get(item.row.officer_key)
        if known is None:
            new.append((item.row.officer_key, item.row.value))
            outcome.accept(item, Fate.NEW)
        elif known.digest != store.officers.digest(item.row.value):
            changed.append((known.id, item.row.value))
            outcome.accept(item, Fate.CHANGED)
        else:
            outcome.accept(item, Fate.SAME)
    store.officers.change(changed, import_id)
    added = store.officers.add(new, import_id)
    brought = {item.row.officer_key for item in placed}
    known_ids = {key: officer.id for key, officer in held.items() if officer.digest or key in brought}
    return known_ids | added


def _apply_employment(
    store: Store,
    placed: Iterator[Placed[EmploymentRow]],
    officer_ids: dict[str, int],
    outcome: Outcome,
    import_id: int,
) -> None:
    held = store.employment.held()
    put = []
    for item in _distinct(placed, _employment_key, "hired_on", outcome):
        owned = OfficerEmployment(officer_ids[item.row.officer_key], item.row.value)
        known = held.get(owned.key)
        if known == store.employment.digest(owned.employment):
            outcome.accept(item, Fate.SAME)
            continue
        put.append(owned)
        outcome.accept(item, Fate.NEW if known is None else Fate.CHANGED)
    store.employment.put(put, import_id)


def _apply_conduct(
    store: Store,
    placed: Iterator[Placed[ConductRow]],
    officer_ids: dict[str, int],
    outcome: Outcome,
    import_id: int,
) -> None:
    held, links = store.conduct.held(), store.merges.links()
    put = []
    for item in _distinct(placed, lambda row: row.value.record_key, "record_key", outcome):
        officer_id, record = officer_ids[item.row.officer_key], item.row.value
        known = held.get(record.record_key)
        if known is None:
            put.append((officer_id, record))
            outcome.accept(item, Fate.NEW)
        elif links.head(known.officer_id) != links.head(officer_id):  # rule 4
            outcome.reject(item.file, item.source, (_ANOTHERS_RECORD,))
        elif known.digest == store.conduct.digest(record):
            outcome.accept(item, Fate.SAME)
        else:  # rule 5
            put.append((officer_id, replace(record, version=known.version + 1)))
            outcome.accept(item, Fate.CHANGED)
    store.conduct.put(put, import_id)


def _of_known(
    placed: Sequence[Placed[AnyRow]], officer_ids: dict[str, int], outcome: Outcome
) -> Iterator[Placed[AnyRow]]:
    """Rule 2."""
    for item in placed:
        if item.row.officer_key in officer_ids:
            yield item
        else:
            outcome.reject(item.file, item.source, (_UNKNOWN_OFFICER,))


def _distinct(
    placed: Sequence[Placed[AnyRow]] | Iterator[Placed[AnyRow]],
    key_of: Callable[[AnyRow], Hashable],
    column: str,
    outcome: Outcome,
) -> Iterator[Placed[AnyRow]]:
    """Rule 3: the first row about each thing."""
    first: dict[Hashable, Placed[AnyRow]] = {}
    for item in placed:
        earlier = first.setdefault(key_of(item.row), item)
        if earlier is item:
            yield item
        elif earlier.row == item.row:
            outcome.accept(item, Fate.SAME)
        else:
            where = f"line {earlier.source.line} of {outcome.files[earlier.file].name}"
            outcome.reject(item.file, item.source, (Problem(column, f"is that of {where}, which says otherwise"),))


def _employment_key(row: EmploymentRow) -> Hashable:
    return row.officer_key, row.value.ori, row.value.hired_on


_UNKNOWN_OFFICER = Problem("officer_key", "is of no officer: not held, and no row of officers of this import passed")
_ANOTHERS_RECORD = Problem("record_key", "is a held record of another officer: void that one, and take a new key")
