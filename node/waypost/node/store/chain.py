"""The chain over the disclosure log: what is entered once cannot be changed, dropped or moved without breaking it.

1. An entry's canonical form is JSON of its columns that are not NULL: keys sorted, no spaces, ASCII, blobs in
   lower-case hexadecimal. A column that a later version adds leaves the entries before it as they were.
2. The chain begins with SHA-256("waypost/v1/disclosure-chain" and a newline); each link is
   SHA-256(the link before || SHA-256(canonical entry)).
3. The link is written in the entry's own transaction.
4. Retention removes entries from the oldest end only, and leaves their digests and links: the chain still computes.

Somebody who holds the file can compute the whole chain anew. The heads that the node has posted, which the hub's log
holds, are what he cannot change (waypost.node.disclosure_heads).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from waypost.node.store.database import NodeDatabase, Row

FIRST: Final = hashlib.sha256(b"waypost/v1/disclosure-chain\n").digest()


@dataclass(frozen=True, slots=True)
class DisclosureChain:
    """The chain as it follows from the entries, and whether the stored links say the same.

    `heads` has the link after each entry; the first is FIRST. `broken_at` is the number of the first entry that does
    not fit, 0 when all do. Of the oldest entries, `removed` are known by their digests alone (rule 4).
    """

    heads: tuple[bytes, ...]
    broken_at: int
    removed: int = 0

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return len(self.heads) - 1

    @property
    def head(self) -> bytes:
        """The last link."""
        return self.heads[-1]


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A head that the node has bound itself to: after how many entries, the link, the salt, the signed message."""

    at_ms: int
    entries: int
    head: bytes
    salt: bytes
    envelope: bytes


def extend(database: NodeDatabase, number: int) -> None:
    """Bind the entry of that number into the chain, within the transaction that made it (rule 3)."""
    row = database.row("SELECT head FROM disclosure_chain ORDER BY disclosure_id DESC LIMIT 1")
    columns = database.columns("disclosures")
    entry = database.row(f"SELECT {', '.join(columns)} FROM disclosures WHERE id = ?", (number,))
    digest = _digest(columns, entry or ())
    head = _link(FIRST if row is None else row[0], digest)
    database.run(
        "INSERT INTO disclosure_chain (disclosure_id, entry_digest, head) VALUES (?, ?, ?)", (number, digest, head)
    )


class ChainRepository:
    """The chain and its posted heads."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def newest(self) -> tuple[int, bytes]:
        """How many entries are bound, and the last link."""
        row = self._db.row("SELECT head FROM disclosure_chain ORDER BY disclosure_id DESC LIMIT 1")
        return self._db.number("SELECT count(*) FROM disclosure_chain"), FIRST if row is None else bytes(row[0])

    def recomputed(self) -> DisclosureChain:
        """The chain from the entries as they are now, compared with the stored links."""
        heads, broken_at = [FIRST], 0
        with self._db.reading():
            stored = iter(self._db.rows("SELECT disclosure_id, head FROM disclosure_chain ORDER BY disclosure_id"))
            for number, digest in self._entries():
                heads.append(_link(heads[-1], digest))
                if not broken_at and next(stored, None) != (number, heads[-1]):
                    broken_at = number
            left = next(stored, None)
            removed = max(0, len(heads) - 1 - self._db.number("SELECT count(*) FROM disclosures"))
        return DisclosureChain(tuple(heads), broken_at or (left[0] if left is not None else 0), removed)

    def add_head(self, head: KeptHead) -> None:
        """Remember a head that is about to be posted."""
        self._db.run(
            "INSERT INTO disclosure_heads (at_ms, entries, head, salt, envelope) VALUES (?, ?, ?, ?, ?)",
            (head.at_ms, head.entries, head.head, head.salt, head.envelope),
        )

    def posted(self) -> list[KeptHead]:
        """Every head, oldest first."""
        sql = "SELECT at_ms, entries, head, salt, envelope FROM disclosure_heads ORDER BY id"
        return [KeptHead(*row) for row in self._db.rows(sql)]

    def last_posted_ms(self) -> int:
        """When the newest head was made; 0 for never."""
        return self._db.number("SELECT coalesce(max(at_ms), 0) FROM disclosure_heads")

    def _entries(self) -> Iterator[tuple[int, bytes]]:
        """The digest of each entry; of those that retention has removed, the one that was kept (rule 4)."""
        removed = self._db.number("SELECT coalesce(max(last_id), 0) FROM removals WHERE log = 'disclosures'")
        sql = "SELECT disclosure_id, entry_digest FROM disclosure_chain WHERE disclosure_id <= ? ORDER BY disclosure_id"
        yield from ((int(number), bytes(digest)) for number, digest in self._db.rows(sql, (removed,)))
        columns = self._db.columns("disclosures")
        sql = f"SELECT id, {', '.join(columns)} FROM disclosures WHERE id > ? ORDER BY id"
        for row in self._db.rows(sql, (removed,)):
            yield int(row[0]), _digest(columns, row[1:])


def _digest(columns: Sequence[str], values: Row) -> bytes:
    """Rule 1."""
    content = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in zip(columns, values, strict=True)
        if value is not None
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).digest()


def _link(before: bytes, digest: bytes) -> bytes:
    """Rule 2."""
    return hashlib.sha256(before + digest).digest()
