"""The index's function under two keys: what it equals, and what each party could try."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import rbcl
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto import oprf
from waypost.crypto.errors import OprfError
from waypost.crypto.split_oprf import (
    TOKEN_BYTES,
    Evaluation,
    HalfKey,
    blind_batch,
    evaluate_half,
    finish_batch,
)

TRUSTEE, HUB = HalfKey.generate(), HalfKey.generate()
INPUTS = [b"cert\x1fNV\x1fP40718", b"given-dob\x1fkatherine\x1f1988-03-14", b""]


def _tokens(inputs: list[bytes], trustee: HalfKey = TRUSTEE, hub: HalfKey = HUB) -> tuple[bytes, ...]:
    batch = blind_batch(inputs)
    first = evaluate_half(trustee, batch.elements)
    second = evaluate_half(hub, first.elements)
    return finish_batch(batch, first, second, trustee_public=trustee.public, hub_public=hub.public)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
@settings(max_examples=15, deadline=None)
def test_equal_inputs_give_equal_tokens_and_others_do_not(inputs: list[bytes]) -> None:
    tokens = dict(zip(inputs, _tokens(inputs), strict=True))
    assert tokens == dict(zip(inputs, _tokens(inputs), strict=True))
    assert len(set(tokens.values())) == len(set(inputs))


def test_a_token_is_the_rfc_s_output_under_the_product_of_both_keys() -> None:
    product = rbcl.crypto_core_ristretto255_scalar_mul(TRUSTEE.to_bytes(), HUB.to_bytes())
    for value, token in zip(INPUTS, _tokens(INPUTS), strict=True):
        element = oprf.evaluate(product, oprf.input_element(value, oprf.Mode.VOPRF))
        assert token == oprf.output(value, element)[:TOKEN_BYTES]


def test_no_half_alone_gives_a_token() -> None:
    (token,) = _tokens(INPUTS[:1])
    for half in (TRUSTEE, HUB):
        element = oprf.evaluate(half.to_bytes(), oprf.input_element(INPUTS[0], oprf.Mode.VOPRF))
        assert oprf.output(INPUTS[0], element)[:TOKEN_BYTES] != token


def test_blinded_elements_of_the_same_input_look_unrelated() -> None:
    batch = blind_batch([INPUTS[0]] * 4)
    assert len(set(batch.elements)) == 4


def test_attack_a_party_evaluates_with_a_wrong_key() -> None:
    batch = blind_batch(INPUTS)
    first = evaluate_half(TRUSTEE, batch.elements)
    wrong = evaluate_half(HalfKey.generate(), first.elements)
    with pytest.raises(OprfError, match="the hub's evaluation"):
        finish_batch(batch, first, wrong, trustee_public=TRUSTEE.public, hub_public=HUB.public)
    wrong = evaluate_half(HalfKey.generate(), batch.elements)
    with pytest.raises(OprfError, match="the trustee's evaluation"):
        finish_batch(
            batch, wrong, evaluate_half(HUB, wrong.elements), trustee_public=TRUSTEE.public, hub_public=HUB.public
        )


def test_attack_the_hub_replaces_the_trustee_s_elements_by_its_own() -> None:
    batch = blind_batch(INPUTS)
    genuine = evaluate_half(TRUSTEE, batch.elements)
    invented = evaluate_half(HUB, batch.elements)
    mixed = Evaluation(invented.elements, genuine.proof)
    with pytest.raises(OprfError, match="the trustee's evaluation"):
        finish_batch(
            batch, mixed, evaluate_half(HUB, mixed.elements), trustee_public=TRUSTEE.public, hub_public=HUB.public
        )


def test_attack_the_hub_answers_with_another_request_s_evaluation() -> None:
    batch, other = blind_batch(INPUTS), blind_batch(INPUTS)
    first = evaluate_half(TRUSTEE, other.elements)
    second = evaluate_half(HUB, first.elements)
    with pytest.raises(OprfError):
        finish_batch(batch, first, second, trustee_public=TRUSTEE.public, hub_public=HUB.public)


def test_attack_an_evaluation_is_cut_short() -> None:
    batch = blind_batch(INPUTS)
    first = evaluate_half(TRUSTEE, batch.elements)
    short = replace(first, elements=first.elements[:-1])
    with pytest.raises(OprfError):
        finish_batch(batch, short, first, trustee_public=TRUSTEE.public, hub_public=HUB.public)


def test_large_batches_give_the_same_tokens_over_threads_and_do_not_hold_the_event_loop() -> None:
    inputs = [b"officer %d" % number for number in range(300)]

    async def measure() -> tuple[tuple[bytes, ...], int]:
        ticks = 0
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as workers, ThreadPoolExecutor(1) as caller:

            def work() -> tuple[bytes, ...]:
                batch = blind_batch(inputs, workers)
                first = evaluate_half(TRUSTEE, batch.elements, workers)
                second = evaluate_half(HUB, first.elements, workers)
                return finish_batch(
                    batch, first, second, trustee_public=TRUSTEE.public, hub_public=HUB.public, executor=workers
                )

            future = loop.run_in_executor(caller, work)
            while not future.done():
                await asyncio.sleep(0)
                ticks += 1
            return await future, ticks

    tokens, ticks = asyncio.run(measure())
    assert tokens == _tokens(inputs)
    assert ticks > 5


def test_a_half_key_survives_its_keystore() -> None:
    assert HalfKey.from_bytes(HUB.to_bytes()).public == HUB.public
    with pytest.raises(OprfError):
        HalfKey.from_bytes(bytes(32))
    assert HUB.to_bytes().hex() not in repr(HUB)
