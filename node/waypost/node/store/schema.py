"""The tables of the node's database, version by version.

A database carries its version in SQLite's user_version. Opening it runs what is missing, in order, within the
transaction that the caller has begun; a version is never changed once it is released: a new one is appended.

Dates are ISO 8601 text, empty when unknown; times are milliseconds since 1970; columns named `_box` are encrypted under
the column key, `digest` columns are keyed digests (cipher.py).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

from sqlite_utils import Database

from waypost.node.errors import StoreError

APPLICATION_ID: Final = 0x57504E44
"""SQLite's application_id: "WPND"."""

MIGRATIONS: Final = tuple(
    script.read_text(encoding="utf-8")
    for script in sorted(
        resources.files("waypost.node.store").joinpath("migrations").iterdir(), key=lambda file: file.name
    )
    if script.name.endswith(".sql")
)
"""Scripts by version, from 1: migrations/NN_subject.sql in the order of their names."""


def is_current(db: Database, path: Path) -> bool:
    """Whether the database has the newest version; StoreError when it has a newer one than this Waypost knows."""
    version = _version(db)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer version of Waypost", hint="install that version or a later one"
        )
    return version == len(MIGRATIONS)


def migrate(db: Database) -> None:
    """Bring the database to the newest version. The caller has begun a write transaction, so two openers take turns."""
    version = _version(db)
    for script in MIGRATIONS[version:]:
        for statement in _statements(script):
            db.execute(statement)
    if version < len(MIGRATIONS):
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _version(db: Database) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """The script's statements; a trigger's body holds semicolons of its own, which SQLite itself tells apart."""
    lines: list[str] = []
    for line in script.splitlines():
        if not line.startswith("--"):
            lines.append(line)
        if sqlite3.complete_statement("\n".join(lines)):
            yield "\n".join(lines)
            lines = []
