"""What one member may send to the hub in a day: nobody fills the disk, the audit or the log for the others.

1. Every message counts with its bytes, lawful or not, before it is verified: what is refused leaves traces as well.
2. A member that has reached MESSAGES_PER_DAY_MAX or MESSAGE_BYTES_PER_DAY_MAX is refused until the next day (UTC). A
   node keeps what it could not post, and posts it then.
3. It is audited once in the day.
4. What a member causes without a message (it attaches, it calls while suspended, its evaluation is refused) counts as
   one without bytes where it would leave an audit entry, and leaves none when the day's are used up.

Counts are kept in memory, by process: a hub that starts again begins anew. They bound what is left at the hub, and no
promise of privacy rests on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from waypost.hub.errors import RateExceeded
from waypost.hub.limits import MESSAGE_BYTES_PER_DAY_MAX, MESSAGES_PER_DAY_MAX
from waypost.protocol.limits import DAY_MS


@dataclass(slots=True)
class _Sent:
    messages: int = 0
    total_bytes: int = 0
    refused: bool = False


class DayLimitReached(RateExceeded):
    """A member has sent what one may send in a day; `first` when it is the first refusal of the day (rule 3)."""

    def __init__(self, *, first: bool) -> None:
        super().__init__(
            "day-limit", "the member has sent as much as one may in a day", hint="the next day (UTC) takes more"
        )
        self.first = first


class DayLimits:
    """What every member has sent today."""

    def __init__(self) -> None:
        self._day = 0
        self._sent: dict[str, _Sent] = {}

    def count(self, ori: str, message_bytes: int, now_ms: int) -> None:
        """Count a message (rule 1); DayLimitReached when it is one too many (rule 2)."""
        day = now_ms // DAY_MS
        if day != self._day:
            self._day, self._sent = day, {}
        sent = self._sent.setdefault(ori, _Sent())
        if sent.messages >= MESSAGES_PER_DAY_MAX or sent.total_bytes + message_bytes > MESSAGE_BYTES_PER_DAY_MAX:
            first, sent.refused = not sent.refused, True
            raise DayLimitReached(first=first)
        sent.messages += 1
        sent.total_bytes += message_bytes

    def notes(self, ori: str, now_ms: int) -> bool:
        """Count what leaves an audit entry, but no message; False when it shall leave none (rule 4)."""
        try:
            self.count(ori, 0, now_ms)
        except DayLimitReached:
            return False
        return True
