"""Synthetic officers and applicants with a stated error model, and the truth about who is who.

    python bench/people.py FOLDER --officers 100000 --applicants 1000 --members 6 --seed 1

writes FOLDER/<ORI>/officers.csv, employment.csv and conduct.csv, FOLDER/members.csv, FOLDER/applicants.csv and
FOLDER/truth.csv (applicant,ori,officer_key,strong,errors). No real person: names are drawn at random from the Census
Bureau's 1990 name files as the package `names` ships them (88,799 family names, 5,494 given names, with their
frequencies), numbers from ranges that are never issued, everything else from the generator.

A person is true; his record and his application are two views of him, each with its own gaps and errors (ErrorModel).
Some officers are relatives of others: a father of the same name, or a twin. They are what false disclosures come from.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Self

from nicknames import NickNamer

from waypost.node.persons import Identifier, PartialDate, Person, PersonName


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

_BORN_FIRST: Final = date(1948, 1, 1)
_BORN_LAST: Final = date(2005, 12, 31)
_BORN_MEAN_YEAR: Final = 1980.0
_BORN_DEVIATION_YEARS: Final = 12.0
_SHARE_MALE: Final = 0.85
_RARE_LETTERS: Final = 0.095
"""Share of people whose family name is not in the file (it covers 90.5 %): a name like no other is made up."""

STATES: Final = ("CA", "NV", "AZ", "OR", "WA", "TX", "CO", "NM")
_RANKS: Final = ("Officer", "Officer", "Officer", "Deputy", "Detective", "Sergeant", "Lieutenant")
_LEFT: Final = ("resigned", "resigned", "retired", "laid_off", "resigned")
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
            family = self.slip(family)
        if rng.random() < model.record_misspells_given:
            given = self.slip(given)
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
            given = self.slip(given)
            errors.append("misspelt-given")
        if rng.random() < model.applicant_lacks_middle:
            middle = ""
        elif middle and rng.random() < model.applicant_has_middle_initial_only:
            middle = middle[0]
        elif middle and rng.random() < model.misspells_middle:
            middle = self.slip(middle)
            errors.append("misspelt-middle")
        return PersonName(family.title(), given.title(), middle.title(), truth.suffix)

    def _maybe_slip(self, family: str, errors: list[str]) -> str:
        if self.rng.random() >= self.model.misspells_family:
            return family
        errors.append("misspelt-family")
        family = self.slip(family)
        if self.rng.random() < self.model.second_slip:
            errors.append("misspelt-family-twice")
            family = self.slip(family)
        return family

    def _applicant_born(self, born: date, errors: list[str]) -> PartialDate:
        rng, model = self.rng, self.model
        if born.day <= 12 and born.day != born.month and rng.random() < model.swaps_day_and_month * 2.5:
            errors.append("swapped-date")
            return PartialDate(born.year, born.day, born.month)
        if rng.random() < model.slips_in_date:
            errors.append("slipped-date")
            return _slipped(born, rng)
        return PartialDate(born.year, born.month, born.day)

    def slip(self, word: str) -> str:
        """The word with one slip: a letter left out, doubled, exchanged, replaced, or written as it sounds."""
        rng = self.rng
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

    def _family(self) -> str:
        if self.rng.random() < _RARE_LETTERS:
            first, last = self._families.one(self.rng), self._families.one(self.rng)
            return first[: max(3, len(first) // 2)] + last[len(last) // 2 :]
        return self._families.one(self.rng)

    def _born(self) -> date:
        while True:
            year = round(self.rng.gauss(_BORN_MEAN_YEAR, _BORN_DEVIATION_YEARS))
            if _BORN_FIRST.year <= year <= _BORN_LAST.year:
                return date(year, 1, 1) + timedelta(days=self.rng.randrange(365))


def _slipped(born: date, rng: random.Random) -> PartialDate:
    """One digit of year, month or day mistyped; always a day of the calendar, and another than before."""
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
        if moved != born and _BORN_FIRST <= moved <= _BORN_LAST:
            return PartialDate(moved.year, moved.month, moved.day)


def _census(name: str) -> _Draw:
    import names

    words, weights = [], []
    for line in (Path(names.__file__).parent / name).read_text(encoding="ascii").splitlines():
        word, share, _, _ = line.split()
        words.append(word.lower())
        weights.append(max(float(share), 0.0003))  # the file rounds to thousandths of a percent
    return _Draw(words, weights)


# Files


_OFFICERS: Final = (
    *("officer_key", "family_name", "given_name", "middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
    *("cert_state", "cert_number", "officer_id"),
)
_EMPLOYMENT: Final = (
    *("officer_key", "ori", "rank", "sworn", "hired_on", "separated_on", "separation_kind", "under_investigation"),
)
_CONDUCT: Final = (
    *("officer_key", "record_key", "kind", "occurred_on", "effective_on", "summary", "force_type", "force_outcome"),
    *("amount", "authority", "notice_on", "hearing", "decided_by", "decided_on", "appeal", "final_on", "told_on"),
    "status",
)
_CONDUCT_SHARE: Final = 0.03


def write(folder: Path, *, sizes: Sequence[int], applicants: int, seed: int, model: ErrorModel = STATED) -> None:
    """Write a federation's files: one member per size. Seven of ten applicants are officers of another than the first,
    which is the one that asks.
    """
    population = Population(seed, model)
    total, planted_count = sum(sizes), applicants * 7 // 10
    asker = sizes[0] if len(sizes) > 1 else 0  # nobody asks the hub about its own officers
    chosen = set(population.rng.sample(range(asker, total), planted_count))
    planted: list[tuple[Person, str, str, Planted]] = []
    people = population.people(total)
    folder.mkdir(parents=True, exist_ok=True)
    members = [(f"{STATES[n % len(STATES)]}99{n + 1:02d}000", f"Agency {n + 1}") for n in range(len(sizes))]
    index = itertools.count()
    for (ori, _), size in zip(members, sizes, strict=True):
        with _Files(folder / ori) as files:
            for number in range(size):
                truth, key = next(people), f"E{number + 1:06d}"
                if next(index) in chosen:
                    pair = population.planted(truth)
                    planted.append((pair.applicant, ori, key, pair))
                    record = pair.record
                else:
                    record = population.record(truth)
                files.officer(key, ori, record, population.rng)
    rows = [
        *planted,
        *((population.applicant(population.truth())[0], "", "", None) for _ in range(applicants - len(planted))),
    ]
    population.rng.shuffle(rows)
    _write_rows(folder / "members.csv", ("ori", "name", "state", "role"), ((o, n, o[:2], "agency") for o, n in members))
    _write_rows(folder / "applicants.csv", _OFFICERS[1:], (_person_cells(row[0]) for row in rows))
    _write_rows(
        folder / "truth.csv",
        ("applicant", "ori", "officer_key", "strong", "errors"),
        (
            (number, ori, key, "yes" if pair.strong else "no", " ".join(pair.errors))
            for number, (_, ori, key, pair) in enumerate(rows, start=1)
            if pair is not None
        ),
    )


class _Files:
    """The three canonical files of a member."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def __enter__(self) -> Self:
        names = {"officers": _OFFICERS, "employment": _EMPLOYMENT, "conduct": _CONDUCT}
        self._open = {n: (self._folder / f"{n}.csv").open("w", newline="", encoding="utf-8") for n in names}
        self._rows = {n: csv.writer(file, lineterminator="\n") for n, file in self._open.items()}
        for name, header in names.items():
            self._rows[name].writerow(header)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def officer(self, key: str, ori: str, person: Person, rng: random.Random) -> None:
        """An officer's rows: now and then with a conduct record that had fair process."""
        self._rows["officers"].writerow((key, *_person_cells(person)))
        hired = date(max(1975, (person.date_of_birth.year or 1980) + 22), 1, 1) + timedelta(days=rng.randrange(365))
        hired = min(hired, date(2024, 6, 1))
        gone = rng.random() < 0.5
        left = min(hired + timedelta(days=rng.randrange(300, 5000)), date(2025, 6, 1))
        cells = (left, rng.choice(_LEFT), "no") if gone else ("", "", "")
        self._rows["employment"].writerow((key, ori, rng.choice(_RANKS), "yes", hired, *cells))
        if rng.random() < _CONDUCT_SHARE:
            on = min(hired + timedelta(days=rng.randrange(100, 290)), date(2025, 1, 1))
            final, told = on + timedelta(days=60), on + timedelta(days=70)
            notice = on + timedelta(days=5)
            facts = (on, on, "A synthetic record.", "", "", "", f"Agency {ori}", notice, "held", "Board")
            self._rows["conduct"].writerow(
                (key, f"C-{key}", "suspension", *facts, on + timedelta(days=30), "none", final, told, "active")
            )


def _person_cells(person: Person) -> tuple[str, ...]:
    name, born = person.names[0], person.date_of_birth
    others = "; ".join(f"{other.family}, {other.given} {other.middle}".strip() for other in person.names[1:])
    cert = next((number for number in person.identifiers if number.kind == "cert"), None)
    numbers = (cert.issuer, cert.value) if cert else ("", "")
    return (name.family, name.given, name.middle, name.suffix, others, str(born), person.ssn, *numbers, "")


def _write_rows(path: Path, header: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    """Write a folder for `waypost-hub demo --data`."""
    parser = argparse.ArgumentParser(description="Write synthetic officers, applicants and the truth about them.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--officers", type=int, default=100_000, help="in all; the first member has 36 percent")
    parser.add_argument("--members", type=int, default=6)
    parser.add_argument("--applicants", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    first = args.officers * 36 // 100 if args.members > 1 else args.officers
    rest = max(1, args.members - 1)
    sizes = [first, *[(args.officers - first) // rest] * (args.members - 1)]
    write(args.folder, sizes=sizes, applicants=args.applicants, seed=args.seed)
    print(f"{sum(sizes)} officers of {args.members} members and {args.applicants} applicants in {args.folder}")


if __name__ == "__main__":
    main()
