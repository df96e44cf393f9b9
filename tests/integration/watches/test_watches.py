"""Watches over real processes: a record that comes up after the hiring is heard of, without anybody asking again."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from waypost.crypto.keystore import Keystore
from waypost.hub.demo.federation import Federation
from waypost.hub.demo.members import DemoMember
from waypost.node import settings
from waypost.node.store import Store

pytestmark = pytest.mark.xdist_group("watches")
WATCHER, OWNER = "CA9900100", "NV9900200"
TIMEOUT_S = 40.0
PERSON = ("--family", "Thornbury", "--given", "Isolde", "--dob", "1988-03-14")
WHY = ("--authorization", "CONSENT-7", "--by", "HR-1")
OFFICERS = (
    "officer_key,family_name,given_name,middle_name,suffix,other_names,date_of_birth,ssn,cert_state,cert_number,officer_id\n"
    "NV-1,Thornbury,Isolde,,,,1988-03-14,,,,\n"
)
CONDUCT = (
    "officer_key,record_key,kind,occurred_on,effective_on,summary,force_type,force_outcome,amount,authority,notice_on,"
    "hearing,decided_by,decided_on,appeal,final_on,told_on,status\n"
    "NV-1,R-1,excessive_force_finding,2024-01-02,2024-05-01,Baton,baton,injury,,SMPD,2024-02-01,held,Chief,2024-05-01,"
    "none,2024-06-15,2024-06-20,active\n"
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    members = tuple(DemoMember(ori, f"Agency {ori}", ori[:2], "agency", ()) for ori in (WATCHER, OWNER))
    held = Federation(tmp_path_factory.mktemp("watches") / "federation", members)
    try:
        held.found()
        held.enrol_all(load=False)
        yield held
    finally:
        held.stop()


def _watch(federation: Federation, watch_id: str) -> dict[str, Any]:
    lines = federation.node(WATCHER, "watch", "list", "--json").stdout.splitlines()
    return next(entry for entry in map(json.loads, lines) if entry["watch"] == watch_id)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.7)


def _import(federation: Federation, folder: Path, **files: str) -> None:
    paths = []
    for name, text in files.items():
        path = folder / f"{name}.csv"
        path.write_text(text)
        paths.append(str(path))
    federation.node(OWNER, "import", *paths)


def _add(federation: Federation, label: str, *more: str) -> str:
    return federation.node(WATCHER, "watch", "add", "--label", label, *PERSON, *WHY, *more).stdout.strip()


def test_a_watch_fires_when_a_member_registers_the_person_and_again_when_a_record_may_be_shared(
    federation: Federation, tmp_path: Path
) -> None:
    watch_id = _add(federation, "EMP-1")
    _until(lambda: bool(_watch(federation, watch_id)["at_hub"]) and federation.status(WATCHER)["outbox"] == 0)
    _import(federation, tmp_path, officers=OFFICERS)
    _until(lambda: _watch(federation, watch_id)["check"] != "")
    first = _watch(federation, watch_id)["check"]
    _until(lambda: _result(federation, first)["state"] == "answered")
    assert _result(federation, first)["candidates"][0]["records"] == []

    _import(federation, tmp_path, conduct=CONDUCT)
    _until(lambda: _watch(federation, watch_id)["check"] not in {"", first})
    second = _watch(federation, watch_id)["check"]
    _until(lambda: _result(federation, second)["state"] == "answered")
    found = _result(federation, second)["candidates"]
    assert [(entry["ori"], entry["records"][0]["record_key"]) for entry in found] == [(OWNER, "R-1")]


def _result(federation: Federation, check: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(federation.node(WATCHER, "checks", "show", check, "--json").stdout)
    return facts


def test_a_watch_whose_time_is_over_does_not_fire_and_forgets_its_person(
    federation: Federation, tmp_path: Path
) -> None:
    officers = OFFICERS.replace("NV-1,Thornbury,Isolde,,,,1988-03-14", "NV-2,Quillfeather,Orson,,,,1979-11-30")
    person = ("--family", "Quillfeather", "--given", "Orson", "--dob", "1979-11-30", *WHY)
    short = federation.node(WATCHER, "watch", "add", "--label", "EMP-2", *person).stdout.strip()
    control = federation.node(WATCHER, "watch", "add", "--label", "EMP-3", *person).stdout.strip()
    _until(lambda: all(_watch(federation, each)["at_hub"] for each in (short, control)))
    _expire(federation, short)
    _until(lambda: _watch(federation, short)["state"] == "expired" and federation.status(WATCHER)["outbox"] == 0)
    _import(federation, tmp_path, officers=officers)
    _until(lambda: _watch(federation, control)["check"] != "")
    assert _watch(federation, short)["check"] == ""
    assert _watch(federation, short)["person"] == ""


def _expire(federation: Federation, watch_id: str) -> None:
    """Let the watch's last day have come."""
    from dataclasses import replace

    home = federation.home(WATCHER)
    keys = Keystore.open(settings.keys_path(home), federation.passphrase_file.read_text().strip())
    with Store.open(settings.store_path(home), keys.get(settings.COLUMN_KEY)) as store:
        watch = store.watches.get(bytes.fromhex(watch_id))
        assert watch is not None
        store.watches.update(replace(watch, expires_at_ms=1))


