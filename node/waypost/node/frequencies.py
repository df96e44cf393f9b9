"""How common names are in the United States: the chance that a stranger's application agrees with a record.

names.csv beside this module holds the 4,000 most common family names and 1,500 most common given names of the Census
Bureau's 1990 name files (public domain), per million persons, given names for a service that is three fifths male.
A name that is not in it counts as the mean of those that are not.
"""

from __future__ import annotations

import csv
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeVar

from waypost.node.given_names import given_shares
from waypost.node.keys import family_forms, given_letters, given_sounds, letters, sound_of, thirds

RARE_FAMILY: Final = 1e-5
RARE_FAMILY_SOUND: Final = 4e-5
RARE_FAMILY_THIRD: Final = 3e-5
RARE_GIVEN: Final = 6e-5
"""Shares of what the table lacks: means over the 47 % of people whose family name, 2 % whose given name it lacks."""

_Shares = Mapping[str, float]
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class NameTable:
    """Shares (0 to 1) of persons by what their applications give of a name."""

    family: _Shares
    family_sound: _Shares
    family_third: Mapping[tuple[str, str], float]
    given: _Shares
    given_sound: _Shares
    given_third: Mapping[tuple[str, str], float]
    middle_sound: _Shares
    initial: _Shares

    def of_family(self, family: str) -> float:
        """Of the commonest form of a family name."""
        return max((self.family.get(form, RARE_FAMILY) for form in family_forms(family)), default=RARE_FAMILY)

    def of_family_sound(self, family: str) -> float:
        """Of all family names that sound like one of this one's forms."""
        sounds = (sound_of(form) for form in family_forms(family))
        return max((self.family_sound.get(sound, RARE_FAMILY_SOUND) for sound in sounds), default=RARE_FAMILY_SOUND)

    def of_family_third(self, family: str, kind: str) -> float:
        """Of all family names that are the same without one third."""
        parts = ((part, of) for form in family_forms(family) for part, of in thirds(form, "record"))
        shares = (self.family_third.get(part, RARE_FAMILY_THIRD) for part in parts if part[0] == kind)
        return max(shares, default=RARE_FAMILY_THIRD)

    def of_given(self, given: str) -> float:
        """Of all given names that may be this one."""
        return sum(self.given_sound.get(sound, RARE_GIVEN) for sound in given_sounds(given, "record")) or RARE_GIVEN

    def of_given_letters(self, given: str) -> float:
        """Of the given name as it is written."""
        return self.given.get(given_letters(given), RARE_GIVEN)

    def of_given_third(self, given: str, kind: str) -> float:
        """Of all given names that are the same without one third."""
        parts = thirds(given_letters(given), "record")
        return max((self.given_third.get(part, RARE_GIVEN) for part in parts if part[0] == kind), default=RARE_GIVEN)

    def of_middle(self, middle: str) -> float:
        """Of all middle names that sound like this one."""
        return self.middle_sound.get(sound_of(middle), RARE_GIVEN)

    def of_initial(self, middle: str) -> float:
        """Of all middle names with the initial of this one."""
        return self.initial.get(middle[0], RARE_GIVEN)


@functools.cache
def name_table() -> NameTable:
    """The table that ships with Waypost."""
    family = _family_shares()
    given = given_shares()
    return NameTable(
        family=family,
        family_sound=_sums((sound_of(name), share) for name, share in family.items()),
        family_third=_sums((part, share) for name, share in family.items() for part in set(thirds(name, "applicant"))),
        given=given,
        given_sound=_sums((s, share) for name, share in given.items() for s in given_sounds(name, "applicant")),
        given_third=_sums((part, share) for name, share in given.items() for part in set(thirds(name, "applicant"))),
        middle_sound=_sums((sound_of(name), share) for name, share in given.items()),
        initial=_sums((name[0], share) for name, share in given.items()),
    )


def _family_shares() -> dict[str, float]:
    with resources.files("waypost.node").joinpath("names.csv").open(encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        return {letters(row["name"]): int(row["per_million"]) / 1e6 for row in rows if row["part"] == "family"}


def _sums(shares: Iterable[tuple[_Key, float]]) -> dict[_Key, float]:
    total: dict[_Key, float] = defaultdict(float)
    for key, share in shares:
        total[key] += share
    return dict(total)
