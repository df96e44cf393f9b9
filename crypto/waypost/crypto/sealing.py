"""Sealed messages: HPKE (RFC 9180) base mode, one message a context, to a member's key or a check's one-time key.

Suite: KEM ML-KEM-768+X25519 (post-quantum hybrid), KDF HKDF-SHA-256, AEAD AES-256-GCM, as `cryptography` has it.

1. The plaintext is padded (Padmé) before it is sealed.
2. `info` binds what the message is for: label, purpose, sender, audience and message id, each with its length.
3. A public key travels as its two raw halves: ML-KEM-768 (1,184 bytes), then X25519 (32 bytes).
4. Whatever is wrong with a sealed message (key, bytes, context, padding), opening fails with SealingError and says no
   more: the causes cannot be told apart by whoever sent it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from waypost.crypto.errors import SealingError
from waypost.crypto.limits import SEALED_BYTES_MAX
from waypost.crypto.padding import pad, unpad

INFO_LABEL: Final = b"waypost/v1/sealing"
MLKEM_PUBLIC_BYTES: Final = 1184
X25519_BYTES: Final = 32
MLKEM_SEED_BYTES: Final = 64
PUBLIC_KEY_BYTES: Final = MLKEM_PUBLIC_BYTES + X25519_BYTES
PRIVATE_KEY_BYTES: Final = MLKEM_SEED_BYTES + X25519_BYTES
CONTEXT_PART_BYTES_MAX: Final = 255
"""Longest word or id of a context: the protocol's words have at most 32 characters, ids 16 bytes."""

_SUITE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class SealingKey:
    """A key pair for sealed messages; `public` is 1,216 bytes (rule 3)."""

    __slots__ = ("_hybrid", "_mlkem", "_x25519", "public")

    def __init__(self, mlkem_key: mlkem.MLKEM768PrivateKey, x25519_key: x25519.X25519PrivateKey) -> None:
        self._mlkem = mlkem_key
        self._x25519 = x25519_key
        self._hybrid = hpke.MLKEM768X25519PrivateKey(mlkem_key, x25519_key)
        self.public = mlkem_key.public_key().public_bytes_raw() + x25519_key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> SealingKey:
        """A fresh key pair; also the one-time key of a check."""
        return cls(mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, data: bytes) -> SealingKey:
        """The key pair that `to_bytes` gave; SealingError for anything else."""
        if len(data) != PRIVATE_KEY_BYTES:
            raise SealingError(f"a sealing key has {PRIVATE_KEY_BYTES} bytes")
        return cls(
            mlkem.MLKEM768PrivateKey.from_seed_bytes(data[:MLKEM_SEED_BYTES]),
            x25519.X25519PrivateKey.from_private_bytes(data[MLKEM_SEED_BYTES:]),
        )

    def to_bytes(self) -> bytes:
        """The private key, 96 bytes, for a keystore."""
        return self._mlkem.private_bytes_raw() + self._x25519.private_bytes_raw()

    def decrypt(self, sealed: bytes, info: bytes) -> bytes:
        """HPKE open with this key; InvalidTag or ValueError when it does not."""
        return _SUITE.decrypt(sealed, self._hybrid, info)

    def __repr__(self) -> str:
        return "SealingKey(…)"


@dataclass(frozen=True, slots=True)
class SealingContext:
    """What a sealed message is for. `purpose` is one of the protocol's words; `message_id` is 16 bytes.

    SealingError where it is made, when a part is longer than CONTEXT_PART_BYTES_MAX or no text.
    """

    purpose: str
    sender: str
    audience: str
    message_id: bytes

    def __post_init__(self) -> None:
        try:
            longest = max(map(len, self._parts()))
        except UnicodeEncodeError:
            raise SealingError("a sealing context's words must be text") from None
        if longest > CONTEXT_PART_BYTES_MAX:
            raise SealingError(f"a part of a sealing context has at most {CONTEXT_PART_BYTES_MAX} bytes")

    def info(self) -> bytes:
        """The `info` of RFC 9180: the label, then every part with its length in two bytes, big-endian."""
        return b"".join(len(part).to_bytes(2, "big") + part for part in self._parts())

    def _parts(self) -> tuple[bytes, ...]:
        return INFO_LABEL, self.purpose.encode(), self.sender.encode(), self.audience.encode(), self.message_id


def seal(plaintext: bytes, public: bytes, context: SealingContext, *, minimum_bytes: int = 0) -> bytes:
    """Pad to at least `minimum_bytes`, then seal to `public` (1,216 bytes). SealingError for a key that is none."""
    if max(len(plaintext), minimum_bytes) > SEALED_BYTES_MAX:
        raise SealingError("the message is larger than may be sealed")
    recipient = _public_key(public)
    try:
        return _SUITE.encrypt(pad(plaintext, minimum=minimum_bytes), recipient, context.info())
    except ValueError:  # an X25519 half of small order decodes, but gives no shared secret (RFC 9180 section 7.1.4)
        raise SealingError("this is not a sealing public key") from None


def open_sealed(sealed: bytes, key: SealingKey, context: SealingContext) -> bytes:
    """The plaintext; SealingError when anything at all is wrong (rule 4)."""
    if len(sealed) > 2 * SEALED_BYTES_MAX:
        raise SealingError("the sealed message is larger than the protocol allows")
    try:
        return unpad(key.decrypt(sealed, context.info()))
    except (InvalidTag, ValueError, SealingError):
        raise SealingError("the sealed message does not open with this key in this context") from None


def _public_key(public: bytes) -> hpke.MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_KEY_BYTES:
        raise SealingError(f"a sealing public key has {PUBLIC_KEY_BYTES} bytes")
    try:
        return hpke.MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(public[:MLKEM_PUBLIC_BYTES]),
            x25519.X25519PublicKey.from_public_bytes(public[MLKEM_PUBLIC_BYTES:]),
        )
    except ValueError:
        raise SealingError("this is not a sealing public key") from None
