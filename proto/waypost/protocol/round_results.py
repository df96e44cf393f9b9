"""Results of rounds: how two noisy halves become a table, and how anybody verifies one later.

1. A total is the sum of the two halves modulo 2^64, read as a signed number: noise can bring it below zero.
2. A total below the round's bound of small cells is suppressed: its cell says so, and holds zero.
3. A result names the round it answers by id and digest, and repeats its terms.
4. It counts with the signatures of both hub and trustee over the same bytes; as a document it has no expiry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, header_from_payload, header_to_proto
from waypost.crypto.shares import add, unpack
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.measures import Measure, measure
from waypost.protocol.periods import Period, parse_period
from waypost.protocol.rounds import Round
from waypost.v1 import envelope_pb2, round_pb2

_SIGN_BIT: Final = 2**63
_DEVIATIONS_95: Final = 1.96
"""Standard deviations that hold 95 % of a normal distribution; the discrete Gaussian's of these scales do so, too."""


@dataclass(frozen=True, slots=True)
class ResultCell:
    """One cell: values of the dimensions in the catalogue's order, and the noisy total (0 when suppressed)."""

    values: tuple[str, ...]
    total: int
    suppressed: bool


@dataclass(frozen=True, slots=True)
class AbsentMember:
    """A member of the cohort that is not in the total; `reason` is empty when it did not answer in time."""

    ori: str
    reason: str


@dataclass(frozen=True, slots=True)
class RoundResult:
    """A result whose form was checked. Units as in round.proto."""

    round_id: bytes
    round_digest: bytes
    measure: Measure
    period: Period
    states: tuple[str, ...]
    roster_version: int
    rho_millionths: int
    epsilon_thousandths: int
    delta_billionths: int
    noise_deviation_thousandths: int
    small_cell: int
    participants: tuple[str, ...]
    absent: tuple[AbsentMember, ...]
    cells: tuple[ResultCell, ...]
    closed_at_ms: int

    @property
    def epsilon(self) -> float:
        """Epsilon at `delta`."""
        return self.epsilon_thousandths / 1000

    @property
    def delta(self) -> float:
        """Delta."""
        return self.delta_billionths / 10**9

    @property
    def noise_deviation(self) -> float:
        """Standard deviation of the noise in a cell."""
        return self.noise_deviation_thousandths / 1000

    @property
    def margin_95(self) -> float:
        """Half the width of the interval around a total that holds the true one with 95 % confidence."""
        return _DEVIATIONS_95 * self.noise_deviation


def totals(hub_half: bytes, trustee_half: bytes) -> tuple[int, ...]:
    """The noisy totals of two halves (rule 1)."""
    return tuple(
        value - 2 * _SIGN_BIT if value >= _SIGN_BIT else value for value in unpack(add(hub_half, trustee_half))
    )


def cells_of(asked: Round, noisy: Sequence[int]) -> tuple[ResultCell, ...]:
    """The table of noisy totals (rule 2)."""
    return tuple(_cells(asked, noisy))


def _cells(asked: Round, noisy: Sequence[int]) -> Iterator[ResultCell]:
    for values, total in zip(asked.measure.cells(asked.period), noisy, strict=True):
        suppressed = total < asked.small_cell
        yield ResultCell(values, 0 if suppressed else total, suppressed)


def make_result(
    asked: Round,
    *,
    epsilon_thousandths: int,
    participants: Sequence[str],
    absent: Sequence[AbsentMember],
    noisy: Sequence[int],
    closed_at_ms: int,
) -> RoundResult:
    """The result of a round; lists in any order."""
    return RoundResult(
        round_id=asked.round_id,
        round_digest=asked.digest,
        measure=asked.measure,
        period=asked.period,
        states=asked.states,
        roster_version=asked.roster_version,
        rho_millionths=asked.rho_millionths,
        epsilon_thousandths=epsilon_thousandths,
        delta_billionths=limits.ROUND_DELTA_BILLIONTHS,
        # the variances of the two parties' noise add up; rounded up
        noise_deviation_thousandths=isqrt(2 * asked.noise_scale_thousandths**2 - 1) + 1,
        small_cell=asked.small_cell,
        participants=tuple(sorted(participants)),
        absent=tuple(sorted(absent, key=lambda member: member.ori)),
        cells=cells_of(asked, noisy),
        closed_at_ms=closed_at_ms,
    )


def result_payload(result: RoundResult, header: Header, catalogue_version: int) -> bytes:
    """The bytes that both parties sign."""
    return round_pb2.RoundResult(
        header=header_to_proto(header),
        round_id=result.round_id,
        round_digest=result.round_digest,
        measure=result.measure.name,
        catalogue_version=catalogue_version,
        period=result.period.text,
        states=result.states,
        roster_version=result.roster_version,
        rho_millionths=result.rho_millionths,
        epsilon_thousandths=result.epsilon_thousandths,
        delta_billionths=result.delta_billionths,
        noise_deviation_thousandths=result.noise_deviation_thousandths,
        small_cell=result.small_cell,
        participants=result.participants,
        absent=[round_pb2.Absence(ori=member.ori, reason=member.reason) for member in result.absent],
        cells=[
            round_pb2.Cell(values=cell.values, total=cell.total, suppressed=cell.suppressed) for cell in result.cells
        ],
        closed_at_ms=result.closed_at_ms,
    ).SerializeToString()


def open_result(envelope: envelope_pb2.Envelope, *, hub_key: bytes, trustee_key: bytes) -> RoundResult:
    """Verify both signatures and the form (rule 4); ProtocolError otherwise."""
    try:
        verified = verify_signatures(envelope, (hub_key, trustee_key), required=2, expected_type=names.ROUND_RESULT)
    except EnvelopeError as error:
        raise ProtocolError(error.reason, f"the result is not signed by both hub and trustee: {error}") from error
    return parse_result(verified.payload)


def parse_result(payload: bytes) -> RoundResult:
    """Read a result's payload and check its form; the signatures are the caller's."""
    try:
        message, header = round_pb2.RoundResult.FromString(payload), header_from_payload(payload)
    except (DecodeError, EnvelopeError) as error:
        raise ProtocolError("malformed", "the result cannot be read") from error
    asked, period = measure(message.measure), parse_period(message.period)
    cells = tuple(ResultCell(tuple(cell.values), cell.total, cell.suppressed) for cell in message.cells)
    if (header.sender, header.audience) != (names.HUB, names.ALL_MEMBERS):
        raise ProtocolError("wrong-audience", "the result is not from the hub to all")
    if tuple(cell.values for cell in cells) != asked.cells(period) or any(c.suppressed and c.total for c in cells):
        raise ProtocolError("malformed", "the result's cells are not those of its measure and period")
    if list(message.participants) != sorted(set(message.participants)):
        raise ProtocolError("malformed", "the result's participants are not distinct and ascending")
    return RoundResult(
        round_id=message.round_id,
        round_digest=message.round_digest,
        measure=asked,
        period=period,
        states=tuple(message.states),
        roster_version=message.roster_version,
        rho_millionths=message.rho_millionths,
        epsilon_thousandths=message.epsilon_thousandths,
        delta_billionths=message.delta_billionths,
        noise_deviation_thousandths=message.noise_deviation_thousandths,
        small_cell=message.small_cell,
        participants=tuple(message.participants),
        absent=tuple(AbsentMember(member.ori, member.reason) for member in message.absent),
        cells=cells,
        closed_at_ms=message.closed_at_ms,
    )
