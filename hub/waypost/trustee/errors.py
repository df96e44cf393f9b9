"""What can go wrong in waypost.trustee.

TrusteeError
├── Refused             their fault: a request breaks a rule; `.reason` is an audit word, told to the hub
├── NotAdmitted         their fault, mendable by the operator: an ORI stands on no list
├── Spent               their fault: a member's budget is used up for now
└── SettingsError       the home folder is missing, incomplete, or of another party
"""

from __future__ import annotations


class TrusteeError(Exception):
    """Base of everything this package raises on purpose; `hint` says what to do next, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Refused(TrusteeError):  # noqa: N818 - it is a decision, not a failure
    """A request breaks a rule; nothing was changed."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class NotAdmitted(Refused):
    """The operator has not admitted this ORI."""


class Spent(Refused):
    """The member's budget is used up."""


class SettingsError(TrusteeError):
    """The home folder does not serve."""
