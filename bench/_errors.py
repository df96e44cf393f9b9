"""What goes wrong between a person and what is written of him: the rates, and the slips themselves."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from typing import Final

from waypost.node.persons import PartialDate


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Chances, each drawn on its own, so that several may strike one person."""

    # What the record lacks or holds otherwise.
    record_lacks_ssn: float = 0.55
    record_lacks_certificate: float = 0.60
    record_lacks_middle: float = 0.20
    record_has_middle_initial_only: float = 0.25
    record_misspells_given: float = 0.01
    record_misspells_family: float = 0.03
    # What the application lacks or holds otherwise.
    applicant_lacks_ssn: float = 0.15
    applicant_lacks_certificate: float = 0.30
    applicant_lacks_middle: float = 0.15
    applicant_has_middle_initial_only: float = 0.25
    misspells_family: float = 0.15
    second_slip: float = 0.10
    """Of misspelt names: those with two slips."""
    misspells_given: float = 0.05
    misspells_middle: float = 0.04
    nickname: float = 0.15
    goes_by_middle: float = 0.01
    changed_family: float = 0.07
    names_former_family: float = 0.70
    """Of changed family names: those whose former name the application gives."""
    drops_part_of_compound: float = 0.50
    swaps_day_and_month: float = 0.02
    slips_in_date: float = 0.03
    # Who else there is.
    compound_family: float = 0.04
    father_of_same_name: float = 0.005
    twin: float = 0.001


STATED: Final = ErrorModel()
"""What the results are stated for: every fifth family name misspelt on one of the two sides, half without numbers."""

HARSHER: Final = ErrorModel(
    record_lacks_middle=0.25,
    record_misspells_given=0.02,
    second_slip=0.15,
    misspells_given=0.08,
    nickname=0.18,
    goes_by_middle=0.02,
    names_former_family=0.60,
    slips_in_date=0.04,
)

BORN_FIRST: Final = date(1948, 1, 1)
BORN_LAST: Final = date(2005, 12, 31)
"""Officers are born between."""

_NEIGHBOURS: Final = {
    "q": "wa",
    "w": "qes",
    "e": "wrd",
    "r": "etf",
    "t": "ryg",
    "y": "tuh",
    "u": "yij",
    "i": "uok",
    "o": "ipl",
    "p": "ol",
    "a": "qsz",
    "s": "adw",
    "d": "sfe",
    "f": "dgr",
    "g": "fht",
    "h": "gjy",
    "j": "hku",
    "k": "jli",
    "l": "ko",
    "z": "ax",
    "x": "zc",
    "c": "xvs",
    "v": "cbf",
    "b": "vng",
    "n": "bmh",
    "m": "nj",
}
_SOUNDS_ALIKE: Final = (
    *(("ph", "f"), ("c", "k"), ("k", "c"), ("ie", "y"), ("y", "ie"), ("ei", "ie"), ("ie", "ei"), ("s", "z")),
    *(("z", "s"), ("ck", "k"), ("e", "a"), ("a", "e"), ("o", "u"), ("i", "y"), ("sch", "sh"), ("v", "w"), ("ll", "l")),
    *(("nn", "n"), ("tt", "t"), ("ss", "s"), ("n", "nn"), ("t", "tt"), ("l", "ll"), ("th", "t"), ("mac", "mc")),
)


def slip(word: str, rng: random.Random) -> str:
    """The word with one slip: a letter left out, doubled, exchanged, replaced, or written as it sounds."""
    alike = [(old, new) for old, new in _SOUNDS_ALIKE if old in word]
    kind = rng.choices(("sound", "replace", "drop", "double", "swap"), (35, 25, 15, 10, 15))[0]
    place = rng.randrange(len(word))
    letter = word[place]
    if kind == "sound" and alike:
        old, new = rng.choice(alike)
        return word.replace(old, new, 1)
    if kind == "drop" and len(word) > 2:
        return word[:place] + word[place + 1 :]
    if kind == "double":
        return word[:place] + letter + word[place:]
    if kind == "swap" and len(set(word)) > 1:
        places = [i for i in range(len(word) - 1) if word[i] != word[i + 1]]
        place = rng.choice(places)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return word[:place] + rng.choice(_NEIGHBOURS.get(letter, "aeiou")) + word[place + 1 :]


def slipped(born: date, rng: random.Random) -> PartialDate:
    """One digit of year, month or day mistyped; always a day of the calendar, and another than before.

    It lies among the days on which officers are born, or between these and his own (an officer's father is older).
    """
    first, last = min(BORN_FIRST, born), max(BORN_LAST, born)
    while True:
        part = rng.choice(("year", "month", "day"))
        if part == "year":
            other = (born.year + rng.choice((-10, -2, -1, 1, 2, 10)), born.month, born.day)
        elif part == "month":
            other = (born.year, rng.randrange(1, 13), born.day)
        else:
            other = (born.year, born.month, rng.choice((born.day - 1, born.day + 1, born.day - 10, born.day + 10)))
        try:
            moved = date(*other)
        except ValueError:
            continue
        if moved != born and first <= moved <= last:
            return PartialDate(moved.year, moved.month, moved.day)
