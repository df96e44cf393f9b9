"""Who may have what: Cedar policies, decided resource by resource.

1. The federation's floor (signed with the roster) is asked first. What it does not permit is declined, and nothing else
   is asked.
2. The node's own policies (HOME/policies/*.cedar) are asked second, each file in a set of its own in which everything
   is permitted that the file does not forbid. So whatever they say, they only narrow: no permit of theirs ever reaches
   the floor, or another file.
3. A file that cannot be read or parsed, or does not fit the schema, keeps the engine from being made: the node then
   discloses nothing, and says so. So does a folder that cannot be read, and a file that is almost called .cedar or lies
   in a folder within it.
4. A policy that fails while it is evaluated declines: a forbid that was skipped must not let anything out.
5. A decision names the policies that made it, by their @id; one without is named for its file and place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cedarpy

from waypost.node.errors import PolicyError
from waypost.node.limits import POLICY_FILE_BYTES_MAX
from waypost.node.policy_words import problems
from waypost.node.settings import settings_path
from waypost.protocol import floor as shipped
from waypost.protocol import names

_BASE_ID: Final = "local.base"
_LOCAL_BASE: Final = f'@id("{_BASE_ID}")\npermit (principal, action, resource);\n'
_NO_PERMIT: Final = "floor.no-permit"
_NO_PERMIT_REASON: Final = "the floor lets no member of that role have it for that purpose, with that authorization"
_SCHEMA: Final = cedarpy.Schema.from_str(shipped.schema())

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


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a decision came about: the floor's, then each of the node's files', when the floor permits."""

    floor: Decision
    files: tuple[tuple[str, Decision], ...]
    reasons: Mapping[str, str]
    """The @reason of each policy that has one, by its id."""

    @property
    def decision(self) -> Decision:
        """What counts (rules 1 and 2)."""
        if not self.floor.allowed:
            return self.floor
        forbidding = [decision.policy_ids for _, decision in self.files if not decision.allowed]
        if forbidding:
            return Decision(False, tuple(sorted({policy for ids in forbidding for policy in ids})))
        return self.floor


class _PolicySet:
    """One set of policies, with the @id and @reason of each."""

    def __init__(self, name: str, text: str, base: str = "") -> None:
        static = json.loads(cedarpy.policies_to_json_str(base + text)).get("staticPolicies", {})
        notes = {key: policy.get("annotations", {}) for key, policy in static.items()}
        first = 0 if base else 1  # Cedar numbers policies from policy0; the base is none of the file's
        self.name = name
        self.ids = {
            key: note.get("id") or f"{name}#{int(key.removeprefix('policy')) + first}"
            for key, note in notes.items()
            if note.get("id") != _BASE_ID
        }
        self.reasons = {self.ids[key]: note["reason"] for key, note in notes.items() if note.get("reason")}
        self._set = cedarpy.PolicySet.from_str(base + text)

    def decide(self, request: dict[str, object], entities: list[dict[str, object]]) -> Decision:
        result = cedarpy.is_authorized(request, self._set, entities)
        ids = tuple(sorted(self.ids[name] for name in result.diagnostics.reasons if name in self.ids))
        allowed = bool(result.allowed) and not result.diagnostics.errors  # rule 4
        if not allowed and not ids:
            ids = (f"{self.name}#error",) if result.diagnostics.errors else (_NO_PERMIT,)
        return Decision(allowed, ids)


class PolicyEngine:
    """The floor and a node's own policies, each as (file name, text)."""

    def __init__(self, floor: str, local: Sequence[tuple[str, str]] = ()) -> None:
        self._floor = _parse("the federation's policy floor", floor)
        self._local = tuple(_parse_local(name, content) for name, content in local)
        sets = (self._floor, *self._local)
        self._reasons = {name: why for each in sets for name, why in each.reasons.items()}
        self._reasons[_NO_PERMIT] = _NO_PERMIT_REASON

    @property
    def file_count(self) -> int:
        """How many files of its own the node has."""
        return len(self._local)

    def decide(self, asker: Asker, resource: Resource) -> Decision:
        """Decide one resource."""
        return self.explain(asker, resource).decision

    def explain(self, asker: Asker, resource: Resource) -> Explanation:
        """Decide one resource, and tell how."""
        return self._explain("disclose", asker, resource, _disclosing(asker))

    def forbidding(self, asker: Asker, resource: Resource) -> tuple[str, ...]:
        """The node's own policies that forbid it, whatever the floor says of it."""
        request, entities = _request("disclose", asker, resource, _disclosing(asker))
        decisions = [each.decide(request, entities) for each in self._local]
        return tuple(sorted({policy for each in decisions if not each.allowed for policy in each.policy_ids}))

    def decide_count(self, measure: str, unit: str, period: str, *, state: str) -> Decision:
        """Decide whether the hub may have this counted by a node of that state."""
        hub = Asker(ori=names.HUB, role="hub", state="", purpose="statistics", authorized=False)
        resource = Resource("Measure", measure, {"state": state, "unit": unit})
        context: dict[str, Value] = {"purpose": hub.purpose, "authorized": hub.authorized, "period": period}
        return self._explain("count", hub, resource, context).decision

    def _explain(self, action: str, asker: Asker, resource: Resource, context: Mapping[str, Value]) -> Explanation:
        request, entities = _request(action, asker, resource, context)
        floor = self._floor.decide(request, entities)
        files: tuple[tuple[str, Decision], ...] = ()
        if floor.allowed:
            files = tuple((each.name, each.decide(request, entities)) for each in self._local)
        return Explanation(floor, files, self._reasons)


