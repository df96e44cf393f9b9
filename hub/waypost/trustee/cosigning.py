"""Whether a proposed roster may bear the trustee's signature. A core without I/O.

1. The proposal and the roster in it are signed by the accepted hub; the roster has the protocol's form.
2. It is the next version of the one signed last and names it as predecessor. (The same one again is signed again: a
   hub may have died before it stored the answer.)
3. Its root keys are the accepted hub's and the trustee's own; its index key of the trustee is the trustee's own for
   that epoch; the hub's index key changes only together with the epoch, which stays or counts up by one.
4. It is in its time, and lives at most ROSTER_LIFETIME_MS.
5. No invented member: a new ORI is admitted by the trustee's operator and comes with a join application.
6. No silent key change: a changed signing key comes with a join application signed by the old key as well, or under a
   fresh admission. A changed sealing key, name, state or role comes with an application signed by the signing key.
7. A join application is in its time and signed by the key it introduces, and the roster's entry says what it says.
8. A member disappears only after it was suspended. Suspending and reinstating are the hub's to decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from waypost.crypto.envelope import SigningKey, Verified, check_times, sign, verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Member, Roster, parse_roster
from waypost.trustee.errors import NotAdmitted, Refused
from waypost.v1 import envelope_pb2, roster_pb2


@dataclass(frozen=True, slots=True)
class Roots:
    """What the trustee judges by: the accepted hub's key, its own, and its own index key of an epoch (or None)."""

    hub_key: bytes
    own_key: bytes
    index_key: Callable[[int], bytes | None]


@dataclass(frozen=True, slots=True)
class Approval:
    """A roster that may be signed: its version and digest, and the admissions that signing it uses up."""

    roster: Roster
    admissions_used: frozenset[str]
    repeated: bool


def judge(
    proposed: envelope_pb2.Envelope,
    applications: Collection[envelope_pb2.Envelope],
    *,
    held: Roster | None,
    admitted: Collection[str],
    roots: Roots,
    now_ms: int,
) -> Approval:
    """Approve a roster (rules 1 to 8); Refused says which rule it breaks."""
    roster = _open(proposed, roots)
    if held is not None and roster.payload_digest == held.payload_digest:
        return Approval(roster, frozenset(), repeated=True)
    _check_sequence(roster, held)
    _check_roots(roster, held, roots)
    _check_life(roster, now_ms)
    evidence = _evidence(applications, now_ms)
    used = frozenset(
        ori
        for ori, member in roster.members.items()
        if _check_member(member, held.member(ori) if held else None, evidence.get(ori), admitted, roster.version)
    )
    _check_departures(roster, held)
    return Approval(roster, used, repeated=False)


def cosign(proposed: envelope_pb2.Envelope, hub_key: bytes, key: SigningKey) -> envelope_pb2.Envelope:
    """The roster with the hub's signature and the trustee's, and no other."""
    own = sign(proposed.payload_type, proposed.payload, key)
    hub_id = hashlib.sha256(hub_key).digest()
    own.signatures.extend(entry for entry in proposed.signatures if entry.key_id == hub_id)
    return own


def _open(proposed: envelope_pb2.Envelope, roots: Roots) -> Roster:
    try:
        verified = verify_signatures(proposed, (roots.hub_key,), required=1, expected_type=names.ROSTER)
        return parse_roster(verified.payload)
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, f"the proposed roster was refused: {error}") from error


def _check_sequence(roster: Roster, held: Roster | None) -> None:
    expected = 1 if held is None else held.version + 1
    if roster.version != expected:
        raise Refused("wrong-version", f"the next roster is version {expected}, not {roster.version}")
    if roster.previous_digest != (b"" if held is None else held.payload_digest):
        raise Refused("fork", f"roster version {roster.version} does not follow the one signed last")


