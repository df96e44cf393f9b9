"""The task that sends what staff have entered: requests for referrals, and decisions on them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from waypost.node import referring
from waypost.node.errors import Refused
from waypost.node.policy_facts import asker_of
from waypost.node.running import Running, now_ms
from waypost.node.sealing_keys import SealingKeys
from waypost.node.store import ReferralAsked, ReferralOffer
from waypost.node.store.referrals import DUE

_POLL_S: Final = 1.0
_DIGEST_BYTES: Final = 32


class SendingReferrals:
    """The referrals of one node, both ways."""

    def __init__(self, node: Running, keys: SealingKeys) -> None:
        self._node = node
        self._keys = keys

    async def step(self) -> None:
        """Send what is due, or wait a moment."""
        node, store = self._node, self._node.store
        asked = await node.threads.in_store(lambda: store.referrals.all_asked(DUE))
        decided = await node.threads.in_store(store.referrals.to_send)
        for each in asked:
            await self._request(each)
        for offer in decided:
            await self._decision(offer)
        await asyncio.sleep(_POLL_S)

    async def _request(self, asked: ReferralAsked) -> None:
        node, store = self._node, self._node.store
        try:
            _, public = await self._keys.of(asked.ori)
        except Refused as refusal:
            troubled = replace(asked, trouble=str(refusal))
            await node.threads.in_store(lambda: store.referrals.put_asked(troubled))
            return
        moment_ms = now_ms()
        await node.threads.in_store(
            lambda: referring.post_request(store, asked, ori=node.ori, key=node.key, public=public, now_ms=moment_ms)
        )

    async def _decision(self, offer: ReferralOffer) -> None:
        node, store = self._node, self._node.store
        member, public = await self._keys.of(offer.asker)
        own = node.own()
        ruling = own.ruling(node.valid_roster(), datetime.now(UTC).date())
        asker = asker_of(member, offer.purpose, authorized=len(offer.authorization_digest) == _DIGEST_BYTES)
        moment_ms = now_ms()
        await node.threads.in_store(
            lambda: referring.post_decision(
                store, offer, ruling=ruling, asker=asker, key=node.key, public=public, now_ms=moment_ms
            )
        )
