"""Sealed messages open for their reader, in their context, unaltered; and not otherwise."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.errors import SealingError
from waypost.crypto.limits import SEALED_BYTES_MAX
from waypost.crypto.padding import LENGTH_BYTES, pad, padme_length
from waypost.crypto.sealing import (
    CONTEXT_PART_BYTES_MAX,
    INFO_LABEL,
    MLKEM_PUBLIC_BYTES,
    PRIVATE_KEY_BYTES,
    PUBLIC_KEY_BYTES,
    X25519_BYTES,
    SealingContext,
    SealingKey,
    open_sealed,
    seal,
)

KEY = SealingKey.generate()
CONTEXT = SealingContext("answer", "CA9900100", "NY9900100", bytes(range(16)))
SEALED = seal(b"an employment history", KEY.public, CONTEXT)
OVERHEAD_BYTES = 1136
"""ML-KEM-768's ciphertext (1,088), X25519's public key (32), GCM's tag (16)."""

WORDS = st.text(max_size=20)
CONTEXTS = st.builds(SealingContext, WORDS, WORDS, WORDS, st.binary(max_size=16))


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3000), CONTEXTS, st.sampled_from([0, 512, 4096]))
def test_a_sealed_message_opens_with_the_key_in_its_context(
    plaintext: bytes, context: SealingContext, minimum: int
) -> None:
    sealed = seal(plaintext, KEY.public, context, minimum_bytes=minimum)
    assert open_sealed(sealed, KEY, context) == plaintext
    assert len(sealed) == padme_length(len(plaintext) + LENGTH_BYTES, minimum=minimum) + OVERHEAD_BYTES


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 2**12), flip=st.integers(1, 255))
def test_any_changed_byte_is_caught(place: int, flip: int) -> None:
    changed = bytearray(SEALED)
    changed[place % len(changed)] ^= flip
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(bytes(changed), KEY, CONTEXT)


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 1087, 1088, 1119, 1120, 1135, 1136, len(SEALED) - 1])
def test_a_truncated_message_is_refused(kept: int) -> None:
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(SEALED[:kept], KEY, CONTEXT)


def test_a_lengthened_message_is_refused() -> None:
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(SEALED + b"\0", KEY, CONTEXT)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(SEALED, SealingKey.generate(), CONTEXT)


@pytest.mark.parametrize("swapped", ["mlkem", "x25519"])
def test_either_half_of_the_key_alone_does_not_open_it(swapped: str) -> None:
    mine, other = KEY.to_bytes(), SealingKey.generate().to_bytes()
    half = mine[:64] + other[64:] if swapped == "x25519" else other[:64] + mine[64:]
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(SEALED, SealingKey.from_bytes(half), CONTEXT)


@pytest.mark.parametrize(
    "context",
    [
        replace(CONTEXT, purpose="share"),
        replace(CONTEXT, sender="TX9900100"),
        replace(CONTEXT, audience="TX9900100"),
        replace(CONTEXT, message_id=bytes(16)),
        replace(CONTEXT, sender=CONTEXT.audience, audience=CONTEXT.sender),
    ],
    ids=["purpose", "sender", "audience", "message id", "sender and audience exchanged"],
)
def test_a_message_moved_to_another_context_does_not_open(context: SealingContext) -> None:
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(SEALED, KEY, context)


@settings(max_examples=100, deadline=None)
@given(CONTEXTS, CONTEXTS)
def test_no_two_contexts_have_the_same_info(one: SealingContext, two: SealingContext) -> None:
    assert (one.info() == two.info()) is (one == two)


@settings(max_examples=50, deadline=None)
@given(CONTEXTS, st.integers(0, 20))
def test_a_letter_moved_from_one_part_to_the_next_changes_the_info(context: SealingContext, cut: int) -> None:
    joined = context.purpose + context.sender
    moved = replace(context, purpose=joined[:cut], sender=joined[cut:])
    assert (moved.info() == context.info()) is (moved == context)


def test_info_is_label_and_parts_with_their_lengths() -> None:
    context = SealingContext("p", "se", "aud", b"id")
    assert context.info() == b"\0\x12" + INFO_LABEL + b"\0\1p" + b"\0\2se" + b"\0\3aud" + b"\0\2id"
    assert len(fields(context)) == 4  # a new field must be bound, too


