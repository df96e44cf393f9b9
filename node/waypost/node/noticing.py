"""Telling those who received a record that it has changed. No network.

1. A change of a record and the entry of everyone who must be told of it are one transaction. Who must be told is what
   the disclosure log says: every member that received any version of it. While the hub has not said that it took the
   only answer with the record, no notice is made; and none at all when it never did (unsent.py).
2. A notice tells the record's state when the notice is made, whatever happened in between. Content goes along only
   when the record stands, section 3(b) admits it, and policy lets this recipient have it for what it asked for.
3. Making a notice, putting it into the outbox and, when content goes along, the disclosure log's entry are one
   transaction. It is padded like an answer and sealed to the recipient's sealing key, which the roster names by digest.
4. It stays on the owner's list until the recipient acknowledges it; what is not acknowledged in its life is made anew.
5. An acknowledgement counts when the recipient signed it for this node and it names a notice that was sent to it.
6. A node that asked about an officer it holds itself is told within itself: nothing of that goes to the hub.

A notice may be about an officer himself instead of a record: details.py says when, and what it tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Final

from waypost.crypto.envelope import Verifier, sign
from waypost.crypto.errors import SealingError
from waypost.crypto.freshness import MemoryReplayStore, header_from_payload, header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, seal
from waypost.node import details, noticed
from waypost.node.answering import OUTBOX_ANSWER, Self
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.fairness import Withheld
from waypost.node.limits import NOTICE_RETRY_MS
from waypost.node.policy_facts import asker_of
from waypost.node.receiver import Receiver
from waypost.node.records import ConductRecord, Officer, RecordStatus
from waypost.node.ruling import Ruling
from waypost.node.store import AuditEntry, DisclosedRecord, Disclosure, OwedNotice, Store
from waypost.protocol import limits, names
from waypost.protocol.roster import Member, Roster
from waypost.v1 import envelope_pb2, notice_pb2

OUTBOX_NOTICE: Final = "notice"
UNSETTLED: Final = "answer-unsettled"
"""The reason for not making a notice yet: the recipient may never have got what it is about."""
VERDICT_NOTICE: Final = "notice"
"""Stands where the disclosure log names a verdict: a new version went to one who had an earlier one."""
_DIGEST_BYTES: Final = 32


class Change(StrEnum):
    """What happened to a record; the words of notice.proto without their prefix."""

    CORRECTED = "corrected"
    VOIDED = "voided"
    SEALED = "sealed"
    EXPUNGED = "expunged"
    REINSTATED = "reinstated"
    STATEMENT = "statement"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_RESOLVED = "dispute_resolved"
    DISPUTE_OVERDUE = "dispute_overdue"
    DETAILS = details.CHANGE


def owe(store: Store, record_key: str, change: Change, *, reason: str, now_ms: int) -> int:
    """Enter, within the caller's transaction, everyone who must be told (rule 1); how many."""
    recipients = {entry.asker for entry in disclosed(store, record_key)}
    for recipient in sorted(recipients):
        store.notices.owe(recipient, record_key, change, reason[: limits.REASON_CHARS_MAX], now_ms)
    return len(recipients)


def disclosed(store: Store, record_key: str) -> list[Disclosure]:
    """Every disclosure of the record that may have arrived, oldest first, under whichever key it was made."""
    officer_id = store.conduct.owner_of(record_key)
    if officer_id is None:
        return []
    undelivered = store.unsent.undelivered()
    entries = store.disclosures.of_record(store.merges.ever(officer_id), record_key)
    arrived = (entry for entry in entries if entry.answer_digest not in undelivered)
    return sorted(arrived, key=lambda entry: entry.at_ms)


def make(
    store: Store,
    owed: OwedNotice,
    *,
    own: Self,
    recipient: Member,
    sealing_public_key: bytes,
    roster: Roster,
    now_ms: int,
    today: date,
) -> None:
    """Put a notice into the outbox (rules 2 and 3); Refused when it cannot be made now."""
    with store.writing():
        told = _told(store, owed, recipient.ori)
        if not told:
            store.notices.drop(owed.id)  # what was to disclose it never left (unsent.py)
            return
        if all(store.outbox.of_reference(OUTBOX_ANSWER, entry.check_id) for entry in told):
            raise Refused(UNSETTLED, "the hub has not said yet whether it took the answer")
        body = _body(store, owed, told, recipient=recipient, ruling=lambda: own.ruling(roster, today))
        if recipient.ori == own.ori:
            _keep(store, owed, body, told[-1], now_ms)
            return
        header = new_header(
            sender=own.ori, audience=recipient.ori, now_ms=now_ms, lifetime_ms=limits.NOTICE_LIFETIME_MS
        )
        context = SealingContext(names.SEAL_NOTICE, own.ori, recipient.ori, header.message_id)
        try:
            sealed = seal(body.SerializeToString(), sealing_public_key, context, minimum_bytes=limits.ANSWER_BYTES_MIN)
        except SealingError as error:
            raise Refused("wrong-sealing-key", f"the recipient's sealing key does not serve: {error}") from error
        payload = notice_pb2.Notice(header=header_to_proto(header), sealed_body=sealed).SerializeToString()
        envelope = sign(names.NOTICE, payload, own.key).SerializeToString()
        store.outbox.add(OUTBOX_NOTICE, header.message_id, envelope, now_ms)
        store.notices.posted(owed.id, header.message_id, header.expires_at_ms)
        if body.HasField("record") or body.HasField("details"):
            store.disclosures.add(_entry(told[-1], body, hashlib.sha256(payload).digest(), now_ms))