def _disclosing(asker: Asker) -> dict[str, Value]:
    return {"purpose": asker.purpose, "authorized": asker.authorized}


def _request(
    action: str, asker: Asker, resource: Resource, context: Mapping[str, Value]
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """A request and its entities, as Cedar takes them."""
    request: dict[str, object] = {
        "principal": _uid("Member", asker.ori),
        "action": _uid("Action", action),
        "resource": _uid(resource.kind, resource.key),
        "context": dict(context),
    }
    entities: list[dict[str, object]] = [
        _entity("Member", asker.ori, {"role": asker.role, "state": asker.state}),
        _entity(resource.kind, resource.key, resource.attributes),
    ]
    return request, entities


def _parse(name: str, text: str, base: str = "") -> _PolicySet:
    try:
        return _PolicySet(name, text, base)
    except Exception as error:
        first = (str(error).strip().splitlines() or ["it is no policy"])[0][:200]
        raise PolicyError(
            f"{name} cannot be read as Cedar: {first}", hint="the node discloses nothing until it is mended"
        ) from error


def _parse_local(name: str, text: str) -> _PolicySet:
    """Rule 3."""
    parsed = _parse(name, text, _LOCAL_BASE)
    validated = cedarpy.validate_policies(text, _SCHEMA)
    wrong = [_plain(error.error) for error in validated.errors] or list(problems(text))
    if wrong:
        raise PolicyError(f"{name}: {wrong[0][:300]}", hint="the node discloses nothing until it is mended")
    return parsed


def _plain(words: str) -> str:
    return words.removeprefix("for policy ")


def _uid(kind: str, key: str) -> str:
    return f"{kind}::{json.dumps(key)}"


def _entity(kind: str, key: str, attributes: Mapping[str, Value]) -> dict[str, object]:
    return {"uid": {"type": kind, "id": key}, "attrs": dict(attributes), "parents": []}


def read_local(home: Path) -> tuple[tuple[str, str], ...]:
    """The node's own policy files, by name; PolicyError when one cannot be read (rule 3)."""
    return read_files(_paths(home))


def law_files(home: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of the policy files and settings: when these differ, they are to be read anew."""
    try:
        paths = _paths(home)
    except PolicyError:
        paths = [home / "policies"]
    found = []
    for path in (settings_path(home), *paths):
        try:
            facts = path.stat()
            found.append((path.name, facts.st_size, facts.st_mtime_ns))
        except OSError:
            found.append((path.name, -1, 0))
    return tuple(found)


def _paths(home: Path) -> list[Path]:
    """The policy files, by name; PolicyError when the folder holds what may be meant for one and would not be read."""
    folder = home / "policies"
    if not folder.is_symlink() and not folder.exists():
        return []
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise PolicyError(f"{folder} cannot be read", hint="the node discloses nothing until it can") from error
    strange = [path.name for path in found if _strange(path)]
    if strange:
        raise PolicyError(
            f"{folder / strange[0]} is no policy file by its name",
            hint="the node discloses nothing until every policy file is called policies/NAME.cedar, or moved away",
        )
    return [path for path in found if path.suffix == ".cedar"]


def _strange(path: Path) -> bool:
    """Whether this may be meant for a policy file, or holds one, and would not be read."""
    if path.is_dir():
        return any("cedar" in inner.name.casefold() for inner in (path, *path.rglob("*")))
    return path.suffix != ".cedar" and "cedar" in path.name.casefold()


def read_files(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """These policy files; PolicyError when one cannot be read."""
    files = []
    for path in paths:
        try:
            if path.stat().st_size > POLICY_FILE_BYTES_MAX:
                raise PolicyError(f"{path} is larger than a policy file may be", hint="split it")
            files.append((path.name, path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise PolicyError(f"{path} cannot be read", hint="the node discloses nothing until it can") from error
    return tuple(files)
