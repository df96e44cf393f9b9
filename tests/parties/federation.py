"""A whole federation of real processes: a trustee, a hub and nodes, each with a home of its own, joined through relays.

Nodes reach the hub, and the hub the trustee, through a relay that a test may give rules (see relay.py). What operators
do is done by their own commands; what a check command leaves in its node's store is left there directly.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.parties import commands
from tests.parties.member import Member
from tests.parties.messages import now_ms
from tests.parties.relay import Relay, Side

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey
from waypost.crypto.keystore import Keystore
from waypost.node import asking, settings
from waypost.node.applicants import Inquiry
from waypost.node.cli.check import load
from waypost.node.intake import COLUMNS, FileKind
from waypost.node.persons import Person
from waypost.node.results import Result
from waypost.node.store import Store
from waypost.node.tokenizing import AGREED_STATE, EPOCH_STATE
from waypost.protocol.joincode import JoinCode, decode_join_code

WAIT_S = 90.0
POLL_S = 0.03
READY = {"waypost-hub": b"serving", "waypost-trustee": b"serving", "waypost-node": b"attached"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    until = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(POLL_S)


@dataclass
class Process:
    """One party's process on its home; its output is kept beside the home."""

    command: str
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.home.with_suffix(".log")

    def launch(self) -> None:
        """Start it, and do not wait."""
        program = [str(Path(sys.executable).with_name(self.command)), "serve", "--home", str(self.home)]
        with self.log.open("ab") as sink:
            environment = {**os.environ, **commands.ENVIRONMENT}
            self.process = subprocess.Popen(
                program, env=environment, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        before = self.log.stat().st_size if self.log.exists() else 0
        self.launch()
        wait_until(lambda: self._ready(before), f"{self.home.name} did not start: {self.log}")

    def _ready(self, before: int) -> bool:
        assert self.running, self.log.read_text()
        return READY[self.command] in self.log.read_bytes()[before:]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process = None
        return code

    def kill(self) -> None:
        """As when the power fails."""
        assert self.stop(signal.SIGKILL) == -signal.SIGKILL


class Node(Process):
    """An agency's node; its store is open in the tests' process as well, as a command's would be."""

    def __init__(self, ori: str, home: Path) -> None:
        super().__init__("waypost-node", home)
        self.ori = ori
        self.keys = Keystore.open(settings.keys_path(home), commands.PASSPHRASE)
        self.store: Store = settings.open_store(home, self.keys)

    @property
    def signing(self) -> SigningKey:
        return SigningKey.from_seed(self.keys.get(settings.SIGNING_KEY))

    def command_line(self, *arguments: str) -> commands.Done:
        return commands.run("waypost-node", *arguments, home=self.home)

    def load(self, officers: Sequence[Mapping[str, str]], conduct: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
        """Import officers and their records."""
        folder = self.home.with_suffix(".files")
        folder.mkdir(exist_ok=True)
        files = [write_csv(folder / "officers.csv", FileKind.OFFICERS, officers)]
        if conduct:
            files.append(write_csv(folder / "conduct.csv", FileKind.CONDUCT, conduct))
        done = self.command_line("import", *map(str, files), "--json")
        assert done.returncode == 0, done.stderr
        summary: dict[str, Any] = json.loads(done.stdout)
        assert not summary["rejected"], summary
        return summary

    def status(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.command_line("status", "--json").stdout)
        return facts

    def wait_indexed(self) -> None:
        store = self.store

        def indexed() -> bool:
            epoch = store.state.get_int(EPOCH_STATE)
            due = store.officers.dirty_count() + store.tokens.unregistered_count(epoch)
            return bool(store.state.get_int(AGREED_STATE)) and not due

        wait_until(indexed, f"{self.ori} is not indexed")

    def ask(self, person: Person, purpose: str = "hiring") -> bytes:
        """Leave a check in the store, as the command does; its id."""
        digest = b"\x01" * 32 if purpose == "hiring" else b""
        check = asking.new_check(Inquiry(person, purpose, "FILE-7" if digest else "", digest, "INV-3"), now_ms())
        self.store.checks.add(check)
        return check.id

    def result(self, check_id: bytes) -> Result:
        return load(self.store, check_id)

    def wait(self, check_id: bytes, until: Callable[[Result], object] | None = None) -> Result:
        """The check's result once it is complete, has failed, or is as wanted."""

        def done() -> bool:
            result = self.result(check_id)
            return bool(until(result)) if until else result.complete or result.check.state == asking.FAILED

        wait_until(done, f"{self.result(check_id)}")
        return self.result(check_id)

    def check(self, person: Person, purpose: str = "hiring") -> Result:
        return self.wait(self.ask(person, purpose))


@dataclass
class Federation:
    """Homes below `folder`. `relay` stands in front of the hub, `trustee_relay` in front of the trustee."""

    folder: Path
    nodes: dict[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hub = Process("waypost-hub", self.folder / "hub")
        self.trustee = Process("waypost-trustee", self.folder / "trustee")
        self._found()
        keys = Keystore.open(self.hub.home / "keys", commands.PASSPHRASE)
        trustee_keys = Keystore.open(self.trustee.home / "keys", commands.PASSPHRASE)
        self.hub_key = SigningKey.from_seed(keys.get("signing"))
        self.trustee_key = SigningKey.from_seed(trustee_keys.get("signing"))
        self.hub_authority = pki.CertificateAuthority.from_bytes(keys.get("ca"))
        trustee_authority = pki.CertificateAuthority.from_bytes(trustee_keys.get("ca"))
        hub_side = Side(pki.HUB_TLS_NAME, self.hub_authority)
        trustee_side = Side(pki.TRUSTEE_TLS_NAME, trustee_authority)
        self.relay = Relay(hub_side, self.hub_authority, self.link_address)
        self.trustee_relay = Relay(
            trustee_side, self.hub_authority, self._trustee_address, port=int(self._relayed.rpartition(":")[2])
        )

    def _found(self) -> None:
        self._trustee_address, self._relayed, self.link_address, enrol = (f"127.0.0.1:{free_port()}" for _ in range(4))
        self.do_trustee("init", "--listen", self._trustee_address)
        self.do_hub(
            "init",
            *("--trustee", str(self.trustee.home / "trustee.json"), "--trustee-address", self._relayed),
            *("--listen", self.link_address, "--enrol-listen", enrol),
        )
        self.do_trustee("accept", str(self.hub.home / "hub.json"))

    def start(self) -> None:
        """Start trustee and hub, until there is a roster."""
        self.trustee.start()
        self.hub.start()
        wait_until(lambda: self.roster_version() >= 1, "no roster")

    def stop(self) -> None:
        """Stop every process, one way or another."""
        for process in (*self.nodes.values(), self.hub, self.trustee):
            if process.running:
                process.stop(signal.SIGKILL)
        self.relay.stop()
        self.trustee_relay.stop()
        for node in self.nodes.values():
            node.store.close()

    def do_hub(self, *arguments: str) -> str:
        return commands.do("waypost-hub", *arguments, home=self.hub.home)

    def do_trustee(self, *arguments: str) -> str:
        return commands.do("waypost-trustee", *arguments, home=self.trustee.home)

    def invite(self, ori: str, role: str = "agency") -> JoinCode:
        more = ("--name", f"Agency {ori}", "--state", ori[:2], "--role", role, "--json")
        return decode_join_code(json.loads(self.do_hub("invite", ori, *more))["join_code"])

    def node(self, ori: str, role: str = "agency") -> Node:
        """An agency with a node of its own, which is running."""
        home = self.folder / ori
        self.do_trustee("admit", ori)
        code = self.invite(ori, role).encode()
        commands.do("waypost-node", "init", home=home)
        commands.do("waypost-node", "join", code, home=home)
        path = home / "federation.json"
        known = json.loads(path.read_text())
        path.write_text(json.dumps({**known, "hub_address": self.relay.address}))
        node = self.nodes[ori] = Node(ori, home)
        node.start()
        return node

    def member(self, ori: str, role: str = "agency") -> Member:
        """An agency that is no more than its keys and a socket, so that it can misbehave."""
        self.do_trustee("admit", ori)
        member = Member(ori, address=self.link_address)
        member.join(self.invite(ori, role))
        return member

    def wait_roster(self, version: int | None = None) -> None:
        """Wait until every node holds the newest roster, or that version."""
        wanted = version or self.roster_version()

        def held() -> bool:
            newest = [node.store.rosters.newest() for node in self.nodes.values() if node.running]
            return all(roster is not None and roster.version >= wanted for roster in newest)

        wait_until(held, f"roster {wanted} has not arrived")

    def roster_version(self) -> int:
        (version,) = self.query("hub", "SELECT coalesce(max(version), 0) FROM rosters")[0]
        return int(version)

    def database(self, party: str) -> Path:
        """The database of "hub", "trustee" or a node's ORI."""
        return self.folder / party / {"hub": "hub.db", "trustee": "trustee.db"}.get(party, "node.db")

    def query(self, party: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.database(party), timeout=20)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    @contextmanager
    def audited(self, party: str, event: str, *, subject: str | None = None, detail: str = "") -> Iterator[None]:
        """What happens inside leaves such an entry in the party's audit; `detail` is how its detail begins."""
        (mark,) = self.query(party, "SELECT coalesce(max(id), 0) FROM audit")[0]
        yield
        sql = "SELECT event, subject, detail FROM audit WHERE id > ?"

        def entered() -> bool:
            return any(
                row[0] == event and subject in {None, row[1]} and row[2].startswith(detail)
                for row in self.query(party, sql, mark)
            )

        until = time.monotonic() + WAIT_S / 3
        while not entered():
            assert time.monotonic() < until, (party, event, detail, self.query(party, sql, mark))
            time.sleep(POLL_S)


def write_csv(path: Path, kind: FileKind, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[kind], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


@contextmanager
def running(folder: Path) -> Iterator[Federation]:
    """A trustee and a hub, with relays; everything is stopped at the end."""
    federation = Federation(folder)
    try:
        federation.start()
        yield federation
    finally:
        federation.stop()
