"""Letters to applicants: that one was written about a check, until when he may answer, and whether the duty is done."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.node.store.database import NodeDatabase


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter about a check; `answer_until` is an ISO date. `done_at_ms` is 0 while the duty is open."""

    check_id: bytes
    written_at_ms: int
    answer_until: str
    written_by: str
    done_at_ms: int = 0
    done_by: str = ""


class LetterRepository:
    """All letters; the newest one of a check counts."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def put(self, letter: StoredLetter) -> None:
        """Keep a letter in the place of an earlier one about the same check."""
        self._db.run(
            "INSERT OR REPLACE INTO letters (check_id, written_at_ms, answer_until, written_by, done_at_ms, done_by) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(letter.check_id, letter.written_at_ms, letter.answer_until, letter.written_by),
                *(letter.done_at_ms, letter.done_by),
            ),
        )

    def get(self, check_id: bytes) -> StoredLetter | None:
        """The letter about a check."""
        row = self._db.row(
            "SELECT check_id, written_at_ms, answer_until, written_by, done_at_ms, done_by FROM letters "
            "WHERE check_id = ?",
            (check_id,),
        )
        return StoredLetter(*row) if row else None
