"""Headers of signed payloads, and what has been seen before.

Every signed payload's first field is a Header (envelope.proto): who speaks, to whom, from when until when, under which
random id. Whoever holds a ReplayStore refuses the second message of the same sender and id until it has expired.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from waypost.crypto.errors import EnvelopeError
from waypost.v1 import envelope_pb2

MESSAGE_ID_BYTES: Final = 16
NAME_CHARS_MAX: Final = 32
MEMORY_REPLAY_MESSAGES_MAX: Final = 100_000
"""Messages a MemoryReplayStore remembers: about 10 MB; a full one refuses rather than forgets."""


@dataclass(frozen=True, slots=True)
class Header:
    """The beginning of every signed payload. Times are milliseconds since 1970-01-01T00:00Z; the id is 16 bytes."""

    message_id: bytes
    sender: str
    audience: str
    issued_at_ms: int
    expires_at_ms: int


def new_header(*, sender: str, audience: str, now_ms: int, lifetime_ms: int, message_id: bytes | None = None) -> Header:
    """A header issued now that expires `lifetime_ms` later, under a random id unless one is given."""
    return Header(message_id or os.urandom(MESSAGE_ID_BYTES), sender, audience, now_ms, now_ms + lifetime_ms)


def header_to_proto(header: Header) -> envelope_pb2.Header:
    """The header as it travels."""
    return envelope_pb2.Header(
        message_id=header.message_id,
        sender=header.sender,
        audience=header.audience,
        issued_at_ms=header.issued_at_ms,
        expires_at_ms=header.expires_at_ms,
    )


def header_from_payload(payload: bytes) -> Header:
    """The header of any signed payload; EnvelopeError 'malformed' when there is none or it is incomplete."""
    try:
        message = envelope_pb2.SignedPayload.FromString(payload)
    except DecodeError:
        raise EnvelopeError("malformed", "the payload cannot be read") from None
    header = message.header
    if (
        not message.HasField("header")
        or len(header.message_id) != MESSAGE_ID_BYTES
        or not 0 < len(header.sender) <= NAME_CHARS_MAX
        or not 0 < len(header.audience) <= NAME_CHARS_MAX
        or not 0 < header.issued_at_ms < header.expires_at_ms
    ):
        raise EnvelopeError("malformed", "the payload's header is missing or incomplete")
    return Header(header.message_id, header.sender, header.audience, header.issued_at_ms, header.expires_at_ms)


class ReplayStore(Protocol):
    """Remembers messages until they expire. An implementation must survive a restart of its process."""

    def add(self, sender: str, message_id: bytes, expires_at_ms: int) -> bool:
        """Remember this message; False when it was there already."""
        ...


class MemoryReplayStore:
    """A ReplayStore without persistence: for tools and tests. Bounded; EnvelopeError 'oversized' when it is full."""

    def __init__(self, messages_max: int = MEMORY_REPLAY_MESSAGES_MAX) -> None:
        self._messages_max = messages_max
        self._seen: dict[tuple[str, bytes], int] = {}

    def add(self, sender: str, message_id: bytes, expires_at_ms: int) -> bool:
        """Remember this message; False when it was there already."""
        if (sender, message_id) in self._seen:
            return False
        if len(self._seen) >= self._messages_max:
            raise EnvelopeError("oversized", "the store of seen messages is full", hint="purge expired messages")
        self._seen[sender, message_id] = expires_at_ms
        return True

    def purge(self, now_ms: int) -> None:
        """Forget what has expired."""
        self._seen = {key: expires for key, expires in self._seen.items() if expires > now_ms}
