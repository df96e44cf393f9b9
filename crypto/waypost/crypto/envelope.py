"""Signed messages: DSSE 1.0 with Ed25519 (RFC 8032), in protobuf form (envelope.proto).

What a Verifier checks, in this order; an EnvelopeError names the first that fails:

1. malformed, oversized, unsigned: the envelope has a type, a payload and one to four signatures, within bounds.
2. wrong-type: the payload type is the expected one.
3. wrong-signature: at least `required` distinct expected keys have signed. Other signatures are ignored; a key that
   signs twice counts once; `required` below 1 is refused, for it would accept what nobody signed.
4. wrong-sender: the header names the expected sender.
5. wrong-audience: the header names one of this party's audiences.
6. future-dated: issued at most CLOCK_SKEW_MAX_MS ahead of our clock.
7. too-long-lived, expired: the life is at most MESSAGE_LIFETIME_MAX_MS, and is not over.
8. replayed: this sender's message id was not seen before. Only a message that passed everything is remembered.

The bytes that were verified are the bytes that are parsed; nothing is re-encoded before verification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from nacl import bindings
from nacl.exceptions import BadSignatureError
from nacl.exceptions import CryptoError as NaclError

from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, ReplayStore, header_from_payload
from waypost.crypto.limits import (
    CLOCK_SKEW_MAX_MS,
    MESSAGE_LIFETIME_MAX_MS,
    PAYLOAD_BYTES_MAX,
    SIGNATURES_MAX,
)
from waypost.v1 import envelope_pb2

REASONS: Final = frozenset(
    {
        "malformed",
        "oversized",
        "unsigned",
        "wrong-type",
        "wrong-signature",
        "wrong-sender",
        "wrong-audience",
        "future-dated",
        "too-long-lived",
        "expired",
        "replayed",
    }
)
"""Every reason an EnvelopeError can give."""

PAYLOAD_TYPE_BYTES_MAX: Final = 128
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEYS_TRIED_MAX: Final = 8
"""Most keys that a signature without a key id is tried with: 0.7 ms. Longer lists need the id."""


def payload_type(name: str) -> str:
    """The payload type of Waypost's message `name`: application/vnd.waypost.<name>.v1+protobuf."""
    return f"application/vnd.waypost.{name}.v1+protobuf"


