"""The pointer index at full size: built in bulk in the hub's own tables, and looked up cold and warm.

The rows are what registrations leave (hub/waypost/hub/index.py): every token is random, as an output of the blind index
is. Sizes of agencies are lognormal (SIGMA): of 2 million officer records at 18,000 members the median has 22. Some
persons have PERSON_TOKENS tokens each at one, two or three members, so that checks have somebody to find; every other
token is one member's alone.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _parties import now_ms
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from waypost.hub import index, schema
from waypost.hub.coverage import Coverages
from waypost.hub.database import open_engine, reading
from waypost.protocol import limits
from waypost.protocol.index_digest import bucket_digests, index_digest
from waypost.protocol.roster import Roster

SIGMA = 1.8
PERSON_TOKENS = 20
PERSON_SHARE = 0.01
PERSONS_MAX = 40_000
HOLDERS = ((1, 0.6), (2, 0.3), (3, 0.1))
"""At how many members a person's tokens stand, and how often."""

_CACHE_KIB = 1_000_000
_BUCKETS_PER_TRANSACTION = 16
Tokens = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Persons:
    """`tokens` (persons, PERSON_TOKENS, 16); `holders` (persons, 3) row ids of members, 0 where there is none."""

    tokens: Tokens
    holders: NDArray[np.int64]

    def save(self, path: Path) -> None:
        np.savez(path, tokens=self.tokens, holders=self.holders)

    @classmethod
    def load(cls, path: Path) -> Persons:
        with np.load(path) as held:
            return cls(held["tokens"], held["holders"])

    def tokens_of(self, person: int) -> list[bytes]:
        return [token.tobytes() for token in self.tokens[person]]

    def holders_of(self, person: int) -> set[int]:
        return {int(holder) for holder in self.holders[person] if holder}


@dataclass(frozen=True, slots=True)
class Built:
    """What the bulk path did. Seconds and rows of each step, bytes of the file when it was done."""

    rows: int
    insert_s: float
    by_member_s: float
    checkpoint_s: float
    file_bytes: int
    largest_share: float
    persons: Persons

    @property
    def seconds(self) -> float:
        return self.insert_s + self.by_member_s + self.checkpoint_s


