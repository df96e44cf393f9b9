"""Answering a check, rule by rule: a real store, a real request, and attacks on everything that is signed or opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import ASKER, OWNER, PERSON, RECORD, World, with_facts

from waypost.crypto.envelope import SigningKey, countersign, parse_envelope, sign, verify_signatures
from waypost.crypto.errors import SealingError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed
from waypost.node import answering, messages
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.store import OfficerTokens, Store
from waypost.protocol import limits, names
from waypost.protocol.commitments import commit
from waypost.v1 import check_pb2, envelope_pb2

ONE_TIME = SealingKey.generate()
NO_ONE = '@id("s.none") forbid (principal, action, resource is Record);'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    held = World(tmp_path)
    yield held
    held.close()


def content(world: World, tokens: list[bytes], **changes: object) -> tuple[check_pb2.CheckRequest, list[bytes]]:
    openings = commit(tokens)
    header = new_header(sender=ASKER, audience=names.HUB, now_ms=world.now_ms, lifetime_ms=limits.CHECK_LIFETIME_MS)
    request = check_pb2.CheckRequest(
        header=header_to_proto(header),
        epoch=1,
        purpose=check_pb2.PURPOSE_HIRING,
        authorization_digest=hashlib.sha256(b"signed by the applicant").digest(),
        authorization_reference="FILE-7",
        staff_reference="INV-3",
        answer_public_key=ONE_TIME.public,
        commitments=[opening.commitment for opening in openings],
    )
    for name, value in changes.items():
        setattr(request, name, value)
    return request, [
        check_pb2.TokenOpening(slot=o.slot, salt=o.salt, token=o.token).SerializeToString() for o in openings
    ]


def query(
    world: World, tokens: list[bytes] | None = None, opened: list[bytes] | None = None, **changes: object
) -> check_pb2.RoutedQuery:
    """What the hub would route: the check, and the openings of the tokens that are the owner's."""
    tokens = world.tokens if tokens is None else tokens
    request, openings = content(world, tokens, **changes)
    parsed = [check_pb2.TokenOpening.FromString(opening) for opening in openings]
    envelope = countersign(sign(names.CHECK_REQUEST, request.SerializeToString(), world.asker.key), world.hub)
    wanted = tokens if opened is None else opened
    return check_pb2.RoutedQuery(request=envelope, openings=[each for each in parsed if each.token in wanted])


def answered(world: World, routed: check_pb2.RoutedQuery) -> bool:
    return answering.answer(
        world.owner.store,
        routed,
        own=world.owner.own(),
        roster=world.roster(),
        now_ms=world.now_ms,
        today=world.today,
    )


def outbox(world: World) -> list[envelope_pb2.Envelope]:
    return [parse_envelope(message.envelope) for message in world.owner.store.outbox.waiting(100)]


def logged(world: World) -> int:
    return len(list(world.owner.store.disclosures.all()))


def refused(world: World, routed: check_pb2.RoutedQuery, reason: str) -> None:
    with pytest.raises(Refused) as told:
        answered(world, routed)
    assert told.value.reason == reason
    assert outbox(world) == []
    assert logged(world) == 0


def body(world: World) -> check_pb2.AnswerBody:
    (envelope,) = outbox(world)
    answer = check_pb2.Answer.FromString(envelope.payload)
    context = SealingContext(names.SEAL_ANSWER, OWNER, ASKER, answer.check_id)
    return check_pb2.AnswerBody.FromString(open_sealed(answer.sealed_body, ONE_TIME, context))


def test_a_query_is_answered_with_what_the_record_says_signed_for_the_asker(world: World) -> None:
    routed = query(world)
    assert answered(world, routed)
    (envelope,) = outbox(world)
    verify_signatures(envelope, (world.owner.key.public,), required=1, expected_type=names.ANSWER)
    answer = check_pb2.Answer.FromString(envelope.payload)
    assert (answer.header.sender, answer.header.audience) == (OWNER, ASKER)
    assert answer.request_digest == hashlib.sha256(routed.request.payload).digest()
    (candidate,) = body(world).candidates
    assert candidate.verdict == check_pb2.VERDICT_DISCLOSED
    assert [record.summary for record in candidate.conduct] == [RECORD.summary]


