"""RFC 9497: oblivious pseudorandom functions, modes OPRF and VOPRF, suite ristretto255-SHA512.

Names follow the RFC: a client blinds inputs, a server evaluates blinded elements with its key and (VOPRF) proves in one
batched proof that it used the key of its public key, the client verifies and finalizes. Elements and scalars are the
RFC's 32-byte encodings; a proof is c || s, 64 bytes. All errors are OprfError.

1. Every element from outside is a canonical encoding and not the identity (checked where it is multiplied).
2. Every scalar from outside is canonical and not zero.
3. A batch holds 1 to OPRF_BATCH_MAX elements; an input at most 65,535 bytes.
4. A proof is checked before any output is formed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from waypost.crypto import ristretto
from waypost.crypto.errors import OprfError
from waypost.crypto.limits import OPRF_BATCH_MAX, OPRF_INPUT_BYTES_MAX
from waypost.crypto.ristretto import ELEMENT_BYTES, SCALAR_BYTES

PROOF_BYTES: Final = 2 * SCALAR_BYTES
_KEY_TRIES: Final = 255
"""RFC 9497 section 3.2.1: DeriveKeyPair counts in one byte."""


class Mode(IntEnum):
    """The mode byte of RFC 9497 section 3.1."""

    OPRF = 0x00
    VOPRF = 0x01


@dataclass(frozen=True, slots=True)
class Domains:
    """The domain separation strings of one mode (RFC 9497 sections 3.1 and 4.1)."""

    hash_to_group: bytes
    hash_to_scalar: bytes
    seed: bytes
    derive_key: bytes


def _domains(mode: Mode) -> Domains:
    context = b"OPRFV1-" + bytes((mode,)) + b"-ristretto255-SHA512"
    return Domains(
        b"HashToGroup-" + context, b"HashToScalar-" + context, b"Seed-" + context, b"DeriveKeyPair" + context
    )


DOMAINS: Final = {mode: _domains(mode) for mode in Mode}


def _framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def derive_key(seed: bytes, info: bytes, mode: Mode) -> bytes:
    """DeriveKeyPair (section 3.2.1): the private key of a 32-byte seed and a public info of at most 65,535 bytes."""
    if len(seed) != SCALAR_BYTES or len(info) > OPRF_INPUT_BYTES_MAX:
        raise OprfError("a key is derived from 32 bytes of seed and at most 65,535 bytes of info")
    for counter in range(_KEY_TRIES + 1):
        key = ristretto.hash_to_scalar(seed + _framed(info) + bytes((counter,)), DOMAINS[mode].derive_key)
        if any(key):
            return key
    raise OprfError("no key can be derived from this seed")


def public_key(key: bytes) -> bytes:
    """The public key of a private one."""
    return ristretto.multiply_base(ristretto.require_scalar(key))


def input_element(value: bytes, mode: Mode) -> bytes:
    """The group element of an input."""
    if len(value) > OPRF_INPUT_BYTES_MAX:
        raise OprfError(f"an input has at most {OPRF_INPUT_BYTES_MAX} bytes")
    return ristretto.hash_to_group(value, DOMAINS[mode].hash_to_group)


def blind(value: bytes, blinding: bytes, mode: Mode) -> bytes:
    """Blind (sections 3.3.1 and 3.3.2): the blinded element. `blinding` is a fresh random scalar, used once."""
    return ristretto.multiply(ristretto.require_scalar(blinding), input_element(value, mode))


def evaluate(key: bytes, blinded: bytes) -> bytes:
    """BlindEvaluate for one element, without proof."""
    return ristretto.multiply(key, blinded)


def unblind(blinding: bytes, evaluated: bytes) -> bytes:
    """The element under the key, freed of its blinding."""
    return ristretto.multiply(ristretto.invert(blinding), evaluated)


def output(value: bytes, unblinded: bytes) -> bytes:
    """The 64-byte output for an input and its unblinded element (the hash of Finalize)."""
    return hashlib.sha512(_framed(value, unblinded) + b"Finalize").digest()


def finalize(value: bytes, blinding: bytes, evaluated: bytes) -> bytes:
    """Finalize of OPRF mode (section 3.3.1): 64 bytes. In VOPRF mode verify the proof first."""
    return output(value, unblind(blinding, evaluated))


def check_batch(elements: Sequence[bytes], evaluated: Sequence[bytes]) -> None:
    """Rule 3, and that both sides are of one length."""
    if not 0 < len(elements) <= OPRF_BATCH_MAX:
        raise OprfError(f"a batch has 1 to {OPRF_BATCH_MAX} elements")
    if len(evaluated) != len(elements):
        raise OprfError("the evaluation has another number of elements than the request")
    if any(len(element) != ELEMENT_BYTES for element in (*elements, *evaluated)):
        raise OprfError("a group element has 32 bytes")


def composite_weights(public: bytes, elements: Sequence[bytes], evaluated: Sequence[bytes], mode: Mode) -> list[bytes]:
    """The d_i of ComputeComposites (section 2.2.1): one scalar per pair of elements."""
    domains = DOMAINS[mode]
    seed = hashlib.sha512(_framed(public, domains.seed)).digest()
    return [
        ristretto.hash_to_scalar(
            _framed(seed) + index.to_bytes(2, "big") + _framed(element, image) + b"Composite", domains.hash_to_scalar
        )
        for index, (element, image) in enumerate(zip(elements, evaluated, strict=True))
    ]


def prove_composites(key: bytes, public: bytes, composite: bytes, mode: Mode, nonce: bytes | None = None) -> bytes:
    """GenerateProof (section 2.2.1) from the composite M of the elements; Z is key · M. `nonce` is for test vectors."""
    image = ristretto.multiply(key, composite)
    r = nonce or ristretto.random_scalar()
    challenge = _challenge(public, composite, image, ristretto.multiply_base(r), ristretto.multiply(r, composite), mode)
    return challenge + ristretto.subtract_product(r, challenge, key)


def verify_composites(public: bytes, composite: bytes, image: bytes, proof: bytes, mode: Mode) -> None:
    """VerifyProof (section 2.2.2) from both composites M and Z; OprfError when the proof does not hold."""
    if len(proof) != PROOF_BYTES:
        raise OprfError("a proof has 64 bytes")
    c, s = ristretto.require_scalar(proof[:SCALAR_BYTES]), ristretto.require_scalar(proof[SCALAR_BYTES:])
    t2 = ristretto.add(ristretto.multiply_base(s), ristretto.multiply(c, public))
    t3 = ristretto.add(ristretto.multiply(s, composite), ristretto.multiply(c, image))
    if not hmac.compare_digest(_challenge(public, composite, image, t2, t3, mode), c):
        raise OprfError("the proof of evaluation does not hold: another key was used than the published one")


def _challenge(public: bytes, composite: bytes, image: bytes, t2: bytes, t3: bytes, mode: Mode) -> bytes:
    transcript = _framed(public, composite, image, t2, t3) + b"Challenge"
    return ristretto.hash_to_scalar(transcript, DOMAINS[mode].hash_to_scalar)


def blind_evaluate(
    key: bytes, public: bytes, elements: Sequence[bytes], *, nonce: bytes | None = None
) -> tuple[list[bytes], bytes]:
    """BlindEvaluate of VOPRF mode (section 3.3.2) for a batch: evaluated elements and one proof."""
    check_batch(elements, elements)
    evaluated = [ristretto.multiply(key, element) for element in elements]
    weights = composite_weights(public, elements, evaluated, Mode.VOPRF)
    composite = ristretto.weighted_sum(weights, elements)
    return evaluated, prove_composites(key, public, composite, Mode.VOPRF, nonce)


def verify_proof(public: bytes, elements: Sequence[bytes], evaluated: Sequence[bytes], proof: bytes) -> None:
    """VerifyProof of VOPRF mode for a batch; OprfError when it does not hold."""
    check_batch(elements, evaluated)
    weights = composite_weights(public, elements, evaluated, Mode.VOPRF)
    composite = ristretto.weighted_sum(weights, elements)
    image = ristretto.weighted_sum(weights, evaluated)
    verify_composites(public, composite, image, proof, Mode.VOPRF)
