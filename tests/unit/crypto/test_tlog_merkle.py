"""RFC 9162's Merkle tree: Certificate Transparency's own vectors, a naive tree beside it, and what must be refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.errors import LogError
from waypost.crypto.limits import LOG_PROOF_HASHES_MAX
from waypost.crypto.tlog import merkle

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "rfc9162.json").read_text())
QUICK = settings(max_examples=80, deadline=None)
SIZES = st.integers(1, 70)


class Tree:
    """A tree in memory, grown only through append."""

    def __init__(self, entries: Sequence[bytes] = ()) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.size = 0
        for entry in entries:
            self.add(entry)

    def add(self, entry: bytes) -> None:
        for node in merkle.append(self.size, merkle.leaf_hash(entry), self.read):
            assert (node.level, node.index) not in self.nodes, "a stored node was written again"
            self.nodes[node.level, node.index] = node.hash
        self.size += 1

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


def naive_root(entries: Sequence[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = max(2**n for n in range(8) if 2**n < len(entries))
    return hashlib.sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.3.1, word for word."""
    if len(entries) == 1:
        return []
    k = max(2**n for n in range(8) if 2**n < len(entries))
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """RFC 9162 section 2.1.4.1, word for word."""
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = max(2**n for n in range(8) if 2**n < len(entries))
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole=whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], whole=False), naive_root(entries[:k])]


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % n for n in range(size)]


def hashes(texts: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def test_leaves_and_nodes_are_hashed_apart_as_in_the_reference() -> None:
    known = VECTORS["hashes"]
    leaf, node = known["leaf"], known["node"]
    assert known["empty_root"] == merkle.EMPTY_ROOT.hex() == merkle.root(0, Tree().read).hex()
    assert merkle.leaf_hash(bytes.fromhex(leaf["entry"])).hex() == leaf["hash"]
    assert merkle.node_hash(bytes.fromhex(node["left"]), bytes.fromhex(node["right"])).hex() == node["hash"]


def test_the_eight_leaf_tree_has_the_published_nodes_and_roots() -> None:
    known = VECTORS["tree"]
    tree = Tree()
    for size, root in enumerate(known["roots"]):
        assert merkle.root(size, tree.read).hex() == root
        if size < len(known["leaves"]):
            tree.add(bytes.fromhex(known["leaves"][size]))
    stored = [[tree.nodes[level, index].hex() for index in range(8 >> level)] for level in range(4)]
    assert stored == known["nodes"]


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["case"])
def test_inclusion_proofs_are_judged_as_the_reference_judges_them(case: dict[str, Any]) -> None:
    def verify() -> None:
        leaf, root = bytes.fromhex(case["leaf"]), bytes.fromhex(case["root"])
        merkle.verify_inclusion(leaf, case["index"], case["size"], hashes(case["proof"]), root)

    if case["expect"] == "accept":
        verify()
    else:
        with pytest.raises(LogError):
            verify()


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["case"])
def test_consistency_proofs_are_judged_as_the_reference_judges_them(case: dict[str, Any]) -> None:
    def verify() -> None:
        old_root, new_root = bytes.fromhex(case["old_root"]), bytes.fromhex(case["new_root"])
        merkle.verify_consistency(case["old"], case["new"], hashes(case["proof"]), old_root, new_root)

    if case["expect"] == "accept":
        verify()
    else:
        with pytest.raises(LogError):
            verify()


def test_the_vector_file_is_whole() -> None:
    judged = [case["expect"] for kind in ("inclusion", "consistency") for case in VECTORS[kind]]
    assert len(judged) == 196
    assert judged.count("accept") == 12


@QUICK
@given(st.lists(st.binary(max_size=9), max_size=40))
def test_roots_are_those_of_a_naive_tree(entries: list[bytes]) -> None:
    assert merkle.root(len(entries), Tree(entries).read) == naive_root(entries)


@QUICK
@given(SIZES, st.data())
def test_inclusion_proofs_are_those_of_a_naive_tree_and_hold(size: int, data: st.DataObject) -> None:
    entries, tree = entries_of(size), Tree(entries_of(size + 5))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(index, size, tree.read)
    assert proof == naive_path(index, entries)
    merkle.verify_inclusion(merkle.leaf_hash(entries[index]), index, size, proof, naive_root(entries))


