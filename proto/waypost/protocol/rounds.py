"""Aggregate rounds: what a round may ask, whom it asks, and by how little two rounds may differ.

Rules of the form of a round, which node, hub and trustee check alike:

1. The payload is readable; its header is from the hub to all members, in its time, and outlives its closing by at most
   ROUND_GRACE_MS; it closes within ROUND_OPEN_MAX_MS of its issue.
2. Measure and period are the catalogue's, in the catalogue's version; cells and clip are what the catalogue says.
3. The period is over.
4. The cohort is written in its one form: distinct states, ascending.
5. Privacy: rho is at most ROUND_RHO_MILLIONTHS_MAX, and the noise of one party is enough for it:
   scale >= clip / sqrt(2 rho) (Bun and Steinke 2016, proposition 1.6; the discrete Gaussian's is the same, Canonne,
   Kamath and Steinke 2020).
6. The minimum cohort and the bound of small cells are at least the protocol's.
7. Both sealing keys have their length.

A party adds its own rules: the trustee and the hub their budgets and what was asked before, a node its policy.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from math import isqrt

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import check_times, verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, header_from_payload
from waypost.crypto.sealing import PUBLIC_KEY_BYTES
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.measures import CATALOGUE_VERSION, Measure, measure
from waypost.protocol.periods import Period, parse_period
from waypost.protocol.roster import Roster
from waypost.v1 import envelope_pb2, roster_pb2, round_pb2

_COUNTING_ROLES = frozenset({roster_pb2.ROLE_AGENCY, roster_pb2.ROLE_POST})
_STATES_MAX = 64
_SQUARED_UNITS = 10**12
"""(1000 thousandths)^2 times 10^6 millionths: what rule 5 is multiplied by to stay in whole numbers."""


@dataclass(frozen=True, slots=True)
class Round:
    """A round that passed rules 1 to 7; `digest` is SHA-256 of its payload. Units as in round.proto."""

    header: Header
    digest: bytes
    measure: Measure
    period: Period
    states: tuple[str, ...]
    roster_version: int
    rho_millionths: int
    noise_scale_thousandths: int
    minimum_cohort: int
    small_cell: int
    closes_at_ms: int
    hub_sealing_key: bytes
    trustee_sealing_key: bytes

    @property
    def round_id(self) -> bytes:
        """16 bytes."""
        return self.header.message_id

    @property
    def cells(self) -> int:
        """Cells of a vector."""
        return self.measure.cell_count(self.period)

    @property
    def noise_scale(self) -> float:
        """Scale of each party's discrete Gaussian."""
        return self.noise_scale_thousandths / 1000

    def overlaps(self, period: Period) -> bool:
        """Whether the same measure on that period counts some of the same: what stands at a period's end mostly stood
        at any other's, so measures without years always do.
        """
        return not self.measure.by_year or self.period.overlaps(period)

    def counted(self, period: Period) -> Iterator[frozenset[int]]:
        """What the same measure counts on that period, one set for each of our columns: of a year its months, which
        another period may have in part; of what stands at a period's end, one when it is the very same end.
        """
        if self.measure.by_year:
            yield from (period.months_in(year) for year in self.period.years)
        elif self.repeats(period):
            yield frozenset({0})

    def repeats(self, period: Period) -> bool:
        """Whether the same measure on that period asks the very same."""
        return self.measure.repeats(self.period, period)


def open_round(envelope: envelope_pb2.Envelope, *, hub_key: bytes, trustee_key: bytes | None, now_ms: int) -> Round:
    """Verify the hub's signature, and the trustee's where its key is given, then the form; ProtocolError otherwise."""
    keys = (hub_key,) if trustee_key is None else (hub_key, trustee_key)
    try:
        verified = verify_signatures(envelope, keys, required=len(keys), expected_type=names.ROUND)
        check_times(verified.header, now_ms)
    except EnvelopeError as error:
        raise ProtocolError(error.reason, f"the round was refused: {error}") from error
    return parse_round(verified.payload)


def parse_round(payload: bytes) -> Round:
    """Read a round's payload and check its form (rules 1 to 7); signatures and the present time are the caller's."""
    try:
        message, header = round_pb2.Round.FromString(payload), header_from_payload(payload)
    except (DecodeError, EnvelopeError) as error:
        raise ProtocolError("malformed", "the round cannot be read") from error
    _check_times(message, header)
    asked, period = _check_catalogue(message)
    if not period.ended(datetime.fromtimestamp(header.issued_at_ms / 1000, UTC).date()):  # rule 3
        raise ProtocolError("period-not-over", f"the period {period.text} was not over when the round was made")
    states = tuple(message.states)
    if list(states) != sorted(set(states)) or len(states) > _STATES_MAX:  # rule 4
        raise ProtocolError("malformed", "the round's states are not distinct and ascending")
    _check_privacy(message)
    if {len(message.hub_sealing_key), len(message.trustee_sealing_key)} != {PUBLIC_KEY_BYTES}:  # rule 7
        raise ProtocolError("malformed", "the round lacks a sealing key")
    return Round(
        header=header,
        digest=hashlib.sha256(payload).digest(),
        measure=asked,
        period=period,
        states=states,
        roster_version=message.roster_version,
        rho_millionths=message.rho_millionths,
        noise_scale_thousandths=message.noise_scale_thousandths,
        minimum_cohort=message.minimum_cohort,
        small_cell=message.small_cell,
        closes_at_ms=message.closes_at_ms,
        hub_sealing_key=message.hub_sealing_key,
        trustee_sealing_key=message.trustee_sealing_key,
    )


