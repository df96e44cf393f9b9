"""Coverage: how much of the federation's index stands behind a check, which every receipt says.

1. Behind a check stand the other members that hold records: agencies and POST boards. One is current when it is active
   and its index is (`index`, rule 4); the others are named as stale (`receipts.coverage`).
2. Whose index is stale is a question about all 18,000 members. It is asked anew only when the answer may have changed:
   when the roster did, when a member's index has come to agree or no longer does (`index.state_mark`), or when the time
   of the first of those that are current is over.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from waypost.hub import index
from waypost.hub.receipts import coverage
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2


@dataclass(frozen=True, slots=True)
class _Answered:
    """Members whose index is stale, and what that rests on (rule 2)."""

    roster: Roster
    mark: str
    until_ms: int
    stale: frozenset[str]


class Coverages:
    """The coverage of checks; whose index is stale is kept from one to the next."""

    def __init__(self) -> None:
        self._held: _Answered | None = None

    def of(self, connection: Connection, roster: Roster, asker: str, now_ms: int) -> check_pb2.Coverage:
        """Coverage of a check of that asker (rule 1)."""
        mark, held = index.state_mark(connection), self._held
        if held is None or held.roster is not roster or held.mark != mark or held.until_ms <= now_ms:
            until_ms = index.current_until_ms(connection, roster.epoch, now_ms)
            stale = index.stale_oris(connection, roster.epoch, now_ms)
            held = self._held = _Answered(roster, mark, until_ms, stale)
        return coverage(roster, asker, held.stale)
