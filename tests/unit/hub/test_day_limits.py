"""What one member may send in a day, rule by rule; and that a link which has sent it ends, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from sqlalchemy import select
from tests.parties.hub_world import ASKER, HOLDER, NOW_MS, HubWorld

from waypost.crypto import pki
from waypost.hub import day_limits, schema
from waypost.hub.attachment import Attachment
from waypost.hub.audit import Event
from waypost.hub.database import Database
from waypost.hub.day_limits import DayLimitReached, DayLimits
from waypost.hub.limits import LIMITED_RETRY_AFTER_MS
from waypost.hub.links import Links
from waypost.hub.registrar import Registrar
from waypost.hub.service import Hub, HubService, now_ms
from waypost.protocol.limits import DAY_MS
from waypost.v1 import envelope_pb2, hub_service_pb2, index_pb2, link_pb2

TOKEN = b"t" * 16


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_limits, "MESSAGES_PER_DAY_MAX", 4)
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
    for _ in range(4):
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


async def linked(hub: Hub, posts: list[envelope_pb2.Envelope], digests: int = 0) -> list[link_pb2.HubFrame]:
    """The holder attaches, posts, compares: what it is told until its stream ends, or everything was settled."""

    async def requests() -> AsyncIterator[hub_service_pb2.AttachRequest]:
        frames = [
            link_pb2.NodeFrame(hello=link_pb2.Hello(protocol=1)),
            *(link_pb2.NodeFrame(post=link_pb2.Post(post_id=n, message=post)) for n, post in enumerate(posts, 1)),
            *[link_pb2.NodeFrame(index_digest=index_pb2.IndexDigest(epoch=1, digest=bytes(32)))] * digests,
        ]
        for frame in frames:
            yield hub_service_pb2.AttachRequest(frame=frame)
        await asyncio.Event().wait()

    told = []
    async with asyncio.timeout(20), aclosing(Attachment(hub, HOLDER).run(requests())) as frames:
        async for frame in frames:
            told.append(frame)
            settled = frame.post_result.post_id == len(posts) if posts else frame.HasField("mail")
            if settled and not digests:
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


def audited(world: HubWorld) -> list[str]:
    query = select(schema.audit.c.event).where(schema.audit.c.subject == HOLDER)
    return world.do(lambda connection: list(connection.scalars(query)))


async def test_rule_4_attack_a_member_attaches_without_end_to_fill_the_audit_and_still_gets_its_mail(
    world: HubWorld,
) -> None:
    world.register(HOLDER, [TOKEN])
    world.submit(world.ask([TOKEN]))
    with ThreadPoolExecutor(1) as pool:
        hub = hub_of(world, pool)
        for _ in range(5):
            assert any(frame.HasField("mail") for frame in await linked(hub, []))
        assert audited(world) == [Event.ATTACHED.value, Event.DETACHED.value] * 2
        hub.database.close()


async def test_rule_1_attack_a_member_has_its_index_compared_without_end_to_fill_the_audit(world: HubWorld) -> None:
    with ThreadPoolExecutor(1) as pool:
        hub = hub_of(world, pool)
        told = await linked(hub, [], digests=10)
        assert told[-1].goodbye.reason == "day-limit"
        assert audited(world) == [
            Event.ATTACHED.value, *[Event.INDEX_DIFFERS.value] * 3, Event.DAY_LIMIT_REACHED.value
        ]  # fmt: skip
        hub.database.close()


class Ended(Exception):  # noqa: N818 - as gRPC ends a call
    """The call was ended with a status."""


class Call:
    """A call on a connection with the holder's certificate, as gRPC describes it to a service."""

    def auth_context(self) -> dict[str, list[bytes]]:
        uri = f"{pki.MEMBER_URI_PREFIX}{HOLDER}".encode()
        return {"x509_common_name": [HOLDER.encode()], "x509_subject_alternative_name": [uri]}

    async def abort(self, _code: grpc.StatusCode, words: str) -> NoReturn:
        raise Ended(words)


@pytest.mark.parametrize("attack", ["suspended", "malformed", "evaluation"])
async def test_rule_4_attack_refused_calls_without_end_leave_no_more_entries_than_a_day_has(
    world: HubWorld, attack: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        hub = hub_of(world, pool)
        if attack == "suspended":
            world.suspended.add(HOLDER)
            hub.registrar.in_force = world.roster()
        service = HubService(hub)
        for _ in range(6):
            if attack == "malformed":
                await service.malformed(HOLDER, "/waypost.v1.HubService/Evaluate")
            else:
                call: Any = Call()
                with pytest.raises(Ended):
                    await service.Evaluate(hub_service_pb2.EvaluateRequest(), call)
        event = {
            "suspended": Event.CALLER_REFUSED, "malformed": Event.CALL_MALFORMED, "evaluation": Event.EVALUATION_REFUSED
        }[attack]  # fmt: skip
        assert audited(world) == [event.value] * 4
        hub.database.close()
