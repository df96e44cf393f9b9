"""Referrals: where the agreement does not suffice to disclose, people decide. No network.

1. An offer is remembered with the officer it stands for when the answer that makes it is written.
2. A request counts when an active member signed it for this node, it opens with this node's sealing key in that
   member's context, and it names an offer that was made to that very member in that very check. It counts once.
3. Releasing is an act of the holder's staff, by name. Fair process and policy decide on the officer and on each record
   as in any answer, under the purpose and authorization of the check. The disclosure log is written before the decision
   leaves; a refusal is in the audit.
4. A decision counts when the member that made the offer signed it for this node and it opens in that member's context.
   What is released takes the offer's place in the answer, so that it is scored, noticed and lapses like any disclosure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeVar

from google.protobuf.message import Message

from waypost.crypto.envelope import SigningKey, Verifier, sign
from waypost.crypto.errors import SealingError
from waypost.crypto.freshness import Header, MemoryReplayStore, header_from_payload, header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, open_sealed, seal
from waypost.node import details, wire
from waypost.node.applicants import Inquiry
from waypost.node.audit import Event
from waypost.node.errors import CheckError, Refused
from waypost.node.policy import Asker
from waypost.node.receiver import Receiver
from waypost.node.records import Officer
from waypost.node.ruling import Ruling
from waypost.node.store import (
    AuditEntry,
    DisclosedRecord,
    Disclosure,
    ReferralAsked,
    ReferralOffer,
    Store,
    StoredAnswer,
    StoredCheck,
)
from waypost.node.store.referrals import ASKED, DUE, OFFERED, OPEN, REFUSED, RELEASED
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2, referral_pb2

OUTBOX_REFERRAL: Final = "referral"
VERDICT_RELEASED: Final = "released by hand"
_IDENTIFIERS_MAX: Final = 16
_NAMES_MAX: Final = 17
_Body = TypeVar("_Body", referral_pb2.ReferralRequestBody, referral_pb2.ReferralDecisionBody)


def ask(store: Store, check: StoredCheck, inquiry: Inquiry, ori: str, *, contact: str, note: str, now_ms: int) -> int:
    """Ask a member for every referral that it offered in a check; how many. CheckError when there is none."""
    if not 0 < len(contact) <= limits.CONTACT_CHARS_MAX or not contact.isprintable():
        raise CheckError(
            f"a contact has 1 to {limits.CONTACT_CHARS_MAX} printable characters",
            hint='--contact "Det. Doe, 555-0100"',
        )
    if len(note) > limits.REASON_CHARS_MAX:
        raise CheckError(f"a note has at most {limits.REASON_CHARS_MAX} characters")
    with store.writing():
        answer = next((each for each in store.checks.answers(check.id) if each.ori == ori), None)
        offers = _offers(answer) if answer is not None else []
        fresh = [reference for reference in offers if store.referrals.asked(reference) is None]
        if not offers:
            raise CheckError(f"{ori} offers no referral in this check", hint="waypost-node checks show says who does")
        for reference in fresh:
            body = _request_body(check.id, reference, inquiry, contact, note)
            store.referrals.put_asked(
                ReferralAsked(reference, check.id, ori, body.SerializeToString(), DUE, "", now_ms)
            )
    return len(fresh)


def _offers(answer: StoredAnswer) -> list[bytes]:
    body = check_pb2.AnswerBody.FromString(answer.body)
    return [each.referral_reference for each in body.candidates if each.referral_reference]


def _request_body(
    check_id: bytes, reference: bytes, inquiry: Inquiry, contact: str, note: str
) -> referral_pb2.ReferralRequestBody:
    person = inquiry.person
    return referral_pb2.ReferralRequestBody(
        check_id=check_id,
        reference=reference,
        contact=contact,
        names=[wire.name_of(name) for name in person.names[:_NAMES_MAX]],
        date_of_birth=str(person.date_of_birth),
        identifiers=[wire.identifier_of(entry) for entry in person.identifiers[:_IDENTIFIERS_MAX]],
        note=note,
    )


def post_request(store: Store, asked: ReferralAsked, *, ori: str, key: SigningKey, public: bytes, now_ms: int) -> None:
    """Seal a request to the holder's sealing key (`public`) and put it into the outbox."""
    with store.writing():
        header = new_header(sender=ori, audience=asked.ori, now_ms=now_ms, lifetime_ms=limits.REFERRAL_LIFETIME_MS)
        sealed = _seal(asked.request, public, names.SEAL_REFERRAL, header)
        message = referral_pb2.ReferralRequest(header=header_to_proto(header), sealed_body=sealed)
        _put_out(store, names.REFERRAL_REQUEST, message, header, key, now_ms)
        store.referrals.put_asked(replace(asked, state=ASKED, trouble=""))
        store.audit.add(AuditEntry(now_ms, Event.REFERRAL_ASKED, asked.ori))


