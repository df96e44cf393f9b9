"""Statements of the check's path, put together once.

SQLAlchemy takes five times as long to build a statement as to run it, and again five times as long around the driver as
SQLite needs for a row. So a Prepared statement is compiled when it is first used, and on SQLite it runs on the driver's
own connection, within the transaction that is open. On other databases SQLAlchemy runs it, with all its conversions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

_SQLITE: Final = "sqlite"


class Prepared:
    """A statement whose values are given by the names of its `bindparam`s, or of the columns that it inserts."""

    __slots__ = ("_constants", "_names", "_sql", "_statement")

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._sql = ""
        self._names: tuple[str, ...] = ()
        self._constants: dict[str, Any] = {}

    def all(self, connection: Connection, **values: object) -> Sequence[Any]:
        """Every row, as tuples."""
        return self._run(connection, values).fetchall()

    def first(self, connection: Connection, **values: object) -> Any:  # noqa: ANN401 - a row, as SQLAlchemy gives it
        """The first row, or None."""
        cursor = self._run(connection, values)
        row = cursor.fetchone()
        cursor.close()
        return row

    def scalar(self, connection: Connection, **values: object) -> Any:  # noqa: ANN401 - a value of any column
        """The first column of the first row, or None."""
        row = self.first(connection, **values)
        return None if row is None else row[0]

    def changed(self, connection: Connection, **values: object) -> int:
        """Run it; how many rows it changed."""
        return self._run(connection, values).rowcount

    def changed_by_all(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
        """Run it for each of these, which name the same values; how many rows all of them changed. None: nothing."""
        if not rows:
            return 0
        if connection.dialect.name != _SQLITE:
            return connection.execute(self._statement, rows).rowcount
        driver = self._driver(connection, rows[0])
        constants, names = self._constants, self._names
        with _AsSqlAlchemy(self._sql, connection):
            lists = ([row[name] if name in row else constants[name] for name in names] for row in rows)
            changed: int = driver.executemany(self._sql, lists).rowcount
            return changed

    def _run(self, connection: Connection, values: dict[str, Any]) -> sqlite3.Cursor | CursorResult[Any]:
        if connection.dialect.name != _SQLITE:
            return connection.execute(self._statement, values)
        driver, constants = self._driver(connection, values), self._constants
        row = [values[name] if name in values else constants[name] for name in self._names]
        with _AsSqlAlchemy(self._sql, connection):
            cursor: sqlite3.Cursor = driver.execute(self._sql, row)
            return cursor

    def _driver(self, connection: Connection, values: dict[str, Any]) -> Any:  # noqa: ANN401 - sqlite3's connection
        if not connection.in_transaction():
            connection.begin()  # as SQLAlchemy does it by itself
        if not self._sql:
            self._compile(connection, values)
        return connection.connection.dbapi_connection

    def _compile(self, connection: Connection, values: dict[str, Any]) -> None:
        assert isinstance(self._statement, ClauseElement)  # noqa: S101 - every statement of SQLAlchemy Core is one
        compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=list(values))
        self._names = tuple(compiled.positiontup or ())
        self._constants = {name: value for name, value in compiled.params.items() if name not in values}
        self._sql = str(compiled)


class _AsSqlAlchemy:
    """What the driver raises, as SQLAlchemy would raise it."""

    __slots__ = ("_connection", "_sql")

    def __init__(self, sql: str, connection: Connection) -> None:
        self._sql, self._connection = sql, connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            dialect = self._connection.dialect
            raise DBAPIError.instance(
                self._sql, None, error, sqlite3.Error, hide_parameters=True, dialect=dialect
            ) from error
