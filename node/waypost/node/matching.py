"""How much an agreement says: at the holder, whether to disclose; at the asker, how sure it is the same person.

The holder knows only in which schemes its record and the applicant agree. Each scheme says that certain fields agree;
together they say the best of each field. The question is then: how many persons in the country would agree in all of
that by chance? (Fellegi and Sunter's weight of agreement, with the frequency of the record's own values.)

    expected strangers = COUNTRY_OFFICERS x product over fields of P(a stranger agrees in that field)

1. Disclosed: fewer than STRANGERS_MAX expected strangers, so that false disclosures stay below 1 in 10,000 checks.
2. Offered as a referral: fewer than REFERRAL_STRANGERS_MAX. Otherwise nothing, not even that there was a match.
3. Schemes without a date of birth or a number (name-middle) or with its year alone (name-year) never disclose.

The asker compares every field that both sides have, with Jaro-Winkler similarity for names, adds the weights, and
calls a candidate confirmed only when a number or the whole name and date say so, and nothing contradicts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rapidfuzz.distance import JaroWinkler

from waypost.node.frequencies import NameTable, name_table
from waypost.node.keys import given_sounds, letters, middle_letters, plain_number
from waypost.node.persons import PartialDate, Person, PersonName

COUNTRY_OFFICERS: Final = 2_000_000
"""Serving officers of the United States (about 800,000) and former ones."""

STRANGERS_MAX: Final = 2e-3
"""Expected strangers below which a record is disclosed. The average over names is far lower: see docs/matching.md."""

REFERRAL_STRANGERS_MAX: Final = 2.0

BIRTH_YEARS: Final = 45
"""Width of the span in which officers were born."""


class Verdict(StrEnum):
    """What the holder does."""

    DISCLOSE = "disclose"
    REFERRAL = "referral"
    NOTHING = "nothing"


_NEVER_DISCLOSE: Final = frozenset({"name-year", "name-middle", "family-dob"})

_DATE: Final = 1 / (BIRTH_YEARS * 365)
_DATE_EVIDENCE: Final = {
    "full": _DATE,
    "swap": 2 * _DATE,
    "ym": 1 / (BIRTH_YEARS * 12),
    "yd": 1 / (BIRTH_YEARS * 30),
    "md": 1 / 365,
    "year": 1 / BIRTH_YEARS,
}
_MIDDLE_WORD: Final = 1 / 60
_MIDDLE_INITIAL: Final = 1 / 10
_SSN: Final = 1e-9
_LAST4: Final = 1e-4
_NUMBER: Final = 1e-6
"""A certification or officer number: about a million of each are in use; a mistyped one often hits another officer."""

_AFFIX: Final = 1 / 40
"""Three letters of a given name."""

# Which fields each scheme says agree, and how exactly: family, given, date, other.
_FIELDS: Final[dict[str, tuple[str, str, str, str]]] = {
    "ssn": ("", "", "", "ssn"),
    "cert-given": ("", "sound", "", "number"),
    "cert-year": ("", "", "year", "number"),
    "id-given": ("", "sound", "", "number"),
    "id-year": ("", "", "year", "number"),
    "ssn4-given-dob": ("", "sound", "full", "last4"),
    "name-date": ("sound", "sound", "swap", ""),
    "family-near": ("near", "sound", "full", ""),
    "given-head": ("sound", "affix", "full", ""),
    "given-tail": ("sound", "affix", "full", ""),
    "given-middle-dob": ("", "sound", "full", "middle"),
    "name-ym": ("exact", "sound", "ym", ""),
    "name-yd": ("exact", "sound", "yd", ""),
    "name-md": ("exact", "sound", "md", ""),
    "family-dob": ("sound", "", "full", ""),
    "name-middle": ("exact", "sound", "", "middle"),
    "name-year": ("exact", "sound", "year", ""),
}


@dataclass(frozen=True, slots=True)
class Weight:
    """What the holder decides: bits of evidence, expected strangers in the country, and the verdict."""

    bits: float
    expected_strangers: float
    verdict: Verdict


def weigh(record: Person, agreeing: Collection[str], table: NameTable | None = None) -> Weight:
    """Weigh the schemes in which the record and an applicant agree (rules 1 to 3)."""
    chance = _chance(record, agreeing, table or name_table())
    strangers = COUNTRY_OFFICERS * chance
    strong = set(agreeing) - _NEVER_DISCLOSE
    if strong and strangers <= STRANGERS_MAX:
        verdict = Verdict.DISCLOSE
    elif agreeing and strangers <= REFERRAL_STRANGERS_MAX:
        verdict = Verdict.REFERRAL
    else:
        verdict = Verdict.NOTHING
    return Weight(-math.log2(chance), strangers, verdict)


def _chance(record: Person, agreeing: Collection[str], table: NameTable) -> float:
    """The chance that a stranger agrees in every field that the schemes name: the least likely form of each counts."""
    family, given, dated, middle = [1.0], [1.0], [1.0], [1.0]
    other = {"ssn": 1.0, "number": 1.0, "last4": 1.0}
    main = record.names[0]
    for scheme in agreeing:
        how_family, how_given, how_date, what = _FIELDS[scheme]
        family.append(_family_chance(how_family, record, table))
        given.append(max(table.of_given(name.given) for name in record.names) if how_given == "sound" else 1.0)
        given.append(_AFFIX if how_given == "affix" else 1.0)
        dated.append(_DATE_EVIDENCE.get(how_date, 1.0))
        if what == "middle":
            middle.append(_MIDDLE_WORD if len(middle_letters(main)) > 1 else _MIDDLE_INITIAL)
        elif what:
            other[what] = {"ssn": _SSN, "number": _NUMBER, "last4": _LAST4}[what]
    number = other["ssn"] if other["ssn"] < 1 else other["last4"]
    return min(family) * min(given) * min(dated) * min(middle) * number * other["number"]


def _family_chance(how: str, record: Person, table: NameTable) -> float:
    if not how:
        return 1.0
    if how == "sound":
        return max(table.of_family_sound(name.family) for name in record.names)
    exact = max(table.of_family(name.family) for name in record.names)
    return exact if how == "exact" else 2 * exact


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

_CONFIRMED_BITS: Final = 32.0
_PROBABLE_BITS: Final = 24.0
"""Against 21 bits for the country's two million officers: a thousand to one, and eight to one."""


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
    if bits >= _CONFIRMED_BITS and (by_number or by_name_and_date) and not different & {"ssn", "number"}:
        return Confidence.CONFIRMED
    if bits >= _PROBABLE_BITS and len(different) <= 1:
        return Confidence.PROBABLE
    return Confidence.POSSIBLE


