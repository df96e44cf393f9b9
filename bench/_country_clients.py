"""Many members' links in one process: real TLS, real signed messages, and no store behind them.

Started by country.py with a file of seats. Reads commands as JSON lines and answers each with one line; see `COMMANDS`.
A client answers a query as a node does (sealed to the one-time key, signed, posted up the link), takes its mail, and
asks with evaluation and check. Blinding is done beforehand and nothing is looked up: the machine is left to the hub.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from _country_founding import Seat, read_seats
from _country_index import Persons
from _parties import Messages, raise_file_limit
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey
from waypost.crypto.sealing import SealingKey
from waypost.crypto.serving import channel_options
from waypost.crypto.split_oprf import blind_batch
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, hub_service_pb2, index_pb2, link_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

CALL_S: Final = 120.0
ATTACH_S: Final = 60.0
SERVED_SHARE: Final = 0.5
"""Checks whose applicant stands in the index: half of those who apply have served elsewhere."""
RECONNECTS_PER_CHECK: Final = 18_000 / 60_000
DIGESTS_PER_CHECK: Final = 18_000 / 60_000
REGISTRATIONS_PER_CHECK: Final = 3_600 / 60_000
"""Of a day: every link once anew, every index compared once, a registration of every member in five days."""


@dataclass(slots=True)
class Asked:
    """A check on its way: when it began, and how many answers are still to come (None until the receipt says so)."""

    began: float
    awaited: int | None = None
    come: int = 0


@dataclass(slots=True)
class Seen:
    """What was measured, in seconds, and counted."""

    evaluate: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    register: list[float] = field(default_factory=list)
    digest: list[float] = field(default_factory=list)
    reconnect: list[float] = field(default_factory=list)
    answers_given: int = 0
    mail_taken: int = 0
    rosters: int = 0
    lost_links: int = 0
    late: int = 0
    errors: dict[str, int] = field(default_factory=dict)

    def error(self, what: str) -> None:
        self.errors[what] = self.errors.get(what, 0) + 1


class Client:
    """One member."""

    def __init__(self, fleet: Fleet, number: int, seat: Seat) -> None:
        self._fleet, self.number, self.ori = fleet, number, seat.ori
        self.messages = Messages(
            seat.ori,
            signing=SigningKey.from_seed(seat.seed),
            sealing=fleet.one_time,
            answering=fleet.one_time,
            tls_key=seat.tls_key,
            certificate=seat.certificate,
        )
        self._lock = asyncio.Lock()
        self._channel: aio.Channel | None = None
        self._call: Any = None
        self._reader: asyncio.Task[None] | None = None
        self.hub: Any = None
        self.verdict: asyncio.Future[bool] | None = None
        self.busy = 0
        """Calls on their way; a link is not taken down under them."""

    async def attach(self) -> int:
        """Connect, say hello, and wait to be welcomed; the mail that waits."""
        messages = self.messages
        credentials = pki.channel_credentials(
            root_pem=self._fleet.authority, key_pem=messages.tls_key, certificate_pem=messages.certificate
        )
        options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
        self._channel = aio.secure_channel(self._fleet.address, credentials, options=options)
        self.hub = HubServiceStub(self._channel)
        self._call = self.hub.Attach()
        hello = link_pb2.Hello(protocol=1, roster_version=self._fleet.roster_version, software="bench")
        async with asyncio.timeout(ATTACH_S):
            await self.send(hello=hello)
            first = await self._call.read()
        if first is aio.EOF or not first.frame.HasField("welcome"):
            raise ConnectionError("no welcome")
        self._reader = asyncio.create_task(self._read())
        waiting: int = first.frame.welcome.mail_waiting
        return waiting

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
        if self._channel is not None:
            await self._channel.close()
        self._reader = self._channel = None

    async def send(self, **frame: Any) -> None:  # noqa: ANN401 - a frame's one field
        async with self._lock:
            await self._call.write(hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(**frame)))

    async def _read(self) -> None:
        try:
            while (response := await self._call.read()) is not aio.EOF:
                frame = response.frame
                if frame.HasField("mail"):
                    await self._mail(frame.mail)
                elif frame.HasField("roster"):
                    self._fleet.seen.rosters += 1
                elif frame.HasField("index_verdict") and self.verdict is not None:
                    self.verdict.set_result(frame.index_verdict.agrees)
                elif frame.HasField("post_result") and not frame.post_result.accepted:
                    self._fleet.seen.error(f"post: {frame.post_result.reason}")
        except aio.AioRpcError as error:
            self._fleet.seen.error(f"link: {error.code().name}")
        self._fleet.seen.lost_links += 1

    async def _mail(self, mail: link_pb2.Mail) -> None:
        self._fleet.seen.mail_taken += 1
        await self.send(mail_taken=link_pb2.MailTaken(mail_id=mail.mail_id))
        if mail.HasField("query"):
            answer = self.messages.answer(mail.query, b"no record")
            await self.send(post=link_pb2.Post(post_id=mail.mail_id, message=answer))
            self._fleet.seen.answers_given += 1
        elif mail.message.payload_type == names.ANSWER:
            self._fleet.answer_came(check_pb2.Answer.FromString(mail.message.payload).check_id)

    async def check(self, tokens: list[bytes]) -> None:
        """One hiring check: evaluation by both halves, then the request."""
        fleet, check_id = self._fleet, os.urandom(16)
        asked = fleet.asked[check_id] = Asked(time.perf_counter())
        elements, purpose = random.choice(fleet.blinded), index_pb2.EVALUATION_PURPOSE_CHECK
        request = hub_service_pb2.EvaluateRequest(request=self.messages.evaluation(elements, purpose))
        await self.hub.Evaluate(request, timeout=CALL_S)
        evaluated = time.perf_counter()
        header = self.messages.header(names.HUB, limits.DAY_MS, check_id)
        response = await self.hub.SubmitCheck(self.messages.check(tokens, header=header), timeout=CALL_S)
        fleet.seen.evaluate.append(evaluated - asked.began)
        fleet.seen.submit.append(time.perf_counter() - evaluated)
        asked.awaited = len(check_pb2.Receipt.FromString(response.receipt.payload).responses)
        fleet.look_whether_answered(check_id)

    async def register(self, count: int = 1) -> None:
        """Registrations of a full batch each, one after the other."""
        for _ in range(count):
            batch = [os.urandom(limits.TOKEN_BYTES) for _ in range(limits.REGISTRATION_BATCH_TOKENS)]
            began = time.perf_counter()
            await self.hub.Register(self.messages.registration(add=batch), timeout=CALL_S)
            self._fleet.seen.register.append(time.perf_counter() - began)

    async def compare(self, digest: bytes) -> None:
        """State the index digest, and wait for the verdict."""
        if self.verdict is not None:
            return
        self.verdict = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        try:
            await self.send(index_digest=index_pb2.IndexDigest(epoch=1, digest=digest, complete=True))
            async with asyncio.timeout(CALL_S):
                agrees = await self.verdict
            self._fleet.seen.digest.append(time.perf_counter() - began)
            if not agrees:
                self._fleet.seen.error("digest differs")
        finally:
            self.verdict = None


class Fleet:
    """All clients of this process, and the commands that country.py gives."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.address: str = settings["address"]
        self.roster_version: int = settings["roster_version"]
        self.authority: bytes = settings["authority"].encode()
        self.one_time = SealingKey.generate()
        self.blinded = [blind_batch([os.urandom(24) for _ in range(limits.CHECK_TOKENS)]).elements for _ in range(8)]
        self.persons = Persons.load(Path(settings["persons"]))
        seats, share, of = read_seats(Path(settings["seats"])), settings["share"], settings["of"]
        numbered = list(enumerate(seats, start=1))[share::of]
        self._waiting = [(number, seat) for number, seat in numbered]
        self.clients: dict[int, Client] = {}
        self.listed: list[Client] = []
        self._away: list[Client] = []
        self.seen = Seen()
        self.asked: dict[bytes, Asked] = {}
        self.digests: dict[int, bytes] = {}

    def answer_came(self, check_id: bytes) -> None:
        asked = self.asked.get(check_id)
        if asked is not None:
            asked.come += 1
            self.look_whether_answered(check_id)

    def look_whether_answered(self, check_id: bytes) -> None:
        asked = self.asked[check_id]
        if asked.awaited is not None and asked.come >= asked.awaited:
            if asked.awaited:
                self.seen.answered.append(time.perf_counter() - asked.began)
            del self.asked[check_id]

    async def attach(self, *, count: int, at_once: int = 32) -> dict[str, Any]:
        """Attach the next `count` members."""
        chosen, self._waiting = self._waiting[:count], self._waiting[count:]
        began = time.perf_counter()
        failed = await _all([self._attach_one(number, seat) for number, seat in chosen], at_once)
        return {"attached": len(self.clients), "failed": failed, "seconds": time.perf_counter() - began}

    async def _attach_one(self, number: int, seat: Seat) -> None:
        client = Client(self, number, seat)
        try:
            await client.attach()
        except BaseException:
            await client.close()
            raise
        self.add(client)

    async def members(self) -> dict[str, Any]:
        """Who is attached, by row id."""
        return {"members": sorted(self.clients)}

    async def leave(self, *, members: list[int]) -> dict[str, Any]:
        """These members go offline."""
        self._away = [self.clients[number] for number in members if number in self.clients]
        for client in self._away:
            self.remove(client)
        await asyncio.gather(*(client.close() for client in self._away))
        return {"away": len(self._away)}

    async def come_back(self) -> dict[str, Any]:
        """Those who left attach again and take their mail; seconds until the last of it was taken."""
        began, taken = time.perf_counter(), self.seen.mail_taken
        waiting = 0
        for client in self._away:
            waiting += await client.attach()
            self.add(client)
        until = time.perf_counter() + CALL_S
        while self.seen.mail_taken - taken < waiting and time.perf_counter() < until:  # noqa: ASYNC110 - counted elsewhere
            await asyncio.sleep(0.02)
        return {"links": len(self._away), "mail": waiting, "seconds": time.perf_counter() - began}

    async def register(self, *, batches: int, at_once: int) -> dict[str, Any]:
        """Registrations by `at_once` members side by side."""
        chosen = list(self.clients.values())[:at_once]
        began = time.perf_counter()
        await asyncio.gather(*(client.register(batches // at_once) for client in chosen))
        seconds, times = time.perf_counter() - began, self.seen.register
        self.seen = Seen()
        return {"batches": batches // at_once * at_once, "seconds": seconds, "each": times}

    async def compare(self, *, digests: dict[str, str]) -> dict[str, Any]:
        """Index comparisons of these members, one after the other; they are repeated in the day's traffic."""
        self.digests = {int(number): bytes.fromhex(digest) for number, digest in digests.items()}
        rounds = []
        for _ in range(2):
            for number, digest in self.digests.items():
                await self.clients[number].compare(digest)
            rounds.append(self.seen.digest)
            self.seen = Seen()
        return {"first": rounds[0], "again": rounds[1]}

    async def hold_roster(self, *, version: int) -> dict[str, Any]:
        """Links from now on say that they hold this version."""
        self.roster_version = version
        return {"version": version}

    async def compares(self) -> dict[str, Any]:
        """Whose index is compared, by row id."""
        return {"members": self.compared}

    async def rosters(self) -> dict[str, Any]:
        """How many rosters were pushed to this process so far."""
        return {"rosters": self.seen.rosters}

    async def day(
        self, *, seconds: float, rate: float, at_once: int, present: list[int], absent: list[int], absent_share: float
    ) -> dict[str, Any]:
        """Traffic for some time: `at_once` askers without a pause, or `rate` checks a second where that is not zero."""
        self.seen, self.asked = Seen(), {}
        traffic = _Traffic(self, present, absent, absent_share)
        until = time.perf_counter() + seconds
        began = time.perf_counter()
        if rate:
            await self._paced(traffic, rate, until)
        else:
            await asyncio.gather(*(self._unpaced(traffic, until) for _ in range(at_once)))
        took = time.perf_counter() - began
        drained = time.perf_counter() + 20
        while self.asked and time.perf_counter() < drained and not absent:  # noqa: ASYNC110 - emptied elsewhere
            await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        found = {name: getattr(self.seen, name) for name in Seen.__slots__}
        return {**found, "seconds": took, "unanswered": len(self.asked)}

    async def _unpaced(self, traffic: _Traffic, until: float) -> None:
        while time.perf_counter() < until:
            await _guarded(self.seen, traffic.event())

    async def _paced(self, traffic: _Traffic, rate: float, until: float) -> None:
        tasks: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        while due < until:
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(_guarded(self.seen, traffic.event()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    @property
    def attached(self) -> int:
        return len(self.clients)

    @property
    def compared(self) -> list[int]:
        return [number for number in self.digests if number in self.clients]

    def add(self, client: Client) -> None:
        self.clients[client.number] = client
        self.listed.append(client)

    def remove(self, client: Client) -> None:
        del self.clients[client.number]
        self.listed.remove(client)


@dataclass(slots=True)
class _Traffic:
    """What a day consists of, drawn at random: a check, and with it its share of everything else."""

    fleet: Fleet
    present: list[int]
    absent: list[int]
    absent_share: float

    async def event(self) -> None:
        fleet = self.fleet
        await self._use(self._any(), lambda client: client.check(self._tokens()))
        if random.random() < REGISTRATIONS_PER_CHECK and fleet.attached > len(fleet.compared):
            client = self._any()
            while client.number in fleet.digests:
                client = self._any()
            await self._use(client, lambda client: client.register())
        if random.random() < DIGESTS_PER_CHECK and fleet.compared:
            number = random.choice(fleet.compared)
            await self._use(fleet.clients[number], lambda client: client.compare(fleet.digests[number]))
        if random.random() < RECONNECTS_PER_CHECK:
            await self._reconnect()

    def _any(self) -> Client:
        return random.choice(self.fleet.listed)

    async def _use(self, client: Client, work: Callable[[Client], Awaitable[None]]) -> None:
        client.busy += 1
        try:
            await work(client)
        finally:
            client.busy -= 1

    async def _reconnect(self) -> None:
        """One link anew; it is out of the choice meanwhile."""
        fleet = self.fleet
        client = self._any()
        if client.busy:
            return
        fleet.remove(client)
        await client.close()
        began = time.perf_counter()
        await client.attach()
        fleet.seen.reconnect.append(time.perf_counter() - began)
        fleet.add(client)

    def _tokens(self) -> list[bytes]:
        if random.random() >= SERVED_SHARE or not (self.present or self.absent):
            return []
        if self.absent and (random.random() < self.absent_share or not self.present):
            return self.fleet.persons.tokens_of(random.choice(self.absent))
        return self.fleet.persons.tokens_of(random.choice(self.present))


async def _guarded(seen: Seen, event: Awaitable[None]) -> None:
    try:
        await event
    except grpc.RpcError as error:
        told: Any = error
        seen.error(f"{told.code().name}: {(told.details() or '').partition(':')[0][:40]}")
    except (TimeoutError, ConnectionError, asyncio.InvalidStateError) as error:
        seen.error(type(error).__name__)


async def _all(works: list[Coroutine[Any, Any, None]], at_once: int) -> dict[str, int]:
    """Run all, some at a time; what failed, by kind."""
    slots, seen = asyncio.Semaphore(at_once), Seen()

    async def run(work: Coroutine[Any, Any, None]) -> None:
        async with slots:
            await _guarded(seen, work)

    await asyncio.gather(*(run(work) for work in works))
    return seen.errors


COMMANDS: Final = frozenset(
    {"attach", "members", "leave", "come_back", "register", "compare", "compares", "rosters", "hold_roster", "day"}
)


async def main() -> None:
    raise_file_limit()
    fleet = Fleet(json.loads(sys.stdin.readline()))
    _tell({"ready": True})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, arguments = json.loads(line)
        assert command in COMMANDS
        work: Callable[..., Awaitable[dict[str, Any]]] = getattr(fleet, command)
        _tell(await work(**arguments))
    os._exit(0)  # thousands of open links need not be taken down one by one


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
