"""Rosters: who takes part, and when a new roster may replace the one held.

Rules, in the order they are checked:

1. The envelope has the roster's type and verifies under both the hub's and the trustee's key (distinct signers).
2. Its header names the hub as sender and all members as audience, it is in its lifetime (clock skew allowed), and that
   is at most ROSTER_LIFETIME_MS.
3. It is well-formed: both root keys stand in it as we know them, members are unique by ORI and ordered, every key has
   its length, the index keys are there, counts and sizes are within bounds.
4. Its version is not below the one held; with the same version its payload is the same bytes (rollback, fork).
5. When it is the next version, it names the held payload's digest as its predecessor (fork).

Left out on purpose: which changes between versions are lawful. That is the trustee's to judge before it signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, header_from_payload
from waypost.crypto.limits import CLOCK_SKEW_MAX_MS
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.v1 import envelope_pb2, roster_pb2

_HOLDING_ROLES = frozenset({roster_pb2.ROLE_AGENCY, roster_pb2.ROLE_POST})
_KEY_BYTES = 32
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Member:
    """One member. Keys and digests are 32 bytes; `role` and `status` are the enums of roster.proto."""

    ori: str
    name: str
    state: str
    role: roster_pb2.Role.ValueType
    status: roster_pb2.MemberStatus.ValueType
    signing_public_key: bytes
    sealing_key_digest: bytes
    key_since_version: int

    @property
    def active(self) -> bool:
        """Whether it may take part."""
        return self.status == roster_pb2.MEMBER_STATUS_ACTIVE


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster that passed rules 1 and 3; `payload_digest` is SHA-256 of its payload bytes.

    `holders` are the members that hold records (agencies and POST boards), `inactive` those that may not take part:
    both are made once, for every check asks about them.
    """

    header: Header
    version: int
    members: Mapping[str, Member]
    hub_signing_key: bytes
    trustee_signing_key: bytes
    epoch: int
    hub_index_key: bytes
    trustee_index_key: bytes
    policy_floor: str
    previous_digest: bytes
    payload_digest: bytes
    holders: frozenset[str] = field(init=False)
    inactive: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        members = self.members.values()
        holders = (member.ori for member in members if member.role in _HOLDING_ROLES)
        object.__setattr__(self, "holders", frozenset(holders))
        object.__setattr__(self, "inactive", frozenset(member.ori for member in members if not member.active))

    def member(self, ori: str) -> Member | None:
        """The member of that ORI, whatever its status."""
        return self.members.get(ori)

    def active_member(self, ori: str) -> Member:
        """The active member of that ORI; RosterError 'not-a-member' or 'suspended' otherwise."""
        member = self.members.get(ori)
        if member is None:
            raise RosterError("not-a-member", f"{ori[:9]} is not in the roster")
        if not member.active:
            raise RosterError("suspended", f"{ori} is suspended")
        return member

    def expired(self, now_ms: int) -> bool:
        """Whether its life is over."""
        return now_ms >= self.header.expires_at_ms


def open_roster(envelope: envelope_pb2.Envelope, *, hub_key: bytes, trustee_key: bytes) -> Roster:
    """Verify both signatures and the form (rules 1 and 3), without regard to time or to a roster held before."""
    try:
        verified = verify_signatures(envelope, (hub_key, trustee_key), required=2, expected_type=names.ROSTER)
    except EnvelopeError as error:
        raise RosterError(error.reason, f"the roster is not signed by both hub and trustee: {error}") from error
    roster = parse_roster(verified.payload)
    if (roster.hub_signing_key, roster.trustee_signing_key) != (hub_key, trustee_key):
        raise RosterError("wrong-root", "the roster names other root keys than those this party trusts")
    return roster