@pytest.mark.parametrize("missing", ["asker", "hub"])
def test_rule_1_attack_a_request_lacks_one_of_its_two_signatures(missing: str, world: World) -> None:
    routed = query(world)
    wanted = world.hub if missing == "asker" else world.asker.key
    kept = sign(names.CHECK_REQUEST, routed.request.payload, wanted)
    routed.request.CopyFrom(kept)
    refused(world, routed, "wrong-signature")


def test_rule_1_attack_the_hub_signs_in_the_askers_place(world: World) -> None:
    routed = query(world)
    routed.request.CopyFrom(sign(names.CHECK_REQUEST, routed.request.payload, world.hub, SigningKey.generate()))
    refused(world, routed, "wrong-signature")


def test_rule_1_attack_the_purpose_is_altered_after_the_asker_signed(world: World) -> None:
    routed = query(world)
    altered = check_pb2.CheckRequest.FromString(routed.request.payload)
    altered.purpose = check_pb2.PURPOSE_CERTIFICATION
    routed.request.payload = altered.SerializeToString()
    refused(world, routed, "wrong-signature")


def test_rule_1_attack_another_kind_of_message_is_passed_off_as_a_check(world: World) -> None:
    routed = query(world)
    payload = routed.request.payload
    routed.request.CopyFrom(sign(names.RECEIPT, payload, world.asker.key, world.hub))
    refused(world, routed, "wrong-type")


def test_rule_1_attack_a_suspended_member_or_a_stranger_asks(world: World) -> None:
    world.inactive = frozenset({ASKER})
    refused(world, query(world), "suspended")
    header = new_header(
        sender="ZZ0000000", audience=names.HUB, now_ms=world.now_ms, lifetime_ms=limits.CHECK_LIFETIME_MS
    )
    request, _ = content(world, world.tokens)
    request.header.CopyFrom(header_to_proto(header))
    envelope = sign(names.CHECK_REQUEST, request.SerializeToString(), SigningKey.generate(), world.hub)
    refused(world, check_pb2.RoutedQuery(request=envelope), "not-a-member")


def test_rule_1_a_request_out_of_its_time_is_refused(world: World) -> None:
    routed = query(world)
    world.now_ms += limits.CHECK_LIFETIME_MS + limits.HOUR_MS
    refused(world, routed, "expired")


def test_rule_1_nothing_is_answered_under_an_expired_roster(world: World) -> None:
    routed, roster = query(world), world.roster()
    with pytest.raises(Refused) as told:
        answering.open_query(routed, roster=roster, now_ms=roster.header.expires_at_ms)
    assert told.value.reason == "roster-expired"


def test_rule_1_bytes_that_are_no_check_are_refused(world: World) -> None:
    envelope = sign(names.CHECK_REQUEST, b"\xff\xff", world.asker.key, world.hub)
    refused(world, check_pb2.RoutedQuery(request=envelope), "malformed")


def test_rule_2_attack_the_hub_opens_a_token_that_the_asker_did_not_commit_to(world: World) -> None:
    routed = query(world, tokens=[bytes(16)], opened=[bytes(16)])
    routed.openings[0].token = world.tokens[0]
    refused(world, routed, "wrong-opening")


def test_rule_2_attack_one_opening_is_shown_twice(world: World) -> None:
    routed = query(world)
    routed.openings.append(routed.openings[0])
    refused(world, routed, "malformed")


def test_rule_2_a_query_of_another_epoch_or_without_a_purpose_is_refused(world: World) -> None:
    refused(world, query(world, epoch=2), "wrong-epoch")
    refused(world, query(world, purpose=check_pb2.PURPOSE_UNSPECIFIED), "purpose-not-allowed")


