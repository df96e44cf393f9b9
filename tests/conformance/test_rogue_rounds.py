"""A hub that shows nodes rounds which the trustee never signed, or signed otherwise: nothing leaves, all is logged."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tests.conformance.conftest import World
from tests.parties.attacks import ATTACKS
from tests.parties.federation import wait_until
from tests.parties.messages import now_ms

from waypost.crypto.envelope import countersign, sign
from waypost.crypto.sealing import SealingKey
from waypost.hub.round_closing import make_round
from waypost.hub.rounds import HeldRound
from waypost.protocol import limits, names
from waypost.v1 import envelope_pb2, round_pb2

pytestmark = pytest.mark.xdist_group("conformance")


def proposed(world: World, period: str) -> envelope_pb2.Envelope:
    """A round on what every node can count, signed by the hub alone."""
    moment = now_ms()
    held = HeldRound(
        round_id=os.urandom(16),
        measure="officers-employed",
        period=period,
        states=(),
        rho_millionths=limits.ROUND_RHO_MILLIONTHS_DEFAULT,
        open_ms=limits.HOUR_MS,
        asked_at_ms=moment,
        changed_at_ms=moment,
    )
    keys = (SealingKey.generate().public, SealingKey.generate().public)
    assert world.member.roster is not None
    return make_round(held, world.member.roster, keys, world.federation.hub_key, moment)


def signed(world: World, period: str) -> envelope_pb2.Envelope:
    return countersign(proposed(world, period), world.federation.trustee_key)


def refused(world: World, envelope: envelope_pb2.Envelope, reason: str) -> None:
    """The holder refuses it, says so, logs it, and keeps its counts."""
    node = world.holder
    before = node.store.rounds.newest(100)
    with world.federation.audited(node.ori, "message-refused", detail=reason):
        assert world.deliver(node, message=envelope) == reason
    assert node.store.rounds.newest(100) == before


def test_a_round_that_both_signed_is_answered_once(world: World) -> None:
    """What the attacks below are measured against."""
    lawful, node = signed(world, "2024"), world.holder
    with world.federation.audited(node.ori, "round-answered", subject="officers-employed 2024"):
        assert world.deliver(node, message=lawful) == ""
    assert world.deliver(node, message=lawful) == ""  # shown again: taken, and nothing comes of it
    assert [each.period for each in node.store.rounds.newest(100)].count("2024") == 1
    wait_until(lambda: not node.store.outbox.waiting(10), "the hub, which never asked, did not refuse the answer")


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_round_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    keys = (world.federation.hub_key, world.federation.trustee_key)
    refused(world, spoil(signed(world, "2023"), keys), reason)


def test_attack_a_round_without_the_trustees_signature_reaches_a_node(world: World) -> None:
    alone = proposed(world, "2023")
    refused(world, alone, "wrong-signature")
    refused(world, countersign(alone, world.federation.hub_key), "wrong-signature")


def _more_noise(message: round_pb2.Round) -> None:
    message.noise_scale_thousandths += 1


def _other_states(message: round_pb2.Round) -> None:
    message.states.append("NV")


def _hubs_key_for_both_shares(message: round_pb2.Round) -> None:
    message.trustee_sealing_key = message.hub_sealing_key


CHANGES = {"noise": _more_noise, "states": _other_states, "key": _hubs_key_for_both_shares}


@pytest.mark.parametrize("change", CHANGES)
def test_attack_parameters_are_changed_after_the_trustee_signed(change: str, world: World) -> None:
    both = signed(world, "2023")
    message = round_pb2.Round.FromString(both.payload)
    apply: Callable[[round_pb2.Round], None] = CHANGES[change]
    apply(message)
    anew = sign(names.ROUND, message.SerializeToString(), world.federation.hub_key)
    anew.signatures.append(both.signatures[1])  # the trustee's, of what it saw
    refused(world, anew, "wrong-signature")
