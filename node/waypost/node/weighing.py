"""Whether to disclose: what the holder of a record makes of the schemes in which an applicant agrees with it.

The holder knows nothing of the applicant but that. Each scheme says that certain fields agree; together they say how
well each field does. Two questions follow (Fellegi and Sunter's, with the frequency of the record's own values):

    chance     = product over fields of P(a stranger agrees that well)
    likelihood = product over fields of P(the same person agrees just that well)
    doubt      = officers x chance / likelihood

1. A record whose doubt is below DOUBT_MAX is disclosed, so that about 1 check in 10,000 discloses a stranger, however
   large the federation is: `officers` grows with it (officers_in_reach).
2. Offered as a referral: fewer than REFERRAL_STRANGERS_MAX strangers in the country agree that well. Otherwise nothing,
   not even that there was a match.
3. Where sounds and date agree, the markers no-middle and no-ssn say that the applicant gave none; without them, a
   middle name or SSN of the record that does not agree contradicts.
4. An SSN or a certification number with one more field is enough, whatever else is wrong.
5. Schemes without a date of birth or a number (name-middle), with its year alone (name-year) or without a given name
   (family-dob: brothers, twins) never disclose, and neither do those without a family name unless the numbers say so.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from waypost.node.frequencies import NameTable, name_table
from waypost.node.keys import middle_letters
from waypost.node.persons import Person

COUNTRY_OFFICERS: Final = 2_000_000
"""Serving officers of the United States (about 800,000) and former ones."""

OFFICERS_MIN: Final = 100_000
"""The least number of officers that a doubt is reckoned with, be the federation as small as it may."""

DOUBT_MAX: Final = 0.01
"""Doubt below which a record is disclosed. The average over names is far lower: see docs/matching.md."""

REFERRAL_STRANGERS_MAX: Final = 2.0

BIRTH_YEARS: Final = 45
"""Width of the span in which officers were born."""


class Verdict(StrEnum):
    """What the holder does."""

    DISCLOSE = "disclose"
    REFERRAL = "referral"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Weight:
    """What the holder decides: strangers to be expected in the country, the doubt, and the verdict."""

    expected_strangers: float
    doubt: float
    verdict: Verdict


_NEVER_DISCLOSE: Final = frozenset({"name-year", "name-middle", "family-dob", "family-initial-dob"})

DATE: Final = 1 / (BIRTH_YEARS * 365)
DATE_EVIDENCE: Final = {
    "full": DATE,
    "swap": 2 * DATE,
    "ym": 1 / (BIRTH_YEARS * 12),
    "yd": 1 / (BIRTH_YEARS * 30),
    "md": 1 / 365,
    "year": 1 / BIRTH_YEARS,
}
SSN: Final = 1e-10
LAST4: Final = 1e-4
NUMBER: Final = 2e-8
"""A certification or officer number. It has one bearer, so a stranger agrees only when it was mistyped."""

# Which fields each scheme says agree, and how exactly: family, given, date, other.
_FIELDS: Final[dict[str, tuple[str, str, str, str]]] = {
    "ssn": ("", "", "", "ssn"),
    "cert-given": ("", "sound", "", "number"),
    "cert-family": ("sound", "", "", "number"),
    "cert-year": ("", "", "year", "number"),
    "id-given": ("", "sound", "", "number"),
    "id-family": ("sound", "", "", "number"),
    "id-year": ("", "", "year", "number"),
    "name-date": ("sound", "sound", "swap", ""),
    "no-middle": ("", "", "", "no-middle"),
    "no-ssn": ("", "", "", "no-ssn"),
    "family-head": ("head", "sound", "full", ""),
    "family-tail": ("tail", "sound", "full", ""),
    "family-ends": ("ends", "sound", "full", ""),
    "given-head": ("exact", "head", "full", ""),
    "given-tail": ("exact", "tail", "full", ""),
    "given-ends": ("exact", "ends", "full", ""),
    "ssn4-given-dob": ("", "sound", "full", "last4"),
    "given-middle-dob": ("", "sound", "full", "middle"),
    "given-initial-dob": ("", "sound", "full", "initial"),
    "family-initial-dob": ("sound", "", "full", "initial"),
    "name-ym": ("sound", "sound", "ym", ""),
    "name-yd": ("sound", "sound", "yd", ""),
    "name-md": ("exact", "sound", "md", ""),
    "family-dob": ("sound", "", "full", ""),
    "name-middle": ("exact", "sound", "", "middle"),
    "name-year": ("exact", "sound", "year", ""),
}

_THIRDS: Final = frozenset({"head", "tail", "ends"})
_SHOWS_MIDDLE: Final = frozenset({"family-head", "family-tail", "family-ends", "family-dob"})
"""Who agrees in one of these and has the record's middle initial agrees in that, too."""

_FAMILY_LIKELIHOOD: Final = {"exact": 0.76, "third": 0.02, "sound": 0.08, "": 0.055}
_GIVEN_LIKELIHOOD: Final = {"sound": 0.9, "letters": 0.7, "other-letters": 0.2, "third": 0.012, "": 0.05}
_DATE_LIKELIHOOD: Final = {"full": 0.92, "swap": 0.017, "ym": 0.01, "yd": 0.01, "md": 0.01, "year": 0.01, "": 0.03}
_MIDDLE_LIKELIHOOD: Final = {"middle": 0.6, "initial": 0.2, "contradicts": 0.025, "unseen": 0.25}
_SSN_CONTRADICTS_LIKELIHOOD: Final = 0.01
"""How often the same person agrees just so, from the error model in bench/_errors.py."""


