"""Full names taken apart: SMITH, JOHN Q JR; John Q. Smith Jr; DE LA CRUZ, MARIA; Last, Jr., First; SMITH JOHN Q.

1. What stands in brackets is a former name: Jones(Spriggs), (Spilman) Kercher. It becomes an alias.
2. JR, SR and Roman numbers are the suffix, wherever they stand behind the first word; V only at the end of a name of
   three words, for it is an initial and a surname as well.
3. Before a comma stands the family name. Without one, the profile says which comes first; the words are told apart by
   nameparser, which knows particles (de la, van der) and compound surnames.
4. A name that can be read in two ways is no name: it is not guessed. Where the given name is the last word, a lone
   initial there is none (SMITH JOHN Q is not written so). Nor is it guessed which side of a slash is the person (TPD /
   Ofc. John Smith).
5. Plain names (one surname, a comma, one given name, an initial) need no library, and are most of a file.
6. Where the given name comes first, titles before it are left out, those of several people and of police, too
   (Officers, Trooper), which nameparser takes for given names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from nameparser import FAMILY_FIRST, FAMILY_FIRST_GIVEN_LAST, Parser, Policy

from waypost.node.limits import FULL_NAME_CHARS_MAX

_BRACKETED: Final = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
_SUFFIX: Final = re.compile(r"(?:JR|SR|II|III|IV)\.?|2ND|3RD|4TH", re.IGNORECASE)
_MAYBE_SUFFIX: Final = re.compile(r"V\.?", re.IGNORECASE)
_WORDS_OF_A_SUFFIXED_NAME: Final = 3
_PLAIN: Final = re.compile(r"([^\W\d_][\w'\u2019-]*), ?([^\W\d_][\w'\u2019-]*)(?: ([^\W\d_])\.?)?")
_SEVERAL: Final = re.compile(r"[/&+]")
_TITLE: Final = re.compile(
    r"(?:officers|detectives|sergeants|troopers?|agents?|deputies|investigators?|patrol(?:man|woman)|p\.o\.|tpr\.?) ",
    re.IGNORECASE,
)
_DASHES: Final = str.maketrans({"\u2013": "-", "\u2014": "-", "`": "'", "\u00b4": "'"})


class Order(StrEnum):
    """Which comes first in a name without a comma."""

    FAMILY_FIRST = "family-first"
    FAMILY_MIDDLE_GIVEN = "family-middle-given"
    """SMITH Q JOHN: Georgia's, as the National Police Index publishes it."""
    GIVEN_FIRST = "given-first"
    COMMA = "comma"
    """Neither: a name without a comma is no name."""


_PARSERS: Final = {
    Order.FAMILY_FIRST: Parser(policy=Policy(name_order=FAMILY_FIRST)),
    Order.FAMILY_MIDDLE_GIVEN: Parser(policy=Policy(name_order=FAMILY_FIRST_GIVEN_LAST)),
    Order.GIVEN_FIRST: Parser(),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A name taken apart."""

    family: str
    given: str
    middle: str = ""
    suffix: str = ""
    former: tuple[str, ...] = ()
    """Former family names."""


def take_apart(text: str, order: Order) -> Taken | str:
    """The name, or why it is none."""
    if len(text) > FULL_NAME_CHARS_MAX:
        return f"is longer than {FULL_NAME_CHARS_MAX} characters"
    return _take_apart(text, order)


@lru_cache(maxsize=50_000)
def _take_apart(text: str, order: Order) -> Taken | str:
    plain, former = _unbracketed(" ".join(text.translate(_DASHES).split()))
    if matched := _PLAIN.fullmatch(plain):  # rule 5
        family, given, middle = matched[1], matched[2], matched[3] or ""
        if not _SUFFIX.fullmatch(given):
            return Taken(family, given, middle, former=former)
    if not any(char.isalpha() for char in plain):
        return "holds no name"
    parts = [part.strip() for part in plain.split(",") if part.strip(" .")]
    words = [word for part in parts for word in part.split()]
    suffix = [word for word in words[1:] if _SUFFIX.fullmatch(word)]  # rule 2
    parts = [kept for part in parts if (kept := _without_suffix(part, first=part is parts[0]))]
    last = parts[-1].split() if parts else []
    if not suffix and len(words) >= _WORDS_OF_A_SUFFIXED_NAME and _MAYBE_SUFFIX.fullmatch(last[-1]) and len(last) > 1:
        suffix, parts[-1] = [last[-1]], " ".join(last[:-1])
    taken = _by_comma(parts) if len(parts) > 1 else _by_order(" ".join(parts), order)
    if isinstance(taken, str):
        return taken
    return Taken(*taken, suffix=" ".join(word.rstrip(".") for word in suffix), former=former)


def is_suffix(text: str) -> bool:
    """Whether this is a suffix, and no name."""
    return bool(_SUFFIX.fullmatch(text))


def tidy_family(text: str) -> tuple[str, str, tuple[str, ...]]:
    """A surname column: the surname, the suffix that stands in it, former surnames (rules 1 and 2).

    What is too long for a name stays as it is, and is refused as such.
    """
    if len(text) > FULL_NAME_CHARS_MAX:
        return text, "", ()
    plain, former = _unbracketed(" ".join(text.translate(_DASHES).split()))
    words = plain.replace(",", " ").split()
    suffix = [word for word in words[1:] if _SUFFIX.fullmatch(word) or _MAYBE_SUFFIX.fullmatch(word)]
    kept = [word for at, word in enumerate(words) if at == 0 or word not in suffix]
    return " ".join(kept), " ".join(word.rstrip(".") for word in suffix), former


def _unbracketed(text: str) -> tuple[str, tuple[str, ...]]:
    """Rule 1."""
    former = tuple(inner for found in _BRACKETED.findall(text) if (inner := (found[0] or found[1]).strip()))
    return " ".join(_BRACKETED.sub(" ", text).split()).replace(" ,", ","), former


def _without_suffix(part: str, *, first: bool) -> str:
    words = part.split()
    return " ".join(word for at, word in enumerate(words) if (first and at == 0) or not _SUFFIX.fullmatch(word))


def _by_comma(parts: list[str]) -> tuple[str, str, str] | str:
    """Rule 3, with a comma."""
    given, *middle = " ".join(parts[1:]).split()
    return parts[0], given, " ".join(middle).rstrip(".")


def _by_order(name: str, order: Order) -> tuple[str, str, str] | str:
    """Rules 3 and 4, without one."""
    if order is Order.COMMA:
        return "is not written FAMILY, GIVEN"
    if order is Order.GIVEN_FIRST and (title := _TITLE.match(name)):  # rule 6
        name = name[title.end() :]
    parsed = _PARSERS[order].parse(name)
    given = f"{parsed.title} {parsed.given}".strip() if order is Order.FAMILY_FIRST else parsed.given
    astray = parsed.title and order is not Order.GIVEN_FIRST and name.startswith(parsed.title)  # ST JOHN MARY
    lone = order is Order.FAMILY_MIDDLE_GIVEN and (parsed.title or len(given.rstrip(".")) == 1)
    several = _SEVERAL.search(name)
    if parsed.ambiguities or not parsed.family or not parsed.given or astray or lone or several:
        return "is a name that can be read in more than one way: write FAMILY, GIVEN"
    return parsed.family, given, parsed.middle.rstrip(".")
