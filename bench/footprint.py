"""What Waypost takes of a machine: a node's start, memory at rest and under load, and what is installed."""

from __future__ import annotations

import asyncio
import importlib.metadata as installed
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import _links
import throughput
from _federation import Federation, Party
from _measure import SHORT, Report
from latency import TOKENS_PER_OFFICER, fill
from packaging.requirements import Requirement

from waypost.crypto.sealing import SealingKey
from waypost.hub.limits import CONCURRENT_CALLS_MAX

STARTS = 1 if SHORT else 5
CHECKS = 8 if SHORT else 400
LINKS = 10 if SHORT else 1000
REST_S = 0.5 if SHORT else 3.0
ASKER, HOLDER = 1, 2
ROOT = Path(__file__).parent.parent


def node(report: Report) -> None:
    """A federation with one real node: how long that takes to start, and what everybody holds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        federation = Federation(Path(folder) / "federation", LINKS + 2, acting=2)
        stack.callback(federation.stop)
        federation.start()
        home, store = federation.node_home(federation.parties[HOLDER - 1])
        officers = fill(store)
        store.close()
        federation.register(federation.parties[HOLDER - 1], [token for own in officers for token in own])
        report.figure("a node from its start until it is attached", statistics.median(starts(federation, home)), "s")
        trustee, hub, holder = *federation.processes[:2], federation.processes[-1]
        time.sleep(REST_S)
        for name, process in (("node", holder), ("hub", hub), ("trustee", trustee)):
            report.figure(f"memory of a {name} at rest", process.resident_mib, "MiB")
        before = hub.resident_mib
        federation.processes.append(_links.start(federation, federation.parties[2:]))
        report.figure(
            f"a hub's memory for an attached node ({LINKS})", (hub.resident_mib - before) / LINKS * 1024, "KiB"
        )
        asyncio.run(load(federation, officers))
        for name, process in (("node", holder), ("hub", hub)):
            report.figure(f"the most that a {name} took, after {CHECKS} checks at once", process.peak_mib, "MiB")


def starts(federation: Federation, home: Path) -> Iterator[float]:
    """Seconds of each start; the last node goes on running."""
    for number in range(STARTS):
        start = time.perf_counter()
        process = federation.serve_node(home)
        yield time.perf_counter() - start
        if number + 1 < STARTS:
            process.stop()
            federation.processes.remove(process)


async def load(federation: Federation, officers: list[list[bytes]]) -> None:
    """One asker asks the node as many checks as it can at a time."""
    parties, counted = federation.parties, throughput.Counted()
    one_time, asker = SealingKey.generate(), parties[ASKER - 1]
    member = throughput.Member(federation.channel(asker), {}, {}, counted.one)
    await member.attach(federation.roster.version)
    answered = counted.expect(CHECKS)

    def made(number: int, holder: Party) -> bytes:
        tokens = officers[number % len(officers)][:TOKENS_PER_OFFICER]
        return throughput.prepare(asker, holder, tokens, one_time).submission

    turn = asyncio.Semaphore(CONCURRENT_CALLS_MAX // 2)  # the hub refuses more calls at a time of one member

    async def submit(number: int) -> None:
        async with turn:
            await member.submit(made(number, parties[HOLDER - 1]))

    await asyncio.gather(*map(submit, range(CHECKS)))
    async with asyncio.timeout(600):
        await answered
    member.close()
    await member.channel.close()


def needed(name: str, seen: set[str]) -> set[str]:
    """The distribution of that name and all that it needs, without extras."""
    if name not in seen:
        seen.add(name)
        for text in installed.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed(requirement.name.lower(), seen)
    return seen


def install(report: Report) -> None:
    """The wheel, and what `pip install waypost` brings along."""
    with tempfile.TemporaryDirectory() as folder:
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT)]
        subprocess.run(wheel, check=True)
        (made,) = Path(folder).glob("*.whl")
        report.figure("size of the wheel", made.stat().st_size / 2**20, "MiB")
    packages = needed("waypost", set())
    report.figure("packages of a node's install, with Waypost", len(packages), "packages")
    files = (entry for name in packages - {"waypost"} for entry in installed.files(name) or ())
    size = sum(path.stat().st_size for path in (Path(str(entry.locate())) for entry in files) if path.is_file())
    report.figure("size of those packages on the disk", size / 2**20, "MiB")


def main() -> None:
    report = Report("footprint")
    node(report)
    install(report)
    report.done()


if __name__ == "__main__":
    main()
