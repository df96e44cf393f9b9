"""The hub's watches, rule by rule: what is taken, who is told, and what is nobody's news."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.freshness import Header, header_to_proto, new_header
from waypost.hub import mailbox, schema, watches
from waypost.hub.database import open_engine
from waypost.hub.errors import Refused
from waypost.hub.posted import Posted
from waypost.protocol import limits, names
from waypost.protocol.roster import Member, Roster
from waypost.v1 import envelope_pb2, roster_pb2, watch_pb2

NOW_MS = 1_795_000_000_000
WATCHER, OTHER, BODY = "CA9900100", "NV9900200", "AZ9900700"
HUB_KEY = SigningKey.generate()
KEYS = {ori: SigningKey.generate() for ori in (WATCHER, OTHER, BODY)}
ROLES = {BODY: roster_pb2.ROLE_CREDENTIALING_BODY}
IDS = {WATCHER: 1, OTHER: 2, BODY: 3}
ACTIVE, SUSPENDED = roster_pb2.MEMBER_STATUS_ACTIVE, roster_pb2.MEMBER_STATUS_SUSPENDED


def _roster(suspended: str = "") -> Roster:
    members = {
        ori: Member(
            ori=ori,
            name=ori,
            state=ori[:2],
            role=ROLES.get(ori, roster_pb2.ROLE_AGENCY),
            status=SUSPENDED if ori == suspended else ACTIVE,
            signing_public_key=KEYS[ori].public,
            sealing_key_digest=bytes(32),
            key_since_version=1,
        )
        for ori in KEYS
    }
    return Roster(
        header=Header(bytes(16), "hub", "*", NOW_MS, NOW_MS + limits.ROSTER_LIFETIME_MS),
        version=1,
        members=MappingProxyType(members),
        hub_signing_key=HUB_KEY.public,
        trustee_signing_key=bytes(32),
        epoch=1,
        hub_index_key=bytes(32),
        trustee_index_key=bytes(32),
        policy_floor="",
        previous_digest=b"",
        payload_digest=bytes(32),
    )


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True)
    with engine.begin() as held:
        for ori, number in IDS.items():
            row = {"id": number, "ori": ori, "name": ori, "state": ori[:2], "role": 1, "status": 1, "joined_at_ms": 1}
            keys = {"signing_public_key": b"", "sealing_public_key": b"", "application": b""}
            held.execute(insert(schema.members).values(**row, **keys))
        yield held
    engine.dispose()


def _tokens(count: int = limits.REGISTRATION_BATCH_TOKENS) -> list[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


def _registration(ori: str = WATCHER, signer: SigningKey | None = None, **content: Any) -> envelope_pb2.Envelope:
    header = new_header(sender=ori, audience=names.HUB, now_ms=NOW_MS, lifetime_ms=limits.DAY_MS)
    fields = {"header": header_to_proto(header), "epoch": 1, **content}
    payload = watch_pb2.WatchRegistration(**fields).SerializeToString()
    return sign(names.WATCH_REGISTRATION, payload, signer or KEYS[ori])


def _accept(connection: Connection, envelope: envelope_pb2.Envelope, ori: str = WATCHER, now_ms: int = NOW_MS) -> None:
    assert list(watches.accept(connection, envelope, Posted(ori, _roster(), HUB_KEY, now_ms))) == []


def _tell(
    connection: Connection, tokens: list[bytes], ori: str = OTHER, now_ms: int = NOW_MS, suspended: str = ""
) -> frozenset[str]:
    roster = _roster(suspended)
    return watches.tell(connection, tokens, member_id=IDS[ori], roster=roster, key=HUB_KEY, now_ms=now_ms)


def _count(connection: Connection) -> int:
    return int(connection.scalar(select(func.count()).select_from(schema.watched)) or 0)


def _hits(connection: Connection, ori: str) -> list[watch_pb2.WatchHit]:
    found = []
    for mail in mailbox.waiting(connection, ori, 0, 100):
        envelope = mail.to_proto().message
        verified = verify_signatures(envelope, (HUB_KEY.public,), required=1, expected_type=names.WATCH_HIT)
        found.append(watch_pb2.WatchHit.FromString(verified.payload))
    return found


def test_a_watcher_is_told_the_tokens_that_another_member_registers_and_not_by_whom(connection: Connection) -> None:
    watched = _tokens()
    _accept(connection, _registration(add=watched))
    registered = [*watched[:2], *_tokens(5)]
    assert _tell(connection, registered) == {WATCHER}
    (hit,) = _hits(connection, WATCHER)
    assert list(hit.tokens) == sorted(watched[:2])
    assert hit.header.audience == WATCHER
    assert OTHER.encode() not in hit.SerializeToString()


def test_the_audit_does_not_tell_whose_watch_a_registration_met(connection: Connection) -> None:
    tokens = _tokens()
    _accept(connection, _registration(add=tokens))
    _tell(connection, tokens[:3])
    entries = connection.execute(select(schema.audit).where(schema.audit.c.event == "watch-hit")).all()
    assert [(entry.subject, entry.detail) for entry in entries] == [("", "")]


def test_a_members_own_registration_is_no_news_to_it(connection: Connection) -> None:
    watched = _tokens()
    _accept(connection, _registration(add=watched))
    assert _tell(connection, watched, ori=WATCHER) == frozenset()
    assert _hits(connection, WATCHER) == []


def test_a_suspended_watcher_is_told_nothing(connection: Connection) -> None:
    watched = _tokens()
    _accept(connection, _registration(add=watched))
    assert _tell(connection, watched, suspended=WATCHER) == frozenset()


def test_a_token_whose_lease_is_over_tells_nobody_and_is_forgotten(connection: Connection) -> None:
    watched = _tokens()
    _accept(connection, _registration(add=watched))
    late_ms = NOW_MS + limits.WATCH_LEASE_MS
    assert _tell(connection, watched, now_ms=late_ms) == frozenset()
    watches.drop_expired(connection, 1, late_ms)
    assert _count(connection) == 0


def test_the_same_registration_again_renews_the_lease_and_adds_nothing(connection: Connection) -> None:
    watched = _tokens()
    message = _registration(add=watched)
    _accept(connection, message)
    _accept(connection, message, now_ms=NOW_MS + 1000)
    assert _count(connection) == len(watched)
    assert _tell(connection, watched, now_ms=NOW_MS + limits.WATCH_LEASE_MS + 500) == {WATCHER}


def test_what_is_taken_back_tells_nobody(connection: Connection) -> None:
    watched = _tokens()
    _accept(connection, _registration(add=watched))
    _accept(connection, _registration(withdraw=watched[:10]))
    assert _tell(connection, watched[:10]) == frozenset()
    assert _tell(connection, watched[10:12]) == {WATCHER}


def test_a_member_cannot_take_back_what_another_watches(connection: Connection) -> None:
    watched = _tokens()
    _accept(connection, _registration(add=watched))
    _accept(connection, _registration(OTHER, withdraw=watched), ori=OTHER)
    assert _tell(connection, watched[:1]) == {WATCHER}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"add": 511}, "malformed"),
        ({"add": 513}, "malformed"),
        ({"withdraw": limits.WITHDRAW_MAX + 1}, "malformed"),
        ({"epoch": 2}, "wrong-epoch"),
    ],
)
def test_a_registration_out_of_form_is_refused(connection: Connection, content: dict[str, Any], reason: str) -> None:
    fields: dict[str, Any] = {name: value if name == "epoch" else _tokens(value) for name, value in content.items()}
    with pytest.raises(Refused) as refused:
        _accept(connection, _registration(**fields))
    assert refused.value.reason == reason
    assert _count(connection) == 0


def test_a_registration_signed_by_another_member_is_refused(connection: Connection) -> None:
    with pytest.raises(Refused) as refused:
        _accept(connection, _registration(signer=KEYS[OTHER], add=_tokens()))
    assert refused.value.reason == "wrong-signature"


def test_a_credentialing_body_watches_nobody(connection: Connection) -> None:
    with pytest.raises(Refused) as refused:
        _accept(connection, _registration(BODY, add=_tokens()), ori=BODY)
    assert refused.value.reason == "purpose-not-allowed"


def test_counting_a_members_watches_does_not_read_everybody_elses(connection: Connection) -> None:
    """Every registration counts them: without the index one member's batches hold the hub up for all."""
    plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN SELECT count(*) FROM watched WHERE member_id = 1").all()
    assert ["watched_by_member" in str(step) for step in plan] == [True]
