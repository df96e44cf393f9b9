"""Links: which members are attached to this process, and what wakes them.

A link never owns mail. It looks into the mailbox for what it has not sent yet, keeps a bounded number in flight, and
looks again when it is woken, or when something was taken that kept it from sending more. States of a link:

    opening --hello--> attached --stream ends, superseded, suspended, stopping--> closed
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from waypost.hub.limits import MAIL_IN_FLIGHT_BYTES_MAX, MAIL_IN_FLIGHT_MAX, ROSTERS_ON_THEIR_WAY_MAX
from waypost.v1 import link_pb2


@dataclass(slots=True, eq=False)
class Link:
    """One attached member. `outgoing` holds frames to send, None ends the stream; `in_flight` has sizes by mail id."""

    ori: str
    outgoing: asyncio.Queue[link_pb2.HubFrame | None]
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: dict[int, int] = field(default_factory=dict)
    last_sent_id: int = 0
    roster_version: int = 0
    roster_sent: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Look into the mailbox."""
        self.woken.set()

    def sent(self, mail_id: int, size_bytes: int) -> None:
        """A piece of mail is on its way."""
        self.in_flight[mail_id] = size_bytes
        self.last_sent_id = mail_id

    def taken(self, mail_id: int) -> None:
        """A piece of mail is off the link."""
        stood_still = self.room <= 0
        self.in_flight.pop(mail_id, None)
        if stood_still:
            self.woken.set()

    @property
    def room(self) -> int:
        """How many more pieces of mail may be in flight; none when those that are fill their share of memory."""
        if sum(self.in_flight.values()) >= MAIL_IN_FLIGHT_BYTES_MAX:
            return 0
        return MAIL_IN_FLIGHT_MAX - len(self.in_flight)

    def end(self, reason: str = "", retry_after_ms: int = 0) -> None:
        """End the stream, with a goodbye if there is a reason. Never waits, whatever the other side does.

        Frames not sent yet are dropped: mail is in the mailbox, and a node sends again what it has no result for.
        """
        while not self.outgoing.empty():
            self.outgoing.get_nowait()
        if reason:
            goodbye = link_pb2.Goodbye(reason=reason, retry_after_ms=retry_after_ms)
            self.outgoing.put_nowait(link_pb2.HubFrame(goodbye=goodbye))
        self.outgoing.put_nowait(None)


class Links:
    """All links of this process, one per member. `roster_turns` are taken by those that are being sent a new roster."""

    def __init__(self, rosters_max: int = ROSTERS_ON_THEIR_WAY_MAX) -> None:
        self._links: dict[str, Link] = {}
        self.roster_turns = asyncio.Semaphore(rosters_max)

    def open(self, link: Link) -> Link | None:
        """Take up a link; the older one of the same member that it supersedes, if any."""
        older = self._links.get(link.ori)
        self._links[link.ori] = link
        return older

    def close(self, link: Link) -> None:
        """Forget a link, unless a newer one has taken its place."""
        if self._links.get(link.ori) is link:
            del self._links[link.ori]

    def get(self, ori: str) -> Link | None:
        """The member's link in this process."""
        return self._links.get(ori)

    def all(self) -> list[Link]:
        """Every link."""
        return list(self._links.values())

    def wake(self, oris: Iterable[str]) -> None:
        """Let these members' links look into the mailbox."""
        for ori in oris:
            link = self._links.get(ori)
            if link is not None:
                link.wake()
