"""How long a check takes, from the asker over the hub to one matching node and back, beside bare gRPC.

Waypost: the request is made, signed and stored by the asker, verified, routed and stored by the hub, answered by a real
node (weighed, ruled on, sealed, signed, stored), passed on, and opened and stored by the asker. Bare: messages of the
same sizes take the same hops between as many processes over mutual TLS (`_relay.py`), and nothing is done with them.

Other hubs stand beside the first, one with many attached nodes and one with a large index, and are asked in turn with
it: what they take longer is what attached nodes and index tokens cost.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import _links
import _relay
from _federation import EPOCH, Federation, now_ms
from _measure import SHORT, Report, Row
from grpc import aio
from nacl import bindings

from waypost.crypto.envelope import SigningKey, pae
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed, seal
from waypost.crypto.split_oprf import BlindedBatch, Evaluation, blind_batch, finish_batch
from waypost.node import asking
from waypost.node.applicants import Inquiry
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.store import OfficerTokens, Store
from waypost.node.tokenizing import EPOCH_STATE
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2, hub_service_pb2, index_pb2, link_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

OFFICERS = 20 if SHORT else 500
TOKENS_PER_OFFICER = 20
SCHEMES = ("name-date", "family-dob", "cert-given", "cert-year")
ROUNDS = 3 if SHORT else 15
CALLS = 2 if SHORT else 10
ASKER, HOLDER = 1, 2
MEMBERS_MIN = 12
FLAT = 1.2
WAIT_S = 60.0
SIGNED, VERIFIED = 5, 6
"""Signatures made one after the other (request, countersignature, two receipts, answer) and verified on the way."""
Column: TypeAlias = Callable[[list[float]], float]
COMMITS = 5
"""Of a check, one after the other: asker, hub, holder, hub, asker; nobody goes on before his own is on the disk."""
INQUIRY = Inquiry(
    Person((PersonName("Delacroix", "Katherine", "Anne"),), PartialDate(1980, 4, 1)),
    "hiring",
    "BENCH",
    bytes(32),
    "BENCH",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A hub: how many members are attached besides asker and holder, and how many tokens are in its index."""

    name: str
    links: int
    tokens: int


PLACES = (
    (Place("first", 8, 1_000), Place("many links, large index", 40, 20_000))
    if SHORT
    else (Place("first", 8, 10_000), Place("many links", 1_998, 10_000), Place("large index", 8, 20_000_000))
)


@dataclass
class Asker:
    """A member that asks: its store, its link to the hub, and the sizes of what it saw."""

    federation: Federation
    store: Store
    officers: list[list[bytes]]
    channel: aio.Channel
    sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        party, roster = self.federation.parties[ASKER - 1], self.federation.roster
        self._own = asking.Asker(party.ori, roster.hub_signing_key)
        self._key, self._roster = party.signing, roster
        self._stub: Any = HubServiceStub(self.channel)
        self._answered = asyncio.Event()
        self._turn = 0

    async def attach(self) -> None:
        call: Any = self._stub.Attach()
        hello = link_pb2.Hello(protocol=1, roster_version=self._roster.version, software="bench")
        await call.write(hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(hello=hello)))
        self._task = asyncio.create_task(self._read(call))

    async def _read(self, call: _relay.Call) -> None:
        while (response := await call.read()) is not aio.EOF:
            if response.frame.HasField("mail"):
                mail = response.frame.mail
                self._take(mail.message, response.ByteSize())
                taken = link_pb2.NodeFrame(mail_taken=link_pb2.MailTaken(mail_id=mail.mail_id))
                await call.write(hub_service_pb2.AttachRequest(frame=taken))

    def _take(self, message: envelope_pb2.Envelope, size: int) -> None:
        if message.payload_type == names.ANSWER:
            asking.take_answer(self.store, message, own=self._own, roster=self._roster, now_ms=now_ms())
            self.sizes["answer"], self.sizes["post"] = size, message.ByteSize() + 10
            self._answered.set()
        else:
            asking.take_receipt(self.store, message, own=self._own, now_ms=now_ms())
            self.sizes["mailed_receipt"] = size

    def queue(self) -> None:
        """Leave a check in the store, as the command that asks does."""
        self._queued = asking.new_check(INQUIRY, now_ms())
        self.store.checks.add(self._queued)

    async def check(self) -> None:
        """Take the queued check up, until its answer is opened and stored."""
        self._answered.clear()
        self._turn += 1
        tokens = self.officers[self._turn % len(self.officers)]
        ready = asking.make_ready(
            self._queued, INQUIRY, tokens, ori=self._own.ori, epoch=EPOCH, key=self._key, now_ms=now_ms()
        )
        self.store.checks.update(ready, expected_state=asking.QUEUED)
        request = asking.submission(ready)
        response = await self._stub.SubmitCheck(request)
        asking.take_receipt(self.store, response.receipt, own=self._own, now_ms=now_ms())
        async with asyncio.timeout(WAIT_S):
            await self._answered.wait()
        self.sizes |= {"request": request.ByteSize(), "receipt": response.ByteSize()}
        self.sizes["query"] = _query_bytes(request)

    async def tokens(self) -> None:
        """The tokens of a check through both halves, as they are made before it."""
        inputs, _ = asking.inputs_of(INQUIRY)
        loop = asyncio.get_running_loop()
        batch = await loop.run_in_executor(None, blind_batch, inputs)
        request = asking.evaluation_request(
            index_pb2.EVALUATION_PURPOSE_CHECK,
            batch.elements,
            ori=self._own.ori,
            epoch=EPOCH,
            key=self._key,
            now_ms=now_ms(),
        )
        response = await self._stub.Evaluate(request)
        trustee, hub = (Evaluation(tuple(half.elements), half.proof) for half in (response.trustee, response.hub))
        keys = (self._roster.trustee_index_key, self._roster.hub_index_key)
        await loop.run_in_executor(None, _finish, batch, trustee, hub, *keys)


