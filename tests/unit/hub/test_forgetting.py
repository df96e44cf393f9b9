"""Who matched a check is gone from every file of the hub once its answers were taken, not from the tables alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.parties.hub_world import ASKER, HOLDER, HubWorld

from waypost.hub.daemon import _tidy
from waypost.hub.database import Database, empty_log, reading
from waypost.hub.links import Links
from waypost.hub.registrar import Registrar
from waypost.hub.service import Hub, now_ms

TOKEN = b"t" * 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path, now_ms=now_ms())
    yield made
    made.close()


def files_with(folder: Path, data: bytes) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if data in path.read_bytes())


def answered(world: HubWorld) -> bytes:
    """A check that one member matched, answered, and whose mail all was taken: what a row of that part holds."""
    world.register(HOLDER, [TOKEN])
    asked = world.ask([TOKEN])
    world.submit(asked)
    world.take_mail(HOLDER)
    world.give(world.answer(asked))
    world.take_mail(ASKER)
    return asked.id + HOLDER.encode()


async def test_attack_the_hubs_files_are_read_for_who_matched_a_check_that_is_over(
    world: HubWorld, tmp_path: Path
) -> None:
    who_matched = answered(world)
    assert files_with(tmp_path, who_matched)
    with ThreadPoolExecutor(1) as pool:
        unused: Any = None
        database = Database(world.engine)
        registrar = Registrar(database, unused, world.hub, unused)
        await _tidy(Hub(world.hub, unused, unused, database, unused, registrar, Links(), pool, pool), world.now_ms)
        assert files_with(tmp_path, who_matched) == []
        database.close()


def test_a_log_that_somebody_reads_from_is_emptied_later(world: HubWorld) -> None:
    answered(world)
    with reading(world.engine) as connection:
        connection.exec_driver_sql("SELECT count(*) FROM checks").fetchall()
        answered(world)
        assert not empty_log(world.engine)
    assert empty_log(world.engine)