def test_rule_3_attack_a_query_is_routed_to_a_node_that_holds_none_of_its_tokens(world: World) -> None:
    refused(world, query(world, tokens=[bytes(16)], opened=[bytes(16)]), "holds-nothing")
    refused(world, query(world, opened=[]), "holds-nothing")


def test_rule_3_a_query_that_held_nothing_is_answered_when_it_comes_again_and_holds_something(world: World) -> None:
    routed = query(world)
    bare = check_pb2.RoutedQuery(request=routed.request)
    refused(world, bare, "holds-nothing")
    assert answered(world, routed)


def test_rule_4_a_repeated_query_changes_nothing(world: World) -> None:
    routed = query(world)
    assert answered(world, routed)
    first = outbox(world)
    assert not answered(world, routed)
    assert outbox(world) == first
    assert logged(world) == 1


def restarted(world: World) -> None:
    """The node's process ends, and another one opens its file."""
    world.owner.store.close()
    world.owner.store = Store.open(world.folder / "owner.db", bytes(32))


def test_rule_4_attack_a_query_is_replayed_after_a_restart_until_it_has_expired(world: World) -> None:
    routed = query(world)
    assert answered(world, routed)
    (message,) = world.owner.store.outbox.waiting(10)
    messages.settle(world.owner.store, message.id, accepted=True, reason="", now_ms=world.now_ms)
    for days in (0, 10, 19):  # while the request counts at all
        world.pass_days(days)
        world.owner.store.replay.purge(world.now_ms)
        restarted(world)
        assert not answered(world, routed)
    world.pass_days(2)
    world.owner.store.replay.purge(world.now_ms)
    restarted(world)
    with pytest.raises(Refused) as told:
        answered(world, routed)
    assert told.value.reason == "expired"
    assert outbox(world) == []
    assert logged(world) == 1


def test_rule_4_attack_another_query_under_an_answered_id_is_not_answered(world: World) -> None:
    routed = query(world)
    assert answered(world, routed)
    other = check_pb2.CheckRequest.FromString(routed.request.payload)
    other.answer_public_key = SealingKey.generate().public
    payload = other.SerializeToString()
    routed.request.CopyFrom(sign(names.CHECK_REQUEST, payload, world.asker.key, world.hub))
    assert not answered(world, routed)
    assert len(outbox(world)) == 1


def test_rule_5_below_the_threshold_nothing_of_the_officer_leaves_but_the_log_knows_that_he_was_weighed(
    world: World,
) -> None:
    store = world.owner.store
    common = replace(PERSON, names=(replace(PERSON.names[0], family="Smith", given="Mary", middle=""),))
    with store.writing():
        batch = store.imports.begin(world.now_ms)
        (officer_id,) = store.officers.add([("K-2", common)], batch).values()
    token = bytes([9] * 16)
    store.tokens.replace([OfficerTokens(officer_id, 1, (("name-year", token),))], 1)
    assert answered(world, query(world, tokens=[token]))
    assert list(body(world).candidates) == []
    (entry,) = store.disclosures.all()
    assert (entry.verdict, entry.records, entry.officer_id) == ("nothing", (), officer_id)


def test_rule_5_each_officer_is_weighed_by_the_schemes_that_agree_with_him_alone(world: World) -> None:
    store = world.owner.store
    with store.writing():
        batch = store.imports.begin(world.now_ms)
        (other,) = store.officers.add([("K-2", PERSON)], batch).values()
    token = bytes([9] * 16)
    store.tokens.replace([OfficerTokens(other, 1, (("name-middle", token),))], 1)
    assert answered(world, query(world, tokens=[*world.tokens, token]))
    verdicts = {entry.officer_id: entry.verdict for entry in store.disclosures.all()}
    assert verdicts[world.officer_id] == "disclose"
    assert verdicts[other] != "disclose"


