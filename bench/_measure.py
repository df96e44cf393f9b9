"""How the benchmarks measure: Waypost and its limit in turn, several rounds, medians and their ratio.

A program makes a Report, adds comparisons, and ends with `report.done()`, which prints the table and, when
WAYPOST_BENCH_RESULTS names a file, appends the rows to it as JSON lines. `--short` (or WAYPOST_BENCH_SHORT=1) asks for
the form that only shows that the program works: a round or two of everything.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

SHORT = "--short" in sys.argv or os.environ.get("WAYPOST_BENCH_SHORT") == "1"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. With a limit: seconds a call of both, and ours / limit. Without: `value` in `unit`."""

    bench: str
    name: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        figure = self.ratio if self.ratio is not None else self.value
        return figure >= self.target if self.at_least else figure <= self.target


@dataclass(slots=True)
class Report:
    """The rows of one program."""

    bench: str
    rows: list[Row] = field(default_factory=list)

    def compare(
        self,
        name: str,
        ours: Callable[[], object],
        limit: Callable[[], object],
        *,
        target: float | None = None,
        rounds: int = 9,
        calls: int = 1,
    ) -> None:
        """Run both in turn, `calls` at a time, and add medians and their ratio; the target is the highest ratio.

        Beside a peer, which is no limit, there is none.
        """
        rounds, calls = (2, 1) if SHORT else (rounds, calls)
        ours(), limit()  # both warm
        times = [(_seconds(ours, calls), _seconds(limit, calls)) for _ in range(rounds)]
        mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(a / b for a, b in times)
        self.rows.append(Row(self.bench, name, mine, "s", theirs, ratio, target))

    def figure(
        self, name: str, value: float, unit: str, *, target: float | None = None, at_least: bool = False
    ) -> None:
        """Add a figure that has no limit beside it."""
        self.rows.append(Row(self.bench, name, value, unit, target=target, at_least=at_least))

    def add(self, row: Row) -> None:
        """Add a row that the program measured itself."""
        self.rows.append(row)

    def done(self) -> None:
        """Print the table, and leave the rows for whoever collects them."""
        print(f"\n{self.bench}")
        for row in self.rows:
            print("  " + _line(row))
        target = os.environ.get("WAYPOST_BENCH_RESULTS")
        if target:
            with Path(target).open("a") as sink:
                for row in self.rows:
                    sink.write(json.dumps({**asdict(row), "met": row.met}) + "\n")


def _seconds(work: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def shown(value: float, unit: str) -> str:
    """A figure as people read it: seconds in the unit that fits, others with three significant digits."""
    if unit != "s":
        return f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"
    for factor, small in ((1, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1 or small == "us":
            return f"{value * factor:.3g} {small}"
    raise AssertionError


def times(ratio: float) -> str:
    """A ratio as people read it."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


def _line(row: Row) -> str:
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    aim = "" if row.target is None else f"{'at least' if row.at_least else 'at most'} {row.target:g}"
    limit = "" if row.limit is None else f"limit {shown(row.limit, row.unit)}"
    ratio = "" if row.ratio is None else f"ratio {times(row.ratio)}"
    return f"{row.name:<58} {shown(row.value, row.unit):>14}  {limit:<16} {ratio:<11} {aim:<12} {verdict}".rstrip()
