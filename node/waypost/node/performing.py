"""The task that performs the checks that commands have queued: tokens, the signed request, the first receipt.

1. A request is stored, with what this node itself holds of the applicant, before it is submitted; after a crash, or
   when the connection is lost, the same bytes are submitted again.
2. A check's state only changes from the state that it was taken up in: what came by mail meanwhile stands.
3. A check that the hub refuses has failed, with its reason; only when the index keys changed is it made anew.
4. A check on which this program fails has failed as well, and the others are asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from waypost.node import answering, asking
from waypost.node.applicants import inquiry_from_json
from waypost.node.audit import Event
from waypost.node.errors import LinkError, Refused, StoreUnavailable
from waypost.node.faults import described
from waypost.node.hub_client import HubClient
from waypost.node.running import POLL_S, Running, now_ms
from waypost.node.store import AuditEntry, StoredCheck
from waypost.protocol.roster import Roster
from waypost.v1 import index_pb2

_log = logging.getLogger("waypost.node")

FAULT: Final = "node-fault"
"""The reason of a check on which this program failed."""
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
        except (LinkError, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - rule 4: one check must not keep the others from being asked
            fault = described(error)
            _log.error("a check cannot be asked: %s", fault)
            await self._failed(check, FAULT, f"the program failed on it: {fault}")

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
        store, moment_ms = self._node.store, now_ms()
        if refusal.reason == "wrong-epoch":  # rule 3
            again = asking.queued_again(check, moment_ms)
            await self._node.threads.in_store(lambda: store.checks.update(again, expected_state=check.state))
            return
        await self._failed(check, refusal.reason, str(refusal))

    async def _failed(self, check: StoredCheck, reason: str, words: str) -> None:
        """Rule 3; a check that went on meanwhile, by a receipt in the mail, is left as it is (rule 2)."""
        node, store, moment_ms = self._node, self._node.store, now_ms()
        failed = asking.failed(check, f"{reason}: {words}", moment_ms)

        def work() -> None:
            with store.writing():
                if store.checks.update(failed, expected_state=check.state):
                    store.audit.add(AuditEntry(moment_ms, Event.CHECK_FAILED, _staff(check), reason))

        await node.threads.in_store(work)


def _staff(check: StoredCheck) -> str:
    """Who asked; empty when the stored request is what the program failed on."""
    try:
        return inquiry_from_json(check.request_json).staff
    except Exception:  # noqa: BLE001 - whatever it is, the check has failed already
        return ""
