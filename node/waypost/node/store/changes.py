"""The book of changes made by hand, and the facts that are left of expunged records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from waypost.node.store.database import NodeDatabase


@dataclass(frozen=True, slots=True)
class RecordChange:
    """A change of a record: to which version, by whom (an opaque staff reference), and why in the owner's words."""

    record_key: str
    version: int
    at_ms: int
    change: str
    reason: str
    staff: str


@dataclass(frozen=True, slots=True)
class Expungement:
    """That a record was expunged: the cause ("order" or "retention"), and a reference without personal data."""

    record_key: str
    at_ms: int
    cause: str
    reference: str
    staff: str


class ChangeRepository:
    """Changes and expungements."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, change: RecordChange) -> None:
        """Enter a change."""
        self._db.run(
            "INSERT INTO record_changes (conduct_id, version, at_ms, change, reason, staff) "
            "SELECT id, ?, ?, ?, ?, ? FROM conduct WHERE record_key = ?",
            (change.version, change.at_ms, change.change, change.reason, change.staff, change.record_key),
        )

    def of_record(self, record_key: str) -> list[RecordChange]:
        """All changes of a record by hand, oldest first."""
        sql = (
            "SELECT record_key, record_changes.version, at_ms, change, reason, staff FROM record_changes "
            "JOIN conduct ON conduct.id = conduct_id WHERE record_key = ? ORDER BY record_changes.id"
        )
        return [RecordChange(*row) for row in self._db.rows(sql, (record_key,))]

    def any_between(self, record_keys: Sequence[str], after_ms: int, until_ms: int) -> bool:
        """Whether any of these records, or what its officer says to it, was changed by hand in that time."""
        sql = (
            "SELECT 1 FROM json_each(?) CROSS JOIN conduct ON record_key = value "
            "JOIN record_changes ON conduct_id = conduct.id WHERE at_ms > ? AND at_ms <= ? LIMIT 1"
        )
        return self._db.row(sql, (json.dumps(record_keys), after_ms, until_ms)) is not None

    def expunge(self, fact: Expungement) -> None:
        """Enter the fact, then delete every version of the record and all that was written about it."""
        with self._db.writing():
            (conduct_id,) = self._db.row("SELECT id FROM conduct WHERE record_key = ?", (fact.record_key,)) or (None,)
            self._db.run(
                "INSERT INTO expungements (conduct_id, at_ms, cause, reference, staff) VALUES (?, ?, ?, ?, ?)",
                (conduct_id, fact.at_ms, fact.cause, fact.reference, fact.staff),
            )
            for table in ("conduct_versions", "record_changes", "statements", "disputes"):
                self._db.run(f"DELETE FROM {table} WHERE conduct_id = ?", (conduct_id,))
            self._db.run("UPDATE notices SET reason = '' WHERE conduct_id = ?", (conduct_id,))
            self._db.run("UPDATE conduct SET version = version + 1, digest = x'' WHERE id = ?", (conduct_id,))

    def expungement(self, record_key: str) -> Expungement | None:
        """The fact that the record was expunged, if it was."""
        found = self.expungements(record_key)
        return found[0] if found else None

    def expungements(self, record_key: str | None = None) -> list[Expungement]:
        """All expunged records, or this one, in the order of time."""
        where, values = ("", ()) if record_key is None else ("WHERE record_key = ? ", (record_key,))
        sql = (
            "SELECT record_key, at_ms, cause, reference, staff FROM expungements "
            f"JOIN conduct ON conduct.id = conduct_id {where}ORDER BY at_ms"
        )
        return [Expungement(*row) for row in self._db.rows(sql, values)]
