"""Publishing rosters: the one place where membership becomes a signed fact.

A roster on its way is a row in `proposals` first. When the hub dies in between, it proposes the very same bytes again:
the trustee signs again what it signed last, or judges it now. Only one roster is on its way at a time.

    idle --change--> proposed --cosigned--> idle (roster in force, member and invitation recorded with it)
                     proposed --refused---> idle (nothing changed)
                     proposed --trustee away--> proposed (tried again with back-off)
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from waypost.crypto.envelope import SigningKey, parse_envelope, sign
from waypost.crypto.freshness import header_from_payload, header_to_proto, new_header
from waypost.hub import invitations, members, past_rosters, returned, schema, transparency
from waypost.hub.audit import Event
from waypost.hub.database import Database, SeenStore, add_audit
from waypost.hub.errors import Refused
from waypost.hub.members import MemberRow, RosterRoots
from waypost.hub.trustee_link import TrusteeLink
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster, accept_roster, parse_roster
from waypost.v1 import envelope_pb2, link_pb2, log_pb2, roster_pb2

_log = logging.getLogger("waypost.hub")


@dataclass(frozen=True, slots=True)
class _Proposal:
    roster: envelope_pb2.Envelope
    application: envelope_pb2.Envelope | None
    invitation_digest: bytes | None


class Registrar:
    """Holds the roster in force, and makes the next one."""

    def __init__(
        self, database: Database, trustee: TrusteeLink, key: SigningKey, roots: Callable[[int], RosterRoots]
    ) -> None:
        self._database = database
        self._trustee = trustee
        self._key = key
        self._roots = roots
        self._lock = asyncio.Lock()
        self._published: Callable[[], None] = lambda: None
        self._barred: frozenset[str] = frozenset()
        self.roster: Roster | None = None
        self.envelope: envelope_pb2.Envelope | None = None
        self._framed: tuple[envelope_pb2.Envelope, link_pb2.HubFrame] | None = None
        self.in_force: Roster | None = None
        """The roster with the operator's suspensions already in it: what the hub itself goes by."""

    def on_publish(self, told: Callable[[], None]) -> None:
        """Call `told` after every publication."""
        self._published = told

    def frame(self) -> link_pb2.HubFrame | None:
        """The roster in force as a frame, one object for all links: a link keeps the frame that it sent last."""
        if self.envelope is None:
            return None
        if self._framed is None or self._framed[0] is not self.envelope:
            self._framed = self.envelope, link_pb2.HubFrame(roster=self.envelope)
        return self._framed[1]

    def renewal_due(self) -> bool:
        """Whether the roster in force should be replaced for its age."""
        return self.roster is not None and _renewal_due(self.roster)

    async def load(self) -> None:
        """Take up the roster in force from the database."""
        self._barred = await self._database.run(members.suspended)
        envelope = await self._database.run(newest_roster)
        if envelope is not None:
            self._take_up(parse_roster(envelope.payload), envelope)

    async def bar_suspended(self) -> None:
        """Cut suspended members off now; the roster that tells everybody follows as soon as the trustee signs it."""
        self._barred = await self._database.run(members.suspended)
        if self.roster is not None and self.envelope is not None:
            self._take_up(self.roster, self.envelope)

    def _take_up(self, roster: Roster, envelope: envelope_pb2.Envelope) -> None:
        self.roster, self.envelope = roster, envelope
        self.in_force = members.with_suspensions(roster, self._barred)
        self._published()

    async def refresh(self, epoch: int) -> None:
        """Publish a new roster if membership or epoch changed, or the present one is to be renewed."""
        async with self._lock:
            await self._settle()
            rows = await self._database.run(members.all_members)
            held = self.roster
            if held is not None and held.epoch == epoch and not members.differs(rows, held) and not _renewal_due(held):
                return
            await self._propose(_Proposal(self._next(rows, epoch), None, None))

    async def join(self, secret: bytes, application: envelope_pb2.Envelope) -> MemberRow:
        """Make an invited agency a member: in force, with its roster, when this returns."""
        now_ms = _now_ms()
        async with self._lock:
            await self._settle()
            digest, invitation = await self._database.run(lambda c: invitations.open_invitation(c, secret, now_ms))
            candidate = members.member_of(members.open_application(application, digest, invitation, now_ms))
            if invitation.used:
                await self._require_same_keys(candidate)
                return candidate
            await self._propose_with(candidate, application, digest)
            return candidate

    async def change_keys(self, application: envelope_pb2.Envelope) -> MemberRow:
        """Give a member new keys under its present one's signature: in force when this returns."""
        now_ms, ori = _now_ms(), members.read_application(application).ori
        async with self._lock:
            await self._settle()
            member = await self._database.run(lambda c: members.one_member(c, ori))
            if member is None:
                raise Refused("not-a-member", "only a member can change its keys", hint="join with a join code")
            candidate = members.member_of(members.open_key_change(application, member, now_ms))
            if _keys(candidate) != _keys(member):
                await self._require_first_time(application)
                await self._propose_with(candidate, application, None)
            return candidate

    async def _require_first_time(self, application: envelope_pb2.Envelope) -> None:
        """A key change that is shown again later would bring back keys that the member has given up."""
        header = header_from_payload(application.payload)
        seen = (header.sender, header.message_id, header.expires_at_ms)
        if not await self._database.run(lambda c: SeenStore(c).add(*seen)):
            raise Refused("replayed", "this key change was made before", hint="sign a new one")

    async def _require_same_keys(self, candidate: MemberRow) -> None:
        """Rule 1 of `members`: a used invitation answers only the member that it made."""
        member = await self._database.run(lambda c: members.one_member(c, candidate.ori))
        if member is None or _keys(member) != _keys(candidate):
            raise Refused(
                "used-invitation", "this join code was used before", hint="ask the hub's operator for a new invitation"
            )
        await self._database.run(lambda c: add_audit(c, _now_ms(), Event.JOIN_REPEATED, candidate.ori))

    async def _propose_with(
        self, candidate: MemberRow, application: envelope_pb2.Envelope, invitation_digest: bytes | None
    ) -> None:
        if self.roster is None:
            raise Refused("no-roster", "the federation has no roster yet", hint="try again in a minute")
        rows = members.with_candidate(await self._database.run(members.all_members), candidate)
        await self._propose(_Proposal(self._next(rows, self.roster.epoch), application, invitation_digest))

    def _next(self, rows: list[MemberRow], epoch: int) -> envelope_pb2.Envelope:
        return members.make_roster(rows, self._roots(epoch), self.roster, self._key, _now_ms())

    async def _settle(self) -> None:
        """Finish a proposal that was on its way when the hub stopped or the trustee went away."""
        proposal = await self._database.run(_open_proposal)
        if proposal is not None:
            try:
                await self._submit(proposal)
            except Refused as refusal:
                _log.warning("an unfinished roster was refused: %s", refusal)

    async def _propose(self, proposal: _Proposal) -> None:
        await self._database.run(lambda c: _record_proposal(c, proposal))
        await self._submit(proposal)

    async def _submit(self, proposal: _Proposal) -> None:
        now_ms = _now_ms()
        header = new_header(sender=names.HUB, audience=names.TRUSTEE, now_ms=now_ms, lifetime_ms=limits.HOUR_MS)
        content = roster_pb2.RosterProposal(
            header=header_to_proto(header),
            roster=proposal.roster,
            applications=[proposal.application] if proposal.application is not None else [],
        )
        version = parse_roster(proposal.roster.payload).version
        try:
            signed = await self._trustee.cosign(sign(names.ROSTER_PROPOSAL, content.SerializeToString(), self._key))
            roster = self._accept(signed, proposal, now_ms)
        except Refused as refusal:
            reason = refusal.reason
            await self._database.run(lambda c: _drop_proposal(c, now_ms, version, reason))
            raise
        await self._database.run(lambda c: _adopt(c, signed, roster, proposal, now_ms))
        _log.info("roster %d is in force with %d members", roster.version, len(roster.members))
        self._take_up(roster, signed)

    def _accept(self, signed: envelope_pb2.Envelope, proposal: _Proposal, now_ms: int) -> Roster:
        roots = self._roots(parse_roster(proposal.roster.payload).epoch)
        try:
            roster = accept_roster(
                signed, held=self.roster, hub_key=roots.hub_key, trustee_key=roots.trustee_key, now_ms=now_ms
            )
        except RosterError as error:
            raise Refused(error.reason, f"the trustee's answer was refused: {error}") from error
        if signed.payload != proposal.roster.payload:
            raise Refused("altered", "the trustee's answer is not the roster that was proposed")
        return roster


