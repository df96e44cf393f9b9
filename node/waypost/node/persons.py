"""Who a person is: names, date of birth, numbers. Values only; normalizing them for matching is keys.py's subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from waypost.node.errors import RecordError
from waypost.node.limits import AGE_YEARS_MAX, AGE_YEARS_MIN, KEY_CHARS_MAX, NAME_CHARS_MAX

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_LEAP_YEAR = 2000
"""For judging a day of a month whose year is unknown."""


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name that a person bears or bore; `kind` is "legal", "alias" or "former". The given name may be missing."""

    family: str
    given: str
    middle: str = ""
    suffix: str = ""
    kind: str = "legal"

    def __post_init__(self) -> None:
        for column, text in (
            ("family_name", self.family),
            ("given_name", self.given),
            ("middle_name", self.middle),
            ("suffix", self.suffix),
        ):
            if len(text) > NAME_CHARS_MAX:
                raise RecordError(column, f"is longer than {NAME_CHARS_MAX} characters")
            if not text.isprintable():
                raise RecordError(column, "holds a control character")
        if not any(char.isalpha() for char in self.family):
            raise RecordError("family_name", "holds no letter" if self.family else "is empty")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A number that names a person: `kind` "cert" (issuer: the state) or "officer-id" (issuer: who gave it)."""

    kind: str
    issuer: str
    value: str

    def __post_init__(self) -> None:
        column = "cert_number" if self.kind == "cert" else "officer_id"
        if not self.value or len(self.value) > KEY_CHARS_MAX or not self.value.isprintable():
            raise RecordError(column, f"is empty, longer than {KEY_CHARS_MAX} characters or not printable")


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date of which year, month or day may be unknown (None); a day without its month does not occur."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    def __post_init__(self) -> None:
        try:
            date(self.year or _LEAP_YEAR, self.month or 1, self.day or 1)
        except ValueError:
            raise RecordError("date_of_birth", "is no day of the calendar") from None

    @classmethod
    def parse(cls, text: str) -> PartialDate:
        """Read "YYYY-MM-DD", "YYYY-MM", "YYYY" or "" (unknown); RecordError for anything else."""
        if not text:
            return cls()
        match = _PARTIAL.fullmatch(text)
        if match is None:
            raise RecordError("date_of_birth", "is not written YYYY-MM-DD, YYYY-MM or YYYY")
        year, month, day = (int(part) if part else None for part in match.groups())
        return cls(year, month, day)

    def __str__(self) -> str:
        parts = []
        for value, width in ((self.year, 4), (self.month, 2), (self.day, 2)):
            if value is None:
                break
            parts.append(f"{value:0{width}d}")
        return "-".join(parts)

    @property
    def full(self) -> bool:
        """Whether year, month and day are known."""
        return None not in {self.year, self.month, self.day}


def require_age(born: PartialDate, today: date) -> None:
    """RecordError when a year of birth makes the person younger or older than any officer, or lies in the future."""
    if born.year is not None and not AGE_YEARS_MIN <= today.year - born.year <= AGE_YEARS_MAX:
        raise RecordError(
            "date_of_birth", f"makes the person younger than {AGE_YEARS_MIN} or older than {AGE_YEARS_MAX}"
        )


@dataclass(frozen=True, slots=True)
class Person:
    """A person's details. The first name is the one borne now; `ssn` has nine digits or is empty."""

    names: tuple[PersonName, ...]
    date_of_birth: PartialDate = PartialDate()
    ssn: str = ""
    ssn_last4: str = ""
    identifiers: tuple[Identifier, ...] = ()

    def __post_init__(self) -> None:
        if not self.names:
            raise RecordError("family_name", "is empty")
        if self.ssn and not re.fullmatch(r"\d{9}", self.ssn):
            raise RecordError("ssn", "has not nine digits")
        if self.ssn_last4 and not re.fullmatch(r"\d{4}", self.ssn_last4):
            raise RecordError("ssn", "has not nine digits, nor the last four alone")

    @property
    def last4(self) -> str:
        """The last four digits of the SSN, from whichever form is known."""
        return self.ssn[-4:] or self.ssn_last4


def unite(persons: Sequence[Person]) -> Person:
    """One person of whom several sources tell; where they differ the first one's word counts.

    Names and numbers are all kept, each once; another source's legal name is an alias. The first whole date of birth
    counts before one that is known in part.
    """
    first = persons[0]
    names = {(name.family, name.given, name.middle, name.suffix): name for name in first.names}
    for other in persons[1:]:
        for name in other.names:
            kind = "alias" if name.kind == "legal" else name.kind
            names.setdefault((name.family, name.given, name.middle, name.suffix), replace(name, kind=kind))
    born = [person.date_of_birth for person in persons]
    return Person(
        names=tuple(names.values()),
        date_of_birth=max(born, key=lambda day: len(str(day))),
        ssn=next((person.ssn for person in persons if person.ssn), ""),
        ssn_last4=next((person.ssn_last4 for person in persons if person.ssn_last4), ""),
        identifiers=tuple(dict.fromkeys(number for person in persons for number in person.identifiers)),
    )
