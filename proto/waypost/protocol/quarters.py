"""Quarters: the periods that agencies attest for, and when each is due."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from waypost.protocol.errors import ProtocolError
from waypost.protocol.limits import ATTESTATION_DUE_DAYS, PERIOD_YEAR_MIN
from waypost.protocol.periods import parse_period

_PERIOD = re.compile(r"(\d{4})Q([1-4])", re.ASCII)
_MONTHS = 3
_QUARTERS = 4


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A calendar quarter."""

    year: int
    quarter: int

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """The quarter written like 2026Q3; ProtocolError otherwise."""
        match = _PERIOD.fullmatch(text)
        if match is None or int(match[1]) < PERIOD_YEAR_MIN:
            raise ProtocolError("malformed", f"{text[:20]!r} is no quarter", hint="write a quarter, such as 2026Q3")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Quarter:
        """The quarter of a day."""
        return cls(day.year, (day.month - 1) // _MONTHS + 1)

    def __str__(self) -> str:
        return f"{self.year}Q{self.quarter}"

    @property
    def first_day(self) -> date:
        """Its first day."""
        return parse_period(str(self)).first

    @property
    def last_day(self) -> date:
        """Its last day."""
        return parse_period(str(self)).last

    @property
    def due_on(self) -> date:
        """The last day on which its attestation is in time."""
        return self.last_day + timedelta(days=ATTESTATION_DUE_DAYS)

    @property
    def next(self) -> Quarter:
        """The quarter after it."""
        return Quarter(self.year + 1, 1) if self.quarter == _QUARTERS else Quarter(self.year, self.quarter + 1)

    @property
    def previous(self) -> Quarter:
        """The quarter before it."""
        return Quarter(self.year - 1, _QUARTERS) if self.quarter == 1 else Quarter(self.year, self.quarter - 1)


def newest_over(day: date) -> Quarter:
    """The newest quarter that is over on that day: it may be attested."""
    return Quarter.of(day).previous


def newest_due(day: date) -> Quarter:
    """The newest quarter whose attestation had to be there before that day."""
    quarter = newest_over(day)
    while quarter.due_on >= day:
        quarter = quarter.previous
    return quarter
