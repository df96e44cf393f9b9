"""Attack: a record that was voided or expunged still leaves, in what had been waiting for the link before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import ASKER, NOW_MS, OWNER, RECORD, TODAY, World

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering, changing, messages, noticing, unsent
from waypost.node.answering import OUTBOX_ANSWER
from waypost.node.audit import Event
from waypost.node.changing import CAUSE_ORDER, Why
from waypost.node.errors import Refused
from waypost.node.noticing import OUTBOX_NOTICE
from waypost.node.referring import OUTBOX_REFERRAL, VERDICT_RELEASED
from waypost.node.results import facts, result_of
from waypost.node.selffile import Custodian, accounting
from waypost.node.store import DisclosedRecord, Disclosure, OutgoingMessage, ReferralOffer
from waypost.node.store.referrals import RELEASED
from waypost.v1 import check_pb2, envelope_pb2

KEY = RECORD.record_key
WHY = Why("IA-3", "overturned by the district court", NOW_MS, TODAY)
Change = Callable[[World], object]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def void(world: World) -> None:
    changing.void(world.owner.store, KEY, WHY)


def seal(world: World) -> None:
    changing.seal(world.owner.store, KEY, WHY)


def expunge(world: World) -> None:
    changing.expunge(
        world.owner.store,
        KEY,
        cause=CAUSE_ORDER,
        reference="DOCKET-9",
        staff="IA-3",
        rejects=world.folder / "rejects",
        now_ms=world.now_ms,
    )


def answer(world: World) -> bytes:
    """The owner answers while the link is down; the check's id."""
    routed = world.asked()
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    return check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id


def leaving(world: World, kind: str = OUTBOX_ANSWER) -> list[OutgoingMessage]:
    """What goes up when the link is back, once what is stale has been made anew."""
    for _ in range(2):
        found = unsent.leaving(
            world.owner.store,
            100,
            0,
            own=world.owner.own(),
            roster=world.roster(),
            now_ms=world.now_ms,
            today=world.today,
        )
    return [message for message in found if message.kind == kind]


def arrive(world: World, message: OutgoingMessage) -> None:
    """The hub takes a message and passes it on."""
    messages.settle(world.owner.store, message.id, accepted=True, reason="", now_ms=world.now_ms)
    take(world, parse_envelope(message.envelope))


def take(world: World, envelope: envelope_pb2.Envelope) -> None:
    messages.take(world.asker.store, envelope, world.receiver(world.asker))


def told(world: World, check_id: bytes) -> list[str]:
    """Summaries of the records that the asker has got."""
    store = world.asker.store
    check = store.checks.get(check_id)
    assert check is not None
    found = facts(result_of(check, store.checks.answers(check_id)))
    return [record["summary"] for candidate in found["candidates"] for record in candidate["records"]]


def test_an_answer_that_waits_goes_up_as_it_was_made_while_its_records_stand(world: World) -> None:
    check_id = answer(world)
    (before,) = world.owner.store.outbox.waiting(10)
    (message,) = leaving(world)
    assert message == before
    arrive(world, message)
    assert told(world, check_id) == [RECORD.summary]


@pytest.mark.parametrize("change", [void, seal, expunge])
def test_rule_2_attack_a_record_that_fell_while_the_link_was_down_leaves_in_the_answer_made_before(
    world: World, change: Change
) -> None:
    check_id = answer(world)
    (before,) = world.owner.store.outbox.waiting(10)
    change(world)
    (message,) = leaving(world)
    assert message.id != before.id
    arrive(world, message)
    assert told(world, check_id) == []
    assert [response.ori for response in world.asker.store.checks.answers(check_id)] == [OWNER]


def test_rule_2_a_record_that_was_corrected_leaves_in_its_corrected_words(world: World) -> None:
    check_id = answer(world)
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, WHY)
    (message,) = leaving(world)
    arrive(world, message)
    assert told(world, check_id) == ["Other words."]
    events = [entry.event for entry in world.owner.store.audit.newest(10)]
    assert Event.ANSWER_REMADE in events


def test_rule_2_while_no_policies_can_be_read_a_stale_answer_waits(world: World) -> None:
    answer(world)
    void(world)
    world.owner.readable = False
    assert leaving(world) == []
    assert world.owner.store.outbox.count() == 1
    world.owner.readable = True
    assert len(leaving(world)) == 1