def take_request(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Take a request from the mail (rule 2)."""
    header, payload = _verified(envelope, names.REFERRAL_REQUEST, receiver)
    message = referral_pb2.ReferralRequest.FromString(payload)
    body = _open(message.sealed_body, referral_pb2.ReferralRequestBody(), names.SEAL_REFERRAL, header, receiver)
    if not _well_formed(body):
        raise Refused("malformed", "the referral request breaks the protocol's bounds")
    with store.writing():
        offer = store.referrals.offered(body.reference)
        if offer is None or (offer.asker, offer.check_id) != (header.sender, body.check_id):
            raise Refused("not-asked", "no such referral was offered to that member")
        if offer.state != OFFERED:
            return
        asked = body.SerializeToString()
        store.referrals.change_offer(replace(offer, state=OPEN, request=asked, asked_at_ms=receiver.now_ms))
        store.audit.add(AuditEntry(receiver.now_ms, Event.REFERRAL_REQUESTED, header.sender))


def _well_formed(body: referral_pb2.ReferralRequestBody) -> bool:
    return (
        0 < len(body.contact) <= limits.CONTACT_CHARS_MAX
        and 0 < len(body.names) <= _NAMES_MAX
        and len(body.identifiers) <= _IDENTIFIERS_MAX
        and len(body.note) <= limits.REASON_CHARS_MAX
    )


def decide(store: Store, offer: ReferralOffer, *, release: bool, staff: str, reason: str, now_ms: int) -> ReferralOffer:
    """Enter what the staff decided (rule 3); CheckError when it was decided before."""
    if len(reason) > limits.REASON_CHARS_MAX:
        raise CheckError(f"a reason has at most {limits.REASON_CHARS_MAX} characters")
    if offer.state != OPEN:
        raise CheckError(
            f"this referral is {offer.state}, so there is nothing to decide", hint="see: waypost-node referrals list"
        )
    decided = replace(offer, state=RELEASED if release else REFUSED, staff=staff, reason=reason, decided_at_ms=now_ms)
    with store.writing():
        store.referrals.change_offer(decided)
        event = Event.REFERRAL_RELEASED if release else Event.REFERRAL_REFUSED
        store.audit.add(AuditEntry(now_ms, event, offer.asker, staff))
    return decided


def post_decision(
    store: Store,
    offer: ReferralOffer,
    *,
    ruling: Ruling,
    asker: Asker,
    key: SigningKey,
    public: bytes,
    now_ms: int,
) -> None:
    """Seal a decision to the asker's sealing key (`public`): log, then outbox (rule 3)."""
    with store.writing():
        body = referral_pb2.ReferralDecisionBody(
            check_id=offer.check_id, reference=offer.reference, reason=offer.reason
        )
        released: tuple[DisclosedRecord, ...] = ()
        policies: tuple[str, ...] = ()
        officer = store.officers.get(offer.officer_id)
        if offer.state == RELEASED and officer is not None:
            released, policies = _release(body, officer, ruling, asker)
        header = new_header(
            sender=ruling.ori, audience=offer.asker, now_ms=now_ms, lifetime_ms=limits.REFERRAL_LIFETIME_MS
        )
        sealed = _seal(body.SerializeToString(), public, names.SEAL_REFERRAL_DECISION, header)
        message = referral_pb2.ReferralDecision(header=header_to_proto(header), sealed_body=sealed)
        if body.HasField("candidate"):
            digest = hashlib.sha256(message.SerializeToString()).digest()
            store.disclosures.add(_entry(offer, released, policies, digest, now_ms))
            details.note_told(store, offer.asker, offer.officer_id, body.candidate)
        _put_out(store, names.REFERRAL_DECISION, message, header, key, now_ms)
        store.referrals.change_offer(replace(offer, sent=True))


def _release(
    body: referral_pb2.ReferralDecisionBody, officer: Officer, ruling: Ruling, asker: Asker
) -> tuple[tuple[DisclosedRecord, ...], tuple[str, ...]]:
    """Put into the body what fair process and policy let out: the records, and the policies."""
    whole = ruling.of_officer(asker, officer)
    ids = set(whole.policy_ids)
    if not whole.allowed:
        body.reason = f"policy {', '.join(sorted(ids))} forbids it"
        return (), tuple(sorted(ids))
    records = []
    for record in officer.conduct:
        decision = ruling.of_record(asker, record)
        if decision is not None:
            ids.update(decision.policy_ids)
            if decision.allowed:
                records.append(record)
    content = [ruling.content(asker, record) for record in records]
    body.candidate.CopyFrom(wire.candidate_of(officer, content, ssn_agrees=False, declined={}))
    return tuple(DisclosedRecord(each.record_key, each.version) for each in records), tuple(sorted(ids))


def _entry(
    offer: ReferralOffer, records: tuple[DisclosedRecord, ...], policies: tuple[str, ...], digest: bytes, now_ms: int
) -> Disclosure:
    return Disclosure(
        at_ms=now_ms,
        check_id=offer.check_id,
        asker=offer.asker,
        purpose=offer.purpose,
        authorization_digest=offer.authorization_digest,
        asker_reference=offer.asker_reference,
        officer_id=offer.officer_id,
        records=records,
        policies=policies,
        verdict=VERDICT_RELEASED,
        answer_digest=digest,
    )


def take_decision(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Take a decision from the mail (rule 4)."""
    header, payload = _verified(envelope, names.REFERRAL_DECISION, receiver)
    message = referral_pb2.ReferralDecision.FromString(payload)
    purpose = names.SEAL_REFERRAL_DECISION
    body = _open(message.sealed_body, referral_pb2.ReferralDecisionBody(), purpose, header, receiver)
    with store.writing():
        asked = store.referrals.asked(body.reference)
        if asked is None or (asked.ori, asked.check_id) != (header.sender, body.check_id):
            raise Refused("not-asked", "this node has asked that member for no such referral")
        if asked.state in {RELEASED, REFUSED}:
            return
        released = body.HasField("candidate")
        reason = body.reason[: limits.REASON_CHARS_MAX]
        store.referrals.put_asked(replace(asked, state=RELEASED if released else REFUSED, reason=reason))
        if released:
            _put_in_place(store, asked, body.candidate, receiver.now_ms)
        event = Event.REFERRAL_RELEASED if released else Event.REFERRAL_REFUSED
        store.audit.add(AuditEntry(receiver.now_ms, event, header.sender))


def _put_in_place(store: Store, asked: ReferralAsked, candidate: check_pb2.Candidate, now_ms: int) -> None:
    for answer in store.checks.answers(asked.check_id):
        if answer.ori != asked.ori:
            continue
        body = check_pb2.AnswerBody.FromString(answer.body)
        for offered in body.candidates:
            if offered.referral_reference == asked.reference:
                offered.CopyFrom(candidate)
        store.checks.redact_answer(asked.check_id, asked.ori, body.SerializeToString(), arrived_at_ms=now_ms)


def _verified(envelope: envelope_pb2.Envelope, kind: str, receiver: Receiver) -> tuple[Header, bytes]:
    # A request and a decision each change something once, so a repeated one is harmless.
    sender = receiver.roster.active_member(header_from_payload(envelope.payload).sender)
    verified = Verifier((receiver.ori,), MemoryReplayStore()).verify(
        envelope, expected_type=kind, keys=(sender.signing_public_key,), sender=sender.ori, now_ms=receiver.now_ms
    )
    return verified.header, verified.payload


def _seal(body: bytes, public: bytes, purpose: str, header: Header) -> bytes:
    context = SealingContext(purpose, header.sender, header.audience, header.message_id)
    try:
        return seal(body, public, context, minimum_bytes=limits.ANSWER_BYTES_MIN)
    except SealingError as error:
        raise Refused("wrong-sealing-key", f"the recipient's sealing key does not serve: {error}") from error


def _open(sealed: bytes, body: _Body, purpose: str, header: Header, receiver: Receiver) -> _Body:
    context = SealingContext(purpose, header.sender, receiver.ori, header.message_id)
    try:
        body.ParseFromString(open_sealed(sealed, receiver.sealing_key, context))
    except SealingError as error:
        raise Refused("not-sealed-for-us", str(error)) from error
    return body


def _put_out(store: Store, kind: str, message: Message, header: Header, key: SigningKey, now_ms: int) -> None:
    envelope = sign(kind, message.SerializeToString(), key).SerializeToString()
    store.outbox.add(OUTBOX_REFERRAL, header.message_id, envelope, now_ms)


def newest_first(offers: Iterable[ReferralOffer]) -> list[ReferralOffer]:
    """Open ones before decided ones, newest first."""
    return sorted(offers, key=lambda offer: (offer.state != OPEN, -offer.asked_at_ms))
