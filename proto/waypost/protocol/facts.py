"""Facts of compliance (compliance.proto): what each must say to be one, for those who sign and those who verify.

1. A fact is a statement to everybody: its audience is "*", its sender whoever it names as its author.
2. Days are days, ORIs are ORIs, digests have 32 bytes, reasons and names of people are bounded.
3. An attestation is of a quarter that is over when it is signed, and covers at least the whole of it.
4. A credential confirms both topics of section 2(c)(i) and (ii); it expires after it is issued, within five years.
5. A process counts for two years at most.
6. A certification ends after it begins.

What is left out on purpose: who may sign what, and what follows from it; that is the hub's to judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from waypost.crypto.freshness import Header, header_from_payload
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.quarters import Quarter, newest_over
from waypost.v1 import compliance_pb2

_DIGEST_BYTES: Final = 32
_MINIMUM_TOPICS: Final = frozenset(
    {
        compliance_pb2.CREDENTIAL_TOPIC_LAWFUL_USE_OF_FORCE,
        compliance_pb2.CREDENTIAL_TOPIC_CHOKE_HOLDS_PROHIBITED,
    }
)
"""Section 2(c)(i) and (ii): what every credential must confirm."""

_AnyMessage = TypeVar("_AnyMessage", bound=Message)


@dataclass(frozen=True, slots=True)
class Attestation:
    """An agency has submitted what section 3(b) asks for a period, or had nothing."""

    author: str
    period: Quarter
    submitted_through: date
    nothing_to_report: bool
    attested_by: str


@dataclass(frozen=True, slots=True)
class CredentialApplication:
    """An agency applied for a body's credential."""

    author: str
    body_ori: str


@dataclass(frozen=True, slots=True)
class CredentialProcess:
    """A body confirms an agency's application in process."""

    author: str
    agency_ori: str
    application_digest: bytes
    valid_until: date


@dataclass(frozen=True, slots=True)
class Credential:
    """A body's credential of an agency. `topics` are CredentialTopic's numbers."""

    author: str
    agency_ori: str
    topics: tuple[int, ...]
    issued_on: date
    expires_on: date


@dataclass(frozen=True, slots=True)
class CredentialRevocation:
    """A body takes a credential back."""

    author: str
    agency_ori: str
    credential_digest: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class BodyCertification:
    """A body is certified under section 2(c). No `states`: all."""

    author: str
    body_ori: str
    from_on: date
    to_on: date
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BodyWithdrawal:
    """A body's certifications end."""

    author: str
    body_ori: str
    reason: str


@dataclass(frozen=True, slots=True)
class MemberDescription:
    """What public statistics say of a member. `locale` is Locale's number."""

    author: str
    ori: str
    officers: int
    locale: int


@dataclass(frozen=True, slots=True)
class Timeliness:
    """How soon decisions reached an agency's index. Both are DelayBand's numbers."""

    author: str
    period: Quarter
    median: int
    p95: int


@dataclass(frozen=True, slots=True)
class ReconciliationDay:
    """(agreed, differed) comparisons of a day, by ORI."""

    author: str
    day: date
    entries: Mapping[str, tuple[int, int]]


Fact = (
    Attestation
    | CredentialApplication
    | CredentialProcess
    | Credential
    | CredentialRevocation
    | BodyCertification
    | BodyWithdrawal
    | MemberDescription
    | Timeliness
    | ReconciliationDay
)


def parse_fact(payload_type: str, payload: bytes) -> Fact:
    """What a fact's payload says; ProtocolError 'malformed' when it breaks a rule. Signatures are the caller's."""
    parser = _PARSERS.get(payload_type)
    if parser is None:
        raise ProtocolError("wrong-type", "the message is no fact of compliance")
    header = header_from_payload(payload)
    if header.audience != names.ALL_MEMBERS:  # rule 1
        raise ProtocolError("wrong-audience", "a fact is a statement to everybody")
    return parser(header, payload)


def fact_digest(payload: bytes) -> bytes:
    """By what other facts name it: SHA-256 of its payload."""
    return hashlib.sha256(payload).digest()


