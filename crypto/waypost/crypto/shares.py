"""Additive secret sharing of count vectors: two shares, neither of which says anything about the counts.

A vector is n unsigned 64-bit counts; on the wire n little-endian words of 8 bytes. Arithmetic is modulo 2^64 per word.

1. The seed share is 32 random bytes. It stands for the ChaCha20 key stream (RFC 8439) under that key, nonce and counter
   zero: a seed is used for one vector only, so a fixed nonce is safe.
2. The vector share is the counts minus that stream, word by word. Counts = vector share + expanded seed share.
3. Sums of shares are shares of the sums: adding all vector shares at one party and all expanded seeds at another gives
   the two halves of the total. `share_sums` does that at scale, with NumPy; this module needs nothing beyond the
   base install.

Words are added and subtracted without a loop over them: the whole vector is one integer whose 64-bit lanes are kept
from carrying into one another by setting their top bits aside (as in Hacker's Delight, section 2-18).
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from waypost.crypto.errors import SharesError
from waypost.crypto.limits import SHARE_CELLS_MAX

SEED_BYTES: Final = 32
WORD_BYTES: Final = 8
COUNT_MAX: Final = 2**64 - 1
_NONCE: Final = bytes(16)  # the block counter (4 bytes, from zero) and the nonce (12 bytes) of RFC 8439
_LANE_TOP: Final = (1 << 63).to_bytes(WORD_BYTES, "little")


@dataclass(frozen=True, slots=True, repr=False)
class Shares:
    """A vector in two shares: `vector` has 8 bytes a count, `seed` 32 bytes."""

    vector: bytes
    seed: bytes


def split(counts: Sequence[int], *, seed: bytes | None = None) -> Shares:
    """Split counts (each 0 to 2^64 - 1) into two shares, under a fresh seed unless one is given."""
    return split_words(pack(counts), seed=seed)


def split_words(words: bytes, *, seed: bytes | None = None) -> Shares:
    """Split a vector that is packed already."""
    own = os.urandom(SEED_BYTES) if seed is None else seed
    return Shares(subtract(words, expand(own, len(words) // WORD_BYTES)), own)


def expand(seed: bytes, cells: int) -> bytes:
    """The words that a seed share stands for: the first 8 · cells bytes of its ChaCha20 stream."""
    if len(seed) != SEED_BYTES:
        raise SharesError(f"a seed share has {SEED_BYTES} bytes")
    _check_cells(cells)
    return Cipher(algorithms.ChaCha20(seed, _NONCE), mode=None).encryptor().update(bytes(cells * WORD_BYTES))


def add(left: bytes, right: bytes) -> bytes:
    """The sum of two vectors, word by word modulo 2^64."""
    a, b, top = _lanes(left, right)
    return (((a & ~top) + (b & ~top)) ^ ((a ^ b) & top)).to_bytes(len(left), "little")


def subtract(left: bytes, right: bytes) -> bytes:
    """The difference of two vectors, word by word modulo 2^64."""
    a, b, top = _lanes(left, right)
    return (((a | top) - (b & ~top)) ^ (~(a ^ b) & top)).to_bytes(len(left), "little")


def pack(counts: Sequence[int]) -> bytes:
    """Counts as they travel; SharesError when one is no unsigned 64-bit number."""
    _check_cells(len(counts))
    try:
        words = array("Q", counts)
    except (OverflowError, TypeError):
        raise SharesError("a count is a whole number from 0 to 2^64 - 1") from None
    return _little_endian(words).tobytes()


def unpack(words: bytes, *, cells: int | None = None) -> tuple[int, ...]:
    """The counts of a vector; SharesError when it is no vector, or not one of that many cells."""
    check_vector(words, cells=cells)
    return tuple(_little_endian(array("Q", words)))


def check_vector(words: bytes, *, cells: int | None = None) -> None:
    """SharesError when these bytes are no vector, or not one of that many cells."""
    if len(words) % WORD_BYTES or cells not in {None, len(words) // WORD_BYTES}:
        wanted = "a whole number of" if cells is None else str(cells)
        raise SharesError(f"a vector share has {wanted} words of {WORD_BYTES} bytes")
    _check_cells(len(words) // WORD_BYTES)


def _check_cells(cells: int) -> None:
    if not 0 < cells <= SHARE_CELLS_MAX:
        raise SharesError(f"a vector has 1 to {SHARE_CELLS_MAX} cells")


def _lanes(left: bytes, right: bytes) -> tuple[int, int, int]:
    check_vector(left)
    check_vector(right, cells=len(left) // WORD_BYTES)
    return int.from_bytes(left, "little"), int.from_bytes(right, "little"), _tops(len(left) // WORD_BYTES)


@lru_cache(maxsize=8)  # one entry a measure's length; a few in a process
def _tops(cells: int) -> int:
    return int.from_bytes(_LANE_TOP * cells, "little")


def _little_endian(words: array[int]) -> array[int]:
    if sys.byteorder == "big":
        words.byteswap()
    return words
