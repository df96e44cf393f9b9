"""Importing a file: Waypost's import, with validation and the fair-process gate, beside `sqlite-utils insert --csv`.

Both read the same file into a new SQLite database within this process: sqlite-utils copies the cells, Waypost judges
each, finds its officer, compares it with what is held, and writes digests. The officers are there already;
a state's export brings its own.
"""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from _measure import SHORT, Report
from click.testing import CliRunner
from sqlite_utils.cli import cli

from waypost.node.intake import COLUMNS, FileKind, RowReader, Source, canonical, import_tables, profiled
from waypost.node.intake.folding import normal
from waypost.node.intake.profiles import shipped_profiles
from waypost.node.store import Store

ROWS = 300 if SHORT else 30_000
OFFICERS = ROWS // 3
AGENCY = "Testburg Police Department"
TODAY = date(2026, 11, 24)
DRAWN = random.Random(1)


def write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def day(year: int) -> str:
    return f"{year}-{DRAWN.randint(1, 12):02}-{DRAWN.randint(1, 28):02}"


def officers() -> list[dict[str, str]]:
    return [
        {
            "officer_key": f"S-{number:06}",
            "family_name": f"Synthetic{DRAWN.randint(1, 999)}",
            "given_name": "Avery",
            "date_of_birth": day(DRAWN.randint(1950, 1990)),
        }
        for number in range(OFFICERS)
    ]


def employment() -> list[dict[str, str]]:
    return [
        {
            "officer_key": f"S-{number // 3:06}",
            "ori": f"OR99{DRAWN.randint(10000, 99999)}",
            "rank": "Officer",
            "sworn": "yes",
            "hired_on": day(1980 + number % 3 * 15),
            "separated_on": day(1990 + number % 3 * 15),
            "separation_kind": "resigned",
        }
        for number in range(ROWS)
    ]


def conduct() -> list[dict[str, str]]:
    fair = {"notice_on": "2020-02-01", "hearing": "held", "decided_by": "Synthetic Board", "decided_on": "2020-03-01"}
    fair |= {"appeal": "none", "final_on": "2020-05-01", "told_on": "2020-06-01", "status": "active"}
    return [
        {"officer_key": f"S-{number // 3:06}", "record_key": f"R-{number}", "kind": "suspension", **fair}
        for number in range(ROWS)
    ]


def florida() -> list[dict[str, str]]:
    """Rows of a state's export, an employment each, of which a profile makes officers and employments."""
    return [
        {
            "employment_nbr": str(900_000 + number),
            "person_nbr": str(number // 3),
            "employ_class": "LE",
            "employ_start_date": f"{1 + number % 12}/{1 + number % 28}/{1980 + number % 3 * 15} 0:00:00",
            "separation_date": f"{1 + number % 12}/{1 + number % 28}/{1990 + number % 3 * 15} 0:00:00",
            "separation_code": "Vol",
            "last_name": "Synthetic",
            "first_name": "Avery",
            "middle_name": "Lane",
            "birth_year": "1972.0",
            "agcy_name": AGENCY,
        }
        for number in range(ROWS)
    ]


Reader = Callable[[Path], Sequence[RowReader]]


def by_header(path: Path) -> Sequence[RowReader]:
    return canonical(Source.of_path(path))


def by_profile(path: Path) -> Sequence[RowReader]:
    return profiled(Source.of_path(path), shipped_profiles()["florida-employment"], {normal(AGENCY): "FL9900400"})


def rate(folder: Path, files: Sequence[Path], read: Reader) -> tuple[float, float]:
    """Rows of the last file a second: of Waypost, which has imported those before, and of sqlite-utils."""
    path = files[-1]
    with tempfile.TemporaryDirectory(dir=folder) as home, Store.open(Path(home) / "node.db", bytes(32)) as store:
        times = []
        for each in files:
            start = time.perf_counter()
            report = import_tables(
                store,
                read(each),
                rejects_folder=Path(home) / "rejects",
                at_ms=1,
                today=TODAY,
            )
            times.append(time.perf_counter() - start)
        assert report.tally().new == ROWS
        start = time.perf_counter()
        done = CliRunner().invoke(cli, ["insert", str(Path(home) / "plain.db"), "plain", str(path), "--csv"])
        theirs = time.perf_counter() - start
        assert done.exit_code == 0, done.output
    return ROWS / times[-1], ROWS / theirs


def main() -> None:
    report = Report("imports")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = write(folder / "officers.csv", COLUMNS[FileKind.OFFICERS], officers())
        jobs = write(folder / "employment.csv", COLUMNS[FileKind.EMPLOYMENT], employment())
        records = write(folder / "conduct.csv", COLUMNS[FileKind.CONDUCT], conduct())
        rows = florida()
        cases: dict[str, tuple[Sequence[Path], Reader]] = {
            "employment": ((people, jobs), by_header),
            "conduct": ((people, records), by_header),
            "by a profile": ((write(folder / "florida.csv", [*rows[0]], rows),), by_profile),
        }
        for kind, (files, read) in cases.items():
            rates = [rate(folder, files, read) for _ in range(1 if SHORT else 5)]
            ours, theirs = (sorted(column)[len(rates) // 2] for column in zip(*rates, strict=True))
            ratios = sorted(mine / other for mine, other in rates)
            report.figure(f"{kind}: rows imported a second", ours, "rows/s")
            report.figure(f"{kind}: rows sqlite-utils inserts a second", theirs, "rows/s")
            report.figure(
                f"{kind}: Waypost's rows for each of sqlite-utils",
                ratios[len(ratios) // 2],
                "",
                target=0.5,
                at_least=True,
            )
    report.done()


if __name__ == "__main__":
    main()
