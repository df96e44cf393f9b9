"""What policies are told about a request: waypost.cedarschema, filled from the node's values.

A finding is a statement, by somebody with authority, that the officer did it. Every kind of record states one by its
nature, except: a resignation or retirement under investigation, and a certification that was surrendered, has lapsed
or was reinstated. These have one only when a hearing was held and somebody decided.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from waypost.node.fairness import shareable
from waypost.node.limits import TOLD_WINDOW_DAYS
from waypost.node.policy import Asker, Resource, Value
from waypost.node.records import CertificationAction, ConductKind, ConductRecord, Hearing, Officer
from waypost.protocol.roster import Member
from waypost.v1 import check_pb2, roster_pb2

PURPOSES: Final = {
    check_pb2.PURPOSE_HIRING: "hiring",
    check_pb2.PURPOSE_CERTIFICATION: "certification",
    check_pb2.PURPOSE_SELF: "self",
}
ROLES: Final = {
    roster_pb2.ROLE_AGENCY: "agency",
    roster_pb2.ROLE_POST: "post",
    roster_pb2.ROLE_CREDENTIALING_BODY: "credentialing-body",
}
_NO_FINDING_KINDS: Final = frozenset(
    {ConductKind.RESIGNATION_UNDER_INVESTIGATION, ConductKind.RETIREMENT_UNDER_INVESTIGATION}
)
_NO_FINDING_ACTIONS: Final = frozenset(
    {CertificationAction.SURRENDERED, CertificationAction.LAPSED, CertificationAction.REINSTATED}
)


def asker_of(member: Member, purpose: str, *, authorized: bool) -> Asker:
    """A member of the roster as one who asks for that purpose."""
    return Asker(member.ori, ROLES[member.role], member.state, purpose, authorized)


def officer_resource(officer: Officer, *, ori: str, state: str, today: date) -> Resource:
    """An officer's employment history, held by the member of that ORI and state."""
    separations = [entry.separated_on for entry in officer.employment if entry.separated_on is not None]
    attributes: dict[str, Value] = {
        "state": state,
        "serving": any(entry.ori == ori and not entry.ended for entry in officer.employment),
        "under_investigation": any(entry.under_investigation for entry in officer.employment),
    }
    if separations:
        attributes["separated_days"] = (today - max(separations)).days
    return Resource("Officer", officer.officer_key, attributes)


def record_resource(record: ConductRecord, *, state: str, today: date, window_days: int = TOLD_WINDOW_DAYS) -> Resource:
    """A conduct record, held in that state."""
    facts, dispute = record.fair_process, record.dispute
    attributes: dict[str, Value] = {
        "state": state,
        "kind": str(record.kind),
        "status": str(record.status),
        "version": record.version,
        "authority": record.authority,
        "finding": has_finding(record),
        "force_type": str(record.force_type or ""),
        "outcome": str(record.force_outcome or ""),
        "amount_cents": record.amount_cents,
        "fair_process": shareable(record, today, window_days=window_days),
        "notice_given": facts.notice_on is not None,
        "hearing": str(facts.hearing or ""),
        "decided_by": facts.decided_by,
        "age_days": (today - (facts.decided_on or today)).days,
        "appeal": str(facts.appeal or ""),
        "has_statement": record.statement is not None,
        "disputed": dispute is not None,
        "dispute_overdue": dispute is not None and dispute.overdue(today),
    }
    dated = {
        "occurred_days": record.occurred_on,
        "effective_days": record.effective_on,
        "final_days": facts.final_on,
        "told_days": facts.told_on,
    }
    attributes |= {name: (today - day).days for name, day in dated.items() if day is not None}
    return Resource("Record", record.record_key, attributes)


def has_finding(record: ConductRecord) -> bool:
    """Whether somebody with authority found against the officer."""
    if record.kind in _NO_FINDING_KINDS or record.force_outcome in _NO_FINDING_ACTIONS:
        facts = record.fair_process
        return facts.hearing is Hearing.HELD and facts.decided_on is not None and bool(facts.decided_by.strip())
    return True
