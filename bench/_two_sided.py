"""A matcher that sees both sides in the clear, to compare the federation's with: what is attainable at all.

Fellegi and Sunter's weights per field, in bits, with the frequencies of names and with edit distances, which no holder
of tokens has. Not part of Waypost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein

from waypost.node.frequencies import name_table
from waypost.node.keys import family_forms, given_letters, given_sounds, middle_letters, sound_of
from waypost.node.persons import PartialDate, Person

_RARE: Final = 1e-5
_LONG_LETTERS: Final = 6


def bits(applicant: Person, record: Person) -> float:
    """How much more likely the two are one person than two, as a logarithm to base 2 (up to a constant)."""
    return (
        max(_families(applicant, record), default=-9.0)
        + max(_givens(applicant, record), default=-9.0)
        + _middles(applicant, record)
        + _dates(applicant.date_of_birth, record.date_of_birth)
        + _numbers(applicant, record)
    )


def _families(applicant: Person, record: Person) -> Iterator[float]:
    for mine in (form for name in applicant.names for form in family_forms(name.family)):
        for theirs in (form for name in record.names for form in family_forms(name.family)):
            rarity = -math.log2(name_table().family.get(theirs, _RARE))
            distance = DamerauLevenshtein.distance(mine, theirs)
            if distance == 0:
                yield rarity - 0.4
            elif distance == 1:
                yield min(12.0, rarity) - 3.5
            elif distance == 2 and len(theirs) >= _LONG_LETTERS:
                yield 4.0
            else:
                yield 3.0 if sound_of(mine) == sound_of(theirs) else -2.8


def _givens(applicant: Person, record: Person) -> Iterator[float]:
    for a in applicant.names:
        for b in record.names:
            mine, theirs = given_letters(a.given), given_letters(b.given)
            rarity = -math.log2(name_table().given_sound.get(sound_of(theirs), _RARE)) if theirs else 0.0
            if mine == theirs:
                yield rarity - 0.2
            elif set(given_sounds(a.given, "applicant")) & set(given_sounds(b.given, "record")):
                yield rarity - 1.5
            elif DamerauLevenshtein.distance(mine, theirs) == 1:
                yield rarity - 3.5
            else:
                yield 1.0 if mine == middle_letters(b) or theirs == middle_letters(a) else -4.0


def _middles(applicant: Person, record: Person) -> float:
    mine, theirs = middle_letters(applicant.names[0]), middle_letters(record.names[0])
    if not mine or not theirs:
        return 0.0
    if mine == theirs and len(mine) > 1:
        return -math.log2(name_table().of_middle(theirs)) - 0.7
    if mine[0] != theirs[0]:
        return -3.5
    if min(len(mine), len(theirs)) == 1:
        return 2.8
    return 2.0 if DamerauLevenshtein.distance(mine, theirs) <= 2 else -2.0


def _dates(mine: PartialDate, theirs: PartialDate) -> float:
    same = (mine.year == theirs.year, mine.month == theirs.month, mine.day == theirs.day)
    if all(same):
        return 14.0
    if same[0] and (mine.month, mine.day) == (theirs.day, theirs.month):
        return 9.0
    if sum(same) < 2 or not (mine.full and theirs.full):
        return -6.0
    if not same[0]:
        return 3.5 if abs((mine.year or 0) - (theirs.year or 0)) in {1, 2, 10} else -2.0
    if not same[1]:
        return 4.0
    return 5.0 if abs((mine.day or 0) - (theirs.day or 0)) in {1, 10} else -3.0


def _numbers(applicant: Person, record: Person) -> float:
    total = 0.0
    if applicant.ssn and record.ssn:
        total += 30.0 if applicant.ssn == record.ssn else -6.0
    mine = {(number.kind, number.issuer): number.value for number in applicant.identifiers}
    for number in record.identifiers:
        if (number.kind, number.issuer) in mine:
            total += 25.0 if mine[number.kind, number.issuer] == number.value else -5.0
    return total
