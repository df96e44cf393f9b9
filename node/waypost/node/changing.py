"""A record's life by hand: corrected, voided, sealed, reinstated, expunged. No network.

    active, corrected --correct--> corrected        a new version with other facts
    active, corrected --void-----> voided           overturned: it never counts again unless it is reinstated
    active, corrected,
    voided            --seal-----> sealed           it stays here and goes nowhere
    voided, sealed    --reinstate> corrected        with the facts it had when it last stood
    sealed when void  --reinstate> voided           opening what was sealed is not letting it count again
    any               --expunge--> expunged         only the fact is left

1. Never in place: each change but expungement is a new version, and earlier ones stay as they are.
2. A correction changes at least one fact, and its values obey the rules of the canonical files.
3. Each change names a member of staff by an opaque reference, and its reason in words that every receiver may read.
4. The change, the entry of everyone who must be told (noticing.py) and the audit entry are one transaction.
5. Expunging deletes every version, statement, dispute, reason and rejected row of the record, and what own checks had
   found of it. When nothing else is
   held about the officer, his details go too, and his tokens are withdrawn. Deleted rows are scrubbed out of the
   database file afterwards; that this is due is noted in the same transaction, so that a crash in between is mended.
6. No import brings a voided, sealed or expunged record back (intake/applying.py): that takes `reinstate`, and an
   expunged one never comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from waypost.node import noticed, noticing
from waypost.node.audit import Event
from waypost.node.errors import ChangeError
from waypost.node.intake.cells import Cells
from waypost.node.intake.rejects import forget_rejects
from waypost.node.intake.rows import COLUMNS, ConductRow, FileKind, read_part
from waypost.node.limits import EXPUNGEMENT_REFERENCE_CHARS_MAX, STAFF_CHARS_MAX
from waypost.node.noticing import Change
from waypost.node.records import Appeal, ConductRecord, RecordStatus
from waypost.node.scrubbing import note_due
from waypost.node.store import AuditEntry, Expungement, OfficerConduct, RecordChange, Store
from waypost.protocol.limits import REASON_CHARS_MAX

CAUSE_ORDER: Final = "order"
CAUSE_RETENTION: Final = "retention"

_STANDING: Final = frozenset({RecordStatus.ACTIVE, RecordStatus.CORRECTED})
_FROM: Final = {
    Change.CORRECTED: _STANDING,
    Change.VOIDED: _STANDING,
    Change.SEALED: _STANDING | {RecordStatus.VOIDED},
    Change.REINSTATED: frozenset({RecordStatus.VOIDED, RecordStatus.SEALED}),
}
FIXED_COLUMNS: Final = frozenset({"officer_key", "record_key", "status"})
"""Columns that no correction changes."""


@dataclass(frozen=True, slots=True)
class Why:
    """By whom, why and when a record is changed (rule 3); ChangeError where it is made when it breaks a bound."""

    staff: str
    reason: str
    now_ms: int
    today: date

    def __post_init__(self) -> None:
        _bounded(self.staff, STAFF_CHARS_MAX, "the staff reference")
        _bounded(self.reason, REASON_CHARS_MAX, "the reason")


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did: the version now in force (0: expunged), and how many members are told."""

    record_key: str
    version: int
    notices: int


def correct(store: Store, record_key: str, facts: dict[str, str], why: Why) -> Changed:
    """Put other facts, as canonical columns, into a new version (rule 2)."""
    unknown = sorted(set(facts) - (set(COLUMNS[FileKind.CONDUCT]) - FIXED_COLUMNS))
    if unknown:
        raise ChangeError(f"{unknown[0]!r} is no fact of a record that can be corrected", hint="see docs/import.md")
    with store.writing():
        held = _held(store, record_key, Change.CORRECTED)
        content, columns = {**canonical(held), **facts}, COLUMNS[FileKind.CONDUCT]
        cells = Cells(columns, [content[column] for column in columns], why.today)
        row = read_part(FileKind.CONDUCT, cells)
        if not isinstance(row, ConductRow):
            raise ChangeError(f"the correction is refused: {cells.problems[0]}", hint="nothing was changed")
        corrected = replace(row.value, version=held.record.version, status=held.record.status)
        if store.conduct.digest(corrected) == store.conduct.digest(held.record):
            raise ChangeError(f"{record_key} says all of that already", hint="nothing was changed")
        return _next(store, held, replace(corrected, status=RecordStatus.CORRECTED), Change.CORRECTED, why)


def void(store: Store, record_key: str, why: Why, *, overturned: bool = False) -> Changed:
    """The record never counts again; `overturned` says that an appeal did it."""
    with store.writing():
        held = _held(store, record_key, Change.VOIDED)
        facts = held.record.fair_process
        if overturned:
            facts = replace(facts, appeal=Appeal.OVERTURNED)
        voided = replace(held.record, status=RecordStatus.VOIDED, fair_process=facts)
        return _next(store, held, voided, Change.VOIDED, why)


def seal(store: Store, record_key: str, why: Why) -> Changed:
    """The record stays here and goes nowhere."""
    with store.writing():
        held = _held(store, record_key, Change.SEALED)
        return _next(store, held, replace(held.record, status=RecordStatus.SEALED), Change.SEALED, why)


