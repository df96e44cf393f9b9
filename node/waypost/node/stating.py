"""Facts of compliance at the node: those that it signs, and those that others sign about it.

1. What a fact must say is checked before it is signed (waypost.protocol.facts), so nothing false in form leaves.
2. Who signs has the role for it: attesting and applying are an agency's, credentials a credentialing body's.
3. Who says "nothing to report" holds no record that took effect in the period.
4. A fact and its way into the outbox are one transaction.
5. A fact of another is taken when its author, an active member, signed it, in its time, and it is about this member.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from google.protobuf.message import Message

from waypost.crypto.envelope import SigningKey, check_times, parse_envelope, sign, verify_signatures
from waypost.crypto.freshness import header_from_payload, header_to_proto, new_header
from waypost.node.audit import Event
from waypost.node.errors import Refused, SettingsError
from waypost.node.limits import TIMELINESS_RECORDS_MIN
from waypost.node.store import AuditEntry, Store, StoredFact
from waypost.node.store.facts import RECEIVED, REFUSED, WAITING
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.facts import (
    Attestation,
    Credential,
    CredentialApplication,
    CredentialProcess,
    CredentialRevocation,
    Fact,
    day_of,
    fact_digest,
    parse_fact,
)
from waypost.protocol.quarters import Quarter, newest_due, newest_over
from waypost.protocol.roster import Roster
from waypost.v1 import compliance_pb2, envelope_pb2, roster_pb2

FACT_KIND: Final = "fact"
"""The outbox's word for a fact; its reference is the fact's digest."""

CREDENTIAL_TYPES: Final = (
    names.CREDENTIAL_APPLICATION,
    names.CREDENTIAL_PROCESS,
    names.CREDENTIAL,
    names.CREDENTIAL_REVOCATION,
)
_ROLE_WORDS: Final = {
    roster_pb2.ROLE_AGENCY: "an agency",
    roster_pb2.ROLE_CREDENTIALING_BODY: "a credentialing body",
}
_BANDS: Final = (
    (7, compliance_pb2.DELAY_BAND_WEEK),
    (30, compliance_pb2.DELAY_BAND_MONTH),
    (90, compliance_pb2.DELAY_BAND_QUARTER),
    (180, compliance_pb2.DELAY_BAND_HALF_YEAR),
    (365, compliance_pb2.DELAY_BAND_YEAR),
)


@dataclass(frozen=True, slots=True)
class Author:
    """Who signs: the member's ORI and key, and the roster that says what it is."""

    ori: str
    key: SigningKey
    roster: Roster


@dataclass(frozen=True, slots=True)
class Held:
    """A fact that the node holds, read."""

    fact: Fact
    stored: StoredFact


def attest(
    store: Store, author: Author, period: Quarter, *, through: date, nothing_to_report: bool, by: str, now_ms: int
) -> None:
    """Sign that the agency has submitted what it must for the period, with its figure of timeliness."""
    if nothing_to_report:
        _require_nothing(store, period)
    content = compliance_pb2.Attestation(
        period=str(period), submitted_through=through.isoformat(), nothing_to_report=nothing_to_report, attested_by=by
    )
    with store.writing():
        state(store, author, names.ATTESTATION, content, role=roster_pb2.ROLE_AGENCY, now_ms=now_ms)
        figure = timeliness(store, period)
        state(store, author, names.TIMELINESS, figure, role=roster_pb2.ROLE_AGENCY, now_ms=now_ms)


def _require_nothing(store: Store, period: Quarter) -> None:
    """Rule 3."""
    days = [owned.record.effective_on for owned in store.conduct.all()]
    count = sum(day is not None and period.first_day <= day <= period.last_day for day in days)
    if count:
        raise SettingsError(
            f"the node holds {count} records that took effect in {period}",
            hint="attest without --nothing-to-report; `waypost-node records list` shows them",
        )


