"""Batches: imports by name, with what each claimed and found missing, how its files looked, and which were undone.

An undo is a batch, too: it has no files, and says which import it undid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from waypost.node.store.database import NodeDatabase, Row
from waypost.node.store.imports import ImportedFile


@dataclass(frozen=True, slots=True)
class Batch:
    """One import, or the undoing of one (`undoes`). imported + unchanged + rejected = rows."""

    id: int
    name: str
    at_ms: int
    rows: int
    imported: int
    unchanged: int
    rejected: int
    complete: bool
    """Its files claimed to be the whole list of officers."""
    undoes: int | None
    undone_by: int | None
    files: tuple[ImportedFile, ...]


class BatchRepository:
    """All batches."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def describe(self, import_id: int, name: str, *, complete: bool = False, undoes: int | None = None) -> None:
        """Give an import its name."""
        self._db.run(
            "INSERT INTO batches (import_id, name, complete, undoes) VALUES (?, ?, ?, ?)",
            (import_id, name, int(complete), undoes),
        )

    def get(self, import_id: int) -> Batch | None:
        """The batch of that number."""
        with self._db.reading():
            row = self._db.row(f"{_BATCHES} WHERE imports.id = ?", (import_id,))
            return self._batch(row) if row else None

    def newest(self, limit: int) -> list[Batch]:
        """The newest batches, newest first."""
        with self._db.reading():
            rows = self._db.rows(f"{_BATCHES} ORDER BY imports.id DESC LIMIT ?", (limit,))
            return [self._batch(row) for row in rows]

    def _batch(self, row: Row) -> Batch:
        import_id, name, at_ms, rows, imported, unchanged, rejected, complete, undoes, undone_by = row
        sql = "SELECT name, kind, sha256, rows, rejected FROM import_files WHERE import_id = ? ORDER BY position"
        files = tuple(ImportedFile(*each) for each in self._db.rows(sql, (import_id,)))
        name = name or ", ".join(file.name for file in files)
        return Batch(
            *(import_id, name, at_ms, rows, imported, unchanged, rejected, bool(complete), undoes, undone_by, files)
        )

    def undone(self) -> dict[int, int]:
        """What each undo undid."""
        return dict(self._db.rows("SELECT import_id, undoes FROM batches WHERE undoes IS NOT NULL"))

    def later_with_unchanged(self, import_id: int) -> tuple[int, ...]:
        """Imports after that one which found rows as they were, and were not undone."""
        sql = (
            "SELECT id FROM imports WHERE id > ? AND unchanged > 0 "
            "AND id NOT IN (SELECT undoes FROM batches WHERE undoes IS NOT NULL) ORDER BY id"
        )
        return tuple(row[0] for row in self._db.rows(sql, (import_id,)))

    def add_missing(self, import_id: int, officer_ids: Iterable[int]) -> None:
        """Enter who was missing from a complete list."""
        self._db.run_many(
            "INSERT INTO batch_missing (import_id, officer_id) VALUES (?, ?)",
            ((import_id, each) for each in officer_ids),
        )

    def missing(self, import_id: int) -> list[str]:
        """Keys of the officers who were missing from a complete list."""
        sql = (
            "SELECT officer_key FROM batch_missing JOIN officers ON officers.id = officer_id "
            "WHERE batch_missing.import_id = ? ORDER BY officer_key"
        )
        return [row[0] for row in self._db.rows(sql, (import_id,))]

    def forget_shapes(self) -> None:
        """Nothing is remembered of how files looked: the next one of each series is compared with none."""
        self._db.run("DELETE FROM file_shapes")

    def add_shapes(self, import_id: int, shapes: Mapping[str, str]) -> None:
        """Enter how the files looked, by series."""
        self._db.run_many(
            "INSERT INTO file_shapes (import_id, series, shape) VALUES (?, ?, ?)",
            ((import_id, series, shape) for series, shape in shapes.items()),
        )

    def last_shape(self, series: str) -> str | None:
        """How the last files of that series looked; those of undone imports do not count."""
        row = self._db.row(
            "SELECT shape FROM file_shapes WHERE series = ? "
            "AND import_id NOT IN (SELECT undoes FROM batches WHERE undoes IS NOT NULL) "
            "ORDER BY import_id DESC LIMIT 1",
            (series,),
        )
        return str(row[0]) if row else None

    def newest_with(self, sha256: bytes) -> int | None:
        """The newest import of a file of these bytes, unless it was undone, or a later one of its kind came."""
        row = self._db.row(_NEWEST_WITH, (sha256,))
        return int(row[0]) if row else None


_BATCHES = (
    "SELECT imports.id, coalesce(batches.name, ''), at_ms, rows, imported, unchanged, rejected, "
    "coalesce(batches.complete, 0), batches.undoes, undo.import_id FROM imports "
    "LEFT JOIN batches ON batches.import_id = imports.id LEFT JOIN batches AS undo ON undo.undoes = imports.id"
)
_NEWEST_WITH = (
    "SELECT import_id FROM import_files AS this WHERE sha256 = ? "
    "AND import_id NOT IN (SELECT undoes FROM batches WHERE undoes IS NOT NULL) "
    "AND NOT EXISTS (SELECT 1 FROM import_files AS later WHERE later.kind = this.kind "
    "AND later.import_id > this.import_id "
    "AND later.import_id NOT IN (SELECT undoes FROM batches WHERE undoes IS NOT NULL)) "
    "ORDER BY import_id DESC LIMIT 1"
)
