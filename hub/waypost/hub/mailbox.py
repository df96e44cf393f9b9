"""The durable mailbox: every message for a member is a row here before anything else happens to it.

States of a piece of mail: waiting (a row), sent (the same row; a link remembers that it is on its way), gone (no row,
once the member has taken it, or it expired). A lost link forgets what it had sent, so it is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from waypost.hub import schema
from waypost.hub.statements import Prepared
from waypost.v1 import check_pb2, envelope_pb2, link_pb2

_box: Final = schema.mailbox
_PIECE: Final = (_box.c.id, _box.c.kind, _box.c.check_id, _box.c.content)
_PUT: Final = Prepared(insert(_box).inline())
_WAITING: Final = Prepared(
    select(*_PIECE)
    .where(_box.c.ori == bindparam("of_ori"), _box.c.id > bindparam("after_id"))
    .order_by(_box.c.id)
    .limit(bindparam("count"))
)
_TAKE: Final = Prepared(
    delete(_box).where(_box.c.id == bindparam("mail_id"), _box.c.ori == bindparam("of_ori")).returning(*_PIECE)
)


class MailKind(IntEnum):
    """What a row's content is."""

    QUERY = 1
    MESSAGE = 2
    SIGN_AGAIN = 3


@dataclass(frozen=True, slots=True)
class Mail:
    """One piece of mail; `content` is a serialized RoutedQuery or Envelope."""

    mail_id: int
    kind: MailKind
    check_id: bytes
    content: bytes

    def to_proto(self) -> link_pb2.Mail:
        """The mail as it goes down a link."""
        if self.kind is MailKind.QUERY:
            return link_pb2.Mail(mail_id=self.mail_id, query=check_pb2.RoutedQuery.FromString(self.content))
        envelope = envelope_pb2.Envelope.FromString(self.content)
        if self.kind is MailKind.SIGN_AGAIN:
            return link_pb2.Mail(mail_id=self.mail_id, sign_again=envelope)
        return link_pb2.Mail(mail_id=self.mail_id, message=envelope)


def put(
    connection: Connection,
    ori: str,
    kind: MailKind,
    check_id: bytes,
    content: bytes,
    expires_at_ms: int,
    *,
    author: str = "",
) -> None:
    """Leave mail for a member; `author` is the member that signed it, if it was not the hub."""
    row = {"ori": ori, "kind": int(kind), "check_id": check_id, "content": content, "expires_at_ms": expires_at_ms}
    _PUT.changed(connection, **row, author=author)


def waiting(connection: Connection, ori: str, after_id: int, count: int) -> list[Mail]:
    """A member's mail with ids above `after_id`, oldest first."""
    return [_mail(row) for row in _WAITING.all(connection, of_ori=ori, after_id=after_id, count=count)]


def count_waiting(connection: Connection, ori: str) -> int:
    """How many pieces of mail a member has."""
    query = select(func.count()).select_from(schema.mailbox).where(schema.mailbox.c.ori == ori)
    return int(connection.scalar(query) or 0)


def full(connection: Connection, ori: str, count_max: int) -> bool:
    """Whether a member has that much mail; it is not counted further than that."""
    box = schema.mailbox
    rows = select(box.c.id).where(box.c.ori == ori).limit(count_max).subquery()
    return int(connection.scalar(select(func.count()).select_from(rows)) or 0) >= count_max


def take(connection: Connection, ori: str, mail_id: int) -> Mail | None:
    """Delete a piece of the member's mail; what it was, or None when it is gone already."""
    row = _TAKE.first(connection, mail_id=mail_id, of_ori=ori)
    return None if row is None else _mail(row)


def _mail(row: Sequence[Any]) -> Mail:
    mail_id, kind, check_id, content = row
    return Mail(mail_id, MailKind(kind), check_id, content)


def drop_expired(connection: Connection, now_ms: int) -> None:
    """Delete mail whose time is over."""
    connection.execute(delete(schema.mailbox).where(schema.mailbox.c.expires_at_ms <= now_ms))
