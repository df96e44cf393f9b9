"""Whether the trustee signs a round: rules of its own, beside the form that everybody checks. A core without I/O.

1. The round is signed by the accepted hub and has the protocol's form (waypost.protocol.rounds).
2. It is reckoned by the roster that the trustee signed last, and names the sealing key the trustee made for it.
3. Its cohort has at least the minimum of members.
4. Nobody asks twice: no other round on the same measure and period has the same cohort. The noise of two draws could be
   averaged away; the answer to a question that was asked is the one that was signed. A measure without years counts
   what stands at the period's end: for it, periods that end on one day are the same, and all periods overlap.
5. No differencing: taking the cohorts of all rounds on the same measure and overlapping periods together, as they are
   by the present roster, no combination of their totals speaks of fewer members than the minimum. A measure that is a
   part of another (decertifications, of the records of that kind) counts the same as its whole: their rounds are taken
   together.
6. When it closes, the same holds of the participants, of every year that it counts: by the months that each of these
   rounds has of that year, so a year and its quarters, or 2025 and 2017..2026, are taken together. Of what stands at a
   period's end, rounds that end on the same day are.
7. Every state of the cohort can still pay: the losses of all its rounds in the year, this one included, stay within the
   yearly budget. zCDP composes by addition, so the ledger adds rho.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import TypeAlias

from waypost.protocol.errors import ProtocolError
from waypost.protocol.periods import parse_period
from waypost.protocol.roster import Roster
from waypost.protocol.rounds import Round, cohort, open_round, singled_out, singled_out_in_time, states_of
from waypost.trustee.errors import Refused, Spent
from waypost.trustee.round_books import HeldRound, RoundState
from waypost.v1 import envelope_pb2


@dataclass(frozen=True, slots=True)
class Approval:
    """A round that may be signed: its cohort, and whom it costs what."""

    asked: Round
    cohort: frozenset[str]
    states: frozenset[str]
    year: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the year's rounds have cost each state so far, and how much they may; millionths of rho."""

    losses: Mapping[str, int]
    budget: int


def judge(
    envelope: envelope_pb2.Envelope,
    *,
    hub_key: bytes,
    own_sealing_key: bytes,
    roster: Roster,
    asked_before: Collection[HeldRound],
    ledger: Ledger,
    now_ms: int,
) -> Approval:
    """Approve a round (rules 1 to 5 and 7); Refused or Spent says which rule it breaks.

    `asked_before` are the other rounds on measures of its families that are signed and not abandoned.
    """
    try:
        asked = open_round(envelope, hub_key=hub_key, trustee_key=None, now_ms=now_ms)
    except ProtocolError as error:
        raise Refused(error.reason, str(error)) from error
    if asked.roster_version != roster.version:
        raise Refused("wrong-version", f"the round is reckoned by roster {asked.roster_version}, not {roster.version}")
    if asked.trustee_sealing_key != own_sealing_key:
        raise Refused("wrong-key", "the round names another sealing key of the trustee than the one made for it")
    members = cohort(roster, asked.states)
    if len(members) < asked.minimum_cohort:
        raise Refused("too-small-cohort", f"the cohort has {len(members)} members, below {asked.minimum_cohort}")
    _check_repetition(asked, members, roster, asked_before)
    states = states_of(roster, members)
    _check_budget(asked, states, ledger)
    return Approval(asked, members, states, year_of(now_ms))


def year_of(now_ms: int) -> int:
    """The ledger's year."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).year


def _check_repetition(
    asked: Round, members: frozenset[str], roster: Roster, asked_before: Collection[HeldRound]
) -> None:
    """Rules 4 and 5."""
    overlapping = [held for held in asked_before if asked.overlaps(parse_period(held.period))]
    cohorts = {held.round_id: cohort(roster, held.states) for held in overlapping}
    for held in overlapping:
        same = held.measure == asked.measure.name and asked.repeats(parse_period(held.period))
        if same and (held.states == asked.states or cohorts[held.round_id] == members):
            raise Refused("asked-before", f"{asked.measure.name} {asked.period.text} was asked of this cohort before")
    for family in asked.measure.families:
        compared = [cohorts[held.round_id] for held in overlapping if held.measure in family]
        if singled_out([*filter(None, compared), members], asked.minimum_cohort):
            raise Refused("differencing", "with the rounds asked before, this one would single out a few members")


def _check_budget(asked: Round, states: frozenset[str], ledger: Ledger) -> None:
    """Rule 7."""
    for state in sorted(states):
        if ledger.losses.get(state, 0) + asked.rho_millionths > ledger.budget:
            raise Spent("budget-spent", f"the year's privacy budget of {state} is spent")


def check_participants(
    asked: Round, participants: frozenset[str], asked_before: Collection[HeldRound]
) -> frozenset[str]:
    """Rule 6: participants that must stay out so that nobody is singled out; Refused when even that does not help."""
    closed = [held for held in asked_before if held.state in {RoundState.CLOSED, RoundState.RELEASED}]
    families = [
        [
            (held.participants, list(asked.counted(parse_period(held.period))))
            for held in closed
            if held.measure in family
        ]
        for family in asked.measure.families
    ]
    thin = _thin(asked, participants, families)
    out = thin & participants
    if thin and (not out or _thin(asked, participants - out, families)):
        raise Refused("differencing", "with the rounds closed before, this one would single out a few members")
    return out


_Closed: TypeAlias = list[tuple[frozenset[str], list[frozenset[int]]]]
"""Participants of rounds, and what each of our columns has in common with theirs."""


def _thin(asked: Round, participants: frozenset[str], families: Sequence[_Closed]) -> frozenset[str]:
    """Whom the columns of these rounds and of this one could single out, each column with its like."""
    thin = frozenset[str]()
    for others, (place, months) in product(families, enumerate(asked.counted(asked.period))):
        before = [(members, columns[place]) for members, columns in others if columns and columns[place]]
        thin |= singled_out_in_time([*before, (participants, months)], asked.minimum_cohort)
    return thin
