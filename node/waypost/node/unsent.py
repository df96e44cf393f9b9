"""What waits in the outbox while a record changes: nothing goes up that says what no longer stands. No network.

1. A message is looked at before it goes up, on whichever link. It is stale when the disclosure log says that a record
   went into it in a version that is not the newest: corrected, voided, sealed, reinstated or expunged since.
2. A stale answer is made anew from its query, as the records stand now. When the query no longer counts, no answer goes
   up, and the member stays pending in that check. While no policies or no roster can be read, it waits.
3. A stale notice gives way to the one that is due about its record; a stale decision on a referral is made anew.
4. Whether a stale answer had gone up on an earlier link is known when the hub has said what became of the one in its
   place: accepted, and the former never arrived; refused as `answered-before`, and the new one never did. What never
   arrived disclosed nothing: nobody is told of changes to it, and the account of disclosures says so.
"""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Final

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering
from waypost.node.answering import OUTBOX_ANSWER
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.noticing import OUTBOX_NOTICE
from waypost.node.referring import OUTBOX_REFERRAL
from waypost.node.store import AuditEntry, Disclosure, KeptQuery, OutgoingMessage, Store
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2

ANSWERED_BEFORE: Final = "answered-before"
"""The hub's reason for refusing an answer of a member whose part in the check is over."""
_LATER: Final = frozenset({"policy-unreadable", "roster-expired"})
"""Reasons that say nothing about the query: it is tried again."""
_CARRIES_RECORDS: Final = frozenset({OUTBOX_ANSWER, OUTBOX_NOTICE, OUTBOX_REFERRAL})


def leaving(
    store: Store, limit: int, after_id: int, *, own: answering.Self, roster: Roster | None, now_ms: int, today: date
) -> list[OutgoingMessage]:
    """Messages of the outbox beyond that number that may go up now, in order (rules 1 to 3)."""
    waiting = store.outbox.waiting(limit, after_id)
    if not any(message.kind in _CARRIES_RECORDS for message in waiting):
        return waiting
    with store.writing():
        stale = [message for message in waiting if message.kind in _CARRIES_RECORDS and _stale(store, message)]
        for message in stale:
            _replace(store, message, own=own, roster=roster, now_ms=now_ms, today=today)
    return [message for message in waiting if message not in stale]


def answer_settled(store: Store, check_id: bytes, *, accepted: bool, reason: str, now_ms: int) -> None:  # noqa: ARG001
    """The hub has said what became of an answer (rule 4)."""
    message = store.outbox.of_reference(OUTBOX_ANSWER, check_id)
    kept = store.unsent.query_of(message.id) if message is not None else None
    if message is None or kept is None or not kept.instead_of:
        return
    if accepted:
        store.unsent.note_undelivered(kept.instead_of)
    elif reason == ANSWERED_BEFORE:
        store.unsent.note_undelivered((_digest(message),))


def _digest(message: OutgoingMessage) -> bytes:
    return hashlib.sha256(parse_envelope(message.envelope).payload).digest()


def _stale(store: Store, message: OutgoingMessage) -> bool:
    """Rule 1."""
    went_out = {
        (record.record_key, record.version)
        for entry in store.disclosures.of_answer(_digest(message))
        for record in entry.records
    }
    held = store.conduct.held_among([key for key, _ in went_out])
    return any(held[key].version != version for key, version in went_out)


def _replace(
    store: Store, message: OutgoingMessage, *, own: answering.Self, roster: Roster | None, now_ms: int, today: date
) -> None:
    if message.kind == OUTBOX_ANSWER:
        _answer_again(store, message, own=own, roster=roster, now_ms=now_ms, today=today)
        return
    entries = list(store.disclosures.of_answer(_digest(message)))
    store.outbox.remove(message.id)
    if message.kind == OUTBOX_NOTICE:
        store.notices.make_anew(message.reference)
    else:
        _decide_again(store, entries)


def _answer_again(
    store: Store, message: OutgoingMessage, *, own: answering.Self, roster: Roster | None, now_ms: int, today: date
) -> None:
    """Rule 2."""
    kept = store.unsent.query_of(message.id)
    if roster is None or kept is None:
        return
    routed = check_pb2.RoutedQuery.FromString(kept.query)
    again = KeptQuery(kept.query, (*kept.instead_of, _digest(message)))
    try:
        answering.answer_again(store, routed, again, own=own, roster=roster, now_ms=now_ms, today=today)
    except Refused as refusal:
        if refusal.reason in _LATER:
            return
        store.audit.add(AuditEntry(now_ms, Event.QUERY_REFUSED, "", refusal.reason))
    store.outbox.remove(message.id)


def _decide_again(store: Store, entries: list[Disclosure]) -> None:
    """Rule 3: the task that sends decisions finds it undone."""
    for entry in entries:
        store.referrals.send_again(entry.check_id, entry.officer_id)
