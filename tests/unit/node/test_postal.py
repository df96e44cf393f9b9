"""The node's mail, rule by rule: neither a fault nor a busy store loses mail, or keeps other mail from coming."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import ASKER, OWNER, Party, World
from tests.parties.running_node import policy_file, running_node, sent

from waypost.crypto.envelope import parse_envelope, sign
from waypost.node import answering, asking, postal
from waypost.node.audit import Event
from waypost.node.errors import LinkError
from waypost.node.postal import FAULT, Postal
from waypost.protocol import names
from waypost.v1 import check_pb2, envelope_pb2, link_pb2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    held = World(tmp_path)
    yield held
    held.close()


def mail(number: int, content: envelope_pb2.Envelope | check_pb2.RoutedQuery) -> link_pb2.Mail:
    if isinstance(content, envelope_pb2.Envelope):
        return link_pb2.Mail(mail_id=number, message=content)
    return link_pb2.Mail(mail_id=number, query=content)


def acknowledged(frames: list[link_pb2.NodeFrame]) -> dict[int, str]:
    return {
        frame.mail_taken.mail_id: frame.mail_taken.refused_reason for frame in frames if frame.HasField("mail_taken")
    }


def answer_of(world: World, routed: check_pb2.RoutedQuery) -> envelope_pb2.Envelope:
    """What the owner sends back."""
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    (message,) = world.owner.store.outbox.waiting(10)
    world.owner.store.outbox.remove(message.id)
    return parse_envelope(message.envelope)


def check_id_of(routed: check_pb2.RoutedQuery) -> bytes:
    return check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id


def second_receipt(world: World, routed: check_pb2.RoutedQuery, answer: envelope_pb2.Envelope) -> envelope_pb2.Envelope:
    return world.receipt(routed.request.payload, sequence=2, answer=answer)


def damage(world: World, sql: str) -> None:
    """A value in the store that no version of this program writes: reading it is a fault of the program."""
    for party in (world.owner, world.asker):
        raw = sqlite3.connect(party.store._database.path)
        with raw:
            raw.execute(sql)
        raw.close()


@contextmanager
def busy(party: Party) -> Iterator[None]:
    """Another process has the store's write lock for longer than the node waits; a full disk ends in the same error."""
    party.store._database.rows("PRAGMA busy_timeout = 10")
    raw = sqlite3.connect(party.store._database.path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        raw.execute("ROLLBACK")
        raw.close()


def events(world: World, kind: Event) -> list[tuple[str, str]]:
    return [
        (entry.subject, entry.detail)
        for party in (world.owner, world.asker)
        for entry in party.store.audit.newest(100)
        if entry.event == kind
    ]


async def test_rule_1_mail_is_acknowledged_when_its_effect_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed = world.asked()
    with running_node(world, world.owner, monkeypatch) as (node, link):
        await Postal(node).take_mail(mail(7, routed))
        frames = sent(link)
    assert acknowledged(frames) == {7: ""}
    assert [frame.post.message.payload_type for frame in frames if frame.HasField("post")] == [names.ANSWER]
    assert [entry.asker for entry in world.owner.store.disclosures.all()] == [ASKER]


async def test_rule_1_what_is_refused_is_acknowledged_with_its_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = sign("application/vnd.waypost.nothing.v1+protobuf", b"", world.hub)
    with running_node(world, world.asker, monkeypatch) as (node, link):
        await Postal(node).take_mail(mail(7, strange))
        assert acknowledged(sent(link)) == {7: "wrong-type"}
    assert events(world, Event.MESSAGE_REFUSED) == [("", "wrong-type")]
    assert world.asker.store.aside.count() == 0


async def test_rule_2_mail_that_comes_while_the_store_is_busy_waits_in_order_and_is_taken_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    with running_node(world, world.asker, monkeypatch) as (node, link):
        monkeypatch.setattr(postal, "RETRY_S", 0)
        taking = Postal(node)
        with busy(world.asker):
            await taking.take_mail(mail(1, answer))
            await taking.take_mail(mail(2, second_receipt(world, routed, answer)))
            await taking.try_again()
        assert sent(link) == []
        assert world.asker.store.checks.answers(check_id_of(routed)) == []
        await taking.try_again()
        assert list(acknowledged(sent(link)).items()) == [(1, ""), (2, "")]
    check = world.asker.store.checks.get(check_id_of(routed))
    assert check is not None
    assert check.state == asking.ANSWERED
    assert [answer.ori for answer in world.asker.store.checks.answers(check.id)] == [OWNER]
    assert world.asker.store.aside.count() == 0


async def test_rule_2_mail_that_waited_when_the_link_was_lost_comes_from_the_hub_again_and_counts_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed = world.asked()
    with running_node(world, world.owner, monkeypatch) as (node, link):
        taking = Postal(node)
        with busy(world.owner):
            await taking.take_mail(mail(1, routed))
        taking.begin()
        await taking.take_mail(mail(1, routed))
        assert acknowledged(sent(link)) == {1: ""}
    assert len(list(world.owner.store.disclosures.all())) == 1


async def test_rule_2_attack_more_mail_than_can_wait_drops_the_link_and_not_the_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed = world.asked()
    with running_node(world, world.owner, monkeypatch) as (node, link):
        monkeypatch.setattr(postal, "MAIL_WAITING_MAX", 2)
        taking = Postal(node)
        with busy(world.owner):
            for number in (1, 2):
                await taking.take_mail(mail(number, routed))
            with pytest.raises(LinkError):
                await taking.take_mail(mail(3, routed))
        assert sent(link) == []


async def test_rule_3_attack_a_query_that_the_program_fails_on_is_set_aside_told_and_the_next_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned, healthy = world.asked(), world.asked()
    damage(world, "UPDATE officers SET date_of_birth = 'in the year of the flood'")
    with running_node(world, world.owner, monkeypatch) as (node, link):
        taking = Postal(node)
        await taking.take_mail(mail(1, poisoned))
        damage(world, "UPDATE officers SET date_of_birth = '1988-03-14'")
        await taking.take_mail(mail(2, healthy))
        frames = sent(link)
    assert acknowledged(frames) == {1: FAULT, 2: ""}
    posts = [frame.post.message for frame in frames if frame.HasField("post")]
    assert [check_pb2.Answer.FromString(post.payload).check_id for post in posts] == [check_id_of(healthy)]
    (piece,) = world.owner.store.aside.all()
    assert (piece.kind, link_pb2.Mail.FromString(piece.mail)) == ("check", mail(1, poisoned))
    assert events(world, Event.MAIL_SET_ASIDE) == [("check", piece.fault)]
    assert "flood" not in piece.fault


def a_box_that_does_not_open(world: World) -> None:
    damage(world, "UPDATE checks SET secret_box = x'00'")


def an_entry_that_is_missing(world: World) -> None:
    for check in world.asker.store.checks.newest(10):
        world.asker.store.checks.update(replace(check, secret=b"{}"))


def a_constraint_that_fails(world: World) -> None:
    damage(world, "CREATE TRIGGER faulty BEFORE INSERT ON check_answers BEGIN SELECT RAISE(ABORT, 'Delacroix'); END")


@pytest.mark.parametrize("fault", [a_box_that_does_not_open, an_entry_that_is_missing, a_constraint_that_fails])
async def test_rule_3_a_message_that_the_program_fails_on_is_set_aside_and_taken_when_staff_has_it_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[World], None]
) -> None:
    routed = world.asked()
    before = world.asker.store.checks.get(check_id_of(routed))
    assert before is not None
    answer = answer_of(world, routed)
    with running_node(world, world.asker, monkeypatch) as (node, link):
        monkeypatch.setattr(postal, "RETRY_S", 0)
        taking = Postal(node)
        fault(world)
        await taking.take_mail(mail(1, answer))
        damage(world, "DROP TRIGGER IF EXISTS faulty")
        world.asker.store.checks.update(before)
        await taking.take_mail(mail(2, second_receipt(world, routed, answer)))
        assert acknowledged(sent(link)) == {1: FAULT, 2: ""}
        (piece,) = world.asker.store.aside.all()
        assert (piece.kind, piece.due) == ("answer", False)
        assert "Delacroix" not in piece.fault
        await taking.try_again()
        assert world.asker.store.checks.answers(check_id_of(routed)) == []
        assert world.asker.store.aside.make_due(postal.QUERY_KIND) == 1
        await taking.try_again()
    assert [kept.ori for kept in world.asker.store.checks.answers(check_id_of(routed))] == [OWNER]
    assert world.asker.store.aside.count() == 0


