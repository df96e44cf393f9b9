"""The demonstration, told to stop: nothing that it started outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

READY_TIMEOUT_S = 60.0


def running_on(folder: Path) -> list[str]:
    """Command lines of the processes that were started with a home in that folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has just ended
            continue
        if any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demonstration_that_is_told_to_stop_takes_its_processes_along(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "demo"
    program = [str(Path(sys.executable).with_name("waypost-hub")), "demo", "--keep", "--dir", str(folder)]
    with (tmp_path / "output").open("wb") as sink:
        demo = subprocess.Popen(  # SIGINT is ignored in what a shell runs in the background, and so in its children
            program,
            env=dict(os.environ),
            stdout=sink,
            stderr=sink,
            preexec_fn=_heed_interrupts,  # noqa: PLW1509 - one thread
        )
    try:
        deadline = time.monotonic() + READY_TIMEOUT_S
        log = folder / "hub.log"
        while not (log.exists() and b"waypost-hub serving" in log.read_bytes()):
            assert demo.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline, running_on(folder)
            time.sleep(0.05)
        assert len(running_on(folder)) >= len(("demo", "trustee", "hub"))
        demo.send_signal(number)
        demo.wait(READY_TIMEOUT_S)
    finally:
        demo.kill()
        demo.wait()
    assert running_on(folder) == []
