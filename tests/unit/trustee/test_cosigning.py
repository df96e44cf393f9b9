"""What the trustee signs of what a hub proposes, rule by rule; each test that refuses is an attack of the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import pytest

from waypost.crypto.envelope import SigningKey, sign, signers
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.protocol import floor, limits, names
from waypost.protocol.roster import Roster, parse_roster
from waypost.trustee.cosigning import Approval, Roots, cosign, judge
from waypost.trustee.errors import NotAdmitted, Refused
from waypost.v1 import envelope_pb2, roster_pb2

NOW_MS = 1_800_000_000_000
ORI, OTHER = "CA9900100", "NV9900200"
HUB, OWN, STRANGER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
INDEX_KEYS = {epoch: hashlib.sha256(bytes([epoch])).digest() for epoch in (1, 2, 3)}
ROOTS = Roots(HUB.public, OWN.public, INDEX_KEYS.get)
Envelope = envelope_pb2.Envelope


@dataclass
class Agency:
    """An agency's keys and how it is entered."""

    ori: str
    key: SigningKey = field(default_factory=SigningKey.generate)
    sealing: bytes = bytes(1216)
    name: str = "Demonstration Police Department"
    role: roster_pb2.Role.ValueType = roster_pb2.ROLE_AGENCY
    status: roster_pb2.MemberStatus.ValueType = roster_pb2.MEMBER_STATUS_ACTIVE
    since: int = 1

    def entry(self) -> roster_pb2.Member:
        return roster_pb2.Member(
            ori=self.ori,
            name=self.name,
            state=self.ori[:2],
            role=self.role,
            status=self.status,
            signing_public_key=self.key.public,
            sealing_key_digest=hashlib.sha256(self.sealing).digest(),
            key_since_version=self.since,
        )

    def application(
        self, *more: SigningKey, signer: SigningKey | None = None, issued_at_ms: int = NOW_MS, sender: str = ""
    ) -> Envelope:
        lifetime_ms = limits.JOIN_LIFETIME_MS
        header = new_header(sender=sender or self.ori, audience=names.HUB, now_ms=issued_at_ms, lifetime_ms=lifetime_ms)
        content = roster_pb2.JoinApplication(
            header=header_to_proto(header),
            ori=self.ori,
            name=self.name,
            state=self.ori[:2],
            role=self.role,
            signing_public_key=self.key.public,
            sealing_public_key=self.sealing,
        )
        return sign(names.JOIN_APPLICATION, content.SerializeToString(), signer or self.key, *more)


def draft(members: Collection[Agency], held: Roster | None = None) -> roster_pb2.Roster:
    header = new_header(
        sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=NOW_MS, lifetime_ms=limits.ROSTER_LIFETIME_MS
    )
    epoch = 1 if held is None else held.epoch
    return roster_pb2.Roster(
        header=header_to_proto(header),
        version=1 if held is None else held.version + 1,
        members=[agency.entry() for agency in sorted(members, key=lambda agency: agency.ori)],
        hub_signing_key=HUB.public,
        trustee_signing_key=OWN.public,
        index_keys=roster_pb2.IndexKeys(epoch=epoch, hub_public_key=bytes(32), trustee_public_key=INDEX_KEYS[epoch]),
        policy_floor=floor.text(),
        previous_digest=b"" if held is None else held.payload_digest,
    )


def proposed(roster: roster_pb2.Roster, key: SigningKey = HUB) -> Envelope:
    return sign(names.ROSTER, roster.SerializeToString(), key)


def held_with(*members: Agency) -> Roster:
    return parse_roster(draft(members).SerializeToString())


def judged(
    roster: roster_pb2.Roster | Envelope,
    *applications: Envelope,
    held: Roster | None = None,
    admitted: Collection[str] = (),
    now_ms: int = NOW_MS,
) -> Approval:
    envelope = proposed(roster) if isinstance(roster, roster_pb2.Roster) else roster
    return judge(envelope, applications, held=held, admitted=admitted, roots=ROOTS, now_ms=now_ms)


def refused(
    reason: str,
    roster: roster_pb2.Roster | Envelope,
    *applications: Envelope,
    held: Roster | None = None,
    admitted: Collection[str] = (),
    now_ms: int = NOW_MS,
) -> None:
    with pytest.raises(Refused) as told:
        judged(roster, *applications, held=held, admitted=admitted, now_ms=now_ms)
    assert told.value.reason == reason


def changed(roster: roster_pb2.Roster, change: Callable[[roster_pb2.Roster], object]) -> roster_pb2.Roster:
    change(roster)
    return roster


def test_a_first_roster_without_members_is_approved_and_uses_no_admission() -> None:
    approval = judged(draft([]))
    assert (approval.roster.version, approval.admissions_used, approval.repeated) == (1, frozenset(), False)