def _check_times(message: round_pb2.Round, header: Header) -> None:
    """Rule 1."""
    if (header.sender, header.audience) != (names.HUB, names.ALL_MEMBERS):
        raise ProtocolError("wrong-audience", "the round is not from the hub to all members")
    open_ms = message.closes_at_ms - header.issued_at_ms
    grace_ms = header.expires_at_ms - message.closes_at_ms
    if not (0 < open_ms <= limits.ROUND_OPEN_MAX_MS and 0 < grace_ms <= limits.ROUND_GRACE_MS):
        raise ProtocolError("too-long-lived", "the round closes or expires outside of its bounds")


def _check_catalogue(message: round_pb2.Round) -> tuple[Measure, Period]:
    """Rule 2."""
    if message.catalogue_version != CATALOGUE_VERSION:
        raise ProtocolError("wrong-catalogue", "the round is of another catalogue of measures", hint="upgrade Waypost")
    asked, period = measure(message.measure), parse_period(message.period)
    cells = asked.cell_count(period)
    if (message.cells, message.clip) != (cells, asked.clip) or cells > limits.ROUND_CELLS_MAX:
        raise ProtocolError("altered-measure", "the round's cells or clip are not those of the catalogue")
    return asked, period


def _check_privacy(message: round_pb2.Round) -> None:
    """Rules 5 and 6."""
    rho = message.rho_millionths
    if not 0 < rho <= limits.ROUND_RHO_MILLIONTHS_MAX:
        raise ProtocolError("too-much-loss", "the round's privacy loss is outside of its bounds")
    if message.noise_scale_thousandths < least_noise_scale_thousandths(message.clip, rho):
        raise ProtocolError("too-little-noise", "the round's noise does not suffice for its stated privacy loss")
    if message.minimum_cohort < limits.MINIMUM_COHORT or message.small_cell < limits.ROUND_SMALL_CELL:
        raise ProtocolError("too-small-cohort", "the round's minimum cohort or small cells are below the protocol's")


def least_noise_scale_thousandths(clip: int, rho_millionths: int) -> int:
    """The smallest scale that rule 5 admits, rounded up: clip / sqrt(2 rho), in thousandths."""
    wanted = -(-clip * clip * _SQUARED_UNITS // (2 * rho_millionths))
    root = isqrt(wanted)
    return root if root * root == wanted else root + 1


def cohort(roster: Roster, states: Collection[str]) -> frozenset[str]:
    """Whom a round asks: the active agencies and POST boards of these states, or of all."""
    return frozenset(
        member.ori
        for member in roster.members.values()
        if member.active and member.role in _COUNTING_ROLES and (not states or member.state in states)
    )


def states_of(roster: Roster, oris: Iterable[str]) -> frozenset[str]:
    """The states of these members: where a round's privacy loss is booked."""
    return frozenset(roster.members[ori].state for ori in oris)


def singled_out(groups: Sequence[frozenset[str]], minimum: int) -> frozenset[str]:
    """Members whom sums and differences of these groups' totals could single out; empty when none can be.

    Members that are in the very same of the groups cannot be told apart by the groups' totals: they share a pattern. A
    pattern with fewer than `minimum` members is thin. Some combination of the totals speaks of thin patterns alone
    exactly when the groups have a lower rank without these; then the members of all thin patterns are given.
    """
    return singled_out_in_time([(group, frozenset({0})) for group in groups], minimum)


def singled_out_in_time(totals: Sequence[tuple[frozenset[str], frozenset[int]]], minimum: int) -> frozenset[str]:
    """The same of totals that each count other moments: a pattern is that of a member at a moment."""
    moments: defaultdict[int, int] = defaultdict(int)
    for place, (_, counted) in enumerate(totals):
        for moment in counted:
            moments[moment] |= 1 << place
    held: defaultdict[int, set[str]] = defaultdict(set)
    patterns = _patterns([group for group, _ in totals])
    for at_moment in set(moments.values()):  # moments that are in the very same totals are one
        for ori, pattern in patterns.items():
            held[pattern & at_moment].add(ori)
    held.pop(0, None)
    thick = [pattern for pattern, oris in held.items() if len(oris) >= minimum]
    if _rank(list(held), len(totals)) == _rank(thick, len(totals)):
        return frozenset()
    return frozenset(ori for oris in held.values() if len(oris) < minimum for ori in oris)


def _patterns(groups: Sequence[frozenset[str]]) -> dict[str, int]:
    """For each member the groups that it is in, one bit a group."""
    patterns: defaultdict[str, int] = defaultdict(int)
    for place, group in enumerate(groups):
        for ori in group:
            patterns[ori] |= 1 << place
    return patterns


def _rank(patterns: Sequence[int], groups: int) -> int:
    """Rank over the rationals of the matrix whose columns are these patterns, one bit a group."""
    columns = [[Fraction(pattern >> place & 1) for place in range(groups)] for pattern in patterns]
    rank = 0
    for place in range(groups):
        pivot = next((column for column in columns[rank:] if column[place]), None)
        if pivot is None:
            continue
        columns.remove(pivot)
        columns.insert(rank, pivot)
        for later in range(rank + 1, len(columns)):
            factor = columns[later][place] / pivot[place]
            if factor:
                columns[later] = [a - factor * b for a, b in zip(columns[later], pivot, strict=True)]
        rank += 1
    return rank
