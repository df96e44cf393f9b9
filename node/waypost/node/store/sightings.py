"""What the rows of the running import were about: where each thing was seen first. It is gone with the import.

Kept in a temporary table, for an import may have millions of rows and memory must stay flat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from waypost.node.store.database import NodeDatabase

Sighting = tuple[str, int, int]
"""What it is about (a key that no two things share), the file's index in the import, the line."""

_SEPARATOR: Final = "\x1f"


class SightingRepository:
    """The things that the running import has seen."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def begin(self) -> None:
        """Forget everything; within the import's transaction."""
        self._db.run(
            "CREATE TEMP TABLE IF NOT EXISTS sightings (thing TEXT PRIMARY KEY, file INT, line INT) WITHOUT ROWID"
        )
        self._db.run("DELETE FROM temp.sightings")

    def add(self, sightings: Iterable[Sighting]) -> None:
        """Remember where these were seen, unless they were seen before."""
        self._db.run_many("INSERT OR IGNORE INTO temp.sightings VALUES (?, ?, ?)", sightings)

    def first(self, thing: str) -> tuple[int, int] | None:
        """Where it was seen first: the file's index and the line."""
        return self._db.row("SELECT file, line FROM temp.sightings WHERE thing = ?", (thing,))


def thing(*key: str) -> str:
    """What a row is about, as one key."""
    return _SEPARATOR.join(key)
