"""Works that share a transaction: each is told its own outcome, and none before all that it rests on is on the disk."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from waypost.hub import group_commit
from waypost.hub.database import Database, open_engine
from waypost.hub.errors import Refused, StoreClosed
from waypost.hub.limits import GROUP_WORKS_MAX

INSERT = text("INSERT INTO meta (name, value) VALUES (:name, :value)")
KILLED = """
import asyncio, sys
from sqlalchemy import text
from waypost.hub.database import Database, open_engine

async def main():
    database = Database(open_engine(sys.argv[1]))
    insert = text("INSERT INTO meta (name, value) VALUES (:name, '')")
    async def writer(number):
        for turn in range(1_000_000):
            name = f"{number}-{turn}"
            await database.run(lambda c: c.execute(insert, {"name": name}).rowcount)
            print(name, flush=True)
    await asyncio.gather(*map(writer, range(8)))

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many works a transaction takes must not hang on how busy the machine is that runs these tests."""
    monkeypatch.setattr(group_commit, "GROUP_OPEN_S", 60.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def engine(path: Path) -> Engine:
    return open_engine(f"sqlite:///{path}", create=True)


@pytest.fixture
def database(engine: Engine) -> Iterator[Database]:
    database = Database(engine)
    yield database
    database.close()


@pytest.fixture
def commits(engine: Engine) -> list[int]:
    counted: list[int] = []
    event.listen(engine, "commit", lambda _connection: counted.append(1))
    return counted


def held(path: Path) -> set[str]:
    """What another process sees."""
    connection = sqlite3.connect(path)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM meta WHERE name <> 'schema'")}
    finally:
        connection.close()


class Door:
    """Holds the store's thread in a work of its own until it is opened, so that others come to wait behind it."""

    def __init__(self, database: Database) -> None:
        self._open = threading.Event()
        self.work = asyncio.ensure_future(database.run(lambda _: self._open.wait(20)))

    async def open(self) -> None:
        await asyncio.sleep(0)  # those that were started before have their works waiting now
        self._open.set()


def put(connection: Connection, name: str, value: str = "") -> str:
    connection.execute(INSERT, {"name": name, "value": value})
    return name


def refused(connection: Connection, name: str) -> str:
    put(connection, name)
    raise Refused("malformed", "not this one")


async def test_works_that_wait_together_share_one_transaction(
    database: Database, commits: list[int], path: Path
) -> None:
    door = Door(database)
    works = [asyncio.ensure_future(database.run(partial(put, name=f"w{n}"))) for n in range(20)]
    await door.open()
    assert await asyncio.gather(*works) == [f"w{n}" for n in range(20)]
    assert held(path) == {f"w{n}" for n in range(20)}
    assert sum(commits) == 1


async def test_a_work_that_comes_alone_is_committed_alone(database: Database, commits: list[int], path: Path) -> None:
    for turn in range(3):
        await database.run(partial(put, name=f"w{turn}"))
        assert held(path) == {f"w{n}" for n in range(turn + 1)}
    assert sum(commits) == 3


async def test_a_failing_work_takes_back_its_own_and_nothing_of_the_others_in_its_transaction(
    database: Database, commits: list[int], path: Path
) -> None:
    door = Door(database)
    works = [
        asyncio.ensure_future(database.run(work))
        for work in (
            lambda c: put(c, "before"),
            lambda c: refused(c, "refused"),
            lambda c: put(c, "between"),
            lambda c: (put(c, "half"), put(c, "before")),
            lambda c: put(c, "after"),
        )
    ]
    await door.open()
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert [outcomes[0], outcomes[2], outcomes[4]] == ["before", "between", "after"]
    assert isinstance(outcomes[1], Refused)
    assert isinstance(outcomes[3], IntegrityError)
    assert held(path) == {"before", "between", "after"}
    assert sum(commits) == 1


async def test_a_failing_work_that_is_the_first_leaves_those_behind_it(database: Database, path: Path) -> None:
    works = [
        asyncio.ensure_future(database.run(lambda c: refused(c, "refused"))),
        *(asyncio.ensure_future(database.run(partial(put, name=f"w{n}"))) for n in range(5)),
    ]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(outcomes[0], Refused)
    assert outcomes[1:] == [f"w{n}" for n in range(5)]
    assert held(path) == {f"w{n}" for n in range(5)}


async def test_when_the_commit_fails_nobody_is_told_that_anything_was_stored(
    database: Database, engine: Engine, path: Path
) -> None:
    def fail(_connection: Connection) -> None:
        raise OSError("the disk is gone")

    door = Door(database)
    works = [asyncio.ensure_future(database.run(partial(put, name=f"w{n}"))) for n in range(4)]
    works.insert(2, asyncio.ensure_future(database.run(lambda c: refused(c, "refused"))))
    event.listen(engine, "commit", fail)
    await door.open()
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    event.remove(engine, "commit", fail)
    assert [type(outcome) for outcome in outcomes] == [OSError, OSError, Refused, OSError, OSError]
    assert held(path) == set()
    assert await database.run(lambda c: put(c, "next")) == "next"
    with pytest.raises(OSError, match="disk"):
        await door.work


async def test_a_full_disk_is_told_and_what_was_told_as_stored_is_there(database: Database, path: Path) -> None:
    pages = await database.run(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
    await database.run(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}"))
    door = Door(database)
    works = [
        asyncio.ensure_future(database.run(partial(put, name=f"w{n}", value="x" * size)))
        for n, size in enumerate((10, 10, 1_000_000, 10))
    ]
    await door.open()
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert isinstance(outcomes[2], OperationalError)
    assert "full" in str(outcomes[2])
    assert held(path) == {outcome for outcome in outcomes if isinstance(outcome, str)}


async def test_who_no_longer_waits_keeps_nobody_else_from_being_told(database: Database, path: Path) -> None:
    door = Door(database)
    gone = asyncio.ensure_future(database.run(lambda c: put(c, "gone")))
    stays = asyncio.ensure_future(database.run(lambda c: put(c, "stays")))
    await asyncio.sleep(0)
    gone.cancel()
    await door.open()
    assert await stays == "stays"
    assert "stays" in held(path)


async def test_a_transaction_takes_no_more_than_its_bound(database: Database, commits: list[int]) -> None:
    door = Door(database)
    count = 2 * GROUP_WORKS_MAX
    works = [asyncio.ensure_future(database.run(lambda _, n=n: n)) for n in range(count)]  # type: ignore[misc]
    await door.open()
    assert await asyncio.gather(*works) == list(range(count))
    assert sum(commits) >= 2


def test_kill_9_loses_nothing_that_was_acknowledged_to_any_of_those_who_shared_a_transaction(
    engine: Engine, path: Path
) -> None:
    engine.dispose()
    process = subprocess.Popen([sys.executable, "-c", KILLED, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = {process.stdout.readline().strip() for _ in range(200)}
    process.send_signal(signal.SIGKILL)
    acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
    process.stdout.close()
    assert process.wait(20) == -signal.SIGKILL
    assert len({name.split("-")[0] for name in acknowledged}) == 8
    assert acknowledged <= held(path)


async def test_rule_5_works_that_come_after_the_end_are_refused_at_once_and_none_waits_for_ever(engine: Engine) -> None:
    database = Database(engine)
    await database.run(partial(put, name="before"))
    database.close()
    for _ in range(2):
        with pytest.raises(StoreClosed):
            async with asyncio.timeout(20):
                await database.run(partial(put, name="after"))
