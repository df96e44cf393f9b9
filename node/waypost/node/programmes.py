"""What a custodian states about an agency's programmes (sections 2, 4 and 5), for measures that no record shows."""

from __future__ import annotations

from typing import Final

from waypost.node.errors import RecordError
from waypost.node.limits import OFFICERS_TRAINED_MAX

TRAINED: Final = {"trained_crisis_intervention": "crisis_intervention", "trained_de_escalation": "de_escalation"}
"""Facts that are numbers of officers, with the cell of `officers-trained` each is counted in."""

STANDING: Final = {"co_responder": "co_responder", "early_intervention": "early_intervention"}
"""Facts that are yes or no, with the cell of `programmes` each is counted in."""

MEANING: Final = {
    "trained_crisis_intervention": "officers trained in crisis intervention",
    "trained_de_escalation": "officers trained in de-escalation",
    "co_responder": "a co-responder programme (an officer and a mental-health professional answer together): yes or no",
    "early_intervention": "an early-intervention system for officers: yes or no",
}


def require_fact(name: str, value: str) -> None:
    """RecordError when there is no such fact, or it cannot have that value."""
    if name not in MEANING:
        raise RecordError("name", "is no programme fact", hint=f"one of: {', '.join(MEANING)}")
    if name in STANDING and value not in {"yes", "no"}:
        raise RecordError(name, "is yes or no")
    if name in TRAINED and not (value.isascii() and value.isdecimal() and int(value) <= OFFICERS_TRAINED_MAX):
        raise RecordError(name, f"is a number of officers, at most {OFFICERS_TRAINED_MAX:,}")
