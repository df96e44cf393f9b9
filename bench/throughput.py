"""How many checks a second one hub process carries for many askers, beside a bare relay of the same messages.

All that members say is made beforehand (requests signed, answers sealed and signed), so that the process that plays all
askers and holders costs both sides the same: it reads frames and sends bytes. The hub does all that it does; the bare
relay (`_relay.py`) sends messages of the same sizes the same ways, and stores nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _relay
from _federation import EPOCH, Federation, Party, now_ms
from _measure import SHORT, Report, Row
from _process import Process
from grpc import aio

from waypost.crypto.envelope import sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, SealingKey, seal
from waypost.protocol import limits, names
from waypost.protocol.commitments import commit
from waypost.v1 import check_pb2, envelope_pb2, hub_service_pb2, link_pb2

ASKERS, HOLDERS = (8, 4) if SHORT else (64, 16)
AT_WORK = 4
"""Checks that one asker has on their way at a time."""
CHECKS = 4 if SHORT else 16
"""Of one asker in one round."""
ROUNDS = 2 if SHORT else 5
TOKENS_HELD = 6
"""Of each check, which its holder has registered."""
SERVICE = "/waypost.v1.HubService/"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One check: what the asker submits and what its holder posts, as bytes, and the check's id."""

    check_id: bytes
    submission: bytes
    answer: envelope_pb2.Envelope


def prepare(asker: Party, holder: Party, tokens: Sequence[bytes], one_time: SealingKey) -> Prepared:
    """Make a check and its answer."""
    openings = commit(tokens)
    header = new_header(sender=asker.ori, audience=names.HUB, now_ms=now_ms(), lifetime_ms=limits.CHECK_LIFETIME_MS)
    request = check_pb2.CheckRequest(
        header=header_to_proto(header),
        epoch=EPOCH,
        purpose=check_pb2.PURPOSE_HIRING,
        authorization_digest=bytes(32),
        authorization_reference="BENCH",
        staff_reference="BENCH",
        answer_public_key=one_time.public,
        commitments=[opening.commitment for opening in openings],
    ).SerializeToString()
    shown = [check_pb2.TokenOpening(slot=each.slot, salt=each.salt, token=each.token) for each in openings]
    submission = hub_service_pb2.SubmitCheckRequest(
        request=sign(names.CHECK_REQUEST, request, asker.signing), openings=shown
    )
    context = SealingContext(names.SEAL_ANSWER, holder.ori, asker.ori, header.message_id)
    answer_header = new_header(
        sender=holder.ori, audience=asker.ori, now_ms=now_ms(), lifetime_ms=limits.ANSWER_LIFETIME_MS
    )
    answer = check_pb2.Answer(
        header=header_to_proto(answer_header),
        check_id=header.message_id,
        request_digest=hashlib.sha256(request).digest(),
        sealed_body=seal(bytes(500), one_time.public, context, minimum_bytes=limits.ANSWER_BYTES_MIN),
    ).SerializeToString()
    return Prepared(header.message_id, submission.SerializeToString(), sign(names.ANSWER, answer, holder.signing))


@dataclass
class Member:
    """One member's channel: it takes all mail, posts its answers, and tells of answers that it got."""

    channel: aio.Channel
    answers: dict[bytes, envelope_pb2.Envelope]
    sizes: dict[str, int]
    answered: Callable[[], None]
    _posts: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def attach(self, roster_version: int) -> None:
        call: Any = self.channel.stream_stream(f"{SERVICE}Attach", None, hub_service_pb2.AttachResponse.FromString)()
        hello = link_pb2.Hello(protocol=1, roster_version=roster_version, software="bench")
        await call.write(_framed(hello=hello))
        first = await call.read()
        assert first.frame.HasField("welcome"), first
        self._tasks.append(asyncio.create_task(self._read(call)))

    async def submit(self, data: bytes) -> None:
        call: Any = self.channel.unary_unary(f"{SERVICE}SubmitCheck")
        self.sizes["receipt"], self.sizes["request"] = len(await call(data)), len(data)

    async def _read(self, call: _relay.Call) -> None:
        while (response := await call.read()) is not aio.EOF:
            if not response.frame.HasField("mail"):
                continue
            mail, size = response.frame.mail, response.ByteSize()
            await call.write(_framed(mail_taken=link_pb2.MailTaken(mail_id=mail.mail_id)))
            if mail.HasField("query"):
                await call.write(self._post(mail.query, size))
            elif mail.message.payload_type == names.ANSWER:
                self.sizes["answer"] = size
                self.answered()
            else:
                self.sizes["mailed_receipt"] = size

    def _post(self, query: check_pb2.RoutedQuery, size: int) -> bytes:
        check_id = envelope_pb2.SignedPayload.FromString(query.request.payload).header.message_id
        self._posts += 1
        posted = _framed(post=link_pb2.Post(post_id=self._posts, message=self.answers.pop(check_id)))
        self.sizes["query"], self.sizes["post"] = size, len(posted)
        return posted

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


def _framed(**frame: _relay.Call) -> bytes:
    return hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(**frame)).SerializeToString()


class Counted:
    """How many answers have come; `all_of` waits for so many more."""

    def __init__(self) -> None:
        self._count, self._wanted, self._there = 0, 0, asyncio.Event()

    def one(self) -> None:
        self._count += 1
        if self._count >= self._wanted:
            self._there.set()

    def expect(self, more: int) -> Awaitable[object]:
        self._wanted = self._count + more
        self._there.clear()
        return self._there.wait()


