"""A node in aggregate rounds: it answers what both parties signed and its policy allows, once, and shows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.parties.agency import Agency
from tests.parties.round_world import (
    HUB,
    NOW_MS,
    ORIS,
    ROGUE,
    TRUSTEE,
    RoundWorld,
    receiver,
    roster_of,
)

from waypost.crypto.envelope import parse_envelope, sign
from waypost.crypto.sealing import SealingContext, open_sealed
from waypost.crypto.shares import add, expand, unpack
from waypost.hub.rounds import HeldRound
from waypost.node import messages
from waypost.node.audit import Event
from waypost.node.errors import PolicyError, Refused
from waypost.node.limits import ROUND_ANSWERS_MAX
from waypost.node.policy import PolicyEngine
from waypost.node.receiver import Receiver
from waypost.node.rounds import NO_POLICIES
from waypost.node.store import ProgrammeFact, Store
from waypost.protocol import floor, limits, names
from waypost.v1 import envelope_pb2, round_pb2

ORI = ORIS[0]
TRAINED = (1234, 777)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RoundWorld]:
    made = RoundWorld(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as held:
        for name, value in zip(("trained_crisis_intervention", "trained_de_escalation"), TRAINED, strict=True):
            held.programmes.add(ProgrammeFact(name, str(value), date(2026, 1, 1), "A. Custodian", 1))
        yield held


def engine(*local: str) -> PolicyEngine:
    return PolicyEngine(floor.text(), [("local.cedar", text) for text in local])


def me(world: RoundWorld, policies: PolicyEngine | None = None, now_ms: int = NOW_MS) -> Receiver:
    return replace(receiver(ORI, world.roster), policies=policies or engine(), now_ms=now_ms)


def answers(store: Store) -> list[round_pb2.RoundAnswer]:
    posted = (parse_envelope(waiting.envelope) for waiting in store.outbox.waiting(100))
    return [round_pb2.RoundAnswer.FromString(envelope.payload) for envelope in posted]


def opened(world: RoundWorld, held: HeldRound, message: round_pb2.RoundAnswer) -> Sequence[int]:
    """The counts, as hub and trustee together would see them."""
    context = SealingContext(names.SEAL_VECTOR_SHARE, ORI, names.HUB, held.round_id)
    vector = open_sealed(message.sealed_vector, world.hub_keys[held.round_id], context)
    seed = round_pb2.SeedShare.FromString(message.seed_share.payload)
    context = SealingContext(names.SEAL_SEED_SHARE, ORI, names.TRUSTEE, held.round_id)
    opened_seed = open_sealed(seed.sealed_seed, world.desk._sealing_key(held.round_id), context)
    return unpack(add(vector, expand(opened_seed, held.asked.cells)))


def test_a_round_is_counted_split_and_posted(world: RoundWorld, store: Store) -> None:
    held = world.opened()
    messages.take(store, held.message, me(world))
    (message,) = answers(store)
    assert opened(world, held, message) == TRAINED
    (entered,) = store.rounds.newest(10)
    assert (entered.measure, entered.period, entered.outcome) == ("officers-trained", "2026Q3", "answered")
    assert store.audit.newest(1)[0].event == Event.ROUND_ANSWERED


def test_members_count_as_of_the_rounds_day_whenever_they_come_to_it(
    world: RoundWorld, store: Store, tmp_path: Path
) -> None:
    """The round is of 18 November, and answered on the 19th, when the second officer's window to answer is over."""
    conduct = ({"told_on": "2026-10-19"}, {"record_key": "R-2", "told_on": "2026-10-20"})
    Agency(store, tmp_path / "rejects").load({}, conduct=conduct)
    held = world.opened(measure="records", period="2023")
    messages.take(store, held.message, me(world, now_ms=NOW_MS + 20 * limits.HOUR_MS))
    (message,) = answers(store)
    assert sum(opened(world, held, message)) == 1


def test_the_same_round_again_makes_no_second_pair_of_shares(world: RoundWorld, store: Store) -> None:
    held = world.opened()
    for _ in range(3):
        messages.take(store, held.message, me(world))
    assert len(answers(store)) == 1


def test_attack_a_round_without_the_trustees_signature_is_not_answered(world: RoundWorld, store: Store) -> None:
    payload = world.opened().message.payload
    for keys in ((HUB,), (TRUSTEE,), (HUB, ROGUE), (HUB, HUB), ()):
        with pytest.raises(Refused) as caught:
            messages.take(store, sign(names.ROUND, payload, *keys), me(world))
        assert caught.value.reason in {"wrong-signature", "unsigned"}
    assert not answers(store)


@pytest.mark.parametrize(
    "name", ["minimum_cohort", "noise_scale_thousandths", "rho_millionths", "closes_at_ms", "cells"]
)
def test_attack_parameters_changed_after_signing_are_not_answered(world: RoundWorld, store: Store, name: str) -> None:
    signed = world.opened().message
    message = round_pb2.Round.FromString(signed.payload)
    setattr(message, name, getattr(message, name) + 1)
    signed.payload = message.SerializeToString()
    with pytest.raises(Refused) as caught:
        messages.take(store, signed, me(world))
    assert caught.value.reason == "wrong-signature"
    assert not answers(store)