def state(
    store: Store,
    author: Author,
    kind: str,
    content: Message,
    *,
    role: roster_pb2.Role.ValueType,
    now_ms: int,
) -> bytes:
    """Sign a fact whose header is yet to be set, and put it into the outbox (rules 1, 2 and 4): its digest."""
    if author.roster.active_member(author.ori).role != role:
        raise SettingsError(f"{author.ori} is not {_ROLE_WORDS[role]}", hint="another member's node signs this")
    header = new_header(
        sender=author.ori, audience=names.ALL_MEMBERS, now_ms=now_ms, lifetime_ms=limits.FACT_LIFETIME_MS
    )
    content.header.CopyFrom(header_to_proto(header))  # type: ignore[attr-defined]
    payload = content.SerializeToString()
    fact, digest = parse_fact(kind, payload), fact_digest(payload)
    envelope = sign(kind, payload, author.key).SerializeToString()
    with store.writing():
        store.facts.add(StoredFact(digest, kind, author.ori, WAITING, "", envelope, now_ms))
        store.outbox.add(FACT_KIND, digest, envelope, now_ms)
        store.audit.add(AuditEntry(now_ms, Event.FACT_STATED, subject_of(fact), _word(kind)))
    return digest


def take_fact(store: Store, envelope: envelope_pb2.Envelope, *, ori: str, roster: Roster, now_ms: int) -> None:
    """Keep what another member signed about this one (rule 5); Refused or EnvelopeError otherwise."""
    header = header_from_payload(envelope.payload)
    author = roster.active_member(header.sender)
    kind = envelope.payload_type
    verified = verify_signatures(envelope, (author.signing_public_key,), required=1, expected_type=kind)
    check_times(header, now_ms)
    try:
        fact = parse_fact(kind, verified.payload)
    except ProtocolError as error:
        raise Refused(error.reason, str(error)) from error
    if subject_of(fact) != ori or author.ori == ori:
        raise Refused("not-addressed", "the fact is about another member")
    digest, content = fact_digest(verified.payload), envelope.SerializeToString()
    with store.writing():
        if store.facts.add(StoredFact(digest, kind, author.ori, RECEIVED, "", content, now_ms)):
            store.audit.add(AuditEntry(now_ms, Event.FACT_RECEIVED, author.ori, _word(kind)))


def subject_of(fact: Fact) -> str:
    """Whom a member's fact is about; of an application the body, for it is the one to act."""
    match fact:
        case CredentialApplication():
            return fact.body_ori
        case CredentialProcess() | Credential() | CredentialRevocation():
            return fact.agency_ori
        case _:
            return fact.author


def held(store: Store, *types: str) -> list[Held]:
    """The facts of these types that count for the node: what the hub refused is left out."""
    kept = [stored for stored in store.facts.of_types(*types) if stored.state != REFUSED]
    return [Held(parse_fact(stored.type, parse_envelope(stored.envelope).payload), stored) for stored in kept]


def attestation_status(store: Store, today: date) -> str:
    """What was attested last, and what is due, in one line; nothing is due for quarters that were over on joining."""
    attested = [each.fact.period for each in held(store, names.ATTESTATION) if isinstance(each.fact, Attestation)]
    newest, due, over = max(attested, default=None), newest_due(today), newest_over(today)
    last = f"{newest} attested" if newest is not None else "never attested"
    joined_ms = store.audit.first(Event.JOINED)
    first = Quarter.of(day_of(joined_ms)) if joined_ms is not None else due
    if newest is None and first > over:
        earlier = f"to count as submitting before: waypost-node attest --period {over}"
        return f"{last}; {first} is the first due, by {first.due_on}; {earlier}"
    if due >= first and (newest is None or newest < due):
        return f"{last}; {due} is OVERDUE since {due.due_on}: waypost-node attest --period {due}"
    if newest is None or newest < over:
        return f"{last}; {over} is due by {over.due_on}: waypost-node attest --period {over}"
    return f"{last}; nothing is due"


def timeliness(store: Store, period: Quarter) -> compliance_pb2.Timeliness:
    """The node's figure for records that came in during a period: bands, and none of too few records."""
    first, after = (_ms(period.first_day), _ms(period.last_day + timedelta(days=1)))
    found = store.facts.final_decisions(first, after)
    days = sorted(max(0, (day_of(came_ms) - date.fromisoformat(final_on)).days) for final_on, came_ms in found)
    figure = compliance_pb2.Timeliness(period=str(period))
    if len(days) >= TIMELINESS_RECORDS_MIN:
        figure.median = band_of(days[(len(days) - 1) // 2])
        figure.p95 = band_of(days[-(-95 * len(days) // 100) - 1])
    return figure


def band_of(days: int) -> compliance_pb2.DelayBand.ValueType:
    """The band of a number of days."""
    return next((band for most, band in _BANDS if days <= most), compliance_pb2.DELAY_BAND_LONGER)


def _ms(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp() * 1000)


def _word(kind: str) -> str:
    return kind.removeprefix("application/vnd.waypost.").partition(".")[0]
