"""A trustee that misbehaves toward the hub and the members, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.conformance.conftest import PERSON, World
from tests.parties.federation import wait_until
from tests.parties.people import applicant, officer
from tests.parties.relay import Call

from waypost.crypto.envelope import SigningKey, countersign
from waypost.crypto.split_oprf import HalfKey, evaluate_half
from waypost.node import asking
from waypost.node.running import TROUBLE_STATE
from waypost.v1 import index_pb2, roster_pb2, trustee_service_pb2

pytestmark = pytest.mark.xdist_group("conformance")
WRONG = HalfKey.generate()


def wrong_half(call: Call, data: bytes) -> Iterable[bytes]:
    """The trustee evaluates with another key, and proves that it did: with that other key."""
    if call.method != "EvaluateHalf":
        return (data,)
    envelope = trustee_service_pb2.EvaluateHalfRequest.FromString(call.requests[0]).request
    request = index_pb2.EvaluationRequest.FromString(envelope.payload)
    wrong = evaluate_half(WRONG, list(request.blinded_elements))
    evaluation = index_pb2.Evaluation(elements=wrong.elements, proof=wrong.proof)
    return (trustee_service_pb2.EvaluateHalfResponse(evaluation=evaluation).SerializeToString(),)


def test_attack_the_trustee_evaluates_a_check_with_a_wrong_key(world: World) -> None:
    world.federation.trustee_relay.down = wrong_half
    with world.federation.audited(world.asker.ori, "check-failed", detail="wrong-proof"):
        result = world.asker.check(PERSON)
    assert result.check.state == asking.FAILED
    assert "the trustee's evaluation was refused" in result.check.reason
    world.federation.trustee_relay.behave()
    world.unharmed()


def test_attack_the_trustee_spoils_a_members_index_with_a_wrong_key(world: World) -> None:
    """No token under the wrong key is stored or registered; what is due stays due, and is done when it behaves."""
    node, late = world.bystander, officer("OR-2", "Okonedo", "Barnaby", "1969-09-09")
    tokens = node.store.tokens.count(1)
    world.federation.trustee_relay.down = wrong_half
    with world.federation.audited(node.ori, "evaluation-refused", detail="wrong-proof"):
        node.load([late])
    assert node.store.tokens.count(1) == tokens
    assert node.store.officers.dirty_count() == 1
    wait_until(lambda: "trustee's evaluation" in node.store.state.get(TROUBLE_STATE), "the operator is not told")
    world.federation.trustee_relay.behave()
    node.wait_indexed()
    assert node.store.tokens.count(1) > tokens
    result = world.asker.check(applicant(late))
    assert [found.ori for found in result.candidates] == [node.ori]
    world.unharmed()


def test_attack_the_trustee_answers_with_another_roster_than_was_proposed(world: World) -> None:
    """It would slip a key of its own into a member's place: without the hub's signature nobody takes that."""
    federation = world.federation

    def swap(call: Call, data: bytes) -> Iterable[bytes]:
        if call.method != "CosignRoster":
            return (data,)
        response = trustee_service_pb2.CosignRosterResponse.FromString(data)
        roster = roster_pb2.Roster.FromString(response.roster.payload)
        roster.members[0].signing_public_key = SigningKey.generate().public
        response.roster.payload = roster.SerializeToString()
        del response.roster.signatures[:]
        response.roster.CopyFrom(countersign(response.roster, federation.trustee_key))
        return (response.SerializeToString(),)

    before = federation.roster_version()
    federation.trustee_relay.down = swap
    with federation.audited("hub", "roster-refused", detail="wrong-signature"):
        federation.do_hub("suspend", world.member.ori, "--reason", "a test")
    assert federation.roster_version() == before
    federation.trustee_relay.behave()
    federation.do_hub("reinstate", world.member.ori, "--reason", "a test")
    world.unharmed()
    wait_until(lambda: federation.hub.running, "the hub is gone")
