"""Complementary disclosure: nobody who adds and subtracts what is published finds a suppressed cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parties import release_world
from tests.parties.compliance_world import World

from waypost.hub.evidence import Rosters, read_evidence
from waypost.hub.release import building
from waypost.hub.release.edition import Edition, Population
from waypost.hub.release.results import SignedResult
from waypost.hub.release.withholding import withheld
from waypost.protocol.measures import measure
from waypost.protocol.periods import parse_period
from waypost.protocol.round_results import ResultCell, RoundResult

STATES = ("CA", "NV", "OR")
BOUND = 10


def result(name: str, period: str, states: str, totals: Sequence[int]) -> RoundResult:
    """A result on these states ("" is the nation), its cells filled with the totals over and over."""
    asked, span = measure(name), parse_period(period)
    cells = tuple(
        ResultCell(values, 0 if total < BOUND else total, total < BOUND)
        for place, values in enumerate(asked.cells(span))
        for total in [totals[place % len(totals)]]
    )
    return RoundResult(
        round_id=bytes(16),
        round_digest=bytes(32),
        measure=asked,
        period=span,
        states=tuple(states.split()),
        roster_version=1,
        rho_millionths=10_000,
        epsilon_thousandths=1_000,
        delta_billionths=1_000,
        noise_deviation_thousandths=10_000,
        small_cell=BOUND,
        participants=tuple(f"{state}9900{number}00" for state in STATES for number in range(4)),
        absent=(),
        cells=cells,
        closed_at_ms=0,
    )


def shown(results: Sequence[RoundResult], name: str, values: tuple[str, ...]) -> list[int | None]:
    """What is left of one cell of each result of a measure: its total, or None."""
    out = withheld(results)
    return [
        None if cell.suppressed or place in blanked else cell.total
        for each, blanked in zip(results, out, strict=True)
        if each.measure.name == name
        for place, cell in enumerate(each.cells)
        if cell.values == values
    ]


EMPLOYED = ("officers-employed", ("sworn",))


def test_attack_the_nation_less_the_states_that_are_shown() -> None:
    given = [
        result("officers-employed", "2025", states, [total])
        for states, total in (("", 100), ("CA", 50), ("OR", 4), ("NV", 46))
    ]
    assert shown(given, *EMPLOYED) == [100, 50, None, None]


def test_attack_the_nation_is_asked_when_all_states_but_a_small_one_are_shown() -> None:
    given = [
        result("officers-employed", "2025", states, [total])
        for states, total in (("CA", 50), ("OR", 4), ("NV", 46), ("", 100))
    ]
    assert shown(given, *EMPLOYED) == [50, None, 46, None]


def test_attack_the_nation_less_the_states_where_a_small_one_was_never_asked() -> None:
    given = [
        result("officers-employed", "2025", states, [total]) for states, total in (("", 100), ("CA", 50), ("NV", 45))
    ]
    assert shown(given, *EMPLOYED) == [100, 50, None]


def test_attack_a_small_state_hides_behind_the_noise_of_a_difference() -> None:
    """The nation less the others says 30 or so of a state that says itself that it is small: still its estimate."""
    given = [
        result("officers-employed", "2025", states, [total])
        for states, total in (("", 120), ("CA", 50), ("OR", 4), ("NV", 40))
    ]
    assert shown(given, *EMPLOYED) == [120, 50, None, None]


def test_attack_groups_of_states_that_each_look_harmless() -> None:
    """CA and NV, NV and OR, OR and CA: half of their sum less one pair is one state."""
    given = [
        result("officers-employed", "2025", states, [total])
        for states, total in (("NV", 5), ("CA NV", 55), ("NV OR", 35), ("CA OR", 80))
    ]
    assert shown(given, *EMPLOYED) == [None, 55, 35, None]


def test_attack_a_year_less_its_quarters() -> None:
    given = [
        result("checks", period, "", [total])
        for period, total in (("2025Q1", 20), ("2025Q2", 5), ("2025Q3", 20), ("2025Q4", 20), ("2025", 65))
    ]
    assert shown(given, "checks", ("asked", "2025")) == [20, None, 20, 20, None]


def test_attack_records_of_a_kind_less_the_details_of_another_measure() -> None:
    details = [30, 20, 4, 12, 15, 11, 14]
    given = [result("decertifications", "2025", "", details), result("records", "2025", "", [106])]
    assert withheld(given)[0] == frozenset()
    out = {given[1].cells[place].values[0] for place in withheld(given)[1]}
    assert out == {"decertification"}
    backwards = withheld(given[::-1])
    assert [given[0].cells[place].total for place in backwards[1]] == [11]  # the smallest of those that are shown


def test_figures_stay_where_states_are_all_shown_or_enough_is_left() -> None:
    whole = [
        result("officers-employed", "2025", states, [total])
        for states, total in (("", 100), ("CA", 50), ("OR", 14), ("NV", 46))
    ]
    part = [result("officers-employed", "2025", states, [total]) for states, total in (("", 100), ("CA", 50))]
    two_small = [result("officers-employed", "2025", states, [4]) for states in ("OR", "NV")]
    assert shown(whole, *EMPLOYED) == [100, 50, 14, 46]
    assert shown([*part, *two_small], *EMPLOYED) == [100, 50, None, None]


def test_another_day_another_cell_and_another_year_are_other_tables() -> None:
    given = [
        result("officers-employed", "2024", "", [100, 100]),
        result("officers-employed", "2025", "CA", [95, 100]),
        result("checks", "2024", "", [100]),
        result("checks", "2025", "CA", [95]),
    ]
    assert withheld(given) == [frozenset()] * 4


AREAS = st.sampled_from(("", "CA", "NV", "OR", "CA NV", "NV OR", "CA OR"))
TOTALS = st.lists(st.one_of(st.integers(0, 9), st.integers(10, 40), st.integers(10, 400)), min_size=1, max_size=7)
ROUNDS = st.one_of(
    st.tuples(st.just("decertifications"), st.sampled_from(("2025", "2024..2025", "2025Q1", "2025Q2")), AREAS, TOTALS),
    st.tuples(st.just("records"), st.sampled_from(("2025", "2025Q1")), AREAS, TOTALS),
)


def _atoms(each: RoundResult, cell: ResultCell, blank: dict[tuple[str, str, int], int]) -> np.ndarray:
    """What a cell counts, as a row over every certification action, state and month of 2025."""
    actions = measure("decertifications").dimensions[0].values
    counted = actions if each.measure.name == "records" else (cell.values[0],)
    months = (
        range(1, 13) if each.period.first.year < 2025 else range(each.period.first.month, each.period.last.month + 1)
    )
    row = np.zeros(len(blank))
    for atom in product(counted, each.states or STATES, months):
        row[blank[atom]] = 1
    return row


@settings(max_examples=150, deadline=None)
@given(st.lists(ROUNDS, min_size=2, max_size=7))
def test_no_linear_combination_of_published_figures_is_a_suppressed_cell(
    asked: list[tuple[str, str, str, list[int]]],
) -> None:
    results = [result(*each) for each in asked]
    actions = measure("decertifications").dimensions[0].values
    blank = {atom: place for place, atom in enumerate(product(actions, STATES, range(1, 13)))}
    figures, hidden = list[np.ndarray](), list[tuple[np.ndarray, int]]()
    for each, out in zip(results, withheld(results), strict=True):
        wanted = [
            (place, cell)
            for place, cell in enumerate(each.cells)
            if cell.values[-1] == "2025" and (each.measure.name != "records" or cell.values[0] == "decertification")
        ]
        hidden += [(_atoms(each, cell, blank), len(figures)) for _, cell in wanted if cell.suppressed]
        figures += [_atoms(each, cell, blank) for place, cell in wanted if not cell.suppressed and place not in out]
    for cell, before in hidden:
        # what followed before the cell was found small cannot be taken back
        if before and _rank(figures[:before]) == _rank([*figures[:before], cell]):
            continue
        assert not figures or _rank(figures) < _rank([*figures, cell])


def _rank(rows: Sequence[np.ndarray]) -> int:
    return int(np.linalg.matrix_rank(np.array(rows)))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(AREAS, st.integers(0, 120)), min_size=2, max_size=7, unique_by=lambda each: each[0]))
def test_no_figure_less_others_inside_of_it_is_below_the_bound(asked: list[tuple[str, int]]) -> None:
    results = [result("officers-employed", "2025", states, [total]) for states, total in asked]
    left = shown(results, *EMPLOYED)
    figures = {frozenset(area.split() or STATES): total for (area, _), total in zip(asked, left, strict=True) if total}
    told = {frozenset().union(*family) for family in _side_by_side(list(figures))}
    for whole, total in figures.items():
        for taken in _side_by_side([area for area in figures if area < whole]):
            rest = whole.difference(*taken)
            if rest and rest not in told:
                assert total - sum(figures[area] for area in taken) >= BOUND


def _side_by_side(areas: Sequence[frozenset[str]]) -> list[tuple[frozenset[str], ...]]:
    """All choices of areas that have nothing in common."""
    chosen = chain.from_iterable(combinations(areas, count) for count in range(1, len(areas) + 1))
    return [each for each in chosen if sum(map(len, each)) == len(frozenset().union(*each))]


@given(st.lists(ROUNDS, min_size=2, max_size=6), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_a_later_release_shows_what_an_earlier_one_showed_and_withholds_what_it_withheld(
    asked: list[tuple[str, str, str, list[int]]], count: int
) -> None:
    results = [result(*each) for each in asked]
    assert withheld(results)[:count] == withheld(results[:count])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return release_world.make_world(tmp_path_factory.mktemp("release"))


def test_a_withheld_total_is_in_no_file_of_the_release(world: World) -> None:
    """Texas is asked last: with its figures the nation's would give Nevada's away."""
    asked = (
        ((), (7731, 7831)),
        (("CA",), (4001, 4003)),
        (("OR",), (2001, 2003)),
        (("NV",), (4, 4)),
        (("TX",), (1723, 1821)),
    )
    results = [
        release_world.make_result(world, "officers-employed", "2025", states=states, totals=totals)
        for states, totals in asked
    ]
    edition, files = _release(world, results)
    assert [published.suppressed for published in edition.leading] == [0, 0, 2, 0, 2]
    text = b"".join(content for path, content in files.items() if path.endswith((".html", ".csv", ".json", ".svg")))
    for total in (7731, 7831, 4001, 2003):
        assert str(total).encode() in text
    for total in (1723, 1821):
        assert f"{total:,}".encode() not in text
        assert not re.search(rb"(?<![0-9a-f])%d(?![0-9a-f])" % total, text)  # a digest may have these digits
    signed = {path for path in files if path.startswith("results/")}
    assert signed == {f"results/{each.result.round_id.hex()}.pb" for each in results[:-1]}
    assert results[-1].digest.encode() in files["measures/officers-employed.html"]


def _release(world: World, results: Sequence[SignedResult]) -> tuple[Edition, dict[str, bytes]]:
    """An edition whose population makes every area's tier show everything."""
    day = date.fromisoformat(release_world.TODAY)
    with world.engine.begin() as connection:
        evidence, _ = read_evidence(Rosters(connection, world.hub.public, world.trustee.public), day)
    population = Population({"CA": 900, "NV": 270, "OR": 140, "TX": 180}, "synthetic figures")
    keys = (world.hub.public, world.trustee.public)
    edition = building.make_edition(building.Ingredients(1, day, "", evidence, tuple(results), population, (), *keys))
    return edition, building.make_files(edition)
