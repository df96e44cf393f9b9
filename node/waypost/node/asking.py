"""Asking a check: from an inquiry to a signed request, and from mail to what the investigator may believe. No network.

States of a check, as docs/protocol.md draws them:

    queued     asked; nothing has left
    ready      the signed request is stored with its one-time key, and may be submitted any number of times
    submitted  the hub accepted it; nobody matched yet answered, or nobody matched
    partial    some have answered, some are pending
    answered   every matched member has answered or refused
    expired    30 days are over with members pending
    failed     refused for good; `reason` says why

1. A request is stored before it is submitted; after a crash the same bytes are submitted again.
2. A receipt counts when the hub signed it for this node, for this check and this request's digest, its sequence is
   higher than that of the one held, and it only adds to what that one said (receipts.py).
3. An answer counts when a member that the receipt names as matched signed it for this node, for this check and this
   request's digest, and it opens with the check's one-time key in that member's context. Once the receipt says that
   this member answered, only the answer that it names counts.
4. What does not count is refused with an audit entry and changes nothing. A member that never answers stays pending.
5. When a check is over and every answer that the receipt names has arrived, its one-time key is forgotten.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import SigningKey, Verifier, parse_envelope, sign
from waypost.crypto.errors import EnvelopeError, SealingError
from waypost.crypto.freshness import MemoryReplayStore, header_from_payload, header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed
from waypost.node import signing_again
from waypost.node.applicants import PURPOSES, Inquiry
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.keys import match_inputs
from waypost.node.noticed import without_expunged
from waypost.node.receipts import require_digest, require_next
from waypost.node.store import AuditEntry, Store, StoredAnswer, StoredCheck
from waypost.protocol import limits, names
from waypost.protocol.commitments import commit
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2, envelope_pb2, hub_service_pb2, index_pb2, log_pb2

QUEUED, READY, SUBMITTED, PARTIAL = "queued", "ready", "submitted", "partial"
ANSWERED, EXPIRED, FAILED = "answered", "expired", "failed"
OPEN_STATES = (QUEUED, READY, SUBMITTED, PARTIAL)
DONE_STATES = (ANSWERED, EXPIRED, FAILED)
CHECK_ID_BYTES = 16
_DECOY_BYTES = 32


def new_check(inquiry: Inquiry, now_ms: int) -> StoredCheck:
    """A queued check; its id is the id of the request to be."""
    return StoredCheck(os.urandom(CHECK_ID_BYTES), QUEUED, inquiry.to_json(), now_ms, now_ms)


def inputs_of(inquiry: Inquiry) -> tuple[list[bytes], int]:
    """Exactly CHECK_TOKENS inputs, the applicant's keys first and random ones after; how many are his."""
    real = [entry.value for entry in match_inputs(inquiry.person, side="applicant")]
    decoys = [os.urandom(_DECOY_BYTES) for _ in range(limits.CHECK_TOKENS - len(real))]
    return [*real, *decoys], len(real)


def evaluation_request(
    purpose: index_pb2.EvaluationPurpose.ValueType,
    elements: Sequence[bytes],
    *,
    ori: str,
    epoch: int,
    key: SigningKey,
    now_ms: int,
) -> hub_service_pb2.EvaluateRequest:
    """A signed request for evaluation of blinded elements."""
    header = new_header(sender=ori, audience=names.TRUSTEE, now_ms=now_ms, lifetime_ms=limits.EVALUATION_LIFETIME_MS)
    payload = index_pb2.EvaluationRequest(
        header=header_to_proto(header), epoch=epoch, purpose=purpose, blinded_elements=elements
    )
    return hub_service_pb2.EvaluateRequest(request=sign(names.EVALUATION_REQUEST, payload.SerializeToString(), key))


