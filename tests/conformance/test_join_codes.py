"""Join codes in the wrong hands, twice, or too late."""

from __future__ import annotations

import dataclasses
import json
import os
import ssl

import grpc
import pytest
from tests.conformance.conftest import World
from tests.parties import commands
from tests.parties.attacks import ATTACKS
from tests.parties.member import Member, refusal

from waypost.crypto import pki
from waypost.hub import invitations
from waypost.hub.database import open_engine
from waypost.hub.settings import Home, database_url, read_settings
from waypost.protocol.joincode import JoinCode
from waypost.v1 import envelope_pb2, roster_pb2

pytestmark = pytest.mark.xdist_group("conformance")


def not_joined(
    world: World, member: Member, code: JoinCode, reason: str, application: envelope_pb2.Envelope | None = None
) -> None:
    before = world.federation.roster_version()
    with (
        world.federation.audited("hub", "join-refused", detail=reason),
        pytest.raises(grpc.RpcError) as error,
    ):
        member.join(code, application)
    assert refusal(error.value)[1] == reason
    assert world.federation.roster_version() == before


def agency(world: World, ori: str) -> Member:
    return Member(ori, address=world.federation.link_address)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_join_application_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    world.federation.do_trustee("admit", "WA9900701")
    code, member = world.federation.invite("WA9900701"), agency(world, "WA9900701")
    bad = spoil(member.application(code), (member.signing,))
    told = "malformed" if attack == "unreadable" else reason
    not_joined(world, member, code, told, bad)


def test_attack_a_join_code_is_used_twice(world: World) -> None:
    world.federation.do_trustee("admit", "WA9900702")
    code = world.federation.invite("WA9900702")
    agency(world, "WA9900702").join(code)
    world.federation.do_trustee("admit", "WA9900702")
    thief = agency(world, "WA9900702")
    not_joined(world, thief, code, "used-invitation")
    world.federation.do_trustee("withdraw", "WA9900702")
    world.unharmed()


def test_attack_a_join_code_is_used_too_late(world: World) -> None:
    world.federation.do_trustee("admit", "WA9900703")
    home = Home(world.federation.hub.home)
    with open_engine(database_url(home, read_settings(home))).begin() as connection:
        entry = invitations.Invitation("WA9900703", "Late PD", "WA", roster_pb2.ROLE_AGENCY)
        late = invitations.invite(connection, entry, now_ms=1, lifetime_ms=1)
    code, member = world.federation.invite("WA9900703"), agency(world, "WA9900703")
    not_joined(world, member, dataclasses.replace(code, secret=late), "expired-invitation")
    member.join(code)  # the one that is in its time is as good as ever


def test_attack_a_join_code_is_guessed(world: World) -> None:
    code = world.federation.invite("WA9900704")
    guessed = dataclasses.replace(code, secret=os.urandom(16))
    not_joined(world, agency(world, "WA9900704"), guessed, "unknown-invitation")


def test_attack_somebody_elses_join_code(world: World) -> None:
    world.federation.do_trustee("admit", "WA9900705", "WA9900706")
    code = world.federation.invite("WA9900705")
    not_joined(world, agency(world, "WA9900706"), code, "wrong-sender")
    board = agency(world, "WA9900705")
    not_joined(world, board, code, "wrong-entry", board.application(code, role=roster_pb2.ROLE_POST))


def test_attack_the_hub_invites_whom_the_trustee_has_not_admitted(world: World) -> None:
    code, member = world.federation.invite("WA9900707"), agency(world, "WA9900707")
    with world.federation.audited("trustee", "roster-refused", detail="not-admitted"):
        not_joined(world, member, code, "not-admitted")
    world.federation.do_trustee("admit", "WA9900707")
    member.join(code)  # the invitation stays good
    world.unharmed()


def test_attack_another_server_poses_as_the_enrolment_endpoint(world: World) -> None:
    """The node's own command pins the endpoint by the code, and sends it nothing."""
    code = world.federation.invite("WA9900708")
    home = world.federation.folder / "WA9900708"
    commands.do("waypost-node", "init", home=home)
    relay_port = int(world.federation.relay.address.rpartition(":")[2])
    posing = dataclasses.replace(code, enrolment_port=relay_port)  # a genuine server, with another certificate
    seen = len(world.federation.relay.seen)
    done = commands.run("waypost-node", "join", posing.encode(), home=home)
    assert done.returncode == 1
    assert "is not the hub that wrote" in done.stderr
    assert not [each for each in world.federation.relay.seen[seen:] if each.method == "Join"]
    assert pki.fingerprint(ssl.get_server_certificate((code.host, code.enrolment_port)).encode()) == (
        code.enrolment_certificate
    )


def test_attack_a_join_code_that_names_other_root_keys(world: World) -> None:
    """A hub that would make a newcomer trust another trustee: the code, from the operator's mouth, says which."""
    world.federation.do_trustee("admit", "WA9900709")
    code = dataclasses.replace(world.federation.invite("WA9900709"), trustee_key=bytes(32))
    home = world.federation.folder / "WA9900709"
    commands.do("waypost-node", "init", home=home)
    done = commands.run("waypost-node", "join", code.encode(), home=home)
    assert done.returncode == 1
    assert "names other root keys than the join code" in done.stderr
    assert not (home / "federation.json").exists()
    assert json.loads(commands.do("waypost-node", "status", "--json", home=home))["ori"] == ""
