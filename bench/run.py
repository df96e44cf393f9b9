"""Run every benchmark, keep the results in bench/results.json, and put the table into docs/performance.md.

    python bench/run.py [--short] [NAME ...]

A name is a program of this folder without its ending. `--short` only shows that each program works; it writes nothing.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from _measure import SHORT, shown, times

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
RESULTS = HERE / "results.json"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SEPARATE = {"run", "people"} | (set() if SHORT else {"country"})
"""Not run with the others: this program, one that makes persons, and one that takes hours, unless its short form is
enough."""
PEERS = {"linkage", "psi", "rounds"}
"""Beside peers that `make peers` installs: no part of the short form, and skipped with a sentence without them."""


def programs(wanted: list[str]) -> list[Path]:
    """The programs to run, by name."""
    names = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
    left_out = SEPARATE | PEERS if SHORT else SEPARATE
    chosen = wanted or [name for name in names if name not in left_out]
    unknown = set(chosen) - set(names)
    if unknown:
        sys.exit(f"error: no benchmark is named {', '.join(sorted(unknown))}\nhint: there are {', '.join(names)}")
    return [HERE / f"{name}.py" for name in chosen]


def run(paths: list[Path]) -> list[dict[str, object]]:
    """Run them one after the other; their rows."""
    with tempfile.TemporaryDirectory() as folder:
        sink = Path(folder) / "rows.jsonl"
        sink.touch()
        environment = {**os.environ, "WAYPOST_BENCH_RESULTS": str(sink), "WAYPOST_BENCH_SHORT": "1" if SHORT else "0"}
        for path in paths:
            subprocess.run([sys.executable, str(path)], env=environment, check=True)
        return [json.loads(line) for line in sink.read_text().splitlines()]


def machine() -> dict[str, str]:
    """Where and with what it was measured."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    packages = ("grpcio", "protobuf", "cryptography", "pynacl", "rbcl")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores of {cpu}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {metadata.version(name)}" for name in packages),
    }


def table(rows: list[dict[str, object]], where: dict[str, str]) -> str:
    """The page's table."""
    lines = [f"Measured on {where['date']}: {where['machine']}, Python {where['python']}, {where['packages']}.", ""]
    lines += ["| benchmark | what | Waypost | limit or peer | ratio | target | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        unit = str(row["unit"])
        limit = "" if row["limit"] is None else shown(float(str(row["limit"])), unit)
        ratio = "" if row["ratio"] is None else times(float(str(row["ratio"])))
        aim = "" if row["target"] is None else f"{'≥' if row['at_least'] else '≤'} {row['target']:g}"
        verdict = "" if row["met"] is None else "met" if row["met"] else "**missed**"
        value = shown(float(str(row["value"])), unit)
        lines.append(f"| {row['bench']} | {row['name']} | {value} | {limit} | {ratio} | {aim} | {verdict} |")
    return "\n".join(lines)


def main() -> None:
    """Run, and unless it was the short form of all or of some, write down."""
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    rows, where = run(programs(wanted)), machine()
    if SHORT or wanted:
        return
    RESULTS.write_text(json.dumps({"where": where, "rows": rows}, indent=1) + "\n")
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(rows, where)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
