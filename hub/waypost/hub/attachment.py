"""One member's attached stream: frames in, frames out, mail from the mailbox.

    opening --hello within HELLO_TIMEOUT_S--> attached --either side ends--> closed

Three tasks belong to a stream and end with it: one reads what the node sends, one deletes the mail that it says it has
taken, several pieces at a time, and one looks into the mailbox. The stream itself is the fourth: it sends what the
others put into the outgoing queue. When one of them fails, the stream ends: no link stays up that does only a part of
its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from grpc import aio
from sqlalchemy import Connection

from waypost.crypto.envelope import SigningKey
from waypost.hub import answers, index, mailbox, members, posts, reconciliations, returned, round_answers
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.day_limits import DayLimitReached
from waypost.hub.errors import Refused
from waypost.hub.limits import (
    HELLO_TIMEOUT_S,
    LIMITED_RETRY_AFTER_MS,
    MAIL_FETCHED_MAX,
    OUTGOING_FRAMES_MAX,
    RESTART_RETRY_AFTER_MS,
    ROSTER_SEND_MAX_S,
    SUPERSEDED_RETRY_AFTER_MS,
    SUSPENDED_RETRY_AFTER_MS,
    TAKEN_TOGETHER_MAX,
)
from waypost.hub.links import Link
from waypost.hub.posted import Posted
from waypost.protocol.errors import RosterError
from waypost.protocol.index_digest import index_digest
from waypost.v1 import hub_service_pb2, index_pb2, link_pb2

if TYPE_CHECKING:
    from waypost.hub.service import Hub

_log = logging.getLogger("waypost.hub")
_PROTOCOL = 1
_Requests = AsyncIterator[hub_service_pb2.AttachRequest]


class Attachment:
    """Runs one stream."""

    def __init__(self, hub: Hub, ori: str) -> None:
        self._hub = hub
        self._link = Link(ori, asyncio.Queue(OUTGOING_FRAMES_MAX))
        self._taken: list[link_pb2.MailTaken] = []
        self._some_taken = asyncio.Event()

    async def run(self, requests: _Requests) -> AsyncGenerator[link_pb2.HubFrame]:
        """Frames to send, until the stream ends."""
        hello = await self._hello(requests)
        link, hub = self._link, self._hub
        older = hub.links.open(link)
        if older is not None:
            older.end("superseded", SUPERSEDED_RETRY_AFTER_MS)
        await self._note(Event.ATTACHED)
        link.roster_version = hello.roster_version
        waiting = await hub.database.run(lambda c: mailbox.count_waiting(c, link.ori))
        works = (partial(self._read, requests), self._clear_taken, self._deliver)
        tasks = [asyncio.create_task(self._guard(work)) for work in works]
        link.wake()
        try:
            yield link_pb2.HubFrame(welcome=link_pb2.Welcome(roster_version=hub.roster().version, mail_waiting=waiting))
            while (frame := await link.outgoing.get()) is not None:
                yield frame
                if frame.HasField("roster"):
                    link.roster_sent.set()
                del frame  # an idle link shall not hold on to what it sent last
        finally:
            hub.links.close(link)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._note(Event.DETACHED)

    async def _guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task of the stream: when it fails, the stream ends, and the node comes back."""
        try:
            await work()
        except RosterError:
            self._link.end("suspended", SUSPENDED_RETRY_AFTER_MS)
        except DayLimitReached as limit:
            if limit.first:
                await self._audit(Event.DAY_LIMIT_REACHED, "")
            self._link.end(limit.reason, LIMITED_RETRY_AFTER_MS)
        except Refused as refusal:
            _log.info("a link was ended: %s", refusal.reason)
            self._link.end("protocol" if refusal.reason == "malformed" else "restarting", RESTART_RETRY_AFTER_MS)
        except Exception:  # noqa: BLE001 - whatever it was, the node comes back and finds its mail
            _log.exception("a link failed")
            self._link.end("restarting", RESTART_RETRY_AFTER_MS)

    async def _hello(self, requests: _Requests) -> link_pb2.Hello:
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                first = await anext(requests)
        except (TimeoutError, StopAsyncIteration):
            raise Refused("malformed", "the stream did not begin with a hello") from None
        if not first.frame.HasField("hello") or first.frame.hello.protocol != _PROTOCOL:
            raise Refused("malformed", f"the stream must begin with a hello of protocol {_PROTOCOL}")
        return first.frame.hello

    async def _read(self, requests: _Requests) -> None:
        try:
            async for request in requests:
                await self._take(request.frame)
        except aio.AioRpcError:
            pass  # the connection is gone
        await self._clear_once()  # what was said before it went
        self._link.end()

    async def _take(self, frame: link_pb2.NodeFrame) -> None:
        self._hub.roster().active_member(self._link.ori)
        if frame.HasField("mail_taken"):
            self._taken.append(frame.mail_taken)
            self._some_taken.set()
            if len(self._taken) >= TAKEN_TOGETHER_MAX:
                await self._clear_once()
        elif frame.HasField("post"):
            await self._post(frame.post)
        elif frame.HasField("index_digest"):
            await self._index_digest(frame.index_digest)
        else:
            raise Refused("malformed", "a stream has one hello, and then no frame without content")

    async def _clear_taken(self) -> None:
        while True:
            await self._some_taken.wait()
            self._some_taken.clear()
            await self._clear_once()

    async def _clear_once(self) -> None:
        """Delete what the node has taken until now."""
        ori, key, moment = self._link.ori, self._hub.key, _now_ms()
        taken, self._taken = self._taken, []
        if not taken:
            return

        def work(connection: Connection) -> list[str | None]:
            return [_clear(connection, ori, each, key, moment) for each in taken]

        askers = await self._hub.database.run(work)
        for each in taken:
            self._link.taken(each.mail_id)
        self._hub.links.wake(asker for asker in askers if asker is not None)

    async def _post(self, post: link_pb2.Post) -> None:
        posted = Posted(self._link.ori, self._hub.roster(), self._hub.key, _now_ms())
        self._hub.day_limits.count(posted.caller, post.ByteSize(), posted.now_ms)
        result = link_pb2.PostResult(post_id=post.post_id, accepted=True)
        try:
            have_mail = await self._hub.database.run(lambda c: posts.accept(c, post.message, posted))
            self._hub.links.wake(have_mail)
        except Refused as refusal:
            result.accepted, result.reason = False, refusal.reason
            await self._audit(Event.POST_REFUSED, refusal.reason)
        await self._link.outgoing.put(link_pb2.HubFrame(post_result=result))

    async def _index_digest(self, digest: index_pb2.IndexDigest) -> None:
        ori, epoch, moment = self._link.ori, self._hub.roster().epoch, _now_ms()
        self._hub.day_limits.count(ori, digest.ByteSize(), moment)

        def work(connection: Connection) -> link_pb2.IndexVerdict | None:
            return _compare(connection, ori, digest, epoch, moment)

        while (verdict := await self._hub.database.run(work)) is None:
            pass  # each turn computes a part, and lets others have theirs
        await self._link.outgoing.put(link_pb2.HubFrame(index_verdict=verdict))

    async def _deliver(self) -> None:
        link, hub = self._link, self._hub
        while True:
            await link.woken.wait()
            link.woken.clear()
            await self._send_roster()
            while link.room > 0:
                after, count = link.last_sent_id, min(link.room, MAIL_FETCHED_MAX)
                batch = await hub.database.run(lambda c, a=after, n=count: mailbox.waiting(c, link.ori, a, n))  # type: ignore[misc]
                for mail in batch:
                    link.sent(mail.mail_id, len(mail.content))
                    await link.outgoing.put(link_pb2.HubFrame(mail=mail.to_proto()))
                if len(batch) < count:
                    break

    async def _send_roster(self) -> None:
        """Push a newer roster, before any mail; a member that it, or the operator since, has suspended is cut off.

        Few links at a time: the others wait without a copy of it in memory, and get the newest when it is their turn.
        """
        link, hub = self._link, self._hub
        hub.roster().active_member(link.ori)
        if self._newer() is None:
            return
        async with hub.links.roster_turns:
            newer = self._newer()
            if newer is not None:
                link.roster_version, frame = newer
                link.roster_sent.clear()
                await link.outgoing.put(frame)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ROSTER_SEND_MAX_S):
                        await link.roster_sent.wait()
        hub.roster().active_member(link.ori)

    def _newer(self) -> tuple[int, link_pb2.HubFrame] | None:
        """The version and the frame of a roster that this link was not sent yet."""
        registrar = self._hub.registrar
        roster, frame = registrar.roster, registrar.frame()
        if roster is None or frame is None or roster.version <= self._link.roster_version:
            return None
        return roster.version, frame

    async def _note(self, event: Event) -> None:
        if self._hub.day_limits.notes(self._link.ori, _now_ms()):
            await self._audit(event, "")

    async def _audit(self, event: Event, detail: str) -> None:
        ori = self._link.ori
        await self._hub.database.run(lambda c: add_audit(c, _now_ms(), event, ori, detail))


