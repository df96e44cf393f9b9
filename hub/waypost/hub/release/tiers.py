"""Publication tiers: what a release may show, decided by coverage, held by construction.

The thresholds are those that the statistical authorities set for the national use-of-force data collection. Coverage is
the share of an area's officers who are employed by the participating agencies:

1. At least 80 %: everything.                                        (Tier.ALL)
2. At least 60 %: ratios only, such as a number per 1,000 officers.   (Tier.RATIOS)
3. At least 40 %: percentages of the key variables only: how a whole divides over the values of one, all years
   together.                                                          (Tier.PERCENTAGES)
4. Below: who takes part, and nothing else.                           (Tier.PARTICIPATION)

A tier allows what the tiers below it allow. Every kind of cell asks its tier when it is made: one that a tier forbids
cannot be constructed, and raises TierError. A suppressed total has no value in any tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from math import ceil
from typing import Final

from waypost.hub.errors import HubError


class TierError(HubError):
    """A cell that its tier forbids was asked for: a mistake of the program, stopped before it is published."""


class Tier(IntEnum):
    """What may be shown; a higher tier shows more."""

    PARTICIPATION = 0
    PERCENTAGES = 1
    RATIOS = 2
    ALL = 3


THRESHOLDS: Final = {
    Tier.ALL: Fraction(80, 100),
    Tier.RATIOS: Fraction(60, 100),
    Tier.PERCENTAGES: Fraction(40, 100),
    Tier.PARTICIPATION: Fraction(0),
}
"""The least coverage of each tier, exact: 79.999 % is not 80."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Officers of an area, and how many of them the participating agencies employ."""

    covered: int
    officers: int

    @property
    def share(self) -> Fraction:
        """Between 0 and 1. Sizes of agencies and of areas come from different counts, so more than all is all."""
        return min(Fraction(self.covered, self.officers), Fraction(1)) if self.officers > 0 else Fraction(0)

    @property
    def percent(self) -> float:
        """The share in percent, rounded down to a tenth, so that it never looks like the next tier."""
        return int(self.share * 1000) / 10

    @property
    def tier(self) -> Tier:
        """The tier that applies."""
        return max(tier for tier, least in THRESHOLDS.items() if self.share >= least)

    @property
    def next_tier(self) -> Tier | None:
        """The tier above; None at the top."""
        return None if self.tier is Tier.ALL else Tier(self.tier + 1)

    @property
    def missing(self) -> int:
        """Officers more who would have to be covered for the next tier; 0 at the top or where the area is unknown."""
        above = self.next_tier
        return 0 if above is None else max(0, ceil(THRESHOLDS[above] * self.officers) - self.covered)


def _require(tier: Tier, least: Tier, what: str) -> None:
    if tier < least:
        raise TierError(f"tier {tier.name.lower()} forbids {what}", hint="this is a mistake in Waypost; report it")


@dataclass(frozen=True, slots=True)
class Count:
    """A total with the margin of its noise at 95 %."""

    tier: Tier
    value: int
    margin: float

    def __post_init__(self) -> None:
        _require(self.tier, Tier.ALL, "totals")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A number per `per` of a base (officers or agencies), with its margin."""

    tier: Tier
    value: float
    margin: float
    per: int

    def __post_init__(self) -> None:
        _require(self.tier, Tier.RATIOS, "ratios")


@dataclass(frozen=True, slots=True)
class Percentage:
    """The share of one value of a key variable, in percent, with its margin."""

    tier: Tier
    value: float
    margin: float

    def __post_init__(self) -> None:
        _require(self.tier, Tier.PERCENTAGES, "percentages")


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A total below the bound of small cells: that there is one, and no value."""

    tier: Tier

    def __post_init__(self) -> None:
        _require(self.tier, Tier.RATIOS, "cells")


Cell = Count | Ratio | Percentage | Suppressed

WORDS: Final = {
    Tier.ALL: "all results",
    Tier.RATIOS: "ratios only",
    Tier.PERCENTAGES: "percentages of key variables only",
    Tier.PARTICIPATION: "participation only",
}
"""The tiers in words."""
