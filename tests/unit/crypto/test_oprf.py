"""RFC 9497 for ristretto255-SHA512: its own vectors, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto import oprf, ristretto
from waypost.crypto.errors import OprfError
from waypost.crypto.limits import OPRF_BATCH_MAX

SUITES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "rfc9497-ristretto255-sha512.json").read_text()
)["suites"]
CASES = [(suite, vector) for suite in SUITES for vector in suite["vectors"]]
KEY = oprf.derive_key(bytes(range(32)), b"tests", oprf.Mode.VOPRF)
PUBLIC = oprf.public_key(KEY)
ELEMENTS = [oprf.input_element(bytes((n,)), oprf.Mode.VOPRF) for n in range(5)]


def _parts(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split(",")]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"mode {suite['mode']}")
def test_keys_derive_as_in_the_rfc(suite: dict[str, Any]) -> None:
    mode = oprf.Mode(suite["mode"])
    assert oprf.DOMAINS[mode].hash_to_group.hex() == suite["groupDST"]
    key = oprf.derive_key(bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"]), mode)
    assert key.hex() == suite["skSm"]
    if "pkSm" in suite:
        assert oprf.public_key(key).hex() == suite["pkSm"]


def test_the_vector_file_is_whole() -> None:
    assert [len(suite["vectors"]) for suite in SUITES] == [2, 3]


@pytest.mark.parametrize(("suite", "vector"), CASES)
def test_blinding_evaluation_proof_and_output_are_those_of_the_rfc(
    suite: dict[str, Any], vector: dict[str, Any]
) -> None:
    mode, key = oprf.Mode(suite["mode"]), bytes.fromhex(suite["skSm"])
    inputs, blinds = _parts(vector["Input"]), _parts(vector["Blind"])
    blinded = [oprf.blind(value, scalar, mode) for value, scalar in zip(inputs, blinds, strict=True)]
    assert blinded == _parts(vector["BlindedElement"])
    if mode is oprf.Mode.VOPRF:
        public = bytes.fromhex(suite["pkSm"])
        nonce = bytes.fromhex(vector["Proof"]["r"])
        evaluated, proof = oprf.blind_evaluate(key, public, blinded, nonce=nonce)
        assert proof.hex() == vector["Proof"]["proof"]
        oprf.verify_proof(public, blinded, evaluated, proof)
    else:
        evaluated = [oprf.evaluate(key, element) for element in blinded]
    assert evaluated == _parts(vector["EvaluationElement"])
    outputs = [oprf.finalize(*triple) for triple in zip(inputs, blinds, evaluated, strict=True)]
    assert outputs == _parts(vector["Output"])


@given(st.binary(max_size=60))
@settings(max_examples=20, deadline=None)
def test_the_output_does_not_depend_on_the_blinding(value: bytes) -> None:
    outputs = set()
    for _ in range(2):
        scalar = ristretto.random_scalar()
        outputs.add(oprf.finalize(value, scalar, oprf.evaluate(KEY, oprf.blind(value, scalar, oprf.Mode.VOPRF))))
    assert len(outputs) == 1


@given(st.integers(0, 63), st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_attack_any_changed_bit_of_a_proof_is_caught(byte: int, bit: int) -> None:
    evaluated, proof = oprf.blind_evaluate(KEY, PUBLIC, ELEMENTS)
    forged = bytearray(proof)
    forged[byte] ^= 1 << bit
    with pytest.raises(OprfError):
        oprf.verify_proof(PUBLIC, ELEMENTS, evaluated, bytes(forged))


@given(st.integers(0, 4), st.integers(0, 31), st.integers(0, 7))
@settings(max_examples=30, deadline=None)
def test_attack_any_changed_bit_of_an_element_is_caught(index: int, byte: int, bit: int) -> None:
    evaluated, proof = oprf.blind_evaluate(KEY, PUBLIC, ELEMENTS)
    forged = bytearray(evaluated[index])
    forged[byte] ^= 1 << bit
    with pytest.raises(OprfError):
        oprf.verify_proof(PUBLIC, ELEMENTS, [*evaluated[:index], bytes(forged), *evaluated[index + 1 :]], proof)


def test_attack_evaluating_with_another_key_is_caught() -> None:
    other = oprf.derive_key(bytes(32), b"other", oprf.Mode.VOPRF)
    evaluated, proof = oprf.blind_evaluate(other, oprf.public_key(other), ELEMENTS)
    with pytest.raises(OprfError, match="another key"):
        oprf.verify_proof(PUBLIC, ELEMENTS, evaluated, proof)
    claimed, lying_proof = oprf.blind_evaluate(other, PUBLIC, ELEMENTS)
    with pytest.raises(OprfError):
        oprf.verify_proof(PUBLIC, ELEMENTS, claimed, lying_proof)


def test_attack_one_element_evaluated_with_another_key_among_many_is_caught() -> None:
    evaluated, proof = oprf.blind_evaluate(KEY, PUBLIC, ELEMENTS)
    other = oprf.derive_key(bytes(32), b"other", oprf.Mode.VOPRF)
    with pytest.raises(OprfError):
        oprf.verify_proof(PUBLIC, ELEMENTS, [*evaluated[:4], oprf.evaluate(other, ELEMENTS[4])], proof)


def test_attack_swapping_two_results_is_caught() -> None:
    evaluated, proof = oprf.blind_evaluate(KEY, PUBLIC, ELEMENTS)
    with pytest.raises(OprfError):
        oprf.verify_proof(PUBLIC, ELEMENTS, [evaluated[1], evaluated[0], *evaluated[2:]], proof)


@pytest.mark.parametrize(
    "element",
    [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, bytes(31), bytes(33), b"\xed" + b"\xff" * 30 + b"\x7f"],
    ids=["identity", "negative", "non-canonical", "short", "long", "field prime"],
)
def test_attack_elements_that_are_none_are_refused(element: bytes) -> None:
    with pytest.raises(OprfError):
        oprf.evaluate(KEY, element)
    with pytest.raises(OprfError):
        oprf.blind_evaluate(KEY, PUBLIC, [*ELEMENTS, element])
    with pytest.raises(OprfError):
        oprf.verify_proof(PUBLIC, [*ELEMENTS, element], [*ELEMENTS, element], bytes(64))


@pytest.mark.parametrize("scalar", [bytes(32), b"\xff" * 32, bytes(31)], ids=["zero", "above the order", "short"])
def test_scalars_that_are_none_are_refused(scalar: bytes) -> None:
    with pytest.raises(OprfError):
        oprf.public_key(scalar)
    with pytest.raises(OprfError):
        oprf.blind(b"x", scalar, oprf.Mode.VOPRF)
    with pytest.raises(OprfError):
        ristretto.invert(scalar)


def test_batches_and_inputs_out_of_bounds_are_refused() -> None:
    with pytest.raises(OprfError, match="batch"):
        oprf.blind_evaluate(KEY, PUBLIC, [])
    with pytest.raises(OprfError, match="batch"):
        oprf.blind_evaluate(KEY, PUBLIC, [ELEMENTS[0]] * (OPRF_BATCH_MAX + 1))
    with pytest.raises(OprfError, match="number of elements"):
        oprf.verify_proof(PUBLIC, ELEMENTS, ELEMENTS[:4], bytes(64))
    with pytest.raises(OprfError, match="65535"):
        oprf.input_element(bytes(65_536), oprf.Mode.VOPRF)
    with pytest.raises(OprfError, match="seed"):
        oprf.derive_key(bytes(31), b"", oprf.Mode.OPRF)
