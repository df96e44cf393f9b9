"""Aggregate rounds that this node answered or declined, and what its custodian states about its programmes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from waypost.node.store.database import NodeDatabase, Row
from waypost.node.store.values import iso


@dataclass(frozen=True, slots=True)
class AnsweredRound:
    """What became of a round here. `outcome` is "answered" or "declined"; `reason` is empty or says why declined."""

    round_id: bytes
    measure: str
    period: str
    states: str
    closes_at_ms: int
    outcome: str
    reason: str
    at_ms: int


class RoundRepository:
    """Rounds by id. Neither counts nor shares stand here: the shares leave through the outbox, sealed."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, answered: AnsweredRound) -> bool:
        """Enter a round; False, and no change, when it is entered already."""
        values = (
            *(answered.round_id, answered.measure, answered.period, answered.states),
            *(answered.closes_at_ms, answered.outcome, answered.reason, answered.at_ms),
        )
        return self._db.run(f"INSERT OR IGNORE INTO rounds ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values) == 1

    def get(self, round_id: bytes) -> AnsweredRound | None:
        """The round of that id."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM rounds WHERE round_id = ?", (round_id,))
        return _answered(row) if row else None

    def newest(self, limit: int) -> list[AnsweredRound]:
        """The newest rounds, newest first."""
        rows = self._db.rows(f"SELECT {_COLUMNS} FROM rounds ORDER BY at_ms DESC, round_id LIMIT ?", (limit,))
        return [_answered(row) for row in rows]

    def answered_count(self, measure: str, period: str) -> int:
        """How many rounds with this question were answered."""
        sql = "SELECT count(*) FROM rounds WHERE measure = ? AND period = ? AND outcome = 'answered'"
        return self._db.number(sql, (measure, period))


_COLUMNS = "round_id, measure, period, states, closes_at_ms, outcome, reason, at_ms"


def _answered(row: Row) -> AnsweredRound:
    return AnsweredRound(*row)


@dataclass(frozen=True, slots=True)
class ProgrammeFact:
    """What the custodian states: a name of programmes.py, its value, from which day on, and who says so."""

    name: str
    value: str
    as_of: date
    stated_by: str
    at_ms: int


class ProgrammeRepository:
    """Programme facts; a later statement for the same day takes the earlier one's place in what counts."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, fact: ProgrammeFact) -> None:
        """Enter a statement."""
        self._db.run(
            f"INSERT INTO programme_facts ({_FACT_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
            (fact.name, fact.value, iso(fact.as_of), fact.stated_by, fact.at_ms),
        )

    def value_on(self, name: str, day: date) -> str:
        """What held on that day; empty when nothing was stated."""
        sql = "SELECT value FROM programme_facts WHERE name = ? AND as_of <= ? ORDER BY as_of DESC, id DESC LIMIT 1"
        row = self._db.row(sql, (name, iso(day)))
        return str(row[0]) if row else ""

    def all(self) -> list[ProgrammeFact]:
        """Every statement, newest first."""
        rows = self._db.rows(f"SELECT {_FACT_COLUMNS} FROM programme_facts ORDER BY as_of DESC, id DESC")
        return [ProgrammeFact(name, value, date.fromisoformat(day), by, at_ms) for name, value, day, by, at_ms in rows]


_FACT_COLUMNS = "name, value, as_of, stated_by, at_ms"
