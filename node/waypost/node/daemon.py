"""The node's process: the link, and one task a subject, each a module of its own, over what they share (running.py).

One loop owns every task. The commands of the same node are other processes on the same store; what they leave there is
looked for a few times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from waypost.crypto.keystore import Keystore
from waypost.crypto.serving import settle
from waypost.node import scrubbing, terms
from waypost.node.audit import Event
from waypost.node.disclosure_heads import DisclosureHeads
from waypost.node.errors import LinkError, NodeError, Refused, StoreError
from waypost.node.faults import described
from waypost.node.hub_client import HubClient
from waypost.node.index_upkeep import IndexUpkeep
from waypost.node.link import PROTOCOL, Link, LinkEvents, LinkState
from waypost.node.log_watch import LogWatch
from waypost.node.performing import Performing
from waypost.node.postal import Postal
from waypost.node.running import RETRY_S, TROUBLE_STATE, Running, now_ms
from waypost.node.sealing_keys import SealingKeys
from waypost.node.sending_notices import SendingNotices
from waypost.node.sending_referrals import SendingReferrals
from waypost.node.serve_lock import ServeLock
from waypost.node.store import Store
from waypost.node.watch_upkeep import WatchUpkeep
from waypost.v1 import link_pb2

_log = logging.getLogger("waypost.node")
_HOUSEKEEPING_INTERVAL_S: Final = 3600.0


class Daemon:
    """All that one node does while it runs. `announce` is called when the link is up for the first time."""

    def __init__(self, node: Running, announce: Callable[[], None]) -> None:
        self._node = node
        self._announce = announce
        self._postal = Postal(node)
        self._index = IndexUpkeep(node)
        self._checks = Performing(node)
        self._watches = WatchUpkeep(node)
        sealing_keys = SealingKeys(node)
        self._notices = SendingNotices(node, sealing_keys)
        self._referrals = SendingReferrals(node, sealing_keys)
        self._log = LogWatch(node)
        self._heads = DisclosureHeads(node)
        events = LinkEvents(self._hello, self._attached, self._frame, self._detached)
        node.link = self._link = Link(self._connect, events)

    def _tasks(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What is done again and again while the node is attached."""
        return (
            self._postal.pump_outbox,
            self._postal.try_again,
            self._index.step,
            self._checks.step,
            self._watches.step,
            self._notices.step,
            self._referrals.step,
            self._log.step,
            self._heads.step,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; whatever was begun is finished or left for the next start."""
        await self._node.note_link(LinkState.CONNECTING, "")
        tasks = [asyncio.create_task(self._link.run())]
        tasks += [asyncio.create_task(self._forever(work)) for work in self._tasks()]
        tasks.append(asyncio.create_task(self._housekeeping()))
        waiter = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, waiter):
            task.cancel()
        await asyncio.gather(*tasks, waiter, return_exceptions=True)
        await self._node.note_link(LinkState.GONE, "stopped")
        self._node.close()
        for task in done - {waiter}:
            task.result()

    async def _forever(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a piece of work again and again; the world's and others' faults are noted, ours end the process."""
        while True:
            try:
                await self._node.attached.wait()
                await work()
            except (LinkError, Refused, StoreError) as error:
                _log.warning("%s: %s", work.__qualname__, error)
                with contextlib.suppress(StoreError):  # it may be the store itself that is in trouble
                    await self._node.note(TROUBLE_STATE, str(error))
                await asyncio.sleep(RETRY_S)

    def _connect(self) -> HubClient:
        node = self._node
        return HubClient(node.federation.hub_address, node.home, node.tls_key)

    async def _hello(self) -> link_pb2.Hello:
        roster = self._node.roster
        version = roster.version if roster is not None else 0
        return link_pb2.Hello(protocol=PROTOCOL, roster_version=version, software=metadata.version("waypost"))

    async def _attached(self, client: HubClient) -> None:
        node = self._node
        node.client = client
        self._postal.begin()
        await node.note_link(LinkState.ATTACHED, "")
        await node.audit(Event.ATTACHED, "", "")
        node.attached.set()
        self._announce()
        self._announce = lambda: None
        if await client.renew_certificate_if_due(node.ori):
            await node.audit(Event.CERTIFICATE_RENEWED, "", "")
        await self._index.send_digest()

    async def _detached(self, why: str) -> None:
        node = self._node
        was_up = node.attached.is_set()
        node.attached.clear()
        try:
            await node.note_link(LinkState.WAITING, why)
            if was_up:
                await node.audit(Event.DETACHED, "", why)
        except StoreError as error:
            _log.warning("the end of the link is not on record: %s", error)

    async def _frame(self, frame: link_pb2.HubFrame) -> None:
        if frame.HasField("mail"):
            await self._postal.take_mail(frame.mail)
            return
        try:
            await self._take(frame)
        except NodeError:
            raise
        except Exception as error:  # noqa: BLE001 - another party's frame must not end the process
            fault = described(error)
            _log.error("a frame of the link was left: %s", fault)
            await self._node.audit(Event.FRAME_FAILED, "", fault)

    async def _take(self, frame: link_pb2.HubFrame) -> None:
        if frame.HasField("roster"):
            await self._node.take_roster(frame.roster)
        elif frame.HasField("post_result"):
            await self._postal.take_result(frame.post_result)
        elif frame.HasField("index_verdict"):
            await self._index.take_verdict(frame.index_verdict)

    async def _housekeeping(self) -> None:
        """What is due whether the node is attached or not."""
        node = self._node
        while True:
            moment_ms, today = now_ms(), datetime.now(UTC).date()
            try:
                await node.threads.in_store(lambda now=moment_ms: node.store.replay.purge(now))  # type: ignore[misc]
                await node.threads.in_store(lambda now=moment_ms: node.store.signed.purge(now))  # type: ignore[misc]
                await node.threads.in_store(
                    lambda now=moment_ms, day=today: terms.lapse(node.store, day, now)  # type: ignore[misc]
                )
                await node.threads.in_store(lambda: scrubbing.scrub_if_free(node.store))
                await node.threads.in_store(lambda: scrubbing.empty_log(node.store))
            except StoreError as error:
                _log.warning("what is due by the clock waits: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            await asyncio.sleep(_HOUSEKEEPING_INTERVAL_S)


async def serve(home: Path, keys: Keystore, store: Store) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when the link is up for the first time."""
    with ServeLock(home).held():
        node = Running(home, keys, store)
        daemon = Daemon(node, lambda: print(f"waypost-node {node.ori} attached", flush=True))  # noqa: T201
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        settle()
        await daemon.run(stop)