def test_rule_2_no_answer_goes_up_when_the_asker_was_suspended_meanwhile(world: World) -> None:
    answer(world)
    void(world)
    world.inactive = frozenset({ASKER})
    assert leaving(world) == []
    assert world.owner.store.outbox.count() == 0
    newest = world.owner.store.audit.newest(1)[0]
    assert (newest.event, newest.detail) == (Event.QUERY_REFUSED, "suspended")


def test_rule_3_attack_an_expunged_record_leaves_in_a_notice_made_before(world: World) -> None:
    world.ask()
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, WHY)
    world.make_notices()
    expunge(world)
    assert leaving(world, OUTBOX_NOTICE) == []
    (owed,) = world.owner.store.notices.owed()
    assert (owed.state, owed.changes) == ("due", ("corrected", "expunged"))
    world.make_notices()
    (message,) = leaving(world, OUTBOX_NOTICE)
    arrive(world, message)
    assert [standing.record_key for standing in world.asker.store.notices.received()] == [KEY]


def test_rule_3_attack_an_expunged_record_leaves_in_a_decision_made_before(world: World) -> None:
    store, reference, check_id = world.owner.store, bytes(16), bytes(range(16))
    offer = ReferralOffer(reference, check_id, ASKER, world.officer_id, "hiring", bytes(32), "BG-07", NOW_MS)
    store.referrals.offer(offer)
    store.referrals.change_offer(replace(offer, state=RELEASED, sent=True))
    envelope = envelope_pb2.Envelope(payload=b"a sealed decision")
    store.outbox.add(OUTBOX_REFERRAL, bytes(16), envelope.SerializeToString(), NOW_MS)
    store.disclosures.add(_released(world, check_id, unsent._digest(store.outbox.waiting(1)[0])))
    assert len(leaving(world, OUTBOX_REFERRAL)) == 1
    assert store.referrals.to_send() == []
    expunge(world)
    assert leaving(world, OUTBOX_REFERRAL) == []
    assert [each.reference for each in store.referrals.to_send()] == [reference]


def _released(world: World, check_id: bytes, digest: bytes) -> Disclosure:
    return Disclosure(
        at_ms=NOW_MS,
        check_id=check_id,
        asker=ASKER,
        purpose="hiring",
        authorization_digest=bytes(32),
        asker_reference="BG-07",
        officer_id=world.officer_id,
        records=(DisclosedRecord(KEY, RECORD.version),),
        policies=(),
        verdict=VERDICT_RELEASED,
        answer_digest=digest,
    )


def test_rule_4_attack_a_notice_tells_of_an_expunged_record_that_the_asker_never_got(world: World) -> None:
    answer(world)
    expunge(world)
    world_before = world.owner.store.notices.undelivered_count()
    assert world_before == 1
    (message,) = leaving(world)
    with pytest.raises(Refused) as waits:
        world.make_notices()
    assert waits.value.reason == noticing.UNSETTLED
    arrive(world, message)
    world.make_notices()
    assert world.owner.store.notices.owed() == []
    assert world.owner.store.outbox.count() == 0


def test_rule_4_the_account_of_disclosures_says_which_answer_never_left(world: World) -> None:
    answer(world)
    void(world)
    (message,) = leaving(world)
    arrive(world, message)
    first, second = accounting(world.owner.store, world.officer_id, Custodian(OWNER, "Owner", {}))
    assert (first["verdict"], len(first["records"])) == (
        "made anew before it left; nothing was disclosed by this one",
        1,
    )
    assert (second["verdict"], second["records"]) == ("disclosed", [])


def test_rule_4_an_answer_that_had_arrived_before_the_link_was_lost_counts_and_is_followed_by_a_notice(
    world: World,
) -> None:
    check_id = answer(world)
    (former,) = world.owner.store.outbox.waiting(10)
    take(world, parse_envelope(former.envelope))
    void(world)
    (message,) = leaving(world)
    messages.settle(world.owner.store, message.id, accepted=False, reason=unsent.ANSWERED_BEFORE, now_ms=world.now_ms)
    assert told(world, check_id) == [RECORD.summary]
    first, second = accounting(world.owner.store, world.officer_id, Custodian(OWNER, "Owner", {}))
    assert first["verdict"] == "disclosed"
    assert second["verdict"] == "made anew before it left; nothing was disclosed by this one"
    world.make_notices()
    assert [each.kind for each in world.owner.store.outbox.waiting(10)] == [OUTBOX_NOTICE]
