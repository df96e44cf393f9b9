"""Public releases as documents: how anybody verifies one, with nothing but the folder and two public keys.

1. The manifest is signed by the hub, and by the trustee where its signature is asked for.
2. Its paths are plain and distinct, in order; it is readable and within bounds.
3. Every file it names is there, has its digest, and there is no other: except earlier releases below past/, and the
   proof that the manifest is in the transparency log, which is verified when it is there (release_log.py).
4. Every signed result that the release holds (results/*.pb) bears both parties' signatures.

A release that the hub alone has signed says so; it is the trustee's signature that makes a change of both needed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import parse_envelope, verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.round_results import open_result
from waypost.v1 import envelope_pb2, release_pb2

MANIFEST: Final = "manifest.pb"
LOGGED: Final = "manifest.logged.json"
"""The proof that the manifest is in the transparency log (release_log.py)."""
BESIDE: Final = frozenset({MANIFEST, LOGGED})
"""What stands beside the files that the manifest names."""
PAST: Final = "past"
RESULTS: Final = "results/"
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that passed rules 1 and 2. `files` are SHA-256 digests by path; `digest` is that of its payload."""

    number: int
    as_of: date
    files: Mapping[str, bytes]
    previous_digest: bytes
    digest: bytes
    cosigned: bool


def open_manifest(envelope: envelope_pb2.Envelope, *, hub_key: bytes, trustee_key: bytes) -> Manifest:
    """Verify the hub's signature, see whether the trustee has signed, and read (rules 1 and 2); or ProtocolError."""
    try:
        verified = verify_signatures(envelope, (hub_key, trustee_key), required=1, expected_type=names.RELEASE_MANIFEST)
        content = release_pb2.ReleaseManifest.FromString(verified.payload)
        as_of = date.fromisoformat(content.as_of)
    except EnvelopeError as error:
        raise ProtocolError(error.reason, f"the release's manifest was refused: {error}") from error
    except (DecodeError, ValueError):
        raise ProtocolError("malformed", "the release's manifest cannot be read") from None
    if hub_key not in verified.signers or verified.header.sender != names.HUB:
        raise ProtocolError("wrong-signature", "the release's manifest is not signed by the hub")
    _check_form(content)
    return Manifest(
        number=content.number,
        as_of=as_of,
        files={file.path: file.sha256 for file in content.files},
        previous_digest=content.previous_digest,
        digest=hashlib.sha256(verified.payload).digest(),
        cosigned=trustee_key in verified.signers,
    )


def _check_form(content: release_pb2.ReleaseManifest) -> None:
    paths = [file.path for file in content.files]
    if paths != sorted(set(paths)) or not 0 < len(paths) <= limits.RELEASE_FILES_MAX or content.number < 1:
        raise ProtocolError("malformed", "the release's files are not distinct and in order")
    for file in content.files:
        parts = file.path.split("/")
        if not all(_PART.fullmatch(part) for part in parts) or parts[0] == PAST or file.path in BESIDE:
            raise ProtocolError("malformed", "the release names a path that it may not have")
        if len(file.sha256) != _DIGEST_BYTES:
            raise ProtocolError("malformed", "the release names a file without its digest")


def verify_files(manifest: Manifest, found: Mapping[str, bytes]) -> None:
    """Compare the digests of the files that are there with the manifest's (rule 3); ProtocolError names the first."""
    for path, digest in manifest.files.items():
        if path not in found:
            raise ProtocolError("missing-file", f"{path} is missing from the release")
        if found[path] != digest:
            raise ProtocolError("altered-file", f"{path} is not what was signed")
    extra = sorted(set(found) - set(manifest.files))
    if extra:
        raise ProtocolError("extra-file", f"{extra[0][:200]} is no part of the release")


def verify_results(contents: Mapping[str, bytes], *, hub_key: bytes, trustee_key: bytes) -> int:
    """Verify every signed result among these files (rule 4): how many there are."""
    results = [data for path, data in contents.items() if path.startswith(RESULTS) and path.endswith(".pb")]
    for data in results:
        try:
            envelope = parse_envelope(data)
        except EnvelopeError as error:
            raise ProtocolError(error.reason, "a result in the release cannot be read") from error
        open_result(envelope, hub_key=hub_key, trustee_key=trustee_key)
    return len(results)
