"""Watches at the hub: tokens that members want to hear of, and the messages that tell them.

1. A registration is signed by the member on whose link it came, an agency or a POST board, addressed to the hub, in its
   time, and for the epoch in force. Taking the same one again changes nothing but the lease.
2. It adds no token or exactly REGISTRATION_BATCH_TOKENS, and withdraws at most WITHDRAW_MAX; each has TOKEN_BYTES.
3. A member has at most WATCHED_TOKENS_MAX. A token is held until WATCH_LEASE_MS after it was last added.
4. When another member registers a watched token, new to it or not, each watcher gets one signed hit that names the
   tokens and not the member. A member's own registrations are no news to it.
5. The hit and the pointers are one transaction; a suspended watcher gets none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, delete, func, select, text

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import mailbox, members, schema
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import Refused
from waypost.hub.index import check_tokens, chunks
from waypost.hub.mailbox import MailKind
from waypost.hub.posted import Posted
from waypost.hub.routing import verify_from_member
from waypost.protocol import limits, names
from waypost.protocol.roster import Roster
from waypost.v1 import envelope_pb2, roster_pb2, watch_pb2

_NO_CHECK = b""
"""A hit belongs to no check."""

_WATCHERS = frozenset({roster_pb2.ROLE_AGENCY, roster_pb2.ROLE_POST})
_ADD = text(
    "INSERT INTO watched (epoch, token, member_id, expires_at_ms) VALUES (:epoch, :token, :member_id, :expires_at_ms) "
    "ON CONFLICT (epoch, token, member_id) DO UPDATE SET expires_at_ms = excluded.expires_at_ms"
)


def accept(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Iterable[str]:
    """Take a registration of watched tokens (rules 1 to 3); nobody has mail by it."""
    verified = verify_from_member(
        envelope,
        kind=names.WATCH_REGISTRATION,
        caller=posted.caller,
        audience=names.HUB,
        roster=posted.roster,
        now_ms=posted.now_ms,
    )
    try:
        message = watch_pb2.WatchRegistration.FromString(verified.payload)
    except DecodeError:
        raise Refused("malformed", "the registration cannot be read") from None
    if posted.roster.members[posted.caller].role not in _WATCHERS:
        raise Refused("purpose-not-allowed", "only agencies and POST boards watch")
    check_tokens(message.epoch, message.add, message.withdraw, posted.roster.epoch)
    member_id = members.member_id(connection, posted.caller)
    _change(connection, member_id, message, posted.now_ms)
    detail = f"+{len(message.add)} -{len(message.withdraw)}"
    add_audit(connection, posted.now_ms, Event.WATCHES_CHANGED, posted.caller, detail)
    return ()


def _change(connection: Connection, member_id: int, message: watch_pb2.WatchRegistration, now_ms: int) -> None:
    table, epoch = schema.watched, message.epoch
    for part in chunks(message.withdraw):
        here = (table.c.epoch == epoch, table.c.member_id == member_id, table.c.token.in_(part))
        connection.execute(delete(table).where(*here))
    if not message.add:
        return
    held = connection.scalar(select(func.count()).select_from(table).where(table.c.member_id == member_id)) or 0
    if held + len(message.add) > limits.WATCHED_TOKENS_MAX:
        raise Refused("too-many", f"a member watches at most {limits.WATCHED_TOKENS_MAX:,} tokens")
    until = now_ms + limits.WATCH_LEASE_MS
    rows = [{"epoch": epoch, "token": token, "member_id": member_id, "expires_at_ms": until} for token in message.add]
    connection.execute(_ADD, rows)


def tell(
    connection: Connection,
    registered: Sequence[bytes],
    *,
    member_id: int,
    roster: Roster,
    key: SigningKey,
    now_ms: int,
) -> frozenset[str]:
    """Leave a hit for everybody who watches any of these tokens (rules 4 and 5): who has mail now."""
    told: dict[str, list[bytes]] = {}
    table = schema.watched
    for part in chunks(registered):
        query = (
            select(schema.members.c.ori, table.c.token)
            .join(schema.members, schema.members.c.id == table.c.member_id)
            .where(table.c.epoch == roster.epoch, table.c.token.in_(part))
            .where(table.c.member_id != member_id, table.c.expires_at_ms > now_ms)
        )
        for ori, token in connection.execute(query):
            told.setdefault(ori, []).append(token)
    active = {ori: tokens for ori, tokens in told.items() if (member := roster.member(ori)) and member.active}
    for ori, tokens in active.items():
        hit = _hit(ori, tokens, roster.epoch, key, now_ms).SerializeToString()
        expires_at_ms = now_ms + limits.RECEIPT_LIFETIME_MS
        mailbox.put(connection, ori, MailKind.MESSAGE, _NO_CHECK, hit, expires_at_ms)
        # Beside the registration that caused it, a name here would say who watches somebody of that member's.
        add_audit(connection, now_ms, Event.WATCH_HIT, "")
    return frozenset(active)


def _hit(ori: str, tokens: list[bytes], epoch: int, key: SigningKey, now_ms: int) -> envelope_pb2.Envelope:
    header = new_header(sender=names.HUB, audience=ori, now_ms=now_ms, lifetime_ms=limits.RECEIPT_LIFETIME_MS)
    payload = watch_pb2.WatchHit(header=header_to_proto(header), epoch=epoch, tokens=sorted(tokens))
    return sign(names.WATCH_HIT, payload.SerializeToString(), key)


def drop_expired(connection: Connection, epoch: int, now_ms: int) -> None:
    """Forget watched tokens whose lease is over, and those of epochs that are."""
    table = schema.watched
    connection.execute(delete(table).where((table.c.expires_at_ms <= now_ms) | (table.c.epoch < epoch)))
