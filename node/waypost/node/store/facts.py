"""Facts of compliance as they were signed: the node's own, and those that others signed about it.

States: waiting (in the outbox), accepted or refused (the hub's word; refused with its reason), received (another's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from waypost.node.limits import FACTS_SHOWN_MAX
from waypost.node.store.database import NodeDatabase

WAITING: Final = "waiting"
ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
RECEIVED: Final = "received"


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A signed fact. `digest` is SHA-256 of its payload, by which other facts name it."""

    digest: bytes
    type: str
    author: str
    state: str
    reason: str
    envelope: bytes
    at_ms: int


class FactRepository:
    """All signed facts."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, statement: StoredFact) -> bool:
        """Keep a fact; False when it was there already."""
        row = (
            *(statement.digest, statement.type, statement.author, statement.state, statement.reason),
            *(statement.envelope, statement.at_ms),
        )
        return self._db.run(f"INSERT OR IGNORE INTO signed_facts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row) == 1

    def settle(self, digest: bytes, refused_reason: str) -> None:
        """The hub has accepted a fact (no reason), or refused it for good."""
        state = REFUSED if refused_reason else ACCEPTED
        self._db.run("UPDATE signed_facts SET state = ?, reason = ? WHERE digest = ?", (state, refused_reason, digest))

    def of_types(self, *types: str) -> list[StoredFact]:
        """The newest facts of these types, oldest first."""
        marks = ", ".join("?" * len(types))
        sql = f"SELECT {_COLUMNS} FROM signed_facts WHERE type IN ({marks}) ORDER BY at_ms DESC LIMIT ?"
        return [StoredFact(*row) for row in self._db.rows(sql, (*types, FACTS_SHOWN_MAX))][::-1]

    def final_decisions(self, first_ms: int, after_ms: int) -> list[tuple[str, int]]:
        """Of records that came in as final within that time: when they became final (a day), when they came in (ms)."""
        sql = (
            "SELECT final_on, MIN(imports.at_ms) AS came_ms FROM conduct_versions "
            "JOIN imports ON imports.id = import_id WHERE final_on <> '' "
            "GROUP BY conduct_id HAVING came_ms >= ? AND came_ms < ?"
        )
        return [(str(final_on), int(came_ms)) for final_on, came_ms in self._db.rows(sql, (first_ms, after_ms))]


_COLUMNS = "digest, type, author, state, reason, envelope, at_ms"