def _keep(store: Store, owed: OwedNotice, body: notice_pb2.NoticeBody, last: Disclosure, now_ms: int) -> None:
    """Rule 6."""
    noticed.take_own(store, last.asker, body, now_ms)
    store.notices.kept_here(owed.id)
    if body.HasField("record") or body.HasField("details"):
        store.disclosures.add(_entry(last, body, hashlib.sha256(body.SerializeToString()).digest(), now_ms))


def _told(store: Store, owed: OwedNotice, recipient: str) -> list[Disclosure]:
    if owed.officer_id is not None:
        return details.disclosed(store, owed.officer_id, recipient)
    return [entry for entry in disclosed(store, owed.record_key) if entry.asker == recipient]


def _body(
    store: Store, owed: OwedNotice, told: list[Disclosure], *, recipient: Member, ruling: Callable[[], Ruling]
) -> notice_pb2.NoticeBody:
    """`ruling` is asked for content only: that a record is void is told also while a policy file cannot be read."""
    checks = dict.fromkeys(entry.check_id for entry in reversed(told))
    body = notice_pb2.NoticeBody(
        record_key=owed.record_key,
        sequence=owed.sequence,
        changes=[notice_pb2.NoticeChange.Value(f"NOTICE_CHANGE_{change.upper()}") for change in owed.changes],
        changed_at_ms=owed.changed_at_ms,
        check_ids=list(checks)[: limits.NOTICE_CHECKS_MAX],
    )
    if owed.officer_id is not None:
        details.add_content(body, store, owed, told[-1], recipient=recipient, ruling=ruling)
        return body
    body.told_version = max(
        record.version for entry in told for record in entry.records if record.record_key == owed.record_key
    )
    held = store.conduct.by_key(owed.record_key)
    if held is None:
        body.standing = notice_pb2.STANDING_EXPUNGED
        return body
    body.version, body.reason = held.record.version, owed.reason
    if held.record.status is RecordStatus.VOIDED:
        body.standing = notice_pb2.STANDING_VOIDED
    elif held.record.status is RecordStatus.SEALED:
        body.standing = notice_pb2.STANDING_SEALED
    else:
        officer = store.officers.get(held.officer_id)
        _add_content(body, officer, held.record, told[-1], recipient=recipient, ruling=ruling())
    return body


def _add_content(
    body: notice_pb2.NoticeBody,
    officer: Officer | None,
    record: ConductRecord,
    last: Disclosure,
    *,
    recipient: Member,
    ruling: Ruling,
) -> None:
    """Rule 2."""
    fairness = ruling.fairness(record)
    asker = asker_of(recipient, last.purpose, authorized=len(last.authorization_digest) == _DIGEST_BYTES)
    decision = ruling.of_record(asker, record)
    whole = officer is not None and ruling.of_officer(asker, officer).allowed
    if whole and decision is not None and decision.allowed:
        body.standing = notice_pb2.STANDING_STANDS
        body.record.CopyFrom(ruling.content(asker, record))
        return
    body.standing = notice_pb2.STANDING_WITHHELD
    why = "; ".join(fairness.words) if isinstance(fairness, Withheld) else "policy no longer lets it be shared"
    body.reason = "; ".join(filter(None, (body.reason, why)))[: limits.REASON_CHARS_MAX]


def _entry(last: Disclosure, body: notice_pb2.NoticeBody, digest: bytes, now_ms: int) -> Disclosure:
    return Disclosure(
        at_ms=now_ms,
        check_id=last.check_id,
        asker=last.asker,
        purpose=last.purpose,
        authorization_digest=last.authorization_digest,
        asker_reference=last.asker_reference,
        officer_id=last.officer_id,
        records=(DisclosedRecord(body.record_key, body.version),) if body.record_key else (),
        policies=last.policies,
        verdict=VERDICT_NOTICE,
        answer_digest=digest,
    )


def settled(store: Store, message_id: bytes, *, accepted: bool, reason: str, now_ms: int) -> None:
    """The hub has said what became of a posted notice."""
    if accepted:
        store.notices.sent(message_id)
    else:
        store.notices.refused(message_id, f"the hub refused it: {reason}", now_ms + NOTICE_RETRY_MS)


def take_acknowledgement(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Take a recipient's acknowledgement (rule 5)."""
    sender = receiver.roster.active_member(header_from_payload(envelope.payload).sender)
    # A repeated acknowledgement is harmless, so no memory of message ids is needed.
    verified = Verifier((receiver.ori,), MemoryReplayStore()).verify(
        envelope,
        expected_type=names.NOTICE_TAKEN,
        keys=(sender.signing_public_key,),
        sender=sender.ori,
        now_ms=receiver.now_ms,
    )
    taken = notice_pb2.NoticeTaken.FromString(verified.payload)
    with store.writing():
        if not store.notices.delivered(taken.notice_id, sender.ori):
            raise Refused("no-such-notice", "the acknowledgement is for no notice to that member")
        store.audit.add(AuditEntry(receiver.now_ms, Event.NOTICE_DELIVERED, sender.ori))
