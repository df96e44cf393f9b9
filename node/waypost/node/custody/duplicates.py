"""Officers who look like one person: proposed pair by pair, with what agrees and what does not.

1. Two officers are compared when they share a match key of the blind index (keys.py), as a check would find either by
   the other; the comparison is the one that a check's result shows (matching.py).
2. Proposed is what that comparison calls confirmed or probable. Two whole social security numbers that differ, without
   a number in common, make two persons.
3. A pair that a person has told apart, or split, is not proposed again; merged officers count as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from waypost.node.keys import match_inputs
from waypost.node.matching import Agreement, Comparison, Confidence, score
from waypost.node.persons import Person
from waypost.node.store import Store
from waypost.node.store.blocking import Blocks

_OFFICERS_AT_A_TIME: Final = 500
_PAIRS_AT_A_TIME: Final = 200
_PROPOSED: Final = frozenset({Confidence.CONFIRMED, Confidence.PROBABLE})

Progress = Callable[[int, int], None]
"""Told (officers done, officers in all)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two officers who look like one person, by their keys."""

    officer_key: str
    other_key: str
    comparison: Comparison
    ssn: Agreement

    @property
    def agreeing(self) -> tuple[str, ...]:
        """The fields that are the same, or nearly."""
        near = {Agreement.SAME, Agreement.SIMILAR}
        return tuple(field.field for field in self.comparison.fields if field.agreement in near)

    @property
    def differing(self) -> tuple[str, ...]:
        """The fields that contradict."""
        fields = [field.field for field in self.comparison.fields if field.agreement is Agreement.DIFFERENT]
        return (*fields, *(["ssn"] if self.ssn is Agreement.DIFFERENT else []))


def proposals(store: Store, *, progress: Progress = lambda _done, _all: None) -> list[Proposal]:
    """All pairs to look at, the surest first (rules 1 to 3)."""
    blocks = Blocks()
    try:
        _fill(store, blocks, progress)
        apart = store.merges.told_apart()
        pairs = (pair for pair in blocks.pairs() if pair not in apart)
        found = [proposal for part in _parts(pairs) for proposal in _compare(store, part)]
    finally:
        blocks.close()
    return sorted(found, key=lambda proposal: (-proposal.comparison.bits, proposal.officer_key, proposal.other_key))


def _fill(store: Store, blocks: Blocks, progress: Progress) -> None:
    total, done, after = store.officers.count(), 0, 0
    while officer_ids := store.officers.standing(after, _OFFICERS_AT_A_TIME):
        for indexed in store.officers.people(officer_ids):
            # Either may be the one that is written otherwise, so each stands as a record and as if he were asked about.
            sides = (match_inputs(indexed.person, side="record"), match_inputs(indexed.person, side="applicant"))
            blocks.add(indexed.officer_id, {key.value for side in sides for key in side})
        after, done = officer_ids[-1], done + len(officer_ids)
        progress(done, total)


def _parts(pairs: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    source = iter(pairs)
    while part := list(islice(source, _PAIRS_AT_A_TIME)):
        yield part


def _compare(store: Store, pairs: list[tuple[int, int]]) -> Iterator[Proposal]:
    everyone = sorted({each for pair in pairs for each in pair})
    people = {indexed.officer_id: indexed.person for indexed in store.officers.people(everyone)}
    keys = store.history.officer_keys(everyone)
    for one, other in pairs:
        ssn = _compare_ssn(people[one], people[other])
        comparison = score(people[one], people[other], ssn_agrees=ssn is Agreement.SAME)
        numbered = any(field.field == "number" and field.agreement is Agreement.SAME for field in comparison.fields)
        if comparison.confidence in _PROPOSED and (ssn is not Agreement.DIFFERENT or numbered):  # rule 2
            yield Proposal(keys[one], keys[other], comparison, ssn)


def _compare_ssn(one: Person, other: Person) -> Agreement:
    if one.ssn and other.ssn:
        return Agreement.SAME if one.ssn == other.ssn else Agreement.DIFFERENT
    return Agreement.UNKNOWN
