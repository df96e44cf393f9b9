"""The blind index's function: RFC 9497's VOPRF under the product of two parties' keys.

    token(x) = first 16 bytes of Finalize(x, (k_trustee · k_hub) · HashToGroup(x))

1. A member blinds its inputs. The trustee evaluates the blinded elements, with a proof against its public key.
2. The hub evaluates the trustee's elements, with a proof against its own public key.
3. The member verifies both proofs, each over exactly the elements that went in and came out, then unblinds and
   finalizes as the RFC says. Each step is RFC 9497's own; the composition is that of multiplying keys.
4. Neither party can compute a token alone: each lacks the other's factor, and neither sees an input.

Costs per token, in scalar multiplications: member 1 + 1 + 2 · 2, trustee 2, hub 2. The functions with an executor split
a batch over its threads; libsodium works outside the interpreter lock, so all cores are used and no event loop is held
up. Wrap them in `loop.run_in_executor` with another executor than the one they split over.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, TypeVar

from waypost.crypto import oprf, ristretto
from waypost.crypto.errors import OprfError

TOKEN_BYTES: Final = 16
"""Bytes of a token: 128 bits, so that 80 million tokens collide by chance with odds of 1 in 10^22."""

CHUNK_ELEMENTS_MIN: Final = 32
"""Elements a thread takes at a time, at least: about 5 ms of work, far above the cost of handing it over."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class HalfKey:
    """One party's half of an index key: a secret scalar and its public element, 32 bytes each."""

    __slots__ = ("_scalar", "public")

    def __init__(self, scalar: bytes) -> None:
        self._scalar = ristretto.require_scalar(scalar)
        self.public = oprf.public_key(scalar)

    @classmethod
    def generate(cls) -> HalfKey:
        """A fresh half."""
        return cls(ristretto.random_scalar())

    @classmethod
    def from_bytes(cls, data: bytes) -> HalfKey:
        """The half that `to_bytes` gave; OprfError for anything else."""
        return cls(data)

    def to_bytes(self) -> bytes:
        """The secret scalar, for a keystore."""
        return self._scalar

    def __repr__(self) -> str:
        return f"HalfKey({self.public.hex()[:16]})"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One party's evaluated elements (32 bytes each) and its proof for the batch (64 bytes)."""

    elements: tuple[bytes, ...]
    proof: bytes


@dataclass(frozen=True, slots=True)
class BlindedBatch:
    """Inputs with their blindings and blinded elements. The blindings are secret and used once."""

    inputs: tuple[bytes, ...]
    blinds: tuple[bytes, ...]
    elements: tuple[bytes, ...]


def blind_batch(inputs: Sequence[bytes], executor: Executor | None = None) -> BlindedBatch:
    """Blind 1 to OPRF_BATCH_MAX inputs."""
    oprf.check_batch([bytes(ristretto.ELEMENT_BYTES)] * len(inputs), [bytes(ristretto.ELEMENT_BYTES)] * len(inputs))
    blinds = [ristretto.random_scalar() for _ in inputs]
    pairs = list(zip(inputs, blinds, strict=True))
    elements = _spread(
        lambda part: [oprf.blind(value, scalar, oprf.Mode.VOPRF) for value, scalar in part], pairs, executor
    )
    return BlindedBatch(tuple(inputs), tuple(blinds), tuple(elements))


def evaluate_half(key: HalfKey, elements: Sequence[bytes], executor: Executor | None = None) -> Evaluation:
    """Evaluate a batch with one party's key, with proof; OprfError for a bad element or batch size."""
    oprf.check_batch(elements, elements)
    scalar = key.to_bytes()
    evaluated = _spread(lambda part: [ristretto.multiply(scalar, element) for element in part], elements, executor)
    weights = oprf.composite_weights(key.public, elements, evaluated, oprf.Mode.VOPRF)
    composite = _composite(weights, elements, executor)
    return Evaluation(tuple(evaluated), oprf.prove_composites(scalar, key.public, composite, oprf.Mode.VOPRF))


def verify_half(
    public: bytes, elements: Sequence[bytes], evaluation: Evaluation, executor: Executor | None = None
) -> None:
    """Verify one party's proof over what went in and came out; OprfError when it does not hold."""
    oprf.check_batch(elements, evaluation.elements)
    weights = oprf.composite_weights(public, elements, evaluation.elements, oprf.Mode.VOPRF)
    composite = _composite(weights, elements, executor)
    image = _composite(weights, evaluation.elements, executor)
    oprf.verify_composites(public, composite, image, evaluation.proof, oprf.Mode.VOPRF)


def finish_batch(
    batch: BlindedBatch,
    trustee: Evaluation,
    hub: Evaluation,
    *,
    trustee_public: bytes,
    hub_public: bytes,
    executor: Executor | None = None,
) -> tuple[bytes, ...]:
    """The tokens of a batch in the order of its inputs (rule 3); OprfError names the half that failed."""
    for party, public, before, after in (
        ("trustee", trustee_public, batch.elements, trustee),
        ("hub", hub_public, trustee.elements, hub),
    ):
        try:
            verify_half(public, before, after, executor)
        except OprfError as error:
            raise OprfError(f"the {party}'s evaluation was refused: {error}") from error
    triples = list(zip(batch.inputs, batch.blinds, hub.elements, strict=True))
    return tuple(_spread(lambda part: [oprf.finalize(*triple)[:TOKEN_BYTES] for triple in part], triples, executor))


def _composite(weights: Sequence[bytes], elements: Sequence[bytes], executor: Executor | None) -> bytes:
    pairs = list(zip(weights, elements, strict=True))
    sums = _spread(lambda part: [ristretto.weighted_sum(*zip(*part, strict=True))], pairs, executor)
    total = sums[0]
    for partial in sums[1:]:
        total = ristretto.add(total, partial)
    return total


def _spread(
    work: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item], executor: Executor | None
) -> list[_Result]:
    """Run `work` over parts of `items`, one part per core but none too small, and join the results in order."""
    parts = min(os.cpu_count() or 1, len(items) // CHUNK_ELEMENTS_MIN)
    if executor is None or parts < 2:  # noqa: PLR2004 - one part needs no other thread
        return work(items)
    size = -(-len(items) // parts)
    futures = [executor.submit(work, items[start : start + size]) for start in range(0, len(items), size)]
    return [result for future in futures for result in future.result()]
