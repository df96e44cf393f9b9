"""A transparency log in memory, honest or not: entries, the hub's checkpoints over them, the trustee's cosignatures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from waypost.crypto.envelope import SigningKey
from waypost.crypto.tlog import merkle
from waypost.crypto.tlog.checkpoint import Checkpoint, cosign, sign_checkpoint, with_signature
from waypost.crypto.tlog.proof import Proof
from waypost.protocol.transparency import Entry, Kind, LogKeys, log_keys
from waypost.v1 import log_pb2

HUB: Final = SigningKey.from_seed(b"\x01" * 32)
TRUSTEE: Final = SigningKey.from_seed(b"\x02" * 32)
KEYS: Final[LogKeys] = log_keys(HUB.public, TRUSTEE.public)
NOW_S: Final = 1_795_000_000
NOW_MS: Final = NOW_S * 1000


def entry(number: int, kind: Kind = log_pb2.LOG_KIND_CHECK) -> Entry:
    return Entry(kind, NOW_MS + number, hashlib.sha256(b"%d" % number).digest())


@dataclass
class Log:
    """Grown by `add`; checkpoints and proofs of any size it had."""

    entries: list[Entry] = field(default_factory=list)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Log:
        log = cls()
        for each in entries:
            log.add(each)
        return log

    def add(self, added: Entry) -> None:
        leaf = merkle.leaf_hash(added.to_bytes())
        for node in merkle.append(len(self.entries), leaf, self.read):
            self.nodes[node.level, node.index] = node.hash
        self.entries.append(added)

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.entries) if size is None else size
        return Checkpoint(KEYS.origin, size, merkle.root(size, self.read))

    def signed(self, size: int | None = None) -> bytes:
        return sign_checkpoint(self.checkpoint(size), HUB)

    def cosigned(self, size: int | None = None, at_s: int = NOW_S) -> bytes:
        checkpoint = self.checkpoint(size)
        return with_signature(self.signed(size), cosign(checkpoint, KEYS.witness.name, TRUSTEE, at_s))

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        new = len(self.entries) if new is None else new
        return merkle.consistency_proof(old, new, self.read) if 0 < old < new else []

    def proof(self, index: int) -> Proof:
        hashes = merkle.inclusion_proof(index, len(self.entries), self.read)
        return Proof(index, tuple(hashes), self.cosigned())


def forged(log: Log, crime: str, place: int = 1) -> Log:
    """The same log with one entry dropped, moved or rewritten, and grown so that it is longer than before."""
    entries = list(log.entries)
    if crime == "drop":
        del entries[place]
    elif crime == "reorder":
        entries[place], entries[place + 1] = entries[place + 1], entries[place]
    else:
        entries[place] = Entry(entries[place].kind, entries[place].at_ms, bytes(32))
    return Log.of([*entries, *(entry(1000 + n) for n in range(3))])


CRIMES: Final = ("drop", "reorder", "rewrite")
