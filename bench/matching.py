"""Matching quality in the clear: the node's own keys, disclosure rule and scoring, without the cryptography between.

    python bench/matching.py --json --officers 800000 --planted 20000 --strangers 80000

A token is a pseudorandom image of a key, so two tokens are equal exactly when two keys are: what is measured here on
keys is what the federation does on tokens. Officers and applicants come from _population.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from _errors import HARSHER, STATED, ErrorModel
from _measure import SHORT, Report
from _population import Planted, Population

from waypost.node.keys import SCHEMES, Side, match_inputs
from waypost.node.matching import Confidence, score
from waypost.node.persons import Person
from waypost.node.weighing import COUNTRY_OFFICERS, Verdict, officers_in_reach, weigh

SCHEME_NAMES: Final = tuple(SCHEMES)
COUNTRY: Final = 800_000
"""Officers against whom false disclosures are stated."""

_CHUNK: Final = 2000
_IDS: Final = {scheme: number for number, scheme in enumerate(SCHEMES)}


@dataclass(frozen=True, slots=True)
class Keys:
    """Hashed keys of many persons, with whose they are and of which scheme."""

    values: npt.NDArray[np.uint64]
    owners: npt.NDArray[np.uint32]
    schemes: npt.NDArray[np.uint8]


def _keys_of(part: tuple[int, Sequence[Person], Side]) -> Keys:
    first, people, side = part
    values, owners, schemes = [], [], []
    for owner, person in enumerate(people, start=first):
        for key in match_inputs(person, side=side):
            values.append(int.from_bytes(hashlib.blake2b(key.value, digest_size=8).digest(), "big"))
            owners.append(owner)
            schemes.append(_IDS[key.scheme])
    return Keys(np.array(values, np.uint64), np.array(owners, np.uint32), np.array(schemes, np.uint8))


def keys_of(people: Sequence[Person], side: Side) -> Keys:
    """Keys of everybody, on all cores."""
    parts = [(start, people[start : start + _CHUNK], side) for start in range(0, len(people), _CHUNK)]
    with multiprocessing.get_context("fork").Pool() as pool:
        done = pool.map(_keys_of, parts)
    return Keys(
        np.concatenate([part.values for part in done]),
        np.concatenate([part.owners for part in done]),
        np.concatenate([part.schemes for part in done]),
    )


def agreements(records: Keys, applicants: Keys) -> dict[tuple[int, int], frozenset[str]]:
    """Pairs (applicant, record) that have a key in common, and the schemes in which they do."""
    order = np.argsort(records.values, kind="stable")
    values = records.values[order]
    low, high = np.searchsorted(values, applicants.values, "left"), np.searchsorted(values, applicants.values, "right")
    found: dict[tuple[int, int], set[str]] = defaultdict(set)
    for place in np.nonzero(high > low)[0]:
        for hit in order[low[place] : high[place]]:
            pair = int(applicants.owners[place]), int(records.owners[hit])
            found[pair].add(SCHEME_NAMES[records.schemes[hit]])
    return {pair: frozenset(schemes) for pair, schemes in found.items()}


@dataclass(slots=True)
class World:
    """Officers' records, and applicants of whom the first ones are officers: `own` says which record is theirs."""

    records: list[Person] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    applicants: list[Person] = field(default_factory=list)
    reach: int = COUNTRY_OFFICERS
    """Officers with whom a holder reckons its doubt."""


