"""What a node's policy files do to the records it holds: tried on typical askers, before anybody real asks.

1. Only records that section 3(b) admits are looked at: of the others nobody is told anything, whatever a policy says.
2. Each file is looked at by itself: what it keeps back that the federation's floor would let out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from waypost.node.due_process import Windows
from waypost.node.policy import Asker, PolicyEngine
from waypost.node.records import ConductRecord
from waypost.node.ruling import Ruling

_ANY_ORI: Final = "US0000000"


@dataclass(frozen=True, slots=True)
class TypicalAsker:
    """Somebody who might ask, in words, and as policies see him."""

    words: str
    asker: Asker


@dataclass(frozen=True, slots=True)
class FileEffect:
    """What one file keeps back from one asker: by policy, the keys of the records."""

    file: str
    asker: str
    admitted: int
    kept_back: dict[str, tuple[str, ...]]


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
    records: Iterable[ConductRecord],
    files: Sequence[tuple[str, str]],
    *,
    floor: str,
    ori: str,
    state: str,
    windows: Windows,
    today: date,
) -> list[FileEffect]:
    """What each file does (rules 1 and 2); PolicyError when one cannot be used."""
    whole = Ruling(ori, state, PolicyEngine(floor), windows, today)
    admitted = [record for record in records if whole.admits(record)]
    effects: list[FileEffect] = []
    for name, text in files:
        ruling = Ruling(ori, state, PolicyEngine(floor, [(name, text)]), windows, today)
        effects += [_effect(name, typical, admitted, ruling) for typical in typical_askers(state)]
    return effects


def _effect(name: str, typical: TypicalAsker, admitted: Sequence[ConductRecord], ruling: Ruling) -> FileEffect:
    kept: dict[str, list[str]] = {}
    for record in admitted:
        explained = ruling.explain(typical.asker, record)
        if explained.floor.allowed and not explained.decision.allowed:
            for policy in explained.decision.policy_ids:
                kept.setdefault(policy, []).append(record.record_key)
    return FileEffect(name, typical.words, len(admitted), {policy: tuple(keys) for policy, keys in kept.items()})
