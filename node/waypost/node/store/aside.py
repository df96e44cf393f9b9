"""Mail that was set aside because a fault of this program kept it from being taken."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.node.limits import MAIL_ASIDE_MAX
from waypost.node.store.database import NodeDatabase, Row


@dataclass(frozen=True, slots=True)
class MailAside:
    """A piece of mail as it came. `kind` is what it carries, `fault` where the program failed; neither is personal."""

    id: int
    kind: str
    fault: str
    mail: bytes
    at_ms: int
    due: bool = False
    """Whether the running node is to try it again."""


class AsideRepository:
    """Mail set aside, oldest first."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, kind: str, fault: str, mail: bytes, at_ms: int) -> bool:
        """Keep a piece; False, and no change, when MAIL_ASIDE_MAX are kept already, or this very one is."""
        with self._db.writing():
            if self.count() >= MAIL_ASIDE_MAX or self._db.row("SELECT 1 FROM mail_aside WHERE mail = ?", (mail,)):
                return False
            sql = "INSERT INTO mail_aside (kind, fault, mail, at_ms) VALUES (?, ?, ?, ?)"
            self._db.run(sql, (kind, fault, mail, at_ms))
        return True

    def all(self) -> list[MailAside]:
        """Every piece."""
        return [_piece(row) for row in self._db.rows(f"{_PIECE} ORDER BY id")]

    def due(self) -> MailAside | None:
        """The oldest piece that is to be tried again."""
        row = self._db.row(f"{_PIECE} WHERE due = 1 ORDER BY id LIMIT 1")
        return _piece(row) if row else None

    def make_due(self, not_of_kind: str) -> int:
        """Have every piece tried again but those of one kind; how many."""
        return self._db.run("UPDATE mail_aside SET due = 1 WHERE kind <> ?", (not_of_kind,))

    def failed_again(self, aside_id: int, fault: str) -> None:
        """The piece stays aside."""
        self._db.run("UPDATE mail_aside SET due = 0, fault = ? WHERE id = ?", (fault, aside_id))

    def remove(self, aside_id: int) -> None:
        """The piece was taken, or refused for good."""
        self._db.run("DELETE FROM mail_aside WHERE id = ?", (aside_id,))

    def count(self) -> int:
        """How many pieces there are."""
        return self._db.number("SELECT count(*) FROM mail_aside")


_PIECE = "SELECT id, kind, fault, mail, at_ms, due FROM mail_aside"


def _piece(row: Row) -> MailAside:
    aside_id, kind, fault, mail, at_ms, due = row
    return MailAside(aside_id, kind, fault, mail, at_ms, bool(due))
