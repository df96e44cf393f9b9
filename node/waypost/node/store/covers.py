"""Decoys as covers: tokens that stand for nobody, by the registration that they went up in and by how often since."""

from __future__ import annotations

from waypost.node.store.database import NodeDatabase
from waypost.node.store.values import marks


class CoverRepository:
    """Covers of an epoch. What they cover is in TokenRepository."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def count(self, epoch: int) -> int:
        """How many decoys there are."""
        return self._db.number("SELECT count(*) FROM decoys WHERE epoch = ?", (epoch,))

    def beside(self, officer_id: int, epoch: int) -> tuple[int, frozenset[int]]:
        """How many tokens of that officer go up with nobody else's yet, and in which registrations they went up."""
        sql = (
            "SELECT registered FROM tokens WHERE epoch = ? AND registered > 0 AND officer_id = ? AND NOT EXISTS "
            "(SELECT 1 FROM tokens AS other WHERE other.token = tokens.token AND other.epoch = tokens.epoch "
            "AND other.registered = 0)"
        )
        numbers = [row[0] for row in self._db.rows(sql, (epoch, officer_id))]
        return len(numbers), frozenset(numbers)

    def use(self, count: int, epoch: int, numbers: frozenset[int], *, only_again: bool = False) -> int:
        """Have that many covers registered once more: how many there were.

        Those of the same registrations come first, of them those that went up again most often, and no others than
        such when `only_again`; then those of other registrations that were used least. Each in random order.
        """
        near = sorted(numbers)[:_NUMBERS_MAX]
        among = f"registered IN ({marks(near)})"
        if only_again:
            sql = f"SELECT token FROM decoys WHERE epoch = ? AND used > 0 AND {among} ORDER BY random() LIMIT ?"
            chosen = [row[0] for row in self._db.rows(sql, (epoch, *near, count))]
        else:
            sql = (
                "SELECT token FROM decoys WHERE epoch = ? AND registered > 0 "
                f"ORDER BY {among} DESC, CASE WHEN {among} THEN -used ELSE used END, random() LIMIT ?"
            )
            chosen = [row[0] for row in self._db.rows(sql, (epoch, *near, *near, count))]
        self._db.run_many(
            "UPDATE decoys SET registered = 0, used = used + 1 WHERE token = ? AND epoch = ?",
            ((token, epoch) for token in chosen),
        )
        return len(chosen)

    def withdraw(self, count: int, epoch: int) -> int:
        """Have the hub forget that many covers with what else it must forget: how many there were.

        Those of the same registrations come first, in random order.
        """
        numbers = "SELECT DISTINCT registered FROM withdrawals WHERE epoch = ? AND registered > 0"
        near = [row[0] for row in self._db.rows(f"{numbers} LIMIT {_NUMBERS_MAX}", (epoch,))]
        sql = (
            "SELECT token, epoch, registered FROM decoys WHERE epoch = ? AND registered > 0 "
            f"ORDER BY registered IN ({marks(near)}) DESC, random() LIMIT ?"
        )
        chosen = self._db.rows(sql, (epoch, *near, count))
        self._db.run_many("DELETE FROM decoys WHERE token = ? AND epoch = ?", (row[:2] for row in chosen))
        self._db.run_many("INSERT OR IGNORE INTO withdrawals (token, epoch, registered) VALUES (?, ?, ?)", chosen)
        return len(chosen)

    def withdrawals(self, epoch: int) -> int:
        """How many tokens the hub must forget."""
        return self._db.number("SELECT count(*) FROM withdrawals WHERE epoch = ?", (epoch,))


_NUMBERS_MAX = 500
"""Registrations looked for in one statement: a dozen officers announced together came in fewer."""
