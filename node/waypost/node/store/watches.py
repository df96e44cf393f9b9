"""Watches: the persons this member wants to hear of, and the tokens it has left at the hub for them.

States of a watch: active, then ended (removed by hand, or its time over). An ended watch stays on the books without its
person's details. A token without a watch is a decoy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from waypost.node.store.cipher import WATCH, ColumnCipher
from waypost.node.store.database import NodeDatabase, Row
from waypost.node.store.values import in_parts, marks

ACTIVE: Final = "active"
REMOVED: Final = "removed"
EXPIRED: Final = "expired"
_DECOY: Final = b""


@dataclass(frozen=True, slots=True)
class StoredWatch:
    """A watch. `inquiry_json` (applicants.Inquiry) is encrypted in the file, and empty once the watch has ended."""

    id: bytes
    label: str
    """The agency's own word for the person, such as an employee number."""
    inquiry_json: str
    created_at_ms: int
    expires_at_ms: int
    state: str = ACTIVE
    epoch: int = 0
    """The index epoch that its tokens were made in; 0 before they are."""
    hit_at_ms: int = 0
    check_id: bytes = b""
    """The newest check that a hit has caused."""


class WatchRepository:
    """Watches and their tokens."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def add(self, watch: StoredWatch) -> None:
        """Keep a new watch."""
        self._db.run(f"INSERT INTO watches ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._values(watch))

    def update(self, watch: StoredWatch) -> None:
        """Put this in the place of the watch of that id."""
        sql = (
            "UPDATE watches SET label = ?, inquiry_box = ?, created_at_ms = ?, expires_at_ms = ?, state = ?, "
            "epoch = ?, hit_at_ms = ?, check_id = ? WHERE id = ?"
        )
        self._db.run(sql, (*self._values(watch)[1:], watch.id))

    def get(self, watch_id: bytes) -> StoredWatch | None:
        """The watch of that id."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM watches WHERE id = ?", (watch_id,))
        return self._watch(row) if row else None

    def all(self) -> list[StoredWatch]:
        """Every watch, ended ones included, oldest first."""
        return [self._watch(row) for row in self._db.rows(f"SELECT {_COLUMNS} FROM watches ORDER BY created_at_ms, id")]

    def without_tokens(self, epoch: int, limit: int) -> list[StoredWatch]:
        """Active watches whose tokens were not made in that epoch yet."""
        sql = f"SELECT {_COLUMNS} FROM watches WHERE state = ? AND epoch <> ? ORDER BY created_at_ms, id LIMIT ?"
        return [self._watch(row) for row in self._db.rows(sql, (ACTIVE, epoch, limit))]

    def overdue(self, now_ms: int) -> list[StoredWatch]:
        """Active watches whose time is over."""
        sql = f"SELECT {_COLUMNS} FROM watches WHERE state = ? AND expires_at_ms <= ?"
        return [self._watch(row) for row in self._db.rows(sql, (ACTIVE, now_ms))]

    def put_tokens(self, watch_id: bytes, tokens: Iterable[bytes], epoch: int) -> None:
        """Keep a watch's tokens; nothing of them is at the hub yet."""
        self._insert((token, watch_id, epoch) for token in tokens)

    def put_decoys(self, decoys: Iterable[bytes], epoch: int) -> None:
        """Keep tokens that stand for nobody and fill up batches."""
        self._insert((token, _DECOY, epoch) for token in decoys)

    def _insert(self, rows: Iterable[tuple[object, ...]]) -> None:
        sql = "INSERT OR IGNORE INTO watch_tokens (token, watch_id, epoch, leased_until_ms) VALUES (?, ?, ?, 0)"
        self._db.run_many(sql, rows)

    def to_lease(self, epoch: int, before_ms: int, limit: int) -> list[bytes]:
        """Distinct tokens whose lease ends before that moment, ascending."""
        sql = (
            "SELECT DISTINCT token FROM watch_tokens WHERE epoch = ? AND leased_until_ms < ? AND gone = 0 "
            "ORDER BY token LIMIT ?"
        )
        return [row[0] for row in self._db.rows(sql, (epoch, before_ms, limit))]

    def at_hub(self, now_ms: int) -> frozenset[bytes]:
        """Ids of the watches all of whose tokens the hub was given, and holds at that moment."""
        sql = "SELECT watch_id FROM watch_tokens WHERE gone = 0 GROUP BY watch_id HAVING min(leased_until_ms) > ?"
        return frozenset(row[0] for row in self._db.rows(sql, (now_ms,)))

    def mark_leased(self, tokens: Sequence[bytes], epoch: int, until_ms: int) -> None:
        """These were sent to the hub."""
        sql = "UPDATE watch_tokens SET leased_until_ms = ? WHERE token = ? AND epoch = ?"
        self._db.run_many(sql, ((until_ms, token, epoch) for token in tokens))

    def drop_tokens(self, watch_id: bytes) -> None:
        """The watch has ended: what no other watch needs is to be withdrawn."""
        with self._db.writing():
            self._db.run("UPDATE watch_tokens SET gone = 1 WHERE watch_id = ?", (watch_id,))

    def to_withdraw(self, epoch: int, limit: int) -> list[bytes]:
        """Tokens of ended watches that no active one has, ascending."""
        sql = (
            "SELECT DISTINCT token FROM watch_tokens AS gone WHERE epoch = ? AND gone = 1 AND NOT EXISTS "
            "(SELECT 1 FROM watch_tokens AS kept WHERE kept.epoch = gone.epoch AND kept.token = gone.token "
            "AND kept.gone = 0) ORDER BY token LIMIT ?"
        )
        return [row[0] for row in self._db.rows(sql, (epoch, limit))]

    def forget_ended(self, tokens: Sequence[bytes], epoch: int) -> None:
        """The withdrawal is on its way."""
        sql = "DELETE FROM watch_tokens WHERE token = ? AND epoch = ? AND gone = 1"
        self._db.run_many(sql, ((token, epoch) for token in tokens))

    def forget_other_epochs(self, epoch: int) -> None:
        """Tokens of other keys are nobody's any more."""
        self._db.run("DELETE FROM watch_tokens WHERE epoch <> ?", (epoch,))

    def hit_by(self, tokens: Sequence[bytes], epoch: int) -> list[StoredWatch]:
        """The active watches that any of these tokens stand for."""
        found: dict[bytes, StoredWatch] = {}
        for part in in_parts(tokens):
            sql = (
                f"SELECT {_COLUMNS} FROM watches WHERE state = ? AND id IN "
                f"(SELECT watch_id FROM watch_tokens WHERE epoch = ? AND gone = 0 AND token IN ({marks(part)}))"
            )
            for row in self._db.rows(sql, (ACTIVE, epoch, *part)):
                found[row[0]] = self._watch(row)
        return list(found.values())

    def count(self, state: str = ACTIVE) -> int:
        """How many watches are in that state."""
        return self._db.number("SELECT count(*) FROM watches WHERE state = ?", (state,))

    def _values(self, watch: StoredWatch) -> tuple[object, ...]:
        box = self._cipher.seal(WATCH, watch.inquiry_json.encode())
        return (
            *(watch.id, watch.label, box, watch.created_at_ms, watch.expires_at_ms),
            *(watch.state, watch.epoch, watch.hit_at_ms, watch.check_id),
        )

    def _watch(self, row: Row) -> StoredWatch:
        watch_id, label, box, *rest = row
        return StoredWatch(watch_id, label, self._cipher.open(WATCH, box).decode(), *rest)


_COLUMNS = "id, label, inquiry_box, created_at_ms, expires_at_ms, state, epoch, hit_at_ms, check_id"
