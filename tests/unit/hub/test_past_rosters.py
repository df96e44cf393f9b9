"""Of past rosters the hub keeps those that past days and past signatures rest on, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from tests.parties.compliance_world import World

from waypost.hub import schema
from waypost.hub.compliance import Submission
from waypost.hub.past_rosters import ROSTERS_KEPT
from waypost.protocol import names
from waypost.v1 import compliance_pb2

ORI, OTHER = "CA9900100", "NV9900200"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.at(tmp_path)
    world.join(ORI)
    world.publish("2026-10-01")
    return world


def versions(world: World) -> list[int]:
    with world.engine.begin() as connection:
        return list(connection.scalars(select(schema.rosters.c.version).order_by(schema.rosters.c.version)))


def attest(world: World, day: str) -> None:
    content = compliance_pb2.Attestation(
        period="2026Q3", submitted_through="2026-09-30", attested_by="A. Synthetic, chief"
    )
    world.says(ORI, names.ATTESTATION, content, day)


def test_each_days_last_roster_is_kept_however_many_come(world: World) -> None:
    for day in range(2, 12):
        for _ in range(4):
            world.publish(f"2026-10-{day:02}")
    newest = world.roster.version
    assert versions(world) == [1, *range(5, newest - ROSTERS_KEPT + 1, 4), *range(newest - 2, newest + 1)]


def test_who_was_a_member_on_a_past_day_is_told_though_many_rosters_have_come_since(world: World) -> None:
    world.publish("2026-10-02")
    world.join(OTHER)
    for _ in range(3):
        world.publish("2026-10-02")
    for day in range(3, 15):
        world.publish(f"2026-10-{day:02}")
    assert set(world.assess("2026-10-01")[0]) == {ORI}
    assert set(world.assess("2026-10-02")[0]) == {ORI, OTHER}


def test_a_fact_counts_under_its_key_though_the_roster_of_its_moment_is_not_kept(world: World) -> None:
    for _ in range(3):
        world.publish("2026-10-02")
    attest(world, "2026-10-02")
    for _ in range(3):
        world.publish("2026-10-02")
    world.join(ORI)  # new keys, on the same day
    for day in ("2026-10-02", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07", "2026-10-08"):
        world.publish(day)
    assert len(versions(world)) < world.roster.version - 3  # the test's point: most of that day's are gone
    standings, broken = world.assess("2026-10-09")
    assert (standings[ORI].attested.submission, broken) == (Submission.ATTESTED, [])