def _finish(batch: BlindedBatch, trustee: Evaluation, hub: Evaluation, trustee_key: bytes, hub_key: bytes) -> None:
    finish_batch(batch, trustee, hub, trustee_public=trustee_key, hub_public=hub_key)


def _query_bytes(request: hub_service_pb2.SubmitCheckRequest) -> int:
    """What the holder gets: the request with the hub's signature, and its own tokens' openings."""
    signature = request.request.signatures[0].ByteSize() + 4
    openings = request.openings[:TOKENS_PER_OFFICER]
    query = check_pb2.RoutedQuery(request=request.request, openings=openings)
    return query.ByteSize() + signature + 10


def fill(store: Store) -> list[list[bytes]]:
    """Officers with random tokens, which the hub holds already; each one's tokens."""
    with store.writing():
        batch = store.imports.begin(1)
        people = [
            (
                f"CA-{n}",
                Person((PersonName(f"Family{n}", "Given"),), PartialDate(1970 + n % 30, 1 + n % 12, 1 + n % 28)),
            )
            for n in range(OFFICERS)
        ]
        ids = store.officers.add(people, batch)
        tokens = [[os.urandom(limits.TOKEN_BYTES) for _ in range(TOKENS_PER_OFFICER)] for _ in people]
        for officer_id, own in zip(ids.values(), tokens, strict=True):
            named = tuple((SCHEMES[n % len(SCHEMES)], token) for n, token in enumerate(own))
            store.tokens.replace([OfficerTokens(officer_id, 1, named)], EPOCH)
            store.tokens.mark_registered(own, EPOCH)
        store.state.set(EPOCH_STATE, EPOCH)
    return tokens


@dataclass(frozen=True, slots=True)
class Prepared:
    """A federation that serves, with its holder's node attached; the asker's store, and what it asks about."""

    federation: Federation
    store: Store
    officers: list[list[bytes]]


def prepare(folder: Path, place: Place, stack: ExitStack) -> Prepared:
    """Found a federation."""
    federation = Federation(folder, max(MEMBERS_MIN, place.links + 2), acting=2)
    stack.callback(federation.stop)
    federation.fill_index(place.tokens)
    asker, holder = federation.parties[:2]
    federation.start()
    home, store = federation.node_home(holder)
    officers = fill(store)
    store.close()
    federation.register(holder, [token for own in officers for token in own])
    federation.serve_node(home)
    if place.links:
        federation.processes.append(_links.start(federation, federation.parties[2 : 2 + place.links]))
    _, store = federation.node_home(asker)
    stack.callback(store.close)
    return Prepared(federation, store, officers)


