"""What a node's policy file may not say although it is good Cedar: words that never occur, and names that mislead.

1. A word that is compared with an attribute of fixed words must be one of them. A misspelt kind would forbid nothing.
2. An @id must not begin with "floor." or "local.", and stands once in a file.
3. A template forbids nothing until it is linked, which nobody does here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import cedarpy

from waypost.node.records import (
    Appeal,
    CertificationAction,
    ConductKind,
    ForceOutcome,
    ForceType,
    Hearing,
    RecordStatus,
)
from waypost.protocol.measures import Unit
from waypost.protocol.states import STATES

WORDS: Final[dict[str, frozenset[str]]] = {
    "role": frozenset({"agency", "post", "credentialing-body", "hub"}),
    "purpose": frozenset({"hiring", "certification", "self", "statistics"}),
    "unit": frozenset(Unit),
    "state": STATES,
    "kind": frozenset(ConductKind),
    "status": frozenset(RecordStatus),
    "hearing": frozenset({*Hearing, ""}),
    "appeal": frozenset({*Appeal, ""}),
    "force_type": frozenset({*ForceType, ""}),
    "outcome": frozenset({*ForceOutcome, *CertificationAction, ""}),
}
"""Attributes of fixed words (waypost.cedarschema)."""

_RESERVED: Final = ("floor.", "local.")


def problems(text: str) -> Iterator[str]:
    """What is wrong with a file that parses and fits the schema."""
    parsed = json.loads(cedarpy.policies_to_json_str(text))
    if parsed.get("templates"):
        yield "it holds a template, which nobody links: write the policy out"
    seen: set[str] = set()
    for policy in parsed.get("staticPolicies", {}).values():
        name = policy.get("annotations", {}).get("id") or ""
        if name.startswith(_RESERVED):
            yield f"the @id {name!r} is not a node's to use: take another name"
        if name and name in seen:
            yield f"the @id {name!r} stands twice"
        seen.add(name)
        for condition in policy.get("conditions", []):
            yield from _wrong_words(condition["body"])


def _wrong_words(node: Any) -> Iterator[str]:  # noqa: ANN401 - an expression is JSON of any shape
    """Rule 1, for every comparison and `contains` in an expression."""
    if isinstance(node, list):
        for item in node:
            yield from _wrong_words(item)
    if not isinstance(node, dict):
        return
    for operator, operands in node.items():
        if operator in {"==", "!=", "contains"}:
            sides = (operands["left"], operands["right"])
            attributes = [side["."]["attr"] for side in sides if "." in side]
            words = [word for side in sides for word in _literals(side)]
            for attribute in attributes:
                for word in words:
                    if attribute in WORDS and word not in WORDS[attribute]:
                        known = ", ".join(sorted(filter(None, WORDS[attribute]))[:12])
                        yield f"{word!r} is no {attribute}: one of {known}"
        yield from _wrong_words(operands)


def _literals(side: dict[str, Any]) -> Iterator[str]:
    for item in side.get("Set", [side]):
        value = item.get("Value")
        if isinstance(value, str):
            yield value
