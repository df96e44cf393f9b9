"""Files that prove something with nothing but the two root keys: a logged receipt, and a whole log. No I/O.

A receipt's file is one JSON object; a log's is text, one entry a line, and its checkpoint after an empty line:

    waypost-log-export/v1
    waypost-log/v1 roster 1795000000000 2c26...
    ...

    waypost/log/0f3c...
    2
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    - (signatures of hub and trustee)

1. A receipt is the hub's, and its digest is an entry of the log, by a proof that leads to a cosigned checkpoint.
2. A log's entries are exactly as many as its checkpoint says, and their tree has the checkpoint's root.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import parse_envelope, verify_signatures
from waypost.crypto.errors import EnvelopeError, LogError
from waypost.crypto.tlog.checkpoint import Witnessed, open_witnessed
from waypost.crypto.tlog.merkle import Frontier, leaf_hash
from waypost.crypto.tlog.proof import parse_proof, verify_proof
from waypost.protocol import names
from waypost.protocol.errors import TransparencyError
from waypost.protocol.limits import RECEIPT_FILE_BYTES_MAX
from waypost.protocol.transparency import WORDS, Entry, LogKeys, log_keys, parse_entry
from waypost.v1 import check_pb2, log_pb2

_EXPORT_HEAD: Final = b"waypost-log-export/v1\n"
_VERSION: Final = 1
_WRITE_ONE: Final = "waypost-node checks receipt ID -o FILE writes one"


@dataclass(frozen=True, slots=True)
class LoggedReceipt:
    """A receipt with the proof that it is in the log: the envelope's bytes, the entry's time, the proof's text."""

    envelope: bytes
    logged_at_ms: int
    proof: str

    def to_bytes(self) -> bytes:
        """The file."""
        content = {
            "waypost-receipt": _VERSION,
            "receipt": base64.b64encode(self.envelope).decode(),
            "logged_at_ms": self.logged_at_ms,
            "proof": self.proof,
        }
        return (json.dumps(content, indent=1) + "\n").encode()


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a file proves: this receipt, logged at this time and place, under this checkpoint."""

    receipt: check_pb2.Receipt
    logged_at_ms: int
    index: int
    witnessed: Witnessed


def parse_receipt_file(data: bytes) -> LoggedReceipt:
    """Read a receipt's file, unverified; TransparencyError when it is none."""
    if data.startswith(_EXPORT_HEAD):
        raise TransparencyError(
            "malformed", "this is an export of the log, no receipt", hint="run: waypost-hub log verify FILE"
        )
    if len(data) > RECEIPT_FILE_BYTES_MAX:
        raise TransparencyError("oversized", "the file is larger than any receipt", hint=_WRITE_ONE)
    try:
        content = json.loads(data)
        version, logged_at_ms, proof = content["waypost-receipt"], content["logged_at_ms"], content["proof"]
        envelope = base64.b64decode(content["receipt"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TransparencyError("malformed", "this is no file of a logged receipt", hint=_WRITE_ONE) from None
    if version != _VERSION or type(logged_at_ms) is not int or type(proof) is not str:
        raise TransparencyError(
            "malformed", "this is no file of a logged receipt, or one of a later version", hint=_WRITE_ONE
        )
    return LoggedReceipt(envelope, logged_at_ms, proof)


def verify_receipt_file(data: bytes, *, hub_key: bytes, trustee_key: bytes) -> VerifiedReceipt:
    """What a receipt's file proves (rule 1); TransparencyError says what does not hold."""
    logged, keys = parse_receipt_file(data), log_keys(hub_key, trustee_key)
    try:
        envelope = parse_envelope(logged.envelope)
        payload = verify_signatures(envelope, (hub_key,), required=1, expected_type=names.RECEIPT).payload
        receipt = check_pb2.Receipt.FromString(payload)
        entry = Entry(log_pb2.LOG_KIND_RECEIPT, logged.logged_at_ms, hashlib.sha256(payload).digest())
        proof = parse_proof(logged.proof.encode(errors="replace"))
        witnessed = verify_proof(proof, entry.to_bytes(), keys.log, keys.witness)
    except EnvelopeError as error:
        raise TransparencyError(error.reason, f"the receipt is not the hub's: {error}") from error
    except DecodeError:
        raise TransparencyError("malformed", "the receipt cannot be read") from None
    except LogError as error:
        raise TransparencyError("not-logged", f"the receipt is not proven to be in the log: {error}") from error
    return VerifiedReceipt(receipt, logged.logged_at_ms, proof.index, witnessed)


def export_log(entries: Iterable[Entry], note: bytes) -> Iterator[bytes]:
    """A log's file in parts. The entries must be those of the checkpoint's tree."""
    yield _EXPORT_HEAD
    for entry in entries:
        yield entry.to_bytes()
    yield b"\n"
    yield note


@dataclass(frozen=True, slots=True)
class VerifiedLog:
    """What a log's file proves: its checkpoint, and how many entries of each kind there are, by their words."""

    witnessed: Witnessed
    counts: dict[str, int]


def verify_log_file(lines: Iterable[bytes], *, hub_key: bytes, trustee_key: bytes) -> VerifiedLog:
    """What a log's file proves (rule 2), read line by line; TransparencyError says what does not hold."""
    rest = iter(lines)
    if next(rest, b"") != _EXPORT_HEAD:
        raise TransparencyError("malformed", "this is no file of a transparency log")
    tree, counts = Frontier(), Counter[str]()
    for line in rest:
        if line == b"\n":
            break
        entry = parse_entry(line)
        tree.add(leaf_hash(line))
        counts[WORDS[entry.kind]] += 1
    return VerifiedLog(require_tree(tree, b"".join(rest), log_keys(hub_key, trustee_key)), dict(counts))


def require_tree(tree: Frontier, note: bytes, keys: LogKeys) -> Witnessed:
    """The cosigned checkpoint of exactly this tree; TransparencyError otherwise."""
    try:
        witnessed = open_witnessed(note, keys.log, keys.witness)
    except LogError as error:
        raise TransparencyError("wrong-checkpoint", f"the log's checkpoint does not verify: {error}") from error
    checkpoint = witnessed.checkpoint
    if checkpoint.size != tree.size:
        raise TransparencyError("entry-missing", f"{tree.size} entries are here, the checkpoint has {checkpoint.size}")
    if checkpoint.root != tree.root:
        raise TransparencyError("split-view", "the entries are not those of the checkpoint: one was rewritten or moved")
    return witnessed
