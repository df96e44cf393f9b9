"""Who submits what section 3(b) asks for, and how each agency stands on a day: a function of signed facts alone.

1. The agencies are those of the roster that was in force at the day's end; a fact counts from the day on which the hub
   accepted it, so the answer for a past day is the one that was right on that day.
2. An agency has attested when it did so for the newest period that was due before that day, or for a later one. One
   that attested only for earlier periods is late, one that never attested never did. An attestation for a due period
   that came after its due day counts from then on, and shows as having come late.
3. Its index is current when a comparison agreed on one of the INDEX_CURRENT_DAYS days that end with that day.
4. It submits when it takes part, has attested, and its index is current. Anything less is named, each with its clause.
5. Its credentials stand as credentials.py says.
6. It is silent when it was a member SILENT_DAYS days ago and no comparison at all was made since.

Late reporting is judged by what the node signs of itself (timeliness, in bands) and by the share of comparisons that
agreed over RECONCILIATION_SHARE_DAYS days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from waypost.hub.credentials import Books, Counted, Standing
from waypost.hub.limits import INDEX_CURRENT_DAYS, RECONCILIATION_SHARE_DAYS, SILENT_DAYS
from waypost.protocol.facts import Attestation, MemberDescription, ReconciliationDay, Timeliness
from waypost.protocol.quarters import Quarter, newest_due
from waypost.v1 import compliance_pb2


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency of the roster; `active` unless it is suspended, `new` when it was no member SILENT_DAYS days before."""

    ori: str
    name: str
    state: str
    active: bool = True
    new: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that compliance on a day is computed from."""

    agencies: tuple[Agency, ...]
    facts: tuple[Counted, ...]
    days: tuple[ReconciliationDay, ...]


class Submission(StrEnum):
    """How an agency stands with its attestations (rule 2)."""

    ATTESTED = "attested"
    NOTHING_TO_REPORT = "nothing-to-report"
    LATE = "late"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Attested:
    """An agency's attestations: the standing, the newest period attested, and by how many days it came too late."""

    submission: Submission
    period: Quarter | None = None
    days_late: int = 0


@dataclass(frozen=True, slots=True)
class Index:
    """An agency's comparisons: when one last agreed and was last made, and how many of how many agreed."""

    agreed_on: date | None = None
    compared_on: date | None = None
    agreed: int = 0
    compared: int = 0


@dataclass(frozen=True, slots=True)
class Compliance:
    """How one agency stands on a day. `officers` None: not described."""

    agency: Agency
    attested: Attested
    due: Quarter
    index: Index
    index_current: bool
    silent: bool
    credential: Standing
    timeliness: Timeliness | None
    officers: int | None
    locale: int

    @property
    def submits(self) -> bool:
        """Rule 4."""
        answered = self.attested.submission in {Submission.ATTESTED, Submission.NOTHING_TO_REPORT}
        return self.agency.active and answered and self.index_current


