"""What an officer says to a record about him: his statement, and his dispute with its clock.

1. A statement has 1 to STATEMENT_CHARS_MAX characters. A newer one takes the earlier one's place; both are kept.
2. A dispute is open from the day it was opened until it is resolved. Its owner has DISPUTE_DAYS to do so; on the day
   after, it is overdue, and everyone who gets the record is told.
3. Neither makes a new version of the record, and neither is touched by an import.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from waypost.node.errors import RecordError
from waypost.protocol.limits import DISPUTE_DAYS, STATEMENT_CHARS_MAX


@dataclass(frozen=True, slots=True)
class Statement:
    """An officer's statement (rule 1)."""

    text: str
    given_on: date

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise RecordError("statement", "is empty")
        if len(self.text) > STATEMENT_CHARS_MAX:
            raise RecordError("statement", f"is longer than {STATEMENT_CHARS_MAX:,} characters")
        if any(not (char.isprintable() or char in "\t\n\r") for char in self.text):
            raise RecordError("statement", "holds a control character")


@dataclass(frozen=True, slots=True)
class Dispute:
    """An open dispute (rule 2)."""

    opened_on: date

    @property
    def due_on(self) -> date:
        """The last day on which resolving it is in time."""
        return self.opened_on + timedelta(days=DISPUTE_DAYS)

    def overdue(self, today: date) -> bool:
        """Whether the owner is late."""
        return today > self.due_on
