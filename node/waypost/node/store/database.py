"""The node's one database file: opening it, transactions, and what SQLite's errors mean to a person.

1. The file and its companions are the owner's alone (0600); a file that others can read is refused.
2. Write-ahead log, foreign keys, full synchronization: a reader never waits for a writer, and what was committed is on
   the disk, whatever happens to process or machine.
3. A write transaction takes the write lock at its beginning (BEGIN IMMEDIATE) and waits for another process's at most
   BUSY_TIMEOUT_MS: the import command and the daemon use the same file at the same time.
4. Processes that open the file at once take turns in setting it up (flock on the folder): SQLite itself does not wait
   where the write-ahead log is switched on.
5. What is deleted or overwritten is overwritten with zeros in the file (secure_delete); the write-ahead log holds it
   until it is emptied.
6. One connection, one lock: threads of a process take turns. A transaction within a transaction joins it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlite_utils import Database

from waypost.node.errors import StoreError, StoreUnavailable
from waypost.node.limits import BUSY_TIMEOUT_MS
from waypost.node.store.schema import APPLICATION_ID, is_current, migrate

Row = tuple[Any, ...]
Values = Sequence[object]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class NodeDatabase:
    """An open database. All SQL of the store runs through `rows`, `row`, `run` and `run_many`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._columns: dict[str, tuple[str, ...]] = {}
        with _alone_in(path.parent), _Explained(path):
            _make_private(path)
            connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
            )
            try:
                self._db = Database(connection)
                self._set_up()
            except BaseException:
                connection.close()
                raise

    def _set_up(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA secure_delete = ON")
        _require_ours(self._db, self.path)
        self._db.enable_wal()
        if not is_current(self._db, self.path):
            with self.writing():
                migrate(self._db)

    def close(self) -> None:
        """Close the file; its log is folded into it when no other process has it open."""
        with self._lock:
            self._db.close()

    def scrub(self) -> None:
        """Rewrite the file without the remains of deleted rows, and empty the log; StoreError while others read."""
        with self._lock, _Explained(self.path):
            self._db.execute("VACUUM")
        if not self.empty_log():
            raise StoreError(f"{self.path} is in use by another command", hint="try again when that one has ended")

    def empty_log(self) -> bool:
        """Fold the write-ahead log into the file and empty it; False while others read."""
        with self._lock, _Explained(self.path):
            busy: int = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A write transaction: all of it, or, when the block raises, nothing."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A read transaction: everything in the block is read from one moment's state."""
        with self._transaction("BEGIN"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock:
            if self._db.conn.in_transaction:
                yield
                return
            with _Explained(self.path):
                self._db.execute(begin)
                try:
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    self._db.rollback()  # does nothing if SQLite has rolled back already
                    raise

    def rows(self, sql: str, values: Values = ()) -> list[Row]:
        """All rows of a query."""
        with self._lock, _Explained(self.path):
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> Row | None:
        """The first row of a query, or None."""
        with self._lock, _Explained(self.path):
            found: Row | None = self._db.execute(sql, values).fetchone()
            return found

    def number(self, sql: str, values: Values = ()) -> int:
        """The one number that a query gives."""
        found = self.row(sql, values)
        return int(found[0]) if found else 0

    def run(self, sql: str, values: Values = ()) -> int:
        """One statement within a transaction of its own unless one is open; how many rows it changed."""
        return self._execute(sql, values).rowcount

    def insert(self, sql: str, values: Values = ()) -> int:
        """One INSERT; the new row's id."""
        return int(self._execute(sql, values).lastrowid or 0)

    def _execute(self, sql: str, values: Values) -> sqlite3.Cursor:
        with self._lock:
            if self._db.conn.in_transaction:
                return self._db.execute(sql, values)
            with self.writing():
                return self._db.execute(sql, values)

    def columns(self, table: str) -> tuple[str, ...]:
        """The names of a table's columns, sorted; they are what they were when the file was opened."""
        held = self._columns.get(table)
        if held is None:
            rows = self.rows("SELECT name FROM pragma_table_info(?) ORDER BY name", (table,))
            held = self._columns[table] = tuple(str(row[0]) for row in rows)
        return held

    def run_many(self, sql: str, values: Iterable[Values]) -> None:
        """One statement for many rows, within one transaction."""
        with self.writing():
            self._db.conn.executemany(sql, values)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Rule 4."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StoreError(f"{folder} cannot be opened: {error.strerror}", hint="name the right --home") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_private(path: Path) -> None:
    """Rule 1. An existing file is only looked at: closing it here would drop the locks of an open connection to it."""
    try:
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        mode = path.stat().st_mode
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}", hint="look at the folder's owner") from None
    if mode & _OTHERS:
        raise StoreError(f"{path} can be read by others", hint=f"chmod 600 {path}")


def _require_ours(db: Database, path: Path) -> None:
    found = db.execute("PRAGMA application_id").fetchone()[0]
    if found not in {APPLICATION_ID, 0} or (found == 0 and db.table_names()):
        raise StoreError(f"{path} is a database of another program", hint="name the right --home")


class _Explained:
    """What SQLite says about the world, as StoreError; mistakes of ours (integrity, misuse) stay what they are."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError):
            explained = _explanation(self._path, error)
            if explained is not None:
                raise explained from None


def _explanation(path: Path, error: sqlite3.DatabaseError) -> StoreError | None:
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
        return None
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
        return StoreUnavailable(f"{path} is in use by another command", hint="wait until it has ended, then try again")
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return StoreUnavailable(f"{path} is damaged or no database", hint="restore it from a backup")
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
        return StoreUnavailable(
            f"{path} cannot be written: {error}", hint="look at the disk's free space and the folder's owner"
        )
    return None
