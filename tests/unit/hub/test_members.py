"""Members, invitations and the roster that follows from them, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from tests.parties.hub_world import ASKER, HOLDER, NOW_MS, SEALING, HubWorld

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import invitations, members
from waypost.hub.errors import Refused
from waypost.hub.invitations import Invitation
from waypost.hub.members import MemberRow, RosterRoots
from waypost.protocol import limits, names
from waypost.protocol.roster import Roster, parse_roster
from waypost.v1 import envelope_pb2, roster_pb2

NEWCOMER = "TX9900500"
INVITED = Invitation(NEWCOMER, "Newcomer PD", "TX", roster_pb2.ROLE_AGENCY)
ACTIVE, SUSPENDED = roster_pb2.MEMBER_STATUS_ACTIVE, roster_pb2.MEMBER_STATUS_SUSPENDED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path)
    yield made
    made.close()


@dataclass
class Applicant:
    """Who applies, with which keys, and what it says."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    also: tuple[SigningKey, ...] = ()
    sender: str = NEWCOMER
    issued_ms: int = NOW_MS

    def application(self, digest: bytes, **content: Any) -> envelope_pb2.Envelope:
        header = new_header(
            sender=self.sender, audience=names.HUB, now_ms=self.issued_ms, lifetime_ms=limits.JOIN_LIFETIME_MS
        )
        fields = {
            "header": header_to_proto(header),
            "ori": NEWCOMER,
            "name": INVITED.name,
            "state": "TX",
            "role": INVITED.role,
            "signing_public_key": self.key.public,
            "sealing_public_key": SEALING,
            "invitation_digest": digest,
        }
        payload = roster_pb2.JoinApplication(**{**fields, **content}).SerializeToString()
        return sign(names.JOIN_APPLICATION, payload, self.key, *self.also)


def invited(world: HubWorld) -> tuple[bytes, bytes]:
    """An invitation's secret and digest."""
    secret = world.do(lambda connection: invitations.invite(connection, INVITED, world.now_ms, limits.DAY_MS))
    digest, invitation = opened(world, secret)
    assert invitation == INVITED
    return secret, digest


def opened(world: HubWorld, secret: bytes) -> tuple[bytes, Invitation]:
    return world.do(lambda connection: invitations.open_invitation(connection, secret, world.now_ms))


def refused(work: Any) -> str:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value.reason


# Invitations and applications


def test_rule_1_an_invitation_is_known_by_its_secret_alone_until_it_expires(world: HubWorld) -> None:
    secret, digest = invited(world)
    assert secret not in (world.folder / "hub.db").read_bytes()
    assert digest != secret
    assert refused(lambda: opened(world, bytes(16))) == "unknown-invitation"
    assert refused(lambda: opened(world, digest)) == "unknown-invitation"
    world.now_ms += limits.DAY_MS
    assert refused(lambda: opened(world, secret)) == "expired-invitation"


def test_rule_1_a_new_invitation_takes_back_the_unused_one_of_the_same_agency_and_no_other(world: HubWorld) -> None:
    other = replace(INVITED, ori="TX9900501")
    stranger = world.do(lambda connection: invitations.invite(connection, other, world.now_ms, limits.DAY_MS))
    first, _ = invited(world)
    second, _ = invited(world)
    assert refused(lambda: opened(world, first)) == "withdrawn-invitation"
    assert opened(world, second)[1] == INVITED
    assert opened(world, stranger)[1] == other
    still_open = world.do(lambda connection: invitations.open_invitations(connection, world.now_ms))
    assert sorted(each.ori for each in still_open) == [NEWCOMER, "TX9900501"]
    assert world.do(lambda connection: invitations.take_back(connection, NEWCOMER, world.now_ms)) == 1
    assert world.do(lambda connection: invitations.take_back(connection, NEWCOMER, world.now_ms)) == 0
    assert refused(lambda: opened(world, second)) == "withdrawn-invitation"


def test_rule_2_an_application_that_fits_its_invitation_makes_a_member(world: HubWorld) -> None:
    _, digest = invited(world)
    applicant = Applicant()
    content = members.open_application(applicant.application(digest), digest, INVITED, NOW_MS)
    row = members.member_of(content)
    assert row == MemberRow(NEWCOMER, INVITED.name, "TX", INVITED.role, ACTIVE, applicant.key.public, SEALING)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"ori": ASKER}, "wrong-entry"),
        ({"name": "Another PD"}, "wrong-entry"),
        ({"state": "CA"}, "wrong-entry"),
        ({"role": roster_pb2.ROLE_POST}, "wrong-entry"),
        ({"invitation_digest": bytes(32)}, "wrong-entry"),
        ({"sealing_public_key": b"short"}, "malformed"),
        ({"signing_public_key": bytes(32)}, "wrong-signature"),
        ({"signing_public_key": b""}, "wrong-signature"),
    ],
)
def test_rule_2_attack_an_application_for_more_or_other_than_was_invited(
    world: HubWorld, content: dict[str, Any], reason: str
) -> None:
    _, digest = invited(world)
    envelope = Applicant().application(digest, **content)
    assert refused(lambda: members.open_application(envelope, digest, INVITED, NOW_MS)) == reason


