"""A hub that would use the trustee: for a roster of its own making, or as an oracle. The trustee judges by itself.

The tests speak to the real trustee over its own socket, with the hub's certificate and the hub's signing key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from tests.conformance.conftest import World
from tests.parties.attacks import ATTACKS
from tests.parties.federation import wait_until
from tests.parties.member import Member, refusal
from tests.parties.messages import now_ms

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.split_oprf import HalfKey, blind_batch
from waypost.protocol import limits, names
from waypost.protocol.joincode import JoinCode
from waypost.v1 import envelope_pb2, index_pb2, roster_pb2, trustee_service_pb2
from waypost.v1.trustee_service_pb2_grpc import TrusteeServiceStub

pytestmark = pytest.mark.xdist_group("conformance")
CALL_S = 20.0


def trustee_of(world: World, caller: str = names.HUB) -> Any:
    return TrusteeServiceStub(world.federation.trustee_relay.channel(caller))


def held_roster(world: World) -> envelope_pb2.Envelope:
    (row,) = world.federation.query("trustee", "SELECT envelope FROM roster")
    return envelope_pb2.Envelope.FromString(row[0])


def following(world: World) -> roster_pb2.Roster:
    """The roster that would follow lawfully, with nothing changed."""
    held = held_roster(world)
    roster = roster_pb2.Roster.FromString(held.payload)
    header = new_header(
        sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=now_ms(), lifetime_ms=limits.ROSTER_LIFETIME_MS
    )
    roster.header.CopyFrom(header_to_proto(header))
    roster.version += 1
    roster.previous_digest = hashlib.sha256(held.payload).digest()
    return roster


def proposal(
    world: World, roster: roster_pb2.Roster, *applications: envelope_pb2.Envelope, key: SigningKey | None = None
) -> envelope_pb2.Envelope:
    hub_key = world.federation.hub_key
    header = new_header(sender=names.HUB, audience=names.TRUSTEE, now_ms=now_ms(), lifetime_ms=limits.HOUR_MS)
    content = roster_pb2.RosterProposal(
        header=header_to_proto(header),
        roster=sign(names.ROSTER, roster.SerializeToString(), key or hub_key),
        applications=applications,
    )
    return sign(names.ROSTER_PROPOSAL, content.SerializeToString(), hub_key)


def not_cosigned(world: World, proposed: envelope_pb2.Envelope, reason: str) -> None:
    before = held_roster(world)
    request = trustee_service_pb2.CosignRosterRequest(proposal=proposed)
    with (
        world.federation.audited("trustee", "roster-refused", detail=reason),
        pytest.raises(grpc.RpcError) as error,
    ):
        trustee_of(world).CosignRoster(request, timeout=CALL_S)
    assert refusal(error.value)[1] == reason
    assert held_roster(world) == before


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_proposal_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    good = proposal(world, following(world))
    not_cosigned(world, spoil(good, (world.federation.hub_key,)), reason)


def test_attack_a_roster_that_the_hub_did_not_sign(world: World) -> None:
    not_cosigned(world, proposal(world, following(world), key=SigningKey.generate()), "wrong-signature")


def _entry_of(roster: roster_pb2.Roster, ori: str) -> roster_pb2.Member:
    return next(entry for entry in roster.members if entry.ori == ori)


def swaps_a_key(world: World, roster: roster_pb2.Roster) -> None:
    entry = _entry_of(roster, world.holder.ori)
    entry.signing_public_key = SigningKey.generate().public
    entry.key_since_version = roster.version


def swaps_a_sealing_key(world: World, roster: roster_pb2.Roster) -> None:
    _entry_of(roster, world.holder.ori).sealing_key_digest = bytes(32)


def promotes_a_member(world: World, roster: roster_pb2.Roster) -> None:
    _entry_of(roster, world.member.ori).role = roster_pb2.ROLE_POST


def invents_a_member(_world: World, roster: roster_pb2.Roster) -> None:
    invented = roster_pb2.Member()
    invented.CopyFrom(roster.members[-1])
    invented.ori, invented.key_since_version = "ZZ9900999", roster.version
    roster.members.append(invented)


def removes_a_member(world: World, roster: roster_pb2.Roster) -> None:
    kept = [entry for entry in roster.members if entry.ori != world.bystander.ori]
    del roster.members[:]
    roster.members.extend(kept)


def hides_since_when_a_key_stands(world: World, roster: roster_pb2.Roster) -> None:
    _entry_of(roster, world.holder.ori).key_since_version = roster.version


def skips_a_version(_world: World, roster: roster_pb2.Roster) -> None:
    roster.version += 1


def goes_back(_world: World, roster: roster_pb2.Roster) -> None:
    """An old roster under a fresh date: the one from before a suspension."""
    roster.version = 1


def forks(_world: World, roster: roster_pb2.Roster) -> None:
    roster.previous_digest = bytes(32)


def changes_the_root(_world: World, roster: roster_pb2.Roster) -> None:
    roster.trustee_signing_key = SigningKey.generate().public


def changes_the_trustees_half(_world: World, roster: roster_pb2.Roster) -> None:
    """To know the whole index key."""
    roster.index_keys.trustee_public_key = HalfKey.generate().public


def changes_its_own_half_silently(_world: World, roster: roster_pb2.Roster) -> None:
    roster.index_keys.hub_public_key = HalfKey.generate().public


def lives_too_long(_world: World, roster: roster_pb2.Roster) -> None:
    roster.header.expires_at_ms = roster.header.issued_at_ms + limits.ROSTER_LIFETIME_MS + 1


def is_for_one_member_alone(world: World, roster: roster_pb2.Roster) -> None:
    roster.header.audience = world.member.ori


ROSTER_ATTACKS: dict[Callable[[World, roster_pb2.Roster], None], str] = {
    swaps_a_key: "silent-key-change",
    swaps_a_sealing_key: "silent-change",
    promotes_a_member: "silent-change",
    invents_a_member: "invented-member",
    removes_a_member: "silent-removal",
    hides_since_when_a_key_stands: "malformed",
    skips_a_version: "wrong-version",
    goes_back: "wrong-version",
    forks: "fork",
    changes_the_root: "wrong-root",
    changes_the_trustees_half: "wrong-index-key",
    changes_its_own_half_silently: "wrong-index-key",
    lives_too_long: "too-long-lived",
    is_for_one_member_alone: "wrong-audience",
}


@pytest.mark.parametrize("attack", ROSTER_ATTACKS, ids=lambda attack: attack.__name__)
def test_attack_a_proposed_roster(attack: Callable[[World, roster_pb2.Roster], None], world: World) -> None:
    roster = following(world)
    attack(world, roster)
    not_cosigned(world, proposal(world, roster), ROSTER_ATTACKS[attack])


def _code(ori: str) -> JoinCode:
    name = f"Agency {ori}"
    return JoinCode(b"s" * 16, bytes(32), bytes(32), bytes(32), 1, 1, ori, ori[:2], 1, name, "127.0.0.1")


def _with(roster: roster_pb2.Roster, member: Member) -> roster_pb2.Roster:
    """The roster with that member's entry as its application says."""
    kept = [entry for entry in roster.members if entry.ori != member.ori]
    entry = roster_pb2.Member(
        ori=member.ori,
        name=f"Agency {member.ori}",
        state=member.ori[:2],
        role=roster_pb2.ROLE_AGENCY,
        status=roster_pb2.MEMBER_STATUS_ACTIVE,
        signing_public_key=member.signing.public,
        sealing_key_digest=hashlib.sha256(member.sealing.public).digest(),
        key_since_version=roster.version,
    )
    del roster.members[:]
    roster.members.extend(sorted([*kept, entry], key=lambda each: each.ori))
    return roster


