"""How sure the asker may be that a disclosed candidate is the applicant.

The asker compares every field that both sides have, with Jaro-Winkler similarity for names, adds the weights, and
calls a candidate confirmed only when a number or the whole name and date say so, and nothing contradicts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rapidfuzz.distance import JaroWinkler

from waypost.node.frequencies import NameTable, name_table
from waypost.node.keys import given_letters, given_sounds, letters, middle_letters, plain_number
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.weighing import DATE, DATE_EVIDENCE

_MIDDLE_WORD: Final = 1 / 60
_MIDDLE_INITIAL: Final = 1 / 10
_SWAPPED: Final = 3.0
"""Bits that family and given name each lose where one side has them in each other's place."""

_NUMBER: Final = 1e-6
"""A certification or officer number: about a million of each are in use; a mistyped one often hits another officer."""


class Confidence(StrEnum):
    """How sure the asker may be."""

    CONFIRMED = "confirmed"
    PROBABLE = "probable"
    POSSIBLE = "possible"


class Agreement(StrEnum):
    """How one field compares."""

    SAME = "same"
    SIMILAR = "similar"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    """One side does not have it."""


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """One field on both sides; `bits` is its weight, negative for a contradiction."""

    field: str
    applicant: str
    record: str
    agreement: Agreement
    bits: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate, field by field."""

    confidence: Confidence
    bits: float
    fields: tuple[FieldComparison, ...]


_SIMILAR: Final = 0.88
"""Jaro-Winkler similarity from which names count as one name written differently."""

_CONFIRMED_BY_NUMBER_BITS: Final = 32.0
_CONFIRMED_BY_NAME_BITS: Final = 40.0
_PROBABLE_BITS: Final = 24.0
"""Against 21 bits for the country's two million officers. By name and date alone a candidate is confirmed only when a
namesake born on the same day is a thing of one in 500,000 checks: a rare name, or a full middle name that agrees."""


def score(
    applicant: Person, candidate: Person, *, ssn_agrees: bool = False, table: NameTable | None = None
) -> Comparison:
    """Compare a disclosed candidate with the applicant's full details."""
    fields = tuple(_compare(applicant, candidate, ssn_agrees, table or name_table()))
    bits = sum(field.bits for field in fields)
    by_name = {field.field: field.agreement for field in fields}
    return Comparison(_confidence(by_name, bits), round(bits, 1), fields)


def _confidence(by_name: dict[str, Agreement], bits: float) -> Confidence:
    same = {name for name, agreement in by_name.items() if agreement is Agreement.SAME}
    near = {name for name, agreement in by_name.items() if agreement in {Agreement.SAME, Agreement.SIMILAR}}
    different = {name for name, agreement in by_name.items() if agreement is Agreement.DIFFERENT}
    numbered = same & {"ssn", "number"}
    by_number = bool(numbered) and bool(near & {"family name", "given name"}) and "date of birth" in near
    by_name_and_date = {"family name", "given name", "date of birth"} <= same and not different
    confirmed = (by_number and bits >= _CONFIRMED_BY_NUMBER_BITS) or (
        by_name_and_date and bits >= _CONFIRMED_BY_NAME_BITS
    )
    if confirmed and not different & {"ssn", "number"}:
        return Confidence.CONFIRMED
    if bits >= _PROBABLE_BITS and len(different) <= 1:
        return Confidence.PROBABLE
    return Confidence.POSSIBLE


def _compare(applicant: Person, candidate: Person, ssn_agrees: bool, table: NameTable) -> Iterator[FieldComparison]:
    yield from _compare_swapped(applicant, candidate, table) or (
        _compare_family(applicant, candidate, table),
        _compare_given(applicant, candidate, table),
    )
    yield _compare_middle(applicant.names[0], candidate.names[0])
    yield _compare_dates(applicant.date_of_birth, candidate.date_of_birth)
    yield _compare_numbers(applicant, candidate)
    known = Agreement.SAME if ssn_agrees else Agreement.UNKNOWN
    yield FieldComparison("ssn", "given" if applicant.ssn else "", "", known, 25.0 if ssn_agrees else 0.0)


