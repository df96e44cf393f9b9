"""The catalogue: tables that add up, in one order, with words that the records have."""

from __future__ import annotations

import pytest

from waypost.node.records import CertificationAction, ConductKind, ForceOutcome, ForceType
from waypost.protocol import limits
from waypost.protocol.errors import ProtocolError
from waypost.protocol.measures import MEASURES, UNRECORDED, YEAR, Measure, measure
from waypost.protocol.periods import parse_period

ALL = pytest.mark.parametrize("each", MEASURES.values(), ids=MEASURES.keys())
QUARTER = parse_period("2026Q3")
DECADE = parse_period("2017..2026")


@ALL
@pytest.mark.parametrize("period", [QUARTER, DECADE], ids=["quarter", "decade"])
def test_every_table_has_each_combination_once_in_the_vectors_order(each: Measure, period: object) -> None:
    assert period in {QUARTER, DECADE}
    cells = each.cells(QUARTER)
    assert len(set(cells)) == len(cells) == each.cell_count(QUARTER)
    assert [each.positions(QUARTER)[values] for values in cells] == list(range(len(cells)))


@ALL
def test_every_table_fits_a_round_over_the_longest_period(each: Measure) -> None:
    assert 0 < each.cell_count(DECADE) <= limits.ROUND_CELLS_MAX


@ALL
def test_every_measure_is_told_and_clipped(each: Measure) -> None:
    assert each.title
    assert each.clause
    assert each.documentation.endswith(".")
    assert each.clip >= 1


def test_years_are_those_of_the_period_and_vary_fastest() -> None:
    cells = measure("records").cells(parse_period("2024..2026"))
    assert [values[-1] for values in cells[:4]] == ["2024", "2025", "2026", "2024"]
    assert measure("records").dimensions_in(QUARTER)[-1].name == YEAR


def test_the_tables_words_are_those_of_the_records() -> None:
    def words(name: str, dimension: str) -> set[str]:
        (found,) = (each for each in measure(name).dimensions if each.name == dimension)
        return set(found.values)

    assert words("records", "kind") == words("records-withheld", "kind") == set(ConductKind)
    assert words("force-findings", "force_type") == {*ForceType, UNRECORDED}
    assert words("force-findings", "force_outcome") == {*ForceOutcome, UNRECORDED}
    assert words("decertifications", "action") == {*CertificationAction, UNRECORDED}


def test_a_question_that_is_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not a measure") as caught:
        measure("officers-named-smith")
    assert caught.value.reason == "unknown-measure"
