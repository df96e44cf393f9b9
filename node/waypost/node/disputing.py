"""The officer's side of a record: his statement, and his dispute with its clock. No network.

1. A statement or dispute belongs to a record that is held, whatever its status; an expunged one has neither.
2. A newer statement takes the earlier one's place; an empty one takes it back.
3. One dispute of a record is open at a time. Resolving it says how: `stands`, `corrected`, `voided`, `sealed`.
   The outcome is a statement of the owner; the change itself is made by the commands of changing.py, before.
4. A dispute that was not resolved in its time is entered once, by the running node.
5. What was done, the entry of everyone who must be told and the audit entry are one transaction.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from waypost.node import noticing
from waypost.node.audit import Event
from waypost.node.changing import Changed
from waypost.node.errors import ChangeError
from waypost.node.limits import GROUNDS_CHARS_MAX, STAFF_CHARS_MAX
from waypost.node.noticing import Change
from waypost.node.records import ConductRecord, RecordStatus
from waypost.node.statements import Dispute, Statement
from waypost.node.store import AuditEntry, RecordChange, Store


class Outcome(StrEnum):
    """How a dispute was resolved."""

    STANDS = "stands"
    CORRECTED = "corrected"
    VOIDED = "voided"
    SEALED = "sealed"


_WANTED = {
    Outcome.CORRECTED: RecordStatus.CORRECTED,
    Outcome.VOIDED: RecordStatus.VOIDED,
    Outcome.SEALED: RecordStatus.SEALED,
}


def set_statement(store: Store, record_key: str, statement: Statement | None, *, staff: str, now_ms: int) -> Changed:
    """Attach the officer's statement, or take it back (rules 1 and 2)."""
    with store.writing():
        record = _record(store, record_key)
        store.statements.add(record_key, statement, now_ms)
        words = "the officer's statement was taken back" if statement is None else "the officer gave a statement"
        return _noted(store, record, Change.STATEMENT, words, staff, now_ms)


def open_dispute(store: Store, record_key: str, grounds: str, opened_on: date, *, staff: str, now_ms: int) -> Changed:
    """Start the clock (rule 3)."""
    if not 0 < len(grounds.strip()) <= GROUNDS_CHARS_MAX:
        raise ChangeError(f"the grounds have 1 to {GROUNDS_CHARS_MAX:,} characters", hint="nothing was changed")
    with store.writing():
        record = _record(store, record_key)
        if not store.statements.open_dispute(record_key, Dispute(opened_on), grounds):
            raise ChangeError(f"a dispute of {record_key} is open already", hint="resolve that one first")
        return _noted(store, record, Change.DISPUTE_OPENED, "the officer disputes the record", staff, now_ms)


def resolve_dispute(
    store: Store, record_key: str, outcome: Outcome, resolved_on: date, *, staff: str, now_ms: int
) -> Changed:
    """Stop the clock (rule 3)."""
    with store.writing():
        record = _record(store, record_key)
        wanted = _WANTED.get(outcome)
        if wanted is not None and record.status is not wanted:
            raise ChangeError(
                f"{record_key} is {record.status}, not {wanted}",
                hint="change the record first: waypost-node records correct, void or seal",
            )
        if not store.statements.resolve_dispute(record_key, resolved_on, outcome):
            raise ChangeError(f"no dispute of {record_key} is open", hint="see `waypost-node dispute list`")
        words = f"the dispute was resolved: the record {'stands' if wanted is None else f'was {outcome}'}"
        return _noted(store, record, Change.DISPUTE_RESOLVED, words, staff, now_ms)


def note_overdue(store: Store, today: date, *, now_ms: int) -> int:
    """Enter that disputes are overdue by now, and who must be told of it (rule 4); how many disputes."""
    if not store.statements.newly_overdue(today):
        return 0
    with store.writing():
        overdue = store.statements.newly_overdue(today)
        for record_key in overdue:
            store.statements.overdue_told(record_key)
            words = "the dispute was not resolved in time"
            told = noticing.owe(store, record_key, Change.DISPUTE_OVERDUE, reason=words, now_ms=now_ms)
            store.audit.add(AuditEntry(now_ms, Event.DISPUTE_OVERDUE, record_key, f"{told} notices"))
    return len(overdue)


def _record(store: Store, record_key: str) -> ConductRecord:
    held = store.conduct.by_key(record_key)
    if held is None:
        raise ChangeError("there is no record of that key", hint="see `waypost-node records list`")
    return held.record


def _noted(store: Store, record: ConductRecord, change: Change, words: str, staff: str, now_ms: int) -> Changed:
    """Rule 5."""
    if not 0 < len(staff) <= STAFF_CHARS_MAX or not staff.isprintable():
        raise ChangeError(f"the staff reference has 1 to {STAFF_CHARS_MAX} printable characters")
    key = record.record_key
    store.changes.add(RecordChange(key, record.version, now_ms, change, words, staff))
    told = noticing.owe(store, key, change, reason=words, now_ms=now_ms)
    store.audit.add(AuditEntry(now_ms, Event.RECORD_CHANGED, staff, f"{change}, {told} notices, {key}"))
    return Changed(key, record.version, told)
