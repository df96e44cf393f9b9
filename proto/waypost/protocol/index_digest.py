"""The digest by which node and hub find out whether they hold the same registrations (index.proto, IndexDigest)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from waypost.protocol.limits import INDEX_BUCKETS


def bucket_digests(tokens: Iterable[bytes]) -> tuple[bytes, ...]:
    """256 digests of 32 bytes: SHA-256 over the ascending distinct tokens of each first byte. `tokens` in any order."""
    buckets: list[list[bytes]] = [[] for _ in range(INDEX_BUCKETS)]
    for token in tokens:
        buckets[token[0]].append(token)
    return tuple(bucket_digest(sorted(set(bucket))) for bucket in buckets)


def bucket_digest(tokens: Iterable[bytes]) -> bytes:
    """The digest of one bucket, from its tokens, ascending and distinct; 32 bytes."""
    return hashlib.sha256(b"".join(tokens)).digest()


def index_digest(buckets: tuple[bytes, ...]) -> bytes:
    """The digest over 256 bucket digests; 32 bytes."""
    return hashlib.sha256(b"".join(buckets)).digest()


def differing_buckets(ours: tuple[bytes, ...], theirs: tuple[bytes, ...]) -> tuple[int, ...]:
    """Numbers of the buckets that differ."""
    return tuple(number for number, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
