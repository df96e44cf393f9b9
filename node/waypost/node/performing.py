"""The task that performs the checks that commands have queued: tokens, the signed request, the first receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from waypost.node import answering, asking
from waypost.node.applicants import inquiry_from_json
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.hub_client import HubClient
from waypost.node.running import POLL_S, Running, now_ms
from waypost.node.store import StoredCheck
from waypost.protocol.roster import Roster
from waypost.v1 import index_pb2

CHECKS_AT_WORK_MAX: Final = 4
"""Checks in the making at a time: two keep both cores busy, two more hide the network."""


class Performing:
    """The queued checks of one node."""

    def __init__(self, node: Running) -> None:
        self._node = node

    async def step(self) -> None:
        """Perform the oldest few, or wait a moment."""
        store = self._node.store
        waiting = await self._node.threads.in_store(
            lambda: store.checks.in_states((asking.QUEUED, asking.READY), CHECKS_AT_WORK_MAX)
        )
        if not waiting:
            await asyncio.sleep(POLL_S)
            return
        self._node.require_trusted_log()
        results = await asyncio.gather(*(self._perform(check) for check in waiting), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _perform(self, check: StoredCheck) -> None:
        node = self._node
        (client, _), roster = node.connected(), node.valid_roster()
        try:
            if check.state == asking.QUEUED:
                check = await self._make_ready(check, client, roster)
            receipt = await client.submit_check(asking.submission(check))
            own, moment_ms = node.asker, now_ms()
            await node.threads.in_store(lambda: asking.take_receipt(node.store, receipt, own=own, now_ms=moment_ms))
        except Refused as refusal:
            await self._refused(check, refusal)

    async def _make_ready(self, check: StoredCheck, client: HubClient, roster: Roster) -> StoredCheck:
        node, inquiry = self._node, inquiry_from_json(check.request_json)
        inputs, real = asking.inputs_of(inquiry)
        purpose = index_pb2.EVALUATION_PURPOSE_CHECK
        tokens = await node.evaluator(client).tokens(inputs, purpose, roster, now_ms())
        ready = asking.make_ready(
            check,
            inquiry,
            list(dict.fromkeys(tokens[:real])),
            ori=node.ori,
            epoch=roster.epoch,
            key=node.key,
            now_ms=now_ms(),
        )
        await node.threads.in_store(lambda: self._keep_ready(ready, tokens[:real], roster))
        return ready

    def _keep_ready(self, ready: StoredCheck, tokens: Sequence[bytes], roster: Roster) -> None:
        """Store the request together with what this node itself holds of the applicant."""
        node, today = self._node, datetime.now(UTC).date()
        own = node.own()
        with node.store.writing():
            if node.store.checks.update(ready, expected_state=asking.QUEUED):
                answering.answer_own(
                    node.store, ready, tokens, own=own, roster=roster, now_ms=ready.updated_at_ms, today=today
                )

    async def _refused(self, check: StoredCheck, refusal: Refused) -> None:
        node, store, moment_ms = self._node, self._node.store, now_ms()
        if refusal.reason == "wrong-epoch":  # the keys changed in between: make it anew under the new ones
            await node.threads.in_store(lambda: store.checks.update(asking.queued_again(check, moment_ms)))
            return
        failed = asking.failed(check, f"{refusal.reason}: {refusal}", moment_ms)
        await node.threads.in_store(lambda: store.checks.update(failed))
        staff = inquiry_from_json(check.request_json).staff
        await node.audit(Event.CHECK_FAILED, staff, refusal.reason)
