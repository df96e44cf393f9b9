"""What waits in the outbox while a record changes: nothing goes up that says what no longer stands. No network.

1. A message is looked at before it goes up, on whichever link. It is stale when a record that went into it, by the
   disclosure log, is not as it was: in another version, or with another statement or dispute; and when the rules have
   changed since, or the day, and no longer let it out.
2. A stale answer is made anew from its query, as the records and the rules stand now. When the query no longer counts,
   no answer goes up, and the member stays pending in that check.
3. A stale notice gives way to the one that is due about its record; a stale decision on a referral is made anew.
4. Whether a stale answer had gone up on an earlier link is known when the hub has said what became of the one in its
   place: accepted, and the former never arrived; refused as `answered-before`, and the new one never did. What never
   arrived disclosed nothing: nobody is told of changes to it, and the account of disclosures says so.
5. While no policies or no roster can be read, nothing that discloses goes up: it waits, and is looked at again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering, details
from waypost.node.answering import OUTBOX_ANSWER
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.noticing import OUTBOX_NOTICE
from waypost.node.policy_facts import asker_of
from waypost.node.referring import OUTBOX_REFERRAL
from waypost.node.ruling import Ruling
from waypost.node.store import AuditEntry, Disclosure, KeptQuery, OutgoingMessage, Store
from waypost.protocol.roster import Roster
from waypost.v1 import check_pb2

ANSWERED_BEFORE: Final = "answered-before"
"""The hub's reason for refusing an answer of a member whose part in the check is over."""
_LATER: Final = frozenset({"policy-unreadable", "roster-expired"})
"""Reasons that say nothing about the query: it is tried again."""
_DIGEST_BYTES: Final = 32
_CARRIES_RECORDS: Final = frozenset({OUTBOX_ANSWER, OUTBOX_NOTICE, OUTBOX_REFERRAL})


@dataclass(frozen=True, slots=True)
class Law:
    """The rules by which it is judged what may leave: who discloses, the roster, today, and since when both are so."""

    own: answering.Self
    roster: Roster | None
    since_ms: int
    now_ms: int
    today: date

    def ruling(self) -> Ruling | None:
        """The rules in force; None while they cannot be read (rule 5)."""
        if self.own.policies is None or self.roster is None:
            return None
        return self.own.ruling(self.roster, self.today)

    def covers(self, moment_ms: int) -> bool:
        """Whether what was decided at that moment was decided under these rules, and on this day."""
        return moment_ms >= self.since_ms and datetime.fromtimestamp(moment_ms / 1000, UTC).date() == self.today


@dataclass(frozen=True, slots=True)
class Leaving:
    """Messages that may go up now, in order, and the numbers of those that wait (rule 5)."""

    going: tuple[OutgoingMessage, ...]
    held: frozenset[int]


def leaving(store: Store, limit: int, after_id: int, law: Law, *, again: Collection[int] = ()) -> Leaving:
    """What may go up of the outbox beyond that number, and of the messages `again` that had to wait."""
    waiting = {message.id: message for message in store.outbox.waiting(limit, after_id)}
    for message_id in again:
        if (kept := store.outbox.get(message_id)) is not None:
            waiting[message_id] = kept
    messages = [waiting[message_id] for message_id in sorted(waiting)]
    if not any(message.kind in _CARRIES_RECORDS for message in messages):
        return Leaving(tuple(messages), frozenset())
    going, held = [], set()
    with store.writing():
        for message in messages:
            match _fate(store, message, law):
                case _Fate.GOES:
                    going.append(message)
                case _Fate.WAITS:
                    held.add(message.id)
                case _Fate.STALE:
                    if not _replace(store, message, law):
                        held.add(message.id)
    return Leaving(tuple(going), frozenset(held))


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


class _Fate(Enum):
    GOES = 1
    WAITS = 2
    STALE = 3


def _fate(store: Store, message: OutgoingMessage, law: Law) -> _Fate:
    """Rules 1 and 5."""
    if message.kind not in _CARRIES_RECORDS:
        return _Fate.GOES
    entries = [entry for entry in store.disclosures.of_answer(_digest(message)) if entry.verdict in details.DISCLOSING]
    if not entries:
        return _Fate.GOES
    ruling = law.ruling()
    if _changed(store, entries, law.now_ms):
        return _Fate.STALE
    if ruling is None:
        return _Fate.WAITS
    if law.covers(message.created_at_ms) or all(_allowed(store, entry, ruling, law.roster) for entry in entries):
        return _Fate.GOES
    return _Fate.STALE


def _changed(store: Store, entries: Sequence[Disclosure], now_ms: int) -> bool:
    """Whether a record that went out is no longer as it was."""
    versions = {record.record_key: record.version for entry in entries for record in entry.records}
    held = store.conduct.held_among(list(versions))
    if any(held[key].version != version for key, version in versions.items()):
        return True
    # What a clock that was put back calls the future is left out: the message would be made anew without end.
    return store.changes.any_between(list(versions), min(entry.at_ms for entry in entries), now_ms)


def _allowed(store: Store, entry: Disclosure, ruling: Ruling, roster: Roster | None) -> bool:
    """Whether the rules let out today what that entry says went out."""
    member = roster.member(entry.asker) if roster is not None else None
    officer = store.officers.get(entry.officer_id)
    if member is None or not member.active or officer is None:
        return False
    asker = asker_of(member, entry.purpose, authorized=len(entry.authorization_digest) == _DIGEST_BYTES)
    if not ruling.of_officer(asker, officer).allowed:
        return False
    for named in entry.records:
        held = store.conduct.by_key(named.record_key)
        decision = ruling.of_record(asker, held.record) if held is not None else None
        if decision is None or not decision.allowed:
            return False
    return True


def _replace(store: Store, message: OutgoingMessage, law: Law) -> bool:
    """Rules 2 and 3; False when it must wait, for the rules cannot be read."""
    if message.kind == OUTBOX_ANSWER:
        return _answer_again(store, message, law)
    entries = list(store.disclosures.of_answer(_digest(message)))
    store.outbox.remove(message.id)
    if message.kind == OUTBOX_NOTICE:
        store.notices.make_anew(message.reference)
    else:
        _decide_again(store, entries)
    return True


def _answer_again(store: Store, message: OutgoingMessage, law: Law) -> bool:
    """Rule 2."""
    kept = store.unsent.query_of(message.id)
    if law.roster is None or kept is None:
        return False
    routed = check_pb2.RoutedQuery.FromString(kept.query)
    again = KeptQuery(kept.query, (*kept.instead_of, _digest(message)))
    try:
        answering.answer_again(store, routed, again, own=law.own, roster=law.roster, now_ms=law.now_ms, today=law.today)
    except Refused as refusal:
        if refusal.reason in _LATER:
            return False
        store.audit.add(AuditEntry(law.now_ms, Event.QUERY_REFUSED, "", refusal.reason))
    store.outbox.remove(message.id)
    return True


def _decide_again(store: Store, entries: list[Disclosure]) -> None:
    """Rule 3: the task that sends decisions finds it undone."""
    for entry in entries:
        store.referrals.send_again(entry.check_id, entry.officer_id)
