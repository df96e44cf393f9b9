"""Checks at the hub: what is accepted, whom it is routed to, and what becomes of the answers.

A check:

1. The request is signed by the asker, an active member, on whose own connection it came; it is addressed to the hub, in
   its time, and lives at most CHECK_LIFETIME_MS.
2. Its purpose is one that the asker's role has, and a hiring check bears the digest of an authorization.
3. It is for the epoch in force, has CHECK_TOKENS commitments and their openings, and every opening fits.
4. The asker is within its rate for that purpose.
5. The same request again gives the present receipt; another request under the same id is refused.

Accepting, looking up, mailing the matching members and writing the receipt are one transaction. A member is mailed the
openings of its own tokens and no others. The asker itself is not asked, nor is a suspended member.

An answer:

6. It is signed by the member on whose link it came, addressed to the asker, in its time.
7. It is for a check that this member was asked in, and names that request's digest.
8. The same answer again is accepted again; another one after the first is refused.

What is left out on purpose: whether an answer says anything. It is sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, delete, func, insert, select, update

from waypost.crypto.envelope import SigningKey, Verified, Verifier, countersign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.sealing import PUBLIC_KEY_BYTES
from waypost.hub import index, mailbox, schema
from waypost.hub.audit import Event
from waypost.hub.database import SeenStore, add_audit
from waypost.hub.errors import RateExceeded, Refused
from waypost.hub.limits import CHECKS_PER_HOUR, EXPIRED_PER_ROUND_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.receipts import CheckState, Response, coverage, make_receipt
from waypost.protocol import limits, names
from waypost.protocol.commitments import Opening, verify_openings
from waypost.protocol.errors import ProtocolError, RosterError
from waypost.protocol.roster import Member, Roster
from waypost.v1 import check_pb2, envelope_pb2, roster_pb2

_ALLOWED = {
    check_pb2.PURPOSE_HIRING: (roster_pb2.ROLE_AGENCY,),
    check_pb2.PURPOSE_CERTIFICATION: (roster_pb2.ROLE_POST,),
    check_pb2.PURPOSE_SELF: (roster_pb2.ROLE_AGENCY, roster_pb2.ROLE_POST),
}
_PURPOSE_WORDS = {
    check_pb2.PURPOSE_HIRING: "hiring",
    check_pb2.PURPOSE_CERTIFICATION: "certification",
    check_pb2.PURPOSE_SELF: "self",
}
_DIGEST_BYTES = 32
_REFERENCE_CHARS_MAX = 100
_STAFF_CHARS_MAX = 64


class _IdempotentReplay:
    """Stands where a ReplayStore is wanted: rules 5 and 8 recognize repetitions by what is already in the tables."""

    def add(self, _sender: str, _message_id: bytes, _expires_at_ms: int) -> bool:
        return True


def verify_from_member(
    envelope: envelope_pb2.Envelope, *, kind: str, caller: str, audience: str, roster: Roster, now_ms: int
) -> Verified:
    """A message of the member on whose connection it came (rules 1 and 6); Refused otherwise."""
    try:
        member = roster.active_member(caller)
        return Verifier((audience,), _IdempotentReplay()).verify(
            envelope, expected_type=kind, keys=(member.signing_public_key,), sender=caller, now_ms=now_ms
        )
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, str(error), hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class IncomingCheck:
    """A verified check request and its openings in slot order; `digest` is SHA-256 of its payload."""

    envelope: envelope_pb2.Envelope
    content: check_pb2.CheckRequest
    openings: tuple[Opening, ...]
    digest: bytes

    @property
    def check_id(self) -> bytes:
        return self.content.header.message_id


def open_check(
    envelope: envelope_pb2.Envelope,
    openings: Sequence[check_pb2.TokenOpening],
    *,
    caller: str,
    roster: Roster,
    now_ms: int,
) -> IncomingCheck:
    """Verify a check without any table (rules 1 to 3)."""
    verified = verify_from_member(
        envelope, kind=names.CHECK_REQUEST, caller=caller, audience=names.HUB, roster=roster, now_ms=now_ms
    )
    content = _parse(check_pb2.CheckRequest(), verified.payload)
    if verified.header.expires_at_ms - verified.header.issued_at_ms > limits.CHECK_LIFETIME_MS:
        raise Refused("too-long-lived", "a check lives at most 30 days")
    _check_purpose(content, roster.members[caller])
    if content.epoch != roster.epoch:
        raise Refused("wrong-epoch", f"the index is in epoch {roster.epoch}, not {content.epoch}")
    opened = tuple(Opening(entry.slot, entry.salt, entry.token) for entry in openings)
    try:
        verify_openings(content.commitments, opened)
    except ProtocolError as error:
        raise Refused(error.reason, str(error)) from error
    if len(opened) != limits.CHECK_TOKENS:
        raise Refused("malformed", f"a check is submitted with all {limits.CHECK_TOKENS} openings")
    return IncomingCheck(envelope, content, opened, hashlib.sha256(verified.payload).digest())


def _check_purpose(content: check_pb2.CheckRequest, asker: Member) -> None:
    if asker.role not in _ALLOWED.get(content.purpose, ()):
        raise Refused("purpose-not-allowed", "the member's role may not ask for this purpose")
    authorized = len(content.authorization_digest) == _DIGEST_BYTES
    if content.purpose == check_pb2.PURPOSE_HIRING and not authorized:
        raise Refused(
            "no-authorization",
            "a hiring check needs the digest of the applicant's signed authorization",
            hint="name it with --authorization",
        )
    if (
        not 0 < len(content.staff_reference) <= _STAFF_CHARS_MAX
        or len(content.authorization_reference) > _REFERENCE_CHARS_MAX
        or len(content.answer_public_key) != PUBLIC_KEY_BYTES
        or len(content.authorization_digest) not in {0, _DIGEST_BYTES}
    ):
        raise Refused("malformed", "the check lacks a reference of who asks, or a one-time key")


def accept_check(
    connection: Connection, check: IncomingCheck, *, roster: Roster, key: SigningKey, now_ms: int
) -> tuple[envelope_pb2.Envelope, frozenset[str]]:
    """Accept and route a check in one transaction: its receipt, and the members that have mail now."""
    asker = check.content.header.sender
    held = _state(connection, check.check_id)
    if held is not None:
        if (held.asker, held.request_digest) != (asker, check.digest):
            raise Refused("replayed", "another check was made under this id")
        return make_receipt(held, _responses(connection, check.check_id), key, now_ms), frozenset()
    if not _first_time(connection, check):
        raise Refused("replayed", "this check was made and delivered before")
    _count(connection, asker, check.content.purpose, now_ms)
    matches = _matches(connection, check, roster)
    current = index.current_oris(connection, roster.epoch, now_ms)
    state = CheckState(
        check_id=check.check_id,
        asker=asker,
        request_digest=check.digest,
        accepted_at_ms=now_ms,
        roster_version=roster.version,
        coverage=coverage(roster, asker, current).SerializeToString(),
        sequence=1,
    )
    expires_at_ms = check.content.header.expires_at_ms
    _record(connection, state, expires_at_ms, matches)
    signed = countersign(check.envelope, key)
    for ori, tokens in matches.items():
        own = [_opening(opening) for opening in check.openings if opening.token in tokens]
        query = check_pb2.RoutedQuery(request=signed, openings=own)
        content = query.SerializeToString()
        mailbox.put(connection, ori, MailKind.QUERY, check.check_id, content, expires_at_ms)
    detail = f"{check.digest.hex()} matched {len(matches)}"
    add_audit(connection, now_ms, Event.CHECK_ACCEPTED, asker, detail)
    receipt = _mail_receipt(connection, state, key, now_ms)
    return receipt, frozenset({asker, *matches})


def accept_answer(
    connection: Connection,
    envelope: envelope_pb2.Envelope,
    *,
    caller: str,
    roster: Roster,
    key: SigningKey,
    now_ms: int,
) -> str | None:
    """Pass an answer on and write the next receipt (rules 6 to 8): the asker, or None when it was there already."""
    content = _parse(check_pb2.Answer(), envelope.payload)
    held = _state(connection, content.check_id)
    audience = content.header.audience if held is None else held.asker
    verified = verify_from_member(
        envelope, kind=names.ANSWER, caller=caller, audience=audience, roster=roster, now_ms=now_ms
    )
    digest = hashlib.sha256(verified.payload).digest()
    if held is None:
        if _seen_answer(connection, caller, content.check_id, digest):
            return None
        raise Refused("no-such-check", "no check of this id is open")
    response = next((r for r in _responses(connection, content.check_id) if r.ori == caller), None)
    if response is None or held.request_digest != content.request_digest:
        raise Refused("not-asked", "this member was not asked in this check")
    if response.state == check_pb2.RESPONSE_STATE_ANSWERED and response.answer_digest == digest:
        return None
    if response.state != check_pb2.RESPONSE_STATE_PENDING:
        raise Refused("answered-before", "this member's part in the check is over")
    expires_at_ms = verified.header.expires_at_ms
    content_bytes = envelope.SerializeToString()
    mailbox.put(connection, held.asker, MailKind.MESSAGE, held.check_id, content_bytes, expires_at_ms)
    _remember_answer(connection, caller, held.check_id, digest, expires_at_ms)
    add_audit(connection, now_ms, Event.ANSWER_ACCEPTED, caller, digest.hex())
    _set_response(
        connection, held, Response(caller, check_pb2.RESPONSE_STATE_ANSWERED, digest, ""), key=key, now_ms=now_ms
    )
    return held.asker


def query_taken(
    connection: Connection, mail: mailbox.Mail, caller: str, reason: str, *, key: SigningKey, now_ms: int
) -> str | None:
    """A node took mail; when it refused a query, that shows in the receipt: the asker to wake, or None."""
    if mail.kind is not MailKind.QUERY or not reason:
        return None
    add_audit(connection, now_ms, Event.QUERY_REFUSED, caller, reason)
    held = _state(connection, mail.check_id)
    if held is None or not _is_pending(connection, mail.check_id, caller):
        return None
    refused = Response(caller, check_pb2.RESPONSE_STATE_REFUSED, b"", reason)
    _set_response(connection, held, refused, key=key, now_ms=now_ms)
    return held.asker


def expire_checks(connection: Connection, *, key: SigningKey, now_ms: int) -> frozenset[str]:
    """Close checks whose time is over: askers that have mail now."""
    table = schema.checks
    query = select(table.c.check_id).where(table.c.expires_at_ms <= now_ms, table.c.pending > 0)
    askers = set()
    for check_id in list(connection.scalars(query.limit(EXPIRED_PER_ROUND_MAX))):
        held = _state(connection, check_id)
        if held is None:
            continue
        for response in _responses(connection, check_id):
            if response.state == check_pb2.RESPONSE_STATE_PENDING:
                late = Response(response.ori, check_pb2.RESPONSE_STATE_EXPIRED, b"", "expired")
                _store_response(connection, check_id, late)
        connection.execute(update(table).where(table.c.check_id == check_id).values(pending=0))
        _next_receipt(connection, held, key, now_ms)
        add_audit(connection, now_ms, Event.CHECK_EXPIRED, held.asker, held.request_digest.hex())
        askers.add(held.asker)
    return frozenset(askers)


def forget_delivered(connection: Connection, now_ms: int) -> int:
    """Delete who matched, for every check that is complete and whose mail was taken; how many."""
    table = schema.checks
    mail_left = select(schema.mailbox.c.id).where(schema.mailbox.c.check_id == table.c.check_id).exists()
    rows = connection.execute(
        select(table.c.check_id, table.c.request_digest).where(table.c.pending == 0, ~mail_left)
    ).all()
    for row in rows:
        connection.execute(delete(schema.responses).where(schema.responses.c.check_id == row.check_id))
        connection.execute(delete(table).where(table.c.check_id == row.check_id))
        add_audit(connection, now_ms, Event.CHECK_FORGOTTEN, "", row.request_digest.hex())
    return len(rows)


def _matches(connection: Connection, check: IncomingCheck, roster: Roster) -> dict[str, set[bytes]]:
    found = index.look_up(connection, roster.epoch, [opening.token for opening in check.openings])
    if not found:
        return {}
    query = select(schema.members.c.id, schema.members.c.ori).where(schema.members.c.id.in_(found))
    oris = {row.id: row.ori for row in connection.execute(query)}
    asker = check.content.header.sender
    return {
        oris[member_id]: tokens
        for member_id, tokens in found.items()
        if oris[member_id] != asker and roster.members[oris[member_id]].active
    }


def _record(connection: Connection, state: CheckState, expires_at_ms: int, matches: dict[str, set[bytes]]) -> None:
    connection.execute(
        insert(schema.checks).values(
            check_id=state.check_id,
            asker=state.asker,
            request_digest=state.request_digest,
            accepted_at_ms=state.accepted_at_ms,
            expires_at_ms=expires_at_ms,
            roster_version=state.roster_version,
            coverage=state.coverage,
            sequence=state.sequence,
            pending=len(matches),
        )
    )
    pending = check_pb2.RESPONSE_STATE_PENDING
    rows = [
        {"check_id": state.check_id, "ori": ori, "state": pending, "answer_digest": b"", "reason": ""}
        for ori in matches
    ]
    if rows:
        connection.execute(insert(schema.responses), rows)


def _count(connection: Connection, asker: str, purpose: int, now_ms: int) -> None:
    """Rule 4: count the check in its hour."""
    table = schema.check_counts
    hour = now_ms // limits.HOUR_MS
    connection.execute(delete(table).where(table.c.hour < hour))
    here = (table.c.asker == asker, table.c.purpose == purpose, table.c.hour == hour)
    used = int(connection.scalar(select(table.c.checks).where(*here)) or 0)
    word = _PURPOSE_WORDS[check_pb2.Purpose.ValueType(purpose)]
    if used >= CHECKS_PER_HOUR[word]:
        raise RateExceeded(
            "rate-exceeded",
            f"{asker} has asked {used} checks for {word} within the hour",
            hint="the next hour takes more; the batch goes on where it stopped",
        )
    if used:
        connection.execute(update(table).where(*here).values(checks=used + 1))
    else:
        connection.execute(insert(table).values(asker=asker, purpose=purpose, hour=hour, checks=1))


def _first_time(connection: Connection, check: IncomingCheck) -> bool:
    header = check.content.header
    return SeenStore(connection).add(header.sender, header.message_id, header.expires_at_ms)


def _remember_answer(connection: Connection, caller: str, check_id: bytes, digest: bytes, expires_at_ms: int) -> None:
    SeenStore(connection).add(caller, check_id + digest, expires_at_ms)


def _seen_answer(connection: Connection, caller: str, check_id: bytes, digest: bytes) -> bool:
    here = (schema.seen.c.sender == caller, schema.seen.c.message_id == check_id + digest)
    return connection.scalar(select(func.count()).select_from(schema.seen).where(*here)) == 1


def _state(connection: Connection, check_id: bytes) -> CheckState | None:
    table = schema.checks
    row = connection.execute(
        select(
            table.c.check_id,
            table.c.asker,
            table.c.request_digest,
            table.c.accepted_at_ms,
            table.c.roster_version,
            table.c.coverage,
            table.c.sequence,
        ).where(table.c.check_id == check_id)
    ).first()
    return None if row is None else CheckState(*row)


def _responses(connection: Connection, check_id: bytes) -> list[Response]:
    table = schema.responses
    query = select(table.c.ori, table.c.state, table.c.answer_digest, table.c.reason)
    return [Response(*row) for row in connection.execute(query.where(table.c.check_id == check_id))]


def _is_pending(connection: Connection, check_id: bytes, ori: str) -> bool:
    responses = _responses(connection, check_id)
    return any(r.ori == ori and r.state == check_pb2.RESPONSE_STATE_PENDING for r in responses)


def _set_response(
    connection: Connection, held: CheckState, response: Response, *, key: SigningKey, now_ms: int
) -> None:
    _store_response(connection, held.check_id, response)
    table = schema.checks
    connection.execute(update(table).where(table.c.check_id == held.check_id).values(pending=table.c.pending - 1))
    _next_receipt(connection, held, key, now_ms)


def _store_response(connection: Connection, check_id: bytes, response: Response) -> None:
    table = schema.responses
    connection.execute(
        update(table)
        .where(table.c.check_id == check_id, table.c.ori == response.ori)
        .values(state=response.state, answer_digest=response.answer_digest, reason=response.reason)
    )


def _next_receipt(connection: Connection, held: CheckState, key: SigningKey, now_ms: int) -> None:
    table = schema.checks
    connection.execute(update(table).where(table.c.check_id == held.check_id).values(sequence=table.c.sequence + 1))
    state = _state(connection, held.check_id)
    if state is not None:
        _mail_receipt(connection, state, key, now_ms)


def _mail_receipt(connection: Connection, state: CheckState, key: SigningKey, now_ms: int) -> envelope_pb2.Envelope:
    receipt = make_receipt(state, _responses(connection, state.check_id), key, now_ms)
    expires_at_ms = now_ms + limits.RECEIPT_LIFETIME_MS
    content = receipt.SerializeToString()
    mailbox.put(connection, state.asker, MailKind.MESSAGE, state.check_id, content, expires_at_ms)
    return receipt


def _opening(opening: Opening) -> check_pb2.TokenOpening:
    return check_pb2.TokenOpening(slot=opening.slot, salt=opening.salt, token=opening.token)


_Message = TypeVar("_Message", check_pb2.CheckRequest, check_pb2.Answer)


def _parse(message: _Message, payload: bytes) -> _Message:
    try:
        message.ParseFromString(payload)
    except DecodeError:
        raise Refused("malformed", "the message cannot be read") from None
    return message
