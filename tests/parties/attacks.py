"""What can be wrong with a signed message, whatever it is about: each way turns a good envelope into a bad one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.parties.messages import now_ms

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.limits import MESSAGE_LIFETIME_MAX_MS
from waypost.protocol.limits import HOUR_MS
from waypost.v1 import envelope_pb2

Envelope = envelope_pb2.Envelope
Attack = Callable[[Envelope, Sequence[SigningKey]], Envelope]


def reheadered(envelope: Envelope, keys: Sequence[SigningKey], **header: object) -> Envelope:
    """The same message with another header, properly signed by these keys."""
    payload = envelope_pb2.SignedPayload.FromString(envelope.payload)  # keeps the fields it does not know
    for name, value in header.items():
        setattr(payload.header, name, value)
    return sign(envelope.payload_type, payload.SerializeToString(), *keys)


def _unsigned(envelope: Envelope, _keys: Sequence[SigningKey]) -> Envelope:
    return Envelope(payload_type=envelope.payload_type, payload=envelope.payload)


def _wrongly_signed(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    strangers = [SigningKey.generate() for _ in keys]
    return sign(envelope.payload_type, envelope.payload, *strangers)


def _signed_in_anothers_name(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    """The key id of the right key on a signature of another."""
    forged = _wrongly_signed(envelope, keys)
    for signature, key in zip(forged.signatures, keys, strict=True):
        signature.key_id = key.key_id
    return forged


def _altered(envelope: Envelope, _keys: Sequence[SigningKey]) -> Envelope:
    payload = envelope.payload[:-1] + bytes([envelope.payload[-1] ^ 1])
    return Envelope(payload_type=envelope.payload_type, payload=payload, signatures=envelope.signatures)


def _expired(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    now = now_ms()
    return reheadered(envelope, keys, issued_at_ms=now - 2 * HOUR_MS, expires_at_ms=now - HOUR_MS)


def _future_dated(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    now = now_ms()
    return reheadered(envelope, keys, issued_at_ms=now + HOUR_MS, expires_at_ms=now + 2 * HOUR_MS)


def _misaddressed(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    return reheadered(envelope, keys, audience="ZZ0000000")


def _too_long_lived(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    return reheadered(envelope, keys, expires_at_ms=now_ms() + MESSAGE_LIFETIME_MAX_MS + HOUR_MS)


def _of_another_kind(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    return sign("application/vnd.waypost.something-else.v1+protobuf", envelope.payload, *keys)


def _unreadable(envelope: Envelope, keys: Sequence[SigningKey]) -> Envelope:
    return sign(envelope.payload_type, b"\xff\xff not protobuf", *keys)


ATTACKS: Final[Mapping[str, tuple[Attack, str]]] = {
    "unsigned": (_unsigned, "unsigned"),
    "wrongly signed": (_wrongly_signed, "wrong-signature"),
    "signed in another's name": (_signed_in_anothers_name, "wrong-signature"),
    "altered": (_altered, "wrong-signature"),
    "expired": (_expired, "expired"),
    "future-dated": (_future_dated, "future-dated"),
    "misaddressed": (_misaddressed, "wrong-audience"),
    "too long-lived": (_too_long_lived, "too-long-lived"),
    "of another kind": (_of_another_kind, "wrong-type"),
    "unreadable": (_unreadable, "malformed"),
}
"""Each attack with the reason that a refusal must give."""
