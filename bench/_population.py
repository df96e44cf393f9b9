"""Synthetic officers and applicants: persons, and the two views of each, his record and his application.

No real person: names are drawn at random from the Census Bureau's 1990 name files as the package `names` ships them
(88,799 family names, 5,494 given names, with their frequencies), numbers from ranges that are never issued, everything
else from the generator. Some officers are relatives of others: a father of the same name, or a twin. They are what
false disclosures come from.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from _errors import BORN_FIRST, BORN_LAST, STATED, ErrorModel, slip, slipped
from nicknames import NickNamer

from waypost.node.persons import Identifier, PartialDate, Person, PersonName

_BORN_MEAN_YEAR: Final = 1980.0
_BORN_DEVIATION_YEARS: Final = 12.0
_SHARE_MALE: Final = 0.85
_RARE_LETTERS: Final = 0.095
"""Share of people whose family name is not in the file (it covers 90.5 %): a name like no other is made up."""

STATES: Final = ("CA", "NV", "AZ", "OR", "WA", "TX", "CO", "NM")


@dataclass(frozen=True, slots=True)
class Truth:
    """A person as he is."""

    family: str
    given: str
    middle: str
    suffix: str
    born: date
    ssn: str
    cert_state: str
    cert_number: str
    maiden: str = ""
    """The family name borne when the record was made; empty when it is the same."""


@dataclass(frozen=True, slots=True)
class Planted:
    """An applicant who is an officer: both views, whether they share a number, and what went wrong."""

    record: Person
    applicant: Person
    errors: tuple[str, ...]

    @property
    def strong(self) -> bool:
        """Whether SSN or certification number is present on both sides."""
        both = set(self.record.identifiers) & set(self.applicant.identifiers)
        return bool(both) or bool(self.record.ssn and self.record.ssn == self.applicant.ssn)


@dataclass(slots=True)
class _Draw:
    """Draws names by frequency."""

    words: Sequence[str]
    weights: Sequence[float]
    _steps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps = list(itertools.accumulate(self.weights))

    def one(self, rng: random.Random) -> str:
        return self.words[bisect.bisect(self._steps, rng.random() * self._steps[-1])]


class Population:
    """Draws persons, and views of persons."""

    def __init__(self, seed: int, model: ErrorModel = STATED) -> None:
        self.rng = random.Random(seed)
        self.model = model
        self._families = _census("dist.all.last")
        self._men, self._women = _census("dist.male.first"), _census("dist.female.first")
        self._nicknames = NickNamer()
        self._numbers = itertools.count(1)

    def truth(self) -> Truth:
        """A person."""
        rng = self.rng
        givens = self._men if rng.random() < _SHARE_MALE else self._women
        family = self._family()
        if rng.random() < self.model.compound_family:
            family = f"{family}-{self._family()}"
        state, number = rng.choice(STATES), next(self._numbers)
        return Truth(
            family=family,
            given=givens.one(rng),
            middle=givens.one(rng),
            suffix="",
            born=self._born(),
            ssn=f"9{number * 48_271 % 99_999_989:08d}",  # scrambled counters: no number is issued twice
            cert_state=state,
            cert_number=f"P{number * 7919 % 9_989_987 + 10_000}",
            maiden=self._family() if rng.random() < self.model.changed_family else "",
        )

    def relative(self, of: Truth) -> Truth:
        """A father of the same name, or a twin."""
        rng = self.rng
        twin = rng.random() < self.model.twin / (self.model.twin + self.model.father_of_same_name)
        other = self.truth()
        if twin:
            return replace(other, family=of.family, born=of.born, maiden="")
        years = rng.randrange(19, 36)
        try:
            born = of.born.replace(year=of.born.year - years, day=rng.randrange(1, 29), month=rng.randrange(1, 13))
        except ValueError:
            born = of.born
        return replace(other, family=of.family, given=of.given, suffix="Sr", born=born, maiden="")

    def people(self, count: int) -> Iterator[Truth]:
        """So many persons, relatives among them."""
        share = self.model.twin + self.model.father_of_same_name
        made = 0
        while made < count:
            person = self.truth()
            yield person
            made += 1
            if made < count and self.rng.random() < share:
                yield self.relative(person)
                made += 1

    def record(self, truth: Truth) -> Person:
        """The person as an agency's record has him."""
        rng, model = self.rng, self.model
        family, given = truth.maiden or truth.family, truth.given
        if rng.random() < model.record_misspells_family:
            family = slip(family, rng)
        if rng.random() < model.record_misspells_given:
            given = slip(given, rng)
        middle = truth.middle
        if rng.random() < model.record_lacks_middle:
            middle = ""
        elif rng.random() < model.record_has_middle_initial_only:
            middle = middle[0]
        numbers: tuple[Identifier, ...] = ()
        if rng.random() >= model.record_lacks_certificate:
            numbers = (Identifier("cert", truth.cert_state, truth.cert_number),)
        ssn = "" if rng.random() < model.record_lacks_ssn else truth.ssn
        name = PersonName(family.title(), given.title(), middle.title(), truth.suffix)
        born = PartialDate(truth.born.year, truth.born.month, truth.born.day)
        return Person(names=(name,), date_of_birth=born, ssn=ssn, identifiers=numbers)

    def applicant(self, truth: Truth) -> tuple[Person, tuple[str, ...]]:
        """The person as his application has him, and what is wrong with it."""
        errors: list[str] = []
        name = self._applicant_name(truth, errors)
        former: tuple[PersonName, ...] = ()
        if truth.maiden:
            errors.append("changed-family")
            if self.rng.random() < self.model.names_former_family:
                errors.append("names-former")
                former = (PersonName(self._maybe_slip(truth.maiden, errors).title(), name.given, name.middle),)
        ssn = "" if self.rng.random() < self.model.applicant_lacks_ssn else truth.ssn
        numbers: tuple[Identifier, ...] = ()
        if self.rng.random() >= self.model.applicant_lacks_certificate:
            numbers = (Identifier("cert", truth.cert_state, truth.cert_number),)
        born = self._applicant_born(truth.born, errors)
        person = Person(names=(name, *former), date_of_birth=born, ssn=ssn, identifiers=numbers)
        return person, tuple(errors)

    def planted(self, truth: Truth) -> Planted:
        """Both views of an officer who applies."""
        record = self.record(truth)
        applicant, errors = self.applicant(truth)
        return Planted(record, applicant, errors)

    def _applicant_name(self, truth: Truth, errors: list[str]) -> PersonName:
        rng, model = self.rng, self.model
        family, given, middle = truth.family, truth.given, truth.middle
        if "-" in family and rng.random() < model.drops_part_of_compound:
            family = rng.choice(family.split("-"))
            errors.append("part-of-compound")
        family = self._maybe_slip(family, errors)
        if rng.random() < model.nickname and (short := sorted(self._nicknames.nicknames_of(given))):
            given = rng.choice(short)
            errors.append("nickname")
        elif rng.random() < model.goes_by_middle:
            given, middle = middle, ""
            errors.append("goes-by-middle")
        if rng.random() < model.misspells_given:
            given = slip(given, rng)
            errors.append("misspelt-given")
        if rng.random() < model.applicant_lacks_middle:
            middle = ""
        elif middle and rng.random() < model.applicant_has_middle_initial_only:
            middle = middle[0]
        elif middle and rng.random() < model.misspells_middle:
            middle = slip(middle, rng)
            errors.append("misspelt-middle")
        return PersonName(family.title(), given.title(), middle.title(), truth.suffix)

    def _maybe_slip(self, family: str, errors: list[str]) -> str:
        if self.rng.random() >= self.model.misspells_family:
            return family
        errors.append("misspelt-family")
        family = slip(family, self.rng)
        if self.rng.random() < self.model.second_slip:
            errors.append("misspelt-family-twice")
            family = slip(family, self.rng)
        return family

    def _applicant_born(self, born: date, errors: list[str]) -> PartialDate:
        rng, model = self.rng, self.model
        if born.day <= 12 and born.day != born.month and rng.random() < model.swaps_day_and_month * 2.5:
            errors.append("swapped-date")
            return PartialDate(born.year, born.day, born.month)
        if rng.random() < model.slips_in_date:
            errors.append("slipped-date")
            return slipped(born, rng)
        return PartialDate(born.year, born.month, born.day)

    def _family(self) -> str:
        if self.rng.random() < _RARE_LETTERS:
            first, last = self._families.one(self.rng), self._families.one(self.rng)
            return first[: max(3, len(first) // 2)] + last[len(last) // 2 :]
        return self._families.one(self.rng)

    def _born(self) -> date:
        while True:
            year = round(self.rng.gauss(_BORN_MEAN_YEAR, _BORN_DEVIATION_YEARS))
            if BORN_FIRST.year <= year <= BORN_LAST.year:
                return date(year, 1, 1) + timedelta(days=self.rng.randrange(365))


def _census(name: str) -> _Draw:
    import names

    words, weights = [], []
    for line in (Path(names.__file__).parent / name).read_text(encoding="ascii").splitlines():
        word, share, _, _ = line.split()
        words.append(word.lower())
        weights.append(max(float(share), 0.0003))  # the file rounds to thousandths of a percent
    return _Draw(words, weights)
