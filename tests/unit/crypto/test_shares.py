"""Shares: they give the counts back, sums of shares are shares of sums, and one share alone says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.errors import SharesError
from waypost.crypto.limits import SHARE_CELLS_MAX
from waypost.crypto.share_sums import ShareSum, signed_total
from waypost.crypto.shares import COUNT_MAX, SEED_BYTES, add, check_vector, expand, pack, split, subtract, unpack

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc8439-chacha20.json").read_text())
COUNTS = st.integers(0, COUNT_MAX)
VECTOR = st.lists(COUNTS, min_size=1, max_size=40)
SEED = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)
QUICK = settings(max_examples=100, deadline=None)
EDGES = (0, 1, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**63 + 1, COUNT_MAX)


@pytest.mark.parametrize("vector", VECTORS["keystream_blocks"], ids=lambda vector: vector["name"])
def test_a_seed_stands_for_the_key_stream_of_rfc_8439(vector: dict[str, str]) -> None:
    block = int(vector["block_counter"])
    stream = expand(bytes.fromhex(vector["key"]), 8 * (block + 1))
    assert stream[64 * block :].hex() == vector["keystream"]


@QUICK
@given(VECTOR, SEED)
def test_the_two_shares_give_the_counts_back(counts: list[int], seed: bytes) -> None:
    shares = split(counts, seed=seed)
    assert list(unpack(add(shares.vector, expand(shares.seed, len(counts))))) == counts


@QUICK
@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=40))
def test_words_are_added_and_subtracted_modulo_2_to_the_64_each_by_itself(pairs: list[tuple[int, int]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    assert unpack(add(pack(left), pack(right))) == tuple((a + b) % 2**64 for a, b in pairs)
    assert unpack(subtract(pack(left), pack(right))) == tuple((a - b) % 2**64 for a, b in pairs)


def test_carries_and_borrows_stay_in_their_word_at_every_edge() -> None:
    pairs = [(a, b) for a in EDGES for b in EDGES]
    left, right = pack([a for a, _ in pairs]), pack([b for _, b in pairs])
    assert unpack(add(left, right)) == tuple((a + b) % 2**64 for a, b in pairs)
    assert unpack(subtract(left, right)) == tuple((a - b) % 2**64 for a, b in pairs)


@QUICK
@given(st.integers(1, 12).flatmap(lambda cells: st.lists(st.lists(COUNTS, min_size=cells, max_size=cells), min_size=1)))
def test_sums_of_shares_are_shares_of_the_sums(vectors: list[list[int]]) -> None:
    cells = len(vectors[0])
    hub, trustee = ShareSum(cells), ShareSum(cells)
    for counts in vectors:
        shares = split(counts)
        hub.add_vector(shares.vector)
        trustee.add_seed(shares.seed)
    totals = [sum(column) % 2**64 for column in zip(*vectors, strict=True)]
    assert list(unpack(add(hub.to_bytes(), trustee.to_bytes()))) == totals
    assert hub.added == trustee.added == len(vectors)


def test_adding_many_at_once_is_adding_each() -> None:
    vectors = [split([number, COUNT_MAX]).vector for number in range(50)]
    at_once, one_by_one = ShareSum(2), ShareSum(2)
    at_once.add_vectors(vectors)
    for vector in vectors:
        one_by_one.add_vector(vector)
    assert at_once.to_bytes() == one_by_one.to_bytes()
    assert at_once.added == 50


def test_noise_may_bring_a_total_below_zero() -> None:
    shares = split([3, 100])
    total = ShareSum(2)
    total.add_vector(shares.vector)
    total.add_noise([-10, 7])
    assert signed_total(total.to_bytes(), expand(shares.seed, 2)) == (-7, 107)


def test_equal_counts_give_other_shares_each_time() -> None:
    assert len({split([0] * 4).vector for _ in range(20)}) == 20


def test_one_share_says_nothing_of_the_counts() -> None:
    # Bits of the vector shares of the same small counts: each of the 128 is one in about half of 2,000 splits. The
    # bound is 6.7 standard deviations (of 22.4): a right split fails once in 10^9 runs, an unmasked count always.
    vectors = [int.from_bytes(split([5, 2**63]).vector, "little") for _ in range(2000)]
    for bit in range(128):
        assert 850 < sum(vector >> bit & 1 for vector in vectors) < 1150


@QUICK
@given(VECTOR, SEED, st.data())
def test_a_changed_bit_changes_the_total(counts: list[int], seed: bytes, data: st.DataObject) -> None:
    shares = split(counts, seed=seed)
    place = data.draw(st.integers(0, 8 * len(shares.vector) - 1))
    changed = bytearray(shares.vector)
    changed[place // 8] ^= 1 << place % 8
    assert list(unpack(add(bytes(changed), expand(seed, len(counts))))) != counts


@pytest.mark.parametrize("counts", [[-1], [2**64], [], [1.5], ["1"], [None]])
def test_what_is_no_count_is_not_split(counts: list[int]) -> None:
    with pytest.raises(SharesError):
        split(counts)


def test_a_vector_longer_than_the_protocol_allows_is_refused() -> None:
    with pytest.raises(SharesError, match="65536 cells"):
        pack([0] * (SHARE_CELLS_MAX + 1))
    with pytest.raises(SharesError, match="65536 cells"):
        expand(bytes(32), SHARE_CELLS_MAX + 1)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(SharesError, match="32 bytes"):
        expand(bytes(size), 4)
    with pytest.raises(SharesError, match="32 bytes"):
        split([1], seed=bytes(size))


def test_a_vector_of_another_length_is_added_nowhere() -> None:
    total = ShareSum(2)
    with pytest.raises(SharesError):
        total.add_vector(bytes(24))
    with pytest.raises(SharesError):
        total.add_vectors([bytes(16), bytes(15)])
    with pytest.raises(SharesError):
        total.add_noise([1])
    assert total.added == 0
    assert total.to_bytes() == bytes(16)
    with pytest.raises(SharesError):
        add(bytes(16), bytes(8))


@QUICK
@given(st.binary(max_size=200), st.one_of(st.none(), st.integers(0, 30)))
def test_whatever_the_bytes_they_are_a_vector_or_refused(data: bytes, cells: int | None) -> None:
    wanted = len(data) % 8 == 0 and len(data) > 0 and cells in {None, len(data) // 8}
    if wanted:
        assert pack(unpack(data, cells=cells)) == data
    else:
        with pytest.raises(SharesError):
            check_vector(data, cells=cells)


def test_a_node_splits_without_numpy() -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from waypost.crypto.shares import add, expand, split, unpack\n"
        "shares = split([1, 2, 3])\n"
        "print(unpack(add(shares.vector, expand(shares.seed, 3))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 2, 3)"
