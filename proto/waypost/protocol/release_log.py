"""The proof beside a release's manifest that the release is in the transparency log. A core without I/O.

One JSON object in manifest.logged.json, made once hub and trustee have signed a checkpoint over the entry:

    {"waypost-release-log": 1, "logged_at_ms": 1795000000000, "proof": "c2sp.org/tlog-proof@v1 ..."}

1. The entry is the release's: of its kind, with the digest of the manifest's payload, at the time that the file says.
2. The proof leads from it to a checkpoint that bears the hub's signature and the trustee's cosignature.

It is no part of what the manifest names, since the log must hold the manifest first. A release without one is not
proven to be logged, and nothing worse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from waypost.crypto.errors import LogError
from waypost.crypto.tlog.checkpoint import Witnessed
from waypost.crypto.tlog.proof import Proof, parse_proof, verify_proof
from waypost.protocol.errors import TransparencyError
from waypost.protocol.limits import RECEIPT_FILE_BYTES_MAX
from waypost.protocol.transparency import Entry, log_keys
from waypost.v1 import log_pb2

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Logged:
    """Where a release stands in the log: when it was entered (milliseconds since 1970), its place, the checkpoint."""

    at_ms: int
    index: int
    witnessed: Witnessed


def release_proof(at_ms: int, proof: Proof) -> bytes:
    """The file."""
    content = {"waypost-release-log": _VERSION, "logged_at_ms": at_ms, "proof": str(proof)}
    return (json.dumps(content, indent=1) + "\n").encode()


def verify_release_proof(data: bytes, digest: bytes, *, hub_key: bytes, trustee_key: bytes) -> Logged:
    """What the file proves of the manifest with that digest (rules 1 and 2); TransparencyError otherwise."""
    keys = log_keys(hub_key, trustee_key)
    at_ms, text = _parse(data)
    try:
        proof = parse_proof(text.encode(errors="replace"))
        entry = Entry(log_pb2.LOG_KIND_RELEASE, at_ms, digest)
        witnessed = verify_proof(proof, entry.to_bytes(), keys.log, keys.witness)
    except LogError as error:
        raise TransparencyError("not-logged", f"the release is not proven to be in the log: {error}") from error
    return Logged(at_ms, proof.index, witnessed)


def _parse(data: bytes) -> tuple[int, str]:
    if len(data) > RECEIPT_FILE_BYTES_MAX:
        raise TransparencyError("oversized", "the proof of the release is larger than any proof")
    try:
        content = json.loads(data)
        version, at_ms, text = content["waypost-release-log"], content["logged_at_ms"], content["proof"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TransparencyError("malformed", "the proof of the release cannot be read") from None
    if version != _VERSION or type(at_ms) is not int or type(text) is not str:
        raise TransparencyError("malformed", "the proof of the release cannot be read, or is of a later version")
    return at_ms, text
