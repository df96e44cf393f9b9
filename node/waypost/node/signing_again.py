"""Signing anew, after the node's signing key has changed, what still waited at the hub for other members. No network.

A recipient goes by the roster in force, so what only the former key has signed counts no more. The hub hands back what
it had not delivered yet (its returned.py).

1. When the hub has taken a message for another member, or a check's request, its digest and type are entered in a book
   and stand there until the message expires.
2. What is handed back is signed with the present key and posted when that book holds its type and payload, byte for
   byte. Anything else is refused: whoever had the former key, and the hub itself, get nothing signed that this node has
   not signed before.
3. What is signed anew is as it was. Where a record has changed since, a notice follows, as after any answer.
"""

from __future__ import annotations

import hashlib
from typing import Final

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_from_payload
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.store import AuditEntry, Store
from waypost.v1 import envelope_pb2

OUTBOX_AGAIN: Final = "signed-again"
_WORD: Final = 2
"""The part of a payload type that names the message: application/vnd . waypost . WORD . version."""


def enter(store: Store, envelope: envelope_pb2.Envelope) -> None:
    """The hub has taken this message of the node's (rule 1)."""
    payload = envelope.payload
    expires_at_ms = header_from_payload(payload).expires_at_ms
    store.signed.add(hashlib.sha256(payload).digest(), envelope.payload_type, expires_at_ms)


def take(store: Store, envelope: envelope_pb2.Envelope, *, key: SigningKey, now_ms: int) -> None:
    """Sign a message that the hub hands back (rule 2); Refused when it is none of this node's."""
    digest = hashlib.sha256(envelope.payload).digest()
    with store.writing():
        if not store.signed.holds(digest, envelope.payload_type):
            raise Refused("not-ours", "this node has not signed that message before")
        again = sign(envelope.payload_type, envelope.payload, key).SerializeToString()
        store.outbox.add(OUTBOX_AGAIN, digest, again, now_ms)
        store.audit.add(AuditEntry(now_ms, Event.SIGNED_AGAIN, word_of(envelope.payload_type)))


def word_of(payload_type: str) -> str:
    """What kind of message it is, in a word."""
    return payload_type.split(".")[_WORD]
