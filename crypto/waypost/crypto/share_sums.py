"""Adding thousands of shares: what hub and trustee do when a round closes. Needs NumPy (the `hub` extra).

A sum holds one vector, whatever the number of shares; the shares themselves are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from waypost.crypto.errors import SharesError
from waypost.crypto.shares import check_vector, expand


class ShareSum:
    """The sum of shares modulo 2^64, of vectors of `cells` words."""

    __slots__ = ("_cells", "_total", "added")

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._total = np.zeros(cells, dtype="<u8")
        self.added = 0

    def add_vector(self, vector: bytes) -> None:
        """Add a vector share; SharesError when it has another length, and nothing is added."""
        check_vector(vector, cells=self._cells)
        self._total += np.frombuffer(vector, dtype="<u8")
        self.added += 1

    def add_vectors(self, vectors: Sequence[bytes]) -> None:
        """Add many at once, which costs less; SharesError when one has another length, and none is added."""
        for vector in vectors:
            check_vector(vector, cells=self._cells)
        table = np.frombuffer(b"".join(vectors), dtype="<u8").reshape(len(vectors), self._cells)
        self._total += table.sum(axis=0, dtype="<u8")
        self.added += len(vectors)

    def add_seed(self, seed: bytes) -> None:
        """Add what a seed share stands for."""
        self._total += np.frombuffer(expand(seed, self._cells), dtype="<u8")
        self.added += 1

    def add_noise(self, noise: list[int]) -> None:
        """Add one signed number to each word: the noise that must be in before the sum may leave its process."""
        if len(noise) != self._cells:
            raise SharesError("there is one number of noise for each cell")
        self._total += np.array(noise, dtype="<i8").view("<u8")

    def to_bytes(self) -> bytes:
        """The sum as a vector."""
        return self._total.tobytes()


def signed_total(left: bytes, right: bytes) -> tuple[int, ...]:
    """The two halves' sum as signed numbers: noise can bring a small total below zero."""
    check_vector(right, cells=len(left) // 8)
    total = np.frombuffer(left, dtype="<u8") + np.frombuffer(right, dtype="<u8")
    return tuple(int(value) for value in total.view("<i8"))