def _compare_swapped(applicant: Person, candidate: Person, table: NameTable) -> tuple[FieldComparison, ...]:
    """Family and given name, where one side has them in each other's place; empty where it has not."""
    for mine in applicant.names:
        for theirs in candidate.names:
            there = letters(theirs.family), given_letters(theirs.given)
            if all(there) and there[0] != there[1] and there == (given_letters(mine.given), letters(mine.family)):
                family, given = -math.log2(table.of_family(theirs.family)), -math.log2(table.of_given(theirs.given))
                return (
                    FieldComparison("family name", mine.family, theirs.family, Agreement.SIMILAR, family - _SWAPPED),
                    FieldComparison("given name", mine.given, theirs.given, Agreement.SIMILAR, given - _SWAPPED),
                )
    return ()


def _compare_family(applicant: Person, candidate: Person, table: NameTable) -> FieldComparison:
    best = max(
        ((_similarity(a.family, b.family), a.family, b.family) for a in applicant.names for b in candidate.names),
        key=lambda found: found[0],
    )
    bits = -math.log2(table.of_family(best[2]))
    return _names("family name", *best, bits, against=-3.0)


def _compare_given(applicant: Person, candidate: Person, table: NameTable) -> FieldComparison:
    pairs = [(a.given, b.given) for a in applicant.names for b in candidate.names]
    alike = [pair for pair in pairs if set(given_sounds(pair[0], "applicant")) & set(given_sounds(pair[1], "record"))]
    if alike:
        first, second = alike[0]
        return FieldComparison("given name", first, second, Agreement.SAME, -math.log2(table.of_given(second)))
    best = max(((_similarity(a, b), a, b) for a, b in pairs), key=lambda found: found[0])
    return _names("given name", *best, 6.0, against=-5.0)


def _names(field: str, similarity: float, first: str, second: str, bits: float, *, against: float) -> FieldComparison:
    if letters(first) == letters(second):
        return FieldComparison(field, first, second, Agreement.SAME, bits)
    if similarity >= _SIMILAR:
        return FieldComparison(field, first, second, Agreement.SIMILAR, bits - 3.0)
    return FieldComparison(field, first, second, Agreement.DIFFERENT, against)


def _similarity(first: str, second: str) -> float:
    return JaroWinkler.similarity(letters(first), letters(second))


def _compare_middle(first: PersonName, second: PersonName) -> FieldComparison:
    mine, theirs = middle_letters(first), middle_letters(second)
    values = (first.middle or mine, second.middle or theirs)
    if not mine or not theirs:
        return FieldComparison("middle name", *values, Agreement.UNKNOWN, 0.0)
    if mine == theirs:
        bits = -math.log2(_MIDDLE_WORD if len(mine) > 1 else _MIDDLE_INITIAL)
        return FieldComparison("middle name", *values, Agreement.SAME, bits)
    if mine[0] == theirs[0]:
        return FieldComparison("middle name", *values, Agreement.SIMILAR, -math.log2(_MIDDLE_INITIAL))
    return FieldComparison("middle name", *values, Agreement.DIFFERENT, -4.0)


def _compare_dates(first: PartialDate, second: PartialDate) -> FieldComparison:
    values = (str(first), str(second))
    parts = [(first.year, second.year), (first.month, second.month), (first.day, second.day)]
    known = [(a, b) for a, b in parts if a is not None and b is not None]
    if not known:
        return FieldComparison("date of birth", *values, Agreement.UNKNOWN, 0.0)
    agreeing = sum(a == b for a, b in known)
    swapped = (first.month, first.day) == (second.day, second.month) and first.year == second.year
    if agreeing == len(known):
        bits = -math.log2(DATE) if len(known) == len(parts) else -math.log2(DATE_EVIDENCE["year"])
        return FieldComparison("date of birth", *values, Agreement.SAME, bits)
    if swapped or agreeing == len(parts) - 1:
        return FieldComparison("date of birth", *values, Agreement.SIMILAR, 7.0)
    return FieldComparison("date of birth", *values, Agreement.DIFFERENT, -8.0)


def _compare_numbers(applicant: Person, candidate: Person) -> FieldComparison:
    mine = {(i.kind, i.issuer.casefold()): plain_number(i.value) for i in applicant.identifiers}
    theirs = {(i.kind, i.issuer.casefold()): plain_number(i.value) for i in candidate.identifiers}
    shared = mine.keys() & theirs.keys()
    if not shared:
        return FieldComparison("number", "", "", Agreement.UNKNOWN, 0.0)
    for key in shared:
        if mine[key] == theirs[key]:
            return FieldComparison("number", mine[key], theirs[key], Agreement.SAME, -math.log2(_NUMBER))
    key = next(iter(shared))
    return FieldComparison("number", mine[key], theirs[key], Agreement.DIFFERENT, -6.0)
