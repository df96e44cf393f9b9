"""Attack: a record that was voided or expunged still leaves, in what had been waiting for the link before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import ASKER, FAIR, NOW_MS, OWNER, RECORD, TODAY, World

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering, changing, disputing, messages, noticing, unsent
from waypost.node.answering import OUTBOX_ANSWER
from waypost.node.audit import Event
from waypost.node.changing import CAUSE_ORDER, Why
from waypost.node.errors import Refused
from waypost.node.noticing import OUTBOX_NOTICE
from waypost.node.referring import OUTBOX_REFERRAL, VERDICT_RELEASED
from waypost.node.results import facts, result_of
from waypost.node.selffile import Custodian, accounting
from waypost.node.statements import Statement
from waypost.node.store import DisclosedRecord, Disclosure, OutgoingMessage, ReferralOffer
from waypost.node.store.referrals import RELEASED
from waypost.v1 import check_pb2, envelope_pb2, notice_pb2

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
        found = look(world)
    return [message for message in found.going if message.kind == kind]


def look(world: World, after_id: int = 0, again: Collection[int] = (), since_ms: int | None = None) -> unsent.Leaving:
    """Look at the outbox once, under rules that came into force just now unless it is said when."""
    since_ms = world.now_ms + 1 if since_ms is None else since_ms
    law = unsent.Law(world.owner.own(), world.roster(), since_ms, world.now_ms, world.today)
    return unsent.leaving(world.owner.store, 100, after_id, law, again=again)


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


FORBID = ("law.cedar", '@id("nv.law") forbid (principal, action, resource is Record);')
WHOLE = ("law.cedar", '@id("nv.law") forbid (principal, action, resource is Officer);')


@pytest.mark.parametrize("law", [FORBID, WHOLE])
def test_rule_1_attack_a_record_that_a_new_policy_forbids_leaves_in_the_answer_made_before(
    world: World, law: tuple[str, str]
) -> None:
    check_id = answer(world)
    world.owner.local = (law,)
    (message,) = leaving(world)
    arrive(world, message)
    assert told(world, check_id) == []
    (body,) = (check_pb2.AnswerBody.FromString(each.body) for each in world.asker.store.checks.answers(check_id))
    assert [list(entry.policy_ids) for each in body.candidates for entry in each.declined] == [["nv.law"]]


def test_rule_1_attack_a_record_whose_age_forbids_it_from_today_on_leaves_in_yesterdays_answer(world: World) -> None:
    age = (TODAY - FAIR.decided_on).days if FAIR.decided_on else 0
    sealed = f'@id("nv.age") forbid (principal, action, resource is Record) when {{ resource.age_days > {age} }};'
    world.owner.local = (("age.cedar", sealed),)
    since_ms = world.now_ms
    check_id = answer(world)
    assert [message.kind for message in look(world, since_ms=since_ms).going] == [OUTBOX_ANSWER]
    world.pass_days(1)
    for _ in range(2):
        found = look(world, since_ms=since_ms)
    (message,) = found.going
    arrive(world, message)
    assert told(world, check_id) == []


def test_rule_1_what_was_decided_under_the_rules_in_force_goes_up_without_being_decided_again(world: World) -> None:
    since_ms = world.now_ms
    answer(world)
    world.owner.local = (FORBID,)  # as if it was there all the time: nobody looks
    assert len(look(world, since_ms=since_ms).going) == 1


@pytest.mark.parametrize("what", ["statement", "dispute"])
def test_rule_1_a_statement_or_dispute_since_goes_along_with_the_answer_that_waited(world: World, what: str) -> None:
    check_id, store = answer(world), world.owner.store
    world.now_ms += 1_000
    if what == "statement":
        disputing.set_statement(store, KEY, Statement("I was alone.", TODAY), staff="IA-3", now_ms=world.now_ms)
    else:
        disputing.open_dispute(store, KEY, "not me", TODAY, staff="IA-3", now_ms=world.now_ms)
    world.now_ms += 1_000
    (message,) = leaving(world)
    arrive(world, message)
    (answered,) = world.asker.store.checks.answers(check_id)
    (record,) = check_pb2.AnswerBody.FromString(answered.body).candidates[0].conduct
    assert what in {field.name for field, _ in record.ListFields()}
    assert look(world).going == ()


def test_rule_1_a_clock_that_was_put_back_does_not_have_an_answer_made_anew_for_ever(world: World) -> None:
    store = world.owner.store
    disputing.set_statement(store, KEY, Statement("I was alone.", TODAY), staff="IA-3", now_ms=world.now_ms + 3_600_000)
    answer(world)
    (before,) = store.outbox.waiting(10)
    assert leaving(world) == [before]


def test_rule_1_a_notice_with_content_that_a_new_policy_forbids_is_made_anew_without_it(world: World) -> None:
    check_id = world.ask()
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, WHY)
    world.make_notices()
    world.owner.local = (FORBID,)
    assert leaving(world, OUTBOX_NOTICE) == []
    world.make_notices()
    (message,) = leaving(world, OUTBOX_NOTICE)
    arrive(world, message)
    (notice,) = world.asker.store.notices.received()
    body = notice_pb2.NoticeBody.FromString(notice.body)
    assert body.standing == notice_pb2.STANDING_WITHHELD
    assert told(world, check_id) == [RECORD.summary]


def test_rule_5_attack_an_answer_made_before_a_policy_file_broke_leaves_while_it_is_broken(world: World) -> None:
    answer(world)
    (message,) = world.owner.store.outbox.waiting(10)
    world.owner.readable = False
    assert look(world) == unsent.Leaving((), frozenset({message.id}))
    later = world.owner.store.outbox.add("watch", bytes(16), message.envelope, world.now_ms)
    found = look(world, message.id, again=(message.id,))
    assert [each.id for each in found.going] == [later]
    assert found.held == {message.id}
    world.owner.readable = True
    assert look(world, later, again=(message.id,)) == unsent.Leaving((message,), frozenset())


def test_rule_5_a_notice_that_a_record_was_voided_goes_up_while_a_policy_file_is_broken(world: World) -> None:
    world.ask()
    void(world)
    world.owner.readable = False
    world.make_notices()
    assert len(leaving(world, OUTBOX_NOTICE)) == 1


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
