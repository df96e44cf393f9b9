"""Notices about changed records: those this node owes to others, and those it was sent.

States of a notice that is owed:

    due --sealed and put into the outbox--> posted --the hub took it--> sent --acknowledged--> delivered
    posted --the hub refused it--> due, not before `retry_at_ms`
    posted or sent --its life is over, or the node's signing key was changed--> due
    posted --the record has changed before it left--> due
    due --this node itself had asked--> delivered

1. There is at most one due notice per recipient and record, or officer: a further change before it leaves joins it.
2. `sequence` rises per recipient and record, or officer, and is at least the second of the change (since 1970), so that
   a store that was restored from a backup goes on above what it had sent. An acknowledgement delivers the notice and
   every earlier one.
3. What a received notice says is encrypted (cipher.py).
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
    """A notice to a member that received an earlier version; `changes` are the words of notice.proto, oldest first.

    It is about a record, or about an officer himself: the key of the other is empty.
    """

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
    officer_id: int | None = None
    officer_key: str = ""

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        return self.record_key or f"officer {self.officer_key}"


@dataclass(frozen=True, slots=True)
class ReceivedNotice:
    """A notice of another member about a record that it had disclosed; `body` is a serialized NoticeBody."""

    owner: str
    record_key: str
    sequence: int
    body: bytes
    received_at_ms: int
    officer_key: str = ""
    """Of the officer, when it is about him and no record."""


class NoticeRepository:
    """Notices owed and received."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def owe(self, recipient: str, record_key: str, change: str, reason: str, at_ms: int) -> None:
        """Enter that the recipient must be told of a record (rules 1 and 2)."""
        row = self._db.row("SELECT id FROM conduct WHERE record_key = ?", (record_key,))
        if row is not None:
            self._owe("conduct_id", row[0], recipient, change, reason, at_ms)

    def owe_officer(self, recipient: str, officer_id: int, change: str, reason: str, at_ms: int) -> None:
        """Enter that the recipient must be told of an officer himself (rules 1 and 2)."""
        self._owe("officer_id", officer_id, recipient, change, reason, at_ms)

    def _owe(self, subject: str, number: int, recipient: str, change: str, reason: str, at_ms: int) -> None:
        with self._db.writing():
            due = self._db.row(
                f"SELECT id, changes FROM notices WHERE recipient = ? AND {subject} = ? AND state = ?",
                (recipient, number, DUE),
            )
            if due is not None:
                changes = [*json.loads(due[1]), change][-NOTICE_CHANGES_MAX:]
                self._db.run(
                    "UPDATE notices SET changes = ?, reason = ?, changed_at_ms = ?, retry_at_ms = 0, "
                    "sequence = max(sequence, ?) WHERE id = ?",
                    (json.dumps(changes), reason, at_ms, at_ms // 1000, due[0]),
                )
                return
            self._db.run(
                f"INSERT INTO notices (recipient, {subject}, sequence, changes, reason, changed_at_ms, state) "
                "VALUES (?, ?, max(?, 1 + (SELECT coalesce(max(sequence), 0) FROM notices "
                f"WHERE recipient = ? AND {subject} = ?)), ?, ?, ?, ?)",
                (recipient, number, at_ms // 1000, recipient, number, json.dumps([change]), reason, at_ms, DUE),
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

    def make_anew(self, message_id: bytes) -> None:
        """The message was taken out of the outbox, for the record has changed: it joins what is due (rule 1)."""
        with self._db.writing():
            row = self._db.row(
                "SELECT id, changes, recipient, conduct_id, officer_id FROM notices WHERE message_id = ? AND state = ?",
                (message_id, POSTED),
            )
            if row is None:
                return
            notice_id, changes, *about = row
            due = self._db.row(
                "SELECT id, changes FROM notices WHERE recipient = ? AND (conduct_id IS ?) AND (officer_id IS ?) "
                "AND state = ?",
                (*about, DUE),
            )
            if due is None:
                self._db.run("UPDATE notices SET state = ?, retry_at_ms = 0 WHERE id = ?", (DUE, notice_id))
                return
            joined = json.dumps([*json.loads(changes), *json.loads(due[1])][-NOTICE_CHANGES_MAX:])
            self._db.run("UPDATE notices SET changes = ? WHERE id = ?", (joined, due[0]))
            self._db.run("DELETE FROM notices WHERE id = ?", (notice_id,))

    def drop(self, notice_id: int) -> None:
        """Nobody needs to be told after all."""
        self._db.run("DELETE FROM notices WHERE id = ?", (notice_id,))

    def put_off(self, notice_id: int, trouble: str, retry_at_ms: int) -> None:
        """It cannot be made now."""
        self._db.run("UPDATE notices SET trouble = ?, retry_at_ms = ? WHERE id = ?", (trouble, retry_at_ms, notice_id))

    def delivered(self, message_id: bytes, recipient: str) -> bool:
        """The recipient acknowledged this message (rule 2); False when no such notice was sent to it."""
        with self._db.writing():
            sql = "SELECT conduct_id, officer_id, sequence FROM notices WHERE message_id = ? AND recipient = ?"
            row = self._db.row(sql, (message_id, recipient))
            if row is None:
                return False
            self._db.run(
                "UPDATE notices SET state = ?, trouble = '' "
                "WHERE recipient = ? AND (conduct_id IS ?) AND (officer_id IS ?) AND sequence <= ?",
                (DELIVERED, recipient, *row),
            )
        return True

    def kept_here(self, notice_id: int) -> None:
        """The recipient is this node itself, and has taken it."""
        self._db.run("UPDATE notices SET state = ?, trouble = '' WHERE id = ?", (DELIVERED, notice_id))

    def owed(self) -> list[OwedNotice]:
        """Every notice to others, oldest first."""
        return [_owed(row) for row in self._db.rows(f"{_OWED} ORDER BY notices.id")]

    def undelivered_count(self) -> int:
        """How many are not acknowledged."""
        return self._db.number("SELECT count(*) FROM notices WHERE state <> ?", (DELIVERED,))

    def newest_sequence(self, owner: str, record_key: str, officer_key: str = "") -> int:
        """Of the newest notice received about the record, or the officer; 0 when there is none."""
        sql = f"SELECT coalesce(max(sequence), 0) FROM notices_received WHERE {_ABOUT}"
        return self._db.number(sql, (owner, record_key, officer_key))

    def receive(self, notice: ReceivedNotice) -> None:
        """Keep a received notice."""
        self._db.run(
            "INSERT INTO notices_received (owner, record_key, officer_key, sequence, body_box, received_at_ms) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(notice.owner, notice.record_key, notice.officer_key, notice.sequence),
                *(self._cipher.seal(NOTICE, notice.body), notice.received_at_ms),
            ),
        )

    def forget_received(self, owner: str, record_key: str) -> None:
        """Erase what earlier notices said of the record."""
        self._db.run(f"DELETE FROM notices_received WHERE {_ABOUT}", (owner, record_key, ""))

    def received(self) -> list[ReceivedNotice]:
        """Every notice received, oldest first."""
        return [self._received(row) for row in self._db.rows(f"{_RECEIVED} ORDER BY received_at_ms, sequence")]

    def standing_of(self, owner: str) -> list[ReceivedNotice]:
        """The newest notice about each record and officer of an owner."""
        rows = self._db.rows(f"{_RECEIVED} WHERE owner = ? ORDER BY sequence", (owner,))
        return list({(row[1], row[2]): self._received(row) for row in rows}.values())

    def _received(self, row: Row) -> ReceivedNotice:
        owner, record_key, officer_key, sequence, body_box, received_at_ms = row
        body = self._cipher.open(NOTICE, body_box)
        return ReceivedNotice(owner, record_key, sequence, body, received_at_ms, officer_key)


_OWED = (
    "SELECT notices.id, recipient, coalesce(record_key, ''), sequence, changes, reason, changed_at_ms, state, trouble, "
    "notices.officer_id, coalesce(officer_key, '') FROM notices LEFT JOIN conduct ON conduct.id = conduct_id "
    "LEFT JOIN officers ON officers.id = notices.officer_id"
)
_RECEIVED = "SELECT owner, record_key, officer_key, sequence, body_box, received_at_ms FROM notices_received"
_ABOUT = "owner = ? AND record_key = ? AND officer_key = ?"


def _owed(row: Row) -> OwedNotice:
    notice_id, recipient, record_key, sequence, changes, *rest = row
    return OwedNotice(notice_id, recipient, record_key, sequence, tuple(json.loads(changes)), *rest)
