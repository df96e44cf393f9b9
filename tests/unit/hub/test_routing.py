"""Checks at the hub, rule by rule: what is accepted, who is asked, and what each of them is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.parties.hub_world import ASKER, BODY, EPOCH, HOLDER, NOW_MS, OTHER, POST, HubWorld

from waypost.crypto.envelope import SigningKey, verify_signatures
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import checks, routing
from waypost.hub.errors import RateExceeded, Refused
from waypost.protocol import limits, names
from waypost.v1 import check_pb2

HIRING, CERTIFICATION, SELF = (
    check_pb2.PURPOSE_HIRING,
    check_pb2.PURPOSE_CERTIFICATION,
    check_pb2.PURPOSE_SELF,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path)
    yield made
    made.close()


def tokens(count: int) -> list[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


def nothing_left(world: HubWorld) -> None:
    assert not any(world.mail(ori) for ori in (ASKER, HOLDER, OTHER, POST))


def header(*, sender: str = ASKER, audience: str = names.HUB, issued_ms: int = NOW_MS, lifetime_ms: int = 0) -> Any:
    lifetime_ms = lifetime_ms or limits.CHECK_LIFETIME_MS
    return header_to_proto(new_header(sender=sender, audience=audience, now_ms=issued_ms, lifetime_ms=lifetime_ms))


def test_a_check_is_routed_to_those_who_registered_one_of_its_tokens_with_their_own_tokens_alone(
    world: HubWorld,
) -> None:
    shared, own, foreign, unknown = tokens(4)
    world.register(HOLDER, [shared, own])
    world.register(POST, [shared])
    world.register(OTHER, [foreign])
    asked = world.ask([shared, own, unknown])
    receipt = world.submit(asked)
    shown = {ori: [{o.token for o in query.openings} for query in world.queries(ori)] for ori in (HOLDER, POST, OTHER)}
    assert shown == {HOLDER: [{shared, own}], POST: [{shared}], OTHER: []}
    pending = check_pb2.RESPONSE_STATE_PENDING
    assert [(each.ori, each.state) for each in receipt.responses] == [(HOLDER, pending), (POST, pending)]
    (query, *_) = world.queries(HOLDER)
    both = (world.keys[ASKER].public, world.hub.public)
    verify_signatures(query.request, both, required=2, expected_type=names.CHECK_REQUEST)
    assert query.request.payload == asked.envelope.payload


def test_neither_the_asker_nor_a_suspended_member_is_asked(world: HubWorld) -> None:
    (token,) = tokens(1)
    for ori in (ASKER, HOLDER, OTHER):
        world.register(ori, [token])
    world.suspended = {HOLDER}
    receipt = world.submit(world.ask([token]))
    assert [each.ori for each in receipt.responses] == [OTHER]
    assert world.queries(HOLDER) == world.queries(ASKER) == []


def test_a_receipt_names_the_members_that_hold_records_and_whose_index_is_not_current(world: HubWorld) -> None:
    world.register(HOLDER, tokens(1))
    world.register(OTHER, tokens(1))
    world.suspended = {OTHER}
    coverage = world.submit(world.ask()).coverage
    assert (coverage.members, coverage.current) == (3, 1)  # neither the asker nor the credentialing body counts
    assert set(coverage.stale_oris) == {OTHER, POST}
    world.now_ms += limits.INDEX_CURRENT_MS
    later = world.submit(world.ask()).coverage
    assert set(later.stale_oris) == {HOLDER, OTHER, POST}


@pytest.mark.parametrize(
    ("content", "caller", "reason"),
    [
        ({"header": header(audience="trustee")}, ASKER, "wrong-audience"),
        ({"header": header(issued_ms=NOW_MS - limits.CHECK_LIFETIME_MS - limits.DAY_MS)}, ASKER, "expired"),
        ({"header": header(issued_ms=NOW_MS + limits.DAY_MS)}, ASKER, "future-dated"),
        ({"header": header(lifetime_ms=limits.CHECK_LIFETIME_MS + 1)}, ASKER, "too-long-lived"),
        ({}, HOLDER, "wrong-signature"),
        ({}, "TX9900100", "not-a-member"),
    ],
    ids=["for-another", "expired", "of-tomorrow", "too-long-lived", "on-anothers-connection", "of-a-stranger"],
)
def test_rule_1_attack_a_request_that_is_not_the_callers_own_to_the_hub_now(
    world: HubWorld, content: dict[str, Any], caller: str, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(world.ask(**content), caller=caller)
    assert refused.value.reason == reason
    nothing_left(world)


def test_rule_1_attack_a_request_that_another_signed_or_of_a_suspended_member(world: HubWorld) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(world.ask(key=SigningKey.generate()))
    assert refused.value.reason == "wrong-signature"
    world.suspended = {ASKER}
    with pytest.raises(Refused) as refused:
        world.submit(world.ask())
    assert refused.value.reason == "suspended"
    nothing_left(world)


@pytest.mark.parametrize(
    ("sender", "purpose"),
    [
        (ASKER, CERTIFICATION),
        (POST, HIRING),
        (BODY, HIRING),
        (BODY, SELF),
        (ASKER, check_pb2.PURPOSE_UNSPECIFIED),
        (ASKER, 77),
    ],
)
def test_rule_2_attack_a_purpose_that_the_role_does_not_have(world: HubWorld, sender: str, purpose: int) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(world.ask(sender=sender, purpose=purpose), caller=sender)
    assert refused.value.reason == "purpose-not-allowed"


@pytest.mark.parametrize("purpose", [HIRING, SELF])
@pytest.mark.parametrize(
    "missing", [{"authorization_digest": b""}, {"authorization_reference": "  "}], ids=["digest", "reference"]
)
def test_rule_2_attack_a_check_that_the_person_did_not_sign_for(
    world: HubWorld, purpose: int, missing: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(world.ask(purpose=purpose, **missing))
    assert refused.value.reason == "no-authorization"


def test_rule_2_a_post_board_certifies_by_its_office(world: HubWorld) -> None:
    asked = world.ask(sender=POST, purpose=CERTIFICATION, authorization_digest=b"", authorization_reference="")
    receipt = world.submit(asked, caller=POST)
    assert receipt.sequence == 1


@pytest.mark.parametrize(
    "content",
    [
        {"staff_reference": ""},
        {"staff_reference": "x" * 65},
        {"authorization_reference": "x" * 101},
        {"answer_public_key": b"short"},
        {"authorization_digest": bytes(31)},
    ],
    ids=["nobody-asks", "long-staff", "long-reference", "short-key", "short-digest"],
)
def test_attack_a_request_of_impossible_parts(world: HubWorld, content: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(world.ask(**content))
    assert refused.value.reason in {"malformed", "no-authorization"}
    nothing_left(world)


def test_rule_3_attack_a_check_of_another_epoch(world: HubWorld) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(world.ask(epoch=EPOCH + 1))
    assert refused.value.reason == "wrong-epoch"


def _swapped(openings: Sequence[Any]) -> Any:
    return (openings[0], *openings[2:], openings[0])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda openings: openings[:-1], "malformed"),
        (_swapped, "malformed"),
        (lambda openings: (*openings[:-1], type(openings[-1])(95, bytes(16), bytes(16))), "wrong-opening"),
        (lambda openings: (*openings[:-1], type(openings[-1])(96, bytes(16), bytes(16))), "wrong-opening"),
    ],
    ids=["one-missing", "one-twice", "one-of-another-token", "one-out-of-range"],
)
def test_rule_3_attack_openings_that_do_not_fit_what_was_signed(world: HubWorld, spoil: Any, reason: str) -> None:
    asked = world.ask()
    asked.openings = spoil(asked.openings)
    with pytest.raises(Refused) as refused:
        world.submit(asked)
    assert refused.value.reason == reason


def test_rule_3_attack_a_check_with_fewer_places_than_all_others(world: HubWorld) -> None:
    asked = world.ask()
    fewer = world.ask(commitments=[opening.commitment for opening in asked.openings[:10]])
    fewer.openings = asked.openings[:10]
    with pytest.raises(Refused) as refused:
        world.submit(fewer)
    assert refused.value.reason == "malformed"


def test_rule_4_a_member_that_asks_too_often_is_refused_until_the_next_hour_and_others_are_not(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "CHECKS_PER_HOUR", {"hiring": 2, "certification": 2, "self": 1})
    for _ in range(2):
        world.submit(world.ask())
    refused_check = world.ask()
    with pytest.raises(RateExceeded) as refused:
        world.submit(refused_check)
    assert refused.value.reason == "rate-exceeded"
    assert len(world.receipts()) == 2
    world.submit(world.ask(purpose=SELF))  # each purpose has its own count
    world.submit(world.ask(sender=OTHER), caller=OTHER)
    world.now_ms += limits.HOUR_MS
    assert world.submit(refused_check).sequence == 1  # what was refused was not counted as seen


def test_rule_4_attack_a_member_asks_all_day_with_tokens_that_cost_the_trustee_nothing(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "CHECKS_PER_HOUR", {"hiring": 2, "certification": 2, "self": 2})
    monkeypatch.setattr(routing, "CHECKS_PER_DAY", {"hiring": 3, "certification": 3, "self": 3})
    (token,) = tokens(1)
    world.register(HOLDER, [token])
    for _ in range(2):
        world.submit(world.ask([token]))
    world.now_ms += limits.HOUR_MS
    world.submit(world.ask([token]))
    world.now_ms += limits.HOUR_MS
    with pytest.raises(RateExceeded, match="within the day") as refused:
        world.submit(world.ask([token]))
    assert refused.value.reason == "rate-exceeded"
    assert len(world.queries(HOLDER)) == 3
    world.now_ms += limits.DAY_MS - 2 * limits.HOUR_MS  # the first two are a day back
    world.submit(world.ask([token]))


def test_rule_4_attack_a_member_leaves_checks_waiting_without_end(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a holder that is away; or it never takes the answers."""
    monkeypatch.setattr(routing, "CHECKS_OPEN_MAX", 2)
    (token,) = tokens(1)
    world.register(HOLDER, [token])
    first, _ = world.ask([token]), world.submit(world.ask([token]))
    world.submit(first)
    with pytest.raises(RateExceeded) as refused:
        world.submit(world.ask([token]))
    assert refused.value.reason == "too-many-open"
    assert world.submit(first).sequence == 1  # what is held already is not refused
    world.submit(world.ask([token], sender=OTHER), caller=OTHER)
    world.give(world.answer(first))
    world.take_mail(ASKER)
    world.take_mail(HOLDER)
    world.do(lambda connection: checks.forget_delivered(connection, world.now_ms))
    assert world.submit(world.ask([token])).sequence == 1