def make_ready(
    check: StoredCheck, inquiry: Inquiry, tokens: Sequence[bytes], *, ori: str, epoch: int, key: SigningKey, now_ms: int
) -> StoredCheck:
    """The check with its signed request, one-time key and openings (rule 1)."""
    openings, one_time = commit(tokens), SealingKey.generate()
    header = new_header(
        sender=ori,
        audience=names.HUB,
        now_ms=now_ms,
        lifetime_ms=limits.CHECK_LIFETIME_MS,
        message_id=check.id,
    )
    request = check_pb2.CheckRequest(
        header=header_to_proto(header),
        epoch=epoch,
        purpose=PURPOSES[inquiry.purpose],
        authorization_digest=inquiry.authorization_digest,
        authorization_reference=inquiry.authorization_reference,
        staff_reference=inquiry.staff,
        answer_public_key=one_time.public,
        commitments=[opening.commitment for opening in openings],
    )
    envelope = sign(names.CHECK_REQUEST, request.SerializeToString(), key)
    secret = {
        "key": one_time.to_bytes().hex(),
        "openings": [[opening.salt.hex(), opening.token.hex()] for opening in openings],
    }
    return replace(
        check,
        state=READY,
        envelope=envelope.SerializeToString(),
        secret=json.dumps(secret).encode(),
        updated_at_ms=now_ms,
    )


