"""The trustee's own database: the roster it signed last, admissions, budgets, what it has seen, and its audit.

SQLite through sqlite-utils, in WAL mode, one file to back up (together with the keystore). Several processes of the
operator may use it at a time; every change is one short transaction. A Store belongs to one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlite_utils

from waypost.crypto.envelope import parse_envelope
from waypost.protocol.homes import party_of
from waypost.protocol.limits import HOUR_MS
from waypost.trustee import round_books
from waypost.trustee.audit import Event
from waypost.trustee.errors import SettingsError
from waypost.trustee.limits import AUDIT_ENTRIES_SHOWN, BUSY_TIMEOUT_MS, CHECKPOINTS_REFUSED_KEPT, USAGE_KEPT_MS
from waypost.v1 import envelope_pb2

_USAGE_ROW_MS: Final = HOUR_MS
"""Time that one row of usage stands for: it is counted until its last moment is outside the window."""

_MIGRATIONS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE roster (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, envelope BLOB NOT NULL);
    CREATE TABLE admissions (ori TEXT PRIMARY KEY, admitted_at_ms INTEGER NOT NULL);
    CREATE TABLE budgets (ori TEXT NOT NULL, purpose INTEGER NOT NULL, elements INTEGER NOT NULL,
        PRIMARY KEY (ori, purpose)) WITHOUT ROWID;
    CREATE TABLE usage (ori TEXT NOT NULL, purpose INTEGER NOT NULL, at_ms INTEGER NOT NULL, elements INTEGER NOT NULL);
    CREATE INDEX usage_by_member ON usage (ori, purpose, at_ms);
    CREATE TABLE seen (sender TEXT NOT NULL, message_id BLOB NOT NULL, expires_at_ms INTEGER NOT NULL,
        PRIMARY KEY (sender, message_id)) WITHOUT ROWID;
    CREATE TABLE audit (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, event TEXT NOT NULL,
        subject TEXT NOT NULL, detail TEXT NOT NULL);
    """,
    """
    CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), note BLOB NOT NULL);
    CREATE TABLE checkpoints_refused (note BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, reason TEXT NOT NULL);
    """,
    round_books.MIGRATION,
    "CREATE TABLE sizes (ori TEXT PRIMARY KEY, officers INTEGER NOT NULL) WITHOUT ROWID",
)
"""Scripts by version, from 1: statements without a semicolon inside. A released one is never changed; a new one is
appended."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One audit entry; time in milliseconds since 1970."""

    at_ms: int
    event: str
    subject: str
    detail: str


FOUND_HINT: Final = (
    "name the trustee's folder with --home or WAYPOST_HOME; a new one is founded with: "
    "waypost-trustee init --home DIR (docs/trustee.md)"
)


def require_trustee(folder: Path) -> None:
    """SettingsError when the folder is another party's home: what the trustee's operator says must not change that."""
    held = party_of(folder)
    if held not in {"trustee", ""}:
        raise SettingsError(
            f"{folder} holds a {held}, not a trustee", hint="name the trustee's folder with --home or WAYPOST_HOME"
        )


