"""Match keys: what of a person is turned into tokens of the blind index. Versioned, with vectors in tests/vectors/.

A key is a scheme and a value; two persons "agree in a scheme" when they have a value of it in common. Values are
normalized so that what people write differently comes out alike:

1. Letters: NFKD, case-folded, a to z only; a generational suffix is no part of a name.
2. A family name stands for the whole and for each part of a compound one (particles alone do not count).
3. A given name stands for the sound (Metaphone) of each canonical form that the nickname table gives it, or of itself.
4. What a person's middle name is, is told from the middle name, or from a second word of the given name.

Both sides derive keys alike. What the numbers of tokens are: about 25 an officer, of which the one-letter deletions of
the family name are ten. An applicant with more than CHECK_TOKENS keys is cut from the end of the list: strong numbers
come first, then the present name before former ones.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import jellyfish
from nicknames import NickNamer

from waypost.node.persons import Person, PersonName
from waypost.protocol.limits import CHECK_TOKENS

SCHEMES_VERSION: Final = 1
"""Part of every value: another version of this list gives other tokens."""

OFFICER_TOKENS_MAX: Final = 400
"""Most keys of one officer: sixteen former names, each with many forms."""

SCHEMES: Final = {
    "ssn": "the nine digits of the social security number",
    "cert-given": "certification state and number, sound of the given name",
    "cert-year": "certification state and number, year of birth",
    "id-given": "issuer and number, sound of the given name",
    "id-year": "issuer and number, year of birth",
    "ssn4-given-dob": "last four digits of the SSN, sound of the given name, date of birth",
    "name-date": "sounds of family and given name, year and {month, day} in any order",
    "family-near": "the family name or it without one letter, sound of the given name, date of birth",
    "given-head": "sound of the family name, first three letters of the given name, date of birth",
    "given-tail": "sound of the family name, last three letters of the given name, date of birth",
    "given-middle-dob": "sound of the given name, middle name, date of birth",
    "name-ym": "family name, sound of the given name, year and month",
    "name-yd": "family name, sound of the given name, year and day",
    "name-md": "family name, sound of the given name, month and day",
    "family-dob": "sound of the family name, date of birth",
    "name-middle": "family name, sound of the given name, full middle name",
    "name-year": "family name, sound of the given name, year of birth",
}
"""Every scheme and what its value is made of."""

_SEPARATOR: Final = b"\x1f"
_PARTICLES: Final = frozenset({"al", "d", "da", "de", "del", "den", "der", "di", "dos", "el", "la", "le", "van", "von"})
_PART_LETTERS_MIN: Final = 3
_AFFIX_LETTERS: Final = 3


@dataclass(frozen=True, slots=True)
class MatchInput:
    """One key: its scheme, and the bytes that go into the blind index."""

    scheme: str
    value: bytes


def match_inputs(person: Person, *, side: Literal["record", "applicant"]) -> tuple[MatchInput, ...]:
    """The person's keys, distinct, strongest first; bounded by CHECK_TOKENS for an applicant."""
    bound = CHECK_TOKENS if side == "applicant" else OFFICER_TOKENS_MAX
    distinct = dict.fromkeys(_all(person))
    return tuple(_input(scheme, fields) for scheme, fields in list(distinct)[:bound])


def _input(scheme: str, fields: tuple[str, ...]) -> MatchInput:
    parts = (b"waypost", str(SCHEMES_VERSION).encode(), scheme.encode(), *(field.encode() for field in fields))
    return MatchInput(scheme, _SEPARATOR.join(parts))


_Key = tuple[str, tuple[str, ...]]


def _all(person: Person) -> Iterator[_Key]:
    if person.ssn:
        yield "ssn", (person.ssn,)
    sounds = list(dict.fromkeys(sound for name in person.names for sound in given_sounds(name.given)))
    yield from _number_keys(person, sounds)
    if person.last4 and person.date_of_birth.full:
        for sound in sounds:
            yield "ssn4-given-dob", (person.last4, sound, str(person.date_of_birth))
    for name in person.names:
        yield from _name_keys(name, person)
    for name in person.names:  # the longest list last, where an applicant's keys are cut
        yield from _near_keys(name, person)


