"""The trustee's tables of aggregate rounds: what it signed, its privacy ledger, and its halves with their noise in.

No share and no sum without noise ever stands here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlite_utils import Database

from waypost.v1 import round_pb2

MIGRATION: Final = """
    CREATE TABLE rounds (round_id BLOB PRIMARY KEY, state TEXT NOT NULL, measure TEXT NOT NULL, period TEXT NOT NULL,
        states TEXT NOT NULL, cohort TEXT NOT NULL, payload BLOB NOT NULL, close BLOB NOT NULL, half BLOB NOT NULL,
        result BLOB NOT NULL, expires_at_ms INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX rounds_by_measure ON rounds (measure, state);
    CREATE TABLE round_losses (round_id BLOB NOT NULL, state TEXT NOT NULL, year INTEGER NOT NULL,
        rho_millionths INTEGER NOT NULL, PRIMARY KEY (round_id, state)) WITHOUT ROWID;
    CREATE INDEX round_losses_by_state ON round_losses (state, year);
    CREATE TABLE round_budgets (one INTEGER PRIMARY KEY CHECK (one = 1), rho_millionths INTEGER NOT NULL);
"""


class RoundState(StrEnum):
    """Drawn in rounds.py."""

    PREPARED = "prepared"
    COUNTERSIGNED = "countersigned"
    CLOSED = "closed"
    RELEASED = "released"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class HeldRound:
    """A round as it stands. `cohort` is whom it was asked of; `payload` is the signed Round.

    `close` is the payload of the RoundClose, `half` our half with the noise in, `result` the payload that was signed;
    each is empty before.
    """

    round_id: bytes
    state: RoundState
    measure: str
    period: str
    states: tuple[str, ...]
    cohort: frozenset[str]
    payload: bytes
    close: bytes
    half: bytes
    result: bytes
    expires_at_ms: int

    @property
    def participants(self) -> frozenset[str]:
        """Who is in, once it is closed."""
        return frozenset(round_pb2.RoundClose.FromString(self.close).participants)


class RoundBooks:
    """Rounds and losses; every change within the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, round_id: bytes) -> HeldRound | None:
        """The round of that id."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM rounds WHERE round_id = ?", (round_id,)).fetchone()
        return None if row is None else _held(row)

    def put(self, held: HeldRound) -> None:
        """Enter a round, or put it in the place of the one of that id."""
        row = (
            *(held.round_id, held.state.value, held.measure, held.period, " ".join(held.states)),
            *(" ".join(sorted(held.cohort)), held.payload, held.close, held.half, held.result, held.expires_at_ms),
        )
        self._db.execute(f"INSERT OR REPLACE INTO rounds ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def in_state(self, state: RoundState) -> list[HeldRound]:
        """The rounds in that state."""
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM rounds WHERE state = ? ORDER BY round_id", (state.value,))
        return [_held(row) for row in rows.fetchall()]

    def asked(self, measures: Collection[str]) -> list[HeldRound]:
        """The rounds on these measures whose signature was given and not taken back."""
        places = ", ".join("?" * len(measures))
        sql = (
            f"SELECT {_COLUMNS} FROM rounds WHERE measure IN ({places})"
            " AND state IN ('countersigned', 'closed', 'released')"
        )
        return [_held(row) for row in self._db.execute(sql, tuple(measures)).fetchall()]

    def newest(self, count: int) -> list[HeldRound]:
        """Rounds that were signed, the last to expire first."""
        sql = f"SELECT {_COLUMNS} FROM rounds WHERE state <> 'prepared' ORDER BY expires_at_ms DESC, round_id LIMIT ?"
        return [_held(row) for row in self._db.execute(sql, (count,)).fetchall()]

    def remove(self, round_id: bytes) -> None:
        """Forget a round."""
        self._db.execute("DELETE FROM rounds WHERE round_id = ?", (round_id,))

    def lose(self, round_id: bytes, states: Iterable[str], year: int, rho_millionths: int) -> None:
        """Book what a round costs each state."""
        rows = [(round_id, state, year, rho_millionths) for state in sorted(states)]
        self._db.conn.executemany("INSERT INTO round_losses VALUES (?, ?, ?, ?)", rows)

    def take_back(self, round_id: bytes) -> None:
        """Take a round's losses back: nothing was added up."""
        self._db.execute("DELETE FROM round_losses WHERE round_id = ?", (round_id,))

    def losses(self, year: int) -> dict[str, int]:
        """Rho lost in that year by state, in millionths."""
        sql = "SELECT state, sum(rho_millionths) FROM round_losses WHERE year = ? GROUP BY state ORDER BY state"
        return {state: int(total) for state, total in self._db.execute(sql, (year,)).fetchall()}

    def budget(self) -> int | None:
        """The yearly budget that the operator set, in millionths of rho."""
        row = self._db.execute("SELECT rho_millionths FROM round_budgets").fetchone()
        return None if row is None else int(row[0])

    def set_budget(self, rho_millionths: int) -> None:
        """Set the yearly budget."""
        self._db.execute("INSERT OR REPLACE INTO round_budgets VALUES (1, ?)", (rho_millionths,))


_COLUMNS: Final = "round_id, state, measure, period, states, cohort, payload, close, half, result, expires_at_ms"


def _held(row: tuple[bytes, str, str, str, str, str, bytes, bytes, bytes, bytes, int]) -> HeldRound:
    round_id, state, measure, period, states, cohort, payload, close, half, result, expires_at_ms = row
    return HeldRound(
        round_id=round_id,
        state=RoundState(state),
        measure=measure,
        period=period,
        states=tuple(states.split()),
        cohort=frozenset(cohort.split()),
        payload=payload,
        close=close,
        half=half,
        result=result,
        expires_at_ms=expires_at_ms,
    )
