"""The pointer index on a real database, rule by rule: who registered which token, and whether that is current."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from waypost.hub import index, members, schema
from waypost.hub.database import open_engine
from waypost.hub.errors import Refused
from waypost.hub.members import MemberRow
from waypost.protocol import limits
from waypost.protocol.index_digest import bucket_digests
from waypost.v1 import roster_pb2

NOW_MS = 1_800_000_000_000
EPOCH = 3


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def member(connection: Connection, ori: str) -> int:
    active = roster_pb2.MEMBER_STATUS_ACTIVE
    row = MemberRow(ori, f"Agency {ori}", ori[:2], roster_pb2.ROLE_AGENCY, active, os.urandom(32), os.urandom(1216))
    members.put_member(connection, row, b"application", NOW_MS)
    return members.member_id(connection, ori)


def tokens(count: int) -> list[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


@pytest.mark.parametrize(
    ("epoch", "add", "withdraw", "reason"),
    [
        (EPOCH - 1, [], [], "wrong-epoch"),
        (EPOCH + 1, [], [], "wrong-epoch"),
        (EPOCH, tokens(511), [], "malformed"),
        (EPOCH, tokens(513), [], "malformed"),
        (EPOCH, [], tokens(4097), "malformed"),
        (EPOCH, [*tokens(511), b"short"], [], "malformed"),
        (EPOCH, [], [bytes(17)], "malformed"),
    ],
)
def test_rules_1_and_2_a_registration_of_another_epoch_or_size_is_refused(
    epoch: int, add: list[bytes], withdraw: list[bytes], reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        index.check_tokens(epoch, add, withdraw, EPOCH)
    assert refused.value.reason == reason


def test_rule_2_none_or_a_full_batch_and_up_to_4096_withdrawals_are_lawful() -> None:
    index.check_tokens(EPOCH, [], [], EPOCH)
    index.check_tokens(EPOCH, tokens(512), tokens(4096), EPOCH)


def test_rule_3_adding_what_is_there_and_withdrawing_what_is_not_change_nothing(connection: Connection) -> None:
    one, other = member(connection, "CA9900100"), member(connection, "NV9900200")
    shared, own = tokens(2)
    index.register(connection, one, EPOCH, [shared, own], [])
    index.register(connection, other, EPOCH, [shared], [])
    index.register(connection, one, EPOCH, [shared, own, own], tokens(3))
    assert index.registered(connection, one, EPOCH) == sorted([shared, own])
    index.register(connection, other, EPOCH, [], [own])  # not its own to withdraw
    assert index.look_up(connection, EPOCH, [shared, own, *tokens(600)]) == {
        "CA9900100": {shared, own},
        "NV9900200": {shared},
    }


def test_tokens_of_one_epoch_are_not_found_in_another(connection: Connection) -> None:
    one = member(connection, "CA9900100")
    (token,) = tokens(1)
    index.register(connection, one, EPOCH, [token], [])
    assert index.look_up(connection, EPOCH + 1, [token]) == {}
    assert index.drop_past_epochs(connection, EPOCH) is False
    assert index.drop_past_epochs(connection, EPOCH + 1) is True
    assert index.drop_past_epochs(connection, EPOCH + 1) is False
    assert index.registered(connection, one, EPOCH) == []


def test_rule_4_an_index_is_current_for_48_hours_after_it_agreed(connection: Connection) -> None:
    one = member(connection, "CA9900100")
    assert index.current_oris(connection, EPOCH, NOW_MS) == frozenset()
    index.set_agreed(connection, one, EPOCH, NOW_MS)
    assert index.current_oris(connection, EPOCH, NOW_MS) == {"CA9900100"}
    assert index.current_oris(connection, EPOCH, NOW_MS + limits.INDEX_CURRENT_MS - 1) == {"CA9900100"}
    assert index.current_oris(connection, EPOCH, NOW_MS + limits.INDEX_CURRENT_MS) == frozenset()
    assert index.current_oris(connection, EPOCH + 1, NOW_MS) == frozenset()
    index.clear_agreed(connection, one)
    assert index.current_oris(connection, EPOCH, NOW_MS) == frozenset()


def test_rule_4_stale_are_all_members_that_are_not_current(connection: Connection) -> None:
    one, two = member(connection, "CA9900100"), member(connection, "NV9900200")
    member(connection, "OR9900300")  # never compared
    index.set_agreed(connection, one, EPOCH, NOW_MS)
    index.set_agreed(connection, two, EPOCH, NOW_MS - 1)
    everybody = {"CA9900100", "NV9900200", "OR9900300"}
    for epoch in (EPOCH, EPOCH + 1):
        for now_ms in (NOW_MS, NOW_MS + limits.INDEX_CURRENT_MS - 1, NOW_MS + limits.INDEX_CURRENT_MS):
            current = index.current_oris(connection, epoch, now_ms)
            assert index.stale_oris(connection, epoch, now_ms) == everybody - current
    assert index.stale_oris(connection, EPOCH, NOW_MS + limits.INDEX_CURRENT_MS - 1) == {"NV9900200", "OR9900300"}


def test_rule_5_kept_digests_are_those_of_the_tokens_after_any_change(connection: Connection) -> None:
    one, held = member(connection, "CA9900100"), set(tokens(600))
    index.register(connection, one, EPOCH, sorted(held), [])
    assert index.freshen(connection, one, EPOCH) == bucket_digests(held)
    for _ in range(5):
        added, gone = set(tokens(3)), set(sorted(held)[:2])
        index.register(connection, one, EPOCH, sorted(added), sorted(gone))
        held = (held | added) - gone
        assert index.freshen(connection, one, EPOCH) == bucket_digests(held)
    kept = connection.scalar(select(func.count()).select_from(schema.bucket_digests))
    assert kept == 1


def test_rule_5_a_large_index_is_digested_in_several_short_steps(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "DIGESTED_TOKENS_PER_STEP", 100)
    one, held = member(connection, "CA9900100"), tokens(1000)
    index.register(connection, one, EPOCH, held, [])
    steps = 1
    while (digests := index.freshen(connection, one, EPOCH)) is None:
        steps += 1
        assert steps < 50
    assert digests == bucket_digests(held)
    assert steps > 5
