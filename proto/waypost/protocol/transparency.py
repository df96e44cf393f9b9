"""The transparency log's rules that hub, trustee and nodes must hold alike. A core without I/O; docs/log.md tells them.

A checkpoint is accepted when

1. wrong-checkpoint: the hub signed it, for the log of its own key;
2. not-cosigned: the trustee cosigned it (the trustee itself leaves this out);
3. rolled-back: it is not smaller than the one held;
4. split-view: it continues the one held: of the same size, it has the same root; larger, the consistency proof holds.

Rules 3 and 4 accuse: the hub has signed two things that cannot both be true, or cannot prove that they can.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from waypost.crypto.errors import LogError
from waypost.crypto.tlog.checkpoint import (
    Checkpoint,
    Witnessed,
    cosigner_key,
    log_key,
    open_checkpoint,
    open_witnessed,
)
from waypost.crypto.tlog.merkle import HASH_BYTES, verify_consistency
from waypost.crypto.tlog.note import NoteKey
from waypost.protocol.errors import TransparencyError
from waypost.v1 import log_pb2

ACCUSING: Final = frozenset({"rolled-back", "split-view", "entry-missing"})
"""Reasons that no accident of the network explains."""

_LABEL: Final = "waypost-log/v1"
_REFUSAL_LABEL: Final = b"waypost/v1/refusal\n"
_HEAD_LABEL: Final = b"waypost/v1/disclosure-head\n"
_NAME_HEX: Final = 32
_ENTRY: Final = re.compile(rf"{_LABEL} ([a-z-]{{1,40}}) (0|[1-9][0-9]{{0,18}}) ([0-9a-f]{{64}})\n")

Kind: TypeAlias = log_pb2.LogKind.ValueType
WORDS: Final = MappingProxyType(
    {
        kind: name.removeprefix("LOG_KIND_").lower().replace("_", "-")
        for name, kind in log_pb2.LogKind.items()
        if kind != log_pb2.LOG_KIND_UNSPECIFIED
    }
)
"""Each kind's word in a leaf's text."""
_KINDS: Final = MappingProxyType({word: kind for kind, word in WORDS.items()})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: what it is about, when the hub made it (milliseconds since 1970), and the digest (32 bytes)."""

    kind: Kind
    at_ms: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.kind not in WORDS or self.at_ms < 0 or len(self.digest) != HASH_BYTES:
            raise TransparencyError("malformed", "an entry of the log has a kind, a time and a digest")

    def to_bytes(self) -> bytes:
        """The leaf's text."""
        return f"{_LABEL} {WORDS[self.kind]} {self.at_ms} {self.digest.hex()}\n".encode()


def parse_entry(data: bytes) -> Entry:
    """Read a leaf's text; TransparencyError when it is none."""
    found = _ENTRY.fullmatch(data.decode("ascii", errors="replace"))
    if found is None or found[1] not in _KINDS:
        raise TransparencyError("malformed", "a line is no entry of a transparency log")
    return Entry(_KINDS[found[1]], int(found[2]), bytes.fromhex(found[3]))


def refusal_digest(refused: bytes, reason: str) -> bytes:
    """The digest of a refusal: of what was refused (SHA-256 of its payload), and why."""
    return hashlib.sha256(_REFUSAL_LABEL + refused + reason.encode()).digest()


def head_commitment(salt: bytes, entries: int, head: bytes) -> bytes:
    """What a member binds itself to: `entries` disclosures and their chain's end; the salt (32 bytes) hides both."""
    return hashlib.sha256(_HEAD_LABEL + salt + entries.to_bytes(8) + head).digest()


@dataclass(frozen=True, slots=True)
class LogKeys:
    """What a federation's log is verified with: nothing but the two root keys."""

    log: NoteKey
    witness: NoteKey

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.log.name


def log_keys(hub_key: bytes, trustee_key: bytes) -> LogKeys:
    """The note keys of a federation's log, named after the root keys (Ed25519, 32 bytes each)."""
    log, witness = (
        f"waypost/{role}/{hashlib.sha256(key).hexdigest()[:_NAME_HEX]}"
        for role, key in (("log", hub_key), ("trustee", trustee_key))
    )
    return LogKeys(log_key(log, hub_key), cosigner_key(witness, trustee_key))


def accept_witnessed(note: bytes, consistency: Sequence[bytes], *, held: Checkpoint | None, keys: LogKeys) -> Witnessed:
    """A cosigned checkpoint that continues the one held (rules 1 to 4); TransparencyError says which it breaks."""
    checkpoint = accept_signed(note, consistency, held=None, keys=keys)
    try:
        witnessed = open_witnessed(note, keys.log, keys.witness)
    except LogError as error:
        raise TransparencyError("not-cosigned", f"the trustee has not cosigned the checkpoint: {error}") from error
    _require_continues(checkpoint, consistency, held)
    return witnessed


def accept_signed(note: bytes, consistency: Sequence[bytes], *, held: Checkpoint | None, keys: LogKeys) -> Checkpoint:
    """A checkpoint of the hub's alone that continues the one held (rules 1, 3 and 4)."""
    try:
        checkpoint = open_checkpoint(note, keys.log)
    except LogError as error:
        raise TransparencyError("wrong-checkpoint", f"this is no checkpoint of the hub's log: {error}") from error
    _require_continues(checkpoint, consistency, held)
    return checkpoint


def _require_continues(checkpoint: Checkpoint, consistency: Sequence[bytes], held: Checkpoint | None) -> None:
    if held is None or held.size == 0:
        return
    if checkpoint.size < held.size:
        raise TransparencyError("rolled-back", f"the log had {held.size} entries and now has {checkpoint.size}")
    try:
        verify_consistency(held.size, checkpoint.size, consistency, held.root, checkpoint.root)
    except LogError as error:
        raise TransparencyError("split-view", f"the log is not the one that was shown before: {error}") from error
