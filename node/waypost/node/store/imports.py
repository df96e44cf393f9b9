"""Import batches: which files came when, and what became of their rows."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.node.store.database import NodeDatabase


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file of a batch. `kind` is "officers", "employment" or "conduct", `sha256` that of its bytes."""

    name: str
    kind: str
    sha256: bytes
    rows: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ImportBatch:
    """One import: imported + unchanged + rejected = rows, over all its files."""

    at_ms: int
    rows: int
    imported: int
    unchanged: int
    rejected: int
    files: tuple[ImportedFile, ...]


class ImportRepository:
    """All imports that were finished."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def begin(self, at_ms: int) -> int:
        """A batch without counts yet, for rows to refer to; `finish` it within the same transaction."""
        return self._db.insert(
            "INSERT INTO imports (at_ms, rows, imported, unchanged, rejected) VALUES (?, 0, 0, 0, 0)", (at_ms,)
        )

    def finish(self, import_id: int, batch: ImportBatch) -> None:
        """Enter the counts and files."""
        self._db.run(
            "UPDATE imports SET at_ms = ?, rows = ?, imported = ?, unchanged = ?, rejected = ? WHERE id = ?",
            (batch.at_ms, batch.rows, batch.imported, batch.unchanged, batch.rejected, import_id),
        )
        self._db.run_many(
            "INSERT INTO import_files (import_id, position, name, kind, sha256, rows, rejected) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (import_id, position, file.name, file.kind, file.sha256, file.rows, file.rejected)
                for position, file in enumerate(batch.files)
            ),
        )

    def newest(self, limit: int) -> list[ImportBatch]:
        """The newest batches, newest first."""
        with self._db.reading():
            rows = self._db.rows(
                "SELECT id, at_ms, rows, imported, unchanged, rejected FROM imports ORDER BY id DESC LIMIT ?", (limit,)
            )
            return [
                ImportBatch(at_ms, count, imported, unchanged, rejected, self._files(import_id))
                for import_id, at_ms, count, imported, unchanged, rejected in rows
            ]

    def last_change_ms(self) -> int:
        """When an import last changed a record; 0 when none has."""
        return self._db.number("SELECT coalesce(max(at_ms), 0) FROM imports WHERE imported > 0")

    def _files(self, import_id: int) -> tuple[ImportedFile, ...]:
        sql = "SELECT name, kind, sha256, rows, rejected FROM import_files WHERE import_id = ? ORDER BY position"
        return tuple(ImportedFile(*row) for row in self._db.rows(sql, (import_id,)))
