"""The link: one stream to the hub that comes back, whatever happens to it.

    waiting     --back-off over--> connecting
    connecting  --Welcome--------> attached
    connecting  --failed---------> waiting (back-off doubled)
    attached    --stream ended---> waiting (back-off from the start)
    attached    --Goodbye--------> waiting (at least as long as the hub asks, see rule 5)
    any         --asked to stop--> gone

1. Back-off doubles from BACKOFF_FIRST_S to BACKOFF_MAX_S with full jitter, and never gives up.
2. Mail is acknowledged only after its effect is stored. What is not acknowledged comes again, and is recognized.
3. A post stays in the outbox until the hub has said what became of it; after a reconnection all of them go up again.
4. Whoever waits to send while the hub takes nothing is let go when the stream ends; what he had is dropped.
5. A suspended node tries again within SUSPENDED_WAIT_MAX_S whatever the hub asks, for nobody tells it of its
   reinstatement. What the hub asks is stretched by up to a quarter, so that many nodes do not come back together.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from grpc import aio

from waypost.node.errors import LinkError, Refused, StoreError
from waypost.node.hub_client import HubClient, told
from waypost.v1 import hub_service_pb2, link_pb2

_log = logging.getLogger("waypost.node")

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 60.0
SUSPENDED_WAIT_MAX_S: Final = 240.0
"""Before it is stretched: five minutes at most."""
CONNECT_TIMEOUT_S: Final = 20.0
"""From the first try of a connection until Welcome."""
OUTGOING_FRAMES_MAX: Final = 256
PROTOCOL: Final = 1
_Stream: TypeAlias = "aio.StreamStreamCall[hub_service_pb2.AttachRequest, hub_service_pb2.AttachResponse]"


class LinkState(StrEnum):
    """The states drawn above."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    ATTACHED = "attached"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class LinkEvents:
    """What the owner of a link does: `hello` makes the first frame, the others run in the link's task."""

    hello: Callable[[], Awaitable[link_pb2.Hello]]
    attached: Callable[[HubClient], Awaitable[None]]
    frame: Callable[[link_pb2.HubFrame], Awaitable[None]]
    detached: Callable[[str], Awaitable[None]]


def back_off(failures: int, jitter: float) -> float:
    """Seconds to wait after that many failures in a row (rule 1); `jitter` is between 0 and 1."""
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * float(2 ** min(failures, 16)))
    return ceiling * (0.5 + jitter / 2)


def stretched(asked_s: float, jitter: float) -> float:
    """Seconds to wait where the hub asked for that many (rule 5); `jitter` is between 0 and 1."""
    return asked_s * (1 + jitter / 4)


class Link:
    """Keeps one stream up. `send` puts frames on it; frames sent while it is down are dropped, for nothing is lost."""

    def __init__(self, connect: Callable[[], HubClient], events: LinkEvents) -> None:
        self._connect = connect
        self._events = events
        self._outgoing: asyncio.Queue[link_pb2.NodeFrame | None] = asyncio.Queue(OUTGOING_FRAMES_MAX)
        self.state = LinkState.WAITING
        self._taking = True
        self._asked_to_wait_s = 0.0

    async def send(self, frame: link_pb2.NodeFrame) -> None:
        """Put a frame on the stream if it is up; waits while the hub takes none, as long as the stream lasts."""
        if self.state is LinkState.ATTACHED and self._taking:
            await self._outgoing.put(frame)

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        failures = 0
        try:
            while True:
                self.state = LinkState.CONNECTING
                reached, why = await self._once()
                self.state = LinkState.WAITING
                failures = 0 if reached else failures + 1
                await self._events.detached(why)
                jitter = random.random()  # noqa: S311 - no secret
                wait_s = max(back_off(failures, jitter), stretched(self._asked_to_wait_s, jitter))
                self._asked_to_wait_s = 0.0
                _log.info("link down (%s); next try in %.1f s", why, wait_s)
                await asyncio.sleep(wait_s)
        finally:
            self.state = LinkState.GONE

    async def _once(self) -> tuple[bool, str]:
        """One connection, from the first try to its end: whether it was attached, and why it ended."""
        client = self._connect()
        self._outgoing, self._taking = asyncio.Queue(OUTGOING_FRAMES_MAX), True
        reached = False
        try:
            call = client.stub.Attach(self._frames(await self._events.hello()))
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                first = await call.read()
            if first is aio.EOF or not isinstance(first, hub_service_pb2.AttachResponse):
                return False, "the hub ended the stream"
            if not first.frame.HasField("welcome"):
                return False, "the hub did not say welcome"
            self.state, reached = LinkState.ATTACHED, True
            await self._events.attached(client)
            return True, await self._read(call)
        except TimeoutError:
            return reached, "the hub did not answer in time"
        except aio.AioRpcError as error:
            return reached, str(told(error))
        except (LinkError, Refused, StoreError) as error:
            return reached, str(error)
        finally:
            self._end_frames()
            await client.close()

    def _end_frames(self) -> None:
        """Let what reads the frames of the stream that is over end as well; with a full queue the closing ends it."""
        with suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(None)

    async def _read(self, call: _Stream) -> str:
        while True:
            response = await call.read()
            if not isinstance(response, hub_service_pb2.AttachResponse):
                return "the hub ended the stream"
            frame = response.frame
            if frame.HasField("goodbye"):
                asked_s = frame.goodbye.retry_after_ms / 1000
                suspended = frame.goodbye.reason == "suspended"
                self._asked_to_wait_s = min(asked_s, SUSPENDED_WAIT_MAX_S) if suspended else asked_s
                return f"the hub said goodbye: {frame.goodbye.reason}"
            await self._events.frame(frame)

    async def _frames(self, hello: link_pb2.Hello) -> AsyncIterator[hub_service_pb2.AttachRequest]:
        outgoing = self._outgoing
        try:
            yield hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(hello=hello))
            while (frame := await outgoing.get()) is not None:
                yield hub_service_pb2.AttachRequest(frame=frame)
        finally:
            self._let_go(outgoing)

    def _let_go(self, outgoing: asyncio.Queue[link_pb2.NodeFrame | None]) -> None:
        """Rule 4: nobody takes frames any more, so whoever waits to put one shall not wait for ever."""
        if outgoing is self._outgoing:
            self._taking = False
        while not outgoing.empty():
            outgoing.get_nowait()
