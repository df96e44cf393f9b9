"""Notices about changed records: those this node owes to others, and those it was sent.

States of a notice that is owed:

    due --sealed and put into the outbox--> posted --the hub took it--> sent --acknowledged--> delivered
    posted --the hub refused it--> due, not before `retry_at_ms`
    posted or sent --its life is over--> due

1. There is at most one due notice per recipient and record: a further change before it leaves joins it.
2. `sequence` counts up per recipient and record. An acknowledgement delivers the notice and every earlier one.
3. What a received notice says of the record is encrypted (cipher.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from waypost.node.store.cipher import NOTICE, ColumnCipher
from waypost.node.store.database import NodeDatabase, Row
from waypost.protocol.limits import NOTICE_CHANGES_MAX

DUE, POSTED, SENT, DELIVERED = "due", "posted", "sent", "delivered"


@dataclass(frozen=True, slots=True)
class OwedNotice:
    """A notice to a member that received an earlier version; `changes` are the words of notice.proto, oldest first."""

    id: int
    recipient: str
    record_key: str
    sequence: int
    changes: tuple[str, ...]
    reason: str
    changed_at_ms: int
    state: str
    trouble: str
    """Why the last try did not get through; empty when none failed."""


@dataclass(frozen=True, slots=True)
class ReceivedNotice:
    """A notice of another member about a record that it had disclosed; `body` is a serialized NoticeBody."""

    owner: str
    record_key: str
    sequence: int
    body: bytes
    received_at_ms: int


class NoticeRepository:
    """Notices owed and received."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def owe(self, recipient: str, record_key: str, change: str, reason: str, at_ms: int) -> None:
        """Enter that the recipient must be told (rules 1 and 2)."""
        with self._db.writing():
            due = self._db.row(
                "SELECT notices.id, changes FROM notices JOIN conduct ON conduct.id = conduct_id "
                "WHERE recipient = ? AND record_key = ? AND state = ?",
                (recipient, record_key, DUE),
            )
            if due is not None:
                changes = [*json.loads(due[1]), change][-NOTICE_CHANGES_MAX:]
                self._db.run(
                    "UPDATE notices SET changes = ?, reason = ?, changed_at_ms = ?, retry_at_ms = 0 WHERE id = ?",
                    (json.dumps(changes), reason, at_ms, due[0]),
                )
                return
            self._db.run(
                "INSERT INTO notices (recipient, conduct_id, sequence, changes, reason, changed_at_ms, state) "
                "SELECT ?, id, 1 + (SELECT coalesce(max(sequence), 0) FROM notices WHERE recipient = ? "
                "AND conduct_id = conduct.id), ?, ?, ?, ? FROM conduct WHERE record_key = ?",
                (recipient, recipient, json.dumps([change]), reason, at_ms, DUE, record_key),
            )

    def due(self, now_ms: int, limit: int) -> list[OwedNotice]:
        """Notices to be made now, oldest first. What was sent and is past its life is due again."""
        self._db.run(
            "UPDATE OR IGNORE notices SET state = ?, trouble = 'not acknowledged in time' "
            "WHERE state IN (?, ?) AND expires_at_ms <= ?",
            (DUE, POSTED, SENT, now_ms),
        )
        where = "WHERE state = ? AND retry_at_ms <= ? ORDER BY notices.id LIMIT ?"
        return [_owed(row) for row in self._db.rows(f"{_OWED} {where}", (DUE, now_ms, limit))]

    def posted(self, notice_id: int, message_id: bytes, expires_at_ms: int) -> None:
        """The notice was put into the outbox as this message."""
        self._db.run(
            "UPDATE notices SET state = ?, message_id = ?, expires_at_ms = ? WHERE id = ?",
            (POSTED, message_id, expires_at_ms, notice_id),
        )

    def sent(self, message_id: bytes) -> None:
        """The hub has it."""
        sql = "UPDATE notices SET state = ?, trouble = '' WHERE message_id = ? AND state = ?"
        self._db.run(sql, (SENT, message_id, POSTED))

    def refused(self, message_id: bytes, trouble: str, retry_at_ms: int) -> None:
        """The hub refused it."""
        sql = "UPDATE OR IGNORE notices SET state = ?, trouble = ?, retry_at_ms = ? WHERE message_id = ? AND state = ?"
        self._db.run(sql, (DUE, trouble, retry_at_ms, message_id, POSTED))

    def put_off(self, notice_id: int, trouble: str, retry_at_ms: int) -> None:
        """It cannot be made now."""
        self._db.run("UPDATE notices SET trouble = ?, retry_at_ms = ? WHERE id = ?", (trouble, retry_at_ms, notice_id))

    def delivered(self, message_id: bytes, recipient: str) -> bool:
        """The recipient acknowledged this message (rule 2); False when no such notice was sent to it."""
        with self._db.writing():
            sql = "SELECT conduct_id, sequence FROM notices WHERE message_id = ? AND recipient = ?"
            row = self._db.row(sql, (message_id, recipient))
            if row is None:
                return False
            self._db.run(
                "UPDATE notices SET state = ?, trouble = '' WHERE recipient = ? AND conduct_id = ? AND sequence <= ?",
                (DELIVERED, recipient, *row),
            )
        return True

    def owed(self) -> list[OwedNotice]:
        """Every notice to others, oldest first."""
        return [_owed(row) for row in self._db.rows(f"{_OWED} ORDER BY notices.id")]

    def undelivered_count(self) -> int:
        """How many are not acknowledged."""
        return self._db.number("SELECT count(*) FROM notices WHERE state <> ?", (DELIVERED,))

    def newest_sequence(self, owner: str, record_key: str) -> int:
        """Of the newest notice received about the record; 0 when there is none."""
        sql = "SELECT coalesce(max(sequence), 0) FROM notices_received WHERE owner = ? AND record_key = ?"
        return self._db.number(sql, (owner, record_key))

    def receive(self, notice: ReceivedNotice) -> None:
        """Keep a received notice."""
        self._db.run(
            "INSERT INTO notices_received (owner, record_key, sequence, body_box, received_at_ms) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                *(notice.owner, notice.record_key, notice.sequence),
                *(self._cipher.seal(NOTICE, notice.body), notice.received_at_ms),
            ),
        )

    def forget_received(self, owner: str, record_key: str) -> None:
        """Erase what earlier notices said of the record."""
        self._db.run("DELETE FROM notices_received WHERE owner = ? AND record_key = ?", (owner, record_key))

    def received(self) -> list[ReceivedNotice]:
        """Every notice received, oldest first."""
        return [self._received(row) for row in self._db.rows(f"{_RECEIVED} ORDER BY received_at_ms, sequence")]

    def standing_of(self, owner: str) -> dict[str, ReceivedNotice]:
        """The newest notice about each record of an owner, by record_key."""
        rows = self._db.rows(f"{_RECEIVED} WHERE owner = ? ORDER BY sequence", (owner,))
        return {row[1]: self._received(row) for row in rows}

    def _received(self, row: Row) -> ReceivedNotice:
        owner, record_key, sequence, body_box, received_at_ms = row
        return ReceivedNotice(owner, record_key, sequence, self._cipher.open(NOTICE, body_box), received_at_ms)


_OWED = (
    "SELECT notices.id, recipient, record_key, sequence, changes, reason, changed_at_ms, state, trouble FROM notices "
    "JOIN conduct ON conduct.id = conduct_id"
)
_RECEIVED = "SELECT owner, record_key, sequence, body_box, received_at_ms FROM notices_received"


def _owed(row: Row) -> OwedNotice:
    notice_id, recipient, record_key, sequence, changes, *rest = row
    return OwedNotice(notice_id, recipient, record_key, sequence, tuple(json.loads(changes)), *rest)