def shares(members: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """What part of all officers each member has."""
    sizes = rng.lognormal(sigma=SIGMA, size=members)
    whole: NDArray[np.float64] = sizes / sizes.sum()
    return whole


def make_persons(count: int, weights: NDArray[np.float64], rng: np.random.Generator) -> Persons:
    tokens = np.frombuffer(rng.bytes(count * PERSON_TOKENS * limits.TOKEN_BYTES), dtype=np.uint8)
    members = rng.choice(len(weights), size=(count, 3), p=weights) + 1
    kinds, odds = zip(*HOLDERS, strict=True)
    many = rng.choice(kinds, size=count, p=odds)
    holders = np.where(np.arange(3) < many[:, None], members, 0)
    return Persons(tokens.reshape(count, PERSON_TOKENS, limits.TOKEN_BYTES), holders)


def build(database: Path, members: int, tokens: int, progress: Callable[[str], None]) -> Built:
    """Fill `pointers` with about `tokens` rows, in the order of its key, and then make its second index.

    While it lasts the file has no journal: a crash would lose it. The hub's own settings are back at the end.
    """
    rng = np.random.default_rng(13929)
    weights = shares(members, rng)
    persons = make_persons(min(PERSONS_MAX, int(tokens * PERSON_SHARE) // PERSON_TOKENS + 1), weights, rng)
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA threads = 2")  # for the sorting of the second index
    (by_member,) = schema.pointers.indexes
    connection.execute(f"DROP INDEX {by_member.name}")
    began = time.perf_counter()
    rows = 0
    for number, part in enumerate(_buckets(tokens, weights, persons, rng)):
        if number % _BUCKETS_PER_TRANSACTION == 0:
            connection.execute("BEGIN")
        connection.executemany("INSERT OR IGNORE INTO pointers VALUES (1, ?, ?)", part)
        rows = connection.total_changes
        if number % _BUCKETS_PER_TRANSACTION == _BUCKETS_PER_TRANSACTION - 1:
            connection.execute("COMMIT")
            progress(f"{rows:,} pointers, {rows / (time.perf_counter() - began):,.0f}/s")
    inserted = time.perf_counter()
    connection.execute(str(CreateIndex(by_member).compile(dialect=sqlite.dialect())))
    connection.close()
    indexed = time.perf_counter()
    _put_on_disk(database)
    done = time.perf_counter()
    return Built(
        rows,
        inserted - began,
        indexed - inserted,
        done - indexed,
        database.stat().st_size,
        float(weights.max()),
        persons,
    )


def _buckets(
    tokens: int, weights: NDArray[np.float64], persons: Persons, rng: np.random.Generator
) -> Iterator[Iterator[tuple[bytes, int]]]:
    """Rows of each first byte in ascending order: the persons' and everybody else's."""
    spread = np.broadcast_to(persons.holders[:, None, :], (*persons.tokens.shape[:2], 3)).reshape(-1, 3)
    flat = persons.tokens.reshape(-1, limits.TOKEN_BYTES)
    counts = rng.multinomial(
        max(0, tokens - int((spread > 0).sum())), [1 / limits.INDEX_BUCKETS] * limits.INDEX_BUCKETS
    )
    for first, count in enumerate(counts):
        fresh = np.frombuffer(rng.bytes(int(count) * limits.TOKEN_BYTES), dtype=np.uint8).reshape(-1, 16).copy()
        fresh[:, 0] = first
        owners = rng.choice(len(weights), size=int(count), p=weights) + 1
        here = flat[:, 0] == first
        own, held = flat[here], spread[here]
        repeated = [own[held[:, place] > 0] for place in range(3)]
        whole = np.concatenate([fresh, *repeated])
        whose = np.concatenate([owners, *(held[held[:, place] > 0, place] for place in range(3))])
        order = np.argsort(whole[:, :8].copy().view(">u8").ravel(), kind="stable")
        data = whole[order].tobytes()
        parts = (data[at : at + limits.TOKEN_BYTES] for at in range(0, len(data), limits.TOKEN_BYTES))
        yield zip(parts, whose[order].tolist(), strict=True)


def _put_on_disk(database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with database.open("rb") as file:
        os.fsync(file.fileno())


def set_all_agreed(database: Path, members: int) -> None:
    """Note for every member that its index agrees, as its daily comparison does."""
    engine = open_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        for member_id in range(1, members + 1):
            index.set_agreed(connection, member_id, 1, now_ms())
    engine.dispose()


@dataclass(frozen=True, slots=True)
class LookUp:
    """Seconds of one check's 96 tokens, medians; `cold_reads` pages of 4 KiB that each cold one took from the disk."""

    cold_s: float
    cold_worst_s: float
    cold_reads: float
    warm_s: float


def look_ups(database: Path, persons: Persons, rounds: int) -> LookUp:
    """Each cold one on a new connection, after the system was told to drop the file from its cache."""
    cold, reads = [], []
    for person in range(rounds):
        asked = _asked(persons, person)
        _drop(database)
        before = _read_bytes()
        cold.append(_looked_up(open_engine(f"sqlite:///{database}"), asked, 1)[0])
        reads.append((_read_bytes() - before) / 4096)
    engine = open_engine(f"sqlite:///{database}")
    warm = [min(_looked_up(engine, _asked(persons, person), 3)) for person in range(rounds)]
    engine.dispose()
    return LookUp(statistics.median(cold), max(cold), statistics.median(reads), statistics.median(warm))


def _asked(persons: Persons, person: int) -> list[bytes]:
    decoys = limits.CHECK_TOKENS - PERSON_TOKENS
    return persons.tokens_of(person % len(persons.tokens)) + [os.urandom(limits.TOKEN_BYTES) for _ in range(decoys)]


def _looked_up(engine: Engine, asked: list[bytes], times: int) -> list[float]:
    seconds = []
    with reading(engine) as connection:
        for _ in range(times):
            began = time.perf_counter()
            found = index.look_up(connection, 1, asked)
            seconds.append(time.perf_counter() - began)
            assert found
    if times == 1:
        engine.dispose()
    return seconds


def _drop(database: Path) -> None:
    """Let the system forget what it holds of the file (posix_fadvise): others on the machine lose nothing by it."""
    with database.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_bytes() -> int:
    """What this process has had read from the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def coverage_s(database: Path, roster: Roster, rounds: int) -> tuple[float, float]:
    """Seconds for what every receipt says about all members: computed anew over all of them, and as it is kept."""
    engine = open_engine(f"sqlite:///{database}")
    anew, kept = list[float](), list[float]()
    asker = next(iter(roster.members))
    with reading(engine) as connection:
        for _ in range(rounds):
            coverages = Coverages()
            for seconds in (anew, kept):
                began = time.perf_counter()
                coverages.of(connection, roster, asker, now_ms()).SerializeToString()
                seconds.append(time.perf_counter() - began)
    engine.dispose()
    return statistics.median(anew), statistics.median(kept)


def digests_of(database: Path, member_ids: list[int]) -> dict[int, bytes]:
    """The index digest of some members as their nodes would state it."""
    engine = open_engine(f"sqlite:///{database}")
    with reading(engine) as connection:
        found = {member: index_digest(bucket_digests(index.registered(connection, member, 1))) for member in member_ids}
    engine.dispose()
    return found
