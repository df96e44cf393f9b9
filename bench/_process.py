"""Processes of the benchmarks: started, waited for, watched, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PASSPHRASE = "synthetic"
ENVIRONMENT = {**os.environ, "WAYPOST_PASSPHRASE": PASSPHRASE, "GRPC_VERBOSITY": "NONE"}
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
ADDRESS = "127.0.0.1:"


class Process:
    """A party's process, whose output goes to a file; started when that says so."""

    def __init__(self, program: Sequence[object], log: Path, ready: str) -> None:
        self._log, self._ready = log, ready
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [str(word) for word in program],
                env=ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def wait(self, timeout_s: float = START_TIMEOUT_S, said: str = "") -> str:
        """The line that says that it is ready, or something else."""
        wanted = said or self._ready
        until = time.monotonic() + timeout_s
        while True:
            line = next((line for line in self._log.read_text().splitlines() if wanted in line), None)
            if line is not None:
                return line
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit(f"error: {self._log.stem} did not say {wanted!r}: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def processor_s(self) -> float:
        """Seconds of processor that it has used so far, all threads together; the system tells it to 10 ms."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mib(self) -> float:
        """Memory that it holds now."""
        return self._memory_mib("VmRSS")

    @property
    def peak_mib(self) -> float:
        """The most memory that it has held."""
        return self._memory_mib("VmHWM")

    def forget_peak(self) -> None:
        """Begin `peak_mib` anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    @property
    def open_files(self) -> int:
        """Files and sockets that it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def _memory_mib(self, name: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def command(name: str) -> Path:
    """One of Waypost's own commands."""
    return Path(sys.executable).with_name(name)
