"""What the node knows of the federation's transparency log: the checkpoint it holds, proofs, and evidence of a fork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waypost.node.limits import LOG_CONFLICTS_KEPT
from waypost.node.store.database import NodeDatabase
from waypost.protocol.transparency import Kind


@dataclass(frozen=True, slots=True)
class WantedEntry:
    """An entry that the hub owes: what it is about, and since when, by the node's clock (milliseconds since 1970).

    `lacking_since_ms` is the trustee's clock on the first checkpoint that was asked for it and lacked it; 0 for none.
    """

    kind: Kind
    digest: bytes
    since_ms: int
    lacking_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class KeptProof:
    """The proof that an entry is in the log: the entry's time, and the text of c2sp.org/tlog-proof."""

    at_ms: int
    proof: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why the node does not trust the hub's log, and the hub's signed note that shows it (may be empty)."""

    reason: str
    note: bytes
    at_ms: int


class TransparencyRepository:
    """The log as this node has seen it."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def checkpoint(self) -> bytes | None:
        """The note of the newest accepted checkpoint."""
        row = self._db.row("SELECT note FROM log_checkpoint")
        return None if row is None else bytes(row[0])

    def put_checkpoint(self, note: bytes) -> None:
        """Hold this one from now on."""
        self._db.run("INSERT OR REPLACE INTO log_checkpoint (one, note) VALUES (1, ?)", (note,))

    def want(self, kind: Kind, digest: bytes, now_ms: int) -> None:
        """Expect an entry; one that is expected or proven already stays as it is."""
        sql = (
            "INSERT OR IGNORE INTO log_wanted (kind, digest, since_ms) SELECT ?, ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM log_proofs WHERE kind = ? AND digest = ?)"
        )
        self._db.run(sql, (kind, digest, now_ms, kind, digest))

    def wanted(self, limit: int) -> Sequence[WantedEntry]:
        """Entries that are owed, oldest first."""
        sql = "SELECT kind, digest, since_ms, lacking_since_ms FROM log_wanted ORDER BY since_ms, digest LIMIT ?"
        return [WantedEntry(Kind(kind), *rest) for kind, *rest in self._db.rows(sql, (limit,))]

    def lacks(self, entry: WantedEntry, cosigned_at_ms: int) -> None:
        """A checkpoint of that time lacked the entry; the first such time stays."""
        self._db.run(
            "UPDATE log_wanted SET lacking_since_ms = ? WHERE kind = ? AND digest = ? AND lacking_since_ms = 0",
            (cosigned_at_ms, entry.kind, entry.digest),
        )

    def prove(self, entry: WantedEntry, proof: KeptProof) -> None:
        """Keep the proof of an entry; it is owed no more."""
        with self._db.writing():
            self._db.run(
                "INSERT OR IGNORE INTO log_proofs (kind, digest, at_ms, proof) VALUES (?, ?, ?, ?)",
                (entry.kind, entry.digest, proof.at_ms, proof.proof),
            )
            self._db.run("DELETE FROM log_wanted WHERE kind = ? AND digest = ?", (entry.kind, entry.digest))

    def proof(self, kind: Kind, digest: bytes) -> KeptProof | None:
        """The proof of an entry, once there is one."""
        row = self._db.row("SELECT at_ms, proof FROM log_proofs WHERE kind = ? AND digest = ?", (kind, digest))
        return None if row is None else KeptProof(*row)

    def conflicts(self) -> Sequence[Conflict]:
        """Why the log is not trusted, oldest first; empty while it is."""
        sql = "SELECT reason, note, at_ms FROM log_conflicts WHERE resolved = 0 ORDER BY id"
        return [Conflict(*row) for row in self._db.rows(sql)]

    def add_conflict(self, conflict: Conflict) -> bool:
        """Keep the evidence; False when the same is kept, or enough is."""
        sql = (
            "INSERT INTO log_conflicts (reason, note, at_ms) SELECT ?, ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM log_conflicts WHERE resolved = 0 AND reason = ? AND note = ?) "
            "AND (SELECT count(*) FROM log_conflicts WHERE resolved = 0) < ?"
        )
        values = (conflict.reason, conflict.note, conflict.at_ms, conflict.reason, conflict.note, LOG_CONFLICTS_KEPT)
        return self._db.run(sql, values) == 1

    def resolve(self) -> int:
        """Trust the log again, from the next checkpoint on, whatever it says; how many conflicts that settles."""
        with self._db.writing():
            self._db.run("DELETE FROM log_checkpoint")
            self._db.run("DELETE FROM log_wanted")
            return self._db.run("UPDATE log_conflicts SET resolved = 1 WHERE resolved = 0")
