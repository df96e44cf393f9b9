"""Counting for an aggregate round: from the node's records to a vector, by the catalogue of measures.

1. Only records that section 3(b) admits on the day on which the round was made count, each in its newest version. The
   day is the round's, not the node's, so all members count the same whenever they come to it. A record that passed on
   that day passes later, too, as long as it says the same.
2. Every event is dated as the catalogue says; outside of the period, or without a date, it does not count.
3. Each officer's events are counted oldest first, up to the measure's clip; each check's likewise. Several keys of
   one person (merged ones) are one officer.
4. `records-withheld` counts what the gate kept back on the period's last day: records of that day or before, judged by
   what had happened until then. It says the same on whatever day it is counted.
5. The vector has a cell for each combination of values in the catalogue's order, whatever is zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from waypost.node import programmes
from waypost.node.due_process import Windows
from waypost.node.fairness import shareable
from waypost.node.records import ConductKind, ConductRecord, RecordStatus, SeparationKind
from waypost.node.store import Store
from waypost.protocol.measures import AMOUNT_BANDS, AMOUNT_MOST, DAYS_BANDS, DAYS_MOST, UNRECORDED, Measure
from waypost.protocol.periods import Period

Values: TypeAlias = tuple[str, ...]
_CENTS: Final = 100


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something that counts: its day, and the values of the measure's dimensions without the year."""

    on: date
    values: Values


@dataclass(frozen=True, slots=True)
class Books:
    """What is counted from: the store of the member of that ORI, its windows to answer, and the round's day."""

    store: Store
    ori: str
    windows: Windows
    today: date

    def admits(self, record: ConductRecord) -> bool:
        """Rule 1."""
        return self.admitted_on(record, self.today)

    def admitted_on(self, record: ConductRecord, day: date) -> bool:
        """Whether the gate lets a record pass on a day."""
        return shareable(record, day, window_days=self.windows.of(record))


def count(asked: Measure, period: Period, books: Books) -> tuple[int, ...]:
    """The vector of a measure over a period."""
    positions = asked.positions(period)
    cells = [0] * len(positions)
    if asked.name in _STATED:
        for values, number in _STATED[asked.name](books, period):
            cells[positions[values]] += number
        return tuple(cells)
    for events in _UNITS[asked.name](books, period):
        for values in _counted(events, asked, period):
            cells[positions[values]] += 1
    return tuple(cells)


def _counted(events: Iterable[Event], asked: Measure, period: Period) -> Iterator[Values]:
    """Rules 2 and 3 for one unit."""
    for event in sorted(event for event in events if event.on in period)[: asked.clip]:
        yield (*event.values, str(event.on.year)) if asked.by_year else event.values


# One iterable of events for each unit.


def _conduct(books: Books, event: Callable[[ConductRecord], Event | None]) -> Iterator[list[Event]]:
    """Events of admitted records, officer by officer."""
    heads, by_officer = books.store.merges.links(), _by_officer()
    for owned in books.store.conduct.all():
        found = event(owned.record) if books.admits(owned.record) else None
        if found is not None:
            by_officer[heads.head(owned.officer_id)].append(found)
    yield from by_officer.values()


def _by_officer() -> defaultdict[int, list[Event]]:
    return defaultdict(list)


def _dated(first: date | None, other: date | None, *values: str) -> Event | None:
    day = first or other
    return None if day is None else Event(day, values)


def _record(record: ConductRecord) -> Event | None:
    return _dated(record.effective_on, record.occurred_on, record.kind.value)


def _force(record: ConductRecord) -> Event | None:
    if record.kind is not ConductKind.EXCESSIVE_FORCE_FINDING:
        return None
    kind, outcome = (str(word) if word else UNRECORDED for word in (record.force_type, record.force_outcome))
    return _dated(record.occurred_on, record.effective_on, kind, outcome)


def _decertification(record: ConductRecord) -> Event | None:
    if record.kind is not ConductKind.DECERTIFICATION:
        return None
    action = str(record.force_outcome) if record.force_outcome else UNRECORDED
    return _dated(record.effective_on, record.occurred_on, action)


def _judgment(record: ConductRecord) -> Event | None:
    if record.kind is not ConductKind.CIVIL_JUDGMENT:
        return None
    dollars = record.amount_cents / _CENTS
    above = (name for name, bound in AMOUNT_BANDS if dollars < bound)
    band = next(above, AMOUNT_MOST) if record.amount_cents else UNRECORDED
    return _dated(record.effective_on, record.occurred_on, band)


