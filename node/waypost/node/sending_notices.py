"""The task that makes the notices that are owed: finds each recipient's sealing key, and puts the notice out."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Final

from waypost.node import noticing
from waypost.node.answering import Self
from waypost.node.errors import Refused
from waypost.node.limits import NOTICE_RETRY_MS, NOTICES_PER_STEP_MAX
from waypost.node.running import Running, now_ms
from waypost.node.store import OwedNotice
from waypost.protocol.roster import Member

_POLL_S: Final = 1.0


class SendingNotices:
    """The notices that one node owes."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._keys: dict[bytes, bytes] = {}

    async def step(self) -> None:
        """Make what is due, or wait a moment."""
        node, store, moment_ms = self._node, self._node.store, now_ms()
        due = await node.threads.in_store(lambda: store.notices.due(moment_ms, NOTICES_PER_STEP_MAX))
        for owed in due:
            try:
                await self._make(owed)
            except Refused as refusal:
                trouble, retry_at_ms = str(refusal), now_ms() + NOTICE_RETRY_MS
                await node.threads.in_store(
                    lambda owed=owed, trouble=trouble, at=retry_at_ms: store.notices.put_off(owed.id, trouble, at)  # type: ignore[misc]
                )
        if not due:
            await asyncio.sleep(_POLL_S)

    async def _make(self, owed: OwedNotice) -> None:
        node, roster = self._node, self._node.valid_roster()
        recipient = roster.member(owed.recipient)
        if recipient is None or not recipient.active:
            raise Refused("not-a-member", "the recipient takes no part in the federation now")
        key = await self._sealing_key(recipient)
        own = Self(node.ori, node.key, node.policies_now(), node.windows, node.terms)
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

    async def _sealing_key(self, member: Member) -> bytes:
        """The member's sealing key, as the roster's digest demands it."""
        held = self._keys.get(member.sealing_key_digest)
        if held is not None:
            return held
        client, _ = self._node.connected()
        key = await client.sealing_key(member.ori)
        if hashlib.sha256(key).digest() != member.sealing_key_digest:
            raise Refused("wrong-sealing-key", "the hub gave another sealing key than the roster names")
        self._keys[member.sealing_key_digest] = key
        return key