def _check_roots(roster: Roster, held: Roster | None, roots: Roots) -> None:
    if (roster.hub_signing_key, roster.trustee_signing_key) != (roots.hub_key, roots.own_key):
        raise Refused("wrong-root", "the roster names other root keys than ours")
    if roster.trustee_index_key != roots.index_key(roster.epoch):
        raise Refused("wrong-index-key", "the roster names another index key of the trustee than its own")
    if held is None:
        return
    if roster.epoch not in {held.epoch, held.epoch + 1}:
        raise Refused("wrong-epoch", f"epoch {roster.epoch} does not follow epoch {held.epoch}")
    if (roster.epoch == held.epoch) != (roster.hub_index_key == held.hub_index_key):
        raise Refused("wrong-index-key", "the hub's index key and the epoch must change together")


def _check_life(roster: Roster, now_ms: int) -> None:
    header = roster.header
    try:
        check_times(header, now_ms)
    except EnvelopeError as error:
        raise Refused(error.reason, f"the roster is out of its time: {error}") from error
    if header.expires_at_ms - header.issued_at_ms > limits.ROSTER_LIFETIME_MS:
        raise Refused("too-long-lived", "the roster claims a longer life than the protocol allows")
    if (header.sender, header.audience) != (names.HUB, names.ALL_MEMBERS):
        raise Refused("wrong-audience", "the roster is not from the hub to all members")


@dataclass(frozen=True, slots=True)
class _Application:
    envelope: envelope_pb2.Envelope
    content: roster_pb2.JoinApplication

    def signed_by(self, key: bytes) -> Verified:
        return verify_signatures(self.envelope, (key,), required=1, expected_type=names.JOIN_APPLICATION)


def _evidence(applications: Collection[envelope_pb2.Envelope], now_ms: int) -> Mapping[str, _Application]:
    evidence = {}
    for envelope in applications:
        try:
            content = roster_pb2.JoinApplication.FromString(envelope.payload)
            application = _Application(envelope, content)
            header = application.signed_by(content.signing_public_key).header
            check_times(header, now_ms)
        except EnvelopeError as error:
            raise Refused(error.reason, f"a join application was refused: {error}") from error
        except Exception as error:
            raise Refused("malformed", "a join application cannot be read") from error
        if header.sender != content.ori or header.audience != names.HUB:
            raise Refused("wrong-sender", "a join application speaks for another ORI than it names")
        evidence[content.ori] = application
    return evidence


def _check_member(
    member: Member, before: Member | None, application: _Application | None, admitted: Collection[str], version: int
) -> bool:
    """Rules 5 to 7 for one member; whether it uses up an admission."""
    key_changed = before is None or before.signing_public_key != member.signing_public_key
    if member.key_since_version != (version if key_changed or before is None else before.key_since_version):
        raise Refused("malformed", f"{member.ori}: the roster misstates since when its key stands")
    if before is not None and not key_changed and _identity(before) == _identity(member):
        return False
    if application is None:
        reason = "invented-member" if before is None else "silent-key-change" if key_changed else "silent-change"
        raise Refused(reason, f"{member.ori} is new or changed, and no application of its own shows why")
    _check_agrees(member, application.content)
    if not key_changed:
        return False
    if before is not None and _is_signed_by(application, before.signing_public_key):
        return False
    if member.ori not in admitted:
        raise NotAdmitted(
            "not-admitted",
            f"{member.ori} is not admitted by the trustee",
            hint=f"the trustee's operator admits it with: waypost-trustee admit {member.ori}",
        )
    return True


def _identity(member: Member) -> tuple[object, ...]:
    return (member.name, member.state, member.role, member.sealing_key_digest)


def _is_signed_by(application: _Application, key: bytes) -> bool:
    try:
        application.signed_by(key)
    except EnvelopeError:
        return False
    return True


def _check_agrees(member: Member, content: roster_pb2.JoinApplication) -> None:
    stated = (content.ori, content.name, content.state, content.role, content.signing_public_key)
    entered = (member.ori, member.name, member.state, member.role, member.signing_public_key)
    digest = hashlib.sha256(content.sealing_public_key).digest()
    if stated != entered or digest != member.sealing_key_digest:
        raise Refused("wrong-entry", f"{member.ori}: the roster does not say what its application says")


def _check_departures(roster: Roster, held: Roster | None) -> None:
    for ori, member in held.members.items() if held else ():
        if ori not in roster.members and member.active:
            raise Refused("silent-removal", f"{ori} was not suspended before it was removed")
