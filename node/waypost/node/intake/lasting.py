"""What a file may not undo: how a record stands after somebody changed it in a lawful way.

1. A record that was voided, sealed or expunged is not brought back by a file; that takes `records reinstate`, and an
   expunged one never comes back. What the undo of a batch took away does come back with the files, if it stood then.
2. A correction by hand is not undone by a file that says what the record said before it; a file that has followed the
   correction says the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from waypost.node.intake.cells import Problem
from waypost.node.records import ConductRecord, RecordStatus
from waypost.node.store import EXPUNGED, HeldConduct, Store

_REINSTATE: Final = "reinstate it first (waypost-node records reinstate)"
_ENDED: Final[dict[str, str]] = {
    RecordStatus.VOIDED: f"is of a record that is voided here: {_REINSTATE}",
    RecordStatus.SEALED: f"is of a record that is sealed here: {_REINSTATE}",
    EXPUNGED: "is of a record that was expunged here: take it out of the source",
}


def says_the_same(store: Store, held: HeldConduct, record: ConductRecord) -> bool:
    """Whether the row says what is held (rule 2)."""
    if held.by_hand and held.standing == RecordStatus.CORRECTED and record.status is RecordStatus.ACTIVE:
        record = replace(record, status=RecordStatus.CORRECTED)
    return held.digest == store.conduct.digest(record)


def undoes(store: Store, held: HeldConduct, record: ConductRecord) -> Problem | None:
    """What is wrong with a row that says something else than is held; None when it may be a new version."""
    if held.standing in _ENDED and not (held.undone and _stood(store, record.record_key)):
        return Problem("record_key", _ENDED[held.standing])
    if held.by_hand:
        digest = store.conduct.digest(record)
        if any(store.conduct.digest(earlier) == digest for earlier in store.conduct.history(record.record_key)):
            return Problem("record_key", "was corrected here since: correct it in the source as well")
    return None


def _stood(store: Store, record_key: str) -> bool:
    """Whether the version that an undo took away was one that stood, and not one that was voided or sealed already."""
    taken_away = store.conduct.history(record_key)[-2]
    return taken_away.status not in {RecordStatus.VOIDED, RecordStatus.SEALED}