def test_attack_the_hub_invents_a_member_with_all_the_papers_it_can_write(world: World) -> None:
    """Keys, application, invitation: all of that is in the hub's power, but not the trustee's list."""
    invented = Member("ZZ9900998", address="")
    roster = _with(following(world), invented)
    not_cosigned(world, proposal(world, roster, invented.application(_code(invented.ori))), "not-admitted")
    elements = blind_batch([b"somebody"]).elements
    not_evaluated(world, invented.evaluation(elements), "not-a-member")


def test_attack_the_hub_enrols_a_key_of_its_own_for_a_member_that_is_there(world: World) -> None:
    """A proof of possession of the new key is no permission of the old one."""
    impostor = Member(world.bystander.ori, address="")
    roster = _with(following(world), impostor)
    not_cosigned(world, proposal(world, roster, impostor.application(_code(impostor.ori))), "not-admitted")


def test_attack_an_application_that_says_something_else_than_the_roster(world: World) -> None:
    admitted = Member("ZZ9900997", address="")
    world.federation.do_trustee("admit", admitted.ori)
    try:
        roster = _with(following(world), admitted)
        as_a_board = admitted.application(_code(admitted.ori), role=roster_pb2.ROLE_POST)
        not_cosigned(world, proposal(world, roster, as_a_board), "wrong-entry")
        stranger = Member(admitted.ori, address="")
        forged = sign(names.JOIN_APPLICATION, admitted.application(_code(admitted.ori)).payload, stranger.signing)
        not_cosigned(world, proposal(world, roster, forged), "wrong-signature")
    finally:
        world.federation.do_trustee("withdraw", admitted.ori)