def test_an_approved_roster_leaves_with_the_hubs_signature_and_the_trustees_and_no_other() -> None:
    payload = draft([]).SerializeToString()
    signed = cosign(sign(names.ROSTER, payload, HUB, STRANGER), HUB.public, OWN)
    assert signers(signed, (HUB.public, OWN.public, STRANGER.public)) == {HUB.public, OWN.public}
    assert len(signed.signatures) == 2
    assert signed.payload == payload


def test_rule_1_attack_a_stranger_signs_the_roster_in_the_hubs_place() -> None:
    refused("wrong-signature", proposed(draft([]), STRANGER))


def test_rule_1_attack_another_kind_of_message_is_passed_off_as_a_roster() -> None:
    refused("wrong-type", sign(names.JOIN_APPLICATION, draft([]).SerializeToString(), HUB))


def test_rule_1_a_roster_that_is_none_is_refused() -> None:
    refused("malformed", sign(names.ROSTER, b"\xff\xff", HUB))


def test_rule_2_attack_a_version_is_skipped_or_repeated_with_other_content() -> None:
    held = held_with()
    for version in (1, 3):
        other = draft([], held)
        other.version = version
        refused("wrong-version", other, held=held)


def test_rule_2_attack_a_roster_follows_another_than_the_one_signed_last() -> None:
    held = held_with()
    refused("fork", changed(draft([], held), lambda r: setattr(r, "previous_digest", bytes(32))), held=held)


def test_rule_2_the_roster_signed_last_is_signed_again_even_when_its_admissions_are_used_up() -> None:
    roster = draft([Agency(ORI)])
    approval = judged(roster, held=parse_roster(roster.SerializeToString()), now_ms=NOW_MS + limits.DAY_MS)
    assert approval.repeated
    assert approval.admissions_used == frozenset()


@pytest.mark.parametrize("root", ["hub_signing_key", "trustee_signing_key"])
def test_rule_3_attack_a_roster_names_another_root_key(root: str) -> None:
    refused("wrong-root", changed(draft([]), lambda r: setattr(r, root, STRANGER.public)))


def test_rule_3_attack_a_roster_names_another_half_of_the_trustee_than_its_own() -> None:
    other = INDEX_KEYS[2]
    refused("wrong-index-key", changed(draft([]), lambda r: setattr(r.index_keys, "trustee_public_key", other)))


def _turned(held: Roster, epoch: int, hub_half: bytes) -> roster_pb2.Roster:
    roster = draft([], held)
    keys = roster_pb2.IndexKeys(epoch=epoch, hub_public_key=hub_half, trustee_public_key=INDEX_KEYS[epoch])
    roster.index_keys.CopyFrom(keys)
    return roster


def test_rule_3_the_epoch_counts_up_by_one_with_a_new_half_of_the_hub() -> None:
    held = held_with()
    assert judged(_turned(held, 2, bytes([1] * 32)), held=held).roster.epoch == 2


def test_rule_3_attack_an_epoch_is_skipped() -> None:
    held = held_with()
    refused("wrong-epoch", _turned(held, 3, bytes([1] * 32)), held=held)


def test_rule_3_attack_the_hubs_half_changes_without_the_epoch_or_the_epoch_without_the_half() -> None:
    held = held_with()
    refused("wrong-index-key", _turned(held, 1, bytes([1] * 32)), held=held)
    refused("wrong-index-key", _turned(held, 2, bytes(32)), held=held)


def test_rule_4_a_roster_out_of_its_time_is_refused() -> None:
    refused("expired", draft([]), now_ms=NOW_MS + limits.ROSTER_LIFETIME_MS + limits.HOUR_MS)
    refused("future-dated", draft([]), now_ms=NOW_MS - limits.DAY_MS)


def test_rule_4_attack_a_roster_claims_a_longer_life() -> None:
    late = NOW_MS + limits.ROSTER_LIFETIME_MS + 1
    refused("too-long-lived", changed(draft([]), lambda r: setattr(r.header, "expires_at_ms", late)))


def test_rule_4_attack_a_roster_is_meant_for_one_member_alone() -> None:
    refused("wrong-audience", changed(draft([]), lambda r: setattr(r.header, "audience", ORI)))


def test_rule_5_an_admitted_agency_with_its_own_application_becomes_a_member_and_uses_the_admission_up() -> None:
    agency = Agency(ORI)
    approval = judged(draft([agency]), agency.application(), admitted={ORI, OTHER})
    assert approval.admissions_used == {ORI}


def test_rule_5_attack_the_hub_invents_a_member_without_an_application() -> None:
    refused("invented-member", draft([Agency(ORI)]), admitted={ORI})


def test_rule_5_attack_the_hub_writes_the_application_of_an_agency_that_nobody_admitted() -> None:
    agency = Agency(ORI)
    refused("not-admitted", draft([agency]), agency.application(), admitted={OTHER})


