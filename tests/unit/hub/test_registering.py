"""Registrations at the hub, rule by rule: what is taken, and that nobody fills the index for the others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.parties.hub_world import ASKER, BODY, EPOCH, HOLDER, OTHER, POST, HubWorld

from waypost.crypto.envelope import SigningKey
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import index, members, registering, schema
from waypost.hub.errors import Refused
from waypost.hub.posted import Posted
from waypost.protocol import limits, names
from waypost.v1 import envelope_pb2, index_pb2, roster_pb2

BATCH = limits.REGISTRATION_BATCH_TOKENS


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubWorld]:
    """An agency may have two batches, a POST board three."""
    bounds = {roster_pb2.ROLE_AGENCY: 2 * BATCH, roster_pb2.ROLE_POST: 3 * BATCH}
    monkeypatch.setattr(index, "POINTERS_MAX", bounds)
    made = HubWorld(tmp_path)
    yield made
    made.close()


def tokens(count: int = BATCH) -> list[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


def registration(
    world: HubWorld, ori: str, add: Sequence[bytes] = (), gone: Sequence[bytes] = (), **other: Any
) -> envelope_pb2.Envelope:
    key: SigningKey | None = other.pop("key", None)
    audience = other.pop("audience", names.HUB)
    header = new_header(sender=ori, audience=audience, now_ms=world.now_ms, lifetime_ms=limits.REGISTRATION_LIFETIME_MS)
    fields = {"header": header_to_proto(header), "epoch": EPOCH, "add": add, "withdraw": gone}
    return world.signed(ori, names.REGISTRATION, index_pb2.Registration(**{**fields, **other}).SerializeToString(), key)


def take(world: HubWorld, ori: str, envelope: envelope_pb2.Envelope) -> frozenset[str]:
    posted = Posted(ori, world.roster(), world.hub, world.now_ms)
    return world.do(lambda connection: registering.accept(connection, envelope, posted))


def register(world: HubWorld, ori: str, add: Sequence[bytes] = (), gone: Sequence[bytes] = ()) -> None:
    assert take(world, ori, registration(world, ori, add, gone)) == frozenset()


def held(world: HubWorld, ori: str) -> list[bytes]:
    """What it has registered; and the number that is kept beside it is right."""

    def work(connection: Any) -> list[bytes]:
        member_id = members.member_id(connection, ori)
        found = index.registered(connection, member_id, EPOCH)
        assert index.count_pointers(connection, member_id, EPOCH) == len(found)
        return found

    return world.do(work)


def refused(world: HubWorld, ori: str, envelope: envelope_pb2.Envelope) -> str:
    before = held(world, ori)
    with pytest.raises(Refused) as caught:
        take(world, ori, envelope)
    assert held(world, ori) == before
    return caught.value.reason


def test_a_registration_adds_and_withdraws_and_is_audited_without_a_token(world: HubWorld) -> None:
    first, second = tokens(), tokens()
    register(world, HOLDER, first)
    register(world, HOLDER, second, first[:100])
    assert held(world, HOLDER) == sorted([*first[100:], *second])
    entries = world.do(
        lambda connection: connection.execute(select(schema.audit.c.subject, schema.audit.c.detail)).all()
    )
    assert [(subject, detail.split(" ", 1)[1]) for subject, detail in entries] == [
        (HOLDER, "+512 -0"),
        (HOLDER, "+512 -100"),
    ]


def test_rule_1_attack_a_registration_in_anothers_name_twice_late_or_for_another_party(world: HubWorld) -> None:
    good = registration(world, HOLDER, tokens())
    assert refused(world, OTHER, good) == "wrong-signature"
    assert refused(world, HOLDER, registration(world, HOLDER, tokens(), key=world.keys[OTHER])) == "wrong-signature"
    assert refused(world, HOLDER, registration(world, HOLDER, tokens(), audience=names.TRUSTEE)) == "wrong-audience"
    take(world, HOLDER, good)
    assert refused(world, HOLDER, good) == "replayed"
    late = registration(world, HOLDER, tokens())
    world.now_ms += limits.REGISTRATION_LIFETIME_MS + 10 * limits.MINUTE_MS
    assert refused(world, HOLDER, late) == "expired"
    world.suspended = {HOLDER}
    assert refused(world, HOLDER, registration(world, HOLDER, tokens())) == "suspended"


def test_rule_2_attack_a_registration_of_another_size_or_epoch(world: HubWorld) -> None:
    assert refused(world, HOLDER, registration(world, HOLDER, tokens(BATCH - 1))) == "malformed"
    assert refused(world, HOLDER, registration(world, HOLDER, tokens(), epoch=EPOCH + 1)) == "wrong-epoch"
    junk = world.signed(HOLDER, names.REGISTRATION, b"\xff\xff")
    assert refused(world, HOLDER, junk) == "malformed"


@pytest.mark.parametrize(("ori", "batches"), [(HOLDER, 2), (POST, 3)])
def test_rule_3_attack_a_member_registers_more_than_its_role_may_have(world: HubWorld, ori: str, batches: int) -> None:
    all_of_them = [tokens() for _ in range(batches)]
    for batch in all_of_them:
        register(world, ori, batch)
    assert refused(world, ori, registration(world, ori, tokens())) == "too-many-pointers"
    register(world, ori, all_of_them[0])  # nothing new in it: an announcement is taken
    assert refused(world, ori, registration(world, ori, tokens(), all_of_them[0][: BATCH - 1])) == "too-many-pointers"
    register(world, ori, tokens(), all_of_them[0])  # as much withdrawn as added
    assert len(held(world, ori)) == batches * BATCH
    register(world, ASKER, tokens())  # others are not bound by it


def test_rule_3_a_member_whose_bound_was_lowered_can_withdraw(world: HubWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = tokens()
    register(world, HOLDER, batch)
    monkeypatch.setattr(index, "POINTERS_MAX", {roster_pb2.ROLE_AGENCY: 100})
    register(world, HOLDER, (), batch[:50])
    assert len(held(world, HOLDER)) == BATCH - 50


def test_rule_3_attack_a_member_without_officers_registers_some(world: HubWorld) -> None:
    assert refused(world, BODY, registration(world, BODY, tokens())) == "purpose-not-allowed"


def test_an_index_that_was_filled_before_numbers_were_kept_is_counted(world: HubWorld) -> None:
    batch = tokens()
    register(world, HOLDER, batch)
    world.do(lambda connection: connection.execute(schema.pointer_counts.delete()))
    register(world, HOLDER, tokens())
    assert len(held(world, HOLDER)) == 2 * BATCH
    assert refused(world, HOLDER, registration(world, HOLDER, tokens())) == "too-many-pointers"


@pytest.mark.usefixtures("world")
def test_a_refusal_says_the_bound_and_what_to_do() -> None:
    with pytest.raises(Refused, match="at most 1,024 tokens") as caught:
        index.require_within(2 * BATCH + 1, roster_pb2.ROLE_AGENCY)
    assert "withdraw" in caught.value.hint