def _number_keys(person: Person, sounds: list[str]) -> Iterator[_Key]:
    for identifier in person.identifiers:
        scheme = "cert" if identifier.kind == "cert" else "id"
        number = (_letters_digits(identifier.issuer), plain_number(identifier.value))
        for sound in sounds:
            yield f"{scheme}-given", (*number, sound)
        if person.date_of_birth.year is not None:
            yield f"{scheme}-year", (*number, str(person.date_of_birth.year))


def _name_keys(name: PersonName, person: Person) -> Iterator[_Key]:
    families, sounds, middle = family_forms(name.family), given_sounds(name.given), middle_letters(name)
    born = person.date_of_birth
    dob = str(born)
    for family in families:
        spoken = jellyfish.metaphone(family)
        if born.full:
            yield "family-dob", (spoken, dob)
            for affix in given_affixes(name.given, head=True):
                yield "given-head", (spoken, affix, dob)
            for affix in given_affixes(name.given, head=False):
                yield "given-tail", (spoken, affix, dob)
        for sound in sounds:
            yield from _dated_keys(family, spoken, sound, person)
            if len(middle) > 1:
                yield "name-middle", (family, sound, middle)
    if born.full and middle:
        for sound in sounds:
            yield "given-middle-dob", (sound, middle, dob)
            if len(middle) > 1:
                yield "given-middle-dob", (sound, middle[0], dob)


def _dated_keys(family: str, spoken: str, sound: str, person: Person) -> Iterator[_Key]:
    born = person.date_of_birth
    if born.year is not None:
        yield "name-year", (family, sound, str(born.year))
    if born.full:
        year, month, day = str(born.year), str(born.month), str(born.day)
        low, high = sorted((int(month), int(day)))
        yield "name-date", (spoken, sound, year, str(low), str(high))
        yield "name-ym", (family, sound, year, month)
        yield "name-yd", (family, sound, year, day)
        yield "name-md", (family, sound, month, day)


def _near_keys(name: PersonName, person: Person) -> Iterator[_Key]:
    if not person.date_of_birth.full:
        return
    family = letters(name.family)
    for sound in given_sounds(name.given):
        for near in one_letter_out(family):
            yield "family-near", (near, sound, str(person.date_of_birth))


def letters(text: str) -> str:
    """NFKD, case-folded, a to z only (rule 1)."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in folded if "a" <= char <= "z")


def _letters_digits(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isascii() and char.isalnum())


def plain_number(text: str) -> str:
    """A number as written by hand: letters and digits, without the zeros that spreadsheets lose."""
    return _letters_digits(text.removesuffix(".0")).lstrip("0") or "0"


def family_forms(family: str) -> tuple[str, ...]:
    """The whole family name, and each part of a compound one (rule 2)."""
    parts = [letters(part) for part in re.split(r"[\s\-/]+", family)]
    real = [part for part in parts if len(part) >= _PART_LETTERS_MIN and part not in _PARTICLES]
    forms = [letters(family), *(real if len(real) > 1 else [])]
    return tuple(dict.fromkeys(form for form in forms if form))


def given_forms(given: str) -> tuple[str, ...]:
    """Canonical forms of a given name's first word, or the word itself (rule 3)."""
    words = given.replace("-", " ").split()
    first = letters(words[0]) if words else ""
    if not first:
        return ()
    return tuple(sorted(_nicknames().canonicals_of(first) | {first}))


@functools.lru_cache(maxsize=8192)
def given_sounds(given: str) -> tuple[str, ...]:
    """Sounds of a given name's canonical forms (rule 3)."""
    spoken = (jellyfish.metaphone(form) or form for form in given_forms(given))
    return tuple(dict.fromkeys(spoken))


def given_affixes(given: str, *, head: bool) -> tuple[str, ...]:
    """First or last three letters of the given name's canonical forms."""
    cut = slice(None, _AFFIX_LETTERS) if head else slice(-_AFFIX_LETTERS, None)
    return tuple(dict.fromkeys(form[cut] for form in given_forms(given)))


def middle_letters(name: PersonName) -> str:
    """The first middle name's letters, or those of the given name's second word (rule 4); may be one initial."""
    words = name.middle.split() or name.given.split()[1:]
    return letters(words[0]) if words else ""


def one_letter_out(word: str) -> tuple[str, ...]:
    """The word, and the word without each one of its letters: two words one slip apart share one."""
    return tuple(dict.fromkeys((word, *(word[:place] + word[place + 1 :] for place in range(len(word))))))


@functools.cache
def _nicknames() -> NickNamer:
    return NickNamer()
