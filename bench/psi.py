"""One blind-index check beside private set intersection (`openmined-psi`, from PyPI) over an index of the same size.

    make peers, or: python bench/psi.py

Waypost: the 96 elements of a check are blinded, evaluated by trustee and hub with a proof each, verified and unblinded,
the tokens put into a signed request (whose bytes are counted), and looked up in the hub's own index, an SQLite file.
PSI: the asker masks his 96 values, the server masks them once more, and the asker compares them with the server's set,
which he has been sent, masked and compressed, before (Golomb-coded, one false hit in 10^9). Both in one process without
sockets; Waypost uses all cores, as it does in service, PSI one.

What either costs before the first check is counted apart. PSI's server masks its whole set, and every asker fetches
that again whenever the set has changed. In Waypost one officer more means his own tokens, registered in a full batch.

They do not promise the same. PSI keeps the hits from the server and one asker's set from another; but its server
holds the set in the clear, and nothing proves that it used the key it should. Waypost's hub holds tokens that it cannot
compute, either half is proven, and the hub learns which members to ask.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _peers
from _measure import SHORT, Report, Row
from sqlalchemy import Engine, insert

from waypost.crypto.envelope import SigningKey
from waypost.crypto.split_oprf import HalfKey, blind_batch, evaluate_half, finish_batch
from waypost.hub import index, schema
from waypost.hub.database import open_engine
from waypost.node import asking
from waypost.node.applicants import Inquiry
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.protocol import limits
from waypost.v1 import hub_service_pb2, index_pb2

SIZES = (1_000,) if SHORT else (10_000, 100_000)
"""Tokens in the index."""
OFFICER_TOKENS = 20
HELD = OFFICER_TOKENS
"""Of a check's elements, those that the index holds."""
EPOCH, MEMBER, ORI = 1, 1, "CA9900100"
FALSE_HITS = 1e-9
CHECK_ROUNDS, SET_UP_ROUNDS = 15, 3
KEY = SigningKey.generate()
INQUIRY = Inquiry(
    Person((PersonName("Delacroix", "Katherine"),), PartialDate(1980, 4, 1)), "hiring", "BENCH", bytes(32), "BENCH"
)
CHECK, REGISTRATION = index_pb2.EVALUATION_PURPOSE_CHECK, index_pb2.EVALUATION_PURPOSE_REGISTRATION


def values(count: int) -> list[bytes]:
    """Match keys stand for themselves: both sides hash them first."""
    return [os.urandom(32) for _ in range(count)]


@dataclass
class BlindIndex:
    """Waypost's: both halves of the key, and the hub's database."""

    engine: Engine
    cores: ThreadPoolExecutor

    def __post_init__(self) -> None:
        self._trustee, self._hub = HalfKey.generate(), HalfKey.generate()
        self.bytes_up = self.bytes_down = 0

    def tokens(self, inputs: list[bytes], purpose: index_pb2.EvaluationPurpose.ValueType) -> tuple[bytes, ...]:
        """Through both halves, with the messages that carry it."""
        batch = blind_batch(inputs, self.cores)
        request = asking.evaluation_request(purpose, batch.elements, ori="CA9900100", epoch=EPOCH, key=KEY, now_ms=1)
        trustee = evaluate_half(self._trustee, batch.elements, self.cores)
        hub = evaluate_half(self._hub, trustee.elements, self.cores)
        response = hub_service_pb2.EvaluateResponse(
            trustee=index_pb2.Evaluation(elements=trustee.elements, proof=trustee.proof),
            hub=index_pb2.Evaluation(elements=hub.elements, proof=hub.proof),
        )
        self.bytes_up, self.bytes_down = request.ByteSize(), response.ByteSize()
        return finish_batch(
            *(batch, trustee, hub),
            trustee_public=self._trustee.public,
            hub_public=self._hub.public,
            executor=self.cores,
        )

    def check(self, inputs: list[bytes]) -> int:
        """How many of the check's tokens the index holds."""
        tokens = self.tokens(inputs, CHECK)
        asked = asking.make_ready(
            asking.new_check(INQUIRY, 1), INQUIRY, tokens, ori="CA9900100", epoch=EPOCH, key=KEY, now_ms=1
        )
        self.bytes_up += asking.submission(asked).ByteSize()
        with self.engine.connect() as connection:
            return len(index.look_up(connection, EPOCH, tokens).get(ORI, ()))

    def add(self, inputs: list[bytes]) -> None:
        """An officer more: his tokens, filled up to a batch as a node fills it up."""
        tokens = self.tokens(inputs, REGISTRATION)
        decoys = [os.urandom(limits.TOKEN_BYTES) for _ in range(limits.REGISTRATION_BATCH_TOKENS - len(tokens))]
        with self.engine.begin() as connection:
            index.register(connection, MEMBER, EPOCH, [*tokens, *decoys], [])


