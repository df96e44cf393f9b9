"""Between the node's values and the protocol's messages: the one place where either becomes the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from google.protobuf.descriptor import EnumDescriptor

from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.records import ConductRecord, Employment, Officer
from waypost.v1 import check_pb2, notice_pb2, record_pb2


def candidate_of(
    officer: Officer,
    records: Sequence[record_pb2.ConductRecord],
    *,
    ssn_agrees: bool,
    declined: dict[tuple[str, ...], int],
) -> check_pb2.Candidate:
    """A disclosed officer with the records that may go out. The SSN never does."""
    person = officer.person
    return check_pb2.Candidate(
        verdict=check_pb2.VERDICT_DISCLOSED,
        officer_key=officer.officer_key,
        names=[name_of(name) for name in person.names],
        date_of_birth=str(person.date_of_birth),
        identifiers=[identifier_of(entry) for entry in person.identifiers],
        ssn_agrees=ssn_agrees,
        employments=[_employment(employment) for employment in officer.employment],
        conduct=records,
        declined=[check_pb2.Declined(records=count, policy_ids=ids) for ids, count in declined.items()],
    )


def details_of(officer: Officer) -> notice_pb2.OfficerDetails:
    """What is held of an officer himself, as it goes out to those who had it before."""
    return notice_pb2.OfficerDetails(
        names=[name_of(name) for name in officer.person.names],
        date_of_birth=str(officer.person.date_of_birth),
        identifiers=[identifier_of(entry) for entry in officer.person.identifiers],
        employments=[_employment(employment) for employment in officer.employment],
    )


def person_of(candidate: check_pb2.Candidate) -> Person:
    """The person that a disclosed candidate describes; RecordError when the other node sent nonsense."""
    return Person(
        names=tuple(
            PersonName(name.family, name.given, name.middle, name.suffix, name.kind or "legal")
            for name in candidate.names
        ),
        date_of_birth=PartialDate.parse(candidate.date_of_birth),
        identifiers=tuple(Identifier(entry.kind, entry.issuer, entry.value) for entry in candidate.identifiers),
    )


def identifier_of(entry: Identifier) -> record_pb2.PersonIdentifier:
    """A number as it travels."""
    return record_pb2.PersonIdentifier(kind=entry.kind, issuer=entry.issuer, value=entry.value)


def name_of(name: PersonName) -> record_pb2.PersonName:
    """A name as it travels."""
    return record_pb2.PersonName(
        family=name.family, given=name.given, middle=name.middle, suffix=name.suffix, kind=name.kind
    )


def _employment(employment: Employment) -> record_pb2.Employment:
    kind = employment.separation_kind
    return record_pb2.Employment(
        ori=employment.ori,
        rank=employment.rank,
        sworn=employment.sworn,
        hired_on=_iso(employment.hired_on),
        separated_on=_iso(employment.separated_on),
        separation_kind=record_pb2.SeparationKind.Value(f"SEPARATION_KIND_{kind.upper()}") if kind else 0,  # type: ignore[arg-type]
        under_investigation=employment.under_investigation,
    )


def record_of(record: ConductRecord, today: date) -> record_pb2.ConductRecord:
    """A conduct record with what the officer says to it, as of that day."""
    facts, statement, dispute = record.fair_process, record.statement, record.dispute
    return record_pb2.ConductRecord(
        record_key=record.record_key,
        version=record.version,
        kind=record_pb2.ConductKind.Value(f"CONDUCT_KIND_{record.kind.upper()}"),
        occurred_on=_iso(record.occurred_on),
        effective_on=_iso(record.effective_on),
        summary=record.summary,
        force_type=record.force_type or "",
        force_outcome=record.force_outcome or "",
        amount_cents=record.amount_cents,
        authority=record.authority,
        fair_process=record_pb2.FairProcess(
            notice_on=_iso(facts.notice_on),
            hearing=record_pb2.Hearing.Value(f"HEARING_{facts.hearing.upper()}") if facts.hearing else 0,  # type: ignore[arg-type]
            decided_by=facts.decided_by,
            decided_on=_iso(facts.decided_on),
            appeal=record_pb2.Appeal.Value(f"APPEAL_{facts.appeal.upper()}") if facts.appeal else 0,  # type: ignore[arg-type]
            final_on=_iso(facts.final_on),
            told_on=_iso(facts.told_on),
        ),
        status=record.status,
        statement=None
        if statement is None
        else record_pb2.Statement(text=statement.text, given_on=_iso(statement.given_on)),
        dispute=None
        if dispute is None
        else record_pb2.Dispute(
            opened_on=_iso(dispute.opened_on), due_on=_iso(dispute.due_on), overdue=dispute.overdue(today)
        ),
    )


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""


class _Enum(Protocol):
    """A generated enum."""

    DESCRIPTOR: EnumDescriptor


def word(enum: _Enum, number: int) -> str:
    """An enum's value as people read it: CONDUCT_KIND_TERMINATION is "termination"; one that we do not know, "unknown".

    Protobuf passes numbers on that no name stands for. Another member may send one, or speak a later version.
    """
    value = enum.DESCRIPTOR.values_by_number.get(number)
    if value is None:
        return "unknown"
    prefix = enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return value.name.removeprefix(prefix).replace("_", " ").lower()
