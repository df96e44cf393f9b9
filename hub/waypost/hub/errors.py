"""What can go wrong in waypost.hub.

HubError
├── Refused             their fault: a message breaks a rule; `.reason` is an audit word, told to the sender
├── RateExceeded        their fault: too many checks of one purpose; a kind of Refused
├── TrusteeUnavailable  the world: the trustee cannot be reached now
├── StoreClosed         the world: the hub is stopping, and stores nothing any more
└── SettingsError       the home folder is missing, incomplete, or of another party
"""

from __future__ import annotations


class HubError(Exception):
    """Base of everything this package raises on purpose; `hint` says what to do next, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Refused(HubError):  # noqa: N818 - it is a decision, not a failure
    """A message breaks a rule; nothing was changed."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class RateExceeded(Refused):
    """A member asks more often than the federation allows."""


class TrusteeUnavailable(HubError):  # noqa: N818 - a state of the world
    """The trustee cannot be reached, or does not answer as one."""


class StoreClosed(HubError):  # noqa: N818 - a state of the world
    """The database is closed: the hub is stopping."""


class SettingsError(HubError):
    """The home folder does not serve."""
