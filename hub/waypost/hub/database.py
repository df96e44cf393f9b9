"""Access to the hub's database: an engine, one thread that uses it, and the few statements that all subjects share.

Every operation is short, whole or not done, and on the disk when it returns; a killed hub has done it or not. One
thread serializes the operations of a process, so the event loop never waits for the disk; those that wait at the same
moment share a transaction (group_commit.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from waypost.hub import schema
from waypost.hub.audit import Event
from waypost.hub.errors import SettingsError
from waypost.hub.group_commit import GroupCommit
from waypost.hub.limits import BUSY_TIMEOUT_S, LOG_EMPTYING_WAIT_S, SQLITE_CACHE_KIB, SQLITE_LOG_PAGES
from waypost.hub.migrations import SCHEMA_VERSION, upgrade
from waypost.hub.statements import Prepared

_Result = TypeVar("_Result")

_ONLY_READS = "waypost_only_reads"

_ADD_AUDIT: Final = Prepared(insert(schema.audit).inline())
_ADD_SEEN: Final = Prepared(
    text(
        "INSERT INTO seen (sender, message_id, expires_at_ms) VALUES (:sender, :message_id, :expires_at_ms) "
        "ON CONFLICT DO NOTHING"
    )
)


def open_engine(url: str, *, create: bool = False) -> Engine:
    """An engine for a database URL, its schema brought up to date; SettingsError when there is none, or a newer one."""
    sqlite = url.startswith("sqlite")
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S} if sqlite else {})
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    if create:
        schema.metadata.create_all(engine)
        with engine.begin() as connection:
            put_meta(connection, "schema", str(SCHEMA_VERSION))
        return engine
    try:
        with engine.begin() as connection:
            if upgrade(connection, get_meta(connection, "schema")):
                put_meta(connection, "schema", str(SCHEMA_VERSION))
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise SettingsError("the hub's database cannot be opened", hint="run: waypost-hub init") from error
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # this module begins transactions itself, so that writers wait for each other
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {SQLITE_LOG_PAGES}")
    connection.execute("PRAGMA secure_delete = ON")  # who matched a check shall be gone from the file as well


def _begin_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get(_ONLY_READS, False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def empty_log(engine: Engine) -> bool:
    """Fold SQLite's write-ahead log into the file, and empty it: until then it keeps what was deleted since.

    False while others are at work for longer than LOG_EMPTYING_WAIT_S. On other databases there is nothing to do.
    """
    if engine.dialect.name != "sqlite" or engine.url.database is None:
        return True
    try:
        with closing(sqlite3.connect(engine.url.database, timeout=LOG_EMPTYING_WAIT_S)) as connection:
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not busy
    except sqlite3.OperationalError:
        return False


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One moment's state for reads that take long: writers, such as a running hub, do not wait for it."""
    with engine.connect().execution_options(**{_ONLY_READS: True}) as connection, connection.begin():
        yield connection


class Database:
    """An engine with the one thread that uses it; operations that wait at the same moment are committed together."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._commits = GroupCommit(engine)

    async def run(self, work: Callable[[Connection], _Result]) -> _Result:
        """Run one operation in the thread; its result once that is on the disk, or what it raised, taken back."""
        return await self._commits.run(work)

    def close(self) -> None:
        """Finish what is at work, and close."""
        self._commits.close()
        self.engine.dispose()


def get_meta(connection: Connection, name: str) -> str | None:
    """A fact about the hub itself."""
    return connection.scalar(select(schema.meta.c.value).where(schema.meta.c.name == name))


def put_meta(connection: Connection, name: str, value: str) -> None:
    """Set a fact about the hub itself."""
    changed = connection.execute(update(schema.meta).where(schema.meta.c.name == name).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(schema.meta).values(name=name, value=value))


def bump_membership(connection: Connection) -> None:
    """Tell a running hub that membership was changed."""
    put_meta(connection, "membership", str(int(get_meta(connection, "membership") or "0") + 1))


def add_audit(connection: Connection, now_ms: int, kind: Event, subject: str, detail: str = "") -> None:
    """Append an audit entry."""
    _ADD_AUDIT.changed(connection, at_ms=now_ms, event=kind.value, subject=subject, detail=detail)


class SeenStore:
    """A ReplayStore on the hub's database, within the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, sender: str, message_id: bytes, expires_at_ms: int) -> bool:
        """Remember a message; False when it was there already."""
        row = {"sender": sender, "message_id": message_id, "expires_at_ms": expires_at_ms}
        return _ADD_SEEN.changed(self._connection, **row) == 1


def forget_seen(connection: Connection, now_ms: int) -> None:
    """Forget messages that have expired."""
    connection.execute(delete(schema.seen).where(schema.seen.c.expires_at_ms <= now_ms))
