"""A trustee, a hub and members for the benchmarks, founded in seconds: members are rows and a roster signed by both.

Real processes serve on the homes. What operators and nodes would do over weeks (invitations, joining, registering
millions of tokens) is left in the databases directly, in the form in which the programs themselves leave it.
"""

from __future__ import annotations

import gc
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from _process import ADDRESS, PASSPHRASE, Process, command
from grpc import aio
from sqlalchemy import insert

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, countersign
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.crypto.serving import channel_options, utc_now
from waypost.crypto.split_oprf import HalfKey
from waypost.hub import members, schema
from waypost.hub import settings as hub_settings
from waypost.hub.database import open_engine
from waypost.node import settings as node_settings
from waypost.node.federation import Federation as NodeFederation
from waypost.node.federation import authority_path, certificate_path, write_federation
from waypost.node.store import Store, StoredRoster
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX
from waypost.protocol.roster import Roster, parse_roster
from waypost.trustee import settings as trustee_settings
from waypost.trustee.store import Store as TrusteeStore
from waypost.v1 import envelope_pb2, roster_pb2

EPOCH = 1


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ori_of(number: int) -> str:
    """A synthetic ORI."""
    return f"CA{number:05d}00"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Party:
    """A member: its row's number, which also makes its ORI, its signing key, and its TLS certificate (PEM)."""

    number: int
    signing: SigningKey
    certificate: bytes

    @property
    def ori(self) -> str:
        return ori_of(self.number)