def reinstate(store: Store, record_key: str, why: Why) -> Changed:
    """A voided or sealed record stands again, with the facts of when it last stood; one sealed when void is void."""
    with store.writing():
        held = _held(store, record_key, Change.REINSTATED)
        open_versions = [each for each in store.conduct.history(record_key) if each.status is not RecordStatus.SEALED]
        sealed = held.record.status is RecordStatus.SEALED
        if sealed and open_versions and open_versions[-1].status is RecordStatus.VOIDED:
            return _next(store, held, open_versions[-1], Change.REINSTATED, why)
        stood = [version for version in open_versions if version.status in _STANDING]
        if not stood:
            raise ChangeError(f"no version of {record_key} ever stood", hint="import it under a new key")
        again = replace(stood[-1], status=RecordStatus.CORRECTED)
        return _next(store, held, again, Change.REINSTATED, why)


def expunge(
    store: Store, record_key: str, *, cause: str, reference: str, staff: str, rejects: Path, now_ms: int
) -> Changed:
    """Leave nothing of a record but the fact (rule 5); scrubbing must follow. An order tells all, retention nobody."""
    _bounded(staff, STAFF_CHARS_MAX, "the staff reference")
    _bounded(reference, EXPUNGEMENT_REFERENCE_CHARS_MAX, "the reference")
    with store.writing():
        officer_id = store.conduct.owner_of(record_key)
        if officer_id is None:
            raise ChangeError("there is no record of that key", hint="see `waypost-node records list`")
        if store.changes.expungement(record_key) is not None:
            raise ChangeError(f"{record_key} is expunged already", hint="see `waypost-node records history`")
        told = 0
        if cause == CAUSE_ORDER:
            told = noticing.owe(store, record_key, Change.EXPUNGED, reason="", now_ms=now_ms)
        noticed.erase_own(store, record_key, noticing.disclosed(store, record_key))
        store.changes.expunge(Expungement(record_key, now_ms, cause, reference, staff))
        person = store.merges.group(officer_id)
        if all(store.officers.held_nothing_of(each) for each in person):
            for each in person:
                store.tokens.erase(each)
                store.officers.erase(each)
                store.told_officers.forget(each)
        forget_rejects(rejects, record_key)
        store.batches.forget_shapes()  # a value of a small column may have been this record's alone
        note_due(store)
        store.audit.add(AuditEntry(now_ms, Event.RECORD_CHANGED, staff, f"expunged, {told} notices, {record_key}"))
    return Changed(record_key, 0, told)


def canonical(held: OfficerConduct) -> dict[str, str]:
    """A record as the cells of its canonical row."""
    record, facts = held.record, held.record.fair_process
    return {
        "officer_key": held.officer_key,
        "record_key": record.record_key,
        "kind": record.kind,
        "occurred_on": str(record.occurred_on or ""),
        "effective_on": str(record.effective_on or ""),
        "summary": record.summary,
        "force_type": record.force_type or "",
        "force_outcome": record.force_outcome or "",
        "amount": f"{record.amount_cents // 100}.{record.amount_cents % 100:02d}" if record.amount_cents else "",
        "authority": record.authority,
        "notice_on": str(facts.notice_on or ""),
        "hearing": facts.hearing or "",
        "decided_by": facts.decided_by,
        "decided_on": str(facts.decided_on or ""),
        "appeal": facts.appeal or "",
        "final_on": str(facts.final_on or ""),
        "told_on": str(facts.told_on or ""),
        "status": record.status,
    }


def _held(store: Store, record_key: str, change: Change) -> OfficerConduct:
    held = store.conduct.by_key(record_key)
    if held is None:
        if store.changes.expungement(record_key) is not None:
            raise ChangeError(f"{record_key} is expunged: nothing of it is left", hint="nothing was changed")
        raise ChangeError("there is no record of that key", hint="see `waypost-node records list`")
    if held.record.status not in _FROM[change]:
        raise ChangeError(
            f"{record_key} is {held.record.status}, so it cannot be {change}",
            hint="see `waypost-node records history`",
        )
    return held


def _next(store: Store, held: OfficerConduct, record: ConductRecord, change: Change, why: Why) -> Changed:
    """Rules 1 and 4."""
    record = replace(record, version=held.record.version + 1)
    key, version = record.record_key, record.version
    store.conduct.put([(held.officer_id, record)], None)
    store.changes.add(RecordChange(key, version, why.now_ms, change, why.reason, why.staff))
    told = noticing.owe(store, key, change, reason=why.reason, now_ms=why.now_ms)
    store.audit.add(AuditEntry(why.now_ms, Event.RECORD_CHANGED, why.staff, f"{change}, {told} notices, {key}"))
    return Changed(key, version, told)


def _bounded(text: str, chars_max: int, what: str) -> None:
    if not 0 < len(text.strip()) <= chars_max or not text.isprintable():
        raise ChangeError(f"{what} has 1 to {chars_max} printable characters", hint="nothing was changed")
