"""Heads of members' disclosure logs, entered in the transparency log so that no member can rewrite its own.

The hub sees a commitment, signed. It keeps whose head each entry is: an auditor who asks a member for its disclosure
log asks the hub which heads that log must contain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, insert, select

from waypost.crypto.envelope import Verified
from waypost.crypto.tlog.merkle import HASH_BYTES
from waypost.hub import transparency
from waypost.hub.audit import Event
from waypost.hub.database import SeenStore, add_audit
from waypost.hub.errors import Refused
from waypost.hub.posted import Posted
from waypost.hub.routing import verify_from_member
from waypost.hub.schema import disclosure_heads
from waypost.protocol import names
from waypost.v1 import envelope_pb2, log_pb2

COMMITMENT_BYTES: Final = HASH_BYTES


def accept(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Iterable[str]:
    """Log a member's head; the same one again has no effect. Nobody has mail of it."""
    caller, now_ms = posted.caller, posted.now_ms
    verified = verify_from_member(
        envelope, kind=names.DISCLOSURE_HEAD, caller=caller, audience=names.HUB, roster=posted.roster, now_ms=now_ms
    )
    _require_commitment(verified)
    header = verified.header
    if not SeenStore(connection).add(header.sender, header.message_id, header.expires_at_ms):
        return ()
    digest = hashlib.sha256(verified.payload).digest()
    transparency.append(connection, log_pb2.LOG_KIND_DISCLOSURE_HEAD, digest, now_ms)
    connection.execute(insert(disclosure_heads).values(digest=digest, ori=caller, at_ms=now_ms))
    add_audit(connection, now_ms, Event.DISCLOSURE_HEAD_LOGGED, caller, digest.hex())
    return ()


def digests_of(connection: Connection, ori: str) -> Sequence[tuple[int, bytes]]:
    """When each head of a member was logged, and its digest, oldest first."""
    table = disclosure_heads
    query = select(table.c.at_ms, table.c.digest).where(table.c.ori == ori).order_by(table.c.at_ms)
    return [(row.at_ms, row.digest) for row in connection.execute(query)]


def _require_commitment(verified: Verified) -> None:
    try:
        commitment = log_pb2.DisclosureHead.FromString(verified.payload).commitment
    except DecodeError:
        raise Refused("malformed", "the head cannot be read") from None
    if len(commitment) != COMMITMENT_BYTES:
        raise Refused("malformed", f"a head's commitment has {COMMITMENT_BYTES} bytes")
