"""Watching: a person who was hired stays on watch, and a check runs when something new comes up. No network.

1. A watch has the details and the authorization of an inquiry, and ends on its day, at most WATCH_LIFETIME_DAYS_MAX
   after it was made or renewed. A check that a hit causes runs under that authorization.
2. Tokens of all watches are mixed, and go up in batches of exactly REGISTRATION_BATCH_TOKENS, filled with random decoys
   that are kept and leased like the others.
3. A lease is renewed when half of it is over. What no active watch needs is withdrawn.
4. A hit counts when the hub signed it for this node; the same one counts once. It causes one check for each active
   watch that its tokens stand for, unless a check of that watch still waits to be asked: that one will see the news.
5. A watch whose time is over causes nothing, whatever the hub still holds; its person's details are forgotten.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from waypost.crypto.envelope import SigningKey, Verifier, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.node import asking
from waypost.node.applicants import Inquiry, inquiry_from_json
from waypost.node.audit import Event
from waypost.node.errors import CheckError
from waypost.node.receiver import Receiver
from waypost.node.store import AuditEntry, Store, StoredWatch
from waypost.node.store.watches import ACTIVE, EXPIRED, REMOVED
from waypost.protocol import limits, names
from waypost.v1 import envelope_pb2, watch_pb2

OUTBOX_WATCH: Final = "watch"
LABEL_CHARS_MAX: Final = 64
"""Longest word of the agency for a watched person: employee numbers are shorter."""
_ID_BYTES: Final = 16


def new_watch(inquiry: Inquiry, label: str, days: int, now_ms: int) -> StoredWatch:
    """A watch of that many days (rule 1); CheckError when it cannot be."""
    if not 0 < len(label) <= LABEL_CHARS_MAX or not label.isprintable():
        raise CheckError(
            f"a watch's label has 1 to {LABEL_CHARS_MAX} characters", hint="for example an employee number"
        )
    return StoredWatch(os.urandom(_ID_BYTES), label, inquiry.to_json(), now_ms, end_of(days, now_ms))


def end_of(days: int, now_ms: int) -> int:
    """When a watch that is made or renewed now for so many days ends (rule 1)."""
    if not 0 < days <= limits.WATCH_LIFETIME_DAYS_MAX:
        raise CheckError(f"a watch lasts 1 to {limits.WATCH_LIFETIME_DAYS_MAX} days", hint="renew it before it ends")
    return now_ms + days * limits.DAY_MS


def end(store: Store, watch: StoredWatch, state: str) -> None:
    """End a watch: its tokens are to be withdrawn, its person's details are forgotten."""
    with store.writing():
        store.watches.update(replace(watch, state=state, inquiry_json=""))
        store.watches.drop_tokens(watch.id)


def remove(store: Store, watch: StoredWatch) -> None:
    """End a watch by hand."""
    end(store, watch, REMOVED)


def end_overdue(store: Store, now_ms: int) -> int:
    """End watches whose time is over (rule 5); how many."""
    overdue = store.watches.overdue(now_ms)
    for watch in overdue:
        with store.writing():
            end(store, watch, EXPIRED)
            store.audit.add(AuditEntry(now_ms, Event.WATCH_ENDED, watch.id.hex()))
    return len(overdue)


def put_tokens(store: Store, tokens: Mapping[bytes, Sequence[bytes]], epoch: int) -> None:
    """Keep the tokens made for these watches, by id; a watch that has ended meanwhile gets none."""
    with store.writing():
        for watch_id, made in tokens.items():
            watch = store.watches.get(watch_id)
            if watch is not None and watch.state == ACTIVE:
                store.watches.put_tokens(watch_id, made, epoch)
                store.watches.update(replace(watch, epoch=epoch))


def post_due(store: Store, epoch: int, *, ori: str, key: SigningKey, now_ms: int) -> int:
    """Put into the outbox what the hub is to hold or to forget (rules 2 and 3); how many messages."""
    posted, size = 0, limits.REGISTRATION_BATCH_TOKENS
    half_over = now_ms + limits.WATCH_LEASE_MS // 2
    with store.writing():
        while gone := store.watches.to_withdraw(epoch, limits.WITHDRAW_MAX):
            _post(store, watch_pb2.WatchRegistration(epoch=epoch, withdraw=gone), ori=ori, key=key, now_ms=now_ms)
            store.watches.forget_ended(gone, epoch)
            posted += 1
        while store.watches.count() and (add := store.watches.to_lease(epoch, half_over, size)):
            decoys = [os.urandom(limits.TOKEN_BYTES) for _ in range(size - len(add))]
            store.watches.put_decoys(decoys, epoch)
            batch = [*add, *decoys]
            secrets.SystemRandom().shuffle(batch)
            _post(store, watch_pb2.WatchRegistration(epoch=epoch, add=batch), ori=ori, key=key, now_ms=now_ms)
            store.watches.mark_leased(batch, epoch, now_ms + limits.WATCH_LEASE_MS)
            posted += 1
    return posted


def _post(store: Store, message: watch_pb2.WatchRegistration, *, ori: str, key: SigningKey, now_ms: int) -> None:
    header = new_header(sender=ori, audience=names.HUB, now_ms=now_ms, lifetime_ms=limits.WATCH_LEASE_MS)
    message.header.CopyFrom(header_to_proto(header))
    envelope = sign(names.WATCH_REGISTRATION, message.SerializeToString(), key)
    store.outbox.add(OUTBOX_WATCH, header.message_id, envelope.SerializeToString(), now_ms)


def take_hit(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Take the hub's word that watched tokens were registered, and queue the checks (rules 4 and 5)."""
    with store.writing():
        verified = Verifier((receiver.ori,), store.replay).verify(
            envelope,
            expected_type=names.WATCH_HIT,
            keys=(receiver.hub_key,),
            sender=names.HUB,
            now_ms=receiver.now_ms,
        )
        hit = watch_pb2.WatchHit.FromString(verified.payload)
        for watch in store.watches.hit_by(list(hit.tokens), hit.epoch):
            if watch.expires_at_ms > receiver.now_ms:
                _queue(store, watch, receiver.now_ms)


def _queue(store: Store, watch: StoredWatch, now_ms: int) -> None:
    waiting = store.checks.get(watch.check_id) if watch.check_id else None
    if waiting is not None and waiting.state == asking.QUEUED:
        return
    check = asking.new_check(inquiry_from_json(watch.inquiry_json), now_ms)
    store.checks.add(check)
    store.watches.update(replace(watch, hit_at_ms=now_ms, check_id=check.id))
    store.audit.add(AuditEntry(now_ms, Event.WATCH_HIT, watch.id.hex()))