def accept_roster(
    envelope: envelope_pb2.Envelope, *, held: Roster | None, hub_key: bytes, trustee_key: bytes, now_ms: int
) -> Roster:
    """The roster to hold from now on (rules 1 to 5); RosterError says which rule failed, and `held` stays in force."""
    roster = open_roster(envelope, hub_key=hub_key, trustee_key=trustee_key)
    header = roster.header
    if (header.sender, header.audience) != (names.HUB, names.ALL_MEMBERS):
        raise RosterError("wrong-audience", "the roster is not from the hub to all members")
    if header.issued_at_ms > now_ms + CLOCK_SKEW_MAX_MS:
        raise RosterError("future-dated", "the roster is dated in the future", hint="check this machine's clock")
    if roster.expired(now_ms):
        raise RosterError("expired", "the roster has expired", hint="check this machine's clock, or ask the hub")
    if header.expires_at_ms - header.issued_at_ms > limits.ROSTER_LIFETIME_MS:
        raise RosterError("too-long-lived", "the roster claims a longer life than the protocol allows")
    if held is not None:
        _follows(roster, held)
    return roster


def _follows(roster: Roster, held: Roster) -> None:
    if roster.version < held.version:
        raise RosterError("rollback", f"roster version {roster.version} is older than the one held, {held.version}")
    if roster.version == held.version and roster.payload_digest != held.payload_digest:
        raise RosterError("fork", f"two different rosters bear version {held.version}")
    if roster.version == held.version + 1 and roster.previous_digest != held.payload_digest:
        raise RosterError("fork", f"roster version {roster.version} does not follow the version {held.version} held")


def parse_roster(payload: bytes) -> Roster:
    """Read a roster's payload and check its form (rule 3); the signatures are the caller's."""
    message = roster_pb2.Roster()
    try:
        message.ParseFromString(payload)
        header = header_from_payload(payload)
    except (DecodeError, EnvelopeError) as error:
        raise RosterError("malformed", "the roster cannot be read") from error
    _check_form(message)
    members = {entry.ori: _member(entry) for entry in message.members}
    if len(members) != len(message.members) or list(members) != sorted(members):
        raise RosterError("malformed", "the roster's members are not unique and in order")
    return Roster(
        header=header,
        version=message.version,
        members=MappingProxyType(members),
        hub_signing_key=message.hub_signing_key,
        trustee_signing_key=message.trustee_signing_key,
        epoch=message.index_keys.epoch,
        hub_index_key=message.index_keys.hub_public_key,
        trustee_index_key=message.index_keys.trustee_public_key,
        policy_floor=message.policy_floor,
        previous_digest=message.previous_digest,
        payload_digest=hashlib.sha256(payload).digest(),
    )


def _check_form(message: roster_pb2.Roster) -> None:
    keys = (
        message.hub_signing_key,
        message.trustee_signing_key,
        message.index_keys.hub_public_key,
        message.index_keys.trustee_public_key,
    )
    if message.version < 1 or message.index_keys.epoch < 1 or any(len(key) != _KEY_BYTES for key in keys):
        raise RosterError("malformed", "the roster lacks a version, an epoch or a key")
    if len(message.previous_digest) not in {0, _DIGEST_BYTES} or (message.version > 1 and not message.previous_digest):
        raise RosterError("malformed", "the roster does not name its predecessor")
    if len(message.members) > limits.MEMBERS_MAX or len(message.policy_floor.encode()) > limits.POLICY_FLOOR_BYTES_MAX:
        raise RosterError("oversized", "the roster is larger than the protocol allows")


def _member(entry: roster_pb2.Member) -> Member:
    if (
        not names.valid_ori(entry.ori)
        or entry.role not in {roster_pb2.ROLE_AGENCY, roster_pb2.ROLE_POST, roster_pb2.ROLE_CREDENTIALING_BODY}
        or entry.status not in {roster_pb2.MEMBER_STATUS_ACTIVE, roster_pb2.MEMBER_STATUS_SUSPENDED}
        or len(entry.signing_public_key) != _KEY_BYTES
        or len(entry.sealing_key_digest) != _DIGEST_BYTES
    ):
        raise RosterError("malformed", "a member's entry in the roster is incomplete")
    return Member(
        ori=entry.ori,
        name=entry.name,
        state=entry.state,
        role=entry.role,
        status=entry.status,
        signing_public_key=entry.signing_public_key,
        sealing_key_digest=entry.sealing_key_digest,
        key_since_version=entry.key_since_version,
    )