def _compare(applicant: Person, candidate: Person, ssn_agrees: bool, table: NameTable) -> Iterator[FieldComparison]:
    yield _compare_family(applicant, candidate, table)
    yield _compare_given(applicant, candidate, table)
    yield _compare_middle(applicant.names[0], candidate.names[0])
    yield _compare_dates(applicant.date_of_birth, candidate.date_of_birth)
    yield _compare_numbers(applicant, candidate)
    known = Agreement.SAME if ssn_agrees else Agreement.UNKNOWN
    yield FieldComparison("ssn", "given" if applicant.ssn else "", "", known, 25.0 if ssn_agrees else 0.0)


def _compare_family(applicant: Person, candidate: Person, table: NameTable) -> FieldComparison:
    best = max(
        ((_similarity(a.family, b.family), a.family, b.family) for a in applicant.names for b in candidate.names),
        key=lambda found: found[0],
    )
    bits = -math.log2(table.of_family(best[2]))
    return _names("family name", *best, bits, against=-3.0)


def _compare_given(applicant: Person, candidate: Person, table: NameTable) -> FieldComparison:
    pairs = [(a.given, b.given) for a in applicant.names for b in candidate.names]
    alike = [pair for pair in pairs if set(given_sounds(pair[0])) & set(given_sounds(pair[1]))]
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
        bits = -math.log2(_DATE) if len(known) == len(parts) else -math.log2(_DATE_EVIDENCE["year"])
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
