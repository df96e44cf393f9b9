"""Periods: one spelling each, and the days they say."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.protocol.errors import ProtocolError
from waypost.protocol.periods import Span, last_ended, parse_period


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("2026Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2017..2026", date(2017, 1, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_is_the_days_it_says(text: str, first: date, last: date) -> None:
    period = parse_period(text)
    assert (period.first, period.last, period.text) == (first, last, text)
    assert first in period
    assert last in period
    assert not period.ended(last)
    assert period.ended(date.fromordinal(last.toordinal() + 1))


@pytest.mark.parametrize(
    "text",
    [
        *("", "26", "2026q3", "2026Q5", "2026Q0", "2026-13", "2026-9", "2026..2026", "2026..2017", "2016..2026"),
        *("1066", "2026 ", "٢٠٢٦", "2026Q3\n", "2017..2026Q1"),
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse_period(text)


def test_overlapping_is_sharing_a_day() -> None:
    year, quarter, next_year = parse_period("2026"), parse_period("2026Q4"), parse_period("2027")
    assert year.overlaps(quarter)
    assert quarter.overlaps(year)
    assert not quarter.overlaps(next_year)
    assert parse_period("2020..2026").overlaps(quarter)


@settings(max_examples=200, deadline=None)
@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.sampled_from(Span))
def test_the_newest_period_that_is_over_ends_within_one_span(today: date, span: Span) -> None:
    period = last_ended(span, today)
    days = {Span.MONTH: 31, Span.QUARTER: 92, Span.YEAR: 366}[span]
    assert period.ended(today)
    assert (today - period.last).days <= days
    assert parse_period(period.text) == period


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12))
def test_whatever_the_text_it_is_a_period_or_refused(text: str) -> None:
    with suppress(ProtocolError):
        assert parse_period(text).text == text
