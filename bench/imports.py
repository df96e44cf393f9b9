"""Importing a file: Waypost's import, with validation and the fair-process gate, beside `sqlite-utils insert --csv`.

Both read the same file into a new SQLite database within this process: sqlite-utils copies the cells, Waypost judges
each, finds its officer, compares it with what is held, and writes digests. The officers are there already.
"""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from _measure import SHORT, Report
from click.testing import CliRunner
from sqlite_utils.cli import cli

from waypost.node.intake import COLUMNS, FileKind, Source, canonical, import_tables
from waypost.node.store import Store

ROWS = 300 if SHORT else 30_000
OFFICERS = ROWS // 3
TODAY = date(2026, 11, 24)
DRAWN = random.Random(1)


def write(path: Path, kind: FileKind, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[kind], restval="")
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


def rate(folder: Path, people: Path, path: Path, table: str) -> tuple[float, float]:
    """Rows a second of Waypost, and of sqlite-utils."""
    with tempfile.TemporaryDirectory(dir=folder) as home, Store.open(Path(home) / "node.db", bytes(32)) as store:
        times = []
        for each in (people, path):
            start = time.perf_counter()
            report = import_tables(
                store,
                canonical(Source.of_path(each)),
                rejects_folder=Path(home) / "rejects",
                at_ms=1,
                today=TODAY,
            )
            times.append(time.perf_counter() - start)
        assert report.tally().new == ROWS
        start = time.perf_counter()
        done = CliRunner().invoke(cli, ["insert", str(Path(home) / "plain.db"), table, str(path), "--csv"])
        theirs = time.perf_counter() - start
        assert done.exit_code == 0, done.output
    return ROWS / times[-1], ROWS / theirs


def main() -> None:
    report = Report("imports")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = write(folder / "officers.csv", FileKind.OFFICERS, officers())
        for kind, rows in ((FileKind.EMPLOYMENT, employment()), (FileKind.CONDUCT, conduct())):
            path = write(folder / f"{kind}.csv", kind, rows)
            rates = [rate(folder, people, path, kind) for _ in range(1 if SHORT else 5)]
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
