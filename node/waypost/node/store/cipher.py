"""What is encrypted within the database, and digests of what must not be guessed (libsodium: SecretBox, BLAKE2b).

1. Every use has a label, and every label its own key, derived from the column key with keyed BLAKE2b (RFC 7693).
2. A sealed value is XSalsa20-Poly1305 under a random nonce: equal values look different, changed ones do not open.
3. A digest is BLAKE2b under the label's key: whoever holds the file but not the key cannot try numbers against it.
"""

from __future__ import annotations

import hashlib
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from waypost.node.errors import StoreError

COLUMN_KEY_BYTES: Final = 32
DIGEST_BYTES: Final = 16

SSN: Final = "waypost node ssn v1"
OFFICER_DIGEST: Final = "waypost node officer v1"
EMPLOYMENT_DIGEST: Final = "waypost node employment v1"
CONDUCT_DIGEST: Final = "waypost node conduct v1"
CHECK: Final = "waypost node check v1"
ANSWER: Final = "waypost node answer v1"
NOTICE: Final = "waypost node notice v1"
REFERRAL: Final = "waypost node referral v1"
WATCH: Final = "waypost node watch v1"
TOLD_DIGEST: Final = "waypost node told officer v1"
KEY_DIGEST: Final = "waypost node key v1"


class ColumnCipher:
    """Seals, opens and digests values under keys derived from the column key (32 bytes)."""

    def __init__(self, column_key: bytes) -> None:
        if len(column_key) != COLUMN_KEY_BYTES:
            raise StoreError(f"the column key has {len(column_key)} bytes, not {COLUMN_KEY_BYTES}")
        self._column_key = column_key
        self._keys: dict[str, bytes] = {}
        self._boxes: dict[str, SecretBox] = {}

    def seal(self, label: str, plaintext: bytes) -> bytes:
        """The plaintext encrypted under the label's key; 40 bytes longer."""
        return bytes(self._box(label).encrypt(plaintext))

    def open(self, label: str, sealed: bytes) -> bytes:
        """The plaintext; StoreError when the value was changed or sealed under another key or label."""
        try:
            return self._box(label).decrypt(sealed)
        except (CryptoError, ValueError):  # ValueError: shorter than a nonce
            raise StoreError(
                "an encrypted value of the database does not open: it was changed, or the keys are another node's",
                hint="restore node.db and keys from the same backup",
            ) from None

    def digest(self, label: str, content: bytes) -> bytes:
        """A keyed digest of the content; 16 bytes. Equal contents have equal digests."""
        return hashlib.blake2b(content, digest_size=DIGEST_BYTES, key=self._key(label)).digest()

    def _key(self, label: str) -> bytes:
        if label not in self._keys:
            derived = hashlib.blake2b(label.encode(), digest_size=SecretBox.KEY_SIZE, key=self._column_key)
            self._keys[label] = derived.digest()
        return self._keys[label]

    def _box(self, label: str) -> SecretBox:
        if label not in self._boxes:
            self._boxes[label] = SecretBox(self._key(label))
        return self._boxes[label]
