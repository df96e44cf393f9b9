"""Answers and receipts at the hub, rule by rule: what is passed on, and what the asker is told of everybody's part."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from tests.parties.hub_world import ASKER, HOLDER, OTHER, Asked, HubWorld

from waypost.crypto.envelope import SigningKey
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import answers, checks, schema
from waypost.hub.errors import Refused
from waypost.hub.mailbox import Mail, MailKind
from waypost.hub.receipts import Response
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2

PENDING, ANSWERED, REFUSED, EXPIRED = (
    check_pb2.RESPONSE_STATE_PENDING,
    check_pb2.RESPONSE_STATE_ANSWERED,
    check_pb2.RESPONSE_STATE_REFUSED,
    check_pb2.RESPONSE_STATE_EXPIRED,
)
TOKEN = b"t" * limits.TOKEN_BYTES


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path)
    for ori in (HOLDER, OTHER):
        made.register(ori, [TOKEN])
    yield made
    made.close()


def submitted(world: HubWorld) -> Asked:
    """A check that two members matched."""
    asked = world.ask([TOKEN])
    world.submit(asked)
    return asked


def states(receipt: check_pb2.Receipt) -> dict[str, int]:
    return {part.ori: part.state for part in receipt.responses}


def digest(envelope: envelope_pb2.Envelope) -> bytes:
    return hashlib.sha256(envelope.payload).digest()


def taken(world: HubWorld, ori: str, reason: str) -> str | None:
    (query,) = (mail for mail in world.mail(ori) if mail.kind is MailKind.QUERY)
    return world.do(
        lambda connection: answers.query_taken(connection, query, ori, reason, key=world.hub, now_ms=world.now_ms)
    )


def refused(world: HubWorld, envelope: envelope_pb2.Envelope, caller: str = HOLDER) -> str:
    """Why the hub does not pass the answer on; nothing has changed by it."""
    before = [mail.content for mail in world.mail(ASKER)]
    with pytest.raises(Refused) as caught:
        world.give(envelope, caller=caller)
    assert [mail.content for mail in world.mail(ASKER)] == before
    return caught.value.reason


def test_rule_1_an_answer_is_passed_on_as_it_came_and_the_next_receipt_names_it(world: HubWorld) -> None:
    asked = submitted(world)
    answer = world.answer(asked)
    assert world.give(answer) == ASKER
    assert world.messages(ASKER, names.ANSWER) == [answer]
    first, second = world.receipts()
    assert (first.sequence, states(first)) == (1, {OTHER: PENDING, HOLDER: PENDING})
    assert (second.sequence, states(second)) == (2, {OTHER: PENDING, HOLDER: ANSWERED})
    assert {part.ori: part.answer_digest for part in second.responses} == {OTHER: b"", HOLDER: digest(answer)}
    assert (second.coverage, second.accepted_at_ms) == (first.coverage, first.accepted_at_ms)


def test_rule_1_attack_an_answer_that_is_not_the_callers_own_to_the_asker_now(world: HubWorld) -> None:
    asked = submitted(world)
    assert refused(world, world.answer(asked), caller=OTHER) == "wrong-signature"
    other = header_to_proto(new_header(sender=OTHER, audience=ASKER, now_ms=world.now_ms, lifetime_ms=limits.DAY_MS))
    assert refused(world, world.answer(asked, header=other)) == "wrong-sender"
    astray = header_to_proto(new_header(sender=HOLDER, audience=OTHER, now_ms=world.now_ms, lifetime_ms=limits.DAY_MS))
    assert refused(world, world.answer(asked, header=astray)) == "wrong-audience"
    late = world.answer(asked)
    world.now_ms += limits.ANSWER_LIFETIME_MS + limits.DAY_MS
    assert refused(world, late) == "expired"
    world.suspended = {HOLDER}
    assert refused(world, world.answer(asked)) == "suspended"


def test_rule_2_attack_an_answer_of_a_member_that_was_not_asked_or_to_another_request(world: HubWorld) -> None:
    world.suspended = {OTHER}  # it is not asked; it comes back later
    asked = submitted(world)
    world.suspended = set()
    assert refused(world, world.answer(asked, OTHER), caller=OTHER) == "not-asked"
    assert refused(world, world.answer(asked, request_digest=bytes(32))) == "not-asked"
    assert refused(world, world.answer(asked, check_id=os.urandom(16))) == "no-such-check"
    junk = world.signed(HOLDER, names.ANSWER, b"\xff\xff\xff")
    assert refused(world, junk) == "malformed"


def test_rule_3_the_same_answer_again_changes_nothing_also_when_the_check_is_forgotten(world: HubWorld) -> None:
    world.suspended = {OTHER}
    asked = submitted(world)
    answer = world.answer(asked)
    world.give(answer)
    count = len(world.mail(ASKER))
    assert world.give(answer) is None
    assert len(world.mail(ASKER)) == count
    for ori in (ASKER, HOLDER):
        world.take_mail(ori)
    assert world.do(lambda connection: checks.forget_delivered(connection, world.now_ms)) == 1
    assert world.give(answer) is None
    assert world.mail(ASKER) == []


def test_rule_3_attack_a_member_takes_its_answer_back_by_another_one(world: HubWorld) -> None:
    asked = submitted(world)
    world.give(world.answer(asked))
    assert refused(world, world.answer(asked)) == "answered-before"


def test_rule_4_a_refused_query_shows_in_the_receipt_with_the_reason(world: HubWorld) -> None:
    asked = submitted(world)
    assert taken(world, HOLDER, "holds-nothing") == ASKER
    last = world.receipts()[-1]
    assert states(last) == {HOLDER: REFUSED, OTHER: PENDING}
    assert [part.reason for part in last.responses if part.ori == HOLDER] == ["holds-nothing"]
    assert refused(world, world.answer(asked)) == "answered-before"
    assert taken(world, HOLDER, "") is None


@pytest.mark.parametrize("words", ["Officer Delacroix is unknown here", "x" * 41, "UPPER", "-dash", "a\nb"])
def test_rule_4_attack_a_node_tells_the_asker_or_the_hub_more_than_a_reason(world: HubWorld, words: str) -> None:
    submitted(world)
    taken(world, HOLDER, words)
    assert [part.reason for part in world.receipts()[-1].responses if part.ori == HOLDER] == ["unspecified"]
    details = world.do(lambda connection: list(connection.scalars(select(schema.audit.c.detail))))
    assert not [detail for detail in details if words in detail]


def test_a_check_expires_with_the_parts_that_are_pending_and_keeps_those_that_are_over(world: HubWorld) -> None:
    asked = submitted(world)
    answer = world.answer(asked)
    world.give(answer)
    world.now_ms += limits.CHECK_LIFETIME_MS
    expire = checks.expire_checks
    assert world.do(lambda connection: expire(connection, key=world.hub, now_ms=world.now_ms)) == {ASKER}
    last = world.receipts()[-1]
    assert states(last) == {HOLDER: ANSWERED, OTHER: EXPIRED}
    assert {part.ori: part.answer_digest for part in last.responses} == {HOLDER: digest(answer), OTHER: b""}
    assert refused(world, world.answer(asked, OTHER), caller=OTHER) == "answered-before"
    assert world.do(lambda connection: expire(connection, key=world.hub, now_ms=world.now_ms)) == frozenset()


def test_who_matched_is_forgotten_when_all_mail_of_the_check_was_taken(world: HubWorld) -> None:
    world.suspended = {OTHER}
    asked = submitted(world)

    def kept(connection: Connection) -> int:
        return int(connection.scalar(select(func.count()).select_from(schema.responses)) or 0)

    def forget() -> int:
        return world.do(lambda connection: checks.forget_delivered(connection, world.now_ms))

    world.take_mail(ASKER)
    world.take_mail(HOLDER)
    assert (forget(), world.do(kept)) == (0, 1)  # it is pending
    world.give(world.answer(asked))
    assert (forget(), world.do(kept)) == (0, 1)  # the asker has not taken it
    world.take_mail(ASKER)
    assert (forget(), world.do(kept)) == (1, 0)


@pytest.mark.parametrize("over", [ANSWERED, REFUSED, EXPIRED])
def test_attack_two_replicas_end_one_part_and_the_second_would_set_it_back(world: HubWorld, over: int) -> None:
    """Each has read that it is pending. What the second says does not count, and leaves no receipt."""
    asked = submitted(world)
    held = world.do(lambda connection: checks.state_of(connection, asked.id))
    assert held is not None
    first = Response(HOLDER, over, bytes(32) if over == ANSWERED else b"", "" if over == ANSWERED else "expired")

    def end(part: Response) -> None:
        world.do(lambda connection: checks.set_response(connection, held, part, key=world.hub, now_ms=world.now_ms))

    end(first)
    before = world.receipts()
    for second in (Response(HOLDER, ANSWERED, b"x" * 32, ""), Response(HOLDER, REFUSED, b"", "holds-nothing")):
        with pytest.raises(Refused) as caught:
            end(second)
        assert caught.value.reason == "answered-before"
    assert world.receipts() == before
    assert world.do(lambda connection: checks.responses_of(connection, asked.id)).count(first) == 1


@pytest.mark.parametrize(
    ("state", "answer_digest"), [(ANSWERED, b""), (ANSWERED, bytes(31)), (PENDING, bytes(32)), (REFUSED, bytes(32))]
)
def test_no_part_can_be_made_that_says_answered_without_its_answer_or_names_one_otherwise(
    state: int, answer_digest: bytes
) -> None:
    with pytest.raises(Refused):
        Response(HOLDER, state, answer_digest, "")


def test_a_strangers_key_signs_no_answer(world: HubWorld) -> None:
    asked = submitted(world)
    answer: Any = world.answer(asked)
    forged = world.signed(HOLDER, names.ANSWER, answer.payload, SigningKey.generate())
    assert refused(world, forged) == "wrong-signature"


def test_mail_that_is_no_query_tells_nothing_of_a_check(world: HubWorld) -> None:
    message = Mail(1, MailKind.MESSAGE, b"c" * 16, b"")
    told = world.do(
        lambda connection: answers.query_taken(connection, message, HOLDER, "nothing", key=world.hub, now_ms=0)
    )
    assert told is None