@dataclass(slots=True)
class _Sorted:
    """Evidence by agency, without what came later."""

    attestations: dict[str, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    timeliness: dict[str, Timeliness] = field(default_factory=dict)
    descriptions: dict[str, MemberDescription] = field(default_factory=dict)
    indexes: dict[str, Index] = field(default_factory=dict)


def assess(evidence: Evidence, as_of: date) -> tuple[Compliance, ...]:
    """Every agency's standing on that day, by ORI."""
    books = Books.of(evidence.facts, as_of)
    by_agency = _sort(evidence, as_of)
    return tuple(
        _assess_one(agency, by_agency, books, as_of) for agency in sorted(evidence.agencies, key=lambda one: one.ori)
    )


def _assess_one(agency: Agency, by_agency: _Sorted, books: Books, as_of: date) -> Compliance:
    due, index = newest_due(as_of), by_agency.indexes.get(agency.ori, Index())
    described = by_agency.descriptions.get(agency.ori)
    return Compliance(
        agency=agency,
        attested=_attested(by_agency.attestations.get(agency.ori, ()), due),
        due=due,
        index=index,
        index_current=_within(index.agreed_on, as_of, INDEX_CURRENT_DAYS),
        silent=not agency.new and not _within(index.compared_on, as_of, SILENT_DAYS),
        credential=books.standing(agency.ori, agency.state),
        timeliness=by_agency.timeliness.get(agency.ori),
        officers=described.officers if described else None,
        locale=described.locale if described else compliance_pb2.LOCALE_UNSPECIFIED,
    )


def _attested(counted: Sequence[Counted], due: Quarter) -> Attested:
    """Rule 2. Of several attestations for the newest period the last holds; lateness is that of the first."""
    pairs = [(each.fact, each) for each in counted if isinstance(each.fact, Attestation)]
    if not pairs:
        return Attested(Submission.NEVER)
    newest = max(fact.period for fact, _ in pairs)
    ones = sorted((pair for pair in pairs if pair[0].period == newest), key=lambda pair: pair[1].from_ms)
    days_late = max(0, (ones[0][1].from_on - newest.due_on).days)
    if newest < due:
        return Attested(Submission.LATE, newest, days_late)
    nothing = ones[-1][0].nothing_to_report
    return Attested(Submission.NOTHING_TO_REPORT if nothing else Submission.ATTESTED, newest, days_late)


def _sort(evidence: Evidence, as_of: date) -> _Sorted:
    result = _Sorted(indexes=_indexes(evidence.days, as_of))
    for counted in sorted(evidence.facts, key=lambda each: each.from_ms):
        if counted.from_on > as_of:  # rule 1
            continue
        match counted.fact:
            case Attestation() as fact:
                result.attestations[fact.author].append(counted)
            case Timeliness() as fact:
                result.timeliness[fact.author] = fact
            case MemberDescription() as fact:
                result.descriptions[fact.ori] = fact
    return result


def _indexes(days: Iterable[ReconciliationDay], as_of: date) -> dict[str, Index]:
    """Every agency's comparisons up to that day."""
    result: dict[str, Index] = {}
    shared_from = as_of - timedelta(days=RECONCILIATION_SHARE_DAYS)
    for day in sorted((day for day in days if day.day <= as_of), key=lambda each: each.day):
        for ori, (agreed, differed) in day.entries.items():
            held = result.get(ori, Index())
            counts = (held.agreed + agreed, held.compared + agreed + differed) if day.day > shared_from else (0, 0)
            result[ori] = Index(day.day if agreed else held.agreed_on, day.day, *counts)
    return result


def _within(day: date | None, as_of: date, days: int) -> bool:
    return day is not None and (as_of - day).days < days


def certified_bodies(evidence: Evidence, as_of: date) -> Mapping[str, tuple[date, tuple[str, ...]]]:
    """The bodies certified on that day: until when, and for which states (none: all)."""
    books = Books.of(evidence.facts, as_of)
    found = {body: books.certification(body) for body in sorted(books.certifications)}
    return {body: (held.to_on, held.states) for body, held in found.items() if held is not None}


_BANDS: Final[Mapping[int, str]] = {
    compliance_pb2.DELAY_BAND_WEEK: "0-7",
    compliance_pb2.DELAY_BAND_MONTH: "8-30",
    compliance_pb2.DELAY_BAND_QUARTER: "31-90",
    compliance_pb2.DELAY_BAND_HALF_YEAR: "91-180",
    compliance_pb2.DELAY_BAND_YEAR: "181-365",
    compliance_pb2.DELAY_BAND_LONGER: "366+",
}


def days_to_index(timeliness: Timeliness | None) -> tuple[str, str]:
    """Median and 95th percentile in words, each empty when there were too few records to say."""
    if timeliness is None:
        return "", ""
    return _BANDS.get(timeliness.median, ""), _BANDS.get(timeliness.p95, "")
