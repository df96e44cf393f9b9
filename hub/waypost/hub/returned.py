"""Mail whose author's signing key has changed before it was taken: held back, and delivered when it is signed anew.

A recipient goes by the roster in force, so nothing that only a former key has signed counts anywhere. What a member had
sent before is not lost by that:

1. In the transaction in which a roster gives a member another signing key, all mail that it signed and nobody has taken
   leaves the mailbox, and each message is mailed to its author once, to be signed anew.
2. A post of the very same message, type and payload, that the author has signed with its present key is delivered in
   the place of what was held back, under a new number. A query gets the hub's signature again, too.
3. What a link had sent down before the change may still be acknowledged: taken, it is held back no longer; refused, it
   is, for the recipient may have had the new roster already. It may so arrive twice, and every receiver takes it once.
4. What its author does not sign anew expires as it would have expired in the mailbox.
5. A request of a check that is posted and not held back has been delivered: accepted, without effect.

The author signs only what stands in its own books. So whoever holds a former key, the hub included, gets nothing
accepted by it, whether it was left here before the change or after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select

from waypost.crypto.envelope import countersign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_from_payload
from waypost.hub import mailbox, schema
from waypost.hub.errors import Refused
from waypost.hub.limits import MAIL_FETCHED_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.posted import Posted
from waypost.hub.routing import verify_from_member
from waypost.protocol import names
from waypost.v1 import check_pb2, envelope_pb2

_BOX: Final = schema.mailbox
_HELD: Final = schema.returned
_NO_CHECK: Final = b""


def hold_back(connection: Connection, author: str) -> int:
    """Take what that member signed out of the mailbox, and mail it back to him (rule 1); how many messages."""
    seen: set[bytes] = set()
    query = select(_BOX).where(_BOX.c.author == author).order_by(_BOX.c.id).limit(MAIL_FETCHED_MAX)
    while rows := connection.execute(query).all():
        for row in rows:
            envelope = _signed_by_author(row)
            digest = hashlib.sha256(envelope.payload).digest()
            connection.execute(insert(_HELD).values(mail_id=row.id, author=author, digest=digest, **_way(row)))
            if digest not in seen:
                seen.add(digest)
                content = envelope.SerializeToString()
                mailbox.put(connection, author, MailKind.SIGN_AGAIN, _NO_CHECK, content, row.expires_at_ms)
        connection.execute(delete(_BOX).where(_BOX.c.id.in_([row.id for row in rows])))
    return len(seen)


def _way(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of either table, as SQLAlchemy gives it
    """Where a piece of mail is on its way to, and what it is."""
    return {name: getattr(row, name) for name in ("ori", "kind", "check_id", "content", "expires_at_ms")}


def _signed_by_author(row: Any) -> envelope_pb2.Envelope:  # noqa: ANN401 - as above
    """The message of a piece of mail as its author signed it; a query's has the hub's signature, too."""
    if row.kind == MailKind.QUERY:
        return check_pb2.RoutedQuery.FromString(row.content).request
    return envelope_pb2.Envelope.FromString(row.content)


def release(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Sequence[str]:
    """Deliver a message that was held back and is signed anew (rule 2): who has mail now; empty when none was."""
    here = (_HELD.c.author == posted.caller, _HELD.c.digest == hashlib.sha256(envelope.payload).digest())
    rows = connection.execute(select(_HELD).where(*here).order_by(_HELD.c.mail_id)).all()
    if not rows:
        return ()
    try:
        audience = header_from_payload(envelope.payload).audience
    except EnvelopeError as error:
        raise Refused(error.reason, str(error), hint=error.hint) from error
    verify_from_member(
        envelope,
        kind=_signed_by_author(rows[0]).payload_type,
        caller=posted.caller,
        audience=audience,
        roster=posted.roster,
        now_ms=posted.now_ms,
    )
    for row in rows:
        way = _way(row)
        if row.kind == MailKind.QUERY:
            query = check_pb2.RoutedQuery.FromString(row.content)
            query.request.CopyFrom(countersign(envelope, posted.key))
            way["content"] = query.SerializeToString()
        else:
            way["content"] = envelope.SerializeToString()
        mailbox.put(connection, **{**way, "kind": MailKind(row.kind)}, author=posted.caller)
    connection.execute(delete(_HELD).where(*here))
    return [row.ori for row in rows]


def accept_request(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Sequence[str]:  # noqa: ARG001 - as every handler of posts.py
    """A check's request that was signed anew and has been delivered meanwhile (rule 5)."""
    verify_from_member(
        envelope,
        kind=names.CHECK_REQUEST,
        caller=posted.caller,
        audience=names.HUB,
        roster=posted.roster,
        now_ms=posted.now_ms,
    )
    return ()


def taken_before(connection: Connection, ori: str, mail_id: int, refused_reason: str) -> None:
    """A member acknowledges mail that is in its mailbox no longer (rule 3)."""
    if not refused_reason:
        connection.execute(delete(_HELD).where(_HELD.c.mail_id == mail_id, _HELD.c.ori == ori))


def drop_expired(connection: Connection, now_ms: int) -> None:
    """Delete what nobody has signed anew in its time (rule 4)."""
    connection.execute(delete(_HELD).where(_HELD.c.expires_at_ms <= now_ms))
