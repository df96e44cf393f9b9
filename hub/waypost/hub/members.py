"""Members, and the roster that follows from them.

1. A member comes of an invitation, which is good once (invitations.py).
2. A join application is signed by the key it introduces, is in its time, is for the invited ORI, and says the name,
   state and role of the invitation.
3. A key change comes without an invitation. Its application is signed by the present key and by the one it introduces,
   and says the name, state and role that the member has.
4. The next roster names every member as it is now, follows the last one by digest, and states since which version each
   key stands.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Select, bindparam, insert, select, update

from waypost.crypto.envelope import SigningKey, Verifier, sign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import MemoryReplayStore, header_to_proto, new_header
from waypost.crypto.sealing import PUBLIC_KEY_BYTES
from waypost.hub import schema
from waypost.hub.database import bump_membership
from waypost.hub.errors import Refused
from waypost.hub.invitations import Invitation
from waypost.hub.statements import Prepared
from waypost.protocol import floor, limits, names
from waypost.protocol.roster import Roster
from waypost.v1 import envelope_pb2, roster_pb2

_ID_OF = Prepared(select(schema.members.c.id).where(schema.members.c.ori == bindparam("of_ori")))


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as the hub holds it; keys are bytes, `role` and `status` the enums of roster.proto."""

    ori: str
    name: str
    state: str
    role: int
    status: int
    signing_public_key: bytes
    sealing_public_key: bytes


def open_application(
    envelope: envelope_pb2.Envelope, digest: bytes, invitation: Invitation, now_ms: int
) -> roster_pb2.JoinApplication:
    """The content of a join application that fits its invitation (rule 2); Refused otherwise."""
    content = read_application(envelope)
    _verify_application(envelope, {content.signing_public_key}, invitation.ori, now_ms)
    _check_entry(content, (invitation.ori, invitation.name, invitation.state, invitation.role), digest)
    return content


def open_key_change(envelope: envelope_pb2.Envelope, member: MemberRow, now_ms: int) -> roster_pb2.JoinApplication:
    """The content of an application by which a member changes its keys (rule 3); Refused otherwise."""
    content = read_application(envelope)
    _verify_application(envelope, {content.signing_public_key, member.signing_public_key}, member.ori, now_ms)
    _check_entry(content, (member.ori, member.name, member.state, member.role), b"")
    return content


def read_application(envelope: envelope_pb2.Envelope) -> roster_pb2.JoinApplication:
    """What an application says, unverified; Refused when it cannot be read."""
    try:
        return roster_pb2.JoinApplication.FromString(envelope.payload)
    except DecodeError:
        raise Refused("malformed", "the join application cannot be read") from None


def _verify_application(envelope: envelope_pb2.Envelope, keys: set[bytes], ori: str, now_ms: int) -> None:
    """Signed by all of the keys. Whether it was seen before is for the caller to know."""
    try:
        Verifier((names.HUB,), MemoryReplayStore()).verify(
            envelope,
            expected_type=names.JOIN_APPLICATION,
            keys=keys,
            required=len(keys),
            sender=ori,
            now_ms=now_ms,
        )
    except EnvelopeError as error:
        raise Refused(error.reason, f"the join application was refused: {error}") from error


def _check_entry(content: roster_pb2.JoinApplication, entry: tuple[str, str, str, int], digest: bytes) -> None:
    stated = (content.ori, content.name, content.state, content.role)
    if stated != entry or content.invitation_digest != digest:
        raise Refused("wrong-entry", "the join application is for another agency than the invitation")
    if len(content.sealing_public_key) != PUBLIC_KEY_BYTES:
        raise Refused("malformed", "the join application lacks a sealing key")


def member_of(content: roster_pb2.JoinApplication) -> MemberRow:
    """The member that an application asks to become."""
    return MemberRow(
        content.ori,
        content.name,
        content.state,
        content.role,
        roster_pb2.MEMBER_STATUS_ACTIVE,
        content.signing_public_key,
        content.sealing_public_key,
    )


def put_member(connection: Connection, member: MemberRow, application: bytes, now_ms: int) -> None:
    """Add a member, or give an existing one its new keys; whether that one is suspended stays as it is."""
    table = schema.members
    values = {
        "name": member.name,
        "state": member.state,
        "role": member.role,
        "signing_public_key": member.signing_public_key,
        "sealing_public_key": member.sealing_public_key,
        "application": application,
    }
    changed = connection.execute(update(table).where(table.c.ori == member.ori).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(table).values(ori=member.ori, status=member.status, joined_at_ms=now_ms, **values))


