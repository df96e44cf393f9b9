"""Periods: the spans of days that rounds count in and agencies attest for.

    2026          a calendar year
    2026Q3        a quarter
    2026-09       a month
    2017..2026    whole years from first to last, at most PERIOD_YEARS_MAX of them

Each period has one spelling, so two questions are the same exactly when their texts are.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from waypost.protocol.errors import ProtocolError
from waypost.protocol.limits import PERIOD_YEARS_MAX

YEAR_FIRST: Final = 1920
YEAR_LAST: Final = 2199
_PERIOD = re.compile(r"(\d{4})(?:Q([1-4])|-(0[1-9]|1[0-2])|\.\.(\d{4}))?", re.ASCII)
_QUARTER_MONTHS: Final = 3


class Span(StrEnum):
    """The lengths of a period that repeats."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """A span of days, both ends included."""

    text: str
    first: date
    last: date

    @property
    def years(self) -> tuple[int, ...]:
        """The calendar years it touches."""
        return tuple(range(self.first.year, self.last.year + 1))

    def months_in(self, year: int) -> frozenset[int]:
        """The months of a year that lie in it: a period is made of whole ones."""
        first, last = (self.first.year, self.first.month), (self.last.year, self.last.month)
        return frozenset(month for month in range(1, 13) if first <= (year, month) <= last)

    def ended(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.last < today

    def overlaps(self, other: Period) -> bool:
        """Whether a day lies in both."""
        return self.first <= other.last and other.first <= self.last

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def parse_period(text: str) -> Period:
    """Read a period; ProtocolError 'malformed' when it is none, or is spelt in another way than the one."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise _malformed(text)
    year = int(match[1])
    last_year = int(match[4] or year)
    if not (YEAR_FIRST <= year <= last_year <= YEAR_LAST) or (match[4] and last_year == year):
        raise _malformed(text)
    if last_year - year >= PERIOD_YEARS_MAX:
        raise ProtocolError("oversized", f"a period has at most {PERIOD_YEARS_MAX} years")
    if match[2]:
        return _months(text, year, _QUARTER_MONTHS * (int(match[2]) - 1) + 1, _QUARTER_MONTHS)
    if match[3]:
        return _months(text, year, int(match[3]), 1)
    return Period(text, date(year, 1, 1), date(last_year, 12, 31))


def last_ended(span: Span, today: date) -> Period:
    """The newest period of that length that is over on that day."""
    if span is Span.YEAR:
        return parse_period(str(today.year - 1))
    if span is Span.MONTH:
        before = today.replace(day=1) - timedelta(days=1)
        return parse_period(f"{before.year}-{before.month:02}")
    first_month = _QUARTER_MONTHS * ((today.month - 1) // _QUARTER_MONTHS) + 1
    before = today.replace(month=first_month, day=1) - timedelta(days=1)
    return parse_period(f"{before.year}Q{(before.month - 1) // _QUARTER_MONTHS + 1}")


def _months(text: str, year: int, first: int, count: int) -> Period:
    last = first + count - 1
    return Period(text, date(year, first, 1), date(year, last, monthrange(year, last)[1]))


def _malformed(text: str) -> ProtocolError:
    return ProtocolError(
        "malformed", f"{text[:20]!r} is not a period", hint="write a year, quarter, month or years: 2026Q3, 2017..2026"
    )