class SigningKey:
    """An Ed25519 key pair. `seed` and `public` are 32 bytes; `key_id` is SHA-256 of `public`."""

    __slots__ = ("_secret", "key_id", "public", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != KEY_BYTES:
            raise EnvelopeError("malformed", "a signing key's seed has 32 bytes")
        self.seed = seed
        self.public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.key_id = hashlib.sha256(self.public).digest()

    @classmethod
    def generate(cls) -> SigningKey:
        """A fresh key."""
        return cls(bindings.randombytes(KEY_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed."""
        return cls(seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id.hex()[:16]})"

    def signature(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature of `message`."""
        return bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: "DSSEv1", the type and the payload, each with its decimal byte length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, *keys: SigningKey) -> envelope_pb2.Envelope:
    """An envelope of these exact payload bytes, signed by every key given."""
    message = pae(payload_type, payload)
    return envelope_pb2.Envelope(
        payload_type=payload_type, payload=payload, signatures=[_signature(message, key) for key in keys]
    )


def countersign(envelope: envelope_pb2.Envelope, key: SigningKey) -> envelope_pb2.Envelope:
    """A copy with one more signature; the payload's bytes are untouched."""
    signed = envelope_pb2.Envelope()
    signed.CopyFrom(envelope)
    signed.signatures.append(_signature(pae(envelope.payload_type, envelope.payload), key))
    return signed


def _signature(message: bytes, key: SigningKey) -> envelope_pb2.Signature:
    return envelope_pb2.Signature(key_id=key.key_id, signature=key.signature(message))


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified message. `signers` are the public keys, among those expected, that signed it."""

    payload_type: str
    payload: bytes
    header: Header
    signers: frozenset[bytes]


def parse_envelope(data: bytes) -> envelope_pb2.Envelope:
    """Read an envelope from bytes; EnvelopeError 'malformed' when they are none."""
    try:
        return envelope_pb2.Envelope.FromString(data)
    except DecodeError:
        raise EnvelopeError("malformed", "these bytes are not a signed message") from None


def verify_signatures(
    envelope: envelope_pb2.Envelope, keys: Collection[bytes], *, required: int, expected_type: str
) -> Verified:
    """Checks 1 to 3, without a clock: for documents, whose life is another matter. `keys` are 32-byte public keys."""
    _check_form(envelope)
    if required < 1:
        raise EnvelopeError("wrong-signature", "at least one signature must be required")
    if envelope.payload_type != expected_type:
        raise EnvelopeError("wrong-type", "the message is of another type than expected here")
    signed_by = signers(envelope, keys)
    if len(signed_by) < required:
        raise EnvelopeError("wrong-signature", f"{len(signed_by)} of {required} required signatures are valid")
    return Verified(envelope.payload_type, envelope.payload, header_from_payload(envelope.payload), signed_by)


def signers(envelope: envelope_pb2.Envelope, keys: Collection[bytes]) -> frozenset[bytes]:
    """Which of `keys` (32-byte public keys) have signed this envelope: DSSE's multi-signature rule, and nothing else.

    A key id only chooses the key to try. A signature without one, which DSSE allows, is tried with every key as long
    as there are at most KEYS_TRIED_MAX.
    """
    message = pae(envelope.payload_type, envelope.payload)
    by_id: dict[bytes, tuple[bytes, ...]] = {hashlib.sha256(key).digest(): (key,) for key in keys}
    if len(by_id) <= KEYS_TRIED_MAX:
        by_id[b""] = tuple(keys)
    return frozenset(
        key
        for entry in envelope.signatures[:SIGNATURES_MAX]
        for key in by_id.get(entry.key_id, ())
        if _verifies(message, entry.signature, key)
    )


def _check_form(envelope: envelope_pb2.Envelope) -> None:
    if not envelope.payload_type or not envelope.payload:
        raise EnvelopeError("malformed", "the message has no type or no payload")
    if len(envelope.payload_type.encode()) > PAYLOAD_TYPE_BYTES_MAX or len(envelope.payload) > PAYLOAD_BYTES_MAX:
        raise EnvelopeError("oversized", "the message is larger than the protocol allows")
    if not envelope.signatures:
        raise EnvelopeError("unsigned", "the message is not signed")
    if len(envelope.signatures) > SIGNATURES_MAX:
        raise EnvelopeError("oversized", "the message bears more signatures than the protocol allows")


def _verifies(message: bytes, signature: bytes, key: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        bindings.crypto_sign_open(signature + message, key)
    except (BadSignatureError, NaclError):
        return False
    return True


class Verifier:
    """Verifies messages addressed to one of `audiences` (checks 1 to 8), remembering them in `replay`."""

    def __init__(self, audiences: Collection[str], replay: ReplayStore) -> None:
        self._audiences = frozenset(audiences)
        self._replay = replay

    def verify(
        self,
        envelope: envelope_pb2.Envelope,
        *,
        expected_type: str,
        keys: Collection[bytes],
        required: int = 1,
        sender: str | None = None,
        now_ms: int,
    ) -> Verified:
        """The verified message; EnvelopeError says which check failed. `sender` None: whoever the header names."""
        verified = verify_signatures(envelope, keys, required=required, expected_type=expected_type)
        header = verified.header
        if sender is not None and header.sender != sender:
            raise EnvelopeError("wrong-sender", "the message names another sender than the one who signed it")
        if header.audience not in self._audiences:
            raise EnvelopeError("wrong-audience", "the message is addressed to somebody else")
        check_times(header, now_ms)
        if not self._replay.add(header.sender, header.message_id, header.expires_at_ms):
            raise EnvelopeError("replayed", "the message was received before")
        return verified


def check_times(header: Header, now_ms: int) -> None:
    """Checks 6 and 7 alone."""
    if header.issued_at_ms > now_ms + CLOCK_SKEW_MAX_MS:
        raise EnvelopeError("future-dated", "the message is dated in the future", hint="check both machines' clocks")
    if header.expires_at_ms - header.issued_at_ms > MESSAGE_LIFETIME_MAX_MS:
        raise EnvelopeError("too-long-lived", "the message claims a longer life than the protocol allows")
    if header.expires_at_ms <= now_ms:
        raise EnvelopeError("expired", "the message has expired", hint="check both machines' clocks")
