"""What the link needs to survive a crash: messages seen, messages waiting, the roster in force."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.crypto.envelope import parse_envelope
from waypost.node.errors import Refused, StoreUnavailable
from waypost.node.limits import OUTBOX_MESSAGES_MAX, REPLAY_MESSAGES_MAX
from waypost.node.store.database import NodeDatabase
from waypost.protocol.roster import parse_roster


class ReplayRepository:
    """Messages seen, kept until they expire: a waypost.crypto.freshness.ReplayStore that survives a restart."""

    def __init__(self, database: NodeDatabase, messages_max: int = REPLAY_MESSAGES_MAX) -> None:
        self._db = database
        self._messages_max = messages_max
        self._count = -1  # counted on first use; counting at every message would cost more than all else

    def add(self, sender: str, message_id: bytes, expires_at_ms: int) -> bool:
        """Remember this message; False when it was there already. Refused when the store is full."""
        if self._count < 0:
            self._count = self._db.number("SELECT count(*) FROM replay")
        if self._count >= self._messages_max:
            raise Refused("too-many", "the store of seen messages is full", hint="look which member floods the node")
        added = self._db.run(
            "INSERT OR IGNORE INTO replay (sender, message_id, expires_at_ms) VALUES (?, ?, ?)",
            (sender, message_id, expires_at_ms),
        )
        self._count += added
        return added == 1

    def purge(self, now_ms: int) -> None:
        """Forget what has expired."""
        self._db.run("DELETE FROM replay WHERE expires_at_ms <= ?", (now_ms,))
        self._count = -1


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A signed message that waits for the link. `id` is the post's number on the wire, `reference` the check's id."""

    id: int
    kind: str
    reference: bytes
    envelope: bytes
    created_at_ms: int


class OutboxRepository:
    """Signed messages that the hub has not confirmed yet."""

    def __init__(self, database: NodeDatabase, messages_max: int = OUTBOX_MESSAGES_MAX) -> None:
        self._db = database
        self._messages_max = messages_max

    def add(self, kind: str, reference: bytes, envelope: bytes, now_ms: int) -> int:
        """Keep a message until it is removed; its number, never used twice. StoreUnavailable when all is full."""
        with self._db.writing():
            if self._full():
                raise StoreUnavailable("the outbox is full", hint="look why the hub does not take the node's messages")
            return self._db.insert(
                "INSERT INTO outbox (kind, reference, envelope, created_at_ms) VALUES (?, ?, ?, ?)",
                (kind, reference, envelope, now_ms),
            )

    def _full(self) -> bool:
        """Numbers are never used twice, so there are at most as many messages as numbers in between: rarely counted."""
        newest, oldest = (self._db.number(f"SELECT coalesce({end}(id), 0) FROM outbox") for end in ("max", "min"))
        return newest - oldest + 1 >= self._messages_max and self.count() >= self._messages_max

    def waiting(self, limit: int, after_id: int = 0) -> list[OutgoingMessage]:
        """Messages in the order they were added, beyond that number."""
        sql = "SELECT id, kind, reference, envelope, created_at_ms FROM outbox WHERE id > ? ORDER BY id LIMIT ?"
        return [OutgoingMessage(*row) for row in self._db.rows(sql, (after_id, limit))]

    def get(self, message_id: int) -> OutgoingMessage | None:
        """The message of that number, unless it was removed."""
        sql = "SELECT id, kind, reference, envelope, created_at_ms FROM outbox WHERE id = ?"
        row = self._db.row(sql, (message_id,))
        return OutgoingMessage(*row) if row else None

    def of_reference(self, kind: str, reference: bytes) -> OutgoingMessage | None:
        """The newest message of that kind and reference."""
        sql = (
            "SELECT id, kind, reference, envelope, created_at_ms FROM outbox WHERE kind = ? AND reference = ? "
            "ORDER BY id DESC LIMIT 1"
        )
        row = self._db.row(sql, (kind, reference))
        return OutgoingMessage(*row) if row else None

    def remove(self, message_id: int) -> None:
        """The hub has it, or refused it for good."""
        self._db.run("DELETE FROM outbox WHERE id = ?", (message_id,))

    def count(self) -> int:
        """How many wait."""
        return self._db.number("SELECT count(*) FROM outbox")


@dataclass(frozen=True, slots=True)
class StoredRoster:
    """An accepted roster as it was signed."""

    version: int
    envelope: bytes
    accepted_at_ms: int


class RosterRepository:
    """Accepted rosters; the newest is in force, older ones are kept for verifying what was signed under them."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def put(self, roster: StoredRoster) -> None:
        """Keep an accepted roster; one that is held already stays as it is."""
        self._db.run(
            "INSERT OR IGNORE INTO roster (version, envelope, accepted_at_ms) VALUES (?, ?, ?)",
            (roster.version, roster.envelope, roster.accepted_at_ms),
        )

    def newest(self) -> StoredRoster | None:
        """The roster in force."""
        row = self._db.row("SELECT version, envelope, accepted_at_ms FROM roster ORDER BY version DESC LIMIT 1")
        return StoredRoster(*row) if row else None

    def get(self, version: int) -> StoredRoster | None:
        """A certain version."""
        row = self._db.row("SELECT version, envelope, accepted_at_ms FROM roster WHERE version = ?", (version,))
        return StoredRoster(*row) if row else None

    def keys_of(self, ori: str) -> frozenset[bytes]:
        """Every signing key that the held rosters give a member."""
        rosters = (parse_roster(parse_envelope(row[0]).payload) for row in self._db.rows("SELECT envelope FROM roster"))
        members = (roster.member(ori) for roster in rosters)
        return frozenset(member.signing_public_key for member in members if member is not None)
