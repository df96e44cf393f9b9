"""What can go wrong in waypost.node.

    NodeError
    ├── RecordError         a value of a record is impossible; `.column` says which
    ├── SettingsError       the node's home folder, settings or passphrase do not serve
    ├── StoreError          the node's database cannot be opened, read or written
    │   └── StoreUnavailable  it cannot be used now, whatever is asked of it: disk full, in use, damaged
    ├── LinkError           the hub cannot be reached, or refused the node
    ├── PolicyError         a policy file cannot be read; nothing is disclosed until it is mended
    ├── ChangeError         a record cannot be changed as it was put
    ├── CheckError          a check cannot be asked as it was put
    ├── Refused             their fault: a message breaks a rule; `.reason` is an audit word
    ├── CustodyError        what was asked of batches or officers cannot be done; nothing was changed
    └── IntakeError         a file cannot be imported at all (a wrong row alone is a rejection, not an error)
        └── FileChanged       it was changed or taken away while it was read: another try may go well

Every error carries one sentence for people (`str(error)`) and, where there is something to do, a `hint`.
No error carries a secret or a personal detail; a file, a line, a column and a rule it breaks are not personal.
"""

from __future__ import annotations


class NodeError(Exception):
    """Base of everything this package raises on purpose; `hint` says what to do next, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RecordError(NodeError):
    """A value of a record is impossible: `column` is the canonical column, `str(error)` what is wrong with it."""

    def __init__(self, column: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column


class SettingsError(NodeError):
    """The node's home folder, settings or passphrase do not serve."""


class StoreError(NodeError):
    """The node's database cannot be opened, read or written."""


class StoreUnavailable(StoreError):  # noqa: N818 - it names a state
    """The node's database cannot be used now, whatever is asked of it: what was to be done is done later."""


class IntakeError(NodeError):
    """A file cannot be imported at all; nothing of it was."""


class FileChanged(IntakeError):  # noqa: N818 - it names what happened
    """A file was changed or taken away while it was read; nothing of it was imported."""


class CustodyError(NodeError):
    """What was asked of batches or officers cannot be done; nothing was changed."""


class LinkError(NodeError):
    """The hub cannot be reached, or refused the node."""


class PolicyError(NodeError):
    """A policy file cannot be read; nothing is disclosed until it is mended."""


class ChangeError(NodeError):
    """A record cannot be changed as it was put."""


class CheckError(NodeError):
    """A check cannot be asked as it was put."""


class Refused(NodeError):  # noqa: N818 - it is a decision, not a failure
    """A message breaks a rule; nothing was changed. `reason` is a short fixed word, fit for an audit entry."""

    def __init__(self, reason: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
