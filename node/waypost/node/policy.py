"""Who may have what: Cedar policies, decided resource by resource.

1. The federation's floor (signed with the roster) is asked first. What it does not permit is declined.
2. The node's own policies (HOME/policies/*.cedar) are asked second, in a set of their own in which everything is
   permitted that they do not forbid. So whatever they say, they only narrow: a permit of theirs never reaches the
   floor.
3. A file that cannot be read or parsed keeps the engine from being made: the node then discloses nothing, and says so.
4. A decision names the policies that made it, by their @id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cedarpy

from waypost.node.errors import PolicyError

_LOCAL_BASE: Final = '@id("local.base")\npermit (principal, action, resource);\n'
_NO_PERMIT: Final = "floor.no-permit"
_FILE_BYTES_MAX: Final = 256 * 1024
"""A node's own policies: a few pages of rules."""

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and why. `role` and `purpose` are the words of the policy floor."""

    ori: str
    role: str
    state: str
    purpose: str
    authorized: bool


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked about: kind "Officer" or "Record", its key, and its attributes."""

    kind: str
    key: str
    attributes: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether, and by which policies."""

    allowed: bool
    policy_ids: tuple[str, ...]


class _PolicySet:
    """One set of policies and the @id of each."""

    def __init__(self, text: str) -> None:
        self._text = text
        policies = json.loads(cedarpy.policies_to_json_str(text)).get("staticPolicies", {})
        self._ids = {name: policy.get("annotations", {}).get("id") or name for name, policy in policies.items()}

    def decide(self, request: dict[str, object], entities: list[dict[str, object]]) -> Decision:
        result = cedarpy.is_authorized(request, self._text, entities)
        ids = tuple(sorted(self._ids.get(name, name) for name in result.diagnostics.reasons))
        # An evaluation error skips a policy; a forbid that was skipped must not let anything out.
        allowed = bool(result.allowed) and not result.diagnostics.errors
        return Decision(allowed, ids or (() if allowed else (_NO_PERMIT,)))


class PolicyEngine:
    """The floor and a node's own policies."""

    def __init__(self, floor: str, local: Sequence[tuple[str, str]] = ()) -> None:
        self._floor = _parse("the federation's policy floor", floor)
        text = _LOCAL_BASE + "\n".join(content for _, content in local)
        for name, content in local:
            _parse(name, content)
        self._local = _parse("the node's own policies", text)

    def decide(self, asker: Asker, resource: Resource) -> Decision:
        """Decide one resource (rules 1, 2 and 4)."""
        request: dict[str, object] = {
            "principal": _uid("Member", asker.ori),
            "action": 'Action::"disclose"',
            "resource": _uid(resource.kind, resource.key),
            "context": {"purpose": asker.purpose, "authorized": asker.authorized},
        }
        entities: list[dict[str, object]] = [
            _entity("Member", asker.ori, {"role": asker.role, "state": asker.state}),
            _entity(resource.kind, resource.key, resource.attributes),
        ]
        floor = self._floor.decide(request, entities)
        if not floor.allowed:
            return floor
        local = self._local.decide(request, entities)
        if not local.allowed:
            return local
        return Decision(True, floor.policy_ids)


def _parse(name: str, text: str) -> _PolicySet:
    try:
        return _PolicySet(text)
    except Exception as error:
        first = str(error).strip().splitlines()[0][:200]
        raise PolicyError(
            f"{name} cannot be read as Cedar: {first}", hint="the node discloses nothing until it is mended"
        ) from error


def _uid(kind: str, key: str) -> str:
    return f"{kind}::{json.dumps(key)}"


def _entity(kind: str, key: str, attributes: Mapping[str, Value]) -> dict[str, object]:
    return {"uid": {"type": kind, "id": key}, "attrs": dict(attributes), "parents": []}


def read_local(folder: Path) -> tuple[tuple[str, str], ...]:
    """The node's own policy files, by name; PolicyError when one cannot be read (rule 3)."""
    files = []
    for path in sorted(folder.glob("*.cedar")):
        try:
            if path.stat().st_size > _FILE_BYTES_MAX:
                raise PolicyError(f"{path} is larger than a policy file may be", hint="split it")
            files.append((path.name, path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"{path} cannot be read", hint="the node discloses nothing until it can") from error
    return tuple(files)
