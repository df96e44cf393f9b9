"""The federation's two real processes as their operators found and run them, and what a member says."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from _federation import free_port, now_ms
from _process import ADDRESS, ENVIRONMENT, PASSPHRASE, Process, command

sys.path.append(str(Path(__file__).parents[1]))
from tests.parties.messages import Messages

__all__ = ["PASSPHRASE", "Messages", "Parties", "Party", "now_ms", "raise_file_limit"]

_START_S: Final = 300.0
_FILES_WANTED: Final = 65_536


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
    """A party's home, and its process once it was started. Its log is beside its home."""

    command: str
    home: Path
    _process: Process | None = None

    def do(self, *arguments: str) -> str:
        """Run one of the operator's commands to its end; what it printed."""
        program = [str(command(self.command)), *arguments, "--home", str(self.home)]
        return subprocess.run(program, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True).stdout

    def start(self) -> float:
        """Start it, and wait until it says that it serves; seconds."""
        began = time.perf_counter()
        self._process = Process([command(self.command), "serve", "--home", self.home], self.log, "serving")
        self._process.wait(_START_S)
        return time.perf_counter() - began

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()


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
        trustee, self.address, self.enrolment = (f"{ADDRESS}{free_port()}" for _ in range(3))
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
