"""What each member was last told of an officer himself: kept as a keyed digest, so that a change can be noticed.

1. The database's own triggers note every officer whose details, employments or merging change, whoever changes them.
2. `mark` turns these notes into marks on what was told of the persons concerned; each is then looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from waypost.node.store.cipher import TOLD_DIGEST, ColumnCipher
from waypost.node.store.database import NodeDatabase


@dataclass(frozen=True, slots=True)
class ToldOfficer:
    """That a member was told of an officer, with the digest of what it was told."""

    recipient: str
    officer_id: int
    digest: bytes


class ToldOfficerRepository:
    """What members were told of officers themselves."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def digest(self, content: bytes) -> bytes:
        """Equal for equal contents; 16 bytes."""
        return self._cipher.digest(TOLD_DIGEST, content)

    def put_first(self, told: ToldOfficer) -> None:
        """Keep what a member is told, unless it was told of the officer before."""
        sql = "INSERT OR IGNORE INTO told_officers (recipient, officer_id, digest) VALUES (?, ?, ?)"
        self._db.run(sql, (told.recipient, told.officer_id, told.digest))

    def put(self, told: ToldOfficer) -> None:
        """Keep what a member is told now in the place of what it was told before."""
        self._db.run(
            "INSERT INTO told_officers (recipient, officer_id, digest) VALUES (?, ?, ?) "
            "ON CONFLICT (recipient, officer_id) DO UPDATE SET digest = excluded.digest, stale = 0",
            (told.recipient, told.officer_id, told.digest),
        )

    def pending(self) -> bool:
        """Whether anybody was touched or is marked."""
        sql = "SELECT EXISTS (SELECT 1 FROM touched_officers) OR EXISTS (SELECT 1 FROM told_officers WHERE stale = 1)"
        return bool(self._db.number(sql))

    def mark(self) -> None:
        """Mark what was told of every person who was touched (rule 2)."""
        with self._db.writing():
            self._db.run(f"UPDATE told_officers SET stale = 1 WHERE {_TOUCHED}")
            self._db.run("DELETE FROM touched_officers")

    def stale(self, limit: int) -> list[ToldOfficer]:
        """What is marked; at most `limit`."""
        sql = "SELECT recipient, officer_id, digest FROM told_officers WHERE stale = 1 LIMIT ?"
        return [ToldOfficer(*row) for row in self._db.rows(sql, (limit,))]

    def seen(self, told: ToldOfficer) -> None:
        """Take the mark off."""
        sql = "UPDATE told_officers SET stale = 0 WHERE recipient = ? AND officer_id = ?"
        self._db.run(sql, (told.recipient, told.officer_id))

    def forget(self, officer_id: int) -> None:
        """Nobody will be told of this officer again."""
        self._db.run("DELETE FROM told_officers WHERE officer_id = ?", (officer_id,))


_TOUCHED = (
    "EXISTS (SELECT 1 FROM officers AS told JOIN officers AS member "
    "ON member.id = coalesce(told.merged_into, told.id) OR member.merged_into = coalesce(told.merged_into, told.id) "
    "WHERE told.id = told_officers.officer_id AND member.id IN (SELECT officer_id FROM touched_officers))"
)
"""Somebody who is one person with the officer was touched; merging and splitting touch all whom they concern."""
