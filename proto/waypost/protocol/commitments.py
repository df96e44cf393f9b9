"""How a check commits to its tokens without showing them (check.proto, CheckRequest.commitments).

1. A check has exactly CHECK_TOKENS places; unused ones hold random decoys, and the order of places is random.
2. Commitment i is SHA-256(salt_i || token_i), with a fresh random salt each.
3. Whoever is shown an opening recomputes the commitment; one that does not fit is refused as a whole query.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from waypost.protocol.errors import ProtocolError
from waypost.protocol.limits import CHECK_TOKENS, SALT_BYTES, TOKEN_BYTES


class Opening(NamedTuple):
    """Slot number, 16-byte salt and 16-byte token of one commitment."""

    slot: int
    salt: bytes
    token: bytes

    @property
    def commitment(self) -> bytes:
        """SHA-256(salt || token), 32 bytes."""
        return hashlib.sha256(self.salt + self.token).digest()


def commit(tokens: Sequence[bytes]) -> tuple[Opening, ...]:
    """Openings for all CHECK_TOKENS places in slot order; the caller sends their `.commitment`s in that order."""
    if len(tokens) > CHECK_TOKENS or any(len(token) != TOKEN_BYTES for token in tokens):
        raise ProtocolError("malformed", f"a check takes at most {CHECK_TOKENS} tokens of {TOKEN_BYTES} bytes")
    filled = [*tokens, *(os.urandom(TOKEN_BYTES) for _ in range(CHECK_TOKENS - len(tokens)))]
    secrets.SystemRandom().shuffle(filled)
    return tuple(Opening(slot, os.urandom(SALT_BYTES), token) for slot, token in enumerate(filled))


def verify_openings(commitments: Sequence[bytes], openings: Sequence[Opening]) -> None:
    """Refuse openings that repeat a slot, leave the range, or do not fit their commitment (ProtocolError)."""
    if len(commitments) != CHECK_TOKENS:
        raise ProtocolError("malformed", f"a check has exactly {CHECK_TOKENS} commitments")
    if len({opening.slot for opening in openings}) != len(openings):
        raise ProtocolError("malformed", "two openings name the same slot")
    places = list(commitments)
    for slot, salt, token in openings:
        if not (
            0 <= slot < CHECK_TOKENS
            and len(salt) == SALT_BYTES
            and len(token) == TOKEN_BYTES
            and hmac.compare_digest(hashlib.sha256(salt + token).digest(), places[slot])
        ):
            raise ProtocolError("wrong-opening", "an opening does not fit the commitment that the asker signed")