class Unavoidable:
    """A check's cryptography and durable commits, one after the other, and nothing else of it."""

    def __init__(self, folder: Path) -> None:
        self._payload, self._body = os.urandom(4600), os.urandom(500)
        self._key, self._context = SigningKey.generate(), SealingContext("bench", "A", "B", bytes(16))
        self._store = sqlite3.connect(folder / "unavoidable.db", isolation_level=None)
        self._store.execute("PRAGMA journal_mode = WAL")
        self._store.execute("PRAGMA synchronous = FULL")
        self._store.execute("CREATE TABLE messages (content BLOB)")

    async def once(self) -> None:
        message = pae(names.CHECK_REQUEST, self._payload)
        one_time = SealingKey.generate()
        signature = self._key.signature(message)
        for _ in range(SIGNED - 1):
            self._key.signature(message)
        for _ in range(VERIFIED):
            bindings.crypto_sign_open(signature + message, self._key.public)
        sealed = seal(self._body, one_time.public, self._context, minimum_bytes=limits.ANSWER_BYTES_MIN)
        open_sealed(sealed, one_time, self._context)
        for _ in range(COMMITS):
            self._store.execute("INSERT INTO messages VALUES (?)", (self._payload,))

    def close(self) -> None:
        self._store.close()


async def seconds(work: Callable[[], Any], calls: int = CALLS, before: Callable[[], None] = lambda: None) -> float:
    """A call's time, the median of some; `before` each, and not counted."""
    taken = []
    for _ in range(calls):
        before()
        start = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


async def measure(report: Report, folder: Path, prepared: list[Prepared]) -> None:
    """Ask every hub and the relay in turn, and report."""
    askers = []
    for each in prepared:
        channel = each.federation.channel(each.federation.parties[ASKER - 1])
        askers.append(Asker(each.federation, each.store, each.officers, channel))
        await askers[-1].attach()
        await seconds(askers[-1].check, before=askers[-1].queue)
    first = askers[0]
    sizes = _relay.Sizes(**{"taken": 8, "result": 8, **first.sizes})
    federation = first.federation
    _relay.write_material(folder / "relay", federation, federation.parties[HOLDER - 1], sizes)
    process, address = _relay.start(folder / "relay")
    federation.processes += [process, _relay.start_holder(folder / "relay", address)]
    async with federation.channel(federation.parties[ASKER - 1], address) as channel:
        answered = asyncio.Event()
        end = _relay.End(ASKER, sizes, channel)
        await end.attach(lambda _check: answered.set())

        async def bare() -> None:
            answered.clear()
            await end.ask(HOLDER, 0)
            await answered.wait()

        await seconds(bare)
        alone = Unavoidable(folder)
        rounds = []
        for _ in range(ROUNDS):
            limits_s = [await seconds(bare), await seconds(alone.once)]
            rounds.append(limits_s + [await seconds(asker.check, before=asker.queue) for asker in askers])
        alone.close()
        tokens = await seconds(first.tokens, ROUNDS)
        end.close()
    report_rounds(report, rounds, tokens)
    for asker in askers:
        await asker.channel.close()


def report_rounds(report: Report, rounds: list[list[float]], tokens: float) -> None:
    """The rows: the first hub against the relay, the others against the first."""

    def row(name: str, ours: Column, limit: Column, target: float | None = None) -> None:
        mine, theirs = (statistics.median(column(each) for each in rounds) for column in (ours, limit))
        ratio = statistics.median(ours(each) / limit(each) for each in rounds)
        report.add(Row(report.bench, name, mine, "s", theirs, ratio, target))

    first = itemgetter(2)
    row("a check to one matching node and back, against bare gRPC", first, itemgetter(0), 3.0)
    with_rest = f"against bare gRPC, its signatures and seal, and its {COMMITS} commits"
    row(f"the same {with_rest}, one after the other", first, lambda each: each[0] + each[1])
    for number, place in enumerate(PLACES[1:], start=3):
        name = f"the same with {place.links + 2:,} attached nodes and {place.tokens:,} tokens"
        row(f"{name}, against {PLACES[0].links + 2} and {PLACES[0].tokens:,}", itemgetter(number), first, FLAT)
    report.figure(f"its {limits.CHECK_TOKENS} tokens through both halves, before that", tokens, "s")


def main() -> None:
    report = Report("a check's latency")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        prepared = [prepare(Path(folder) / str(number), place, stack) for number, place in enumerate(PLACES)]
        asyncio.run(measure(report, Path(folder), prepared))
    report.done()


if __name__ == "__main__":
    main()