def test_rule_5_what_is_not_admitted_tells_the_operator_the_command_that_admits_it() -> None:
    agency = Agency(ORI)
    with pytest.raises(NotAdmitted) as told:
        judged(draft([agency]), agency.application())
    assert told.value.hint.endswith(f"waypost-trustee admit {ORI}")


def test_rule_5_attack_a_removed_member_comes_back_without_a_fresh_admission() -> None:
    agency = Agency(ORI, since=2)
    held = held_with()
    refused("not-admitted", draft([agency], held), agency.application(), held=held)


def test_rule_6_a_member_changes_its_key_under_the_signature_of_the_old_one_without_an_admission() -> None:
    before, after = Agency(ORI), Agency(ORI, since=2)
    held = held_with(before)
    approval = judged(draft([after], held), after.application(before.key), held=held)
    assert approval.admissions_used == frozenset()


def test_rule_6_a_member_that_lost_its_key_gets_a_new_one_under_a_fresh_admission() -> None:
    held, after = held_with(Agency(ORI)), Agency(ORI, since=2)
    assert judged(draft([after], held), after.application(), held=held, admitted={ORI}).admissions_used == {ORI}


def test_rule_6_attack_the_hub_swaps_a_members_key_silently() -> None:
    held = held_with(Agency(ORI))
    refused("silent-key-change", draft([Agency(ORI, since=2)], held), held=held, admitted={ORI})


def test_rule_6_attack_the_hub_enrols_a_key_of_its_own_for_a_member() -> None:
    held, after = held_with(Agency(ORI)), Agency(ORI, since=2)
    refused("not-admitted", draft([after], held), after.application(STRANGER), held=held)


@pytest.mark.parametrize(
    "change",
    [
        {"sealing": bytes([1] * 1216)},
        {"name": "Another Department"},
        {"role": roster_pb2.ROLE_POST},
    ],
)
def test_rule_6_a_changed_entry_needs_an_application_that_its_key_signed(change: dict[str, object]) -> None:
    before = Agency(ORI)
    after = Agency(ORI, before.key, **change)  # type: ignore[arg-type]
    held = held_with(before)
    refused("silent-change", draft([after], held), held=held, admitted={ORI})
    refused("wrong-signature", draft([after], held), after.application(signer=STRANGER), held=held, admitted={ORI})
    assert judged(draft([after], held), after.application(), held=held).admissions_used == frozenset()


def test_rule_6_attack_the_roster_misstates_since_when_a_key_stands() -> None:
    before = Agency(ORI)
    held = held_with(before)
    refused("malformed", draft([Agency(ORI, before.key, since=2)], held), held=held)
    after = Agency(ORI, since=1)
    refused("malformed", draft([after], held), after.application(before.key), held=held)


def test_rule_7_attack_an_application_signed_by_another_key_than_it_introduces() -> None:
    agency = Agency(ORI)
    refused("wrong-signature", draft([agency]), agency.application(signer=STRANGER), admitted={ORI})


def test_rule_7_attack_an_old_application_is_shown_again() -> None:
    agency = Agency(ORI)
    old = agency.application(issued_at_ms=NOW_MS - limits.JOIN_LIFETIME_MS - limits.HOUR_MS)
    refused("expired", draft([agency]), old, admitted={ORI})


def test_rule_7_attack_an_application_speaks_for_another_agency_than_its_sender() -> None:
    agency = Agency(ORI)
    refused("wrong-sender", draft([agency]), agency.application(sender=OTHER), admitted={ORI})


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another Department"},
        {"role": roster_pb2.ROLE_POST},
        {"sealing": bytes([1] * 1216)},
        {"key": STRANGER},
    ],
)
def test_rule_7_attack_the_roster_says_something_else_than_the_application(change: dict[str, object]) -> None:
    agency = Agency(ORI)
    entered = Agency(ORI, **{"key": agency.key, **change})  # type: ignore[arg-type]
    refused("wrong-entry", draft([entered]), agency.application(), admitted={ORI})


def test_rule_7_an_application_that_is_none_is_refused() -> None:
    refused("malformed", draft([]), sign(names.JOIN_APPLICATION, b"\xff\xff", STRANGER))


def test_rule_8_attack_the_hub_lets_an_active_member_disappear() -> None:
    held = held_with(Agency(ORI), Agency(OTHER))
    refused("silent-removal", draft([], held), held=held)


def test_rule_8_a_suspended_member_may_be_removed_and_suspending_and_reinstating_need_no_paper() -> None:
    agency = Agency(ORI)
    first = held_with(agency)
    agency.status = roster_pb2.MEMBER_STATUS_SUSPENDED
    second = judged(draft([agency], first), held=first).roster
    assert judged(draft([], second), held=second).roster.members == {}
    agency.status = roster_pb2.MEMBER_STATUS_ACTIVE
    third = judged(draft([agency], second), held=second).roster
    assert third.members[ORI].active
