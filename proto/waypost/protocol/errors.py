"""What can go wrong in waypost.protocol.

ProtocolError           their fault: a message or code that breaks a rule; `.reason` is fit for an audit entry
├── RosterError         a roster was refused
├── JoinCodeError       a join code cannot be read
└── TransparencyError   the transparency log does not say what it must: a hub rewrites, hides or forks it
"""

from __future__ import annotations


class ProtocolError(Exception):
    """A message breaks a rule of the protocol; `reason` is a short fixed word, `hint` what to do next (or empty)."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.hint = hint


class RosterError(ProtocolError):
    """A roster was refused; what was held before stays in force."""


class JoinCodeError(ProtocolError):
    """A join code cannot be read."""


class TransparencyError(ProtocolError):
    """The transparency log does not hold what it must; what was accepted before stays."""
