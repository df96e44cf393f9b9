"""Receipts: what became of a check, signed by the hub, sent to the asker whenever it changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub.errors import Refused
from waypost.protocol import limits, names
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2, envelope_pb2

_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Response:
    """One matched member's part in a check: an answered part, and no other, names the 32-byte digest of its answer."""

    ori: str
    state: int
    answer_digest: bytes
    reason: str

    def __post_init__(self) -> None:
        digest_bytes = _DIGEST_BYTES if self.state == check_pb2.RESPONSE_STATE_ANSWERED else 0
        if len(self.answer_digest) != digest_bytes:
            raise Refused("malformed", "a part names its answer's digest when it is answered, and only then")


@dataclass(frozen=True, slots=True)
class CheckState:
    """A check as the hub holds it; `coverage` is a serialized Coverage."""

    check_id: bytes
    asker: str
    request_digest: bytes
    accepted_at_ms: int
    roster_version: int
    coverage: bytes
    sequence: int


def coverage(roster: Roster, asker: str, stale: frozenset[str]) -> check_pb2.Coverage:
    """How much of the federation's index stands behind a check of that asker: the other members that hold records.

    `stale` are those whose index is not current; a suspended member's records are out of reach as well.
    """
    missing = sorted(((stale | roster.inactive) & roster.holders) - {asker})
    others = len(roster.holders) - (asker in roster.holders)
    return check_pb2.Coverage(members=others, current=others - len(missing), stale_oris=missing)


def make_receipt(
    state: CheckState, responses: Iterable[Response], key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """The signed receipt of a check's present state."""
    header = new_header(sender=names.HUB, audience=state.asker, now_ms=now_ms, lifetime_ms=limits.RECEIPT_LIFETIME_MS)
    receipt = check_pb2.Receipt(
        header=header_to_proto(header),
        check_id=state.check_id,
        request_digest=state.request_digest,
        roster_version=state.roster_version,
        accepted_at_ms=state.accepted_at_ms,
        coverage=check_pb2.Coverage.FromString(state.coverage),
        responses=[
            check_pb2.Response(
                ori=response.ori,
                state=check_pb2.ResponseState.ValueType(response.state),
                answer_digest=response.answer_digest,
                reason=response.reason,
            )
            for response in sorted(responses, key=lambda response: response.ori)
        ],
        sequence=state.sequence,
    )
    return sign(names.RECEIPT, receipt.SerializeToString(), key)