def _clear(connection: Connection, ori: str, taken: link_pb2.MailTaken, key: SigningKey, moment_ms: int) -> str | None:
    """Delete a piece of mail; when it was a query that the node refused, its asker has mail now."""
    mail, reason = mailbox.take(connection, ori, taken.mail_id), taken.refused_reason[:40]
    if mail is None:
        returned.taken_before(connection, ori, taken.mail_id, reason)
        return None
    round_answers.mail_refused(connection, mail, ori, reason, moment_ms)
    return answers.query_taken(connection, mail, ori, reason, key=key, now_ms=moment_ms)


def _compare(
    connection: Connection, ori: str, digest: index_pb2.IndexDigest, epoch: int, moment_ms: int
) -> link_pb2.IndexVerdict | None:
    """The verdict on a digest; None while there is more to compute (`index.freshen`)."""
    member_id = members.member_id(connection, ori)
    if digest.epoch != epoch:
        index.clear_agreed(connection, member_id)
        return link_pb2.IndexVerdict(agrees=False)
    buckets = index.freshen(connection, member_id, epoch)
    if buckets is None:
        return None
    if index_digest(buckets) != digest.digest:
        index.clear_agreed(connection, member_id)
        reconciliations.note(connection, ori, agreed=False, now_ms=moment_ms)
        add_audit(connection, moment_ms, Event.INDEX_DIFFERS, ori)
        return link_pb2.IndexVerdict(agrees=False, bucket_digests=buckets)
    if digest.complete:
        index.set_agreed(connection, member_id, epoch, moment_ms)
        reconciliations.note(connection, ori, agreed=True, now_ms=moment_ms)
        add_audit(connection, moment_ms, Event.INDEX_AGREED, ori)
    else:
        index.clear_agreed(connection, member_id)
    return link_pb2.IndexVerdict(agrees=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
