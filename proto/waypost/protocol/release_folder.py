"""A public release on the disk: its files' digests, its manifest, and the earlier releases below past/.

A link is no file of a release: it is refused, for what it points to could change after it was verified.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from waypost.crypto.envelope import parse_envelope
from waypost.crypto.errors import EnvelopeError
from waypost.protocol import limits
from waypost.protocol.errors import ProtocolError
from waypost.protocol.release_log import Logged, verify_release_proof
from waypost.protocol.releases import (
    BESIDE,
    LOGGED,
    MANIFEST,
    PAST,
    RESULTS,
    Manifest,
    open_manifest,
    verify_files,
    verify_results,
)
from waypost.v1 import envelope_pb2


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """A release that is what its manifest says, how many signed results it holds, and where it is in the log.

    `logged` is None when nothing beside the manifest proves that it is.
    """

    folder: Path
    manifest: Manifest
    envelope: envelope_pb2.Envelope
    results: int
    logged: Logged | None


def read_manifest(folder: Path) -> envelope_pb2.Envelope:
    """The manifest's envelope; ProtocolError when there is none."""
    path = folder / MANIFEST
    try:
        return parse_envelope(path.read_bytes())
    except OSError:
        raise ProtocolError(
            "missing-file", f"{folder} holds no release", hint="name the folder that holds manifest.pb"
        ) from None
    except EnvelopeError as error:
        raise ProtocolError(error.reason, f"{path} cannot be read") from error


def verify_release(folder: Path, *, hub_key: bytes, trustee_key: bytes) -> VerifiedRelease:
    """Verify one release; earlier ones below it are verified by themselves. ProtocolError names what is wrong."""
    envelope = read_manifest(folder)
    manifest = open_manifest(envelope, hub_key=hub_key, trustee_key=trustee_key)
    contents = dict(_contents(folder))
    verify_files(manifest, {path: hashlib.sha256(data).digest() for path, data in contents.items()})
    results = {path: data for path, data in contents.items() if path.startswith(RESULTS)}
    count = verify_results(results, hub_key=hub_key, trustee_key=trustee_key)
    logged, place = None, folder / LOGGED
    if place.exists():
        if place.stat().st_size > limits.RECEIPT_FILE_BYTES_MAX:
            raise ProtocolError("oversized", f"{place} is larger than any proof")
        logged = verify_release_proof(place.read_bytes(), manifest.digest, hub_key=hub_key, trustee_key=trustee_key)
    return VerifiedRelease(folder, manifest, envelope, count, logged)


def past_folders(folder: Path) -> list[Path]:
    """The folders of earlier releases, newest first."""
    try:
        found = [path for path in (folder / PAST).iterdir() if path.name.isdecimal()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name), reverse=True)


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below, by path, but the manifest, its proof, and earlier releases."""
    count = 0
    for place, folders, files in os.walk(folder):
        here = Path(place)
        if here == folder and PAST in folders:
            folders.remove(PAST)
        for name in sorted((*files, *(entry for entry in folders if (here / entry).is_symlink()))):
            path = here / name
            relative = path.relative_to(folder).as_posix()
            if relative in BESIDE:
                continue
            count += 1
            if path.is_symlink() or not path.is_file():
                raise ProtocolError("malformed", f"{relative} is no plain file")
            if count > limits.RELEASE_FILES_MAX or path.stat().st_size > limits.RELEASE_FILE_BYTES_MAX:
                raise ProtocolError("oversized", "the release is larger than the protocol allows")
            yield relative, path.read_bytes()
