"""Every bound of waypost.crypto, each with its reason."""

from __future__ import annotations

from typing import Final

CLOCK_SKEW_MAX_MS: Final = 120_000
"""A message may be dated this far ahead of our clock: agency machines without working NTP drift by a minute or so."""

MESSAGE_LIFETIME_MAX_MS: Final = 45 * 24 * 3600 * 1000
"""Longest span from issued-at to expires-at: bounds the replay store. A mailbox keeps mail for 30 days."""

PAYLOAD_BYTES_MAX: Final = 8 * 1024 * 1024
"""Largest signed payload: a roster of 18,000 members is about 3 MB."""

SIGNATURES_MAX: Final = 4
"""Most signatures on one message: asker and hub, or hub and trustee; two spare for a key change."""

SEALED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest sealed message: one person's whole file with room to spare."""

PEM_BYTES_MAX: Final = 16 * 1024
"""Largest certificate, signing request or TLS key in PEM; ours have about 1 KB."""

KEYSTORE_BYTES_MAX: Final = 1024 * 1024
"""Largest keystore file: a party holds a few dozen keys of at most 4 KB."""

OPRF_BATCH_MAX: Final = 4096
"""Most elements under one DLEQ proof; about 3 s of one core on each side."""

OPRF_INPUT_BYTES_MAX: Final = 65_535
"""RFC 9497 section 3.3: a private input is prefixed by its length in two bytes."""

SHARE_CELLS_MAX: Final = 65_536
"""Longest count vector of an aggregate round."""

LOG_PROOF_HASHES_MAX: Final = 64
"""Longest Merkle proof: a tree of 2^63 leaves."""

LOG_SIZE_MAX: Final = 2**63 - 1
"""Largest tree: its size must fit a database's signed integer."""

NOTE_BYTES_MAX: Final = 128 * 1024
"""Largest signed note: 16 signatures, of which each may be a post-quantum one of nearly 5 KB."""

NOTE_SIGNATURES_MAX: Final = 16
"""Most signatures on a note: what c2sp.org/signed-note demands that a verifier accepts."""

LOG_PROOF_BYTES_MAX: Final = NOTE_BYTES_MAX + 8 * 1024
"""Largest offline proof: 64 hashes of 45 characters, and the checkpoint."""

assert CLOCK_SKEW_MAX_MS < MESSAGE_LIFETIME_MAX_MS  # noqa: S101 - a relation between bounds, checked at import