def _decision(record: ConductRecord) -> Event | None:
    final_on = record.fair_process.final_on
    if record.kind is ConductKind.COMMENDATION or final_on is None:
        return None
    if record.occurred_on is None:
        return Event(final_on, (UNRECORDED,))
    days = (final_on - record.occurred_on).days
    return Event(final_on, (next((name for name, bound in DAYS_BANDS if days <= bound), DAYS_MOST),))


def _withheld(books: Books, period: Period) -> Iterator[list[Event]]:
    """Rule 4. A record without any date is there from the beginning."""
    heads, by_officer = books.store.merges.links(), _by_officer()
    for owned in books.store.conduct.all():
        record = owned.record
        stands = record.status in {RecordStatus.ACTIVE, RecordStatus.CORRECTED}
        there = (record.effective_on or record.occurred_on or period.last) <= period.last
        if stands and there and not books.admitted_on(record, period.last):
            by_officer[heads.head(owned.officer_id)].append(Event(period.last, (record.kind.value,)))
    yield from by_officer.values()


_RESIGNED: Final = frozenset({SeparationKind.RESIGNED, SeparationKind.RESIGNED_IN_LIEU})
_RETIRED: Final = frozenset({SeparationKind.RETIRED, SeparationKind.RETIRED_IN_LIEU})


def _separations(books: Books, _period: Period) -> Iterator[list[Event]]:
    heads, by_officer = books.store.merges.links(), _by_officer()
    for held in books.store.employment.all():
        job = held.employment
        if job.ori == books.ori and job.under_investigation and job.separated_on is not None:
            kind = job.separation_kind
            how = "resigned" if kind in _RESIGNED else "retired" if kind in _RETIRED else "other"
            by_officer[heads.head(held.officer_id)].append(Event(job.separated_on, (how,)))
    yield from by_officer.values()


def _employed(books: Books, period: Period) -> Iterator[list[Event]]:
    heads = books.store.merges.links()
    sworn: dict[int, bool] = {}
    for held in books.store.employment.all():
        job = held.employment
        left = job.ended and (job.separated_on is None or job.separated_on <= period.last)
        if job.ori == books.ori and job.hired_on is not None and job.hired_on <= period.last and not left:
            officer_id = heads.head(held.officer_id)
            sworn[officer_id] = sworn.get(officer_id, False) or job.sworn
    for is_sworn in sworn.values():
        yield [Event(period.last, ("sworn" if is_sworn else "not_sworn",))]


def _checks(books: Books, _period: Period) -> Iterator[list[Event]]:
    for at_ms in books.store.checks.submitted_at_ms():
        yield [Event(_day(at_ms), ("asked",))]
    answered: dict[bytes, Event] = {}
    for entry in books.store.disclosures.all():
        what = "answered_with_records" if entry.records else "answered_with_a_referral"
        if not entry.records and entry.verdict != "referral":
            what = "answered_without"
        found = Event(_day(entry.at_ms), (what,))
        held = answered.get(entry.check_id)
        # of several candidates of one check, the one that was given most stands for it
        if held is None or _GIVEN.index(what) < _GIVEN.index(held.values[0]):
            answered[entry.check_id] = found
    for event in answered.values():
        yield [event]


_GIVEN: Final = ("answered_with_records", "answered_with_a_referral", "answered_without")


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()


_UNITS: Final[Mapping[str, Callable[[Books, Period], Iterator[list[Event]]]]] = MappingProxyType(
    {
        "records": lambda books, _: _conduct(books, _record),
        "force-findings": lambda books, _: _conduct(books, _force),
        "separations-under-investigation": _separations,
        "decertifications": lambda books, _: _conduct(books, _decertification),
        "civil-judgments": lambda books, _: _conduct(books, _judgment),
        "officers-employed": _employed,
        "records-withheld": _withheld,
        "time-to-decision": lambda books, _: _conduct(books, _decision),
        "checks": _checks,
    }
)


# What the custodian states.


def _trained(books: Books, period: Period) -> Iterator[tuple[Values, int]]:
    for name, cell in programmes.TRAINED.items():
        yield (cell,), int(books.store.programmes.value_on(name, period.last) or 0)


def _programmes(books: Books, period: Period) -> Iterator[tuple[Values, int]]:
    for name, cell in programmes.STANDING.items():
        yield (cell, books.store.programmes.value_on(name, period.last) or UNRECORDED), 1


_STATED: Final[Mapping[str, Callable[[Books, Period], Iterator[tuple[Values, int]]]]] = MappingProxyType(
    {"officers-trained": _trained, "programmes": _programmes}
)
