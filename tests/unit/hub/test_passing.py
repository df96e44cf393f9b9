"""What members send one another through the hub: passed on once, unread, and only between members that take part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import Connection, func, select

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import Header, header_to_proto, new_header
from waypost.hub import mailbox, passing, posts, schema
from waypost.hub.database import open_engine
from waypost.hub.errors import Refused
from waypost.hub.mailbox import MailKind
from waypost.hub.posted import Posted
from waypost.protocol import limits, names
from waypost.protocol.roster import Member, Roster
from waypost.v1 import envelope_pb2, notice_pb2, roster_pb2

NOW_MS = 1_795_000_000_000
OWNER, ASKER = "NV9900900", "CA9900100"
KEYS = {ori: SigningKey.generate() for ori in (OWNER, ASKER)}


def _roster(suspended: str = "") -> Roster:
    members = {
        ori: Member(
            ori=ori,
            name=ori,
            state=ori[:2],
            role=roster_pb2.ROLE_AGENCY,
            status=roster_pb2.MEMBER_STATUS_SUSPENDED if ori == suspended else roster_pb2.MEMBER_STATUS_ACTIVE,
            signing_public_key=key.public,
            sealing_key_digest=bytes(32),
            key_since_version=1,
        )
        for ori, key in KEYS.items()
    }
    return Roster(
        header=Header(bytes(16), "hub", "*", NOW_MS, NOW_MS + limits.ROSTER_LIFETIME_MS),
        version=1,
        members=MappingProxyType(members),
        hub_signing_key=bytes(32),
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
        yield held
    engine.dispose()


def _posted(caller: str = OWNER, suspended: str = "", now_ms: int = NOW_MS) -> Posted:
    return Posted(caller, _roster(suspended), SigningKey.generate(), now_ms)


def _notice(audience: str = ASKER, sender: str = OWNER, signer: SigningKey | None = None) -> envelope_pb2.Envelope:
    header = new_header(sender=sender, audience=audience, now_ms=NOW_MS, lifetime_ms=limits.NOTICE_LIFETIME_MS)
    payload = notice_pb2.Notice(header=header_to_proto(header), sealed_body=b"sealed").SerializeToString()
    return sign(names.NOTICE, payload, signer or KEYS[OWNER])


def _mail(connection: Connection) -> int:
    return int(connection.scalar(select(func.count()).select_from(schema.mailbox)) or 0)


def test_a_notice_is_mailed_to_its_recipient_as_it_was_signed(connection: Connection) -> None:
    notice = _notice()
    assert posts.accept(connection, notice, _posted()) == (ASKER,)
    (mail,) = mailbox.waiting(connection, ASKER, 0, 10)
    assert mail.content == notice.SerializeToString()
    (entry,) = connection.execute(select(schema.audit.c.subject, schema.audit.c.detail)).all()
    assert entry.subject == ""
    assert OWNER not in entry.detail
    assert ASKER not in entry.detail


def test_the_same_notice_again_is_accepted_and_mailed_once(connection: Connection) -> None:
    notice = _notice()
    posts.accept(connection, notice, _posted())
    assert posts.accept(connection, notice, _posted()) == ()
    assert _mail(connection) == 1


@pytest.mark.parametrize(
    ("notice", "posted", "reason"),
    [
        (_notice(audience="OR9900400"), _posted(), "not-a-member"),
        (_notice(audience=names.HUB), _posted(), "not-a-member"),
        (_notice(audience=OWNER), _posted(), "wrong-audience"),
        (_notice(), _posted(suspended=ASKER), "suspended"),
        (_notice(), _posted(suspended=OWNER), "suspended"),
        (_notice(), _posted(caller=ASKER), "wrong-audience"),
        (_notice(sender=ASKER, audience=OWNER, signer=KEYS[ASKER]), _posted(), "wrong-audience"),
        (_notice(signer=SigningKey.generate()), _posted(), "wrong-signature"),
        (_notice(), _posted(now_ms=NOW_MS + limits.NOTICE_LIFETIME_MS), "expired"),
        (_notice(), _posted(now_ms=NOW_MS - limits.HOUR_MS), "future-dated"),
        (envelope_pb2.Envelope(payload_type=names.NOTICE, payload=b"\xff"), _posted(), "malformed"),
    ],
    ids=[
        *("stranger", "hub", "self", "recipient suspended", "sender suspended", "another's link", "for another"),
        *("forged", "expired", "future", "nonsense"),
    ],
)
def test_a_message_that_may_not_pass_is_refused_and_mailed_to_nobody(
    connection: Connection, notice: envelope_pb2.Envelope, posted: Posted, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        posts.accept(connection, notice, posted)
    assert refused.value.reason == reason
    assert _mail(connection) == 0


def test_a_full_mailbox_takes_no_more(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "MAIL_WAITING_MAX", 3)
    for _ in range(3):
        mailbox.put(connection, ASKER, MailKind.MESSAGE, b"", b"x", NOW_MS + 1)
    with pytest.raises(Refused) as refused:
        posts.accept(connection, _notice(), _posted())
    assert refused.value.reason == "mailbox-full"
