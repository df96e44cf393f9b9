"""Withdrawing an employment that never was: a wrong hire date or agency made one beside the right one.

1. An employment is known by officer, agency and hire date, so that no file can correct these: a corrected row brings
   another employment. The wrong one is withdrawn by hand, with a reason.
2. A withdrawal is a batch: it can be undone, and the history of the employment stays. A file that still says the same
   brings the employment back.
3. Who was told of the officer is told of the change (the store enters it by itself).
"""

from __future__ import annotations

from datetime import date

from waypost.node.audit import Event
from waypost.node.errors import CustodyError
from waypost.node.limits import BATCH_NAME_CHARS_MAX
from waypost.node.store import AuditEntry, ImportBatch, Store


def withdraw_employment(
    store: Store, officer_key: str, ori: str, hired_on: date | None, *, reason: str, at_ms: int
) -> int:
    """Withdraw it (`hired_on` None: one whose hire date is unknown) and give the batch that did.

    CustodyError when there is none, or no reason.
    """
    name = f"withdrawal of an employment: {' '.join(reason.split())}"
    if not reason.strip() or len(name) > BATCH_NAME_CHARS_MAX or not name.isprintable():
        raise CustodyError("a withdrawal needs a reason of one short line", hint="say it with --reason")
    with store.writing():
        officer = store.officers.by_key(officer_key)
        ids = [source.officer_id for source in store.officers.sources(officer.id)] if officer else []
        named = (held for held in store.employment.of_officers(ids) if held.employment.ori == ori)
        found = next((held for held in named if held.employment.hired_on == hired_on), None)
        if found is None:
            raise CustodyError(
                f"officer {officer_key} has no employment at {ori} from {hired_on or 'a day unknown'}",
                hint=f"see `waypost-node officers show {officer_key}`",
            )
        batch = store.imports.begin(at_ms)
        store.history.withdraw_employment(found.key, batch)
        store.imports.finish(batch, ImportBatch(at_ms, 1, 1, 0, 0, ()))
        store.batches.describe(batch, name)
        store.audit.add(AuditEntry(at_ms, Event.EMPLOYMENT_WITHDRAWN, f"batch {batch}", ""))
    return batch
