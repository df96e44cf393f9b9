"""Closing a round at the hub: adding up vector shares, and making the result. Cores without a database or a network.

1. A participant's vector share opens under the round's key in the context of its sender and round, and has the round's
   cells. Those whose share does not are named, and left out.
2. The sum is in memory only, and only until the hub's noise is in it; the noise suffices alone.
3. The close names the participants and commits to the hub's half before the trustee's is known.
4. A result says of an absent member what the member signed, or one of the hub's own words (round_declines.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from google.protobuf.message import DecodeError

from waypost.crypto import noise
from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.errors import EnvelopeError, SealingError, SharesError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed
from waypost.crypto.share_sums import ShareSum
from waypost.crypto.shares import check_vector
from waypost.hub.errors import Refused
from waypost.hub.rounds import HeldRound, MemberPart, Part
from waypost.protocol import limits, names
from waypost.protocol.measures import CATALOGUE_VERSION, measure
from waypost.protocol.periods import parse_period
from waypost.protocol.roster import Roster
from waypost.protocol.round_declines import is_hubs_word, read_decline
from waypost.protocol.round_results import AbsentMember, make_result, result_payload, totals
from waypost.protocol.rounds import Round, least_noise_scale_thousandths
from waypost.v1 import envelope_pb2, round_pb2


def make_round(
    held: HeldRound, roster: Roster, keys: tuple[bytes, bytes], key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """The round that was asked, signed by the hub; `keys` are the hub's and the trustee's sealing keys for it."""
    asked, period = measure(held.measure), parse_period(held.period)
    header = new_header(
        sender=names.HUB,
        audience=names.ALL_MEMBERS,
        now_ms=now_ms,
        lifetime_ms=held.open_ms + limits.ROUND_GRACE_MS,
        message_id=held.round_id,
    )
    message = round_pb2.Round(
        header=header_to_proto(header),
        measure=held.measure,
        catalogue_version=CATALOGUE_VERSION,
        period=held.period,
        states=held.states,
        roster_version=roster.version,
        cells=asked.cell_count(period),
        clip=asked.clip,
        rho_millionths=held.rho_millionths,
        noise_scale_thousandths=least_noise_scale_thousandths(asked.clip, held.rho_millionths),
        minimum_cohort=limits.MINIMUM_COHORT,
        small_cell=limits.ROUND_SMALL_CELL,
        closes_at_ms=now_ms + held.open_ms,
        hub_sealing_key=keys[0],
        trustee_sealing_key=keys[1],
    )
    return sign(names.ROUND, message.SerializeToString(), key)


class VectorSum:
    """One closing's sum of vector shares. `unusable` are the senders whose share did not open."""

    def __init__(self, asked: Round, sealing_key: SealingKey) -> None:
        self._asked = asked
        self._key = sealing_key
        self._sum = ShareSum(asked.cells)
        self.unusable: set[str] = set()

    def take(self, answers: Iterable[envelope_pb2.Envelope]) -> None:
        """Add the shares of these answers, which were verified when they came."""
        vectors = []
        for envelope in answers:
            message = round_pb2.RoundAnswer.FromString(envelope.payload)
            sender = message.header.sender
            context = SealingContext(names.SEAL_VECTOR_SHARE, sender, names.HUB, self._asked.round_id)
            try:
                vector = open_sealed(message.sealed_vector, self._key, context)
                check_vector(vector, cells=self._asked.cells)
                vectors.append(vector)
            except (SealingError, SharesError):
                self.unusable.add(sender)
        if vectors:
            self._sum.add_vectors(vectors)

    def noisy_half(self) -> bytes:
        """The half with the noise in; only when every share was usable."""
        assert not self.unusable  # noqa: S101 - the caller leaves them out and begins anew
        self._sum.add_noise(noise.draw(self._asked.noise_scale, self._asked.cells))
        return self._sum.to_bytes()


def make_close(
    asked: Round, participants: Sequence[str], half: bytes, key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """The hub's signed close (rule 3)."""
    header = new_header(
        sender=names.HUB, audience=names.TRUSTEE, now_ms=now_ms, lifetime_ms=max(1, asked.header.expires_at_ms - now_ms)
    )
    message = round_pb2.RoundClose(
        header=header_to_proto(header),
        round_id=asked.round_id,
        round_digest=asked.digest,
        participants=sorted(participants),
        hub_half_digest=hashlib.sha256(half).digest(),
    )
    return sign(names.ROUND_CLOSE, message.SerializeToString(), key)


def read_partial_sum(
    envelope: envelope_pb2.Envelope, close: envelope_pb2.Envelope, asked: Round, trustee_key: bytes
) -> bytes:
    """The trustee's half; Refused when it is not the trustee's answer to this very close."""
    try:
        verified = verify_signatures(envelope, (trustee_key,), required=1, expected_type=names.ROUND_PARTIAL_SUM)
        message = round_pb2.PartialSum.FromString(verified.payload)
        check_vector(message.half, cells=asked.cells)
    except (EnvelopeError, SharesError, DecodeError) as error:
        raise Refused("malformed", f"the trustee's half was refused: {error}") from error
    if message.close_digest != hashlib.sha256(close.payload).digest() or message.round_id != asked.round_id:
        raise Refused("wrong-participants", "the trustee added up other participants than the hub")
    return message.half


def make_round_result(
    held: HeldRound, members: Sequence[MemberPart], declines: Mapping[str, str], key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """The result of a round whose halves are both there, signed by the hub; `declines` are verified reasons."""
    assert held.close is not None and held.hub_half is not None and held.trustee_half is not None  # noqa: S101, PT018
    close = round_pb2.RoundClose.FromString(envelope_pb2.Envelope.FromString(held.close).payload)
    inside = set(close.participants)
    asked = held.asked
    result = make_result(
        asked,
        epsilon_thousandths=noise.epsilon_thousandths(asked.rho_millionths, limits.ROUND_DELTA_BILLIONTHS),
        participants=close.participants,
        absent=[AbsentMember(member.ori, _absence(member, declines)) for member in members if member.ori not in inside],
        noisy=totals(held.hub_half, held.trustee_half),
        closed_at_ms=close.header.issued_at_ms,
    )
    header = new_header(
        sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=now_ms, lifetime_ms=limits.RECEIPT_LIFETIME_MS
    )
    return sign(names.ROUND_RESULT, result_payload(result, header, CATALOGUE_VERSION), key)


def _absence(member: MemberPart, declines: Mapping[str, str]) -> str:
    """Rule 4."""
    if member.part is Part.ASKED:
        return ""
    return member.reason if is_hubs_word(member.reason) else declines.get(member.ori, "")


def read_declines(
    envelopes: Iterable[envelope_pb2.Envelope], asked: Round, roster: Roster
) -> Iterator[tuple[str, str, envelope_pb2.Envelope]]:
    """Member, reason and message of those that verify under the present roster."""
    for envelope in envelopes:
        read = read_decline(envelope, asked, roster)
        if read is not None:
            yield (*read, envelope)
