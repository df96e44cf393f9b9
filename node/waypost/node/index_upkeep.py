"""The task that keeps the blind index in step: what is due is tokenized, and once a day the digest is compared."""

from __future__ import annotations

import asyncio

from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.hub_client import HubClient
from waypost.node.running import POLL_S, RETRY_S, TROUBLE_STATE, Running, now_ms
from waypost.node.tokenizing import AGREED_STATE, Tokenizer
from waypost.protocol import limits
from waypost.v1 import link_pb2


class IndexUpkeep:
    """The index of one node."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._refused = ""  # why tokens were last refused: told once, however often it is tried again

    async def step(self) -> None:
        """A bounded amount of work, or a look at whether the digest is due."""
        node = self._node
        (client, _), roster = node.connected(), node.valid_roster()
        try:
            worked = await self._tokenizer(client).step(roster, now_ms())
        except Refused as refusal:
            if refusal.reason != self._refused:
                self._refused = refusal.reason
                await node.audit(Event.EVALUATION_REFUSED, "", refusal.reason)
            raise
        self._refused = ""
        if worked:
            await node.note(AGREED_STATE, "0")
            await node.note(TROUBLE_STATE, "")
            return
        agreed_at_ms = await node.threads.in_store(lambda: node.store.state.get_int(AGREED_STATE))
        if now_ms() - agreed_at_ms > limits.DAY_MS:
            await self.send_digest()
            await asyncio.sleep(RETRY_S / 5)
        await asyncio.sleep(POLL_S)

    async def send_digest(self) -> None:
        """Tell the hub the digest of what this node has registered; its verdict comes as a frame."""
        node = self._node
        if node.roster is None:
            return
        client, link = node.connected()
        digest = await self._tokenizer(client).digest(node.roster.epoch)
        await link.send(link_pb2.NodeFrame(index_digest=digest))

    async def take_verdict(self, verdict: link_pb2.IndexVerdict) -> None:
        """Note that both agree, or mend what differs."""
        node, roster, store = self._node, self._node.roster, self._node.store
        if roster is None:
            return
        if not verdict.agrees:
            mended = await self._tokenizer(node.connected()[0]).mend(verdict, roster.epoch)
            await node.audit(Event.INDEX_MENDED, "", f"{mended} tokens")
            return
        due = await node.threads.in_store(
            lambda: store.officers.dirty_count() + store.tokens.unregistered_count(roster.epoch)
        )
        if due == 0:
            await node.note(AGREED_STATE, str(now_ms()))
            await node.audit(Event.INDEX_AGREED, "", "")

    def _tokenizer(self, client: HubClient) -> Tokenizer:
        node = self._node
        return Tokenizer(node.store, client, node.evaluator(client), node.ori, node.key, node.threads)
