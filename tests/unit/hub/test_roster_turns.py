"""A new roster goes to few links at a time: 18,000 copies of three megabytes do not fit into a hub's memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parties.hub_world import ASKER, HOLDER, OTHER, HubWorld

from waypost.hub import attachment
from waypost.hub.attachment import Attachment
from waypost.hub.database import Database
from waypost.hub.links import Links
from waypost.hub.registrar import Registrar
from waypost.hub.service import Hub, HubService, now_ms
from waypost.v1 import envelope_pb2, hub_service_pb2, link_pb2

HELD, NEW, NEWER = 7, 8, 9
QUIET_S = 0.3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path, now_ms=now_ms())
    yield made
    made.close()


@pytest.fixture
def hub(world: HubWorld) -> Iterator[Hub]:
    """A hub that may send its roster to one link at a time."""
    unused: Any = None
    database = Database(world.engine)
    registrar = Registrar(database, unused, world.hub, unused)
    with ThreadPoolExecutor(1) as pool:
        yield Hub(world.hub, unused, unused, database, unused, registrar, Links(1), pool, pool)
    database.close()


def publish(hub: Hub, world: HubWorld, version: int) -> None:
    hub.registrar.roster = hub.registrar.in_force = replace(world.roster(), version=version)
    hub.registrar.envelope = envelope_pb2.Envelope(payload=f"roster {version}".encode())
    hub.tell_links()


Frames = AsyncGenerator[link_pb2.HubFrame]


async def attach(hub: Hub, ori: str, stack: AsyncExitStack) -> Frames:
    """A link whose node holds roster 7; frames are taken when the test asks for them."""

    async def requests() -> AsyncIterator[hub_service_pb2.AttachRequest]:
        hello = link_pb2.Hello(protocol=1, roster_version=HELD)
        yield hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(hello=hello))
        await asyncio.Event().wait()

    frames: Frames = Attachment(hub, ori).run(requests())
    await stack.enter_async_context(aclosing(frames))
    assert (await anext(frames)).HasField("welcome")
    return frames


async def roster_of(frames: Frames) -> bytes:
    async with asyncio.timeout(10):
        return (await anext(frames)).roster.payload


async def test_a_link_gets_the_roster_when_another_has_taken_its_copy_and_then_the_newest(
    hub: Hub, world: HubWorld
) -> None:
    publish(hub, world, HELD)
    async with AsyncExitStack() as stack:
        links = [await attach(hub, ori, stack) for ori in (ASKER, HOLDER)]
        publish(hub, world, NEW)
        asked = {asyncio.create_task(roster_of(frames)): frames for frames in links}
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(QUIET_S)
        (served,), (waiting,) = done, asked.keys() - done
        assert served.result() == b"roster 8"  # on its way: not taken until its link asks for more
        assert not waiting.done()
        publish(hub, world, NEWER)
        more = asyncio.create_task(roster_of(asked[served]))
        assert await waiting == b"roster 9"
        taken = asyncio.create_task(anext(asked[waiting]))
        assert await more == b"roster 9"
        taken.cancel()
        await asyncio.gather(taken, return_exceptions=True)


async def test_a_roster_is_one_object_for_all_links_for_an_idle_one_holds_on_to_it(hub: Hub, world: HubWorld) -> None:
    publish(hub, world, NEW)
    service = HubService(hub)
    responses = []
    for ori in (ASKER, HOLDER):
        async with AsyncExitStack() as stack:
            frames = await attach(hub, ori, stack)
            responses.append(service._response(await anext(frames)))
    assert responses[0] is responses[1]
    assert responses[0].frame.roster.payload == b"roster 8"
    publish(hub, world, NEWER)
    frame = hub.registrar.frame()
    assert frame is not None
    assert service._response(frame).frame.roster.payload == b"roster 9"


async def test_attack_a_node_that_does_not_take_the_roster_keeps_others_from_theirs_for_a_moment_only(
    hub: Hub, world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachment, "ROSTER_SEND_MAX_S", 0.05)
    publish(hub, world, HELD)
    async with AsyncExitStack() as stack:
        links = [await attach(hub, ori, stack) for ori in (ASKER, HOLDER)]
        publish(hub, world, NEW)
        assert await asyncio.gather(*map(roster_of, links)) == [b"roster 8", b"roster 8"]


async def test_a_member_that_was_suspended_is_cut_off_without_waiting_for_its_turn(hub: Hub, world: HubWorld) -> None:
    publish(hub, world, HELD)
    async with AsyncExitStack() as stack:
        served = await attach(hub, ASKER, stack)
        publish(hub, world, NEW)
        assert await roster_of(served) == b"roster 8"
        waiting = await attach(hub, OTHER, stack)
        await asyncio.sleep(QUIET_S)
        world.suspended = {OTHER}
        publish(hub, world, NEWER)
        async with asyncio.timeout(10):
            assert (await anext(waiting)).goodbye.reason == "suspended"
