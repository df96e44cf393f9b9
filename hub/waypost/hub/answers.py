"""Answers at the hub: what a node sends back about a check, passed on without being read.

1. It is signed by the member on whose link it came, addressed to the asker, in its time.
2. It is for a check that this member was asked in, and names that request's digest.
3. The same answer again is accepted again, even when the check is forgotten; another one after the first is refused.
4. A query that a node refused shows in the receipt with the node's reason, if that is one plain word.

What is left out on purpose: whether an answer says anything. It is sealed.
"""

from __future__ import annotations

import hashlib
import re

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, func, select

from waypost.crypto.envelope import SigningKey
from waypost.hub import checks, mailbox, schema, transparency
from waypost.hub.audit import Event
from waypost.hub.database import SeenStore, add_audit
from waypost.hub.errors import Refused
from waypost.hub.limits import REASON_CHARS_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.receipts import Response
from waypost.hub.routing import verify_from_member
from waypost.protocol import names
from waypost.protocol.roster import Roster
from waypost.protocol.transparency import refusal_digest
from waypost.v1 import check_pb2, envelope_pb2, log_pb2

_ANSWERS = "answers"
"""Stands where `seen` names a sender: the digest of an answer alone says that it was passed on, not by whom."""

_REASON = re.compile(rf"[a-z][a-z-]{{0,{REASON_CHARS_MAX - 1}}}")


def accept_answer(
    connection: Connection,
    envelope: envelope_pb2.Envelope,
    *,
    caller: str,
    roster: Roster,
    key: SigningKey,
    now_ms: int,
) -> str | None:
    """Pass an answer on and write the next receipt (rules 1 to 3): the asker, or None when it was there already."""
    content = _parse(envelope.payload)
    held = checks.state_of(connection, content.check_id)
    audience = content.header.audience if held is None else held.asker
    verified = verify_from_member(
        envelope, kind=names.ANSWER, caller=caller, audience=audience, roster=roster, now_ms=now_ms
    )
    digest = hashlib.sha256(verified.payload).digest()
    if held is None:
        if _seen_answer(connection, digest):
            return None
        raise Refused("no-such-check", "no check of this id is open")
    response = checks.part_of(connection, content.check_id, caller)
    if response is None or held.request_digest != content.request_digest:
        raise Refused("not-asked", "this member was not asked in this check")
    if response.state == check_pb2.RESPONSE_STATE_ANSWERED and response.answer_digest == digest:
        return None
    if response.state != check_pb2.RESPONSE_STATE_PENDING:
        raise Refused("answered-before", "this member's part in the check is over")
    expires_at_ms = verified.header.expires_at_ms
    content_bytes = envelope.SerializeToString()
    mailbox.put(connection, held.asker, MailKind.MESSAGE, held.check_id, content_bytes, expires_at_ms, author=caller)
    SeenStore(connection).add(_ANSWERS, digest, expires_at_ms)
    add_audit(connection, now_ms, Event.ANSWER_ACCEPTED, "", digest.hex())
    transparency.append(connection, log_pb2.LOG_KIND_ANSWER, digest, now_ms)
    checks.set_response(
        connection, held, Response(caller, check_pb2.RESPONSE_STATE_ANSWERED, digest, ""), key=key, now_ms=now_ms
    )
    return held.asker


def query_taken(
    connection: Connection, mail: mailbox.Mail, caller: str, reason: str, *, key: SigningKey, now_ms: int
) -> str | None:
    """A node took mail; when it refused a query, that shows in the receipt: the asker to wake, or None."""
    if mail.kind is not MailKind.QUERY or not reason:
        return None
    if not _REASON.fullmatch(reason):
        reason = "unspecified"  # a node's own words go no further: they might tell more than a reason
    add_audit(connection, now_ms, Event.QUERY_REFUSED, "", reason)
    held = checks.state_of(connection, mail.check_id)
    if held is None or not checks.is_pending(connection, mail.check_id, caller):
        return None
    transparency.append(connection, log_pb2.LOG_KIND_REFUSAL, refusal_digest(held.request_digest, reason), now_ms)
    refused = Response(caller, check_pb2.RESPONSE_STATE_REFUSED, b"", reason)
    checks.set_response(connection, held, refused, key=key, now_ms=now_ms)
    return held.asker


def _seen_answer(connection: Connection, digest: bytes) -> bool:
    here = (schema.seen.c.sender == _ANSWERS, schema.seen.c.message_id == digest)
    return connection.scalar(select(func.count()).select_from(schema.seen).where(*here)) == 1


def _parse(payload: bytes) -> check_pb2.Answer:
    try:
        return check_pb2.Answer.FromString(payload)
    except DecodeError:
        raise Refused("malformed", "the answer cannot be read") from None
