"""The node's process: the link, the mail, the index's upkeep, and the checks that commands have queued.

One loop owns four tasks: the link (which also handles frames), the outbox, the index, and the queued checks. The
commands of the same node are other processes on the same store; what they leave there is looked for a few times a
second. One daemon a home: a lock on HOME/serve.lock says so, and tells commands whether one is running.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Final

from waypost.crypto.envelope import SigningKey, parse_envelope
from waypost.crypto.keystore import Keystore
from waypost.node import answering, asking, settings
from waypost.node.applicants import inquiry_from_json
from waypost.node.audit import Event
from waypost.node.errors import LinkError, PolicyError, Refused, SettingsError
from waypost.node.federation import Federation, read_federation
from waypost.node.hub_client import HubClient
from waypost.node.link import Link, LinkEvents, LinkState
from waypost.node.policy import PolicyEngine, read_local
from waypost.node.store import AuditEntry, Store, StoredCheck, StoredRoster
from waypost.node.tokenizing import AGREED_STATE, Evaluator, Threads, Tokenizer
from waypost.protocol import limits
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster, accept_roster, open_roster
from waypost.v1 import check_pb2, envelope_pb2, index_pb2, link_pb2

_log = logging.getLogger("waypost.node")

POLL_S: Final = 0.25
"""How soon the daemon notices what a command left in the store."""
RETRY_S: Final = 5.0
"""Pause after the hub could not do what was asked."""
CHECKS_AT_WORK_MAX: Final = 4
"""Checks in the making at a time: two keep both cores busy, two more hide the network."""
OUTBOX_PART: Final = 64
LINK_STATE: Final = "link"
LINK_REASON: Final = "link-reason"
TROUBLE_STATE: Final = "trouble"


class ServeLock:
    """One daemon a home."""

    def __init__(self, home: Path) -> None:
        self._path = home / "serve.lock"
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock; SettingsError when a daemon runs."""
        self._file = self._path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError("a node is running in this home already", hint="stop that one first") from None

    def held_by_another(self) -> bool:
        """Whether a daemon runs."""
        try:
            with self._path.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class Daemon:
    """All that one node does while it runs."""

    def __init__(self, home: Path, keys: Keystore, store: Store) -> None:
        self._home = home
        self._store = store
        self._federation: Federation = read_federation(home)
        self._key = SigningKey.from_seed(keys.get(settings.SIGNING_KEY))
        self._tls_key = keys.get(settings.TLS_KEY)
        cores = os.cpu_count() or 1
        self._threads = Threads(
            ThreadPoolExecutor(1, "store"), ThreadPoolExecutor(cores + 2, "callers"), ThreadPoolExecutor(cores, "cores")
        )
        self._roster = self._held_roster()
        self._policies: PolicyEngine | None = None
        self._load_policies()
        self._client: HubClient | None = None
        self._link = Link(self._connect, LinkEvents(self._hello, self._attached, self._frame, self._detached))
        self._attached_now = asyncio.Event()
        self._sent_id = 0
        self._announce: Callable[[], None] = lambda: None

    def on_first_attach(self, announce: Callable[[], None]) -> None:
        """Call `announce` when the link is up for the first time."""
        self._announce = announce

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; whatever was begun is finished or left for the next start."""
        await self._note_link(LinkState.CONNECTING, "")
        tasks = [
            asyncio.create_task(self._link.run()),
            asyncio.create_task(self._forever(self._pump_outbox)),
            asyncio.create_task(self._forever(self._keep_index)),
            asyncio.create_task(self._forever(self._perform_checks)),
            asyncio.create_task(self._forever(self._housekeeping)),
        ]
        waiter = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, waiter):
            task.cancel()
        await asyncio.gather(*tasks, waiter, return_exceptions=True)
        await self._note_link(LinkState.GONE, "stopped")
        for executor in (self._threads.callers, self._threads.cores, self._threads.store):
            executor.shutdown()
        for task in done - {waiter}:
            task.result()

    async def _forever(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a piece of work again and again; the world's and others' faults are noted, ours end the process."""
        while True:
            try:
                await self._attached_now.wait()
                await work()
            except (LinkError, Refused) as error:
                _log.warning("%s: %s", work.__name__.strip("_"), error)
                await self._note(TROUBLE_STATE, str(error))
                await asyncio.sleep(RETRY_S)

    # Roster and policies

    def _held_roster(self) -> Roster | None:
        held = self._store.rosters.newest()
        if held is None:
            return None
        federation = self._federation
        return open_roster(
            parse_envelope(held.envelope), hub_key=federation.hub_key, trustee_key=federation.trustee_key
        )

    def _load_policies(self) -> None:
        if self._roster is None:
            return
        try:
            self._policies = PolicyEngine(self._roster.policy_floor, read_local(self._home / "policies"))
        except PolicyError as error:
            self._policies = None
            _log.error("%s", error)

    async def _take_roster(self, envelope: envelope_pb2.Envelope) -> None:
        federation, now_ms = self._federation, _now_ms()
        try:
            roster = accept_roster(
                envelope,
                held=self._roster,
                hub_key=federation.hub_key,
                trustee_key=federation.trustee_key,
                now_ms=now_ms,
            )
        except RosterError as error:
            _log.error("a roster was refused: %s", error)
            await self._audit(Event.ROSTER_REFUSED, "", error.reason)
            return
        stored = StoredRoster(roster.version, envelope.SerializeToString(), now_ms)
        await self._threads.in_store(lambda: self._store.rosters.put(stored))
        self._roster = roster
        self._load_policies()
        await self._audit(Event.ROSTER_ACCEPTED, str(roster.version), "")

    def _valid_roster(self) -> Roster:
        if self._roster is None or self._roster.expired(_now_ms()):
            raise LinkError("the node holds no valid roster", hint="the link to the hub brings one")
        return self._roster

    # The link

    def _connect(self) -> HubClient:
        return HubClient(self._federation.hub_address, self._home, self._tls_key)

    async def _hello(self) -> link_pb2.Hello:
        version = self._roster.version if self._roster is not None else 0
        return link_pb2.Hello(protocol=1, roster_version=version, software=metadata.version("waypost"))

    async def _attached(self, client: HubClient) -> None:
        self._client, self._sent_id = client, 0
        await self._note_link(LinkState.ATTACHED, "")
        await self._audit(Event.ATTACHED, "", "")
        self._attached_now.set()
        self._announce()
        self._announce = lambda: None
        if await client.renew_certificate_if_due(self._federation.ori):
            await self._audit(Event.CERTIFICATE_RENEWED, "", "")
        if self._roster is not None:
            digest = await self._tokenizer(client).digest(self._roster.epoch)
            await self._link.send(link_pb2.NodeFrame(index_digest=digest))

    async def _detached(self, why: str) -> None:
        was_up = self._attached_now.is_set()
        self._attached_now.clear()
        await self._note_link(LinkState.WAITING, why)
        if was_up:
            await self._audit(Event.DETACHED, "", why)

    async def _frame(self, frame: link_pb2.HubFrame) -> None:
        if frame.HasField("mail"):
            await self._take_mail(frame.mail)
        elif frame.HasField("roster"):
            await self._take_roster(frame.roster)
        elif frame.HasField("post_result"):
            await self._take_post_result(frame.post_result)
        elif frame.HasField("index_verdict"):
            await self._take_verdict(frame.index_verdict)

    # Mail

    async def _take_mail(self, mail: link_pb2.Mail) -> None:
        """Store the effect of a piece of mail, then acknowledge it; what is refused is acknowledged with its reason."""
        refused = ""
        try:
            if mail.HasField("query"):
                await self._answer(mail.query)
            else:
                await self._take_message(mail.message)
        except Refused as error:
            refused = error.reason
            kind = Event.QUERY_REFUSED if mail.HasField("query") else Event.MESSAGE_REFUSED
            await self._audit(kind, "", error.reason)
        taken = link_pb2.MailTaken(mail_id=mail.mail_id, refused_reason=refused)
        await self._link.send(link_pb2.NodeFrame(mail_taken=taken))

    async def _answer(self, query: check_pb2.RoutedQuery) -> None:
        roster = self._roster
        if roster is None:
            raise Refused("roster-expired", "the node holds no roster")
        own = answering.Self(self._federation.ori, self._key, self._policies)
        today, now_ms = datetime.now(UTC).date(), _now_ms()
        await self._threads.in_store(
            lambda: answering.answer(self._store, query, own=own, roster=roster, now_ms=now_ms, today=today)
        )
        await self._pump_outbox_once()

    async def _take_message(self, envelope: envelope_pb2.Envelope) -> None:
        roster, own = self._roster, asking.Asker(self._federation.ori, self._federation.hub_key)
        if roster is None:
            raise Refused("roster-expired", "the node holds no roster")
        now_ms = _now_ms()
        await self._threads.in_store(
            lambda: asking.take_message(self._store, envelope, own=own, roster=roster, now_ms=now_ms)
        )

    # The outbox

    async def _pump_outbox(self) -> None:
        await self._pump_outbox_once()
        await asyncio.sleep(1.0)

    async def _pump_outbox_once(self) -> None:
        after = self._sent_id
        waiting = await self._threads.in_store(lambda: self._store.outbox.waiting(OUTBOX_PART, after))
        for message in waiting:
            if message.id <= self._sent_id:
                continue
            self._sent_id = message.id
            post = link_pb2.Post(post_id=message.id, message=parse_envelope(message.envelope))
            await self._link.send(link_pb2.NodeFrame(post=post))

    async def _take_post_result(self, result: link_pb2.PostResult) -> None:
        if not result.accepted:
            await self._audit(Event.POST_REFUSED, "", result.reason[:40])
        await self._threads.in_store(lambda: self._store.outbox.remove(result.post_id))

    # The index

    def _evaluator(self, client: HubClient) -> Evaluator:
        return Evaluator(client, self._federation.ori, self._key, self._threads)

    def _tokenizer(self, client: HubClient) -> Tokenizer:
        return Tokenizer(self._store, client, self._evaluator(client), self._federation.ori, self._key, self._threads)

    async def _keep_index(self) -> None:
        client, roster, store = self._client, self._valid_roster(), self._store
        if client is None:
            return
        if await self._tokenizer(client).step(roster, _now_ms()):
            await self._note(AGREED_STATE, "0")
            await self._note(TROUBLE_STATE, "")
            return
        agreed_at_ms = await self._threads.in_store(lambda: store.state.get_int(AGREED_STATE))
        if _now_ms() - agreed_at_ms > limits.DAY_MS:
            digest = await self._tokenizer(client).digest(roster.epoch)
            await self._link.send(link_pb2.NodeFrame(index_digest=digest))
            await asyncio.sleep(RETRY_S / 5)
        await asyncio.sleep(POLL_S)

    async def _take_verdict(self, verdict: link_pb2.IndexVerdict) -> None:
        client, roster, store = self._client, self._roster, self._store
        if client is None or roster is None:
            return
        if verdict.agrees:
            now_ms = _now_ms()
            due = await self._threads.in_store(
                lambda: store.officers.dirty_count() + store.tokens.unregistered_count(roster.epoch)
            )
            if due == 0:
                await self._note(AGREED_STATE, str(now_ms))
                await self._audit(Event.INDEX_AGREED, "", "")
            return
        mended = await self._tokenizer(client).mend(verdict, roster.epoch)
        await self._audit(Event.INDEX_MENDED, "", f"{mended} tokens")

    # Checks

    async def _perform_checks(self) -> None:
        store = self._store
        waiting = await self._threads.in_store(
            lambda: store.checks.in_states((asking.QUEUED, asking.READY), CHECKS_AT_WORK_MAX)
        )
        if not waiting:
            await asyncio.sleep(POLL_S)
            return
        results = await asyncio.gather(*(self._perform(check) for check in waiting), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _perform(self, check: StoredCheck) -> None:
        client, roster, store = self._client, self._valid_roster(), self._store
        if client is None:
            return
        try:
            if check.state == asking.QUEUED:
                check = await self._make_ready(check, client, roster)
            receipt = await client.submit_check(asking.submission(check))
            own, now_ms = asking.Asker(self._federation.ori, self._federation.hub_key), _now_ms()
            await self._threads.in_store(lambda: asking.take_receipt(store, receipt, own=own, now_ms=now_ms))
        except Refused as refusal:
            await self._refused(check, refusal)

    async def _make_ready(self, check: StoredCheck, client: HubClient, roster: Roster) -> StoredCheck:
        inquiry = inquiry_from_json(check.request_json)
        inputs, real = asking.inputs_of(inquiry)
        purpose = index_pb2.EVALUATION_PURPOSE_CHECK
        tokens = await self._evaluator(client).tokens(inputs, purpose, roster, _now_ms())
        ready = asking.make_ready(
            check,
            inquiry,
            list(dict.fromkeys(tokens[:real])),
            ori=self._federation.ori,
            epoch=roster.epoch,
            key=self._key,
            now_ms=_now_ms(),
        )
        await self._threads.in_store(lambda: self._store.checks.update(ready, expected_state=asking.QUEUED))
        return ready

    async def _refused(self, check: StoredCheck, refusal: Refused) -> None:
        store, now_ms = self._store, _now_ms()
        if refusal.reason == "wrong-epoch":  # the keys changed in between: make it anew under the new ones
            await self._threads.in_store(lambda: store.checks.update(asking.queued_again(check, now_ms)))
            return
        failed = asking.failed(check, f"{refusal.reason}: {refusal}", now_ms)
        await self._threads.in_store(lambda: store.checks.update(failed))
        staff = inquiry_from_json(check.request_json).staff
        await self._audit(Event.CHECK_FAILED, staff, refusal.reason)

    # Upkeep

    async def _housekeeping(self) -> None:
        now_ms = _now_ms()
        await self._threads.in_store(lambda: self._store.replay.purge(now_ms))
        await asyncio.sleep(3600.0)

    async def _note_link(self, state: LinkState, why: str) -> None:
        await self._note(LINK_STATE, state.value)
        await self._note(LINK_REASON, why[:200])

    async def _note(self, name: str, value: str) -> None:
        await self._threads.in_store(lambda: self._store.state.set(name, value))

    async def _audit(self, event: Event, subject: str, detail: str) -> None:
        entry = AuditEntry(_now_ms(), event, subject, detail)
        await self._threads.in_store(lambda: self._store.audit.add(entry))


async def serve(home: Path, keys: Keystore, store: Store) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when the link is up for the first time."""
    lock = ServeLock(home)
    lock.take()
    daemon = Daemon(home, keys, store)
    ori = read_federation(home).ori
    daemon.on_first_attach(lambda: print(f"waypost-node {ori} attached", flush=True))  # noqa: T201
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await daemon.run(stop)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