def test_attack_hub_and_trustee_sign_a_round_beyond_the_protocols_bounds(world: RoundWorld, store: Store) -> None:
    message = round_pb2.Round.FromString(world.opened().message.payload)
    message.noise_scale_thousandths = 1
    both = sign(names.ROUND, message.SerializeToString(), HUB, TRUSTEE)
    with pytest.raises(Refused) as caught:
        messages.take(store, both, me(world))
    assert caught.value.reason == "too-little-noise"
    assert not answers(store)


def test_a_round_of_others_a_closed_one_and_one_under_an_expired_roster_are_refused(
    world: RoundWorld, store: Store
) -> None:
    other, own = world.opened("NV"), world.opened("CA")
    late, later = NOW_MS + limits.DAY_MS, NOW_MS + limits.ROSTER_LIFETIME_MS
    for envelope, now_ms, reason in (
        *((other.message, NOW_MS, "not-asked"), (own.message, late, "expired")),
        (own.message, later, "roster-expired"),
    ):
        with pytest.raises(Refused) as caught:
            messages.take(store, envelope, me(world, now_ms=now_ms))
        assert caught.value.reason == reason
    world.roster = roster_of(suspended=[ORI])
    with pytest.raises(Refused, match="cohort"):
        messages.take(store, own.message, me(world))
    assert not answers(store)


@pytest.mark.parametrize(
    "policy",
    [
        '@id("no-counts") forbid (principal, action == Action::"count", resource);',
        '@id("no-counts") forbid (principal, action, resource == Measure::"officers-trained");',
        '@id("no-counts") forbid (principal, action == Action::"count", resource) when { context.period == "2026Q3" };',
        '@id("no-counts") forbid (principal, action == Action::"count", resource) unless { resource.unit == "check" };',
        '@id("no-counts") forbid (principal, action, resource) when { principal.role == "hub" };',
    ],
)
def test_what_the_nodes_own_policy_forbids_is_declined_by_name(world: RoundWorld, store: Store, policy: str) -> None:
    messages.take(store, world.opened().message, me(world, engine(policy)))
    (message,) = answers(store)
    assert message.declined_reason == "no-counts"
    assert not message.sealed_vector
    assert not message.HasField("seed_share")
    assert store.rounds.newest(1)[0].outcome == "declined"


def test_a_policy_about_disclosures_does_not_stop_counting(world: RoundWorld, store: Store) -> None:
    policy = 'forbid (principal, action == Action::"disclose", resource) when { context.purpose == "hiring" };'
    messages.take(store, world.opened().message, me(world, engine(policy)))
    assert answers(store)[0].sealed_vector


def test_a_policy_that_misspells_what_rounds_say_is_not_taken() -> None:
    with pytest.raises(PolicyError):
        engine('forbid (principal, action == Action::"count", resource) when { resource.unit == "officers" };')


def test_a_node_whose_policies_cannot_be_read_gives_nothing(world: RoundWorld, store: Store) -> None:
    messages.take(store, world.opened().message, replace(me(world), policies=None))
    assert answers(store)[0].declined_reason == NO_POLICIES


def test_attack_the_same_question_again_and_again_is_answered_a_few_times_only(world: RoundWorld, store: Store) -> None:
    for _ in range(ROUND_ANSWERS_MAX):
        held = world.opened("CA")
        messages.take(store, held.message, me(world))
        world.desk._abandon(world.store.rounds.get(held.round_id), "test", NOW_MS)  # type: ignore[arg-type]
    with pytest.raises(Refused) as caught:
        messages.take(store, world.opened("CA").message, me(world))
    assert caught.value.reason == "asked-too-often"


def test_neither_counts_nor_shares_stay_in_the_nodes_books(world: RoundWorld, store: Store, tmp_path: Path) -> None:
    held = world.opened()
    messages.take(store, held.message, me(world))
    (waiting,) = store.outbox.waiting(10)
    envelope = parse_envelope(waiting.envelope)
    message = round_pb2.RoundAnswer.FromString(envelope.payload)
    context = SealingContext(names.SEAL_VECTOR_SHARE, ORI, names.HUB, held.round_id)
    vector = open_sealed(message.sealed_vector, world.hub_keys[held.round_id], context)
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("node.db*"))
    assert message.sealed_vector in everything  # the search itself works
    assert vector not in everything


def test_answers_look_alike_whatever_is_counted(world: RoundWorld, tmp_path: Path) -> None:
    held = world.opened()
    sizes = set()
    for number in (0, 1, 99_999):
        with Store.open(tmp_path / f"{number}.db", bytes(32)) as store:
            store.programmes.add(ProgrammeFact("trained_de_escalation", str(number), date(2026, 1, 1), "C", 1))
            messages.take(store, held.message, me(world))
            sizes.add(len(store.outbox.waiting(1)[0].envelope))
    assert len(sizes) == 1


def test_an_envelope_of_garbage_is_refused(world: RoundWorld, store: Store) -> None:
    for payload in (b"", b"\xff\xff", b"\x0a\x00"):
        with pytest.raises(Refused):
            messages.take(store, envelope_pb2.Envelope(payload_type=names.ROUND, payload=payload), me(world))
