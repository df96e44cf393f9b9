"""Statements and disputes of officers, by record. Only additions: a newer statement outranks, a resolution closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from waypost.node.statements import Dispute, Statement
from waypost.node.store.database import NodeDatabase
from waypost.node.store.values import day_or_none, iso


@dataclass(frozen=True, slots=True)
class KeptDispute:
    """A dispute as it is kept: `outcome` and `resolved_on` are empty and None while it is open."""

    record_key: str
    opened_on: date
    grounds: str
    resolved_on: date | None
    outcome: str


class StatementRepository:
    """What officers say to records."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, record_key: str, statement: Statement | None, at_ms: int) -> None:
        """Put this statement in the place of the present one; None takes it back."""
        text, given_on = ("", "") if statement is None else (statement.text, iso(statement.given_on))
        self._db.run(
            "INSERT INTO statements (conduct_id, text, given_on, at_ms) "
            "SELECT id, ?, ?, ? FROM conduct WHERE record_key = ?",
            (text, given_on, at_ms, record_key),
        )

    def open_dispute(self, record_key: str, dispute: Dispute, grounds: str) -> bool:
        """Enter a dispute; False, and no change, when one is open."""
        added = self._db.run(
            "INSERT OR IGNORE INTO disputes (conduct_id, opened_on, grounds) "
            "SELECT id, ?, ? FROM conduct WHERE record_key = ?",
            (iso(dispute.opened_on), grounds, record_key),
        )
        return added == 1

    def resolve_dispute(self, record_key: str, resolved_on: date, outcome: str) -> bool:
        """Close the record's open dispute; False when there is none."""
        changed = self._db.run(
            "UPDATE disputes SET resolved_on = ?, outcome = ? WHERE resolved_on = '' "
            "AND conduct_id = (SELECT id FROM conduct WHERE record_key = ?)",
            (iso(resolved_on), outcome, record_key),
        )
        return changed == 1

    def newly_overdue(self, today: date) -> list[str]:
        """Keys of the records whose open dispute is past its day, and nobody was told so."""
        sql = (
            "SELECT record_key, opened_on FROM disputes JOIN conduct ON conduct.id = conduct_id "
            "WHERE resolved_on = '' AND overdue_told = 0"
        )
        rows = self._db.rows(sql)
        return [key for key, opened_on in rows if Dispute(date.fromisoformat(opened_on)).overdue(today)]

    def overdue_told(self, record_key: str) -> None:
        """It is entered that the record's open dispute is overdue."""
        self._db.run(
            "UPDATE disputes SET overdue_told = 1 WHERE resolved_on = '' "
            "AND conduct_id = (SELECT id FROM conduct WHERE record_key = ?)",
            (record_key,),
        )

    def overdue_count(self, today: date) -> int:
        """How many open disputes are past the day by which they had to be resolved."""
        opened = (Dispute(kept.opened_on) for kept in self.disputes() if kept.resolved_on is None)
        return sum(dispute.overdue(today) for dispute in opened)

    def disputes(self, record_key: str | None = None) -> list[KeptDispute]:
        """Every dispute, or those of one record, in the order they were opened."""
        where, values = ("", ()) if record_key is None else ("WHERE record_key = ? ", (record_key,))
        sql = (
            "SELECT record_key, opened_on, grounds, resolved_on, outcome FROM disputes "
            f"JOIN conduct ON conduct.id = conduct_id {where}ORDER BY opened_on, disputes.id"
        )
        return [
            KeptDispute(key, date.fromisoformat(opened_on), grounds, day_or_none(resolved_on), outcome)
            for key, opened_on, grounds, resolved_on, outcome in self._db.rows(sql, values)
        ]
