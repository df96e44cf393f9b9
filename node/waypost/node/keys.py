"""Match keys: what of a person is turned into tokens of the blind index. Versioned, with vectors in tests/vectors/.

A key is a scheme and a value; two persons "agree in a scheme" when they have a value of it in common. Values are
normalized so that what people write differently comes out alike:

1. Letters: NFKD, case-folded, a to z only; a generational suffix is no part of a name.
2. A family name stands for the whole and for each part of a compound one (particles alone do not count).
3. A given name stands for the sound (Metaphone) of what it is short for, or of itself.
4. What a person's middle name is, is told from the middle name, or from a second word of the given name.
5. A name is cut into thirds. Without one of them it still agrees with itself misspelt there: `head` lacks the last
   third, `tail` the first, `ends` the middle one.
6. An applicant's names are also tried in each other's place, as forms are filled in and as half of the world writes
   them: in name-date, its markers and the thirds of the family name, as far as there is room. A record is as it is.

The two sides are not alike, because a record's tokens are made once for every officer of the country, and a check has
CHECK_TOKENS in any case. So the record gives as few forms as will do (20 keys an officer), and the applicant all that
might meet them: every name that the given one may be short for, and thirds in every way that one slip may have moved
them. An applicant with more than CHECK_TOKENS keys loses those of least use: scheme by scheme in the order of SCHEMES,
and within a scheme the present name before former ones; names in each other's place come last of all.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import jellyfish

from waypost.node.given_names import formal_names, possible_names
from waypost.node.persons import Person, PersonName
from waypost.protocol.limits import CHECK_TOKENS

SCHEMES_VERSION: Final = 2
"""Part of every value: another version of this list gives other tokens."""

OFFICER_TOKENS_MAX: Final = 400
"""Most keys of one officer: sixteen former names, each with many forms."""

Side = Literal["record", "applicant"]

SCHEMES: Final = {
    "ssn": "the nine digits of the social security number",
    "cert-given": "certification state and number, sound of the given name",
    "cert-family": "certification state and number, sound of the family name",
    "cert-year": "certification state and number, year of birth",
    "id-given": "issuer and number, sound of the given name",
    "id-family": "issuer and number, sound of the family name",
    "id-year": "issuer and number, year of birth",
    "name-date": "sounds of family and given name, year and {month, day} in any order",
    "family-dob": "sound of the family name, date of birth",
    "no-middle": "name-date, of a record with a middle name and an applicant without one",
    "no-ssn": "name-date, of a record with a whole SSN and an applicant without one",
    "family-head": "the family name without its last third, sound of the given name, date of birth",
    "family-tail": "the family name without its first third, sound of the given name, date of birth",
    "family-ends": "the family name without its middle third, sound of the given name, date of birth",
    "given-head": "the family name, the given name without its last third, date of birth",
    "given-tail": "the family name, the given name without its first third, date of birth",
    "given-ends": "the family name, the given name without its middle third, date of birth",
    "ssn4-given-dob": "last four digits of an SSN where one side has no more, sound of the given name, date of birth",
    "given-middle-dob": "sounds of given and full middle name, date of birth",
    "given-initial-dob": "sound of the given name, initial of the middle name, date of birth",
    "family-initial-dob": "sound of the family name, initial of the middle name, date of birth",
    "name-ym": "sounds of family and given name, year and month",
    "name-yd": "sounds of family and given name, year and day",
    "name-md": "family name, sound of the given name, month and day",
    "name-middle": "family name, sounds of given and full middle name",
    "name-year": "family name, sound of the given name, year of birth",
}
"""Every scheme and what its value is made of, those of most use first."""

_RANK: Final = {scheme: rank for rank, scheme in enumerate(SCHEMES)}
_SEPARATOR: Final = b"\x1f"
_PARTICLES: Final = frozenset({"al", "d", "da", "de", "del", "den", "der", "di", "dos", "el", "la", "le", "van", "von"})
_PART_LETTERS_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class MatchInput:
    """One key: its scheme, and the bytes that go into the blind index."""

    scheme: str
    value: bytes


def match_inputs(person: Person, *, side: Side) -> tuple[MatchInput, ...]:
    """The person's keys, distinct, those of most use first; bounded by CHECK_TOKENS for an applicant."""
    bound = CHECK_TOKENS if side == "applicant" else OFFICER_TOKENS_MAX
    ordered = sorted(_all(person, side), key=lambda key: _RANK[key[0]])
    if side == "applicant" and person.date_of_birth.full:
        ordered += [key for name in person.names for key in _swapped_keys(name, person)]
    return tuple(_input(scheme, fields) for scheme, fields in list(dict.fromkeys(ordered))[:bound])


