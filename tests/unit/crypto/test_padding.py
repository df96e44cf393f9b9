"""Padmé padding: lengths tell little, and data comes back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.errors import SealingError
from waypost.crypto.limits import SEALED_BYTES_MAX
from waypost.crypto.padding import LENGTH_BYTES, pad, padme_length, unpad

LENGTHS = st.integers(2, 2 * SEALED_BYTES_MAX)


@settings(max_examples=100, deadline=None)
@given(LENGTHS)
def test_padded_lengths_are_those_of_the_papers_algorithm(length: int) -> None:
    # PURBs, Algorithm 1, as the paper writes it: E = floor(log2 L), S = floor(log2 E) + 1, z = E - S low bits zero.
    exponent = math.floor(math.log2(length))
    size = math.floor(math.log2(exponent)) + 1
    low_bits = max(exponent - size, 0)
    assert padme_length(length) == math.ceil(length / 2**low_bits) * 2**low_bits


@pytest.mark.parametrize(
    ("length", "padded"), [(0, 2), (1, 2), (8, 8), (9, 10), (10, 10), (100, 104), (1000, 1024), (1_000_000, 1_015_808)]
)
def test_padded_lengths_by_hand(length: int, padded: int) -> None:
    assert padme_length(length) == padded


@settings(max_examples=100, deadline=None)
@given(LENGTHS, LENGTHS)
def test_padding_costs_at_most_twelve_percent_and_keeps_order(length: int, other: int) -> None:
    assert length <= padme_length(length) <= length * 1.12
    assert padme_length(padme_length(length)) == padme_length(length)
    assert (length <= other) <= (padme_length(length) <= padme_length(other))


def test_messages_up_to_the_longest_come_in_a_few_hundred_lengths_only() -> None:
    lengths = set()
    length = 0
    while length <= SEALED_BYTES_MAX:
        lengths.add(padded := padme_length(length))
        length = padded + 1
    assert len(lengths) < 400


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 1200))
def test_padded_data_comes_back(data: bytes, minimum: int) -> None:
    padded = pad(data, minimum=minimum)
    assert unpad(padded) == data
    assert len(padded) == padme_length(len(data) + LENGTH_BYTES, minimum=minimum) >= minimum


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_short_messages_in_one_bucket_cannot_be_told_by_length(one: bytes, two: bytes) -> None:
    assert len(pad(one, minimum=256)) == len(pad(two, minimum=256)) == 256


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 9, b"data\0\0", b"\0\0\0\4data", b"\x80\0\0"])
def test_data_that_looks_like_padding_comes_back(data: bytes) -> None:
    assert unpad(pad(data, minimum=64)) == data


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\1",
        b"\0\0\0\2x",
        b"\xff\xff\xff\xff" + b"x" * 60,
        b"\0\0\0\1xy",
        b"\0\0\0\0" + b"\0\0\1",
    ],
)
def test_what_is_not_padded_in_the_one_valid_form_is_refused(padded: bytes) -> None:
    with pytest.raises(SealingError):
        unpad(padded)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 2**10), st.integers(1, 255))
def test_a_changed_byte_never_gives_the_same_data(data: bytes, place: int, flip: int) -> None:
    padded = bytearray(pad(data, minimum=40))
    padded[place % len(padded)] ^= flip
    try:
        other = unpad(bytes(padded))
    except SealingError:
        return
    assert other != data
