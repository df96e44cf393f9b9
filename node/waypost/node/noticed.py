"""Taking notices: what other owners say has become of records and officers disclosed to this node. No network.

1. A notice counts when an active member signed it for this node, it opens with this node's sealing key in that member's
   context, and it is not one that was taken before.
2. What has no higher sequence than was seen about the record or officer, or is about one that no answer kept here
   discloses, is acknowledged and changes nothing. Unless it has overtaken its answer: the hub has named the owner in
   the receipt of a check that it speaks of, and no answer of the owner's is here yet. Then it is kept for that.
3. A record that was expunged is erased from every answer and earlier notice kept here, and from an answer that comes
   after; the fact of it is kept. The database file is rewritten within the hour, so that nothing of it is left in the
   file's free space.
4. Effect and acknowledgement are one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from waypost.crypto.envelope import Verifier, parse_envelope, sign
from waypost.crypto.errors import SealingError
from waypost.crypto.freshness import Header, MemoryReplayStore, header_from_payload, header_to_proto, new_header
from waypost.crypto.limits import CLOCK_SKEW_MAX_MS
from waypost.crypto.sealing import SealingContext, open_sealed
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.limits import KEY_CHARS_MAX
from waypost.node.receiver import Receiver
from waypost.node.record_words import ERASED
from waypost.node.scrubbing import note_due
from waypost.node.store import AuditEntry, Disclosure, ReceivedNotice, Store
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2, notice_pb2, record_pb2

OUTBOX_NOTICE_TAKEN: Final = "notice-taken"


def take(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Take a notice from the mail (rules 1 to 4)."""
    owner = receiver.roster.active_member(header_from_payload(envelope.payload).sender)
    verified = Verifier((receiver.ori,), MemoryReplayStore()).verify(
        envelope,
        expected_type=names.NOTICE,
        keys=(owner.signing_public_key,),
        sender=owner.ori,
        now_ms=receiver.now_ms,
    )
    header = verified.header
    body = _open(notice_pb2.Notice.FromString(verified.payload), header, receiver)
    with store.writing():
        if not store.replay.add(owner.ori, header.message_id, header.expires_at_ms):
            return  # rule 1: its acknowledgement waits in the outbox, or the hub has it
        event = Event.NOTICE_TAKEN if _apply(store, owner.ori, body, receiver.now_ms) else Event.NOTICE_IDLE
        _acknowledge(store, owner.ori, header.message_id, receiver)
        store.audit.add(AuditEntry(receiver.now_ms, event, owner.ori))


def take_own(store: Store, ori: str, body: notice_pb2.NoticeBody, now_ms: int) -> None:
    """Take what this node itself tells of a record or officer that one of its own checks found here."""
    with store.writing():
        _apply(store, ori, body, now_ms)


def erase_own(store: Store, record_key: str, told: Iterable[Disclosure]) -> None:
    """Erase an own record from what this node's own checks found of it, within the caller's transaction.

    `told` are its disclosures; those of the node's own checks name one that it keeps.
    """
    for check_id, ori in dict.fromkeys((entry.check_id, entry.asker) for entry in told):
        if store.checks.get(check_id) is None:
            continue
        store.notices.forget_received(ori, record_key)
        for answer in store.checks.answers(check_id):
            if answer.ori == ori:
                content = without_record(check_pb2.AnswerBody.FromString(answer.body), record_key)
                store.checks.redact_answer(check_id, ori, content.SerializeToString())


def _open(notice: notice_pb2.Notice, header: Header, receiver: Receiver) -> notice_pb2.NoticeBody:
    context = SealingContext(names.SEAL_NOTICE, header.sender, receiver.ori, header.message_id)
    try:
        body = notice_pb2.NoticeBody.FromString(open_sealed(notice.sealed_body, receiver.sealing_key, context))
    except SealingError as error:
        raise Refused("not-sealed-for-us", str(error)) from error
    well_formed = (
        body.sequence > 0
        and 0 < len(body.changes) <= limits.NOTICE_CHANGES_MAX
        and 0 < body.changed_at_ms <= receiver.now_ms + CLOCK_SKEW_MAX_MS
        and len(body.reason) <= limits.REASON_CHARS_MAX
        and (_of_record(body) if body.record_key else _of_officer(body))
    )
    if not well_formed:
        raise Refused("malformed", "the notice breaks the protocol's bounds")
    return body


