"""Answering an aggregate round: from a signed round in the mail to two sealed shares in the outbox. One transaction.

1. The round bears the hub's signature and the trustee's over the same bytes, and has the form that the protocol asks
   (waypost.protocol.rounds); the roster that names both keys has not expired.
2. It is still open, and this member belongs to its cohort.
3. A round that was answered or declined before changes nothing: the answer waits in the outbox, or the hub has it. So
   no round gets two different pairs of shares.
4. Of one measure and period at most ROUND_ANSWERS_MAX rounds are answered.
5. Policy decides: the federation's floor, then the node's own files (action "count"). What policy forbids is declined
   with the policies' names, so that the hub can tell a refusal from a node that is offline.
6. Counts are made here (counting.py) as of the day on which the round was made, by the hub's clock or by ours if that
   is earlier. They are split and sealed: the vector share to the hub's key of this round, the seed share to the
   trustee's. Neither the counts nor the shares are kept.
7. The entry, the audit and the outbox are written in one transaction.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from waypost.crypto.envelope import sign
from waypost.crypto.errors import SealingError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, seal
from waypost.crypto.shares import split
from waypost.node.audit import Event
from waypost.node.counting import Books, count
from waypost.node.errors import Refused
from waypost.node.limits import ROUND_ANSWERS_MAX
from waypost.node.receiver import Receiver
from waypost.node.store import AnsweredRound, AuditEntry, Store
from waypost.protocol import names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.rounds import Round, cohort, open_round
from waypost.v1 import envelope_pb2, round_pb2

OUTBOX_ROUND = "round-answer"
ANSWERED = "answered"
DECLINED = "declined"
NO_POLICIES = "local.unreadable"
"""The reason when the node's policies cannot be read: it then gives nothing."""
_REASON_CHARS_MAX = 200


def take_round(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Answer or decline a round; Refused when it does not count."""
    asked = _open(envelope, receiver)
    if store.rounds.get(asked.round_id) is not None:  # rule 3
        return
    if store.rounds.answered_count(asked.measure.name, asked.period.text) >= ROUND_ANSWERS_MAX:  # rule 4
        raise Refused("asked-too-often", "this was asked and answered too often already")
    declined = _declined(asked, receiver)
    day = _day(min(asked.header.issued_at_ms, receiver.now_ms))  # rule 6
    books = Books(store, receiver.ori, receiver.windows, day)
    with store.writing():
        vector = () if declined else count(asked.measure, asked.period, books)
        message = answer(asked, vector, receiver, declined=declined)
        outcome = DECLINED if declined else ANSWERED
        entry = AnsweredRound(
            round_id=asked.round_id,
            measure=asked.measure.name,
            period=asked.period.text,
            states=" ".join(asked.states),
            closes_at_ms=asked.closes_at_ms,
            outcome=outcome,
            reason=declined,
            at_ms=receiver.now_ms,
        )
        if not store.rounds.add(entry):
            return
        event = Event.ROUND_DECLINED if declined else Event.ROUND_ANSWERED
        subject = f"{asked.measure.name} {asked.period.text}"
        store.audit.add(AuditEntry(receiver.now_ms, event, subject, declined or asked.round_id.hex()))
        store.outbox.add(OUTBOX_ROUND, asked.round_id, message.SerializeToString(), receiver.now_ms)


def _open(envelope: envelope_pb2.Envelope, receiver: Receiver) -> Round:
    """Rules 1 and 2."""
    roster, now_ms = receiver.roster, receiver.now_ms
    if roster.expired(now_ms):
        raise Refused("roster-expired", "the node holds no valid roster")
    try:
        asked = open_round(
            envelope, hub_key=roster.hub_signing_key, trustee_key=roster.trustee_signing_key, now_ms=now_ms
        )
    except ProtocolError as error:
        raise Refused(error.reason, f"the round was refused: {error}") from error
    if asked.closes_at_ms <= now_ms:
        raise Refused("expired", "the round has closed")
    if receiver.ori not in cohort(roster, asked.states):
        raise Refused("not-asked", "this member is not of the round's cohort")
    return asked


def _declined(asked: Round, receiver: Receiver) -> str:
    """Rule 5: the policies that forbid it, or nothing."""
    if receiver.policies is None:
        return NO_POLICIES
    state = receiver.roster.members[receiver.ori].state
    decision = receiver.policies.decide_count(asked.measure.name, asked.measure.unit, asked.period.text, state=state)
    return "" if decision.allowed else " ".join(decision.policy_ids)[:_REASON_CHARS_MAX]


def answer(asked: Round, vector: tuple[int, ...], receiver: Receiver, *, declined: str = "") -> envelope_pb2.Envelope:
    """The signed answer with both shares of the vector (rule 6), or with the reason for declining."""
    message = round_pb2.RoundAnswer(
        header=_header(asked, names.HUB, receiver),
        round_id=asked.round_id,
        round_digest=asked.digest,
        declined_reason=declined,
    )
    if not declined:
        shares = split(vector)
        message.sealed_vector = _seal(shares.vector, asked.hub_sealing_key, names.SEAL_VECTOR_SHARE, asked, receiver)
        seed = round_pb2.SeedShare(
            header=_header(asked, names.TRUSTEE, receiver),
            round_id=asked.round_id,
            round_digest=asked.digest,
            sealed_seed=_seal(shares.seed, asked.trustee_sealing_key, names.SEAL_SEED_SHARE, asked, receiver),
        )
        message.seed_share.CopyFrom(sign(names.ROUND_SEED_SHARE, seed.SerializeToString(), receiver.key))
    return sign(names.ROUND_ANSWER, message.SerializeToString(), receiver.key)


def _header(asked: Round, audience: str, receiver: Receiver) -> envelope_pb2.Header:
    lifetime_ms = asked.header.expires_at_ms - receiver.now_ms
    return header_to_proto(
        new_header(sender=receiver.ori, audience=audience, now_ms=receiver.now_ms, lifetime_ms=lifetime_ms)
    )


def _seal(share: bytes, key: bytes, purpose: str, asked: Round, receiver: Receiver) -> bytes:
    audience = names.HUB if purpose == names.SEAL_VECTOR_SHARE else names.TRUSTEE
    try:
        return seal(share, key, SealingContext(purpose, receiver.ori, audience, asked.round_id))
    except SealingError as error:
        raise Refused("malformed", f"the round's keys cannot be used: {error}") from error


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()