def newest_roster(connection: Connection) -> envelope_pb2.Envelope | None:
    """The roster in force, with both signatures; None before the first."""
    query = select(schema.rosters.c.envelope).order_by(schema.rosters.c.version.desc()).limit(1)
    data = connection.scalar(query)
    return None if data is None else parse_envelope(data)


def _open_proposal(connection: Connection) -> _Proposal | None:
    row = connection.execute(select(schema.proposals)).first()
    if row is None:
        return None
    application = parse_envelope(row.application) if row.application else None
    return _Proposal(parse_envelope(row.roster), application, row.invitation_digest)


def _record_proposal(connection: Connection, proposal: _Proposal) -> None:
    application = proposal.application
    connection.execute(
        insert(schema.proposals).values(
            version=parse_roster(proposal.roster.payload).version,
            roster=proposal.roster.SerializeToString(),
            application=application.SerializeToString() if application is not None else None,
            invitation_digest=proposal.invitation_digest,
        )
    )


def _drop_proposal(connection: Connection, now_ms: int, version: int, reason: str) -> None:
    connection.execute(delete(schema.proposals))
    add_audit(connection, now_ms, Event.ROSTER_REFUSED, str(version), reason)


def _adopt(
    connection: Connection, signed: envelope_pb2.Envelope, roster: Roster, proposal: _Proposal, now_ms: int
) -> None:
    connection.execute(delete(schema.proposals))
    past_rosters.put(connection, roster.version, signed)
    add_audit(connection, now_ms, Event.ROSTER_PUBLISHED, str(roster.version))
    transparency.append(connection, log_pb2.LOG_KIND_ROSTER, roster.payload_digest, now_ms)
    if proposal.application is None:
        return
    content = roster_pb2.JoinApplication.FromString(proposal.application.payload)
    members.put_member(connection, members.member_of(content), proposal.application.SerializeToString(), now_ms)
    if roster.members[content.ori].key_since_version == roster.version:
        held_back = returned.hold_back(connection, content.ori)
        if held_back:
            add_audit(connection, now_ms, Event.MAIL_RETURNED, content.ori, str(held_back))
    if proposal.invitation_digest is None:
        add_audit(connection, now_ms, Event.KEYS_CHANGED, content.ori)
        return
    invitations = schema.invitations
    used = update(invitations).where(invitations.c.digest == proposal.invitation_digest)
    connection.execute(used.values(used_at_ms=now_ms))
    add_audit(connection, now_ms, Event.JOINED, content.ori)


def _keys(member: MemberRow) -> tuple[bytes, bytes]:
    return member.signing_public_key, member.sealing_public_key


def _renewal_due(roster: Roster) -> bool:
    return roster.header.expires_at_ms - _now_ms() < limits.ROSTER_RENEW_BEFORE_MS


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