def _input(scheme: str, fields: tuple[str, ...]) -> MatchInput:
    parts = (b"waypost", str(SCHEMES_VERSION).encode(), scheme.encode(), *(field.encode() for field in fields))
    return MatchInput(scheme, _SEPARATOR.join(parts))


_Key = tuple[str, tuple[str, ...]]


def _all(person: Person, side: Side) -> Iterator[_Key]:
    if person.ssn:
        yield "ssn", (person.ssn,)
    yield from _number_keys(person, side)
    for name in person.names:
        yield from _partly_dated_keys(name, person, side)
        if person.date_of_birth.full:
            yield from _dated_keys(name, person, side)


def _number_keys(person: Person, side: Side) -> Iterator[_Key]:
    for identifier in person.identifiers:
        scheme = "cert" if identifier.kind == "cert" else "id"
        number = (_letters_digits(identifier.issuer), plain_number(identifier.value))
        for name in person.names:
            for sound in given_sounds(name.given, side):
                yield f"{scheme}-given", (*number, sound)
            for family in family_forms(name.family):
                yield f"{scheme}-family", (*number, sound_of(family))
        if person.date_of_birth.year is not None:
            yield f"{scheme}-year", (*number, str(person.date_of_birth.year))


def _partly_dated_keys(name: PersonName, person: Person, side: Side) -> Iterator[_Key]:
    """Keys that need no whole date."""
    born, middle = person.date_of_birth, middle_letters(name)
    for family in family_forms(name.family):
        for sound in given_sounds(name.given, side):
            if born.year is not None:
                yield "name-year", (family, sound, str(born.year))
            if len(middle) > 1:
                yield "name-middle", (family, sound, sound_of(middle))


def _dated_keys(name: PersonName, person: Person, side: Side) -> Iterator[_Key]:
    """Keys that need the whole date."""
    dob, middle = str(person.date_of_birth), middle_letters(name)
    sounds = given_sounds(name.given, side)
    for family in family_forms(name.family):
        spoken = sound_of(family)
        yield "family-dob", (spoken, dob)
        if middle:
            yield "family-initial-dob", (spoken, middle[0], dob)
        for kind, part in thirds(given_letters(name.given), side):
            yield f"given-{kind}", (family, part, dob)
        for sound in sounds:
            yield from _date_part_keys(family, spoken, sound, person)
            yield from _markers(_name_date(spoken, sound, person), middle, person, side)
            for kind, part in thirds(family, side):
                yield f"family-{kind}", (part, sound, dob)
    for sound in sounds:
        for known in _last4_of(person, side):
            yield "ssn4-given-dob", (person.last4, known, sound, dob)
        if len(middle) > 1:
            yield "given-middle-dob", (sound, sound_of(middle), dob)
        if middle:
            yield "given-initial-dob", (sound, middle[0], dob)


def _swapped_keys(name: PersonName, person: Person) -> Iterator[_Key]:
    """Keys of a record that has the given name for the family name and the other way round (rule 6)."""
    family, middle = given_letters(name.given), middle_letters(name)
    if not family:
        return
    for sound in given_sounds(name.family, "record"):
        name_date = _name_date(sound_of(family), sound, person)
        yield "name-date", name_date
        yield from _markers(name_date, middle, person, "applicant")
        for kind, part in thirds(family, "record"):
            yield f"family-{kind}", (part, sound, str(person.date_of_birth))


