"""An applicant may come back to where he was: the asking node looks its own records up, and none of that leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.duty_world import PERSON, World

from waypost.node import answering, asking, referring
from waypost.node.applicants import Inquiry
from waypost.node.errors import CheckError
from waypost.node.results import Result, result_of
from waypost.node.store import StoredCheck
from waypost.v1 import check_pb2


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
