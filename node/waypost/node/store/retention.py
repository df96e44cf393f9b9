"""What retention finds and removes, log by log. An entry of a book goes only after the removal is on record."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from waypost.node.store.database import NodeDatabase
from waypost.node.store.notices import DELIVERED
from waypost.node.store.values import marks

DISCLOSURES, AUDIT, CHECKS, NOTICES = "disclosures", "audit", "checks", "notices"
LOGS = (DISCLOSURES, AUDIT, CHECKS, NOTICES)


@dataclass(frozen=True, slots=True)
class Removable:
    """How many entries of a log may go, and of a book the number of the last one; `kept_by` says what holds others."""

    entries: int
    last_id: int = 0
    kept_by: str = ""


@dataclass(frozen=True, slots=True)
class Removal:
    """That entries were removed."""

    at_ms: int
    log: str
    entries: int


class RetentionRepository:
    """Removals."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def disclosures(self, before_ms: int) -> Removable:
        """The oldest disclosures, up to the first that is younger or names a record that is still held (their order is
        that of the chain, so nothing in the middle goes).
        """
        sql = "SELECT DISTINCT record_key FROM conduct JOIN conduct_versions ON conduct_id = conduct.id"
        held = {row[0] for row in self._db.rows(sql)}
        last_id, entries = 0, 0
        for number, at_ms, records in self._db.rows("SELECT id, at_ms, records FROM disclosures ORDER BY id"):
            if at_ms >= before_ms:
                return Removable(entries, last_id)
            if any(key in held for key, _ in json.loads(records)):
                return Removable(entries, last_id, f"entry {number} names a record that is still held")
            last_id, entries = number, entries + 1
        return Removable(entries, last_id)

    def audit(self, before_ms: int) -> Removable:
        """The oldest audit entries."""
        row = self._db.row("SELECT count(*), coalesce(max(id), 0) FROM audit WHERE at_ms < ?", (before_ms,)) or (0, 0)
        return Removable(*row)

    def checks(self, before_ms: int, done: Collection[str]) -> Removable:
        """Checks in these states that have not changed since, except a watch's newest one."""
        return Removable(
            self._db.number(f"SELECT count(*) FROM checks {_OLD_CHECKS.format(marks(tuple(done)))}", (*done, before_ms))
        )

    def notices(self, before_ms: int) -> Removable:
        """Notices that were acknowledged and have a newer one, and those received whose owner's answers are gone."""
        sent = self._db.number(f"SELECT count(*) FROM notices {_OLD_NOTICES}", (DELIVERED, before_ms))
        return Removable(sent + self._db.number(f"SELECT count(*) FROM notices_received {_OLD_RECEIVED}", (before_ms,)))

    def remove_book(self, log: str, found: Removable, at_ms: int) -> None:
        """Remove entries of a book: first the fact, then they."""
        with self._db.writing():
            self._record(log, found, at_ms)
            self._db.run(f"DELETE FROM {log} WHERE id <= ?", (found.last_id,))
            if log == DISCLOSURES:
                self._db.run(_FORGET_TOLD)

    def remove_checks(self, found: Removable, before_ms: int, done: Collection[str], at_ms: int) -> None:
        """Remove old checks with their answers, letters and referrals."""
        where, values = _OLD_CHECKS.format(marks(tuple(done))), (*done, before_ms)
        with self._db.writing():
            self._record(CHECKS, found, at_ms)
            for table in ("check_answers", "letters", "referrals_asked"):
                self._db.run(f"DELETE FROM {table} WHERE check_id IN (SELECT id FROM checks {where})", values)
            self._db.run(f"DELETE FROM checks {where}", values)

    def remove_notices(self, found: Removable, before_ms: int, at_ms: int) -> None:
        """Remove old notices."""
        with self._db.writing():
            self._record(NOTICES, found, at_ms)
            self._db.run(f"DELETE FROM notices {_OLD_NOTICES}", (DELIVERED, before_ms))
            self._db.run(f"DELETE FROM notices_received {_OLD_RECEIVED}", (before_ms,))

    def removals(self) -> list[Removal]:
        """Every removal, oldest first."""
        return [Removal(*row) for row in self._db.rows("SELECT at_ms, log, entries FROM removals ORDER BY id")]

    def _record(self, log: str, found: Removable, at_ms: int) -> None:
        sql = "INSERT INTO removals (at_ms, log, last_id, entries) VALUES (?, ?, ?, ?)"
        self._db.run(sql, (at_ms, log, found.last_id, found.entries))


_FORGET_TOLD = (
    "DELETE FROM told_officers WHERE NOT EXISTS (SELECT 1 FROM disclosures "
    "WHERE disclosures.officer_id = told_officers.officer_id AND asker = recipient)"
)
"""Whose account is gone is not told any more."""
_OLD_CHECKS = "WHERE state IN ({}) AND updated_at_ms < ? AND id NOT IN (SELECT check_id FROM watches)"
_OLD_NOTICES = (
    "WHERE state = ? AND changed_at_ms < ? AND sequence < (SELECT max(sequence) FROM notices AS newer "
    "WHERE newer.recipient = notices.recipient AND newer.conduct_id IS notices.conduct_id "
    "AND newer.officer_id IS notices.officer_id)"
)
"""The newest of each stays: what comes after it must count on from there."""
_OLD_RECEIVED = "WHERE received_at_ms < ? AND owner NOT IN (SELECT ori FROM check_answers)"
"""While an answer of that owner is kept, what he told about it is kept, too."""
