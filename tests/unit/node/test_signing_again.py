"""After a key change: a node signs anew what it has signed before, byte for byte, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.duty_world import World

from waypost.crypto.envelope import SigningKey, parse_envelope, sign, verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.node import answering, changing, messages, signing_again, unsent
from waypost.node.changing import Why
from waypost.node.errors import Refused
from waypost.node.store import StoredRoster
from waypost.protocol import limits, names
from waypost.v1 import envelope_pb2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def answered(world: World) -> envelope_pb2.Envelope:
    """The owner's answer, which the hub has taken and the asker has not."""
    routed = world.asked()
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    (envelope,) = world.posts(world.owner)
    return envelope


def hand_back(world: World, envelope: envelope_pb2.Envelope) -> envelope_pb2.Envelope:
    """What the owner posts for it."""
    signing_again.take(world.owner.store, envelope, key=world.owner.key, now_ms=world.now_ms)
    (again,) = world.posts(world.owner)
    return again


def test_what_the_hub_had_taken_is_signed_anew_and_its_recipient_takes_it_under_the_new_key_alone(world: World) -> None:
    before = answered(world)
    world.owner.key = SigningKey.generate()
    receiver = world.receiver(world.asker)
    with pytest.raises(Refused) as refused:
        messages.take(world.asker.store, before, receiver)
    assert refused.value.reason == "wrong-signature"
    again = hand_back(world, before)
    assert (again.payload_type, again.payload) == (before.payload_type, before.payload)
    messages.take(world.asker.store, again, receiver)
    assert len(list(world.asker.store.checks.answers(world.asker.store.checks.newest(1)[0].id))) == 1


def test_a_request_of_a_check_that_the_hub_has_taken_is_signed_anew(world: World) -> None:
    world.asked()
    check = world.asker.store.checks.newest(1)[0]
    request = parse_envelope(check.envelope or b"")
    world.asker.key = SigningKey.generate()
    signing_again.take(world.asker.store, request, key=world.asker.key, now_ms=world.now_ms)
    (again,) = world.posts(world.asker)
    verify_signatures(again, (world.asker.key.public,), required=1, expected_type=names.CHECK_REQUEST)
    assert again.payload == request.payload


def test_attack_a_message_is_handed_back_that_the_node_has_not_signed_or_not_as_that(world: World) -> None:
    answer = answered(world)
    thief = world.owner.key
    world.owner.key = SigningKey.generate()
    for envelope in (
        sign(names.REFERRAL_DECISION, b"in the owner's name", thief),
        sign(names.ANSWER, answer.payload + b"\x7a\x00", thief),
        sign(names.REFERRAL_DECISION, answer.payload, thief),
    ):
        with pytest.raises(Refused) as refused:
            signing_again.take(world.owner.store, envelope, key=world.owner.key, now_ms=world.now_ms)
        assert refused.value.reason == "not-ours"
    assert not world.owner.store.outbox.count()


def test_what_the_hub_has_not_taken_or_what_has_expired_is_not_signed_anew(world: World) -> None:
    routed = world.asked()
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    (waiting,) = world.owner.store.outbox.waiting(10)
    with pytest.raises(Refused, match="not signed"):
        signing_again.take(
            world.owner.store, parse_envelope(waiting.envelope), key=world.owner.key, now_ms=world.now_ms
        )
    (taken,) = world.posts(world.owner)
    world.owner.store.signed.purge(world.now_ms + limits.ANSWER_LIFETIME_MS)
    with pytest.raises(Refused, match="not signed"):
        hand_back(world, taken)


def test_an_answer_is_made_anew_although_its_asker_has_another_key_since_it_asked(world: World) -> None:
    """A record changed while the answer waited in the outbox: nobody would be answered for ever."""
    store = world.owner.store
    signed = sign(names.ROSTER, world.roster_payload(), world.hub).SerializeToString()
    store.rosters.put(StoredRoster(1, signed, world.now_ms))
    answering.answer(
        store, world.asked(), own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    changing.void(store, "NVPOST-17", Why("IA-3", "overturned", world.now_ms, world.today))
    (before,) = store.outbox.waiting(10)
    world.asker.key = SigningKey.generate()
    law = unsent.Law(world.owner.own(), world.roster(), world.now_ms + 1, world.now_ms, world.today)
    unsent.leaving(store, 100, 0, law)
    (after,) = unsent.leaving(store, 100, 0, law).going
    assert after.id != before.id
    messages.take(world.asker.store, parse_envelope(after.envelope), world.receiver(world.asker))


def test_attack_a_fresh_query_under_a_former_key_is_refused(world: World) -> None:
    routed = world.asked()
    world.asker.key = SigningKey.generate()
    with pytest.raises(Refused) as refused:
        answering.answer(
            world.owner.store,
            routed,
            own=world.owner.own(),
            roster=world.roster(),
            now_ms=world.now_ms,
            today=world.today,
        )
    assert refused.value.reason == "wrong-signature"
    with pytest.raises(EnvelopeError):
        verify_signatures(routed.request, (world.asker.key.public,), required=1, expected_type=names.CHECK_REQUEST)
