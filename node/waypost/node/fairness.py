"""The fair-process gate: which conduct records may leave the node at all (Executive Order 13929, section 3(b)).

Section 3(b) admits "only instances in which law enforcement officers were afforded fair process". A record passes when
every one of these facts is recorded of it; otherwise it is withheld, and its owner is told each fact that is missing:

 1. The record stands: it is active or corrected, not voided and not sealed.
 2. The officer was given notice of the allegation.
 3. He was heard, or waived the hearing, or declined one that was offered. No entry, or no offer, is no fair process.
 4. It is recorded who decided.
 5. It is recorded when.
 6. No appeal was taken in time, or the decision stood on appeal. An open, pending, won or unrecorded appeal withholds.
 7. The decision is final.
 8. The officer was told that the record will be shared,
 9. and the window to answer (30 days) is over.
10. Nothing of this lies in the future: what is dated later than today has not happened.
11. Notice came no later than the decision, and the decision no later than its finality. (records.py refuses such a
    record where it is made; the gate does not rest on that.)

No kind of record is exempt, for section 3(b) exempts none. The gate is a plain function of the record and the day: it
is asked again on every disclosure and every count, never remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from waypost.node.limits import TOLD_WINDOW_DAYS
from waypost.node.records import Appeal, ConductRecord, FairProcess, Hearing, RecordStatus


class Want(StrEnum):
    """What can be missing; the words of counts and audit entries."""

    STANDING = "record_stands"
    NOTICE = "notice"
    HEARING = "hearing"
    DECIDED_BY = "decided_by"
    DECIDED_ON = "decided_on"
    APPEAL = "appeal_settled"
    FINAL = "final"
    TOLD = "officer_told"
    WINDOW = "window_to_answer"
    ORDER = "dates_in_order"


@dataclass(frozen=True, slots=True)
class Missing:
    """One fact that is missing, and how to say so to the record's owner."""

    want: Want
    words: str


@dataclass(frozen=True, slots=True)
class Shareable:
    """The record may be shared, as far as section 3(b) goes; policy may still forbid it."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """The record is kept and never disclosed, indexed or counted. `missing` is complete, in the order of the rules."""

    missing: tuple[Missing, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """What is missing, in words."""
        return tuple(missing.words for missing in self.missing)


Fairness = Shareable | Withheld

_STANDING: Final = frozenset({RecordStatus.ACTIVE, RecordStatus.CORRECTED})
_HEARD: Final = frozenset({Hearing.HELD, Hearing.WAIVED, Hearing.OFFERED_DECLINED})
_SETTLED: Final = frozenset({Appeal.NONE, Appeal.UPHELD})
_APPEAL_WORDS: Final = {
    None: "whether an appeal was taken is not recorded",
    Appeal.OPEN: "the time for an appeal still runs",
    Appeal.PENDING: "an appeal is pending",
    Appeal.OVERTURNED: "the decision was overturned on appeal",
}


def judge(record: ConductRecord, today: date, *, window_days: int = TOLD_WINDOW_DAYS) -> Fairness:
    """Whether the record may be shared on that day, and if not, everything that is missing."""
    missing = tuple(_missing(record, today, window_days))
    return Withheld(missing) if missing else Shareable()


def shareable(record: ConductRecord, today: date, *, window_days: int = TOLD_WINDOW_DAYS) -> bool:
    """Whether the record may be shared on that day."""
    return isinstance(judge(record, today, window_days=window_days), Shareable)


def _missing(record: ConductRecord, today: date, window_days: int) -> Iterator[Missing]:
    facts = record.fair_process
    if record.status not in _STANDING:  # rule 1
        yield Missing(Want.STANDING, f"the record is {record.status}")
    yield from _dated(Want.NOTICE, facts.notice_on, today, "no notice to the officer is recorded", "notice")  # 2
    if facts.hearing not in _HEARD:  # rule 3
        offered = facts.hearing is Hearing.NOT_OFFERED
        yield Missing(Want.HEARING, "no hearing was offered" if offered else "no hearing is recorded")
    if not facts.decided_by.strip():  # rule 4
        yield Missing(Want.DECIDED_BY, "who decided is not recorded")
    yield from _dated(Want.DECIDED_ON, facts.decided_on, today, "when it was decided is not recorded", "the decision")
    if facts.appeal not in _SETTLED:  # rule 6
        yield Missing(Want.APPEAL, _APPEAL_WORDS[facts.appeal])
    yield from _dated(Want.FINAL, facts.final_on, today, "when the decision became final is not recorded", "finality")
    yield from _told(facts, today, window_days)
    if not _in_order(facts):  # rule 11
        yield Missing(Want.ORDER, "notice, decision and finality are not in this order")


def _dated(want: Want, day: date | None, today: date, unrecorded: str, subject: str) -> Iterator[Missing]:
    """Rules 2, 5, 7 and 8 with rule 10: there is a day, and it has come."""
    if day is None:
        yield Missing(want, unrecorded)
    elif day > today:
        yield Missing(want, f"{subject} is dated {day}, which has not come")


def _told(facts: FairProcess, today: date, window_days: int) -> Iterator[Missing]:
    """Rules 8 and 9."""
    unrecorded = "the officer was not told that the record will be shared"
    yield from _dated(Want.TOLD, facts.told_on, today, unrecorded, "telling the officer")
    if facts.told_on is not None and facts.told_on <= today:
        ends = facts.told_on + timedelta(days=window_days)
        if today < ends:
            yield Missing(Want.WINDOW, f"the officer may answer until {ends}")


def _in_order(facts: FairProcess) -> bool:
    days = [day for day in (facts.notice_on, facts.decided_on, facts.final_on) if day is not None]
    return days == sorted(days)
