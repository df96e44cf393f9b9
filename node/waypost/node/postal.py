"""The node's mail: what comes down is stored before it is acknowledged, what goes up is kept until it has a result."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering, messages
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.receiver import Receiver
from waypost.node.running import Running, now_ms
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2, envelope_pb2, link_pb2

OUTBOX_PART: Final = 64
"""Posts read from the outbox at a time."""
_OUTBOX_POLL_S: Final = 1.0
_REASON_CHARS_MAX: Final = 40


class Postal:
    """Mail and posts of one node."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._sent_id = 0

    def begin(self) -> None:
        """A new link: all posts without a result go up again."""
        self._sent_id = 0

    async def take_mail(self, mail: link_pb2.Mail) -> None:
        """Store the effect of a piece of mail, then acknowledge it; what is refused is acknowledged with its reason."""
        node, refused = self._node, ""
        try:
            if mail.HasField("query"):
                await self._answer(mail.query)
            else:
                await self._take_message(mail.message)
        except Refused as error:
            refused = error.reason
            kind = Event.QUERY_REFUSED if mail.HasField("query") else Event.MESSAGE_REFUSED
            await node.audit(kind, "", error.reason)
        taken = link_pb2.MailTaken(mail_id=mail.mail_id, refused_reason=refused)
        await node.connected()[1].send(link_pb2.NodeFrame(mail_taken=taken))

    async def _answer(self, query: check_pb2.RoutedQuery) -> None:
        node, roster = self._node, self._roster()
        if node.log_distrusted:
            raise Refused("log-forked", "the hub's log is not the one it showed before")
        own = node.own()
        today, moment_ms = datetime.now(UTC).date(), now_ms()
        await node.threads.in_store(
            lambda: answering.answer(node.store, query, own=own, roster=roster, now_ms=moment_ms, today=today)
        )
        await self._pump_once()

    async def _take_message(self, envelope: envelope_pb2.Envelope) -> None:
        node, roster = self._node, self._roster()
        receiver = Receiver(
            ori=node.ori,
            hub_key=node.federation.hub_key,
            key=node.key,
            sealing_key=node.sealing_key,
            roster=roster,
            policies=node.policies_now(),
            windows=node.windows,
            now_ms=now_ms(),
        )
        await node.threads.in_store(lambda: messages.take(node.store, envelope, receiver))

    def _roster(self) -> Roster:
        if self._node.roster is None:
            raise Refused("roster-expired", "the node holds no roster")
        return self._node.roster

    async def pump_outbox(self) -> None:
        """Send what commands and other tasks have put into the outbox since."""
        await self._pump_once()
        await asyncio.sleep(_OUTBOX_POLL_S)

    async def _pump_once(self) -> None:
        node, after = self._node, self._sent_id
        waiting = await node.threads.in_store(lambda: node.store.outbox.waiting(OUTBOX_PART, after))
        for message in waiting:
            if message.id <= self._sent_id:
                continue
            self._sent_id = message.id
            post = link_pb2.Post(post_id=message.id, message=parse_envelope(message.envelope))
            await node.connected()[1].send(link_pb2.NodeFrame(post=post))

    async def take_result(self, result: link_pb2.PostResult) -> None:
        """The hub has said what became of a post."""
        node = self._node
        if not result.accepted:
            await node.audit(Event.POST_REFUSED, "", result.reason[:_REASON_CHARS_MAX])
        reason = result.reason[:_REASON_CHARS_MAX] or "unspecified"
        post_id, accepted, moment_ms = result.post_id, result.accepted, now_ms()
        await node.threads.in_store(
            lambda: messages.settle(node.store, post_id, accepted=accepted, reason=reason, now_ms=moment_ms)
        )
