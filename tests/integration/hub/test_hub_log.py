"""The hub's transparency log over real processes: cosigned, whole, and refused by the trustee once it was rewritten."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grpc import aio
from tests.parties import commands

from waypost.protocol.transparency import refusal_digest
from waypost.v1 import log_pb2

if TYPE_CHECKING:
    from tests.integration.hub.conftest import Federation

TIMEOUT_S = 30.0


def log_of(federation: Federation) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(federation.do("waypost-hub", "log", "show", "--json"))
    return facts


def wait_for_checkpoint(federation: Federation, size: int) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_S
    while (facts := log_of(federation))["checkpoint_size"] < size:
        assert time.monotonic() < deadline, (facts, federation.log("waypost-hub"))
        time.sleep(0.1)
    return facts


def root_keys(federation: Federation) -> tuple[str, ...]:
    hub, trustee = (json.loads((home / name).read_text()) for home, name in _files(federation))
    return ("--hub-key", hub["signing_key"], "--trustee-key", trustee["signing_key"])


def _files(federation: Federation) -> tuple[tuple[Path, str], ...]:
    return ((federation.hub, "hub.json"), (federation.trustee, "trustee.json"))


async def test_what_the_hub_does_is_logged_cosigned_and_verifiable_offline(
    federation: Federation, tmp_path: Path
) -> None:
    before = wait_for_checkpoint(federation, 1)["entries"]
    await federation.member("CA9900701")
    wait_for_checkpoint(federation, before + 2)  # a roster and a certificate
    own = json.loads(federation.do("waypost-hub", "log", "verify", "--json"))
    assert own["counts"]["roster"] >= 2
    assert own["counts"]["certificate"] >= 1

    exported = tmp_path / "log"
    federation.do("waypost-hub", "log", "export", "-o", str(exported))
    stranger = tmp_path / "nobody"  # a verifier without any home
    done = commands.run("waypost-hub", "log", "verify", str(exported), *root_keys(federation), home=stranger)
    assert "The log is whole" in done.stdout
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join([lines[0], *lines[2:]]))
    done = commands.run("waypost-hub", "log", "verify", str(exported), *root_keys(federation), home=stranger)
    assert done.returncode == 1
    assert "entries are here" in done.stderr


async def test_a_refused_check_is_logged_by_what_was_refused_and_why(federation: Federation) -> None:
    member = await federation.member("CA9900702")
    async with member.calling() as hub:
        submitted = member.check(await member.tokens(hub, [b"given-dob:kate:1988-03-14"]))
        del submitted.openings[0]
        with pytest.raises(aio.AioRpcError, match="malformed"):
            await hub.SubmitCheck(submitted)
    digest = refusal_digest(hashlib.sha256(submitted.request.payload).digest(), "malformed")
    with sqlite3.connect(federation.hub / "hub.db") as database:
        kinds = [
            kind
            for table in ("log_queue", "log_entries")
            for (kind,) in database.execute(f"SELECT kind FROM {table} WHERE digest = ?", (digest,))
        ]
    database.close()
    assert kinds == [log_pb2.LOG_KIND_REFUSAL]


def test_a_hub_whose_log_was_rewritten_gets_no_cosignature_and_says_so(own_federation: Federation) -> None:
    wait_for_checkpoint(own_federation, 1)
    own_federation.stop("waypost-hub")
    with sqlite3.connect(own_federation.hub / "hub.db") as database:
        database.execute("UPDATE log_nodes SET hash = zeroblob(32)")
        database.execute("UPDATE log_entries SET digest = zeroblob(32)")
        database.execute("INSERT INTO log_queue (kind, at_ms, digest) VALUES (3, 1, zeroblob(32))")
    database.close()
    own_federation.start("waypost-hub")
    deadline = time.monotonic() + TIMEOUT_S
    while not any(entry["event"] == "checkpoint-refused" for entry in own_federation.audit()):
        assert time.monotonic() < deadline, own_federation.log("waypost-hub")
        time.sleep(0.1)
    told = own_federation.do("waypost-trustee", "audit")
    assert "split-view" in told
    with pytest.raises(AssertionError, match="rewritten or moved"):
        own_federation.do("waypost-hub", "log", "verify")
