"""Receipts at the asker: one only adds to what the last one said. No I/O.

    pending --> answered (with the answer's digest)     pending --> refused     pending --> expired

1. A receipt names each matched member once, in one of the states drawn; an answered part bears the 32-byte digest of
   the answer, and no other part bears one.
2. Who matched, and what the hub looked in, was settled when it accepted the check: a later receipt names the same
   members, moment of acceptance, roster version and coverage.
3. A part that is over stays as it is: the same state, digest and reason.
4. The digest of an answered part is that of the answer that arrived from that member. One that was redacted since
   (a record in it was erased, a referral released) no longer has the envelope to compare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from waypost.crypto.envelope import parse_envelope
from waypost.node.errors import Refused
from waypost.node.store import StoredAnswer
from waypost.v1 import check_pb2

_DIGEST_BYTES: Final = 32
_STATES: Final = frozenset(check_pb2.ResponseState.values()) - {check_pb2.RESPONSE_STATE_UNSPECIFIED}


def require_next(receipt: check_pb2.Receipt, held: check_pb2.Receipt | None, answers: Sequence[StoredAnswer]) -> None:
    """Refused unless the receipt may follow the one held; `answers` are those to this check that have arrived."""
    _require_sound(receipt)
    if held is not None:
        _require_same_acceptance(receipt, held)
        _require_forward(receipt, held)
    arrived = {answer.ori: answer_digest(answer) for answer in answers if answer.envelope}
    for response in receipt.responses:
        if response.state == check_pb2.RESPONSE_STATE_ANSWERED:
            require_digest(response.answer_digest, arrived.get(response.ori, response.answer_digest))


def answer_digest(answer: StoredAnswer) -> bytes:
    """SHA-256 of the answer's payload, as receipts name it."""
    return hashlib.sha256(parse_envelope(answer.envelope).payload).digest()


def require_digest(named: bytes, arrived: bytes) -> None:
    """Refused unless the receipt names the answer that arrived (rule 4)."""
    if named != arrived:
        raise Refused("another-answer", "the receipt names another answer of the member than the one that arrived")


def _require_sound(receipt: check_pb2.Receipt) -> None:
    """Rule 1."""
    if len({response.ori for response in receipt.responses}) != len(receipt.responses):
        raise Refused("malformed", "the receipt names a member twice")
    for response in receipt.responses:
        if response.state not in _STATES:
            raise Refused("malformed", "the receipt does not say how a member's part stands")
        digest_bytes = _DIGEST_BYTES if response.state == check_pb2.RESPONSE_STATE_ANSWERED else 0
        if len(response.answer_digest) != digest_bytes:
            raise Refused("malformed", "a receipt names the answer of each member that answered, and of no other")


def _require_same_acceptance(receipt: check_pb2.Receipt, held: check_pb2.Receipt) -> None:
    """Rule 2."""
    now, before = ({response.ori for response in each.responses} for each in (receipt, held))
    if before - now:
        raise Refused("forgets-a-member", "the receipt no longer names a member that had matched")
    if now - before:
        raise Refused("adds-a-member", "the receipt names a member that had not matched")
    if (receipt.accepted_at_ms, receipt.roster_version) != (held.accepted_at_ms, held.roster_version):
        raise Refused("rewrites-acceptance", "the receipt tells another acceptance of the check than the one before it")
    if receipt.coverage != held.coverage:
        raise Refused("rewrites-acceptance", "the receipt tells another coverage of the check than the one before it")


def _require_forward(receipt: check_pb2.Receipt, held: check_pb2.Receipt) -> None:
    """Rule 3."""
    before = {response.ori: response for response in held.responses}
    for response in receipt.responses:
        earlier = before[response.ori]
        if earlier.state != check_pb2.RESPONSE_STATE_PENDING and response != earlier:
            raise Refused("goes-back", "the receipt changes a member's part that was over")
