"""What a node's policy files do to the records it holds: tried on typical askers, before anybody real asks.

1. Only records that section 3(b) admits are looked at: of the others nobody is told anything, whatever a policy says.
2. Each file is looked at by itself: what it keeps back that the federation's floor would let out. What forbids an
   officer as a whole keeps all of his records back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from waypost.node.due_process import Windows
from waypost.node.policy import Asker, Explanation, PolicyEngine
from waypost.node.records import Officer
from waypost.node.ruling import Ruling

_ANY_ORI: Final = "US0000000"


@dataclass(frozen=True, slots=True)
class TypicalAsker:
    """Somebody who might ask, in words, and as policies see him."""

    words: str
    asker: Asker


@dataclass(frozen=True, slots=True)
class FileEffect:
    """What one file keeps back from one asker: by policy, the keys of the records; and how many officers as a whole."""

    file: str
    asker: str
    admitted: int
    kept_back: dict[str, tuple[str, ...]]
    officers: int
    officers_declined: int


def typical_askers(state: str) -> tuple[TypicalAsker, ...]:
    """The askers that the floor admits, from the node's own state and from another."""
    other = "NV" if state != "NV" else "CA"
    return (
        TypicalAsker(f"hiring, agency in {state}", Asker(_ANY_ORI, "agency", state, "hiring", True)),
        TypicalAsker(f"hiring, agency in {other}", Asker(_ANY_ORI, "agency", other, "hiring", True)),
        TypicalAsker(f"certification, POST board of {state}", Asker(_ANY_ORI, "post", state, "certification", True)),
        TypicalAsker(f"certification, POST board of {other}", Asker(_ANY_ORI, "post", other, "certification", True)),
        TypicalAsker(f"self, through an agency in {state}", Asker(_ANY_ORI, "agency", state, "self", True)),
    )


def review(
    officers: Sequence[Officer],
    files: Sequence[tuple[str, str]],
    *,
    floor: str,
    ori: str,
    state: str,
    windows: Windows,
    today: date,
) -> list[FileEffect]:
    """What each file does to these officers and their records (rules 1 and 2); PolicyError when one cannot be used."""
    effects: list[FileEffect] = []
    for name, text in files:
        ruling = Ruling(ori, state, PolicyEngine(floor, [(name, text)]), windows, today)
        effects += [_effect(name, typical, officers, ruling) for typical in typical_askers(state)]
    return effects


def _effect(name: str, typical: TypicalAsker, officers: Sequence[Officer], ruling: Ruling) -> FileEffect:
    kept: dict[str, list[str]] = {}
    admitted = declined = 0
    for officer in officers:
        whole = _forbidding(ruling.explain_officer(typical.asker, officer))
        declined += bool(whole)
        for record in filter(ruling.admits, officer.conduct):
            admitted += 1
            for policy in whole or _forbidding(ruling.explain(typical.asker, record)):
                kept.setdefault(policy, []).append(record.record_key)
    keys = {policy: tuple(keys) for policy, keys in kept.items()}
    return FileEffect(name, typical.words, admitted, keys, len(officers), declined)


def _forbidding(explained: Explanation) -> tuple[str, ...]:
    """The node's own policies that keep back what the floor would let out."""
    if not explained.floor.allowed or explained.decision.allowed:
        return ()
    return explained.decision.policy_ids
