"""The link, rule by rule, over a real socket: a hub that goes away, says goodbye, or is none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from grpc import StatusCode, aio
from hypothesis import given
from hypothesis import strategies as st

from waypost.node import link as link_module
from waypost.node.errors import LinkError, Refused, StoreUnavailable
from waypost.node.hub_client import told
from waypost.node.link import BACKOFF_FIRST_S, BACKOFF_MAX_S, Link, LinkEvents, LinkState, back_off
from waypost.v1 import envelope_pb2, hub_service_pb2, link_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceServicer, HubServiceStub, add_HubServiceServicer_to_server

Says = Callable[["Hub"], AsyncIterator[link_pb2.HubFrame]]
WAIT_S = 20.0
WELCOME = link_pb2.HubFrame(welcome=link_pb2.Welcome(roster_version=3))


class Hub(HubServiceServicer):
    """What it says to each stream, in turn; the last of it to all that follow."""

    def __init__(self, *says: Says) -> None:
        self.says = list(says)
        self.streams = 0
        self.heard: list[link_pb2.NodeFrame] = []

    async def Attach(self, request_iterator: Any, context: Any) -> Any:  # noqa: ARG002, N802 - the protocol's name
        self.streams += 1
        say = self.says.pop(0) if len(self.says) > 1 else self.says[0]

        async def listen() -> None:
            async for request in request_iterator:
                self.heard.append(request.frame)

        ear = asyncio.create_task(listen())
        try:
            async for frame in say(self):
                yield hub_service_pb2.AttachResponse(frame=frame)
        finally:
            ear.cancel()
            with suppress(asyncio.CancelledError):
                await ear


def hub_that(*says: Says) -> Hub:
    """Its other calls are answered as unimplemented."""
    return Hub(*says)  # type: ignore[abstract]


async def welcome_and_stay(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    yield WELCOME
    await asyncio.Event().wait()


async def welcome_and_go(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    yield WELCOME


async def go_at_once(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    return
    yield


async def no_welcome(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    yield link_pb2.HubFrame(post_result=link_pb2.PostResult(post_id=1))


async def silence(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    await asyncio.Event().wait()
    yield WELCOME


async def goodbye(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    yield WELCOME
    yield link_pb2.HubFrame(goodbye=link_pb2.Goodbye(reason="restarting", retry_after_ms=700))


async def suspended(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    yield WELCOME
    yield link_pb2.HubFrame(goodbye=link_pb2.Goodbye(reason="suspended", retry_after_ms=3_600_000))


async def mail(_: Hub) -> AsyncIterator[link_pb2.HubFrame]:
    yield WELCOME
    yield link_pb2.HubFrame(mail=link_pb2.Mail(mail_id=1))
    await asyncio.Event().wait()


@dataclass
class Owner:
    """What the owner of the link was told; `fault` is raised when a frame comes."""

    fault: Exception | None = None
    attached: int = 0
    frames: list[link_pb2.HubFrame] = field(default_factory=list)
    detached: list[str] = field(default_factory=list)

    def events(self) -> LinkEvents:
        async def hello() -> link_pb2.Hello:
            return link_pb2.Hello(protocol=1, roster_version=3, software="test")

        async def on_attached(_: object) -> None:
            self.attached += 1

        async def on_frame(frame: link_pb2.HubFrame) -> None:
            self.frames.append(frame)
            if self.fault is not None:
                fault, self.fault = self.fault, None
                raise fault

        async def on_detached(why: str) -> None:
            self.detached.append(why)

        return LinkEvents(hello, on_attached, on_frame, on_detached)


class Client:
    """A channel to that address, as HubClient is one with certificates."""

    def __init__(self, address: str) -> None:
        self._channel = aio.insecure_channel(address)
        self.stub: Any = HubServiceStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()


@asynccontextmanager
async def linked(hub: Hub, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Link, list[float]]]:
    """The link running, and how long it meant to wait each time; it does not really wait."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def counted(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", counted)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    server = aio.server()
    add_HubServiceServicer_to_server(hub, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    made: Any = lambda: Client(address)  # noqa: E731
    link = Link(made, owner.events())
    running = asyncio.create_task(link.run())
    try:
        yield link, waited
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert link.state is LinkState.GONE
        await server.stop(0)


async def until(true: Callable[[], object]) -> None:
    pause: Callable[[], Awaitable[object]] = asyncio.get_running_loop().create_future
    async with asyncio.timeout(WAIT_S):
        while not true():
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await pause()


async def test_a_link_says_hello_is_welcomed_and_carries_frames_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, owner = hub_that(mail), Owner()
    async with linked(hub, owner, monkeypatch) as (link, _):
        await until(lambda: owner.frames)
        assert link.state is LinkState.ATTACHED
        assert owner.frames[0].mail.mail_id == 1
        await link.send(link_pb2.NodeFrame(mail_taken=link_pb2.MailTaken(mail_id=1)))
        await until(lambda: len(hub.heard) == 2)
    assert hub.heard[0].hello.software == "test"
    assert hub.heard[1].mail_taken.mail_id == 1
    assert (owner.attached, owner.detached) == (1, [])


async def test_a_frame_sent_while_the_link_is_down_is_dropped_and_not_sent_to_the_next_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = Link(lambda: Client("127.0.0.1:1"), Owner().events())  # type: ignore[arg-type, return-value]
    await link.send(link_pb2.NodeFrame(mail_taken=link_pb2.MailTaken(mail_id=1)))
    assert link._outgoing.empty()
    hub, owner = hub_that(welcome_and_go, welcome_and_stay), Owner()
    async with linked(hub, owner, monkeypatch) as (again, _):
        await until(lambda: hub.streams == 2 and again.state is LinkState.ATTACHED)
    assert all(frame.HasField("hello") for frame in hub.heard)


async def test_rule_1_a_link_that_was_up_and_lost_comes_back_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    async with linked(hub_that(welcome_and_go), owner, monkeypatch) as (_, waited):
        await until(lambda: owner.attached >= 4)
        assert set(waited[:3]) == {BACKOFF_FIRST_S}
    assert set(owner.detached) == {"the hub ended the stream"}


@pytest.mark.parametrize(
    ("says", "why"), [(go_at_once, "the hub ended the stream"), (no_welcome, "the hub did not say welcome")]
)
async def test_rule_1_attack_what_answers_is_no_hub_and_the_node_waits_longer_each_time(
    says: Says, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner()
    async with linked(hub_that(says), owner, monkeypatch) as (_, waited):
        await until(lambda: len(waited) >= 4)
        assert waited[:4] == [2 * BACKOFF_FIRST_S, 4 * BACKOFF_FIRST_S, 8 * BACKOFF_FIRST_S, 16 * BACKOFF_FIRST_S]
    assert owner.attached == 0
    assert why in owner.detached
    assert set(owner.detached) <= {why, "the hub cannot be reached"}  # when the stream's end overtakes its beginning


async def test_attack_a_hub_that_never_says_anything_does_not_hold_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONNECT_TIMEOUT_S", 0.2)
    owner = Owner()
    async with linked(hub_that(silence, welcome_and_stay), owner, monkeypatch):
        await until(lambda: owner.attached)
    assert owner.detached == ["the hub did not answer in time"]


async def test_a_goodbye_is_waited_out_once_whatever_the_back_off_says(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    async with linked(hub_that(goodbye, welcome_and_go, welcome_and_stay), owner, monkeypatch) as (_, waited):
        await until(lambda: owner.attached == 3)
        assert waited == [pytest.approx(0.7 * 1.25), BACKOFF_FIRST_S]
    assert owner.detached[0] == "the hub said goodbye: restarting"


async def test_rule_5_a_suspended_node_tries_again_within_five_minutes_whatever_the_hub_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = Owner()
    async with linked(hub_that(suspended, welcome_and_stay), owner, monkeypatch) as (_, waited):
        await until(lambda: owner.attached == 2)
        assert waited == [300.0]
    assert owner.detached[0] == "the hub said goodbye: suspended"


@pytest.mark.parametrize(
    "fault", [Refused("malformed", "not so"), LinkError("the hub is gone"), StoreUnavailable("the disk is full")]
)
async def test_a_frame_that_cannot_be_taken_ends_the_stream_and_not_the_link(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner(fault=fault)
    async with linked(hub_that(mail), owner, monkeypatch) as (link, _):
        await until(lambda: len(owner.frames) == 2)
        assert link.state is LinkState.ATTACHED
    assert owner.detached == [str(fault)]


class Deaf(Hub):
    """It welcomes, sends one frame, and reads nothing of what the node says, until it dies."""

    async def Attach(self, request_iterator: Any, context: Any) -> Any:  # noqa: ARG002, N802 - the protocol's name
        self.streams += 1
        yield hub_service_pb2.AttachResponse(frame=WELCOME)
        yield hub_service_pb2.AttachResponse(frame=link_pb2.HubFrame(mail=link_pb2.Mail(mail_id=1)))
        await asyncio.Event().wait()


async def test_attack_a_hub_takes_nothing_and_dies_while_the_node_waits_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What waits for room in the queue is let go; the link notices, and comes back."""
    monkeypatch.setattr(link_module, "OUTGOING_FRAMES_MAX", 2)
    owner, link = Owner(), None
    large = link_pb2.NodeFrame(post=link_pb2.Post(post_id=1, message=envelope_pb2.Envelope(payload=bytes(1 << 20))))
    sent = 0

    async def on_frame(frame: link_pb2.HubFrame) -> None:
        nonlocal sent
        owner.frames.append(frame)
        assert link is not None
        for _ in range(100):
            await link.send(large)
            sent += 1

    server = aio.server()
    add_HubServiceServicer_to_server(Deaf(welcome_and_stay), server)  # type: ignore[abstract]
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    made: Any = lambda: Client(address)  # noqa: E731
    link = Link(made, replace(owner.events(), frame=on_frame))
    running = asyncio.create_task(link.run())
    try:
        before = -1
        while before != sent or link._outgoing.qsize() < 2:  # until nothing goes out any more
            before = sent
            await asyncio.sleep(0.5)
        assert sent < 100
        await server.stop(0)
        await until(lambda: owner.detached)
    finally:
        await server.stop(0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_hub_that_is_not_there_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    owner, waited = Owner(), []

    async def counted(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", counted)
    link = Link(lambda: Client("127.0.0.1:1"), owner.events())  # type: ignore[arg-type, return-value]
    with pytest.raises(asyncio.CancelledError):
        await link.run()
    assert (len(waited), owner.attached, link.state) == (3, 0, LinkState.GONE)
    assert all("CERTIFICATE" not in why and why for why in owner.detached)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_rule_1_back_off_grows_never_gives_up_and_never_stampedes(failures: int, jitter: float) -> None:
    wait = back_off(failures, jitter)
    assert BACKOFF_FIRST_S / 2 <= wait <= BACKOFF_MAX_S
    assert back_off(failures, 0.0) <= wait <= back_off(failures, 1.0) == 2 * back_off(failures, 0.0)
    assert back_off(failures + 1, jitter) >= wait


def test_a_hub_that_is_stopped_is_told_in_words() -> None:
    details = "UNKNOWN: ipv4:127.0.0.1:7400: Failed to connect to remote host: Connection refused"
    failed = aio.AioRpcError(StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(), details)
    assert str(told(failed)).startswith("nothing listens at the hub's address")


@pytest.mark.parametrize(("sign", "says"), [("is not yet valid", "not yet valid"), ("has expired", "has expired")])
def test_a_wrong_clock_is_told_in_words(sign: str, says: str) -> None:
    details = f"UNKNOWN: ipv4:127.0.0.1:7400: Tls handshake failed: CERTIFICATE_VERIFY_FAILED: certificate {sign}: OK"
    failed = aio.AioRpcError(StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata(), details)
    why = told(failed)
    assert isinstance(why, LinkError)
    assert says in str(why)
    assert "clock" in str(why)
    assert "TSI" not in str(why)
    assert "ipv4" not in str(why)