# The oracle


def not_evaluated(world: World, request: envelope_pb2.Envelope, reason: str) -> None:
    with (
        world.federation.audited("trustee", "evaluation-refused", detail=reason),
        pytest.raises(grpc.RpcError) as error,
    ):
        trustee_of(world).EvaluateHalf(trustee_service_pb2.EvaluateHalfRequest(request=request), timeout=CALL_S)
    assert refusal(error.value)[1] == reason


ELEMENTS = blind_batch([b"somebody", b"else"]).elements


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_an_evaluation_request_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    good = world.member.evaluation(ELEMENTS)
    told = "not-a-member" if attack == "unreadable" else reason  # it names no sender whose key could be tried
    not_evaluated(world, spoil(good, (world.member.signing,)), told)


def test_attack_the_hub_asks_in_its_own_name(world: World) -> None:
    asking = Member("hub", address="", signing=world.federation.hub_key)
    not_evaluated(world, asking.evaluation(ELEMENTS), "not-a-member")


def test_attack_the_hub_repeats_a_members_request(world: World) -> None:
    request = world.member.evaluation(ELEMENTS)
    trustee_of(world).EvaluateHalf(trustee_service_pb2.EvaluateHalfRequest(request=request), timeout=CALL_S)
    not_evaluated(world, request, "replayed")


def test_attack_a_request_for_another_epoch_or_for_nothing_or_for_too_much(world: World) -> None:
    not_evaluated(world, world.member.evaluation(ELEMENTS, epoch=2), "wrong-epoch")
    not_evaluated(world, world.member.evaluation(ELEMENTS, index_pb2.EVALUATION_PURPOSE_CHECK), "malformed")
    not_evaluated(world, world.member.evaluation([]), "oversized")
    not_evaluated(world, world.member.evaluation(list(ELEMENTS) * 2049), "oversized")


def test_attack_elements_that_are_no_group_elements(world: World) -> None:
    for elements in ([bytes(32)], [b"\xff" * 32], [b"short"]):
        request = trustee_service_pb2.EvaluateHalfRequest(request=world.member.evaluation(elements))
        with pytest.raises(grpc.RpcError) as error:
            trustee_of(world).EvaluateHalf(request, timeout=CALL_S)
        assert refusal(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def test_attack_a_member_enumerates_beyond_its_budget(world: World) -> None:
    member = world.federation.member("AZ9900301")
    world.federation.do_trustee("budgets", "set", member.ori, "registration", "3")
    request = member.evaluation(ELEMENTS)
    trustee_of(world).EvaluateHalf(trustee_service_pb2.EvaluateHalfRequest(request=request), timeout=CALL_S)
    not_evaluated(world, member.evaluation(ELEMENTS), "budget-spent")
    world.unharmed()


def test_attack_a_suspended_member_goes_on_asking(world: World) -> None:
    member = world.federation.member("AZ9900302")
    world.federation.do_hub("suspend", member.ori, "--reason", "a test")
    wait_until(lambda: not _entry_is_active(world, member.ori), "the trustee does not know")
    not_evaluated(world, member.evaluation(ELEMENTS), "suspended")
    world.unharmed()


def _entry_is_active(world: World, ori: str) -> bool:
    roster = roster_pb2.Roster.FromString(held_roster(world).payload)
    return _entry_of(roster, ori).status == roster_pb2.MEMBER_STATUS_ACTIVE


def test_attack_a_member_calls_the_trustee_itself(world: World) -> None:
    """A certificate from the same authority, but not the hub's."""
    stub = trustee_of(world, world.member.ori)
    request = trustee_service_pb2.EvaluateHalfRequest(request=world.member.evaluation(ELEMENTS))
    calls = (
        (stub.EvaluateHalf, request),
        (stub.CosignRoster, trustee_service_pb2.CosignRosterRequest()),
        (stub.GetIndexKey, trustee_service_pb2.GetIndexKeyRequest(epoch=2)),
    )
    for call, message in calls:
        with (
            world.federation.audited("trustee", "caller-refused", subject=world.member.ori),
            pytest.raises(grpc.RpcError) as error,
        ):
            call(message, timeout=CALL_S)
        assert refusal(error.value) == (grpc.StatusCode.PERMISSION_DENIED, "not-the-hub")
    world.unharmed()