def _of_record(body: notice_pb2.NoticeBody) -> bool:
    known = set(notice_pb2.NoticeChange.values()[1:]) - {notice_pb2.NOTICE_CHANGE_DETAILS}
    return (
        len(body.record_key) <= KEY_CHARS_MAX
        and not body.officer_key
        and not body.HasField("details")
        and set(body.changes) <= known
        and body.standing in set(notice_pb2.Standing.values()) - {notice_pb2.STANDING_UNSPECIFIED}
        and body.HasField("record") == (body.standing == notice_pb2.STANDING_STANDS)
        and (not body.HasField("record") or body.record.record_key == body.record_key)
    )


def _of_officer(body: notice_pb2.NoticeBody) -> bool:
    standings = {notice_pb2.STANDING_STANDS, notice_pb2.STANDING_WITHHELD, notice_pb2.STANDING_VOIDED}
    return (
        0 < len(body.officer_key) <= KEY_CHARS_MAX
        and not body.HasField("record")
        and set(body.changes) == {notice_pb2.NOTICE_CHANGE_DETAILS}
        and body.standing in standings
        and body.HasField("details") == (body.standing == notice_pb2.STANDING_STANDS)
    )


def _apply(store: Store, owner: str, body: notice_pb2.NoticeBody, now_ms: int) -> bool:
    """Whether the notice changed anything here (rules 2 and 3)."""
    if body.sequence <= store.notices.newest_sequence(owner, body.record_key, body.officer_key):
        return False
    concerned = [
        (answer.check_id, content)
        for answer in store.checks.answers_of(owner)
        if _concerns(body, content := check_pb2.AnswerBody.FromString(answer.body))
    ]
    if not concerned and not _overtaken(store, owner, body):
        return False
    if body.standing == notice_pb2.STANDING_EXPUNGED:
        store.notices.forget_received(owner, body.record_key)
        for check_id, content in concerned:
            store.checks.redact_answer(check_id, owner, without_record(content, body.record_key).SerializeToString())
        if concerned:
            note_due(store)
            store.audit.add(AuditEntry(now_ms, Event.DISCLOSURE_ERASED, owner, f"{len(concerned)} answers, expunged"))
    kept = body.SerializeToString()
    store.notices.receive(ReceivedNotice(owner, body.record_key, body.sequence, kept, now_ms, body.officer_key))
    return True


def _overtaken(store: Store, owner: str, body: notice_pb2.NoticeBody) -> bool:
    """Whether the owner's answer to a check that the notice speaks of has yet to come (rule 2)."""
    for check_id in body.check_ids[: limits.NOTICE_CHECKS_MAX]:
        check = store.checks.get(check_id)
        if check is None or check.receipt is None:
            continue
        receipt = check_pb2.Receipt.FromString(parse_envelope(check.receipt).payload)
        matched = {response.ori for response in receipt.responses}
        if owner in matched - {answer.ori for answer in store.checks.answers(check_id)}:
            return True
    return False


def without_expunged(store: Store, owner: str, body: bytes) -> bytes:
    """An answer that comes now, without what its owner has said to be expunged (rule 3)."""
    for notice in store.notices.standing_of(owner):
        if notice_pb2.NoticeBody.FromString(notice.body).standing == notice_pb2.STANDING_EXPUNGED:
            content = check_pb2.AnswerBody.FromString(body)
            if names_record(content, notice.record_key):
                body = without_record(content, notice.record_key).SerializeToString()
    return body


def _concerns(body: notice_pb2.NoticeBody, content: check_pb2.AnswerBody) -> bool:
    if body.record_key:
        return names_record(content, body.record_key)
    return any(each.officer_key == body.officer_key for each in content.candidates)


def names_record(content: check_pb2.AnswerBody, record_key: str) -> bool:
    """Whether the answer discloses that record."""
    return any(record.record_key == record_key for each in content.candidates for record in each.conduct)


def without_record(content: check_pb2.AnswerBody, record_key: str) -> check_pb2.AnswerBody:
    """The answer with nothing of that record but its key, version and status "erased"."""
    kept = check_pb2.AnswerBody()
    kept.CopyFrom(content)
    for candidate in kept.candidates:
        for record in candidate.conduct:
            if record.record_key == record_key:
                bare = record_pb2.ConductRecord(record_key=record_key, version=record.version, status=ERASED)
                record.CopyFrom(bare)
    return kept


def _acknowledge(store: Store, owner: str, notice_id: bytes, receiver: Receiver) -> None:
    header = new_header(
        sender=receiver.ori, audience=owner, now_ms=receiver.now_ms, lifetime_ms=limits.NOTICE_LIFETIME_MS
    )
    payload = notice_pb2.NoticeTaken(header=header_to_proto(header), notice_id=notice_id).SerializeToString()
    envelope = sign(names.NOTICE_TAKEN, payload, receiver.key).SerializeToString()
    store.outbox.add(OUTBOX_NOTICE_TAKEN, notice_id, envelope, receiver.now_ms)
