"""Answers on their way: the query that each was made from, and those that never reached the hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from waypost.node.store.database import NodeDatabase

DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class KeptQuery:
    """What an answer in the outbox was made from: a serialized RoutedQuery; digests of answers that it stands for."""

    query: bytes
    instead_of: tuple[bytes, ...]


class UnsentRepository:
    """Queries of waiting answers, and undelivered answers by digest."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def keep_query(self, outbox_id: int, kept: KeptQuery) -> None:
        """Keep the query of an answer as long as that stands in the outbox."""
        sql = "INSERT INTO outbox_queries (outbox_id, query, instead_of) VALUES (?, ?, ?)"
        self._db.run(sql, (outbox_id, kept.query, b"".join(kept.instead_of)))

    def query_of(self, outbox_id: int) -> KeptQuery | None:
        """The query of that message."""
        row = self._db.row("SELECT query, instead_of FROM outbox_queries WHERE outbox_id = ?", (outbox_id,))
        if row is None:
            return None
        query, joined = row
        digests = (joined[start : start + DIGEST_BYTES] for start in range(0, len(joined), DIGEST_BYTES))
        return KeptQuery(query, tuple(digests))

    def note_undelivered(self, digests: Iterable[bytes]) -> None:
        """These answers never reached the hub."""
        sql = "INSERT OR IGNORE INTO answers_undelivered (answer_digest) VALUES (?)"
        self._db.run_many(sql, ((digest,) for digest in digests))

    def undelivered(self) -> frozenset[bytes]:
        """Digests of all answers that never reached the hub."""
        return frozenset(row[0] for row in self._db.rows("SELECT answer_digest FROM answers_undelivered"))
