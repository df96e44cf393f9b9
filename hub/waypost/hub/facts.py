"""Facts of compliance at the hub: what is taken from whom, kept as it was signed, and passed on.

1. A member's fact is signed by the active member on whose link it came, and in its time.
2. It says what a fact of its kind must say (waypost.protocol.facts).
3. Its author's role may say it: attestations, applications and timeliness are an agency's; processes, credentials and
   revocations are a credentialing body's.
4. Who it is about is a member of the fitting role: an application names a credentialing body, a body's fact an agency.
5. A process names an application of that agency to that body; a revocation names a credential that this body gave it.
6. A member states at most FACTS_PER_DAY_MAX facts in a day.
7. The same fact again is accepted again, without an effect.

It counts from the hub's signed acceptance on: a member cannot date itself back. Whether a body is certified is not
asked here: a credential may be older than the certification that makes it count, and outlive it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from google.protobuf.message import Message
from sqlalchemy import Connection, func, insert, select

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import mailbox, schema
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import RateExceeded, Refused
from waypost.hub.limits import FACTS_PER_DAY_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.posted import Posted
from waypost.hub.routing import verify_from_member
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.facts import (
    BodyCertification,
    BodyWithdrawal,
    CredentialApplication,
    CredentialProcess,
    CredentialRevocation,
    Fact,
    MemberDescription,
    fact_digest,
    parse_fact,
)
from waypost.protocol.facts import Credential as CredentialFact
from waypost.protocol.roster import Roster
from waypost.v1 import compliance_pb2, envelope_pb2, roster_pb2

AUTHOR_ROLES: Final = MappingProxyType(
    {
        names.ATTESTATION: roster_pb2.ROLE_AGENCY,
        names.CREDENTIAL_APPLICATION: roster_pb2.ROLE_AGENCY,
        names.TIMELINESS: roster_pb2.ROLE_AGENCY,
        names.CREDENTIAL_PROCESS: roster_pb2.ROLE_CREDENTIALING_BODY,
        names.CREDENTIAL: roster_pb2.ROLE_CREDENTIALING_BODY,
        names.CREDENTIAL_REVOCATION: roster_pb2.ROLE_CREDENTIALING_BODY,
    }
)
"""Which kinds members may state, and in which role (rule 3)."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A fact on its way into the table."""

    type: str
    author: str
    subject: str
    envelope: envelope_pb2.Envelope
    counts_from_ms: int
    acceptance: envelope_pb2.Envelope | None

    @property
    def digest(self) -> bytes:
        return fact_digest(self.envelope.payload)


