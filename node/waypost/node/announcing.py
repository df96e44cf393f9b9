"""Announcing: when a record may be shared that could not be before, those who watch its officer are to hear of it.

A pointer says only that an officer is known here, and he was before. So his tokens are registered once more, with those
of others that are announced that day and covers that the hub holds as well (covering.py), which changes nothing at the
hub but tells it to tell.

1. A version of a record is announced when section 3(b) admits it, on the first day on which it does, and once.
2. An officer whose tokens were not made yet needs no announcement: their first registration is one.
"""

from __future__ import annotations

from datetime import date

from waypost.node import covering
from waypost.node.audit import Event
from waypost.node.due_process import Windows
from waypost.node.fairness import shareable
from waypost.node.store import AuditEntry, Store
from waypost.node.tokenizing import EPOCH_STATE


def announce(store: Store, windows: Windows, *, now_ms: int, today: date) -> int:
    """Have the tokens of officers with newly shareable records registered once more; how many officers."""
    with store.writing():
        due = [
            entry
            for entry in store.conduct.unannounced()
            if shareable(entry.record, today, window_days=windows.of(entry.record))
        ]
        officers = sorted({entry.officer_id for entry in due})
        if officers:
            covering.announce(store, officers, store.state.get_int(EPOCH_STATE))
            store.conduct.mark_announced(entry.record for entry in due)
            store.audit.add(AuditEntry(now_ms, Event.RECORDS_ANNOUNCED, "", f"{len(officers)} officers"))
    return len(officers)