@dataclass(frozen=True, slots=True)
class Run:
    """One round: checks a second by the clock, and the middle process's seconds of processor a check."""

    per_second: float
    processor_s: float


async def run(middle: Process, counted: Counted, asks: Sequence[Sequence[Callable[[], Awaitable[None]]]]) -> Run:
    """Let all askers ask all of theirs, AT_WORK at a time each."""

    async def one(asker: Sequence[Callable[[], Awaitable[None]]]) -> None:
        turn = asyncio.Semaphore(AT_WORK)

        async def ask(work: Callable[[], Awaitable[None]]) -> None:
            async with turn:
                await work()

        await asyncio.gather(*(ask(work) for work in asker))

    checks = sum(map(len, asks))
    before, start = middle.processor_s, time.perf_counter()
    answered = counted.expect(checks)
    await asyncio.gather(*(one(asker) for asker in asks))
    async with asyncio.timeout(600):
        await answered
    seconds = time.perf_counter() - start
    return Run(checks / seconds, (middle.processor_s - before) / checks)


class Waypost:
    """All members of a federation, attached to its hub."""

    def __init__(self, federation: Federation, tokens: list[list[bytes]]) -> None:
        self.federation, self.tokens, self.counted = federation, tokens, Counted()
        self.answers: dict[bytes, envelope_pb2.Envelope] = {}
        self.sizes: dict[str, int] = {}
        self.members = [
            Member(
                federation.channel(party),
                self.answers,
                self.sizes,
                self.counted.one,
            )
            for party in federation.parties
        ]

    async def attach(self) -> None:
        for member in self.members:
            await member.attach(self.federation.roster.version)

    def prepare(self) -> list[list[Callable[[], Awaitable[None]]]]:
        """A round's checks, each asker's."""
        parties, one_time = self.federation.parties, SealingKey.generate()

        def one(asker: int, number: int) -> Callable[[], Awaitable[None]]:
            turn = (asker + number) % HOLDERS
            made = prepare(parties[asker], parties[ASKERS + turn], self.tokens[turn], one_time)
            self.answers[made.check_id] = made.answer
            return lambda: self.members[asker].submit(made.submission)

        return [[one(asker, number) for number in range(CHECKS)] for asker in range(ASKERS)]

    async def round(self) -> Run:
        assert self.federation.hub is not None
        return await run(self.federation.hub, self.counted, self.prepare())

    async def close(self) -> None:
        for member in self.members:
            member.close()
            await member.channel.close()


class Bare:
    """The same members, attached to the relay."""

    def __init__(self, federation: Federation, process: Process, address: str, sizes: _relay.Sizes) -> None:
        self.process, self.counted = process, Counted()
        self.channels = [federation.channel(party, address) for party in federation.parties]
        self.ends = [_relay.End(number, sizes, channel) for number, channel in enumerate(self.channels, start=1)]

    async def attach(self) -> None:
        await asyncio.gather(*(end.attach(lambda _check: self.counted.one()) for end in self.ends))

    async def round(self) -> Run:
        def one(asker: int, number: int) -> Callable[[], Awaitable[None]]:
            return lambda: self.ends[asker].ask(ASKERS + 1 + (asker + number) % HOLDERS, number)

        asks = [[one(asker, number) for number in range(CHECKS)] for asker in range(ASKERS)]
        return await run(self.process, self.counted, asks)

    async def close(self) -> None:
        for end, channel in zip(self.ends, self.channels, strict=True):
            end.close()
            await channel.close()


async def measure(report: Report, folder: Path, federation: Federation, tokens: list[list[bytes]]) -> None:
    waypost = Waypost(federation, tokens)
    await waypost.attach()
    await waypost.round()  # warm, and the sizes of its messages are known
    sizes = _relay.Sizes(**{"taken": 8, "result": 8, **waypost.sizes})
    _relay.write_material(folder / "relay", federation, federation.parties[ASKERS], sizes)
    process, address = _relay.start(folder / "relay")
    federation.processes.append(process)
    bare = Bare(federation, process, address, sizes)
    await bare.attach()
    await bare.round()
    rounds = [(await waypost.round(), await bare.round()) for _ in range(ROUNDS)]
    await waypost.close()
    await bare.close()
    report_rounds(report, rounds)


def report_rounds(report: Report, rounds: list[tuple[Run, Run]]) -> None:
    median = statistics.median
    name = f"checks through one hub process, {ASKERS} askers, {HOLDERS} holders, against a bare relay"
    rates = [median(each[side].per_second for each in rounds) for side in (0, 1)]
    ratio = median(ours.per_second / limit.per_second for ours, limit in rounds)
    report.add(Row(report.bench, name, rates[0], "checks/s", rates[1], ratio, 0.5, at_least=True))
    costs = [median(each[side].processor_s for each in rounds) for side in (0, 1)]
    ratio = median(ours.processor_s / limit.processor_s for ours, limit in rounds if limit.processor_s)
    report.add(Row(report.bench, "processor of the process in the middle, a check", costs[0], "s", costs[1], ratio))


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        federation = Federation(folder / "federation", ASKERS + HOLDERS, acting=ASKERS + HOLDERS)
        tokens = [[os.urandom(limits.TOKEN_BYTES) for _ in range(TOKENS_HELD)] for _ in range(HOLDERS)]
        for holder, own in zip(federation.parties[ASKERS:], tokens, strict=True):
            federation.register(holder, own)
        report = Report("a hub's throughput")
        try:
            federation.start()
            asyncio.run(measure(report, folder, federation, tokens))
        finally:
            federation.stop()
    report.done()


if __name__ == "__main__":
    main()
