"""The transparency log in the hub's database: entries, the tree over them, and what is proven from it.

1. `append` is one row in the caller's transaction: an event and its entry are on the disk together, or neither is.
2. Entries get their places in the order in which `sequence` finds them. It alone numbers them, one transaction at a
   time: the row of `log_head` is locked, so that replicas take turns without holding up those who append.
3. Entries and nodes are only ever added. A checkpoint is signed only after the tree it tells of is on the disk.
4. An entry is a kind, a time and a digest of a message with a random id. It names nobody, and no digest can be guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from waypost.crypto.tlog import merkle
from waypost.crypto.tlog.checkpoint import Checkpoint
from waypost.hub.limits import LOG_ENTRIES_PER_STEP
from waypost.hub.schema import log_checkpoints as checkpoints
from waypost.hub.schema import log_entries as entries
from waypost.hub.schema import log_head as head
from waypost.hub.schema import log_nodes as nodes
from waypost.hub.schema import log_queue as queue
from waypost.hub.statements import Prepared
from waypost.protocol.errors import TransparencyError
from waypost.protocol.transparency import Entry, Kind

_APPEND: Final = Prepared(insert(queue).inline())
_NODE: Final = Prepared(
    select(nodes.c.hash).where(nodes.c.level == bindparam("at_level"), nodes.c.place == bindparam("at_place"))
)


def append(connection: Connection, kind: Kind, digest: bytes, now_ms: int) -> None:
    """Log an event within the transaction that makes it (rule 1). `digest` has 32 bytes."""
    entry = Entry(kind, now_ms, digest)
    _APPEND.changed(connection, kind=int(entry.kind), at_ms=entry.at_ms, digest=entry.digest)


def waiting(connection: Connection) -> bool:
    """Whether there are entries without a place."""
    return connection.execute(select(queue.c.id).limit(1)).first() is not None


def sequence(connection: Connection) -> int:
    """Give waiting entries their places (rule 2), at most LOG_ENTRIES_PER_STEP of them; how many."""
    size = _locked_size(connection)
    rows = connection.execute(select(queue).order_by(queue.c.id).limit(LOG_ENTRIES_PER_STEP)).all()
    if not rows:
        return 0
    tree = _Growing(connection)
    for place, row in enumerate(rows, start=size):
        tree.add(place, Entry(Kind(row.kind), row.at_ms, row.digest))
    connection.execute(
        insert(entries),
        [
            {"place": place, "kind": row.kind, "at_ms": row.at_ms, "digest": row.digest}
            for place, row in enumerate(rows, start=size)
        ],
    )
    tree.store()
    connection.execute(delete(queue).where(queue.c.id.in_([row.id for row in rows])))
    connection.execute(update(head).values(size=size + len(rows)))
    return len(rows)


def _locked_size(connection: Connection) -> int:
    size = connection.scalar(select(head.c.size).with_for_update())
    if size is None:
        connection.execute(insert(head).values(one=1, size=0))
        return 0
    return int(size)


class _Growing:
    """The tree while entries are added: what is new is held in memory until it is stored."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._added: dict[tuple[int, int], bytes] = {}

    def _read(self, level: int, place: int) -> bytes:
        held = self._added.get((level, place))
        return read_node(self._connection, level, place) if held is None else held

    def add(self, place: int, entry: Entry) -> None:
        for node in merkle.append(place, merkle.leaf_hash(entry.to_bytes()), self._read):
            self._added[node.level, node.index] = node.hash

    def store(self) -> None:
        rows = [{"level": level, "place": place, "hash": value} for (level, place), value in self._added.items()]
        self._connection.execute(insert(nodes), rows)


def read_node(connection: Connection, level: int, place: int) -> bytes:
    """A stored node's hash."""
    return bytes(_NODE.scalar(connection, at_level=level, at_place=place))


def size_of(connection: Connection) -> int:
    """How many entries have places."""
    return int(connection.scalar(select(head.c.size)) or 0)


def root_of(connection: Connection, size: int) -> bytes:
    """The root of the first `size` entries."""
    return merkle.root(size, lambda level, place: read_node(connection, level, place))


def consistency(connection: Connection, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` entries continues that of `old`; empty where there is nothing to prove."""
    if not 0 < old < new:
        return []
    return merkle.consistency_proof(old, new, lambda level, place: read_node(connection, level, place))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands, and the proof of it."""

    at_ms: int
    index: int
    proof: list[bytes]


def find(connection: Connection, kind: Kind, digest: bytes, size: int) -> Place | None:
    """The first entry of this kind and digest among the first `size`, with its inclusion proof."""
    query = select(entries.c.place, entries.c.at_ms).where(
        entries.c.digest == digest, entries.c.kind == kind, entries.c.place < size
    )
    row = connection.execute(query.order_by(entries.c.place).limit(1)).first()
    if row is None:
        return None
    proof = merkle.inclusion_proof(row.place, size, lambda level, place: read_node(connection, level, place))
    return Place(row.at_ms, row.place, proof)


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint with both signatures, and when the trustee made its own (milliseconds since 1970)."""

    size: int
    note: bytes
    cosigned_at_ms: int


def published(connection: Connection) -> Published | None:
    """The newest cosigned checkpoint."""
    row = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
    return None if row is None else Published(*row)


def publish(connection: Connection, checkpoint: Checkpoint, note: bytes, cosigned_at_ms: int) -> None:
    """Store a cosigned checkpoint in the place of the one before."""
    connection.execute(delete(checkpoints).where(checkpoints.c.size <= checkpoint.size))
    row = {"size": checkpoint.size, "note": note, "cosigned_at_ms": cosigned_at_ms}
    connection.execute(insert(checkpoints).values(row))


def all_entries(connection: Connection) -> Iterator[Entry]:
    """Every entry that has a place, in order; TransparencyError at a gap."""
    for expected, row in enumerate(connection.execute(select(entries).order_by(entries.c.place))):
        if row.place != expected:
            raise TransparencyError("entry-missing", f"entry {expected} of the log is missing")
        yield Entry(Kind(row.kind), row.at_ms, row.digest)
