"""What the charts of a measure show: points with their margins, and units in words.

1. A sum is of cells that are shown. What is compared over years is the same cells in each: the rows without a gap.
2. Its margin is that of one cell times the square root of their number.
"""

from __future__ import annotations

from math import sqrt
from typing import TypeAlias

from waypost.hub.release.results import AGENCIES_PER, OFFICERS_PER, Published, rows_of, scale_of, sums_of
from waypost.hub.release.tiers import Tier
from waypost.protocol.measures import Unit
from waypost.protocol.round_results import ResultCell

Point: TypeAlias = tuple[str, float, float]
"""A name, a value and its margin at 95 %, in the unit that the tier allows."""


def key_variables(published: Published) -> list[Point]:
    """The newest column by values of the key variables."""
    result = published.result
    if published.tier is Tier.PERCENTAGES:
        return [(_name(key), share.value, share.margin) for key, share in published.shares]
    if published.tier < Tier.RATIOS:
        return []
    scale = scale_of(result, published.coverage)
    sums = sums_of(result, year=published.columns[-1] if result.measure.by_year else "")
    return [(_name(key), total * scale, result.margin_95 * sqrt(count) * scale) for key, (total, count) in sums.items()]


def _name(key: tuple[str, ...]) -> str:
    return ": ".join(key)


def by_year(published: Published) -> list[Point]:
    """The sum of the whole rows by year; nothing without years, or without such a row."""
    result, rows = published.result, whole_rows(published)
    if not rows or published.tier < Tier.RATIOS or len(published.columns) < 2:  # noqa: PLR2004 - a line has two ends
        return []
    scale = scale_of(result, published.coverage)
    margin = result.margin_95 * sqrt(len(rows)) * scale
    totals = [sum(cell.total for cell in column) * scale for column in zip(*rows, strict=True)]
    return [(year, total, margin) for year, total in zip(published.columns, totals, strict=True)]


def whole_rows(published: Published) -> list[tuple[ResultCell, ...]]:
    """The rows that are shown in every year; nothing without years."""
    if not published.result.measure.by_year:
        return []
    return [row for row in rows_of(published.result) if not any(cell.suppressed for cell in row)]


def extent(published: Published) -> str:
    """What the sums by year are of, in words; empty when it is everything."""
    rows, every = len(whole_rows(published)), len(published.result.cells) // len(published.columns)
    return "" if rows == every else f"over the rows that are shown in every year ({rows} of {every})"


def unit_word(published: Published) -> str:
    """The unit of a chart or table under the tier."""
    things = published.result.measure.things
    if published.tier is Tier.ALL:
        return f"number of {things}"
    return f"percent of the {things}" if published.tier is Tier.PERCENTAGES else ratio_word(published)


def ratio_word(published: Published) -> str:
    """What a ratio is of."""
    measure = published.result.measure
    if measure.unit is Unit.AGENCY:
        return f"{measure.things} per {AGENCIES_PER} participating agencies"
    return f"{measure.things} per {OFFICERS_PER:,} officers covered"
