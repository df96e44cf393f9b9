"""What can go wrong in waypost.crypto.

    CryptoError
    ├── EnvelopeError       a signed message was refused; `.reason` says at which check
    ├── SealingError        a sealed message did not open
    ├── OprfError           an element, scalar, proof or batch of the blind index was refused
    ├── SharesError         a share or count vector of the wrong shape
    ├── LogError            a proof or checkpoint of the transparency log does not hold
    ├── PkiError            a certificate or signing request was refused
    └── KeystoreError       a key file cannot be read, opened or written

Every error carries one sentence for people (`str(error)`) and, where there is something to do, a `hint`.
No error carries a key, a plaintext or a personal detail.
"""

from __future__ import annotations


class CryptoError(Exception):
    """Base of everything this package raises on purpose; `hint` says what to do next, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class EnvelopeError(CryptoError):
    """A signed message was refused. `reason` is one of envelope.REASONS and fit for an audit entry."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class SealingError(CryptoError):
    """A sealed message did not open: wrong key, altered bytes or another context (deliberately not told apart)."""


class OprfError(CryptoError):
    """An element, scalar, proof or batch of the blind index was refused."""


class SharesError(CryptoError):
    """A share or count vector has the wrong shape or range."""


class LogError(CryptoError):
    """A proof or checkpoint of the transparency log does not hold."""


class PkiError(CryptoError):
    """A certificate or signing request was refused."""


class KeystoreError(CryptoError):
    """A key file cannot be read, opened or written."""
