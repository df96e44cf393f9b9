"""The hub's schema, version by version: a database of an older Waypost is brought up when it is opened.

A database carries its version in `meta`. Opening it runs what is missing, in order, within the transaction that reads
the version, so a hub that dies in the middle has the old schema, and two processes that open it take turns. A version
is never changed once it is released: a new one is appended. A new database is made as of the newest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, text

from waypost.hub import round_schema, schema, standing_schema
from waypost.hub.errors import SettingsError

SUBJECTS = (round_schema, standing_schema)
"""Modules whose tables belong to the metadata beside schema.py's: imported, so that a new database has them."""

_ADDED_TO_VERSION_1: Final = (
    "bucket_digests",
    "watched",
    "rounds",
    "round_members",
    "round_losses",
    "round_schedules",
    "facts",
    "reconciliations",
    "reconciliation_days",
    "log_queue",
    "log_entries",
    "log_nodes",
    "log_head",
    "log_checkpoints",
    "disclosure_heads",
    "releases",
    "compliance_days",
)
"""Tables that came while the version was still 1: one founded early lacks those that came after it."""


def _whole_version_1(connection: Connection) -> None:
    for name in _ADDED_TO_VERSION_1:
        schema.metadata.tables[name].create(connection, checkfirst=True)
    for index in schema.watched.indexes:  # one of them came after the table
        index.create(connection, checkfirst=True)


def _bounds_of_a_member(connection: Connection) -> None:
    schema.pointer_counts.create(connection, checkfirst=True)
    for index in schema.checks.indexes:
        index.create(connection, checkfirst=True)


def _authors_of_mail(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE mailbox ADD COLUMN author VARCHAR DEFAULT '' NOT NULL"))
    for index in schema.mailbox.indexes:
        index.create(connection, checkfirst=True)
    schema.returned.create(connection, checkfirst=True)


MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (
    _whole_version_1,
    _bounds_of_a_member,
    _authors_of_mail,
)
"""What leads from version 1 to 2, from 2 to 3, and so on."""

SCHEMA_VERSION: Final = len(MIGRATIONS) + 1


def upgrade(connection: Connection, version: str | None) -> bool:
    """Bring a database of that version to the newest; False when it is that already, SettingsError when it is newer."""
    if version is None or not version.isdecimal():
        raise SettingsError("this is no database of a hub", hint="run: waypost-hub init, or name its database")
    held = int(version)
    if held > SCHEMA_VERSION:
        raise SettingsError(
            "the hub's database was written by a newer Waypost", hint="install that version or a later one"
        )
    for migration in MIGRATIONS[held - 1 :]:
        migration(connection)
    return held < SCHEMA_VERSION
