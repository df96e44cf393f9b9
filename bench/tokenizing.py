"""How fast officers enter the blind index, beside the scalar multiplications and the bare inserts in it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from _measure import SHORT, Report
from sqlalchemy import insert

from waypost.crypto import ristretto
from waypost.crypto.split_oprf import HalfKey, blind_batch, evaluate_half, finish_batch
from waypost.hub import index, schema
from waypost.hub.database import open_engine
from waypost.node.keys import match_inputs
from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.protocol import limits

OFFICERS = 5 if SHORT else 60
BATCHES = 2 if SHORT else 40
MULTIPLICATIONS = 10
"""Of one token: see bench/crypto.py."""
CORES = os.cpu_count() or 1


def people() -> list[Person]:
    families = ("Delacroix", "Okonkwo-Reyes", "Smith", "Nguyen", "O'Brien", "Vandermeer")
    return [
        Person(
            (PersonName(families[n % len(families)], "Katherine", "Anne"),),
            PartialDate(1960 + n % 40, 1 + n % 12, 1 + n % 28),
            identifiers=(Identifier("cert", "NV", f"P{n}"),) if n % 2 else (),
        )
        for n in range(OFFICERS)
    ]


def tokenizing(report: Report) -> None:
    officers, trustee, hub = people(), HalfKey.generate(), HalfKey.generate()
    values = list({entry.value for person in officers for entry in match_inputs(person, side="record")})
    scalar, element, buffer = ristretto.random_scalar(), ristretto.hash_to_group(b"x", b"bench"), ristretto._buffer(32)

    with ThreadPoolExecutor(CORES) as pool:

        def ours() -> object:
            inputs = list({entry.value for person in officers for entry in match_inputs(person, side="record")})
            batch = blind_batch(inputs, pool)
            first = evaluate_half(trustee, batch.elements, pool)
            second = evaluate_half(hub, first.elements, pool)
            return finish_batch(
                batch, first, second, trustee_public=trustee.public, hub_public=hub.public, executor=pool
            )

        def multiply(count: int) -> None:
            out = ristretto._buffer(32)
            for _ in range(count):
                ristretto._scalarmult(out, scalar, element)

        def limit() -> object:
            share = len(values) * MULTIPLICATIONS // CORES
            return list(pool.map(multiply, [share] * CORES))

        name = f"{OFFICERS} officers ({len(values)} tokens), keys and proofs included, {CORES} cores"
        report.compare(name, ours, limit, target=1.5, rounds=7)
        seconds = report.rows[-1].value
        report.figure("officers tokenized", OFFICERS / seconds, "officers/s")
    del buffer


def registering(report: Report) -> None:
    size = limits.REGISTRATION_BATCH_TOKENS
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'hub.db'}", create=True)
        with engine.begin() as connection:
            row = {"id": 1, "ori": "CA9900100", "name": "x", "state": "CA", "role": 1, "status": 1, "joined_at_ms": 1}
            keys = {"signing_public_key": b"", "sealing_public_key": b"", "application": b""}
            connection.execute(insert(schema.members).values(**row, **keys))
        bare = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        bare.execute(
            "CREATE TABLE pointers (epoch INTEGER, token BLOB, member_id INTEGER, "
            "PRIMARY KEY (epoch, token, member_id)) WITHOUT ROWID"
        )
        bare.execute("CREATE INDEX by_member ON pointers (member_id, epoch, token)")

        def ours() -> None:
            with engine.begin() as connection:
                index.register(connection, 1, 1, _tokens(size), [])

        def limit() -> None:
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany("INSERT INTO pointers VALUES (1, ?, 1)", [(token,) for token in _tokens(size)])
            bare.execute("COMMIT")

        name = f"one registration of {size} tokens at the hub, against a bare insert of the same rows"
        report.compare(name, ours, limit, target=2.0, rounds=9, calls=BATCHES)
        report.figure("tokens registered", size / report.rows[-1].value, "tokens/s")
        bare.close()
        engine.dispose()


def _tokens(count: int) -> Sequence[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


def main() -> None:
    report = Report("entering the blind index")
    tokenizing(report)
    registering(report)
    report.done()


if __name__ == "__main__":
    main()
