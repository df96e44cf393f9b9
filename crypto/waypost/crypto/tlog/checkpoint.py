"""Checkpoints (c2sp.org/tlog-checkpoint, version 1.0.0) and cosignatures (c2sp.org/tlog-cosignature, Ed25519, v1).

A checkpoint is a note whose text is three lines: the log's origin, the tree's size, and its root in base64:

    waypost/log/0f3c...            the log's name, and the name of its key
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

1. The log signs the text itself (type 0x01), under a key whose name is the origin.
2. A cosigner signs "cosignature/v1", a line with the time in seconds, and the text (type 0x04): that at this time the
   largest tree of this log that it has seen, and found consistent with all before, has this root.
3. Extension lines, which the specification allows and discourages, are refused: nothing of ours writes them.
4. Size and time are decimal without leading zeroes; any other spelling of the same checkpoint is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from waypost.crypto.envelope import SIGNATURE_BYTES, SigningKey
from waypost.crypto.errors import LogError
from waypost.crypto.limits import LOG_SIZE_MAX
from waypost.crypto.tlog.merkle import EMPTY_ROOT, HASH_BYTES
from waypost.crypto.tlog.note import (
    TYPE_ED25519,
    Note,
    NoteKey,
    NoteSignature,
    decode_base64,
    encode_base64,
    parse_note,
    sign_text,
    verifies,
    verify_text,
)

TYPE_COSIGNATURE: Final = 0x04
_TIME_BYTES: Final = 8
_TIME_MAX_S: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the log's origin, the number of leaves, and the root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin:
            raise LogError("a checkpoint names its log in one line")
        if not 0 <= self.size <= LOG_SIZE_MAX or len(self.root) != HASH_BYTES:
            raise LogError("a checkpoint has a size and a root of 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise LogError("the checkpoint of an empty tree has another root")

    @property
    def text(self) -> str:
        """The note's text, with its final newline."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint that its log has signed, and when (seconds since 1970) the cosigner did; `note` is all of it."""

    checkpoint: Checkpoint
    cosigned_at_s: int
    note: bytes


def log_key(origin: str, public: bytes) -> NoteKey:
    """The key under which a log signs its checkpoints (rule 1)."""
    return NoteKey(origin, TYPE_ED25519, public)


def cosigner_key(name: str, public: bytes) -> NoteKey:
    """The key of a cosigner (rule 2)."""
    return NoteKey(name, TYPE_COSIGNATURE, public)


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> bytes:
    """The checkpoint as a note with the log's signature."""
    return str(Note(checkpoint.text, (sign_text(checkpoint.text, checkpoint.origin, key),))).encode()


def parse_checkpoint(note: Note) -> Checkpoint:
    """What a note says when it is a checkpoint (rules 3 and 4); LogError when it is none."""
    origin, size, encoded, rest = (*note.text.split("\n", 3), "", "", "")[:4]
    if rest or not note.text.endswith("\n") or not _DECIMAL.fullmatch(size):
        raise LogError("the note is no checkpoint")
    return Checkpoint(origin, int(size), decode_base64(encoded))


def open_checkpoint(data: bytes, log: NoteKey) -> Checkpoint:
    """A checkpoint of this log, signed by it; LogError otherwise."""
    note = parse_note(data)
    checkpoint = parse_checkpoint(note)
    if checkpoint.origin != log.name:
        raise LogError("the checkpoint is of another log")
    verify_text(note, log)
    return checkpoint


def open_witnessed(data: bytes, log: NoteKey, cosigner: NoteKey) -> Witnessed:
    """A checkpoint signed by its log and cosigned by the cosigner; LogError otherwise."""
    checkpoint = open_checkpoint(data, log)
    return Witnessed(checkpoint, cosigned_at_s(parse_note(data), cosigner), data)


def cosigned_at_s(note: Note, cosigner: NoteKey) -> int:
    """When the cosigner last signed this checkpoint, seconds since 1970; LogError when it did not, or not validly."""
    times = [_verified_time(note.text, entry, cosigner) for entry in note.signatures if entry.is_by(cosigner)]
    if not times:
        raise LogError(f"the checkpoint is not cosigned by {cosigner.name}")
    return max(times)


def cosign(checkpoint: Checkpoint, name: str, key: SigningKey, now_s: int) -> NoteSignature:
    """The cosigner's signature line. That the tree is consistent with all it saw before is the caller's to know."""
    signature = key.signature(_cosigned_message(checkpoint.text, now_s))
    return NoteSignature(name, cosigner_key(name, key.public).id, now_s.to_bytes(_TIME_BYTES) + signature)


def with_signature(data: bytes, signature: NoteSignature) -> bytes:
    """The note with one more signature line."""
    note = parse_note(data)
    return str(Note(note.text, (*note.signatures, signature))).encode()


def _verified_time(text: str, entry: NoteSignature, cosigner: NoteKey) -> int:
    if len(entry.signature) != _TIME_BYTES + SIGNATURE_BYTES:
        raise LogError(f"a cosignature of {cosigner.name} has another length than it must")
    time_s = int.from_bytes(entry.signature[:_TIME_BYTES])
    message, signature = _cosigned_message(text, time_s), entry.signature[_TIME_BYTES:]
    if time_s > _TIME_MAX_S or not verifies(message, signature, cosigner.public):
        raise LogError(f"a cosignature of {cosigner.name} does not verify")
    return time_s


def _cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
