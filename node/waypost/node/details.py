"""What members were told of an officer himself, and who must hear when that changes. No network.

1. Whoever was disclosed an officer is told when his names, date of birth, numbers or employments change. A rank, an
   order and the use of capitals are no such change.
2. What a member was told is kept as a keyed digest, in the transaction of the disclosure. The database notes whom a
   change touches, whoever makes it; what is due is found by comparing, so a change that was undone in time is none.
3. An officer is told of under the key under which he was disclosed, also when another stands for him by now.
4. His details go along only when policy lets this recipient have them for what it asked for. When the node no longer
   holds him, because an import was undone, the notice says so. Of one who was erased with his last record nobody hears
   again: they are told of the record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from waypost.node import wire
from waypost.node.policy_facts import asker_of
from waypost.node.ruling import Ruling
from waypost.node.store import Disclosure, OwedNotice, Store, ToldOfficer
from waypost.protocol.roster import Member
from waypost.v1 import check_pb2, notice_pb2, record_pb2

CHANGE: Final = "details"
"""The word of notice.proto for what happened."""
_DIGEST_BYTES: Final = 32
DISCLOSING: Final = frozenset({"disclose", "released by hand", "notice"})
"""Verdicts of the disclosure log under which an officer's details went out."""

Details: TypeAlias = check_pb2.Candidate | notice_pb2.OfficerDetails


def note_told(store: Store, recipient: str, officer_id: int, candidate: check_pb2.Candidate) -> None:
    """Keep what a member is told, within the transaction of the disclosure (rule 2).

    What it was told before stays: if that differs, its notice is on the way.
    """
    digest = store.told_officers.digest(_material(candidate))
    store.told_officers.put_first(ToldOfficer(recipient, officer_id, digest))


def owe_changed(store: Store, now_ms: int, limit: int) -> int:
    """Enter who must hear of officers that have changed (rules 1 and 2), looking at no more than `limit`; how many."""
    if not store.told_officers.pending():
        return 0
    owed = 0
    with store.writing():
        store.told_officers.mark()
        for told in store.told_officers.stale(limit):
            store.told_officers.seen(told)
            if told.digest == _digest_now(store, told.officer_id):
                continue
            if disclosed(store, told.officer_id, told.recipient):
                store.notices.owe_officer(told.recipient, told.officer_id, CHANGE, "", now_ms)
                owed += 1
    return owed


def disclosed(store: Store, officer_id: int, recipient: str) -> list[Disclosure]:
    """Every disclosure of the officer to that member that may have arrived, under the key it was made, oldest first."""
    undelivered = store.unsent.undelivered()
    return [
        entry
        for entry in store.disclosures.of_officer(officer_id)
        if entry.asker == recipient and entry.verdict in DISCLOSING and entry.answer_digest not in undelivered
    ]


def add_content(
    body: notice_pb2.NoticeBody,
    store: Store,
    owed: OwedNotice,
    last: Disclosure,
    *,
    recipient: Member,
    ruling: Callable[[], Ruling],
) -> None:
    """Put into a notice how the officer stands (rules 3 and 4), and keep what its recipient is told by it."""
    assert owed.officer_id is not None  # noqa: S101 - the caller has looked
    body.officer_key, body.reason = owed.officer_key, owed.reason
    officer = store.officers.get(owed.officer_id)
    asker = asker_of(recipient, last.purpose, authorized=len(last.authorization_digest) == _DIGEST_BYTES)
    if officer is None:
        body.standing = notice_pb2.STANDING_VOIDED
        body.reason = "the agency no longer holds this officer"
    elif not ruling().of_officer(asker, officer).allowed:
        body.standing = notice_pb2.STANDING_WITHHELD
        body.reason = "policy no longer lets it be shared"
    else:
        body.standing = notice_pb2.STANDING_STANDS
        body.details.CopyFrom(wire.details_of(officer))
    digest = _digest_now(store, owed.officer_id)
    store.told_officers.put(ToldOfficer(recipient.ori, owed.officer_id, digest))


def differences(told: Details, now: Details) -> Iterator[str]:
    """What an officer's details say now and did not say before, and the other way round, in words."""
    for before, after, words in (
        ([_name_words(name) for name in told.names], [_name_words(name) for name in now.names], "name"),
        ([told.date_of_birth], [now.date_of_birth], "date of birth"),
        (_numbers(told), _numbers(now), "number"),
        (_employments(told), _employments(now), "employment"),
    ):
        yield from (f"no longer: {words} {each}" for each in before if each not in after)
        yield from (f"now: {words} {each}" for each in after if each not in before)


def employment_words(entry: record_pb2.Employment) -> str:
    """An employment in one line."""
    how = wire.word(record_pb2.SeparationKind, entry.separation_kind) if entry.separation_kind else ""
    investigated = "under investigation" if entry.under_investigation else ""
    until = f"to {entry.separated_on}" if entry.separated_on else "to the present" if not how else "ended"
    return ", ".join(
        filter(None, (f"{entry.ori} {entry.hired_on or 'from a day unknown'} {until}", entry.rank, how, investigated))
    )


def _digest_now(store: Store, officer_id: int) -> bytes:
    officer = store.officers.get(officer_id)
    return store.told_officers.digest(_material(wire.details_of(officer)) if officer is not None else b"")


def _material(told: Details) -> bytes:
    """Equal for what rule 1 calls equal."""
    names = [f"{n.family}\x1f{n.given}\x1f{n.middle}\x1f{n.suffix}\x1f{n.kind}".casefold() for n in told.names]
    numbers = [f"{i.kind}\x1f{i.issuer}\x1f{i.value}".casefold() for i in told.identifiers]
    employments = [
        [e.ori, e.sworn, e.hired_on, e.separated_on, e.separation_kind, e.under_investigation] for e in told.employments
    ]
    return json.dumps([told.date_of_birth, sorted(names), sorted(numbers), sorted(employments)]).encode()


def _name_words(name: record_pb2.PersonName) -> str:
    parts = " ".join(filter(None, (name.given, name.middle, name.family, name.suffix)))
    return f"{parts} ({name.kind})" if name.kind else parts


def _numbers(told: Details) -> list[str]:
    return [f"{entry.kind} {entry.issuer} {entry.value}" for entry in told.identifiers]


def _employments(told: Details) -> list[str]:
    return [employment_words(entry) for entry in told.employments]
