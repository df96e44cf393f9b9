"""The book of what this node has signed for others and the hub has taken, until it expires (signing_again.py)."""

from __future__ import annotations

from waypost.node.store.database import NodeDatabase


class SignedRepository:
    """Messages by the digest of their payload (SHA-256) and their type; nothing of what they say."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, digest: bytes, kind: str, expires_at_ms: int) -> None:
        """Enter a message; one that stands here stays as it is."""
        sql = "INSERT OR IGNORE INTO signed (digest, kind, expires_at_ms) VALUES (?, ?, ?)"
        self._db.run(sql, (digest, kind, expires_at_ms))

    def holds(self, digest: bytes, kind: str) -> bool:
        """Whether this node has signed such a message."""
        return self._db.row("SELECT 1 FROM signed WHERE digest = ? AND kind = ?", (digest, kind)) is not None

    def purge(self, now_ms: int) -> None:
        """Forget what has expired."""
        self._db.run("DELETE FROM signed WHERE expires_at_ms <= ?", (now_ms,))