@dataclass
class Federation:
    """Homes below `folder`; `parties` are its members, of which the first `acting` have keys of their own."""

    folder: Path
    count: int
    acting: int
    parties: list[Party] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    hub: Process | None = None
    address: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        trustee = trustee_settings.Home(self.folder / "trustee")
        self._trustee_address = f"{ADDRESS}{free_port()}"
        trustee_settings.found(trustee, PASSPHRASE, self._trustee_address)
        place = hub_settings.Home(self.folder / "hub")
        wanted = hub_settings.Settings(f"{ADDRESS}0", f"{ADDRESS}0", "127.0.0.1", self._trustee_address, "")
        hub_settings.found(place, PASSPHRASE, wanted, trustee.public)
        shutil.copyfile(place.public, trustee.hub)
        keys = Keystore.open(place.keys, PASSPHRASE)
        trustee_keys = Keystore.open(trustee.keys, PASSPHRASE)
        self.hub_key = SigningKey.from_seed(keys.get("signing"))
        self.trustee_key = SigningKey.from_seed(trustee_keys.get("signing"))
        self.authority = pki.CertificateAuthority.from_bytes(keys.get("ca"))
        self.tls_key = pki.new_key_pem()
        """All members' TLS key: making thousands of them is not what is measured."""
        halves = [HalfKey.from_bytes(held.get("index-1")).public for held in (keys, trustee_keys)]
        self._join(place, trustee, halves)

    def _join(self, place: hub_settings.Home, trustee: trustee_settings.Home, halves: list[bytes]) -> None:
        silent = SigningKey.generate()
        for number in range(1, self.count + 1):
            request = pki.make_csr(self.tls_key, ori_of(number))
            certificate = self.authority.issue(request, name=ori_of(number), server=False, now=utc_now())
            key = SigningKey.generate() if number <= self.acting else silent
            self.parties.append(Party(number, key, certificate))
        self.sealing = SealingKey.generate()
        active, agency = roster_pb2.MEMBER_STATUS_ACTIVE, roster_pb2.ROLE_AGENCY
        rows = [
            members.MemberRow(
                party.ori, party.ori, party.ori[:2], agency, active, party.signing.public, self.sealing.public
            )
            for party in self.parties
        ]
        roots = members.RosterRoots(self.hub_key.public, self.trustee_key.public, EPOCH, *halves)
        envelope = countersign(members.make_roster(rows, roots, None, self.hub_key, now_ms()), self.trustee_key)
        self.envelope: envelope_pb2.Envelope = envelope
        self.roster: Roster = parse_roster(envelope.payload)
        with closing(TrusteeStore(trustee.database)) as store:
            store.put_roster(self.roster.version, envelope)
        engine = open_engine(hub_settings.database_url(place, hub_settings.read_settings(place)))
        columns = ("ori", "name", "state", "role", "status", "signing_public_key", "sealing_public_key")
        more = {"application": b"", "joined_at_ms": now_ms()}
        agreed = {"epoch": EPOCH, "agreed_at_ms": now_ms()}
        with engine.begin() as connection:
            content = [{**{name: getattr(row, name) for name in columns}, **more} for row in rows]
            connection.execute(insert(schema.members), content)
            connection.execute(insert(schema.rosters), {"version": 1, "envelope": envelope.SerializeToString()})
            states = [{"member_id": party.number, **agreed} for party in self.parties]
            connection.execute(insert(schema.index_states), states)
        engine.dispose()

    @property
    def database(self) -> Path:
        return self.folder / "hub" / "hub.db"

    def register(self, party: Party, tokens: Sequence[bytes]) -> None:
        """Leave these tokens in the index."""
        with sqlite3.connect(self.database) as connection:
            rows = [(EPOCH, token, party.number) for token in tokens]
            connection.executemany("INSERT INTO pointers (epoch, token, member_id) VALUES (?, ?, ?)", rows)
        connection.close()

    def fill_index(self, tokens: int) -> None:
        """Random tokens of the members that do not act: sorted first, so that twenty million take two minutes."""
        gc.collect()  # founding has left connections open, and the journal's mode is changed by the only one
        connection = sqlite3.connect(self.database, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"):
            connection.execute(f"PRAGMA {pragma}")
        (index,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'pointers_by_member'").fetchone()
        connection.execute("DROP INDEX pointers_by_member")
        connection.execute(
            "INSERT INTO pointers (epoch, token, member_id) WITH RECURSIVE n (i) AS "
            "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "SELECT 1, randomblob(16) AS token, ? + abs(random()) % ? FROM n ORDER BY token",
            (tokens, self.acting + 1, self.count - self.acting),
        )
        connection.execute(index)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.close()

    def start(self) -> None:
        """Start trustee and hub."""
        for name in ("trustee", "hub"):
            program = [command(f"waypost-{name}"), "serve", "--home", self.folder / name]
            self.processes.append(Process(program, self.folder / f"{name}.log", "serving"))
        self.hub = self.processes[1]
        line = [process.wait() for process in self.processes][1]
        self.address = line.partition("links on ")[2].partition(",")[0]

    def node_home(self, party: Party) -> tuple[Path, Store]:
        """A home for a node of that member, which has joined; and its store, open."""
        home = self.folder / party.ori
        home.mkdir(mode=0o700)
        secrets = {
            node_settings.SIGNING_KEY: party.signing.seed,
            node_settings.SEALING_KEY: self.sealing.to_bytes(),
            node_settings.TLS_KEY: self.tls_key,
            node_settings.COLUMN_KEY: os.urandom(32),
        }
        keys = Keystore.create(node_settings.keys_path(home), PASSPHRASE, secrets)
        roots = (self.hub_key.public, self.trustee_key.public)
        write_federation(home, NodeFederation(party.ori, self.address, *roots, self.address, bytes(32)))
        certificate_path(home).write_bytes(party.certificate)
        authority_path(home).write_bytes(self.authority.certificate_pem)
        store = node_settings.open_store(home, keys)
        store.rosters.put(StoredRoster(self.roster.version, self.envelope.SerializeToString(), now_ms()))
        return home, store

    def serve_node(self, home: Path) -> Process:
        """Start a node and wait until it is attached."""
        program = [command("waypost-node"), "serve", "--home", home]
        node = Process(program, home.with_suffix(".log"), "attached")
        self.processes.append(node)
        node.wait()
        return node

    def channel(self, party: Party, address: str = "") -> aio.Channel:
        """A connection to the hub, or to a relay in its name, as that member."""
        credentials = pki.channel_credentials(
            root_pem=self.authority.certificate_pem, key_pem=self.tls_key, certificate_pem=party.certificate
        )
        options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
        return aio.secure_channel(address or self.address, credentials, options=options)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()
