"""The Merkle tree of RFC 9162 section 2.1 with SHA-256, as pure functions over stored node hashes.

Only complete subtrees are stored. Node (level, index) covers the leaves from index * 2^level up to, not including,
(index + 1) * 2^level; once written it never changes, so a tree of n leaves is fewer than 2 n rows that are only ever
added. Whatever else a root or a proof needs is computed from them.

`read(level, index)` gives the hash of a stored node. Sizes count leaves; all hashes have 32 bytes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from waypost.crypto.errors import LogError
from waypost.crypto.limits import LOG_PROOF_HASHES_MAX

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""RFC 9162 section 2.1.1: the root of a tree without leaves."""

Read = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Node:
    """The root of a complete subtree: level 0 are the leaves, index counts from the left; `hash` has 32 bytes."""

    level: int
    index: int
    hash: bytes


def leaf_hash(entry: bytes) -> bytes:
    """The leaf of an entry: SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def append(size: int, leaf: bytes, read: Read) -> list[Node]:
    """The nodes to store when `leaf` becomes number `size`: itself, and each parent that it completes."""
    node = Node(0, size, leaf)
    added = [node]
    while node.index & 1:
        node = Node(node.level + 1, node.index >> 1, node_hash(read(node.level, node.index - 1), node.hash))
        added.append(node)
    return added


class Frontier:
    """A tree that only grows, of which no more is kept than its next leaf and its root need: one hash a level."""

    def __init__(self) -> None:
        self.size = 0
        self._kept: dict[tuple[int, int], bytes] = {}

    def add(self, leaf: bytes) -> None:
        """Append a leaf's hash."""
        *completed, top = append(self.size, leaf, self._read)
        for node in completed:
            del self._kept[node.level, node.index - 1]
        self._kept[top.level, top.index] = top.hash
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root of what was appended."""
        return root(self.size, self._read)

    def _read(self, level: int, index: int) -> bytes:
        return self._kept[level, index]


def root(size: int, read: Read) -> bytes:
    """The root of the first `size` leaves."""
    return _subtree(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """RFC 9162 section 2.1.3.1: that leaf `index` is in the tree of `size`, from its sibling up to the root's child."""
    if not 0 <= index < size:
        raise LogError(f"leaf {index} is not in a tree of {size}")
    proof, start, end = [], 0, size
    while end - start > 1:
        middle = start + _left_size(end - start)
        if index < middle:
            proof.append(_subtree(middle, end, read))
            end = middle
        else:
            proof.append(_subtree(start, middle, read))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, read: Read) -> list[bytes]:
    """RFC 9162 section 2.1.4.1: that the tree of `old` leaves is the beginning of the tree of `new`."""
    if not 1 <= old <= new:
        raise LogError(f"a tree of {old} is no beginning of a tree of {new} that could be proven")
    proof, start, end = [], 0, new
    while old < end:
        middle = start + _left_size(end - start)
        if old <= middle:
            proof.append(_subtree(middle, end, read))
            end = middle
        else:
            proof.append(_subtree(start, middle, read))
            start = middle
    if start:  # otherwise what is left is the old tree itself, whose root the verifier has
        proof.append(_subtree(start, end, read))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 section 2.1.3.2; LogError when the proof does not hold."""
    _check_hashes((leaf, *proof))
    if not 0 <= index < size:
        raise LogError(f"leaf {index} is not in a tree of {size}")
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise LogError("the inclusion proof is longer than the tree is high")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            place, last = _up_to_right_child(place, last)
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last or not hmac.compare_digest(found, root):
        raise LogError("the inclusion proof does not lead to the tree's root")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """RFC 9162 section 2.1.4.2; LogError when the proof does not hold. The old tree must not be empty."""
    _check_hashes(proof)
    if not 1 <= old <= new:
        raise LogError(f"a tree of {old} is no beginning of a tree of {new} that could be proven")
    if old == new:
        if proof or not hmac.compare_digest(old_root, new_root):
            raise LogError(f"there are two different trees of {old} leaves")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not proof:
        raise LogError("the consistency proof is empty")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = new_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise LogError("the consistency proof is longer than the tree is high")
        if place & 1 or place == last:
            old_found, new_found = node_hash(sibling, old_found), node_hash(sibling, new_found)
            place, last = _up_to_right_child(place, last)
        else:
            new_found = node_hash(new_found, sibling)
        place, last = place >> 1, last >> 1
    if last or not (hmac.compare_digest(old_found, old_root) and hmac.compare_digest(new_found, new_root)):
        raise LogError("the consistency proof does not lead from the one tree's root to the other's")


def _up_to_right_child(place: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the path's node has no sibling and stands for its parent as well."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > LOG_PROOF_HASHES_MAX:
        raise LogError("the proof is longer than any tree is high")
    if any(len(each) != HASH_BYTES for each in hashes):
        raise LogError("a hash of the proof has another length than 32 bytes")


def _left_size(leaves: int) -> int:
    """The largest power of two below `leaves`, which is at least 2."""
    return 1 << ((leaves - 1).bit_length() - 1)


def _subtree(start: int, end: int, read: Read) -> bytes:
    """The hash over leaves `start` to `end`, where `start` is a multiple of a power of two not below `end - start`."""
    leaves = end - start
    if leaves & (leaves - 1) == 0:
        level = leaves.bit_length() - 1
        return read(level, start >> level)
    middle = start + _left_size(leaves)
    return node_hash(_subtree(start, middle, read), _subtree(middle, end, read))