async def test_rule_3_a_piece_that_fails_again_stays_aside_and_a_query_is_never_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    world.asker.store.aside.add("check", "before", mail(9, routed).SerializeToString(), world.now_ms)
    damage(world, "UPDATE checks SET secret_box = x'00'")
    with running_node(world, world.asker, monkeypatch) as (node, _):
        monkeypatch.setattr(postal, "RETRY_S", 0)
        taking = Postal(node)
        await taking.take_mail(mail(1, answer))
        assert world.asker.store.aside.make_due(postal.QUERY_KIND) == 1
        await taking.try_again()
    assert [(piece.kind, piece.due) for piece in world.asker.store.aside.all()] == [("check", False), ("answer", False)]


async def test_rule_3_attack_a_flood_of_poison_does_not_fill_the_disk(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waypost.node.store.aside.MAIL_ASIDE_MAX", 2)
    damage(world, "UPDATE officers SET date_of_birth = 'in the year of the flood'")
    with running_node(world, world.owner, monkeypatch) as (node, link):
        taking = Postal(node)
        for number in range(1, 5):
            await taking.take_mail(mail(number, world.asked()))
        assert acknowledged(sent(link)) == dict.fromkeys(range(1, 5), FAULT)
    assert world.owner.store.aside.count() == 2
    assert len(events(world, Event.MAIL_SET_ASIDE)) == 4


async def test_rule_4_a_post_without_a_result_goes_up_again_on_a_new_link_and_a_settled_one_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_node(world, world.owner, monkeypatch) as (node, link):
        taking = Postal(node)
        for number in (1, 2):
            await taking.take_mail(mail(number, world.asked()))
        first, second = (frame.post.post_id for frame in sent(link) if frame.HasField("post"))
        await taking.take_result(link_pb2.PostResult(post_id=first, accepted=True))
        taking.begin()
        monkeypatch.setattr(postal, "_OUTBOX_POLL_S", 0)
        await taking.pump_outbox()
        assert [frame.post.post_id for frame in sent(link)] == [second]
        await taking.pump_outbox()
        assert sent(link) == []


async def test_rule_4_an_answer_that_waits_for_a_policy_file_to_be_mended_goes_up_though_others_went_before_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    routed, store = world.asked(), world.owner.store
    with running_node(world, world.owner, monkeypatch) as (node, link):
        answering.answer(
            store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
        )
        (answer,) = store.outbox.waiting(10)
        policy_file(node.home, "forbid (principal, action")
        other = store.outbox.add("watch", bytes(16), answer.envelope, world.now_ms)
        mailbox = Postal(node)
        await mailbox._pump_once()
        assert posted(sent(link)) == [other]
        await mailbox._pump_once()
        assert posted(sent(link)) == []
        policy_file(node.home, "")
        await mailbox._pump_once()
        assert posted(sent(link)) == [answer.id]
        await mailbox._pump_once()
        assert posted(sent(link)) == []


def posted(frames: list[link_pb2.NodeFrame]) -> list[int]:
    return [frame.post.post_id for frame in frames if frame.HasField("post")]
