"""Invitations: who may join, by a secret of which only the digest is kept.

    open --a member came of it--> used;  open --its time is over--> expired;  open --replaced or revoked--> taken back

An invitation is a random secret, of which only the digest is kept; it is good for one ORI, once, until it expires.
The member that it made may present it again with the same keys, for its answer may have been lost on the way.
A new one for the same ORI takes the earlier unused ones back, and the operator may do so as well.
This is rule 1 of `members`.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from waypost.hub import schema
from waypost.hub.errors import Refused

SECRET_BYTES = 16
_TAKEN_BACK = 0
"""In `expires_at_ms`: an invitation that was not used and can no longer be."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an invitation says; `used` once a member came of it."""

    ori: str
    name: str
    state: str
    role: int
    used: bool = False


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation that can still be used; times in milliseconds since 1970."""

    ori: str
    name: str
    state: str
    role: int
    created_at_ms: int
    expires_at_ms: int


def invite(connection: Connection, invitation: Invitation, now_ms: int, lifetime_ms: int) -> bytes:
    """Record an invitation, and take earlier ones of that ORI back; its secret, 16 bytes (rule 1)."""
    take_back(connection, invitation.ori, now_ms)
    secret = os.urandom(SECRET_BYTES)
    connection.execute(
        insert(schema.invitations).values(
            digest=hashlib.sha256(secret).digest(),
            ori=invitation.ori,
            name=invitation.name,
            state=invitation.state,
            role=invitation.role,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + lifetime_ms,
        )
    )
    return secret


def take_back(connection: Connection, ori: str, now_ms: int) -> int:
    """Take the open invitations of an ORI back; how many there were (rule 1)."""
    table = schema.invitations
    still_open = (table.c.ori == ori, table.c.used_at_ms.is_(None), table.c.expires_at_ms > now_ms)
    return connection.execute(update(table).where(*still_open).values(expires_at_ms=_TAKEN_BACK)).rowcount


def open_invitations(connection: Connection, now_ms: int) -> list[OpenInvitation]:
    """The invitations that can still be used, oldest first."""
    table = schema.invitations
    columns = (table.c.ori, table.c.name, table.c.state, table.c.role, table.c.created_at_ms, table.c.expires_at_ms)
    still_open = (table.c.used_at_ms.is_(None), table.c.expires_at_ms > now_ms)
    rows = connection.execute(select(*columns).where(*still_open).order_by(table.c.created_at_ms, table.c.ori))
    return [OpenInvitation(*row) for row in rows]


def open_invitation(connection: Connection, secret: bytes, now_ms: int) -> tuple[bytes, Invitation]:
    """The invitation of a secret and its digest; Refused when there is none, or it has expired (rule 1)."""
    digest = hashlib.sha256(secret).digest()
    row = connection.execute(select(schema.invitations).where(schema.invitations.c.digest == digest)).first()
    hint = "ask the hub's operator for a new invitation"
    if row is None:
        raise Refused("unknown-invitation", "this join code was never issued by this hub", hint=hint)
    if row.expires_at_ms == _TAKEN_BACK:
        raise Refused("withdrawn-invitation", "this join code was taken back, or replaced by a newer one", hint=hint)
    if row.expires_at_ms <= now_ms:
        raise Refused("expired-invitation", "this join code has expired", hint=hint)
    return digest, Invitation(row.ori, row.name, row.state, row.role, row.used_at_ms is not None)
