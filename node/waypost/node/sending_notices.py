"""The task that makes the notices that are owed: finds each recipient's sealing key, and puts the notice out.

It also enters what no command enters: that an officer himself has changed, and that a dispute is overdue.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from waypost.node import details, disputing, noticing
from waypost.node.errors import Refused
from waypost.node.limits import NOTICE_RETRY_MS, NOTICES_PER_STEP_MAX, TOLD_OFFICERS_PER_STEP_MAX, UNSETTLED_RETRY_MS
from waypost.node.running import Running, now_ms
from waypost.node.sealing_keys import SealingKeys
from waypost.node.store import OwedNotice

_POLL_S: Final = 1.0


class SendingNotices:
    """The notices that one node owes."""

    def __init__(self, node: Running, keys: SealingKeys) -> None:
        self._node = node
        self._keys = keys

    async def step(self) -> None:
        """Make what is due, or wait a moment."""
        node, store, moment_ms = self._node, self._node.store, now_ms()
        today = datetime.now(UTC).date()
        await node.threads.in_store(lambda: details.owe_changed(store, moment_ms, TOLD_OFFICERS_PER_STEP_MAX))
        await node.threads.in_store(lambda: disputing.note_overdue(store, today, now_ms=moment_ms))
        due = await node.threads.in_store(lambda: store.notices.due(moment_ms, NOTICES_PER_STEP_MAX))
        for owed in due:
            try:
                await self._make(owed)
            except Refused as refusal:
                pause_ms = UNSETTLED_RETRY_MS if refusal.reason == noticing.UNSETTLED else NOTICE_RETRY_MS
                trouble, retry_at_ms = str(refusal), now_ms() + pause_ms
                await node.threads.in_store(
                    lambda owed=owed, trouble=trouble, at=retry_at_ms: store.notices.put_off(owed.id, trouble, at)  # type: ignore[misc]
                )
        if not due:
            await asyncio.sleep(_POLL_S)

    async def _make(self, owed: OwedNotice) -> None:
        node, roster = self._node, self._node.valid_roster()
        recipient, key = await self._keys.of(owed.recipient)
        own = node.own()
        moment_ms, today = now_ms(), datetime.now(UTC).date()
        await node.threads.in_store(
            lambda: noticing.make(
                node.store,
                owed,
                own=own,
                recipient=recipient,
                sealing_public_key=key,
                roster=roster,
                now_ms=moment_ms,
                today=today,
            )
        )
