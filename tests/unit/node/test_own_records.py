"""An applicant may come back to where he was: the asking node looks its own records up, and none of that leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import PERSON, World

from waypost.node import answering, asking, changing, referring
from waypost.node.applicants import Inquiry
from waypost.node.changing import Why
from waypost.node.errors import CheckError
from waypost.node.persons import PartialDate
from waypost.node.results import Result, facts, result_of
from waypost.node.store import StoredAnswer, StoredCheck
from waypost.v1 import check_pb2, notice_pb2, record_pb2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    held = World(tmp_path)
    yield held
    held.close()


def _ask_oneself(world: World) -> StoredCheck:
    party = world.owner
    inquiry = Inquiry(PERSON, "certification", "AUTH-1", bytes(32), "BG-07")
    check = asking.new_check(inquiry, world.now_ms)
    party.store.checks.add(check)
    ready = asking.make_ready(check, inquiry, world.tokens, ori=party.ori, epoch=1, key=party.key, now_ms=world.now_ms)
    party.store.checks.update(ready)
    answering.answer_own(
        party.store,
        ready,
        world.tokens,
        own=party.own(),
        roster=world.roster(),
        now_ms=world.now_ms,
        today=world.today,
    )
    return ready


def _result(world: World, check: StoredCheck) -> Result:
    return result_of(check, world.owner.store.checks.answers(check.id))


def test_the_own_officer_is_a_candidate_like_any_other_and_nothing_is_sent(world: World) -> None:
    result = _result(world, _ask_oneself(world))
    assert [found.ori for found in result.candidates] == [world.owner.ori]
    assert [record.record_key for record in result.candidates[0].candidate.conduct] == ["NVPOST-17"]
    assert world.owner.store.outbox.count() == 0


def test_the_own_look_up_is_in_the_account_of_disclosures(world: World) -> None:
    check = _ask_oneself(world)
    (entry,) = world.owner.store.disclosures.of_check(check.id)
    assert (entry.asker, entry.asker_reference) == (world.owner.ori, "BG-07")


def test_what_the_own_check_found_is_kept_up_within_the_node_and_nothing_waits_at_the_hub(world: World) -> None:
    check, store = _ask_oneself(world), world.owner.store
    changing.void(store, "NVPOST-17", Why("IA-3", "overturned", world.now_ms, world.today))
    store.officers.change([(world.officer_id, replace(PERSON, date_of_birth=PartialDate(1988, 3, 15)))], 1)
    world.make_notices()
    assert store.outbox.count() == 0
    assert {each.state for each in store.notices.owed()} == {"delivered"}
    result = result_of(check, store.checks.answers(check.id), store.notices.standing_of(world.owner.ori))
    (candidate,) = facts(result)["candidates"]
    assert candidate["records"][0]["now"]["standing"] == "voided"
    assert "now: date of birth 1988-03-15" in candidate["now"]["differences"]


@pytest.mark.parametrize("cause", [changing.CAUSE_ORDER, changing.CAUSE_RETENTION])
def test_an_expunged_record_is_gone_from_what_own_checks_had_found_at_once(world: World, cause: str) -> None:
    check, store = _ask_oneself(world), world.owner.store
    changing.correct(store, "NVPOST-17", {"summary": "Other words."}, Why("IA-3", "x", world.now_ms, world.today))
    world.make_notices()
    assert "Other words." in str([notice_pb2.NoticeBody.FromString(each.body) for each in store.notices.received()])
    changing.expunge(
        store, "NVPOST-17", cause=cause, reference="R", staff="IA-3", rejects=world.folder, now_ms=world.now_ms
    )
    (candidate,) = facts(_result(world, check))["candidates"]
    assert (candidate["records"][0]["record_key"], candidate["records"][0]["summary"]) == ("NVPOST-17", "")
    assert store.notices.received() == []


def test_an_expunged_record_of_the_same_key_at_another_member_stays_in_what_that_one_disclosed(world: World) -> None:
    check, store = _ask_oneself(world), world.owner.store
    record = record_pb2.ConductRecord(record_key="NVPOST-17", version=1, summary="Of another owner.")
    theirs = check_pb2.AnswerBody(candidates=[check_pb2.Candidate(officer_key="X", conduct=[record])])
    store.checks.add_answer(StoredAnswer(check.id, "CA9900500", theirs.SerializeToString(), b"", 1))
    changing.expunge(
        *(store, "NVPOST-17"),
        cause=changing.CAUSE_ORDER,
        reference="R",
        staff="IA-3",
        rejects=world.folder,
        now_ms=world.now_ms,
    )
    kept = {each.ori: check_pb2.AnswerBody.FromString(each.body) for each in store.checks.answers(check.id)}
    assert kept["CA9900500"] == theirs


def test_a_record_without_fair_process_is_kept_from_the_own_staff_as_from_others(tmp_path: Path) -> None:
    from tests.parties.duty_world import with_facts

    world = World(tmp_path, with_facts(notice_on=None))
    try:
        (found,) = _result(world, _ask_oneself(world)).candidates
        assert list(found.candidate.conduct) == []
    finally:
        world.close()


def test_a_node_that_holds_nothing_of_the_applicant_keeps_no_answer_of_its_own(world: World) -> None:
    world.tokens = [bytes(16)]
    check = _ask_oneself(world)
    assert world.owner.store.checks.answers(check.id) == []


def test_nobody_is_asked_for_a_referral_to_oneself(world: World) -> None:
    world.tokens = world.tokens[1:2]
    check = _ask_oneself(world)
    bodies = [check_pb2.AnswerBody.FromString(each.body) for each in world.owner.store.checks.answers(check.id)]
    assert not any(candidate.referral_reference for body in bodies for candidate in body.candidates)
    inquiry = Inquiry(PERSON, "certification", "AUTH-1", bytes(32), "BG-07")
    with pytest.raises(CheckError):
        referring.ask(world.owner.store, check, inquiry, world.owner.ori, contact="x", note="", now_ms=1)
