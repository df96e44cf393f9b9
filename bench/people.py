"""Synthetic officers and applicants as files, and the truth about who is who.

    python bench/people.py FOLDER --officers 100000 --applicants 1000 --members 6 --seed 1

writes FOLDER/<ORI>/officers.csv, employment.csv and conduct.csv, FOLDER/members.csv, FOLDER/applicants.csv and
FOLDER/truth.csv (applicant,ori,officer_key,strong,errors). No real person: _population.py says where names come from,
_errors.py what goes wrong and how often.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Self

from _errors import STATED, ErrorModel
from _population import STATES, Planted, Population

from waypost.node.persons import Person

_RANKS: Final = ("Officer", "Officer", "Officer", "Deputy", "Detective", "Sergeant", "Lieutenant")
_LEFT: Final = ("resigned", "resigned", "retired", "laid_off", "resigned")
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
