"""A node holds the newest roster that hub and trustee both signed, and nothing talks it out of that."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import SigningKey, countersign, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster, accept_roster, open_roster, parse_roster
from waypost.v1 import envelope_pb2, roster_pb2

HUB, TRUSTEE, STRANGER = (SigningKey.generate() for _ in range(3))
NOW_MS = 1_800_000_000_000


def _payload(version: int = 1, previous: bytes = b"", oris: tuple[str, ...] = ("CA9900100", "NV9900200")) -> bytes:
    header = new_header(
        sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=NOW_MS, lifetime_ms=limits.ROSTER_LIFETIME_MS
    )
    return roster_pb2.Roster(
        header=header_to_proto(header),
        version=version,
        members=[_entry(ori) for ori in oris],
        hub_signing_key=HUB.public,
        trustee_signing_key=TRUSTEE.public,
        index_keys=roster_pb2.IndexKeys(epoch=1, hub_public_key=bytes(32), trustee_public_key=bytes(32)),
        policy_floor="// none",
        previous_digest=previous,
    ).SerializeToString()


def _entry(ori: str) -> roster_pb2.Member:
    return roster_pb2.Member(
        ori=ori,
        name=f"Agency {ori}",
        state=ori[:2],
        role=roster_pb2.ROLE_AGENCY,
        status=roster_pb2.MEMBER_STATUS_ACTIVE,
        signing_public_key=hashlib.sha256(ori.encode()).digest(),
        sealing_key_digest=bytes(32),
        key_since_version=1,
    )


def _signed(payload: bytes) -> envelope_pb2.Envelope:
    return sign(names.ROSTER, payload, HUB, TRUSTEE)


def _accept(envelope: envelope_pb2.Envelope, held: Roster | None = None, now_ms: int = NOW_MS) -> Roster:
    return accept_roster(envelope, held=held, hub_key=HUB.public, trustee_key=TRUSTEE.public, now_ms=now_ms)


FIRST = _payload()
HELD = parse_roster(FIRST)


def _refused(envelope: envelope_pb2.Envelope, reason: str, held: Roster | None = HELD, now_ms: int = NOW_MS) -> None:
    with pytest.raises(RosterError) as refused:
        _accept(envelope, held, now_ms)
    assert refused.value.reason == reason


def test_a_first_roster_and_its_successor_are_accepted() -> None:
    first = _accept(_signed(FIRST))
    assert list(first.members) == ["CA9900100", "NV9900200"]
    second = _accept(_signed(_payload(2, first.payload_digest)), first)
    assert second.version == 2
    assert second.active_member("CA9900100").name == "Agency CA9900100"


def test_versions_may_be_skipped_and_the_held_one_may_come_again() -> None:
    assert _accept(_signed(_payload(7, bytes(32))), HELD).version == 7
    assert _accept(_signed(FIRST), HELD) == HELD


def test_attack_hub_replays_an_old_roster() -> None:
    second = _accept(_signed(_payload(2, HELD.payload_digest)), HELD)
    _refused(_signed(FIRST), "rollback", second)


def test_attack_hub_shows_two_rosters_of_one_version() -> None:
    _refused(_signed(_payload(1, oris=("CA9900100",))), "fork")


def test_attack_hub_shows_a_successor_of_another_history() -> None:
    _refused(_signed(_payload(2, bytes(32))), "fork")


@pytest.mark.parametrize("signers", [(HUB,), (TRUSTEE,), (HUB, HUB), (HUB, STRANGER)])
def test_attack_hub_publishes_a_roster_that_the_trustee_did_not_sign(signers: tuple[SigningKey, ...]) -> None:
    _refused(sign(names.ROSTER, _payload(2, HELD.payload_digest), *signers), "wrong-signature")


def test_attack_another_kind_of_message_is_passed_off_as_a_roster() -> None:
    _refused(sign(names.RECEIPT, FIRST, HUB, TRUSTEE), "wrong-type", None)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_attack_any_changed_byte_of_a_signed_roster_is_refused(data: st.DataObject) -> None:
    payload = bytearray(FIRST)
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    envelope = _signed(FIRST)
    envelope.payload = bytes(payload)
    _refused(envelope, "wrong-signature", None)


def test_a_roster_out_of_its_time_is_refused() -> None:
    _refused(_signed(FIRST), "expired", None, NOW_MS + limits.ROSTER_LIFETIME_MS)
    _refused(_signed(FIRST), "future-dated", None, NOW_MS - limits.HOUR_MS)


def test_attack_the_roots_inside_differ_from_the_trusted_ones() -> None:
    forged = roster_pb2.Roster.FromString(FIRST)
    forged.hub_signing_key = STRANGER.public
    _refused(_signed(forged.SerializeToString()), "wrong-root", None)


@pytest.mark.parametrize("oris", [("NV9900200", "CA9900100"), ("CA9900100", "CA9900100"), ("CA99001",), ("ca9900100",)])
def test_members_out_of_order_repeated_or_without_an_ori_are_refused(oris: tuple[str, ...]) -> None:
    _refused(_signed(_payload(oris=oris)), "malformed", None)


def test_incomplete_rosters_are_refused() -> None:
    for change in ("version", "index_keys", "hub_signing_key"):
        message = roster_pb2.Roster.FromString(FIRST)
        message.ClearField(change)
        _refused(_signed(message.SerializeToString()), "malformed", None)
    orphan = roster_pb2.Roster.FromString(_payload(2, bytes(32)))
    orphan.previous_digest = b""
    _refused(_signed(orphan.SerializeToString()), "malformed", None)


def test_suspended_and_unknown_members_are_told_apart() -> None:
    message = roster_pb2.Roster.FromString(FIRST)
    message.members[0].status = roster_pb2.MEMBER_STATUS_SUSPENDED
    roster = open_roster(_signed(message.SerializeToString()), hub_key=HUB.public, trustee_key=TRUSTEE.public)
    for ori, reason in (("CA9900100", "suspended"), ("TX9900100", "not-a-member")):
        with pytest.raises(RosterError) as refused:
            roster.active_member(ori)
        assert refused.value.reason == reason


def test_a_roster_of_the_whole_country_fits_in_one_message() -> None:
    oris = tuple(f"CA{number:07d}" for number in range(18_000))
    envelope = countersign(sign(names.ROSTER, _payload(oris=oris), HUB), TRUSTEE)
    assert len(_accept(envelope).members) == 18_000
    assert envelope.ByteSize() < limits.GRPC_MESSAGE_BYTES_MAX