def day_of(moment_ms: int) -> date:
    """The day, UTC, of a moment."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).date()


def _attestation(header: Header, payload: bytes) -> Attestation:
    content = _read(compliance_pb2.Attestation, payload)
    period, through = Quarter.parse(content.period), _day(content.submitted_through)
    signed_on = day_of(header.issued_at_ms)
    if signed_on <= period.last_day:  # rule 3
        raise ProtocolError(
            "too-early",
            f"{period} is not over: it ends on {period.last_day}",
            hint=f"attest it after that day; the newest that can be attested is {newest_over(signed_on)}",
        )
    if not period.last_day <= through <= signed_on:
        raise ProtocolError(
            "malformed",
            f"the attestation must cover all of {period}, and nothing to come",
            hint=f"--through takes a day from {period.last_day} to today",
        )
    name = _words(content.attested_by, "who attests", hint='--by "Name, title"')
    return Attestation(header.sender, period, through, content.nothing_to_report, name)


def _application(header: Header, payload: bytes) -> CredentialApplication:
    content = _read(compliance_pb2.CredentialApplication, payload)
    return CredentialApplication(header.sender, names.require_ori(content.body_ori))


def _process(header: Header, payload: bytes) -> CredentialProcess:
    content = _read(compliance_pb2.CredentialProcess, payload)
    until = _day(content.valid_until)
    if not 0 <= (until - day_of(header.issued_at_ms)).days <= limits.PROCESS_DAYS_MAX:  # rule 5
        raise ProtocolError("malformed", "a process counts until a day to come, within two years")
    agency = names.require_ori(content.agency_ori)
    return CredentialProcess(header.sender, agency, _digest(content.application_digest), until)


def _credential(header: Header, payload: bytes) -> Credential:
    content = _read(compliance_pb2.Credential, payload)
    topics = tuple(content.topics)
    if list(topics) != sorted(set(topics)) or not set(topics) <= set(compliance_pb2.CredentialTopic.values()) - {0}:
        raise ProtocolError("malformed", "the credential's topics are not known topics in order")
    if not set(topics) >= _MINIMUM_TOPICS:  # rule 4
        raise ProtocolError(
            "minimum-topics",
            "a credential must confirm that the use-of-force policies are lawful and prohibit choke holds",
            hint="section 2(c)(i) and (ii) of the order ask for both",
        )
    issued, expires = _day(content.issued_on), _day(content.expires_on)
    if not 0 < (expires - issued).days <= limits.CREDENTIAL_DAYS_MAX:
        raise ProtocolError("malformed", "a credential expires after it is issued, within five years")
    if issued > day_of(header.issued_at_ms):
        raise ProtocolError("malformed", "a credential is not issued ahead of its day")
    return Credential(header.sender, names.require_ori(content.agency_ori), topics, issued, expires)


def _revocation(header: Header, payload: bytes) -> CredentialRevocation:
    content = _read(compliance_pb2.CredentialRevocation, payload)
    reason = _words(content.reason, "the reason")
    agency = names.require_ori(content.agency_ori)
    return CredentialRevocation(header.sender, agency, _digest(content.credential_digest), reason)


def _certification(header: Header, payload: bytes) -> BodyCertification:
    content = _read(compliance_pb2.BodyCertification, payload)
    from_on, to_on = _day(content.from_on), _day(content.to_on)
    if to_on <= from_on:  # rule 6
        raise ProtocolError("malformed", "a certification ends after it begins")
    states = tuple(content.states)
    if list(states) != sorted(set(states)) or not all(names.valid_state(state) for state in states):
        raise ProtocolError("malformed", "the states of a certification are two-letter codes in order")
    return BodyCertification(header.sender, names.require_ori(content.body_ori), from_on, to_on, states)


def _withdrawal(header: Header, payload: bytes) -> BodyWithdrawal:
    content = _read(compliance_pb2.BodyWithdrawal, payload)
    return BodyWithdrawal(header.sender, names.require_ori(content.body_ori), _words(content.reason, "the reason"))


def _description(header: Header, payload: bytes) -> MemberDescription:
    content = _read(compliance_pb2.MemberDescription, payload)
    if content.officers > limits.OFFICERS_MAX or content.locale not in compliance_pb2.Locale.values():
        raise ProtocolError("malformed", f"a member has at most {limits.OFFICERS_MAX:,} officers and a known locale")
    return MemberDescription(header.sender, names.require_ori(content.ori), content.officers, content.locale)


def _timeliness(header: Header, payload: bytes) -> Timeliness:
    content = _read(compliance_pb2.Timeliness, payload)
    bands = compliance_pb2.DelayBand.values()
    if content.median not in bands or content.p95 not in bands or content.median > content.p95:
        raise ProtocolError("malformed", "the bands are not known ones, the median's at most the percentile's")
    return Timeliness(header.sender, Quarter.parse(content.period), content.median, content.p95)


def _reconciliations(header: Header, payload: bytes) -> ReconciliationDay:
    content = _read(compliance_pb2.ReconciliationDay, payload)
    entries = {names.require_ori(entry.ori): (entry.agreed, entry.differed) for entry in content.entries}
    if len(entries) != len(content.entries) or list(entries) != sorted(entries):
        raise ProtocolError("malformed", "the day's members are not unique and in order")
    return ReconciliationDay(header.sender, _day(content.day), MappingProxyType(entries))


_PARSERS: Final[Mapping[str, Callable[[Header, bytes], Fact]]] = MappingProxyType(
    {
        names.ATTESTATION: _attestation,
        names.CREDENTIAL_APPLICATION: _application,
        names.CREDENTIAL_PROCESS: _process,
        names.CREDENTIAL: _credential,
        names.CREDENTIAL_REVOCATION: _revocation,
        names.BODY_CERTIFICATION: _certification,
        names.BODY_WITHDRAWAL: _withdrawal,
        names.MEMBER_DESCRIPTION: _description,
        names.TIMELINESS: _timeliness,
        names.RECONCILIATION_DAY: _reconciliations,
    }
)


def _read(kind: type[_AnyMessage], payload: bytes) -> _AnyMessage:
    try:
        return kind.FromString(payload)
    except DecodeError:
        raise ProtocolError("malformed", "the fact cannot be read") from None


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ProtocolError("malformed", f"{text[:20]!r} is no day", hint="write YYYY-MM-DD") from None
    if day.isoformat() != text or day.year < limits.PERIOD_YEAR_MIN:
        raise ProtocolError("malformed", f"{text[:20]!r} is no day", hint="write YYYY-MM-DD")
    return day


def _digest(digest: bytes) -> bytes:
    if len(digest) != _DIGEST_BYTES:
        raise ProtocolError("malformed", "a digest has 32 bytes")
    return digest


def _words(text: str, what: str, *, hint: str = "") -> str:
    if not limits.WORDS_CHARS_MIN <= len(text) <= limits.WORDS_CHARS_MAX or not text.isprintable():
        raise ProtocolError("malformed", f"{what} has 3 to 200 printable characters", hint=hint)
    return text
