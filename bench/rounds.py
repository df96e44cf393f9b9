"""An aggregate round over 200 live members from end to end, beside Flower doing a federated sum with SecAgg+.

    make peers, or: python bench/rounds.py [--members 200] [--rounds 3]

Waypost: hub and trustee are processes of their own; the members are the node's own code, each with a store and a link
(mutual TLS) of its own, in this process. A round runs from the question until the result is signed by both:
countersigned by the trustee, mailed, counted, split, sealed and signed by each member, added up with noise by both.

Flower (_flower.py): SuperLink and ServerApp are processes of their own; the nodes share one, each with a thread and a
connection (plain HTTP) of its own. A round is SecAgg+'s four stages over the same number of clients and cells.

Both are watched by the clock and by processor time of all their processes together, for Flower's parties are asleep for
much of the clock's: a node asks for messages every three seconds, and so does the grid for answers. The arithmetic of
SecAgg+ alone is measured as well, without a network, a store or a message's serialization, all of which Waypost has.

They do not promise the same. Waypost adds noise, and trusts that hub and trustee do not collude; its members speak
once, and may leave at any time. SecAgg+ trusts one server and a share of each client's neighbours, gives the exact sum,
and needs each client four times.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import _peers
from _federation import Federation, Party, now_ms
from _measure import SHORT, Report, Row
from _process import Process
from sqlalchemy import Engine, select

from waypost.crypto.envelope import parse_envelope
from waypost.hub import round_asking, round_schema
from waypost.hub import settings as hub_settings
from waypost.hub.database import open_engine
from waypost.node import messages
from waypost.node.due_process import Windows
from waypost.node.policy import PolicyEngine
from waypost.node.receiver import Receiver
from waypost.node.store import ProgrammeFact, Store
from waypost.protocol.round_results import open_result
from waypost.v1 import hub_service_pb2, link_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

MEMBERS = 12 if SHORT else 200
ROUNDS = 1
"""With Flower's nodes, unless --rounds says more: each takes minutes."""
BARE_ROUNDS = 1 if SHORT else 6
"""Bare ones, after one that is not counted."""
MEASURE = "officers-trained"
"""Two cells, of what each member's custodian states."""
PROGRAMMES = ("trained_crisis_intervention", "trained_de_escalation")
STATED = 400
PERIODS = [f"2025-{month:02}" for month in range(1, 13)]
"""A question that was asked is not asked again: each round is about another month's end."""
LIMIT_S = 1200.0


@dataclass
class Member:
    """A member's link: it takes its mail and posts what its node's code puts into the outbox."""

    federation: Federation
    party: Party
    store: Store
    policies: PolicyEngine
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def attach(self) -> None:
        channel = self.federation.channel(self.party)
        call: Any = HubServiceStub(channel).Attach()
        hello = link_pb2.Hello(protocol=1, roster_version=self.federation.roster.version, software="bench")
        await call.write(_request(hello=hello))
        first = await call.read()
        assert first.frame.HasField("welcome"), first
        self._tasks.append(asyncio.create_task(self._read(call)))

    async def _read(self, call: Any) -> None:  # noqa: ANN401 - gRPC's calls are untyped
        while response := await call.read():
            if response.frame.HasField("mail"):
                mail = response.frame.mail
                messages.take(self.store, mail.message, self._receiver())
                await call.write(_request(mail_taken=link_pb2.MailTaken(mail_id=mail.mail_id)))
                for waiting in self.store.outbox.waiting(10):
                    post = link_pb2.Post(post_id=waiting.id, message=parse_envelope(waiting.envelope))
                    await call.write(_request(post=post))
            elif response.frame.HasField("post_result"):
                result = response.frame.post_result
                assert result.accepted, result.reason
                messages.settle(self.store, result.post_id, accepted=True, reason="", now_ms=now_ms())

    def _receiver(self) -> Receiver:
        federation = self.federation
        return Receiver(
            ori=self.party.ori,
            hub_key=federation.roster.hub_signing_key,
            key=self.party.signing,
            sealing_key=federation.sealing,
            roster=federation.roster,
            policies=self.policies,
            windows=Windows(),
            now_ms=now_ms(),
        )


def _request(**frame: Any) -> hub_service_pb2.AttachRequest:  # noqa: ANN401 - each field has its own type
    return hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(**frame))