def all_members(connection: Connection) -> list[MemberRow]:
    """Every member, by ORI."""
    return [MemberRow(*row) for row in connection.execute(_member_columns().order_by(schema.members.c.ori))]


def one_member(connection: Connection, ori: str) -> MemberRow | None:
    """The member of that ORI."""
    row = connection.execute(_member_columns().where(schema.members.c.ori == ori)).first()
    return None if row is None else MemberRow(*row)


def _member_columns() -> Select[Any]:
    table = schema.members
    return select(
        table.c.ori,
        table.c.name,
        table.c.state,
        table.c.role,
        table.c.status,
        table.c.signing_public_key,
        table.c.sealing_public_key,
    )


def member_id(connection: Connection, ori: str) -> int:
    """A member's row id; Refused when there is none."""
    found = _ID_OF.scalar(connection, of_ori=ori)
    if found is None:
        raise Refused("not-a-member", f"{ori} is not a member")
    return int(found)


def suspended(connection: Connection) -> frozenset[str]:
    """Members that the operator has suspended."""
    table = schema.members
    query = select(table.c.ori).where(table.c.status == roster_pb2.MEMBER_STATUS_SUSPENDED)
    return frozenset(connection.scalars(query))


def set_status(connection: Connection, ori: str, status: int) -> None:
    """Suspend or reinstate a member; Refused when there is none."""
    table = schema.members
    if connection.execute(update(table).where(table.c.ori == ori).values(status=status)).rowcount == 0:
        raise Refused("not-a-member", f"{ori} is not a member", hint="waypost-hub members lists them")
    bump_membership(connection)


@dataclass(frozen=True, slots=True)
class RosterRoots:
    """What every roster of this hub names besides its members. Keys are 32 bytes."""

    hub_key: bytes
    trustee_key: bytes
    epoch: int
    hub_index_key: bytes
    trustee_index_key: bytes


def make_roster(
    members: list[MemberRow], roots: RosterRoots, held: Roster | None, key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """The next roster, signed by the hub alone (rule 4)."""
    version = 1 if held is None else held.version + 1
    header = new_header(
        sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=now_ms, lifetime_ms=limits.ROSTER_LIFETIME_MS
    )
    roster = roster_pb2.Roster(
        header=header_to_proto(header),
        version=version,
        members=[_entry(member, held, version) for member in sorted(members, key=lambda member: member.ori)],
        hub_signing_key=roots.hub_key,
        trustee_signing_key=roots.trustee_key,
        index_keys=roster_pb2.IndexKeys(
            epoch=roots.epoch, hub_public_key=roots.hub_index_key, trustee_public_key=roots.trustee_index_key
        ),
        policy_floor=floor.text(),
        previous_digest=b"" if held is None else held.payload_digest,
    )
    return sign(names.ROSTER, roster.SerializeToString(), key)


def _entry(member: MemberRow, held: Roster | None, version: int) -> roster_pb2.Member:
    before = held.member(member.ori) if held is not None else None
    same_key = before is not None and before.signing_public_key == member.signing_public_key
    return roster_pb2.Member(
        ori=member.ori,
        name=member.name,
        state=member.state,
        role=roster_pb2.Role.ValueType(member.role),
        status=roster_pb2.MemberStatus.ValueType(member.status),
        signing_public_key=member.signing_public_key,
        sealing_key_digest=hashlib.sha256(member.sealing_public_key).digest(),
        key_since_version=before.key_since_version if before is not None and same_key else version,
    )


def differs(members: list[MemberRow], held: Roster) -> bool:
    """Whether the members are others than the roster in force says."""
    if [member.ori for member in members] != list(held.members):
        return True
    return any(
        (member.status, member.signing_public_key, member.name) != (entry.status, entry.signing_public_key, entry.name)
        for member, entry in zip(members, held.members.values(), strict=True)
    )


def with_suspensions(roster: Roster, oris: frozenset[str]) -> Roster:
    """The roster with these members suspended already: the hub does not wait for the trustee to cut one off."""
    barred = {
        ori: replace(member, status=roster_pb2.MEMBER_STATUS_SUSPENDED)
        for ori, member in roster.members.items()
        if ori in oris and member.active
    }
    return replace(roster, members=MappingProxyType({**roster.members, **barred})) if barred else roster


def with_candidate(members: list[MemberRow], candidate: MemberRow | None) -> list[MemberRow]:
    """The members with one more, or with one replaced. A suspended member stays suspended when it enrols a new key."""
    if candidate is None:
        return members
    before = next((member for member in members if member.ori == candidate.ori), None)
    if before is not None:
        candidate = replace(candidate, status=before.status)
    return [*(member for member in members if member.ori != candidate.ori), candidate]
