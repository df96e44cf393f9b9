"""The node's mail: what comes down is stored before it is acknowledged, what goes up is kept until it has a result.

1. Mail is taken in the order in which it came, and acknowledged when its effect is stored. What is refused changes
   nothing, and is acknowledged with its reason.
2. While the store cannot be written, mail waits unacknowledged, and is tried again; nothing of it is lost.
3. Mail on which this program fails in any other way is set aside as it came, acknowledged with the reason FAULT, and
   the mail after it is taken. Staff can have messages tried again, but no query: its asker was told.
4. What goes up stays in the outbox until the hub has said what became of it; a new link sends all of it again, as it
   stands then (unsent.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, date, datetime
from typing import Final

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering, messages, signing_again, unsent
from waypost.node.audit import Event
from waypost.node.errors import LinkError, Refused, StoreUnavailable
from waypost.node.faults import described
from waypost.node.limits import MAIL_WAITING_MAX
from waypost.node.receiver import Receiver
from waypost.node.running import RETRY_S, Running, now_ms
from waypost.node.store import AuditEntry
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2, envelope_pb2, link_pb2

_log = logging.getLogger("waypost.node")

OUTBOX_PART: Final = 64
"""Posts read from the outbox at a time."""
FAULT: Final = "node-fault"
"""The reason that the hub is told when this program failed on a piece of mail."""
QUERY_KIND: Final = "check"
_OUTBOX_POLL_S: Final = 1.0
_REASON_CHARS_MAX: Final = 40


class Postal:
    """Mail and posts of one node."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._sent_id = 0
        self._held: set[int] = set()
        """Posts that had to wait while others went up (unsent.py, rule 5)."""
        self._waiting: deque[link_pb2.Mail] = deque()
        self._taking = asyncio.Lock()

    def begin(self) -> None:
        """A new link: all posts without a result go up again, and all mail that was not acknowledged comes again."""
        self._sent_id = 0
        self._held.clear()
        self._waiting.clear()

    async def take_mail(self, mail: link_pb2.Mail) -> None:
        """Take a piece of mail after all that came before it (rules 1 to 3)."""
        if len(self._waiting) >= MAIL_WAITING_MAX:
            raise LinkError("more mail than can wait has come", hint="the link is dropped, and the mail comes again")
        self._waiting.append(mail)
        if len(self._waiting) == 1:  # else the task that tries again takes it in its turn
            await self._take_waiting()

    async def try_again(self) -> None:
        """Take what waits because of a full disk or a busy store, and what staff wants tried again."""
        await asyncio.sleep(RETRY_S)
        await self._take_waiting()
        await self._take_aside()

    async def _take_waiting(self) -> None:
        async with self._taking:
            while self._waiting:
                mail = self._waiting[0]
                try:
                    refused = await self._take(mail)
                except StoreUnavailable as error:  # rule 2
                    _log.warning("mail waits: %s", error)
                    return
                if self._waiting and self._waiting[0] is mail:
                    self._waiting.popleft()
                taken = link_pb2.MailTaken(mail_id=mail.mail_id, refused_reason=refused)
                await self._node.connected()[1].send(link_pb2.NodeFrame(mail_taken=taken))
                if mail.HasField("query"):
                    await self._pump_once()

    async def _take(self, mail: link_pb2.Mail) -> str:
        """Store the effect of a piece of mail: empty, or why it was refused."""
        node = self._node
        try:
            await self._store_effect(mail)
        except Refused as error:
            kind = Event.QUERY_REFUSED if mail.HasField("query") else Event.MESSAGE_REFUSED
            await node.audit(kind, "", error.reason)
            return error.reason
        except (StoreUnavailable, LinkError):
            raise
        except Exception as error:  # noqa: BLE001 - rule 3: whatever it is, it must not keep other mail from coming
            await self._set_aside(mail, described(error))
            return FAULT
        return ""

    async def _store_effect(self, mail: link_pb2.Mail) -> None:
        if mail.HasField("query"):
            await self._answer(mail.query)
        elif mail.HasField("sign_again"):
            node, moment_ms = self._node, now_ms()
            await node.threads.in_store(
                lambda: signing_again.take(node.store, mail.sign_again, key=node.key, now_ms=moment_ms)
            )
        else:
            await self._take_message(mail.message)

    async def _set_aside(self, mail: link_pb2.Mail, fault: str) -> None:
        store, kind, moment_ms = self._node.store, _kind(mail), now_ms()
        _log.error("a piece of mail (%s) is set aside: %s", kind, fault)

        def work() -> None:
            with store.writing():
                if store.aside.add(kind, fault, mail.SerializeToString(), moment_ms):
                    store.audit.add(AuditEntry(moment_ms, Event.MAIL_SET_ASIDE, kind, fault))
                else:
                    store.audit.add(AuditEntry(moment_ms, Event.MAIL_SET_ASIDE, kind, f"{fault}; not kept"))

        await self._node.threads.in_store(work)

    async def _take_aside(self) -> None:
        """Rule 3: pieces that staff wants tried again."""
        node, store = self._node, self._node.store
        while (kept := await node.threads.in_store(store.aside.due)) is not None:
            aside_id = kept.id
            try:
                await self._store_effect(link_pb2.Mail.FromString(kept.mail))
            except Refused as error:
                await node.audit(Event.MESSAGE_REFUSED, "", error.reason)
            except (StoreUnavailable, LinkError):
                raise
            except Exception as error:  # noqa: BLE001 - as above
                fault = described(error)
                await node.threads.in_store(lambda i=aside_id, f=fault: store.aside.failed_again(i, f))  # type: ignore[misc]
                continue
            await node.threads.in_store(lambda i=aside_id: store.aside.remove(i))  # type: ignore[misc]

    async def _answer(self, query: check_pb2.RoutedQuery) -> None:
        node, roster = self._node, self._roster()
        if node.log_distrusted:
            raise Refused("log-forked", "the hub's log is not the one it showed before")
        own, moment_ms = node.own(), now_ms()
        today = _day(moment_ms)
        await node.threads.in_store(
            lambda: answering.answer(node.store, query, own=own, roster=roster, now_ms=moment_ms, today=today)
        )

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
        node, after, moment_ms = self._node, self._sent_id, now_ms()
        again = frozenset(self._held)
        law = unsent.Law(node.own(), node.roster, node.law_since_ms, moment_ms, _day(moment_ms))
        found = await node.threads.in_store(lambda: unsent.leaving(node.store, OUTBOX_PART, after, law, again=again))
        for message in found.going:
            if message.id <= self._sent_id and message.id not in self._held:
                continue  # another call has sent it
            self._held.discard(message.id)
            self._sent_id = max(self._sent_id, message.id)
            post = link_pb2.Post(post_id=message.id, message=parse_envelope(message.envelope))
            await node.connected()[1].send(link_pb2.NodeFrame(post=post))
        self._held = (self._held - again) | found.held

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


def _day(moment_ms: int) -> date:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).date()


def _kind(mail: link_pb2.Mail) -> str:
    """What a piece of mail carries, in a word of this program's own."""
    if mail.HasField("query"):
        return QUERY_KIND
    if mail.HasField("sign_again"):
        return signing_again.OUTBOX_AGAIN
    known = mail.message.payload_type in messages.HANDLERS
    return signing_again.word_of(mail.message.payload_type) if known else "unknown"
