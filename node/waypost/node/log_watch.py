"""The task that watches the hub's transparency log: it fetches checkpoints, collects proofs, and stops trusting a hub.

What accuses the hub (a log rolled back, two histories, a missing entry) is kept as evidence. From then on the node asks
no checks and answers none, until its staff has resolved the matter with the hub's and the trustee's operators.
"""

from __future__ import annotations

import asyncio
from typing import Final

from waypost.crypto.tlog.checkpoint import Checkpoint, open_checkpoint
from waypost.node.audit import Event
from waypost.node.log_examining import Examined, examine, request_for
from waypost.node.running import Running, now_ms
from waypost.node.store import Conflict, Store, WantedEntry
from waypost.protocol.errors import TransparencyError
from waypost.protocol.limits import LOG_REFERENCES_MAX
from waypost.protocol.transparency import ACCUSING, log_keys

POLL_S: Final = 0.5
"""How soon the task notices that a new proof is wanted, or that staff has resolved a conflict."""
PAUSE_FIRST_S: Final = 1.0
"""From an event until its proof is asked for: the hub has a checkpoint over it within about a second."""
PAUSE_MAX_S: Final = 60.0
"""Pause while there is no news, or nothing comes of asking: a country of nodes asks 300 times a second."""


class LogWatch:
    """The log as one node watches it."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._keys = log_keys(node.federation.hub_key, node.federation.trustee_key)
        self._known: frozenset[bytes] = frozenset()
        self._pause_s = PAUSE_FIRST_S
        self._next_at = 0.0

    async def step(self) -> None:
        """Look at the log when that is due, or wait a moment."""
        node, clock = self._node, asyncio.get_running_loop().time
        wanted, conflicts = await node.threads.in_store(lambda: _state(node.store))
        node.log_distrusted = bool(conflicts)
        digests = frozenset(entry.digest for entry in wanted)
        if digests - self._known:
            self._pause_s = PAUSE_FIRST_S
            self._next_at = min(self._next_at, clock() + PAUSE_FIRST_S)
        self._known = digests
        if clock() < self._next_at:
            await asyncio.sleep(POLL_S)
            return
        proven = await self._look(wanted)
        idle = proven == len(wanted) or not proven
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S) if idle else PAUSE_FIRST_S
        self._next_at = clock() + self._pause_s

    async def _look(self, wanted: list[WantedEntry]) -> int:
        """Fetch and judge the newest checkpoint; how many entries were proven."""
        node = self._node
        client, _ = node.connected()
        note = await node.threads.in_store(node.store.transparency.checkpoint)
        held = None if note is None else open_checkpoint(note, self._keys.log)
        response = await client.checkpoint(request_for(held, wanted))
        try:
            examined = examine(response, held=held, wanted=wanted, keys=self._keys)
        except TransparencyError as error:
            await self._refuse(error.reason, response.checkpoint)
            return 0
        await node.threads.in_store(lambda: _keep(node.store, examined, held))
        if examined.missing:
            await self._refuse("entry-missing", response.checkpoint)
        return len(examined.proven)

    async def _refuse(self, reason: str, note: bytes) -> None:
        node, moment_ms = self._node, now_ms()
        if reason not in ACCUSING:
            await node.audit(Event.LOG_REFUSED, "", reason)
            return
        conflict = Conflict(reason, note, moment_ms)
        if await node.threads.in_store(lambda: node.store.transparency.add_conflict(conflict)):
            await node.audit(Event.LOG_FORKED, "", reason)
        node.log_distrusted = True


def _state(store: Store) -> tuple[list[WantedEntry], bool]:
    with store.reading():
        return list(store.transparency.wanted(LOG_REFERENCES_MAX)), bool(store.transparency.conflicts())


def _keep(store: Store, examined: Examined, held: Checkpoint | None) -> None:
    if examined.witnessed is None:
        return
    with store.writing():
        if examined.witnessed.checkpoint != held:
            store.transparency.put_checkpoint(examined.witnessed.note)
        for entry, proof in examined.proven:
            store.transparency.prove(entry, proof)
        for entry in examined.lacking:
            store.transparency.lacks(entry, examined.witnessed.cosigned_at_s * 1000)
