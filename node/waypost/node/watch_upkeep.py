"""The task that keeps watches up: tokens for new ones, leases, ends, and announcements of what may newly be shared."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, date, datetime
from typing import Final

from waypost.node import announcing, watching
from waypost.node.applicants import inquiry_from_json
from waypost.node.due_process import Windows
from waypost.node.keys import match_inputs
from waypost.node.running import Running, now_ms
from waypost.node.tokenizing import BATCH_ELEMENTS
from waypost.v1 import index_pb2

WATCHES_PER_GROUP: Final = 50
"""Watches whose tokens are made at a time: about 2,000 keys, mixed."""
POLL_S: Final = 1.0
"""How soon a new watch, a removed one or a changed record is noticed."""


class WatchUpkeep:
    """The watches of one node."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._announced: tuple[date, int, Windows] | None = None

    async def step(self) -> None:
        """A bounded amount of work, or a moment's rest."""
        node, roster = self._node, self._node.valid_roster()
        store, moment_ms, epoch = node.store, now_ms(), roster.epoch
        await node.threads.in_store(lambda: watching.end_overdue(store, moment_ms))
        await node.threads.in_store(lambda: store.watches.forget_other_epochs(epoch))
        worked = await self._make_tokens()
        await node.threads.in_store(
            lambda: watching.post_due(store, epoch, ori=node.ori, key=node.key, now_ms=moment_ms)
        )
        await node.threads.in_store(lambda: self._announce(datetime.now(UTC).date(), moment_ms))
        if not worked:
            await asyncio.sleep(POLL_S)

    def _announce(self, today: date, moment_ms: int) -> None:
        """Look for newly shareable records when any record, the day or the law has changed."""
        node = self._node
        seen = (today, node.store.conduct.version_count(), node.windows)
        if seen != self._announced:
            announcing.announce(node.store, node.windows, now_ms=moment_ms, today=today)
            self._announced = seen

    async def _make_tokens(self) -> bool:
        node, roster = self._node, self._node.valid_roster()
        client, _ = node.connected()
        store, epoch = node.store, roster.epoch
        due = await node.threads.in_store(lambda: store.watches.without_tokens(epoch, WATCHES_PER_GROUP))
        if not due:
            return False
        people = {watch.id: inquiry_from_json(watch.inquiry_json).person for watch in due}
        keys = {
            watch_id: [entry.value for entry in match_inputs(person, side="applicant")]
            for watch_id, person in people.items()
        }
        values = list({value for entries in keys.values() for value in entries})
        secrets.SystemRandom().shuffle(values)
        token_of: dict[bytes, bytes] = {}
        for start in range(0, len(values), BATCH_ELEMENTS):
            part = values[start : start + BATCH_ELEMENTS]
            purpose = index_pb2.EVALUATION_PURPOSE_REGISTRATION
            tokens = await node.evaluator(client).tokens(part, purpose, roster, now_ms())
            token_of.update(zip(part, tokens, strict=True))
        await node.threads.in_store(
            lambda: watching.put_tokens(
                store, {i: [token_of[v] for v in entries] for i, entries in keys.items()}, epoch
            )
        )
        return True
