"""A federation of real processes: a trustee, a hub and one node per member, each with its own home folder.

Everything is done through the commands that operators use; nothing here reaches into another party's code or files,
except that one passphrase file serves all parties (on real machines each party has its own).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from waypost.hub.demo.errors import DemoError
from waypost.hub.demo.members import DemoMember
from waypost.protocol.shell import INSTALL_HUB_HINT

START_TIMEOUT_S: Final = 60.0
"""A process that has not said it is ready by then will not be: cold starts take about two seconds."""

INDEX_STALL_TIMEOUT_S: Final = 300.0
"""Indexing may take long with much data; it has failed when nothing has moved for this long."""

STOP_TIMEOUT_S: Final = 10.0
"""From the request to end until the process is killed."""

SETUP_WORKERS: Final = 4
"""Members set up at a time: each is mostly waiting for its own process to start."""

_POLL_S: Final = 0.2


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def program(name: str) -> str:
    """Path of one of Waypost's own commands, preferring the environment this interpreter belongs to."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise DemoError(f"the command {name} is not installed", hint=INSTALL_HUB_HINT)
    return found


@dataclass(slots=True)
class Service:
    """A running process whose output goes to a log file, with the line it said when ready."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Federation:
    """Homes under `folder` (trustee/, hub/, one per ORI) and the processes that run on them."""

    folder: Path
    members: tuple[DemoMember, ...]
    services: dict[str, Service] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def passphrase_file(self) -> Path:
        """The one passphrase of the demonstration."""
        return self.folder / "passphrase"

    def home(self, party: str) -> Path:
        """Home folder of "hub", "trustee" or an ORI."""
        return self.folder / party

    def run(self, name: str, *arguments: str, accept: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; DemoError with its own last words unless its exit code is accepted."""
        done = subprocess.run(  # noqa: S603 - our own commands with arguments of our own
            [program(name), *arguments], env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode not in accept:
            words = (done.stderr or done.stdout).strip()
            raise DemoError(f"`{name} {' '.join(arguments[:2])}` failed: {words}", hint=f"homes are in {self.folder}")
        return done

    def node(self, ori: str, *arguments: str, accept: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run a waypost-node command of one member."""
        return self.run("waypost-node", *arguments, "--home", str(self.home(ori)), accept=accept)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "WAYPOST_PASSPHRASE_FILE": str(self.passphrase_file),
            "COLUMNS": os.environ.get("COLUMNS", "110"),
            "GRPC_VERBOSITY": "NONE",
        }

    def start(self, key: str, name: str, *arguments: str, ready: str) -> Service:
        """Start a process and wait until its output holds `ready`."""
        log = self.folder / f"{key}.log"
        with log.open("ab") as sink:
            before = sink.tell()  # a service that is started again adds to its log
            process = subprocess.Popen(  # noqa: S603 - our own commands
                [program(name), *arguments], env=self._environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        service = Service(key, process, log)
        with self._lock:
            self.services[key] = service
        deadline = time.monotonic() + START_TIMEOUT_S
        while ready.encode() not in log.read_bytes()[before:]:
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text(errors="replace").strip().splitlines()[-3:]
                raise DemoError(f"{key} did not start: {' / '.join(last)}", hint=f"its output is in {log}")
            time.sleep(_POLL_S)
        return service

    def found(self) -> None:
        """Set up and start trustee and hub."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.passphrase_file.touch(mode=0o600)
        self.passphrase_file.write_text(secrets.token_urlsafe(24) + "\n")
        trustee, hub = str(self.home("trustee")), str(self.home("hub"))
        trustee_address, link, enrol = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.run("waypost-trustee", "init", "--home", trustee, "--listen", trustee_address)
        self.run(
            *("waypost-hub", "init", "--home", hub, "--trustee", str(self.home("trustee") / "trustee.json")),
            *("--trustee-address", trustee_address, "--listen", link, "--enrol-listen", enrol),
        )
        self.run("waypost-trustee", "accept", str(self.home("hub") / "hub.json"), "--home", trustee)
        self.run("waypost-trustee", "admit", *(member.ori for member in self.members), "--home", trustee)
        self.start_trustee()
        self.start_hub()

    def start_trustee(self) -> Service:
        """Start the trustee."""
        return self.start(
            "trustee", "waypost-trustee", "serve", "--home", str(self.home("trustee")), ready="waypost-trustee serving"
        )

    def start_hub(self) -> Service:
        """Start the hub."""
        return self.start("hub", "waypost-hub", "serve", "--home", str(self.home("hub")), ready="waypost-hub serving")

    def start_node(self, ori: str) -> Service:
        """Start one member's node and wait until it is attached."""
        return self.start(ori, "waypost-node", "serve", "--home", str(self.home(ori)), ready="attached")

    def enrol(self, member: DemoMember) -> None:
        """Invite one member, let it join, and start its node."""
        invited = self.run(
            *("waypost-hub", "invite", member.ori, "--name", member.name, "--state", member.state),
            *("--role", member.role, "--home", str(self.home("hub")), "--json"),
        )
        code = str(json.loads(invited.stdout)["join_code"])
        self.node(member.ori, "init")
        self.node(member.ori, "join", code)
        self.start_node(member.ori)

    def enrol_all(self, *, load: bool = True) -> dict[str, dict[str, Any]]:
        """Enrol every member, several at a time, and import its files; the import summaries by ORI."""

        def one(member: DemoMember) -> dict[str, Any]:
            self.enrol(member)
            return self.import_files(member) if load else {}

        with ThreadPoolExecutor(SETUP_WORKERS) as pool:
            return dict(zip((member.ori for member in self.members), pool.map(one, self.members), strict=True))

    def import_files(self, member: DemoMember) -> dict[str, Any]:
        """Import one member's files; the summary that the command prints with --json."""
        if not member.files:
            return {}
        done = self.node(member.ori, "import", *(str(path) for path in member.files), "--json")
        summary: dict[str, Any] = json.loads(done.stdout)
        return summary

    def status(self, ori: str) -> dict[str, Any]:
        """What `waypost-node status --json` says."""
        facts: dict[str, Any] = json.loads(self.node(ori, "status", "--json").stdout)
        return facts

    def wait_until_indexed(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Wait until every member's officers are in the blind index."""
        waiting = {member.ori for member in self.members}
        seen: dict[str, tuple[int, int]] = {}
        last_change = time.monotonic()
        while waiting:
            for ori in sorted(waiting):
                facts = self.status(ori)
                now = (int(facts["officers_indexed"]), int(facts["officers"]))
                if now != seen.get(ori):
                    seen[ori], last_change = now, time.monotonic()
                if facts["index_agreed"]:
                    waiting.discard(ori)
            if progress is not None:
                progress(sum(done for done, _ in seen.values()), sum(total for _, total in seen.values()))
            if time.monotonic() - last_change > INDEX_STALL_TIMEOUT_S:
                raise DemoError(f"indexing stands still at {', '.join(sorted(waiting))}", hint=f"see {self.folder}")
            if waiting:
                time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop everything, nodes first."""
        with ThreadPoolExecutor(SETUP_WORKERS) as pool:
            list(pool.map(Service.stop, reversed(list(self.services.values()))))
