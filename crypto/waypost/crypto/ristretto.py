"""The group ristretto255 (RFC 9496) as libsodium has it, with hashing to it (RFC 9380) for RFC 9497's suite.

Elements and scalars are 32-byte canonical encodings, and stay bytes: libsodium decodes and encodes at each operation.
Every function refuses what is not a canonical encoding, and the identity element (OprfError). libsodium is called
through the library that rbcl bundles; ctypes lets go of the interpreter lock during each call.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Sequence
from typing import Final

import rbcl

from waypost.crypto.errors import OprfError

ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
_HASH_BYTES: Final = 64
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_SHA512_BLOCK_BYTES: Final = 128
_ZEROED: Final = hashlib.sha512(bytes(_SHA512_BLOCK_BYTES))
"""SHA-512 after Z_pad of expand_message_xmd: the same for every input, so it is computed once."""

_sodium: Final = rbcl.rbcl._sodium  # noqa: SLF001 - its checked wrappers validate each point twice; see `multiply`
_scalarmult: Final = _sodium.crypto_scalarmult_ristretto255
_scalarmult_base: Final = _sodium.crypto_scalarmult_ristretto255_base
_add: Final = _sodium.crypto_core_ristretto255_add
_from_hash: Final = _sodium.crypto_core_ristretto255_from_hash
_buffer: Final = ctypes.create_string_buffer


def multiply(scalar: bytes, element: bytes) -> bytes:
    """The product scalar · element. OprfError when `element` is no canonical encoding or the result is the identity."""
    if len(element) != ELEMENT_BYTES or len(scalar) != SCALAR_BYTES:
        raise OprfError("a group element or scalar has 32 bytes")
    result = _buffer(ELEMENT_BYTES)
    # libsodium decodes the element itself: it returns -1 for a non-canonical encoding and for an identity result.
    if _scalarmult(result, scalar, element) != 0:
        raise OprfError("not a valid group element")
    return result.raw


def multiply_base(scalar: bytes) -> bytes:
    """The product scalar · generator. OprfError when the result is the identity."""
    result = _buffer(ELEMENT_BYTES)
    if len(scalar) != SCALAR_BYTES or _scalarmult_base(result, scalar) != 0:
        raise OprfError("the scalar is zero")
    return result.raw


def add(left: bytes, right: bytes) -> bytes:
    """The sum left + right; the identity is allowed on either side and as the result."""
    result = _buffer(ELEMENT_BYTES)
    if _add(result, left, right) != 0:
        raise OprfError("not a valid group element")
    return result.raw


def weighted_sum(scalars: Sequence[bytes], elements: Sequence[bytes]) -> bytes:
    """The sum of scalar_i · element_i: one multiplication each."""
    total = bytes(ELEMENT_BYTES)
    for scalar, element in zip(scalars, elements, strict=True):
        total = add(total, multiply(scalar, element))
    return total


def random_scalar() -> bytes:
    """A uniformly random scalar other than zero."""
    scalar: bytes = rbcl.crypto_core_ristretto255_scalar_random()
    return scalar


def require_scalar(scalar: bytes) -> bytes:
    """Give back a canonical scalar other than zero; OprfError otherwise."""
    if len(scalar) != SCALAR_BYTES or not 0 < int.from_bytes(scalar, "little") < _ORDER:
        raise OprfError("not a valid scalar")
    return scalar


def reduce_scalar(wide: bytes) -> bytes:
    """64 bytes, little-endian, modulo the group's order."""
    return (int.from_bytes(wide, "little") % _ORDER).to_bytes(SCALAR_BYTES, "little")


def subtract_product(minuend: bytes, left: bytes, right: bytes) -> bytes:
    """The scalar minuend - left · right modulo the order, in constant time: a secret key is one of the factors."""
    product = rbcl.crypto_core_ristretto255_scalar_mul(left, right)
    difference: bytes = rbcl.crypto_core_ristretto255_scalar_sub(minuend, product)
    return difference


def invert(scalar: bytes) -> bytes:
    """1 / scalar modulo the order."""
    inverse: bytes = rbcl.crypto_core_ristretto255_scalar_invert(require_scalar(scalar))
    return inverse


def expand_message(message: bytes, domain: bytes) -> bytes:
    """expand_message_xmd with SHA-512 for 64 bytes (RFC 9380 section 5.3.1); one block, so two hashes."""
    domain_prime = domain + bytes((len(domain),))
    first = _ZEROED.copy()
    first.update(message + _HASH_BYTES.to_bytes(2, "big") + b"\0" + domain_prime)
    return hashlib.sha512(first.digest() + b"\1" + domain_prime).digest()


def hash_to_group(message: bytes, domain: bytes) -> bytes:
    """hash_to_ristretto255 (RFC 9380 appendix B)."""
    result = _buffer(ELEMENT_BYTES)
    _from_hash(result, expand_message(message, domain))
    return result.raw


def hash_to_scalar(message: bytes, domain: bytes) -> bytes:
    """HashToScalar of RFC 9497 section 4.1."""
    return reduce_scalar(expand_message(message, domain))