def test_rule_5_the_same_request_again_gives_its_receipt_and_asks_nobody_twice(world: HubWorld) -> None:
    (token,) = tokens(1)
    world.register(HOLDER, [token])
    asked = world.ask([token])
    first, again = world.submit(asked), world.submit(asked)
    assert (first.request_digest, first.sequence) == (again.request_digest, again.sequence)
    assert len(world.queries(HOLDER)) == 1
    assert len(world.receipts()) == 1


def test_rule_5_attack_another_request_or_another_asker_under_the_same_id(world: HubWorld) -> None:
    asked = world.ask()
    world.submit(asked)
    for sender in (ASKER, OTHER):
        same = asked.content.header
        same.sender = sender
        with pytest.raises(Refused) as refused:
            world.submit(world.ask(sender=sender, header=same, staff_reference="BG-08"), caller=sender)
        assert refused.value.reason == "replayed"


def test_rule_5_attack_a_check_that_was_delivered_and_forgotten_is_submitted_again(world: HubWorld) -> None:
    asked = world.ask()
    world.submit(asked)
    world.take_mail(ASKER)
    assert world.do(lambda connection: checks.forget_delivered(connection, world.now_ms)) == 1
    with pytest.raises(Refused) as refused:
        world.submit(asked)
    assert refused.value.reason == "replayed"
    nothing_left(world)