def sealed_elsewhere(padded: bytes) -> bytes:
    """These very bytes under the protocol's suite, by `cryptography` alone."""
    public = hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(KEY.public[:MLKEM_PUBLIC_BYTES]),
        x25519.X25519PublicKey.from_public_bytes(KEY.public[MLKEM_PUBLIC_BYTES:]),
    )
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    return suite.encrypt(padded, public, CONTEXT.info())


def test_the_suite_is_the_one_that_the_protocol_names() -> None:
    assert open_sealed(sealed_elsewhere(pad(b"from elsewhere")), KEY, CONTEXT) == b"from elsewhere"


def test_sealed_bytes_that_are_not_padded_are_refused_like_any_other_fault() -> None:
    with pytest.raises(SealingError, match="does not open"):
        open_sealed(sealed_elsewhere(b"\xff\xff\xff\xffbare"), KEY, CONTEXT)


def test_the_same_message_sealed_twice_looks_different() -> None:
    assert seal(b"x", KEY.public, CONTEXT) != seal(b"x", KEY.public, CONTEXT)


def test_a_key_comes_back_from_its_bytes() -> None:
    data = KEY.to_bytes()
    assert len(data) == PRIVATE_KEY_BYTES
    assert len(KEY.public) == PUBLIC_KEY_BYTES
    again = SealingKey.from_bytes(data)
    assert again.public == KEY.public
    assert open_sealed(SEALED, again, CONTEXT) == b"an employment history"


@pytest.mark.parametrize("length", [0, PRIVATE_KEY_BYTES - 1, PRIVATE_KEY_BYTES + 1])
def test_a_private_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(SealingError, match="96 bytes"):
        SealingKey.from_bytes(bytes(length))


@pytest.mark.parametrize(
    "public",
    [
        b"",
        KEY.public[:-1],
        KEY.public + b"\0",
        b"\xff" * MLKEM_PUBLIC_BYTES + KEY.public[MLKEM_PUBLIC_BYTES:],
        KEY.public[:MLKEM_PUBLIC_BYTES] + bytes(X25519_BYTES),
        KEY.public[:MLKEM_PUBLIC_BYTES] + b"\1" + bytes(X25519_BYTES - 1),
    ],
    ids=["empty", "short", "long", "no ML-KEM key", "X25519 point zero", "X25519 point of small order"],
)
def test_a_garbage_public_key_is_refused(public: bytes) -> None:
    with pytest.raises(SealingError):
        seal(b"x", public, CONTEXT)


@pytest.mark.parametrize(
    "parts",
    [
        ("x" * (CONTEXT_PART_BYTES_MAX + 1), "a", "b", b""),
        ("p", "é" * 128, "b", b""),
        ("p", "a", "b", bytes(CONTEXT_PART_BYTES_MAX + 1)),
        ("p", "a", "\ud800", b""),
    ],
    ids=["long purpose", "long in bytes", "long id", "no text"],
)
def test_a_context_that_cannot_be_encoded_is_refused_where_it_is_made(parts: tuple[str, str, str, bytes]) -> None:
    with pytest.raises(SealingError):
        SealingContext(*parts)


def test_the_longest_message_goes_through_and_a_longer_one_does_not() -> None:
    longest = bytes(SEALED_BYTES_MAX)
    assert open_sealed(seal(longest, KEY.public, CONTEXT), KEY, CONTEXT) == longest
    with pytest.raises(SealingError, match="larger"):
        seal(longest + b"x", KEY.public, CONTEXT)
    with pytest.raises(SealingError, match="larger"):
        seal(b"x", KEY.public, CONTEXT, minimum_bytes=SEALED_BYTES_MAX + 1)
    with pytest.raises(SealingError, match="larger"):
        open_sealed(bytes(2 * SEALED_BYTES_MAX + 1), KEY, CONTEXT)


def test_nothing_secret_is_in_a_keys_description() -> None:
    described = repr(KEY)
    assert KEY.to_bytes().hex()[:16] not in described
    assert len(described) < 40