def submission(check: StoredCheck) -> hub_service_pb2.SubmitCheckRequest:
    """What is submitted of a ready check."""
    openings = [
        check_pb2.TokenOpening(slot=slot, salt=bytes.fromhex(salt), token=bytes.fromhex(token))
        for slot, (salt, token) in enumerate(json.loads(check.secret or b"{}")["openings"])
    ]
    return hub_service_pb2.SubmitCheckRequest(request=parse_envelope(check.envelope or b""), openings=openings)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asked: the node's ORI, and the hub's key."""

    ori: str
    hub_key: bytes


def take_receipt(store: Store, envelope: envelope_pb2.Envelope, *, own: Asker, now_ms: int) -> bytes | None:
    """Take a receipt (rule 2): the check that changed, or None; Refused when it does not count."""
    try:
        return _take_receipt(store, envelope, own, now_ms)
    except DecodeError:
        raise Refused("malformed", "the receipt cannot be read") from None
    except EnvelopeError as error:
        raise Refused(error.reason, f"the receipt was refused: {error}") from error


def take_answer(
    store: Store, envelope: envelope_pb2.Envelope, *, own: Asker, roster: Roster, now_ms: int
) -> bytes | None:
    """Take an answer (rule 3): the check that changed, or None; Refused when it does not count."""
    try:
        return _take_answer(store, envelope, own, roster, now_ms)
    except DecodeError:
        raise Refused("malformed", "the answer cannot be read") from None
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, f"the answer was refused: {error}") from error


def _take_receipt(store: Store, envelope: envelope_pb2.Envelope, own: Asker, now_ms: int) -> bytes | None:
    # A receipt's sequence makes a repeated one harmless, so no memory of message ids is needed.
    verified = Verifier((own.ori,), MemoryReplayStore()).verify(
        envelope, expected_type=names.RECEIPT, keys=(own.hub_key,), sender=names.HUB, now_ms=now_ms
    )
    receipt = check_pb2.Receipt.FromString(verified.payload)
    with store.writing():
        check = store.checks.get(receipt.check_id)
        if check is None or check.envelope is None:
            raise Refused("no-such-check", "the receipt is for no check of this node")
        if receipt.request_digest != _digest(check):
            raise Refused("wrong-digest", "the receipt is for another request")
        if receipt.sequence <= check.receipt_sequence:
            return None
        require_next(receipt, receipt_of(check), store.checks.answers(check.id))
        state = _state_of(receipt)
        store.checks.update(
            replace(
                check,
                state=state,
                receipt=envelope.SerializeToString(),
                receipt_sequence=receipt.sequence,
                updated_at_ms=now_ms,
            )
        )
        store.transparency.want(log_pb2.LOG_KIND_RECEIPT, hashlib.sha256(verified.payload).digest(), now_ms)
        _forget_key_when_over(store, check.id)
        if check.state == READY:
            signing_again.enter(store, parse_envelope(check.envelope))
            store.transparency.want(log_pb2.LOG_KIND_CHECK, receipt.request_digest, now_ms)
            store.audit.add(AuditEntry(now_ms, Event.CHECK_SUBMITTED, json.loads(check.request_json)["staff"]))
    return check.id


def _state_of(receipt: check_pb2.Receipt) -> str:
    states = [response.state for response in receipt.responses]
    if check_pb2.RESPONSE_STATE_PENDING not in states:
        return EXPIRED if check_pb2.RESPONSE_STATE_EXPIRED in states else ANSWERED
    return PARTIAL if check_pb2.RESPONSE_STATE_ANSWERED in states else SUBMITTED


def _take_answer(
    store: Store, envelope: envelope_pb2.Envelope, own: Asker, roster: Roster, now_ms: int
) -> bytes | None:
    sender = roster.active_member(header_from_payload(envelope.payload).sender)
    # The answer of a member to a check is kept once, so a repeated one is harmless.
    verified = Verifier((own.ori,), MemoryReplayStore()).verify(
        envelope, expected_type=names.ANSWER, keys=(sender.signing_public_key,), sender=sender.ori, now_ms=now_ms
    )
    answer = check_pb2.Answer.FromString(verified.payload)
    with store.writing():
        check = store.checks.get(answer.check_id)
        if check is not None and sender.ori in {kept.ori for kept in store.checks.answers(check.id)}:
            return None
        if check is None or check.secret is None or check.receipt is None:
            raise Refused("no-such-check", "the answer is for no check of this node")
        if answer.request_digest != _digest(check):
            raise Refused("wrong-digest", "the answer is for another request")
        part = parts_of(check).get(sender.ori)
        if part is None:
            raise Refused("not-asked", "the answer is of a member that the receipt does not name")
        body = _open(check, answer, sender.ori, own.ori)
        if part.state == check_pb2.RESPONSE_STATE_ANSWERED:
            require_digest(part.answer_digest, hashlib.sha256(verified.payload).digest())
        lawful = without_expunged(store, sender.ori, body)
        sealed = envelope.SerializeToString() if lawful == body else b""
        store.checks.add_answer(StoredAnswer(check.id, sender.ori, lawful, sealed, now_ms))
        _forget_key_when_over(store, check.id)
    return check.id


def _forget_key_when_over(store: Store, check_id: bytes) -> None:
    """Rule 5: nothing can come that the one-time key would open."""
    check = store.checks.get(check_id)
    if check is None or check.secret is None or check.state not in {ANSWERED, EXPIRED}:
        return
    receipt, arrived = receipt_of(check), {answer.ori for answer in store.checks.answers(check_id)}
    answered = check_pb2.RESPONSE_STATE_ANSWERED
    if receipt is not None and {each.ori for each in receipt.responses if each.state == answered} <= arrived:
        store.checks.update(replace(check, secret=None))


def _open(check: StoredCheck, answer: check_pb2.Answer, sender: str, own: str) -> bytes:
    key = SealingKey.from_bytes(bytes.fromhex(json.loads(check.secret or b"{}")["key"]))
    context = SealingContext(names.SEAL_ANSWER, sender, own, check.id)
    try:
        body = open_sealed(answer.sealed_body, key, context)
    except SealingError as error:
        raise Refused("not-sealed-for-us", str(error)) from error
    check_pb2.AnswerBody.FromString(body)
    return body


def receipt_of(check: StoredCheck) -> check_pb2.Receipt | None:
    """The newest receipt of a check."""
    return None if check.receipt is None else check_pb2.Receipt.FromString(parse_envelope(check.receipt).payload)


def parts_of(check: StoredCheck) -> dict[str, check_pb2.Response]:
    """How the members that matched stand by the newest receipt."""
    receipt = receipt_of(check)
    return {response.ori: response for response in receipt.responses} if receipt is not None else {}


def _digest(check: StoredCheck) -> bytes:
    return hashlib.sha256(parse_envelope(check.envelope or b"").payload).digest()


def queued_again(check: StoredCheck, now_ms: int) -> StoredCheck:
    """The check as it was before its request was made: the hub did not take that one, so a new one is made."""
    return replace(check, state=QUEUED, envelope=None, secret=None, updated_at_ms=now_ms)


def failed(check: StoredCheck, reason: str, now_ms: int) -> StoredCheck:
    """The check, refused for good; its one-time key is forgotten."""
    return replace(check, state=FAILED, reason=reason, secret=None, updated_at_ms=now_ms)
