"""Participants of rounds on periods that share days: what each column counts decides who could be singled out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from tests.parties.round_world import ORIS, RoundWorld

from waypost.protocol import limits
from waypost.trustee.audit import Event
from waypost.trustee.errors import Refused, Spent

QUARTERS = ("2025Q1", "2025Q2", "2025Q3", "2025Q4")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RoundWorld]:
    made = RoundWorld(tmp_path)
    yield made
    made.store.close()


def closes(world: RoundWorld, period: str, *, without: Collection[str] = ()) -> frozenset[str]:
    """Ask the nation on a period, and close."""
    return world.close(world.opened(measure="checks", period=period), without=without)


def test_attack_a_year_less_its_quarters_gives_a_member_away_that_was_away_in_one(world: RoundWorld) -> None:
    closes(world, QUARTERS[0], without=ORIS[:1])
    for quarter in QUARTERS[1:]:
        assert closes(world, quarter) == frozenset()
    lost = world.store.rounds.losses(2026)
    for without in ((), ORIS[:1]):
        year = world.opened(measure="checks", period="2025")
        with pytest.raises(Refused) as caught:
            world.close(year, without=without)
        assert caught.value.reason == "differencing"
        assert world.store.rounds.losses(2026) == lost  # it came to nothing, and may be asked anew
        with pytest.raises(Refused, match="abandoned"):
            world.close(year, without=ORIS[:20])


def test_attack_the_last_quarter_completes_a_year_that_was_asked_before(world: RoundWorld) -> None:
    closes(world, "2025")
    closes(world, QUARTERS[0], without=ORIS[:1])
    for quarter in QUARTERS[1:3]:
        assert closes(world, quarter) == frozenset()  # nothing adds up yet
    with pytest.raises(Refused) as caught:
        closes(world, QUARTERS[3])
    assert caught.value.reason == "differencing"


def test_attack_a_year_alone_and_within_a_span_of_years(world: RoundWorld) -> None:
    closes(world, "2025", without=ORIS[:2])
    assert closes(world, "2023..2025") == frozenset(ORIS[:2])  # the column 2025 would differ by them alone
    with pytest.raises(Refused) as caught:
        closes(world, "2024..2025", without=ORIS[:3])
    assert caught.value.reason == "differencing"


def test_ten_that_were_away_and_years_that_are_not_shared_are_no_difference(world: RoundWorld) -> None:
    closes(world, "2025", without=ORIS[:10])
    assert closes(world, "2024..2025") == frozenset()
    assert closes(world, "2021..2023", without=ORIS[:1]) == frozenset()


def test_attack_one_year_is_asked_within_many_spans_to_average_the_noise_away(world: RoundWorld) -> None:
    # Each span draws the year anew and each draw is paid: together they tell what one round at the whole budget would.
    rho = limits.ROUND_RHO_MILLIONTHS_DEFAULT
    with world.store.transaction():
        world.store.rounds.set_budget(3 * rho)
    for period in ("2024", "2023..2024", "2024..2025"):
        world.opened(measure="checks", period=period)
    with pytest.raises(Spent):
        world.opened(measure="checks", period="2022..2024")
    assert world.events()[-1] == (Event.ROUND_REFUSED, "budget-spent")
