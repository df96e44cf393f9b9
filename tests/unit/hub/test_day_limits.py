"""What one member may send in a day, rule by rule; and that a link which has sent it ends, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.parties.hub_world import ASKER, HOLDER, NOW_MS, HubWorld

from waypost.hub import day_limits, schema
from waypost.hub.attachment import Attachment
from waypost.hub.audit import Event
from waypost.hub.database import Database
from waypost.hub.day_limits import DayLimitReached, DayLimits
from waypost.hub.limits import LIMITED_RETRY_AFTER_MS
from waypost.hub.links import Links
from waypost.hub.registrar import Registrar
from waypost.hub.service import Hub, now_ms
from waypost.protocol.limits import DAY_MS
from waypost.v1 import envelope_pb2, hub_service_pb2, link_pb2

TOKEN = b"t" * 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_limits, "MESSAGES_PER_DAY_MAX", 3)
    monkeypatch.setattr(day_limits, "MESSAGE_BYTES_PER_DAY_MAX", 20_000)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path, now_ms=now_ms())
    yield made
    made.close()


def reached(limits: DayLimits, message_bytes: int, at_ms: int, ori: str = ASKER) -> bool:
    """Whether it is refused; and whether that is the first time of the day, which is audited (rule 3)."""
    with pytest.raises(DayLimitReached) as caught:
        limits.count(ori, message_bytes, at_ms)
    assert caught.value.reason == "day-limit"
    return caught.value.first


def test_rule_2_a_member_is_refused_after_so_many_messages_until_the_next_day_and_others_are_not() -> None:
    limits, day = DayLimits(), NOW_MS - NOW_MS % DAY_MS
    for _ in range(3):
        limits.count(ASKER, 1, day)
    assert reached(limits, 1, day + 1)
    assert not reached(limits, 1, day + DAY_MS - 1)
    limits.count(HOLDER, 1, day + DAY_MS - 1)
    limits.count(ASKER, 1, day + DAY_MS)


def test_rule_2_the_same_in_bytes_and_a_smaller_message_still_fits() -> None:
    limits = DayLimits()
    limits.count(ASKER, 15_000, NOW_MS)
    assert reached(limits, 5_001, NOW_MS)
    limits.count(ASKER, 5_000, NOW_MS)
    assert not reached(limits, 1, NOW_MS)


def hub_of(world: HubWorld, pool: ThreadPoolExecutor) -> Hub:
    unused: Any = None
    database = Database(world.engine)
    registrar = Registrar(database, unused, world.hub, unused)
    registrar.in_force = world.roster()
    return Hub(world.hub, unused, unused, database, unused, registrar, Links(), pool, pool)


async def linked(hub: Hub, posts: list[envelope_pb2.Envelope]) -> list[link_pb2.HubFrame]:
    """The holder attaches and posts: what it is told until its stream ends, or everything was settled."""

    async def requests() -> AsyncIterator[hub_service_pb2.AttachRequest]:
        frames = [
            link_pb2.NodeFrame(hello=link_pb2.Hello(protocol=1)),
            *(link_pb2.NodeFrame(post=link_pb2.Post(post_id=n, message=post)) for n, post in enumerate(posts, 1)),
        ]
        for frame in frames:
            yield hub_service_pb2.AttachRequest(frame=frame)
        await asyncio.Event().wait()

    told = []
    async with asyncio.timeout(20), aclosing(Attachment(hub, HOLDER).run(requests())) as frames:
        async for frame in frames:
            told.append(frame)
            if frame.HasField("post_result") and frame.post_result.post_id == len(posts):
                break
    return told


async def test_attack_a_member_posts_without_end_and_its_link_ends_while_what_was_taken_stays(
    world: HubWorld,
) -> None:
    world.register(HOLDER, [TOKEN])
    checks = [world.ask([TOKEN]) for _ in range(4)]
    for asked in checks:
        world.submit(asked)
    with ThreadPoolExecutor(1) as pool:
        hub = hub_of(world, pool)
        told = await linked(hub, [world.answer(asked) for asked in checks])
        assert [frame.goodbye.retry_after_ms for frame in told if frame.HasField("goodbye")] == [LIMITED_RETRY_AFTER_MS]
        assert (await linked(hub, [world.answer(checks[3])]))[-1].goodbye.reason == "day-limit"
        answered = [held for held in world.receipts() if held.sequence == 2]
        assert len(answered) == 3
        query = select(schema.audit.c.subject).where(schema.audit.c.event == Event.DAY_LIMIT_REACHED.value)
        assert world.do(lambda connection: list(connection.scalars(query))) == [HOLDER]
        hub.day_limits._day -= 1  # the next day
        last = (await linked(hub, [world.answer(checks[3])]))[-1]
        assert last.post_result.accepted
        hub.database.close()