@QUICK
@given(SIZES, st.data())
def test_consistency_proofs_are_those_of_a_naive_tree_and_hold(new: int, data: st.DataObject) -> None:
    entries, tree = entries_of(new), Tree(entries_of(new + 5))
    old = data.draw(st.integers(1, new))
    proof = merkle.consistency_proof(old, new, tree.read)
    assert proof == naive_subproof(old, entries, whole=True)
    merkle.verify_consistency(old, new, proof, naive_root(entries[:old]), naive_root(entries))


@QUICK
@given(SIZES, st.data())
def test_any_changed_byte_of_an_inclusion_proof_is_caught(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    parts = [
        merkle.leaf_hash(entries[index]),
        naive_root(entries),
        *merkle.inclusion_proof(index, size, Tree(entries).read),
    ]
    leaf, root, *proof = altered(parts, data)
    with pytest.raises(LogError):
        merkle.verify_inclusion(leaf, index, size, proof, root)


@QUICK
@given(st.integers(2, 70), st.data())
def test_any_changed_byte_of_a_consistency_proof_is_caught(new: int, data: st.DataObject) -> None:
    entries = entries_of(new)
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency_proof(old, new, Tree(entries).read)
    old_root, new_root, *proof = altered([naive_root(entries[:old]), naive_root(entries), *proof], data)
    with pytest.raises(LogError):
        merkle.verify_consistency(old, new, proof, old_root, new_root)


def altered(parts: list[bytes], data: st.DataObject) -> list[bytes]:
    """The parts with one byte changed."""
    which, place = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 31))
    changed = bytearray(parts[which])
    changed[place] ^= data.draw(st.integers(1, 255))
    return [*parts[:which], bytes(changed), *parts[which + 1 :]]


@QUICK
@given(st.integers(2, 40), st.data())
def test_a_log_that_dropped_reordered_or_rewrote_an_entry_proves_no_consistency(size: int, data: st.DataObject) -> None:
    honest = entries_of(size)
    place = data.draw(st.integers(0, size - 2))
    crime = data.draw(st.sampled_from(["drop", "reorder", "rewrite"]))
    forged = list(honest)
    if crime == "drop":
        del forged[place]
        forged += [b"later", b"latest"]
    elif crime == "reorder":
        forged[place], forged[place + 1] = forged[place + 1], forged[place]
    else:
        forged[place] = b"rewritten"
    new = data.draw(st.integers(size, size + 3))
    forged = [*forged, *(b"more %d" % n for n in range(8))]
    proof = merkle.consistency_proof(size, new, Tree(forged).read)
    with pytest.raises(LogError):
        merkle.verify_consistency(size, new, proof, naive_root(honest), naive_root(forged[:new]))


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_no_proof_is_made_or_accepted_between_trees_that_cannot_follow(old: int, new: int) -> None:
    tree = Tree(entries_of(8))
    with pytest.raises(LogError):
        merkle.consistency_proof(old, new, tree.read)
    with pytest.raises(LogError):
        merkle.verify_consistency(old, new, [], merkle.EMPTY_ROOT, merkle.root(3, tree.read))


def test_no_proof_is_made_for_a_leaf_outside_the_tree() -> None:
    tree = Tree(entries_of(3))
    for index in (-1, 3):
        with pytest.raises(LogError):
            merkle.inclusion_proof(index, 3, tree.read)


def test_hashes_of_another_length_cannot_shift_a_nodes_boundary() -> None:
    """node_hash(a || b, c) and node_hash(a, b || c) hash the same bytes: without the length check this would pass."""
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    root = merkle.node_hash(left, right)
    with pytest.raises(LogError, match="length"):
        merkle.verify_inclusion(right[1:], 1, 2, [left + right[:1]], root)


def test_an_endless_proof_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(LogError, match="longer than any tree"):
        merkle.verify_inclusion(bytes(32), 0, 2**63, [bytes(32)] * (LOG_PROOF_HASHES_MAX + 1), bytes(32))