@dataclass(frozen=True, slots=True)
class _Agreement:
    """How well each field agrees, as chance among strangers and as likelihood of the same person."""

    chance: float
    likelihood: float


def officers_in_reach(own: int, members: int) -> int:
    """Officers among whom a stranger may be found: as many at each member as at this one, within what is sensible.

    So each member takes an equal part in the false disclosures of all, whatever its size. `own` is the number of this
    node's officers, `members` of the roster's members, which hub and trustee sign.
    """
    return min(max(own * members, OFFICERS_MIN), COUNTRY_OFFICERS)


def weigh(
    record: Person, agreeing: Collection[str], table: NameTable | None = None, *, officers: int = COUNTRY_OFFICERS
) -> Weight:
    """Weigh the schemes in which the record and an applicant agree, with so many officers in the federation's reach."""
    table = table or name_table()
    fields = [_FIELDS[scheme] for scheme in agreeing]
    others = {other for *_, other in fields}
    parts = (
        _family(record, {field[0] for field in fields}, table),
        _given(record, {field[1] for field in fields}, "family-dob" in agreeing, table),
        _date({field[2] for field in fields}),
        _middle(record, agreeing, others, table),
        _ssn(record, agreeing),
    )
    numbered = _numbers(others)
    strangers = COUNTRY_OFFICERS * math.prod(part.chance for part in parts) * numbered
    likelihood = 1.0 if numbered <= NUMBER else math.prod(part.likelihood for part in parts)
    doubt = strangers * officers / COUNTRY_OFFICERS / likelihood
    return Weight(strangers, doubt, _verdict(agreeing, strangers, doubt))


def _verdict(agreeing: Collection[str], strangers: float, doubt: float) -> Verdict:
    if set(agreeing) - _NEVER_DISCLOSE and doubt <= DOUBT_MAX:
        return Verdict.DISCLOSE
    if agreeing and strangers <= REFERRAL_STRANGERS_MAX:
        return Verdict.REFERRAL
    return Verdict.NOTHING


def _family(record: Person, how: set[str], table: NameTable) -> _Agreement:
    families = [name.family for name in record.names]
    exact = max(table.of_family(family) for family in families)
    thirds = how & _THIRDS
    if "exact" in how or len(thirds) > 1:  # two of them cover the whole word
        return _Agreement(exact, _FAMILY_LIKELIHOOD["exact"])
    sound = max(table.of_family_sound(family) for family in families) if "sound" in how else 1.0
    if thirds:
        third = max(table.of_family_third(family, kind) for family in families for kind in thirds)
        return _Agreement(min(third, sound), _FAMILY_LIKELIHOOD["third"])
    return _Agreement(sound, _FAMILY_LIKELIHOOD["sound" if "sound" in how else ""])


def _given(record: Person, how: set[str], seen: bool, table: NameTable) -> _Agreement:
    """`seen`: whether someone with the very same letters would agree in thirds as well."""
    givens, thirds = [name.given for name in record.names], how & _THIRDS
    if "sound" in how:
        spoken = max(table.of_given(given) for given in givens)
        if not seen:
            return _Agreement(spoken, _GIVEN_LIKELIHOOD["sound"])
        letters = max(table.of_given_letters(given) for given in givens)
        if thirds:
            return _Agreement(letters, _GIVEN_LIKELIHOOD["letters"])
        return _Agreement(max(spoken - letters, spoken / 10), _GIVEN_LIKELIHOOD["other-letters"])
    if thirds:
        chance = max(table.of_given_third(given, kind) for given in givens for kind in thirds)
        return _Agreement(chance, _GIVEN_LIKELIHOOD["third"])
    return _Agreement(1.0, _GIVEN_LIKELIHOOD[""])


def _date(how: set[str]) -> _Agreement:
    best = min((kind for kind in how if kind), key=DATE_EVIDENCE.__getitem__, default="")
    return _Agreement(DATE_EVIDENCE.get(best, 1.0), _DATE_LIKELIHOOD[best])


def _middle(record: Person, agreeing: Collection[str], others: set[str], table: NameTable) -> _Agreement:
    """Rule 3."""
    middles = [middle for name in record.names if (middle := middle_letters(name))]
    if not middles:
        return _Agreement(1.0, 1.0)
    if "middle" in others:
        return _Agreement(max(table.of_middle(middle) for middle in middles), _MIDDLE_LIKELIHOOD["middle"])
    if "initial" in others:
        initial = max(table.of_initial(middle) for middle in middles)
        return _Agreement(initial, _MIDDLE_LIKELIHOOD["initial" if len(middles[0]) > 1 else "middle"])
    likelihood = 1.0
    if "no-middle" not in others and {"name-date", "family-dob"} <= set(agreeing):
        likelihood = _MIDDLE_LIKELIHOOD["contradicts"]
    elif "no-middle" not in others and not _SHOWS_MIDDLE.isdisjoint(agreeing):
        likelihood = _MIDDLE_LIKELIHOOD["unseen"]
    return _Agreement(1.0, likelihood)


def _ssn(record: Person, agreeing: Collection[str]) -> _Agreement:
    """Rule 3."""
    contradicts = bool(record.ssn) and "name-date" in agreeing and not {"ssn", "no-ssn"} & set(agreeing)
    return _Agreement(1.0, _SSN_CONTRADICTS_LIKELIHOOD if contradicts else 1.0)


def _numbers(others: set[str]) -> float:
    chance = 1.0
    if "number" in others:
        chance *= NUMBER
    if "ssn" in others:
        return chance * SSN
    return chance * LAST4 if "last4" in others else chance


def known_schemes() -> frozenset[str]:
    """Schemes that have a meaning here: all of keys.SCHEMES."""
    return frozenset(_FIELDS)
