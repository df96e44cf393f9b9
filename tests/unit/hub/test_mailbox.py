"""The mailbox and a link's view of it: mail is a row until its member takes it, and nobody takes another's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from waypost.hub import mailbox
from waypost.hub.database import open_engine
from waypost.hub.limits import MAIL_IN_FLIGHT_BYTES_MAX, MAIL_IN_FLIGHT_MAX
from waypost.hub.links import Link, Links
from waypost.hub.mailbox import MailKind
from waypost.v1 import link_pb2

ONE, OTHER = "CA9900100", "NV9900200"
CHECK = b"c" * 16


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def _put(connection: Connection, ori: str, content: bytes = b"", expires_at_ms: int = 1000) -> None:
    mailbox.put(connection, ori, MailKind.MESSAGE, CHECK, content, expires_at_ms)


def test_mail_comes_in_order_and_stays_until_it_is_taken(connection: Connection) -> None:
    for content in (b"\x0a\x01a", b"\x0a\x01b", b"\x0a\x01c"):
        _put(connection, ONE, content)
    waiting = mailbox.waiting(connection, ONE, 0, 10)
    assert [mail.to_proto().message.payload_type for mail in waiting] == ["a", "b", "c"]
    assert [mail.mail_id for mail in mailbox.waiting(connection, ONE, waiting[0].mail_id, 1)] == [waiting[1].mail_id]
    assert mailbox.count_waiting(connection, ONE) == 3
    assert mailbox.take(connection, ONE, waiting[0].mail_id) == waiting[0]
    assert mailbox.take(connection, ONE, waiting[0].mail_id) is None
    assert mailbox.count_waiting(connection, ONE) == 2


def test_attack_a_member_takes_anothers_mail(connection: Connection) -> None:
    _put(connection, ONE)
    (mail,) = mailbox.waiting(connection, ONE, 0, 10)
    assert mailbox.take(connection, OTHER, mail.mail_id) is None
    assert mailbox.waiting(connection, OTHER, 0, 10) == []
    assert mailbox.count_waiting(connection, ONE) == 1


def test_a_mail_id_is_never_used_twice(connection: Connection) -> None:
    """A node remembers what it took by its id."""
    _put(connection, ONE)
    (first,) = mailbox.waiting(connection, ONE, 0, 1)
    mailbox.take(connection, ONE, first.mail_id)
    _put(connection, ONE)
    (second,) = mailbox.waiting(connection, ONE, 0, 1)
    assert second.mail_id > first.mail_id


def test_expired_mail_is_dropped_and_no_other(connection: Connection) -> None:
    _put(connection, ONE, expires_at_ms=1000)
    _put(connection, ONE, expires_at_ms=1001)
    mailbox.drop_expired(connection, 1000)
    assert mailbox.count_waiting(connection, ONE) == 1


async def test_a_slow_node_has_a_bounded_number_and_size_of_mail_in_flight() -> None:
    link = Link(ONE, asyncio.Queue(8))
    for number in range(MAIL_IN_FLIGHT_MAX):
        assert link.room == MAIL_IN_FLIGHT_MAX - number
        link.sent(number + 1, 10)
    assert link.room == 0
    link.taken(1)
    assert (link.room, link.woken.is_set()) == (1, True)
    large = Link(ONE, asyncio.Queue(8))
    large.sent(1, MAIL_IN_FLIGHT_BYTES_MAX)
    assert large.room == 0
    large.taken(99)  # never sent: changes nothing
    assert large.room == 0


async def test_ending_a_link_never_waits_and_its_goodbye_comes_first() -> None:
    link: Link = Link(ONE, asyncio.Queue(2))
    link.outgoing.put_nowait(link_pb2.HubFrame())
    link.outgoing.put_nowait(link_pb2.HubFrame())
    link.end("restarting", 7)
    goodbye, end = link.outgoing.get_nowait(), link.outgoing.get_nowait()
    assert goodbye is not None
    assert (goodbye.goodbye.reason, goodbye.goodbye.retry_after_ms, end) == ("restarting", 7, None)


async def test_a_newer_link_takes_the_members_place_and_an_older_one_cannot_close_it() -> None:
    links = Links()
    older, newer = Link(ONE, asyncio.Queue(2)), Link(ONE, asyncio.Queue(2))
    assert links.open(older) is None
    assert links.open(newer) is older
    links.close(older)
    assert links.get(ONE) is newer
    links.wake([ONE, OTHER])
    assert newer.woken.is_set()
    assert not older.woken.is_set()
    links.close(newer)
    assert links.all() == []
