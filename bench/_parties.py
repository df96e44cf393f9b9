"""The federation's two real processes for a benchmark, founded by their own commands, and what a member says."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[1]))
from tests.parties.messages import Messages, now_ms

__all__ = ["Messages", "Parties", "Party", "now_ms"]

PASSPHRASE: Final = "a benchmark's passphrase"
_START_S: Final = 300.0
_STOP_S: Final = 60.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_FILES_WANTED: Final = 65_536


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def raise_file_limit() -> int:
    """As many open files as this user may have, for this process and those that it starts; how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(hard, _FILES_WANTED), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, OSError):
            continue
        return wanted
    return hard


@dataclass
class Party:
    """One party's process. Its log is beside its home."""

    command: str
    home: Path
    process: subprocess.Popen[bytes] | None = None

    def do(self, *arguments: str) -> str:
        """Run one of the operator's commands to its end; what it printed."""
        program = [str(Path(sys.executable).with_name(self.command)), *arguments, "--home", str(self.home)]
        return subprocess.run(program, env=_environment(), check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self) -> float:
        """Start it, and wait until it says that it serves; seconds."""
        began, log = time.perf_counter(), self.home.with_suffix(".log")
        with log.open("wb") as sink:
            program = [str(Path(sys.executable).with_name(self.command)), "serve", "--home", str(self.home)]
            self.process = subprocess.Popen(
                program, env=_environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        while b"serving" not in log.read_bytes():
            if self.process.poll() is not None or time.perf_counter() - began > _START_S:
                sys.exit(f"error: {self.command} did not start\n{log.read_text()}")
            time.sleep(0.05)
        return time.perf_counter() - began

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    @property
    def cpu_s(self) -> float:
        """Processor time used so far, all threads."""
        fields = self._proc("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident_bytes(self) -> int:
        return self._status("VmRSS")

    @property
    def peak_bytes(self) -> int:
        """The most it was since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        self._proc("clear_refs").write_text("5")

    @property
    def open_files(self) -> int:
        return len(list(self._proc("fd").iterdir()))

    def _status(self, name: str) -> int:
        lines = self._proc("status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    def _proc(self, name: str) -> Path:
        assert self.process is not None
        return Path("/proc") / str(self.process.pid) / name


def _environment() -> dict[str, str]:
    return {**os.environ, "WAYPOST_PASSPHRASE": PASSPHRASE, "GRPC_VERBOSITY": "NONE"}


@dataclass
class Parties:
    """A trustee and a hub with homes below `folder`."""

    folder: Path
    hub: Party = field(init=False)
    trustee: Party = field(init=False)
    address: str = field(init=False)
    """Where members link."""
    enrolment: str = field(init=False)

    def __post_init__(self) -> None:
        self.hub = Party("waypost-hub", self.folder / "hub")
        self.trustee = Party("waypost-trustee", self.folder / "trustee")
        trustee, self.address, self.enrolment = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.trustee.do("init", "--listen", trustee)
        self.hub.do(
            "init",
            *("--trustee", str(self.trustee.home / "trustee.json"), "--trustee-address", trustee),
            *("--listen", self.address, "--enrol-listen", self.enrolment),
        )
        self.trustee.do("accept", str(self.hub.home / "hub.json"))

    @property
    def database(self) -> Path:
        return self.hub.home / "hub.db"

    def stop(self) -> None:
        self.hub.stop()
        self.trustee.stop()
