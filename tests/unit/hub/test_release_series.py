"""Sums of a release: over years they are of the same cells, and their margins are those of that many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.parties import release_world as given
from tests.parties.compliance_world import World

from waypost.hub.release.results import Published, publish
from waypost.hub.release.series import by_year, extent, key_variables, unit_word
from waypost.hub.release.site import rows_shown
from waypost.protocol.measures import MEASURES, measure
from waypost.protocol.periods import parse_period

OFFICERS = {ori: given.SIZES[ori[:2]][1] for ori in given.everybody()}
MARGIN = 1.96 * 17.9


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = given.make_world(tmp_path_factory.mktemp("series"))
    yield made
    made.engine.dispose()


def shown(world: World, name: str, period: str, totals: Mapping[Any, int], state: str = "CA") -> Published:
    """A result with these totals; all others are suppressed."""
    cells = measure(name).cells(parse_period(period))
    assert set(totals) <= set(cells)
    made = given.make_result(world, name, period, states=(state,), totals=[totals.get(cell, 0) for cell in cells])
    return publish(made, officers_of=OFFICERS, population=given.POPULATION)


def test_a_cell_that_is_suppressed_in_one_year_is_no_change(world: World) -> None:
    totals = {
        ("firearm", "injury", "2024"): 100,
        ("firearm", "injury", "2025"): 110,
        ("firearm", "none", "2025"): 500,  # suppressed in 2024, so nobody knows whether it rose
        ("canine", "none", "2024"): 70,
    }
    published = shown(world, "force-findings", "2024..2025", totals)
    (change,) = published.changes
    assert (change.value, change.before, change.after, change.verdict) == ("firearm", 100, 110, "within the noise")
    assert change.margin == pytest.approx(MARGIN * 2**0.5)


def test_the_line_over_years_is_of_the_rows_that_every_year_shows(world: World) -> None:
    totals = {
        **{("termination", year): value for year, value in (("2023", 20), ("2024", 30), ("2025", 40))},
        **{("suspension", year): value for year, value in (("2023", 50), ("2024", 50), ("2025", 60))},
        ("commendation", "2025"): 900,
    }
    published = shown(world, "records", "2023..2025", totals)
    points = by_year(published)
    assert [(year, value) for year, value, _ in points] == [("2023", 70), ("2024", 80), ("2025", 100)]
    assert [margin for *_, margin in points] == [pytest.approx(MARGIN * 2**0.5)] * 3
    assert extent(published) == "over the rows that are shown in every year (2 of 10)"
    assert [point[:2] for point in key_variables(published)][-1] == ("commendation", 900)


def test_no_line_without_a_row_that_every_year_shows(world: World) -> None:
    published = shown(world, "records", "2024..2025", {("termination", "2024"): 20, ("suspension", "2025"): 50})
    assert (by_year(published), published.changes) == ([], ())


def test_a_result_without_a_gap_is_compared_as_a_whole(world: World) -> None:
    cells = measure("checks").cells(parse_period("2024..2025"))
    published = shown(world, "checks", "2024..2025", dict.fromkeys(cells, 25))
    assert extent(published) == ""
    assert [value for _, value, _ in by_year(published)] == [100, 100]


def test_ratios_over_years_are_of_the_officers_covered(world: World) -> None:
    totals = {("termination", "2024"): 27, ("termination", "2025"): 54}
    published = shown(world, "records", "2024..2025", totals, state="NV")
    assert [value for _, value, _ in by_year(published)] == [pytest.approx(100), pytest.approx(200)]
    assert unit_word(published) == "records per 1,000 officers covered"


def test_every_measure_says_what_it_is_a_number_of(world: World) -> None:
    for name in MEASURES:
        signed = given.make_result(world, name, "2025", states=("CA",))
        unit = unit_word(publish(signed, officers_of=OFFICERS, population=given.POPULATION))
        assert unit == f"number of {MEASURES[name].things}"
        assert MEASURES[name].things in MEASURES[name].title.lower() + MEASURES[name].documentation.lower()


def test_of_a_long_table_the_page_shows_the_rows_that_say_something(world: World) -> None:
    long = shown(world, "force-findings", "2025", {("canine", "none", "2025"): 19})
    assert [line.values for line in rows_shown(long)] == [("canine", "none")]
    assert len(long.lines) == 65
    short = shown(world, "records", "2025", {("termination", "2025"): 19})
    assert len(rows_shown(short)) == 10


def test_programmes_divide_over_yes_and_no_within_each(world: World) -> None:
    totals = {("co_responder", "yes"): 30, ("co_responder", "no"): 90, ("early_intervention", "yes"): 50}
    published = shown(world, "programmes", "2025", totals, state="OR")
    assert {key: share.value for key, share in published.shares} == {
        ("co_responder", "yes"): 25,
        ("co_responder", "no"): 75,
        ("early_intervention", "yes"): 100,
    }
    assert [name for name, *_ in key_variables(published)] == [
        "co_responder: yes",
        "co_responder: no",
        "early_intervention: yes",
    ]


def test_what_overlaps_has_no_percentages(world: World) -> None:
    totals = {("crisis_intervention",): 30, ("de_escalation",): 90}
    assert shown(world, "officers-trained", "2025", totals, state="OR").shares == ()
    assert len(key_variables(shown(world, "officers-trained", "2025", totals))) == 2


def test_a_value_of_which_every_cell_is_suppressed_has_no_share(world: World) -> None:
    published = shown(world, "records", "2025", {("termination", "2025"): 40, ("suspension", "2025"): 10}, state="OR")
    assert {key: share.value for key, share in published.shares} == {("termination",): 80, ("suspension",): 20}
