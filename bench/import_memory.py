"""What an import takes in memory, as the file grows: `waypost-node import` in a process of its own, watched.

    python bench/import_memory.py [--short] [--rows ROWS]

Officers and five employments of each, by officer, as boards export them. With `--rows` one file of so many employments
is imported alone, and the memory of each tenth of the time is told as well. All persons are invented.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from _measure import SHORT, Report

from waypost.crypto.keystore import Keystore
from waypost.node.intake import COLUMNS, FileKind
from waypost.node.store import Store

NODE = Path(sys.executable).with_name("waypost-node")
SIZES = (500, 1_000) if SHORT else (40_000, 200_000)
STINTS = 5
PASSPHRASE = "synthetic"
GROWTH_MAX = 1.15
"""Of memory, for the longer file: the shorter one already fills all that is held at a time."""
SAMPLE_S = 0.2
DRAWN = random.Random(1)


@dataclass(slots=True)
class Watched:
    """A process: what it took in all, and its memory as time went by (empty where there is no /proc)."""

    seconds: float
    processor_s: float
    peak_mib: float
    samples_mib: list[float] = field(default_factory=list)

    def tenths(self) -> list[float]:
        """The most of each tenth of the time."""
        size = max(1, -(-len(self.samples_mib) // 10))
        return [max(self.samples_mib[at : at + size]) for at in range(0, len(self.samples_mib), size)]


def watch(command: Sequence[str | Path], environment: dict[str, str]) -> Watched:
    """Run it to its end."""
    samples: list[float] = []
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def sample() -> None:
        page = os.sysconf("SC_PAGE_SIZE") / 2**20
        while not ended.wait(SAMPLE_S):
            try:
                held = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            except OSError:
                return
            if held:  # not ended already
                samples.append(held * page)

    ended = threading.Event()
    sampler = threading.Thread(target=sample)
    sampler.start()
    _, status, used = os.wait4(process.pid, 0)
    ended.set()
    sampler.join()
    if os.waitstatus_to_exitcode(status):
        sys.exit("error: the import failed")
    seconds = time.perf_counter() - start
    return Watched(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, samples)


def write(path: Path, kind: FileKind, rows: Iterable[Sequence[str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS[kind])
        writer.writerows(rows)
    return path


def day(year: int) -> str:
    return f"{year}-{DRAWN.randint(1, 12):02}-{DRAWN.randint(1, 28):02}"


def officer(number: int) -> Sequence[str]:
    family, born = f"Synthetic{DRAWN.randint(1, 9999)}", day(DRAWN.randint(1945, 1985))
    return (f"S-{number:07}", family, "Avery", "Lane", "", "", born, "", "OR", f"P{number:07}", "")


def employment(number: int) -> Sequence[str]:
    stint, ori = number % STINTS, f"OR99{DRAWN.randint(0, 400):03}00"
    hired, left = day(1980 + stint * 8), day(1987 + stint * 8)
    return (f"S-{number // STINTS:07}", ori, "Officer", "yes", hired, left, "resigned", "no")


def imported(rows: int) -> Watched:
    """The import of so many employments, and of their officers."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        Keystore.create(home / "keys", PASSPHRASE, {"column": bytes(32)})
        officers = write(home / "officers.csv", FileKind.OFFICERS, map(officer, range(rows // STINTS)))
        jobs = write(home / "employment.csv", FileKind.EMPLOYMENT, map(employment, range(rows)))
        environment = {**os.environ, "WAYPOST_HOME": name, "WAYPOST_PASSPHRASE": PASSPHRASE}
        watched = watch([NODE, "import", officers, jobs], environment)
        with Store.open(home / "node.db", bytes(32)) as store:
            assert (store.officers.count(), store.employment.count()) == (rows // STINTS, rows)
        return watched


def main() -> None:
    report = Report("import memory")
    wanted = int(sys.argv[sys.argv.index("--rows") + 1]) if "--rows" in sys.argv else 0
    peaks = []
    for rows in (wanted,) if wanted else SIZES:
        watched = imported(rows)
        peaks.append(watched.peak_mib)
        everything = rows + rows // STINTS
        report.figure(f"{rows:,} employments: most memory", watched.peak_mib, "MiB")
        report.figure(f"{rows:,} employments: rows a second, officers too", everything / watched.seconds, "rows/s")
        report.figure(f"{rows:,} employments: processor time a row", watched.processor_s / everything, "s")
        if wanted:
            for tenth, most in enumerate(watched.tenths(), start=1):
                report.figure(f"{rows:,} employments: most memory in tenth {tenth} of the time", most, "MiB")
    if not wanted:
        growth = peaks[-1] / peaks[0]
        report.figure(f"memory for {SIZES[-1] // SIZES[0]} times the rows", growth, "", target=GROWTH_MAX)
    report.done()


if __name__ == "__main__":
    main()
