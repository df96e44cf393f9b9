"""How common names are in the United States: the chance that a stranger bears the same one.

names.csv beside this module holds the 4,000 most common family names and 1,500 most common given names of the Census
Bureau's 1990 name files (public domain), per million persons, given names for a service that is three fifths male.
A name that is not in it is rare: it counts as the last one that is.
"""

from __future__ import annotations

import csv
import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final

import jellyfish

from waypost.node.keys import family_forms, given_sounds, letters

RARE: Final = 2e-5
"""Frequency of a name that the table lacks: that of its least common ones."""


@dataclass(frozen=True, slots=True)
class NameTable:
    """Frequencies (0 to 1) by letters, and summed by sound."""

    family: Mapping[str, float]
    family_sound: Mapping[str, float]
    given_sound: Mapping[str, float]

    def of_family(self, family: str) -> float:
        """Of the commonest form of a family name."""
        return max((self.family.get(form, RARE) for form in family_forms(family)), default=RARE)

    def of_family_sound(self, family: str) -> float:
        """Of all family names that sound like one of this one's forms."""
        sounds = (jellyfish.metaphone(form) for form in family_forms(family))
        return max((self.family_sound.get(sound, RARE) for sound in sounds), default=RARE)

    def of_given(self, given: str) -> float:
        """Of all given names that sound like one of this one's canonical forms."""
        return sum(self.given_sound.get(sound, RARE) for sound in given_sounds(given)) or RARE


@functools.cache
def name_table() -> NameTable:
    """The table that ships with Waypost."""
    family: dict[str, float] = {}
    family_sound: dict[str, float] = defaultdict(float)
    given_sound: dict[str, float] = defaultdict(float)
    with resources.files("waypost.node").joinpath("names.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            name, share = letters(row["name"]), int(row["per_million"]) / 1e6
            if row["part"] == "family":
                family[name] = share
                family_sound[jellyfish.metaphone(name)] += share
            else:
                given_sound[jellyfish.metaphone(name)] += share
    return NameTable(family, dict(family_sound), dict(given_sound))