@dataclass
class Waypost:
    """A federation whose members are attached."""

    federation: Federation
    engine: Engine

    def processor_s(self) -> float:
        own = os.times()
        return own.user + own.system + sum(each.processor_s for each in self.federation.processes)

    async def round(self, number: int) -> None:
        """One round, until its result is there; held against what the members state."""
        roster, rounds = self.federation.roster, round_schema.rounds
        question = round_asking.Question(MEASURE, ())
        with self.engine.begin() as connection:
            held, new = round_asking.ask(connection, question, PERIODS[number], roster, now_ms())
        assert new
        query = select(rounds.c.state, rounds.c.reason, rounds.c.result).where(rounds.c.round_id == held.round_id)
        async with asyncio.timeout(LIMIT_S):
            while True:
                with self.engine.connect() as connection:
                    state, reason, result = connection.execute(query).one()
                assert state != "failed", reason
                if state == "done":
                    break
                await asyncio.sleep(0.02)
        keys = (self.federation.hub_key.public, self.federation.trustee_key.public)
        told = open_result(parse_envelope(result), hub_key=keys[0], trustee_key=keys[1])
        count = len(self.federation.parties)
        assert len(told.participants) == count
        assert all(abs(cell.total - STATED * count) < 7 * told.noise_deviation for cell in told.cells)


def found(folder: Path, members: int, stack: ExitStack) -> tuple[Waypost, list[Member]]:
    """A federation that serves, and its members' stores."""
    federation = Federation(folder, members, acting=members)
    stack.callback(federation.stop)
    federation.start()
    place = hub_settings.Home(folder / "hub")
    engine = open_engine(hub_settings.database_url(place, hub_settings.read_settings(place)))
    stack.callback(engine.dispose)
    policies = PolicyEngine(federation.roster.policy_floor)
    made = []
    for party in federation.parties:
        store = Store.open(folder / f"{party.ori}.db", os.urandom(32))
        stack.callback(store.close)
        for name in PROGRAMMES:
            store.programmes.add(ProgrammeFact(name, str(STATED), date(2020, 1, 1), "A. Custodian", 1))
        made.append(Member(federation, party, store, policies))
    return Waypost(federation, engine), made


class Flower:
    """Its processes."""

    def __init__(self, folder: Path, members: int) -> None:
        program = (_peers.FLOWER, Path(__file__).with_name("_flower.py"))
        self._link = Process((*program, "link"), folder / "link.log", "serving")
        _, address, *run = self._link.wait().split()
        self._nodes = Process((*program, "nodes", address, members), folder / "nodes.log", "started")
        self._app = Process((*program, "app", address, *run, members), folder / "app.log", "ready")
        self._done = 0
        self._processes = (self._nodes, self._app, self._link)
        self._app.wait(LIMIT_S)

    def processor_s(self) -> float:
        return sum(each.processor_s for each in self._processes)

    def round(self, what: str) -> None:
        """One "round" or "bare" one, until the sum is there; _flower.py holds it against what the nodes count."""
        sink = self._app.process.stdin
        assert sink is not None
        self._done += 1
        sink.write(f"{what}\n".encode())
        sink.flush()
        self._app.wait(LIMIT_S, f"round {self._done} done")

    def stop(self) -> None:
        for each in self._processes:
            each.process.kill()
            each.process.wait()


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one round: seconds by the clock, and of processor."""

    clock_s: float
    processor_s: float


Pair = tuple[Cost, Cost]
"""Waypost's and Flower's."""


async def measure(folder: Path, members: int, rounds: int, stack: ExitStack) -> tuple[list[Pair], list[Pair]]:
    """Waypost's rounds in turn with Flower's, and with bare ones before, the first of which is not counted."""
    ours, attached = found(folder / "waypost", members, stack)
    await asyncio.gather(*(member.attach() for member in attached))
    loop, numbers = asyncio.get_running_loop(), itertools.count()
    flower = await loop.run_in_executor(None, Flower, folder, members)
    stack.callback(flower.stop)

    async def pair(what: str) -> Pair:
        start, used = time.perf_counter(), ours.processor_s()
        await ours.round(next(numbers))
        mine = Cost(time.perf_counter() - start, ours.processor_s() - used)
        start, used = time.perf_counter(), flower.processor_s()
        await loop.run_in_executor(None, flower.round, what)
        return mine, Cost(time.perf_counter() - start, flower.processor_s() - used)

    bare = [await pair("bare") for _ in range(BARE_ROUNDS + 1)]
    return [await pair("round") for _ in range(rounds)], bare[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description="An aggregate round beside Flower's.")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--rounds", type=int, choices=range(1, 6), default=ROUNDS, help="with Flower's nodes")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    _peers.require(flower=True)
    report = Report(f"a round over {args.members} members, beside Flower with SecAgg+")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        whole, bare = asyncio.run(measure(Path(folder), args.members, args.rounds, stack))
    for name, pairs, what in (
        ("from the question to the total", whole, "clock_s"),
        ("its processor time, all parties together", whole, "processor_s"),
        ("the same, against SecAgg+ alone without any network", bare, "processor_s"),
    ):
        costs = [(getattr(mine, what), getattr(theirs, what)) for mine, theirs in pairs]
        ours, theirs = (statistics.median(column) for column in zip(*costs, strict=True))
        ratio = statistics.median(mine / other for mine, other in costs)
        report.add(Row(report.bench, name, ours, "s", theirs, ratio))
    report.done()


if __name__ == "__main__":
    main()