def test_a_removed_watch_leaves_nothing_of_its_person_at_the_hub_or_the_node(federation: Federation) -> None:
    watch_id = _add(federation, "EMP-4", "--other-name", "Wintermantel, Isolde")
    _until(lambda: bool(_watch(federation, watch_id)["at_hub"]) and federation.status(WATCHER)["outbox"] == 0)
    tokens = _tokens(federation, watch_id)
    assert tokens
    assert tokens <= _watched_at_hub(federation)
    federation.node(WATCHER, "watch", "remove", "EMP-4")
    entry = _watch(federation, watch_id)
    assert (entry["state"], entry["person"], entry["at_hub"]) == ("removed", "", False)
    _until(lambda: not tokens & _watched_at_hub(federation))


def _tokens(federation: Federation, watch_id: str) -> set[bytes]:
    """Those that no other watch needs."""
    others = "SELECT token FROM watch_tokens WHERE watch_id <> ?"
    sql = f"SELECT token FROM watch_tokens WHERE watch_id = ? AND token NOT IN ({others})"
    with closing(sqlite3.connect(settings.store_path(federation.home(WATCHER)))) as database:
        return {row[0] for row in database.execute(sql, (bytes.fromhex(watch_id),) * 2)}


def _watched_at_hub(federation: Federation) -> set[bytes]:
    with closing(sqlite3.connect(federation.home("hub") / "hub.db")) as database:
        return {row[0] for row in database.execute("SELECT token FROM watched")}


def test_a_watch_longer_than_the_federation_allows_is_refused(federation: Federation) -> None:
    done = federation.node(WATCHER, "watch", "add", "--label", "X", *PERSON, *WHY, "--days", "401", accept=(1,))
    assert "error: a watch lasts 1 to 400 days" in done.stderr


def test_a_department_is_watched_from_a_file_once_and_a_bad_row_keeps_nobody_else_from_it(
    federation: Federation, tmp_path: Path
) -> None:
    people = tmp_path / "department.csv"
    header, one, bad, two = (
        "family_name,given_name,date_of_birth\n",
        "Aldermoor,Jessamy,1990-02-03\n",
        "Bracknell,Tobias,1985-02-30\n",
        "Cottenham,Philippa,1979-01-02\n",
    )
    people.write_text(header + one + bad + two)
    arguments = ("watch", "add", "--batch", str(people), *WHY)
    done = federation.node(WATCHER, *arguments, accept=(1,))
    assert "rows 3: watched 2, watched already 0, rejected 1" in done.stdout
    assert "rejected: row 2 (line 3): date_of_birth is a date that does not exist" in done.stderr
    assert "error: 1 row was rejected; all others are done" in done.stderr
    done = federation.node(WATCHER, *arguments, accept=(1,))
    assert "rows 3: watched 0, watched already 2, rejected 1" in done.stdout
    people.write_text(header + one + bad.replace("-30", "-03") + two)
    assert "rows 3: watched 1, watched already 2, rejected 0" in federation.node(WATCHER, *arguments).stdout
    assert "rows 3: watched 0, watched already 3, rejected 0" in federation.node(WATCHER, *arguments).stdout
    lines = federation.node(WATCHER, "watch", "list", "--json").stdout.splitlines()
    watched = [entry["person"] for entry in map(json.loads, lines)]
    assert all(watched.count(person) == 1 for person in ("Aldermoor, Jessamy", "Bracknell, Tobias"))