def _markers(name_date: tuple[str, ...], middle: str, person: Person, side: Side) -> Iterator[_Key]:
    """What the record has and the applicant has not: two that differ in it do not agree here either."""
    if bool(middle) is (side == "record"):
        yield "no-middle", name_date
    if bool(person.ssn) is (side == "record"):
        yield "no-ssn", name_date


def _last4_of(person: Person, side: Side) -> tuple[str, ...]:
    """Of what the record has the last four digits; two whole numbers are compared by `ssn` alone."""
    if not person.last4:
        return ()
    if person.ssn:
        return ("whole",) if side == "record" else ("part",)
    return ("part",) if side == "record" else ("whole", "part")


def _date_part_keys(family: str, spoken: str, sound: str, person: Person) -> Iterator[_Key]:
    born = person.date_of_birth
    year, month, day = str(born.year), str(born.month), str(born.day)
    yield "name-date", _name_date(spoken, sound, person)
    yield "name-ym", (spoken, sound, year, month)
    yield "name-yd", (spoken, sound, year, day)
    yield "name-md", (family, sound, month, day)


def _name_date(spoken: str, sound: str, person: Person) -> tuple[str, ...]:
    born = person.date_of_birth
    low, high = sorted((born.month or 0, born.day or 0))
    return (spoken, sound, str(born.year), str(low), str(high))


@functools.lru_cache(maxsize=65536)
def letters(text: str) -> str:
    """NFKD, case-folded, a to z only (rule 1)."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in folded if "a" <= char <= "z")


@functools.lru_cache(maxsize=65536)
def sound_of(word: str) -> str:
    """Metaphone, or the word itself where that has nothing to say."""
    return jellyfish.metaphone(word) or word


def _letters_digits(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isascii() and char.isalnum())


def plain_number(text: str) -> str:
    """A number as written by hand: letters and digits, without the zeros that spreadsheets lose."""
    return _letters_digits(text.removesuffix(".0")).lstrip("0") or "0"


@functools.lru_cache(maxsize=65536)
def family_forms(family: str) -> tuple[str, ...]:
    """The whole family name, and each part of a compound one (rule 2)."""
    parts = [letters(part) for part in re.split(r"[\s\-/]+", family)]
    real = [part for part in parts if len(part) >= _PART_LETTERS_MIN and part not in _PARTICLES]
    forms = [letters(family), *(real if len(real) > 1 else [])]
    return tuple(dict.fromkeys(form for form in forms if form))


def given_letters(given: str) -> str:
    """The letters of a given name's first word."""
    words = given.replace("-", " ").split()
    return letters(words[0]) if words else ""


@functools.lru_cache(maxsize=65536)
def given_sounds(given: str, side: Side) -> tuple[str, ...]:
    """Sounds that a given name stands for (rule 3): on a record few, for an applicant many."""
    word = given_letters(given)
    if not word:
        return ()
    forms = formal_names(word) if side == "record" else possible_names(word)
    return tuple(dict.fromkeys(sound_of(form) for form in forms))


def middle_letters(name: PersonName) -> str:
    """The first middle name's letters, or those of the given name's second word (rule 4); may be one initial."""
    words = name.middle.split() or name.given.split()[1:]
    return letters(words[0]) if words else ""


def thirds(word: str, side: Side) -> Iterator[tuple[str, str]]:
    """The word without each of its thirds (rule 5); for an applicant in every way that one slip may have moved them."""
    yield from _thirds_as(word, len(word))
    if side == "applicant":
        yield from _thirds_as(word, len(word) - 1)
        yield from _thirds_as(word, len(word) + 1)
        third = round(len(word) / 3)
        if third:  # two letters exchanged across a cut
            keep = len(word) - third
            yield "head", word[: keep - 1] + word[keep]
            yield "tail", word[third - 1] + word[third + 1 :]


def _thirds_as(word: str, length: int) -> Iterator[tuple[str, str]]:
    """The thirds as they are cut in a word of that length."""
    third = round(length / 3)
    if third and word:
        yield "head", word[: length - third]
        yield "tail", word[max(0, len(word) - (length - third)) :]
        yield "ends", f"{word[:third]}.{word[-third:]}"
