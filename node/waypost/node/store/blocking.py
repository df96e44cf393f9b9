"""Which officers share a match key: a sorted list on disk instead of a comparison of everybody with everybody.

1. A key is kept as eight bytes under a random secret that is thrown away: the file, which SQLite makes for the time
   being and deletes itself, tells nothing.
2. A key that more than BLOCK_OFFICERS_MAX officers share says nothing about any two of them: it is left out. So the
   work grows with the number of officers, not with its square.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from waypost.node.limits import BLOCK_OFFICERS_MAX

_KEY_BYTES = 8


class Blocks:
    """Officers by key. Add all of them, then ask for the pairs."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._db = sqlite3.connect("", isolation_level=None)  # a file of its own, without a name
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("BEGIN")
        self._db.execute("CREATE TABLE block (key BLOB NOT NULL, officer_id INTEGER NOT NULL)")

    def add(self, officer_id: int, values: Iterable[bytes]) -> None:
        """The keys of one officer."""
        keys = {hashlib.blake2b(value, digest_size=_KEY_BYTES, key=self._secret).digest() for value in values}
        self._db.executemany("INSERT INTO block VALUES (?, ?)", ((key, officer_id) for key in keys))

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every two officers who share a key (rule 2), once, the lower id first."""
        self._db.execute("CREATE INDEX block_key ON block (key, officer_id)")
        self._db.execute(
            "CREATE TABLE telling AS SELECT key FROM block GROUP BY key HAVING count(*) BETWEEN 2 AND ?",
            (BLOCK_OFFICERS_MAX,),
        )
        with closing(
            self._db.execute(
                "SELECT DISTINCT one.officer_id, other.officer_id FROM telling "
                "JOIN block AS one ON one.key = telling.key JOIN block AS other ON other.key = telling.key "
                "WHERE one.officer_id < other.officer_id ORDER BY 1, 2"
            )
        ) as found:
            yield from found

    def close(self) -> None:
        """Delete the file."""
        self._db.close()
