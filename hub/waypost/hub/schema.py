"""The hub's tables, in SQLAlchemy Core, for SQLite and PostgreSQL alike. Times are milliseconds since 1970.

Nothing here names a person: tokens are outputs of the blind index, mail is ciphertext, and who matched a check is kept
no longer than its delivery needs.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata: Final = MetaData()
_BigSerial: Final = BigInteger().with_variant(Integer, "sqlite")

meta: Final = Table("meta", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))

invitations: Final = Table(
    "invitations",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("ori", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("role", Integer, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger),
)

members: Final = Table(
    "members",
    metadata,
    Column("id", _BigSerial, primary_key=True, autoincrement=True),
    Column("ori", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("role", Integer, nullable=False),
    Column("status", Integer, nullable=False),
    Column("signing_public_key", LargeBinary, nullable=False),
    Column("sealing_public_key", LargeBinary, nullable=False),
    Column("application", LargeBinary, nullable=False),
    Column("joined_at_ms", BigInteger, nullable=False),
)

rosters: Final = Table(
    "rosters",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("envelope", LargeBinary, nullable=False),
)

proposals: Final = Table(
    "proposals",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("roster", LargeBinary, nullable=False),
    Column("application", LargeBinary),
    Column("invitation_digest", LargeBinary),
)
"""A roster on its way to the trustee: kept until its fate is known, so that a crash in between loses nothing."""

pointers: Final = Table(
    "pointers",
    metadata,
    Column("epoch", Integer, primary_key=True),
    Column("token", LargeBinary, primary_key=True),
    Column("member_id", Integer, primary_key=True),
    Index("pointers_by_member", "member_id", "epoch", "token"),
    sqlite_with_rowid=False,
)

bucket_digests: Final = Table(
    "bucket_digests",
    metadata,
    Column("member_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("digests", LargeBinary, nullable=False),
)
"""A member's 256 bucket digests, 32 bytes each, as last computed; zeros where a registration has changed the bucket."""

pointer_counts: Final = Table(
    "pointer_counts",
    metadata,
    Column("member_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("pointers", BigInteger, nullable=False),
)
"""How many pointers a member has: counted once, then kept with every registration."""

watched: Final = Table(
    "watched",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("token", LargeBinary(16), primary_key=True),
    Column("member_id", Integer, primary_key=True, autoincrement=False),
    Column("expires_at_ms", BigInteger, nullable=False, index=True),
    Index("watched_by_member", "member_id"),
    sqlite_with_rowid=False,
)
"""Tokens that members watch: whose each is and until when it is held, and nothing that says which belong together."""

index_states: Final = Table(
    "index_states",
    metadata,
    Column("member_id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("agreed_at_ms", BigInteger, nullable=False),
)

mailbox: Final = Table(
    "mailbox",
    metadata,
    Column("id", _BigSerial, primary_key=True, autoincrement=True),
    Column("ori", String, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("check_id", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("author", String, nullable=False, server_default=""),
    Index("mailbox_by_member", "ori", "id"),
    Index("mailbox_by_check", "check_id"),
    Index("mailbox_by_author", "author"),
    sqlite_autoincrement=True,
)
"""Mail that waits; `author` is the member that signed it, empty when the hub did."""

returned: Final = Table(
    "returned",
    metadata,
    Column("mail_id", BigInteger, primary_key=True, autoincrement=False),
    Column("author", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("ori", String, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("check_id", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Index("returned_by_author", "author", "digest"),
    Index("returned_by_check", "check_id"),
)
"""Mail that was taken out of the mailbox because its author's key has changed, under the number that it had there."""

checks: Final = Table(
    "checks",
    metadata,
    Column("check_id", LargeBinary, primary_key=True),
    Column("asker", String, nullable=False),
    Column("request_digest", LargeBinary, nullable=False),
    Column("accepted_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("roster_version", BigInteger, nullable=False),
    Column("coverage", LargeBinary, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Index("checks_by_asker", "asker"),
)

responses: Final = Table(
    "responses",
    metadata,
    Column("check_id", LargeBinary, primary_key=True),
    Column("ori", String, primary_key=True),
    Column("state", Integer, nullable=False),
    Column("answer_digest", LargeBinary, nullable=False),
    Column("reason", String, nullable=False),
)

check_counts: Final = Table(
    "check_counts",
    metadata,
    Column("asker", String, primary_key=True),
    Column("purpose", Integer, primary_key=True),
    Column("hour", BigInteger, primary_key=True),
    Column("checks", Integer, nullable=False),
)

facts: Final = Table(
    "facts",
    metadata,
    Column("id", _BigSerial, primary_key=True, autoincrement=True),
    Column("type", String, nullable=False),
    Column("author", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("counts_from_ms", BigInteger, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("acceptance", LargeBinary),
    Index("facts_by_author", "author", "counts_from_ms"),
)
"""Facts of compliance as they were signed, and the hub's signed acceptance of those that members signed."""

reconciliations: Final = Table(
    "reconciliations",
    metadata,
    Column("day", String, primary_key=True),
    Column("ori", String, primary_key=True),
    Column("agreed", Integer, nullable=False),
    Column("differed", Integer, nullable=False),
)
"""Comparisons of members' indexes with the hub's, counted until the day's ReconciliationDay is signed for good."""

reconciliation_days: Final = Table(
    "reconciliation_days",
    metadata,
    Column("day", String, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
)
"""Signed days; the present one is signed anew while it lasts."""

releases: Final = Table(
    "releases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("as_of", String, nullable=False),
    Column("built_at_ms", BigInteger, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
)
"""Every public release's manifest, as the hub signed it."""

seen: Final = Table(
    "seen",
    metadata,
    Column("sender", String, primary_key=True),
    Column("message_id", LargeBinary, primary_key=True),
    Column("expires_at_ms", BigInteger, nullable=False),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", _BigSerial, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("event", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", String, nullable=False),
)

log_queue: Final = Table(
    "log_queue",
    metadata,
    Column("id", _BigSerial, primary_key=True, autoincrement=True),
    Column("kind", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)

log_entries: Final = Table(
    "log_entries",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Index("log_entries_by_digest", "digest"),
)

log_nodes: Final = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

log_head: Final = Table(
    "log_head",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
)

log_checkpoints: Final = Table(
    "log_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", LargeBinary, nullable=False),
    Column("cosigned_at_ms", BigInteger, nullable=False),
)
"""The newest cosigned checkpoints, notes with both signatures."""

disclosure_heads: Final = Table(
    "disclosure_heads",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("ori", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("disclosure_heads_by_member", "ori", "at_ms"),
)
"""Whose head each entry of that kind is: what a member's disclosure log must contain when it is audited."""
