"""Padmé padding: lengths that leak at most O(log log n) bits.

Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019, section 4.
A padded message is the data's length in four bytes, big-endian, the data, and zeros up to the padded length.
"""

from __future__ import annotations

from typing import Final

from waypost.crypto.errors import SealingError

LENGTH_BYTES: Final = 4


def padme_length(length: int, *, minimum: int = 0) -> int:
    """The padded length in bytes: Padmé of `length`, but at least `minimum`; at most 12 % more than either."""
    wanted = max(length, minimum, 2)
    exponent = wanted.bit_length() - 1
    mantissa_bits = exponent.bit_length()
    mask = (1 << (exponent - mantissa_bits)) - 1 if exponent > mantissa_bits else 0
    return (wanted + mask) & ~mask


def pad(data: bytes, *, minimum: int = 0) -> bytes:
    """`data` with its length in front and zeros behind, `padme_length` bytes in all."""
    framed = len(data).to_bytes(LENGTH_BYTES, "big") + data
    return framed.ljust(padme_length(len(framed), minimum=minimum), b"\0")


def unpad(padded: bytes) -> bytes:
    """The data again; SealingError when these bytes are not a padded message in its one valid form."""
    length = int.from_bytes(padded[:LENGTH_BYTES], "big")
    end = LENGTH_BYTES + length
    if len(padded) < end or len(padded) < LENGTH_BYTES or padded[end:].strip(b"\0"):
        raise SealingError("the message is not padded as the protocol says")
    return padded[LENGTH_BYTES:end]
