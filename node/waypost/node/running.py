"""What the tasks of a running node share: its keys and store, the roster and policies in force, and the link.

One loop, no locks: a task reads these between its own awaits, and only the daemon's own frames change them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from waypost.crypto.envelope import SigningKey, parse_envelope
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.node import settings
from waypost.node.answering import Self
from waypost.node.asking import Asker
from waypost.node.audit import Event
from waypost.node.due_process import windows_of
from waypost.node.errors import LinkError, PolicyError, SettingsError
from waypost.node.federation import Federation, read_federation
from waypost.node.hub_client import HubClient
from waypost.node.link import Link, LinkState
from waypost.node.policy import PolicyEngine, law_files, read_local
from waypost.node.store import AuditEntry, Store, StoredRoster
from waypost.node.terms import terms_of
from waypost.node.tokenizing import Evaluator, Threads
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster, accept_roster, open_roster
from waypost.v1 import envelope_pb2

_log = logging.getLogger("waypost.node")

POLL_S: Final = 0.25
"""How soon a task notices what a command left in the store."""
RETRY_S: Final = 5.0
"""Pause after the hub could not do what was asked."""
LINK_STATE: Final = "link"
LINK_REASON: Final = "link-reason"
TROUBLE_STATE: Final = "trouble"
_NOTE_CHARS_MAX: Final = 200


class Running:
    """The node as its tasks see it. `client` and `link` are None until the first connection."""

    def __init__(self, home: Path, keys: Keystore, store: Store) -> None:
        cores = os.cpu_count() or 1
        self.home = home
        self.store = store
        self.federation: Federation = read_federation(home)
        self.key = SigningKey.from_seed(keys.get(settings.SIGNING_KEY))
        self.sealing_key = SealingKey.from_bytes(keys.get(settings.SEALING_KEY))
        self.tls_key = keys.get(settings.TLS_KEY)
        self.threads = Threads(
            ThreadPoolExecutor(1, "store"), ThreadPoolExecutor(cores + 2, "callers"), ThreadPoolExecutor(cores, "cores")
        )
        self.roster = self._held_roster()
        tables = settings.read_tables(home)
        self.windows, self.terms = windows_of(tables), terms_of(tables)
        self.policies: PolicyEngine | None = None
        self.law_since_ms = now_ms()
        """When the policies, settings and roster in force came into force in this process."""
        self._law_files: tuple[tuple[str, int, int], ...] | None = None
        self.client: HubClient | None = None
        self.link: Link | None = None
        self.attached = asyncio.Event()
        self.log_distrusted = bool(store.transparency.conflicts())
        self.load_policies()

    @property
    def ori(self) -> str:
        """The member's ORI."""
        return self.federation.ori

    @property
    def asker(self) -> Asker:
        """The member as one who asks."""
        return Asker(self.federation.ori, self.federation.hub_key)

    def valid_roster(self) -> Roster:
        """The roster in force; LinkError while there is none."""
        if self.roster is None or self.roster.expired(now_ms()):
            raise LinkError("the node holds no valid roster", hint="the link to the hub brings one")
        return self.roster

    def connected(self) -> tuple[HubClient, Link]:
        """The hub's client and the link; LinkError while there is no link."""
        if self.client is None or self.link is None:
            raise LinkError("the node is not connected to the hub", hint="it tries again by itself")
        return self.client, self.link

    def require_trusted_log(self) -> None:
        """LinkError while the hub's transparency log is not trusted."""
        if self.log_distrusted:
            raise LinkError("the hub's log is not the one it showed before", hint="see: waypost-node log show")

    def evaluator(self, client: HubClient) -> Evaluator:
        """Who makes tokens."""
        return Evaluator(client, self.federation.ori, self.key, self.threads)

    def _held_roster(self) -> Roster | None:
        held = self.store.rosters.newest()
        if held is None:
            return None
        federation = self.federation
        return open_roster(
            parse_envelope(held.envelope), hub_key=federation.hub_key, trustee_key=federation.trustee_key
        )

    def load_policies(self) -> None:
        """Read policies and settings anew; with a file that cannot be read there are none, and nothing is disclosed."""
        if self.roster is None:
            return
        self._law_files = law_files(self.home)
        self.policies, self.law_since_ms = None, now_ms()
        try:
            tables = settings.read_tables(self.home)
            self.windows, self.terms = windows_of(tables), terms_of(tables)
            self.policies = PolicyEngine(self.roster.policy_floor, read_local(self.home))
        except (PolicyError, SettingsError) as error:
            _log.error("nothing is disclosed: %s", error)

    def policies_now(self) -> PolicyEngine | None:
        """The policies in force, read anew when a file has changed; None while one cannot be read."""
        if law_files(self.home) != self._law_files:
            self.load_policies()
        return self.policies

    def own(self) -> Self:
        """The node as one who discloses, under the policies, windows and terms in force."""
        policies = self.policies_now()
        return Self(self.ori, self.key, policies, self.windows, self.terms)

    async def take_roster(self, envelope: envelope_pb2.Envelope) -> None:
        """Put a newer roster in force, or keep the one held and say why."""
        federation, moment_ms = self.federation, now_ms()
        try:
            roster = accept_roster(
                envelope,
                held=self.roster,
                hub_key=federation.hub_key,
                trustee_key=federation.trustee_key,
                now_ms=moment_ms,
            )
        except RosterError as error:
            _log.error("a roster was refused: %s", error)
            await self.audit(Event.ROSTER_REFUSED, "", error.reason)
            return
        stored = StoredRoster(roster.version, envelope.SerializeToString(), moment_ms)
        await self.threads.in_store(lambda: self.store.rosters.put(stored))
        self.roster = roster
        self.load_policies()
        await self.audit(Event.ROSTER_ACCEPTED, str(roster.version), "")

    async def note_link(self, state: LinkState, why: str) -> None:
        """Let `waypost-node status` know how the link stands."""
        await self.note(LINK_STATE, state.value)
        await self.note(LINK_REASON, why[:_NOTE_CHARS_MAX])

    async def note(self, name: str, value: str) -> None:
        """Set a state entry."""
        await self.threads.in_store(lambda: self.store.state.set(name, value))

    async def audit(self, event: Event, subject: str, detail: str) -> None:
        """Append an audit entry."""
        entry = AuditEntry(now_ms(), event, subject, detail)
        await self.threads.in_store(lambda: self.store.audit.add(entry))

    def close(self) -> None:
        """Finish what is at work in the threads."""
        for executor in (self.threads.callers, self.threads.cores, self.threads.store):
            executor.shutdown()


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000