@contextmanager
def blind_index(size: int, held: list[bytes]) -> Iterator[BlindIndex]:
    """An index of that size: `held` and random tokens of other officers."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as cores:
        engine = open_engine(f"sqlite:///{Path(folder) / 'hub.db'}", create=True)
        made = BlindIndex(engine, cores)
        tokens = [*made.tokens(held, REGISTRATION), *(os.urandom(limits.TOKEN_BYTES) for _ in range(size - len(held)))]
        row = {"id": MEMBER, "ori": ORI, "name": "x", "state": "CA", "role": 1, "status": 1, "joined_at_ms": 1}
        keys = {"signing_public_key": b"", "sealing_public_key": b"", "application": b""}
        pointers = [{"epoch": EPOCH, "token": token, "member_id": MEMBER} for token in sorted(tokens)]
        with engine.begin() as connection:
            connection.execute(insert(schema.members).values(**row, **keys))
            connection.execute(insert(schema.pointers), pointers)
        yield made
        engine.dispose()


class Intersection:
    """PSI's two sides over a set; what crosses between them is serialized and parsed."""

    def __init__(self, held: list[str]) -> None:
        import private_set_intersection.python as psi

        self._psi: Any = psi
        self._server, self._held = psi.server.CreateWithNewKey(True), held
        self.bytes_up = self.bytes_down = self.set_bytes = 0
        self.set_up()

    def set_up(self) -> None:
        """The server masks its whole set, and the asker takes it in."""
        elements = limits.CHECK_TOKENS
        made = self._server.CreateSetupMessage(FALSE_HITS, elements, self._held, self._psi.DataStructure.GCS)
        sent = made.SerializeToString()
        self._set = self._psi.ServerSetup.FromString(sent)
        self.set_bytes = len(sent)

    def check(self, wanted: list[str]) -> int:
        """How many of these the set holds."""
        psi = self._psi
        asker = psi.client.CreateWithNewKey(True)  # fresh for every check, as Waypost's blinding is
        request = asker.CreateRequest(wanted).SerializeToString()
        response = self._server.ProcessRequest(psi.Request.FromString(request)).SerializeToString()
        self.bytes_up, self.bytes_down = len(request), len(response)
        return len(asker.GetIntersection(self._set, psi.Response.FromString(response)))


def measure(report: Report, size: int) -> None:
    """One size."""
    wanted = values(limits.CHECK_TOKENS)
    held = wanted[:HELD]
    others = [value.hex() for value in values(size - HELD)]
    peer = Intersection([*(value.hex() for value in held), *others])
    in_hex = [value.hex() for value in wanted]
    with blind_index(size, held) as ours:
        assert ours.check(wanted) == peer.check(in_hex) == HELD
        index_of = f"an index of {size:,} tokens"
        report.compare(
            f"a check against {index_of}", lambda: ours.check(wanted), lambda: peer.check(in_hex), rounds=CHECK_ROUNDS
        )
        for way, mine, theirs in (
            ("up", ours.bytes_up, peer.bytes_up),
            ("down", ours.bytes_down, peer.bytes_down),
        ):
            report.add(Row(report.bench, f"its bytes {way}", mine, "bytes", theirs, mine / theirs))
        report.compare(
            f"one officer more in {index_of}",
            lambda: ours.add(values(OFFICER_TOKENS)),
            peer.set_up,
            rounds=SET_UP_ROUNDS,
        )
        report.add(Row(report.bench, "bytes to each asker thereafter", 0, "bytes", peer.set_bytes))
        batch = limits.REGISTRATION_BATCH_TOKENS
        whole = _median_s(lambda: ours.add(values(batch))) / batch
        once = report.rows[-2].limit or 0.0
        report.add(Row(report.bench, "the whole set made anew, a token", whole, "s", once / size, whole * size / once))


def _median_s(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(SET_UP_ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    _peers.require("private_set_intersection")
    report = Report("private look-up, beside openmined-psi")
    for size in SIZES:
        measure(report, size)
    report.done()


if __name__ == "__main__":
    main()