class Store:
    """The database. Also a ReplayStore (`add`)."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if not create and not path.exists():
            require_trustee(path.parent)
            raise SettingsError(f"{path.parent} holds no trustee", hint=FOUND_HINT)
        if create:
            path.touch(mode=0o600)
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA synchronous = FULL")
        self._db = sqlite_utils.Database(connection)
        self._db.enable_wal()
        self._migrate(path)
        self.rounds = round_books.RoundBooks(self._db)

    def _migrate(self, path: Path) -> None:
        """Run what is missing, in one transaction: two processes that open an old file take turns."""
        if self._version(path) == len(_MIGRATIONS):
            return
        with self.transaction():
            for script in _MIGRATIONS[self._version(path) :]:
                for statement in script.split(";"):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")

    def _version(self, path: Path) -> int:
        held = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if held > len(_MIGRATIONS):
            raise SettingsError(f"{path} was written by a newer Waypost", hint="install that version or a later one")
        return held

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside."""
        self._db.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.conn.execute("ROLLBACK")
            raise
        self._db.conn.execute("COMMIT")

    def roster(self) -> envelope_pb2.Envelope | None:
        """The roster signed last, with both signatures."""
        row = self._db.execute("SELECT envelope FROM roster").fetchone()
        return None if row is None else parse_envelope(row[0])

    def put_roster(self, version: int, envelope: envelope_pb2.Envelope) -> None:
        """Hold this roster from now on."""
        row = (version, envelope.SerializeToString())
        self._db.execute("INSERT OR REPLACE INTO roster (one, version, envelope) VALUES (1, ?, ?)", row)

    def checkpoint(self) -> bytes | None:
        """The checkpoint cosigned last, as the hub signed it."""
        row = self._db.execute("SELECT note FROM checkpoint").fetchone()
        return None if row is None else bytes(row[0])

    def put_checkpoint(self, note: bytes) -> None:
        """Hold this checkpoint from now on."""
        self._db.execute("INSERT OR REPLACE INTO checkpoint (one, note) VALUES (1, ?)", (note,))

    def forget_checkpoint(self) -> None:
        """Hold none, as before the first."""
        self._db.execute("DELETE FROM checkpoint")

    def keep_refused(self, note: bytes, now_ms: int, reason: str) -> bool:
        """Keep a refused checkpoint as evidence; False when it is kept already, or enough are."""
        row = (note, now_ms, reason, CHECKPOINTS_REFUSED_KEPT)
        sql = (
            "INSERT OR IGNORE INTO checkpoints_refused SELECT ?, ?, ? "
            "WHERE (SELECT count(*) FROM checkpoints_refused) < ?"
        )
        return self._db.execute(sql, row).rowcount == 1

    def refused_checkpoints(self) -> list[bytes]:
        """The refused checkpoints that are kept, oldest first."""
        return [bytes(row[0]) for row in self._db.execute("SELECT note FROM checkpoints_refused ORDER BY at_ms")]

    def admitted(self) -> frozenset[str]:
        """ORIs admitted for one enrolment."""
        return frozenset(row[0] for row in self._db.execute("SELECT ori FROM admissions"))

    def admit(self, oris: Iterable[str], now_ms: int) -> None:
        """Admit each ORI for one enrolment."""
        self._db.conn.executemany("INSERT OR REPLACE INTO admissions VALUES (?, ?)", [(ori, now_ms) for ori in oris])

    def withdraw(self, oris: Iterable[str]) -> None:
        """Take admissions back, or use them up; one that is not open stays so."""
        self._db.conn.executemany("DELETE FROM admissions WHERE ori = ?", [(ori,) for ori in oris])

    def budget(self, ori: str, purpose: int) -> int | None:
        """The member's own budget in elements, where the operator set one."""
        row = self._db.execute("SELECT elements FROM budgets WHERE ori = ? AND purpose = ?", (ori, purpose)).fetchone()
        return None if row is None else int(row[0])

    def set_budget(self, ori: str, purpose: int, elements: int) -> None:
        """Give a member a budget of its own."""
        self._db.execute("INSERT OR REPLACE INTO budgets VALUES (?, ?, ?)", (ori, purpose, elements))

    def officers_stated(self, ori: str) -> int | None:
        """How many officers the operator has stated for a member, serving and former; None when he has not."""
        row = self._db.execute("SELECT officers FROM sizes WHERE ori = ?", (ori,)).fetchone()
        return None if row is None else int(row[0])

    def state_officers(self, ori: str, officers: int) -> None:
        """State how many officers a member holds."""
        self._db.execute("INSERT OR REPLACE INTO sizes VALUES (?, ?)", (ori, officers))

    def used(self, ori: str, purpose: int, since_ms: int) -> int:
        """Elements evaluated for a member since then, with all of the hour in which `since_ms` lies."""
        row = self._db.execute(
            "SELECT coalesce(sum(elements), 0) FROM usage WHERE ori = ? AND purpose = ? AND at_ms > ?",
            (ori, purpose, since_ms - _USAGE_ROW_MS),
        ).fetchone()
        return int(row[0])

    def use(self, ori: str, purpose: int, now_ms: int, elements: int) -> None:
        """Count elements against a member; one row an hour, so that the table stays small."""
        hour_ms = now_ms - now_ms % _USAGE_ROW_MS
        key = (elements, ori, purpose, hour_ms)
        changed = self._db.execute(
            "UPDATE usage SET elements = elements + ? WHERE ori = ? AND purpose = ? AND at_ms = ?", key
        )
        if changed.rowcount == 0:
            self._db.execute("INSERT INTO usage (elements, ori, purpose, at_ms) VALUES (?, ?, ?, ?)", key)

    def add(self, sender: str, message_id: bytes, expires_at_ms: int) -> bool:
        """Remember a message (ReplayStore); False when it was there already."""
        row = (sender, message_id, expires_at_ms)
        return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", row).rowcount == 1

    def audit(self, now_ms: int, event: Event, subject: str, detail: str = "") -> None:
        """Append an entry."""
        row = (now_ms, event.value, subject, detail)
        self._db.execute("INSERT INTO audit (at_ms, event, subject, detail) VALUES (?, ?, ?, ?)", row)

    def entries(self, count: int = AUDIT_ENTRIES_SHOWN) -> list[AuditEntry]:
        """The newest entries, oldest of them first."""
        rows = self._db.execute("SELECT at_ms, event, subject, detail FROM audit ORDER BY id DESC LIMIT ?", (count,))
        return [AuditEntry(*row) for row in rows.fetchall()][::-1]

    def housekeeping(self, now_ms: int) -> None:
        """Forget expired messages and old usage."""
        self._db.execute("DELETE FROM seen WHERE expires_at_ms <= ?", (now_ms,))
        self._db.execute("DELETE FROM usage WHERE at_ms < ?", (now_ms - USAGE_KEPT_MS,))
