"""What a party's database really holds: every table with a sample row, and a search of the raw bytes.

Read-only and without knowledge of the schema, so that it shows what is there and not what ought to be there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CELL_CHARS: Final = 34


@dataclass(frozen=True, slots=True)
class TableView:
    """A table: its name, how many rows, its columns, and one row in readable form (empty if there is none)."""

    name: str
    rows: int
    columns: tuple[str, ...]
    sample: tuple[str, ...]


def tables(database: Path) -> tuple[TableView, ...]:
    """Every table of a SQLite file."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY 1")]
        return tuple(_view(connection, name) for name in names if not name.startswith("sqlite_"))
    finally:
        connection.close()


def _view(connection: sqlite3.Connection, name: str) -> TableView:
    quoted = '"' + name.replace('"', '""') + '"'
    rows = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]
    cursor = connection.execute(f"SELECT * FROM {quoted} LIMIT 1")
    first = cursor.fetchone()
    columns = tuple(column[0] for column in cursor.description)
    return TableView(name, rows, columns, tuple(_cell(value) for value in first) if first else ())


def _cell(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _CELL_CHARS else text[:_CELL_CHARS] + "…"


def occurrences(folder: Path, words: Iterable[str]) -> dict[str, int]:
    """How often each word stands, in whatever case, in the bytes of any file below `folder`."""
    found = dict.fromkeys(words, 0)
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            for word in found:
                found[word] += content.count(word.lower().encode())
    return found