def accept_fact(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> tuple[str, ...]:
    """Take a member's fact: who has mail now; Refused when it breaks a rule."""
    kind, roster = envelope.payload_type, posted.roster
    verified = verify_from_member(  # rule 1
        envelope,
        kind=kind,
        caller=posted.caller,
        audience=names.ALL_MEMBERS,
        roster=roster,
        now_ms=posted.now_ms,
    )
    if _held(connection, fact_digest(verified.payload)):  # rule 7
        return ()
    fact = _parsed(kind, verified.payload)
    if roster.members[posted.caller].role != AUTHOR_ROLES.get(kind):  # rule 3
        raise Refused("role-not-allowed", "the member's role may not state this")
    subject = subject_of(fact)
    _check_subject(fact, subject, roster)
    _check_reference(connection, fact)
    _check_rate(connection, posted)
    acceptance = _accept(verified.payload, posted)
    _insert(connection, _Row(kind, posted.caller, subject, envelope, posted.now_ms, acceptance))
    add_audit(connection, posted.now_ms, Event.FACT_ACCEPTED, posted.caller, kind_word(kind))
    if subject == posted.caller:
        return ()
    content, expires_at_ms = envelope.SerializeToString(), verified.header.expires_at_ms
    mailbox.put(connection, subject, MailKind.MESSAGE, b"", content, expires_at_ms, author=posted.caller)
    return (subject,)


def state_fact(connection: Connection, kind: str, message: Message, key: SigningKey, now_ms: int) -> Fact:
    """Sign a fact of the hub's own, whose header is yet to be set, and keep it."""
    message.header.CopyFrom(hub_header(now_ms))  # type: ignore[attr-defined]
    envelope = sign(kind, message.SerializeToString(), key)
    fact = _parsed(kind, envelope.payload)
    subject = subject_of(fact)
    _insert(connection, _Row(kind, names.HUB, subject, envelope, now_ms, None))
    add_audit(connection, now_ms, Event.FACT_STATED, subject, kind_word(kind))
    return fact


def hub_header(now_ms: int) -> envelope_pb2.Header:
    """The header of a statement of the hub to everybody."""
    header = new_header(
        sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=now_ms, lifetime_ms=limits.FACT_LIFETIME_MS
    )
    return header_to_proto(header)


def subject_of(fact: Fact) -> str:
    """Whom a fact is about: of an application the body, for it is the one to act."""
    match fact:
        case CredentialApplication() | BodyCertification() | BodyWithdrawal():
            return fact.body_ori
        case CredentialProcess() | CredentialFact() | CredentialRevocation():
            return fact.agency_ori
        case MemberDescription():
            return fact.ori
        case _:
            return fact.author


def kind_word(kind: str) -> str:
    """A payload type's own word."""
    return kind.removeprefix("application/vnd.waypost.").partition(".")[0]


def _parsed(kind: str, payload: bytes) -> Fact:
    try:
        return parse_fact(kind, payload)
    except (ProtocolError, EnvelopeError) as error:  # rule 2
        raise Refused(error.reason, str(error), hint=error.hint) from error


def _check_subject(fact: Fact, subject: str, roster: Roster) -> None:
    """Rule 4."""
    wanted = roster_pb2.ROLE_AGENCY
    if isinstance(fact, CredentialApplication):
        wanted = roster_pb2.ROLE_CREDENTIALING_BODY
    member = roster.member(subject)
    if member is None or member.role != wanted:
        raise Refused("wrong-subject", f"{subject} is no member of the role that this is about")


def _check_reference(connection: Connection, fact: Fact) -> None:
    """Rule 5."""
    match fact:
        case CredentialProcess():
            wanted = (names.CREDENTIAL_APPLICATION, fact.application_digest, fact.agency_ori, fact.author)
        case CredentialRevocation():
            wanted = (names.CREDENTIAL, fact.credential_digest, fact.author, fact.agency_ori)
        case _:
            return
    table = schema.facts
    row = connection.execute(
        select(table.c.type, table.c.digest, table.c.author, table.c.subject).where(table.c.digest == wanted[1])
    ).first()
    if row is None or tuple(row) != wanted:
        raise Refused("no-such-fact", "it names a fact that is not held, or of others")


def _check_rate(connection: Connection, posted: Posted) -> None:
    """Rule 6."""
    table = schema.facts
    recent = (table.c.author == posted.caller, table.c.counts_from_ms > posted.now_ms - limits.DAY_MS)
    count = connection.scalar(select(func.count()).select_from(table).where(*recent)) or 0
    if count >= FACTS_PER_DAY_MAX:
        raise RateExceeded("rate-exceeded", f"a member states at most {FACTS_PER_DAY_MAX} facts in a day")


def _accept(payload: bytes, posted: Posted) -> envelope_pb2.Envelope:
    acceptance = compliance_pb2.FactAcceptance(
        header=hub_header(posted.now_ms), fact_digest=fact_digest(payload), roster_version=posted.roster.version
    )
    return sign(names.FACT_ACCEPTANCE, acceptance.SerializeToString(), posted.key)


def _held(connection: Connection, digest: bytes) -> bool:
    table = schema.facts
    return connection.scalar(select(func.count()).select_from(table).where(table.c.digest == digest)) == 1


def _insert(connection: Connection, row: _Row) -> None:
    connection.execute(
        insert(schema.facts).values(
            type=row.type,
            author=row.author,
            subject=row.subject,
            digest=row.digest,
            counts_from_ms=row.counts_from_ms,
            envelope=row.envelope.SerializeToString(),
            acceptance=None if row.acceptance is None else row.acceptance.SerializeToString(),
        )
    )