@pytest.mark.parametrize(
    ("applicant", "reason"),
    [
        (Applicant(sender=ASKER), "wrong-sender"),
        (Applicant(issued_ms=NOW_MS - 2 * limits.JOIN_LIFETIME_MS), "expired"),
        (Applicant(issued_ms=NOW_MS + limits.DAY_MS), "future-dated"),
    ],
    ids=["in-anothers-name", "old", "of-tomorrow"],
)
def test_rule_2_attack_an_application_in_anothers_name_or_out_of_its_time(
    world: HubWorld, applicant: Applicant, reason: str
) -> None:
    _, digest = invited(world)
    envelope = applicant.application(digest)
    assert refused(lambda: members.open_application(envelope, digest, INVITED, NOW_MS)) == reason


def test_rule_3_a_key_change_bears_both_keys_and_changes_nothing_else() -> None:
    member = MemberRow(NEWCOMER, INVITED.name, "TX", INVITED.role, ACTIVE, SigningKey.generate().public, SEALING)
    old = SigningKey.generate()
    member = replace(member, signing_public_key=old.public)
    both = Applicant(also=(old,))
    content = members.open_key_change(both.application(b""), member, NOW_MS)
    assert members.member_of(content).signing_public_key == both.key.public
    for envelope, reason in (
        (Applicant().application(b""), "wrong-signature"),  # the old key did not sign
        (Applicant(also=(SigningKey.generate(),)).application(b""), "wrong-signature"),
        (Applicant(also=(old,)).application(b"", role=roster_pb2.ROLE_POST), "wrong-entry"),
        (Applicant(also=(old,)).application(bytes(32)), "wrong-entry"),
    ):
        assert refused(lambda e=envelope: members.open_key_change(e, member, NOW_MS)) == reason


def test_attack_bytes_that_are_no_application() -> None:
    junk = sign(names.JOIN_APPLICATION, b"\xff\xff", SigningKey.generate())
    assert refused(lambda: members.read_application(junk)) == "malformed"


# Rosters

ROOTS = RosterRoots(SigningKey.generate().public, bytes(range(32)), 1, bytes(32), bytes(32))


def next_roster(world: HubWorld, held: Roster | None) -> Roster:
    rows = world.do(members.all_members)
    return parse_roster(members.make_roster(rows, ROOTS, held, world.hub, world.now_ms).payload)


def change(world: HubWorld, ori: str, **values: Any) -> None:
    def work(connection: Connection) -> None:
        row = members.one_member(connection, ori)
        assert row is not None
        members.put_member(connection, replace(row, **values), b"", world.now_ms)

    world.do(work)


def test_rule_4_rosters_follow_one_another_and_say_since_when_each_key_stands(world: HubWorld) -> None:
    first = next_roster(world, None)
    change(world, HOLDER, signing_public_key=SigningKey.generate().public)
    second = next_roster(world, first)
    third = next_roster(world, second)
    assert [roster.version for roster in (first, second, third)] == [1, 2, 3]
    assert second.previous_digest == first.payload_digest
    assert third.previous_digest == second.payload_digest
    assert [roster.members[HOLDER].key_since_version for roster in (first, second, third)] == [1, 2, 2]
    assert [roster.members[ASKER].key_since_version for roster in (first, second, third)] == [1, 1, 1]
    assert list(first.members) == sorted(first.members)


def test_what_differs_from_the_roster_in_force_is_noticed(world: HubWorld) -> None:
    held = next_roster(world, None)

    def differs() -> bool:
        return members.differs(world.do(members.all_members), held)

    assert not differs()
    for changed in ({"name": "Renamed PD"}, {"signing_public_key": bytes(32)}):
        before = world.do(lambda connection: members.one_member(connection, HOLDER))
        assert before is not None
        change(world, HOLDER, **changed)
        assert differs()
        world.do(lambda connection, row=before: members.put_member(connection, row, b"", NOW_MS))  # type: ignore[misc]
        assert not differs()
    world.do(lambda connection: members.set_status(connection, HOLDER, SUSPENDED))
    assert differs()


def test_a_suspended_member_is_cut_off_at_once_and_stays_so_when_it_enrols_a_new_key(world: HubWorld) -> None:
    held = next_roster(world, None)
    world.do(lambda connection: members.set_status(connection, HOLDER, SUSPENDED))
    barred = world.do(members.suspended)
    assert barred == {HOLDER}
    in_force = members.with_suspensions(held, barred)
    assert not in_force.members[HOLDER].active
    assert in_force.members[ASKER].active
    assert held.members[HOLDER].active  # the signed one is left as it is
    change(world, HOLDER, signing_public_key=bytes(32))
    rows = world.do(members.all_members)
    assert [row.status for row in rows if row.ori == HOLDER] == [SUSPENDED]
    candidate = next(row for row in rows if row.ori == HOLDER)
    joined = members.with_candidate(rows, replace(candidate, status=ACTIVE))
    assert [row.status for row in joined if row.ori == HOLDER] == [SUSPENDED]


def test_nobody_is_suspended_who_is_no_member(world: HubWorld) -> None:
    unknown = "ZZ9900999"
    assert refused(lambda: world.do(lambda c: members.set_status(c, unknown, SUSPENDED))) == "not-a-member"
    assert refused(lambda: world.do(lambda c: members.member_id(c, unknown))) == "not-a-member"
