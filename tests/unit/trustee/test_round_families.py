"""Rounds on measures that count the same events: a part and its whole are compared as if they were one measure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.round_world import ORIS, RoundWorld, roster_of

from waypost.protocol.measures import MEASURES
from waypost.trustee.audit import Event
from waypost.trustee.errors import Refused

PARTS = tuple(name for name, each in MEASURES.items() if each.part_of == "records")
LONELY = [each for each in ORIS if not each.startswith("NV")] + [ORIS[20]]
"""Nevada has one agency."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RoundWorld]:
    made = RoundWorld(tmp_path)
    yield made
    made.store.close()


def test_the_records_have_parts() -> None:
    assert set(PARTS) == {"force-findings", "decertifications", "civil-judgments"}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("whole_first", [True, False], ids=["whole-first", "part-first"])
def test_attack_a_part_is_asked_of_one_agency_less_than_the_whole(
    world: RoundWorld, part: str, whole_first: bool
) -> None:
    # Decertifications stand in both tables: the nation's records of that kind, less the others' decertifications.
    world.roster = roster_of(LONELY)
    first, second = ("records", part) if whole_first else (part, "records")
    world.opened("CA", "OR", measure=first)
    with pytest.raises(Refused) as caught:
        world.opened(measure=second)
    assert caught.value.reason == "differencing"
    assert world.events()[-1] == (Event.ROUND_REFUSED, "differencing")
    world.opened("CA", "OR", measure=second)


@pytest.mark.parametrize("part", PARTS)
def test_attack_one_agencys_answer_is_dropped_from_the_part_but_not_from_the_whole(
    world: RoundWorld, part: str
) -> None:
    world.close(world.opened(measure="records"))
    with pytest.raises(Refused) as caught:
        world.close(world.opened(measure=part), without=ORIS[:1])
    assert caught.value.reason == "differencing"
    assert world.events()[-1] == (Event.ROUND_CLOSE_REFUSED, "differencing")


def test_a_member_that_was_away_from_the_whole_is_left_out_of_its_part(world: RoundWorld) -> None:
    world.close(world.opened(measure="records"), without=ORIS[:1])
    part = world.opened(measure="decertifications")
    assert world.close(part) == frozenset(ORIS[:1])
    assert world.events()[-1] == (Event.ROUND_LEFT_OUT, ORIS[0])
    assert world.close(part, without=ORIS[:1]) == frozenset()


def test_two_parts_of_one_whole_and_measures_of_other_things_are_not_compared(world: RoundWorld) -> None:
    world.roster = roster_of(LONELY)
    world.opened("CA", "OR", measure="decertifications")
    world.opened(measure="civil-judgments")
    world.opened(measure="checks")
    with pytest.raises(Refused):  # one of the two would differ from it
        world.opened(measure="records")