@pytest.mark.parametrize("facts", [{"notice_on": None}, {"decided_by": ""}])
def test_rule_6_attack_a_record_without_fair_process_is_not_even_counted(
    facts: dict[str, object], tmp_path: Path
) -> None:
    world = World(tmp_path, with_facts(**facts))
    assert answered(world, query(world))
    (candidate,) = body(world).candidates
    assert list(candidate.conduct) == []
    assert list(candidate.declined) == []
    world.close()


def test_rule_6_a_record_that_policy_declines_is_counted_with_the_policys_name_and_does_not_leave(
    world: World,
) -> None:
    world.owner.local = (("state.cedar", NO_ONE),)
    assert answered(world, query(world))
    (candidate,) = body(world).candidates
    assert list(candidate.conduct) == []
    (declined,) = candidate.declined
    assert declined.records == 1
    (entry,) = world.owner.store.disclosures.all()
    assert entry.records == ()
    assert set(declined.policy_ids) <= set(entry.policies)


@pytest.mark.parametrize("purpose", [check_pb2.PURPOSE_HIRING, check_pb2.PURPOSE_SELF])
def test_rule_6_attack_a_hub_lets_a_check_pass_that_the_person_did_not_sign_for(
    purpose: check_pb2.Purpose.ValueType, world: World
) -> None:
    assert answered(world, query(world, purpose=purpose, authorization_digest=b""))
    (candidate,) = body(world).candidates
    assert candidate.verdict == check_pb2.VERDICT_DECLINED
    assert [list(each.policy_ids) for each in candidate.declined] == [["floor.no-permit"]]
    assert not candidate.names
    assert not candidate.conduct


def test_rule_6_while_a_policy_file_cannot_be_read_nothing_is_answered_and_the_query_may_come_again(
    world: World,
) -> None:
    routed = query(world)
    world.owner.readable = False
    refused(world, routed, "policy-unreadable")
    world.owner.readable = True
    assert answered(world, routed)


def test_rule_7_the_log_names_what_left_before_it_leaves(world: World) -> None:
    assert answered(world, query(world))
    (envelope,) = outbox(world)
    (entry,) = world.owner.store.disclosures.all()
    assert entry.answer_digest == hashlib.sha256(envelope.payload).digest()
    assert (entry.asker, entry.asker_reference, entry.purpose) == (ASKER, "INV-3", "hiring")
    assert [(record.record_key, record.version) for record in entry.records] == [(RECORD.record_key, RECORD.version)]


def test_rule_7_when_the_answer_cannot_be_sealed_neither_log_nor_outbox_nor_replay_memory_keep_a_trace(
    world: World,
) -> None:
    refused(world, query(world, answer_public_key=b"no key"), "malformed")
    events = [entry.event for entry in world.owner.store.audit.newest(100)]
    assert Event.QUERY_ANSWERED not in events


def test_rule_8_an_answer_with_a_record_and_one_without_are_of_one_size(world: World) -> None:
    assert answered(world, query(world))
    full = check_pb2.Answer.FromString(outbox(world)[0].payload).sealed_body
    world.owner.local = (("state.cedar", NO_ONE),)
    assert answered(world, query(world))
    bare = check_pb2.Answer.FromString(outbox(world)[1].payload).sealed_body
    assert len(full) == len(bare) >= limits.ANSWER_BYTES_MIN


def test_rule_8_attack_an_answer_is_no_use_to_another_check_or_asker(world: World) -> None:
    assert answered(world, query(world))
    answer = check_pb2.Answer.FromString(outbox(world)[0].payload)
    for owner, asker, check_id in (
        (OWNER, "NV9900200", answer.check_id),
        (ASKER, ASKER, answer.check_id),
        (OWNER, ASKER, bytes(16)),
    ):
        with pytest.raises(SealingError):
            open_sealed(answer.sealed_body, ONE_TIME, SealingContext(names.SEAL_ANSWER, owner, asker, check_id))
