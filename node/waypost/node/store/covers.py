"""Decoys as covers: tokens that stand for nobody, by the registration that they went up in and by how often since."""

from __future__ import annotations

from collections.abc import Sequence

from waypost.node.store.database import NodeDatabase
from waypost.node.store.values import in_parts, marks


class CoverRepository:
    """Covers of an epoch. What they cover is in TokenRepository."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def count(self, epoch: int) -> int:
        """How many decoys there are."""
        return self._db.number("SELECT count(*) FROM decoys WHERE epoch = ?", (epoch,))

    def beside(self, officer_ids: Sequence[int], epoch: int) -> tuple[int, frozenset[int]]:
        """How many tokens of those officers the hub has confirmed, and in which registrations they went up."""
        tokens: set[bytes] = set()
        numbers: set[int] = set()
        for part in in_parts(officer_ids):
            where = f"epoch = ? AND registered > 0 AND officer_id IN ({marks(part)})"
            for token, number in self._db.rows(f"SELECT token, registered FROM tokens WHERE {where}", (epoch, *part)):
                tokens.add(token)
                numbers.add(number)
        return len(tokens), frozenset(numbers)

    def use(self, count: int, epoch: int, numbers: frozenset[int]) -> int:
        """Have that many covers registered once more: how many there were.

        Those of the same registrations come first, then those that were used least, each in random order.
        """
        near = sorted(numbers)[:_NUMBERS_MAX]
        sql = (
            "SELECT token FROM decoys WHERE epoch = ? AND registered > 0 "
            f"ORDER BY registered IN ({marks(near)}) DESC, used, random() LIMIT ?"
        )
        chosen = [row[0] for row in self._db.rows(sql, (epoch, *near, count))]
        self._db.run_many(
            "UPDATE decoys SET registered = 0, used = used + 1 WHERE token = ? AND epoch = ?",
            ((token, epoch) for token in chosen),
        )
        return len(chosen)

    def withdraw(self, count: int, epoch: int) -> int:
        """Have the hub forget that many covers, at random, with what else it must forget: how many there were."""
        sql = "SELECT token FROM decoys WHERE epoch = ? AND registered > 0 ORDER BY random() LIMIT ?"
        chosen = [(row[0], epoch) for row in self._db.rows(sql, (epoch, count))]
        self._db.run_many("DELETE FROM decoys WHERE token = ? AND epoch = ?", chosen)
        self._db.run_many("INSERT OR IGNORE INTO withdrawals (token, epoch) VALUES (?, ?)", chosen)
        return len(chosen)

    def withdrawals(self, epoch: int) -> int:
        """How many tokens the hub must forget."""
        return self._db.number("SELECT count(*) FROM withdrawals WHERE epoch = ?", (epoch,))


_NUMBERS_MAX = 500
"""Registrations looked for in one statement: a dozen officers announced together came in fewer."""