def make_world(officers: int, planted: int, strangers: int, seed: int, model: ErrorModel) -> World:
    """Everybody."""
    population, world, step = Population(seed, model), World(), max(1, officers // max(1, planted))
    for number, truth in enumerate(population.people(officers)):
        if number % step == 0 and len(world.planted) < planted:
            pair = population.planted(truth)
            world.planted.append(pair)
            world.own.append(number)
            world.records.append(pair.record)
        else:
            world.records.append(population.record(truth))
    others = [population.applicant(population.truth())[0] for _ in range(strangers)]
    world.applicants = [*(pair.applicant for pair in world.planted), *others]
    return world


def measure(world: World, found: dict[tuple[int, int], frozenset[str]]) -> dict[str, Any]:
    """What the holder's rule and the asker's scoring make of the pairs that agree."""
    own = dict(enumerate(world.own))
    true: Counter[str] = Counter()
    false: Counter[str] = Counter()
    lost_without: Counter[str] = Counter()
    for (applicant, record), schemes in found.items():
        outcome = list(_outcome(world, applicant, record, schemes))
        if own.get(applicant) != record:
            false.update(outcome)
            continue
        true.update(outcome)
        true.update([("strong " if world.planted[applicant].strong else "weak ") + outcome[0]])
        if outcome[0] == Verdict.DISCLOSE:
            lost_without.update(_needed(world, record, schemes))
    strong = sum(pair.strong for pair in world.planted)
    total, checks, scale = len(world.planted), len(world.applicants), COUNTRY / len(world.records)
    return {
        "officers": len(world.records),
        "checks": checks,
        "planted": total,
        "with_number_in_common": strong / total,
        "disclosed": true[Verdict.DISCLOSE] / total,
        "disclosed_or_referral": (true[Verdict.DISCLOSE] + true[Verdict.REFERRAL]) / total,
        "disclosed_with_number": true["strong disclose"] / max(1, strong),
        "disclosed_without_number": true["weak disclose"] / max(1, total - strong),
        "true_by_confidence": {level: true[level] / total for level in Confidence},
        "false_disclosures": false[Verdict.DISCLOSE],
        "false_disclosures_per_10000_checks": false[Verdict.DISCLOSE] / checks * 1e4,
        "false_disclosures_per_10000_checks_of_800000": false[Verdict.DISCLOSE] / checks * scale * 1e4,
        "false_referrals_per_check_of_800000": false[Verdict.REFERRAL] / checks * scale,
        "false_by_confidence": {level: false[level] for level in Confidence},
        "lost_without_scheme": {scheme: lost_without[scheme] / total for scheme in SCHEMES},
    }


def _outcome(world: World, applicant: int, record: int, schemes: frozenset[str]) -> Iterator[str]:
    """The holder's verdict, and the asker's confidence in what was disclosed."""
    person = world.records[record]
    verdict = weigh(person, schemes, officers=world.reach).verdict
    yield str(verdict)
    if verdict is Verdict.DISCLOSE:
        yield str(score(world.applicants[applicant], person, ssn_agrees="ssn" in schemes).confidence)


def _needed(world: World, record: int, schemes: frozenset[str]) -> Iterator[str]:
    """Schemes without which the record would not have been disclosed."""
    for scheme in schemes:
        person = world.records[record]
        if weigh(person, schemes - {scheme}, officers=world.reach).verdict is not Verdict.DISCLOSE:
            yield scheme


def run(
    officers: int, planted: int, strangers: int, seed: int, model: ErrorModel, *, own_size: bool = False
) -> dict[str, Any]:
    """One measurement; `own_size`: as a federation of just these officers reckons, and not one of the whole country."""
    world = make_world(officers, planted, strangers, seed, model)
    if own_size:
        world.reach = officers_in_reach(officers, 1)
    records, applicants = keys_of(world.records, "record"), keys_of(world.applicants, "applicant")
    found = agreements(records, applicants)
    facts = measure(world, found)
    counts = np.bincount(records.schemes, minlength=len(SCHEMES)) / officers
    facts["keys_per_officer"] = len(records.values) / officers
    facts["keys_per_officer_by_scheme"] = {s: round(float(counts[n]), 2) for n, s in enumerate(SCHEMES)}
    facts["keys_per_applicant"] = len(applicants.values) / len(world.applicants)
    facts["two_sided_bound"] = bound(world, found)
    return facts


def bound(world: World, found: dict[tuple[int, int], frozenset[str]]) -> float:
    """Share of true pairs that a matcher with both sides before it finds at one false pair in 10,000 checks of COUNTRY.

    It ranks the pairs that agree in any scheme by weights of its own (_two_sided.py), and is cut where the rate is met.
    """
    from _two_sided import bits

    own = dict(enumerate(world.own))
    true: list[float] = []
    false: list[float] = []
    for applicant, record in found:
        weight = bits(world.applicants[applicant], world.records[record])
        (true if own.get(applicant) == record else false).append(weight)
    false.sort(reverse=True)
    allowed = int(len(world.applicants) / 1e4 * len(world.records) / COUNTRY)
    cut = false[allowed] if allowed < len(false) else 0.0
    return sum(weight > cut for weight in true) / len(world.planted)


def _report(facts: dict[str, Any]) -> None:
    report = Report(f"matching quality, {facts['officers']:,} officers, {facts['checks']:,} checks")
    for name, key, target in (
        ("true pairs disclosed", "disclosed", 0.97),
        ("the same by a matcher that sees both sides, at 1 false in 10,000", "two_sided_bound", None),
        ("true pairs disclosed or offered as a referral", "disclosed_or_referral", 0.99),
        ("true pairs disclosed where a number is in common", "disclosed_with_number", 1.0),
    ):
        report.figure(name, facts[key] * 100, "%", target=target and target * 100, at_least=True)
    false = facts["false_disclosures_per_10000_checks_of_800000"]
    report.figure("false disclosures in 10,000 checks against 800,000 officers", false, "", target=1.0)
    report.figure("false candidates shown as confirmed", facts["false_by_confidence"]["confirmed"], "", target=0.0)
    report.figure("tokens an officer", facts["keys_per_officer"], "")
    report.done()


def main() -> None:
    """Measure once; --json prints everything."""
    parser = argparse.ArgumentParser(description="Matching quality of keys, disclosure rule and scoring, in the clear.")
    parser.add_argument("--officers", type=int, default=2000 if SHORT else 20_000)
    parser.add_argument("--planted", type=int, default=500 if SHORT else 5_000)
    parser.add_argument("--strangers", type=int, default=500 if SHORT else 5_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", choices=("stated", "harsher"), default="stated")
    parser.add_argument("--own-size", action="store_true", help="a federation of just these officers")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    model = {"stated": STATED, "harsher": HARSHER}[args.model]
    facts = run(args.officers, args.planted, args.strangers, args.seed, model, own_size=args.own_size)
    if args.json:
        print(json.dumps(facts, indent=1))
    else:
        _report(facts)


if __name__ == "__main__":
    main()
