"""What makes a node's answers weak, and a file to fix each.

1. Officers without a whole date of birth, and officers without a certification number: checks find them less surely.
2. Records that stand but lack facts of fair process, by kind and fact: they are withheld. A window that still runs, and
   a record that is voided or sealed, need no fixing.
3. Dates that cannot be: an officer who was younger than sixteen when hired or when it happened; notice or decision
   before it happened. (A separation before the hire, and a decision before the notice, are never stored: import
   rejects them, and they wait in the rejects files, which are counted here.)
4. Sworn employment at two agencies, or twice at one, that overlaps by more than a day. An end that is not known
   overlaps with nothing.

Merged officers count as one person; a row to fix stands under the key of its source.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from waypost.node.custody.fixing import Finding, FixFiles
from waypost.node.due_process import Windows
from waypost.node.fairness import Want, Withheld, judge
from waypost.node.intake.rows import ConductRow, EmploymentRow, OfficerRow
from waypost.node.limits import AGE_YEARS_MIN, FIELD_CHARS_MAX
from waypost.node.persons import PartialDate, Person
from waypost.node.records import ConductRecord, Employment
from waypost.node.store import OfficerConduct, OfficerEmployment, Store

_OFFICERS_AT_A_TIME: Final = 500
_NOT_TO_FIX: Final = frozenset({Want.STANDING, Want.WINDOW})
_DAY: Final = timedelta(days=1)

Progress = Callable[[int, int], None]
"""Told (officers done, officers in all)."""


class Check(StrEnum):
    """What is looked for; also the names of the files to fix."""

    NO_DATE_OF_BIRTH = "no-date-of-birth"
    NO_CERTIFICATION = "no-certification-number"
    NO_FAIR_PROCESS = "fair-process-missing"
    EMPLOYMENT_DATES = "impossible-employment-dates"
    CONDUCT_DATES = "impossible-conduct-dates"
    OVERLAPPING = "overlapping-employment"


@dataclass(slots=True)
class Quality:
    """What was found: officers, employments or records by check, and facts of fair process by kind of record."""

    officers: int = 0
    records: int = 0
    found: Counter[Check] = field(default_factory=Counter)
    missing: dict[str, Counter[Want]] = field(default_factory=lambda: defaultdict(Counter))
    rejects: dict[Path, int] = field(default_factory=dict)
    """Rows in the rejects files that wait to be mended."""
    rejected_dates: int = 0
    """Of these, rows whose dates cannot be (rule 3)."""


def assess(
    store: Store,
    files: FixFiles,
    *,
    today: date,
    windows: Windows,
    progress: Progress = lambda _done, _all: None,
) -> Quality:
    """Look at everything (rules 1 to 4)."""
    quality = Quality()
    total, after = store.officers.count(), 0
    while officer_ids := store.officers.standing(after, _OFFICERS_AT_A_TIME):
        for holding in _holdings(store, officer_ids):
            _assess_person(holding, quality, files)
            for owned in holding.conduct:
                _assess_record(owned, holding.person.date_of_birth, quality, files, today, windows)
            _assess_employment(holding, quality, files, today)
        after = officer_ids[-1]
        quality.officers += len(officer_ids)
        progress(quality.officers, total)
    return quality


def count_rejects(quality: Quality, folder: Path) -> None:
    """Count the rows that wait in a folder of rejects files."""
    csv.field_size_limit(FIELD_CHARS_MAX)
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.DictReader(file)
            try:
                reasons = [row.get("reject_reason") or "" for row in rows]
            except csv.Error:
                continue  # somebody is at it
        quality.rejects[path] = len(reasons)
        quality.rejected_dates += sum(" is before " in reason for reason in reasons)


@dataclass(frozen=True, slots=True)
class _Holding:
    """One person: what all sources say, what the source of the key that stands for him says, and what is his."""

    officer_key: str
    person: Person
    own: Person
    employment: Sequence[OfficerEmployment]
    conduct: Sequence[OfficerConduct]
    keys: dict[int, str]


def _holdings(store: Store, officer_ids: Sequence[int]) -> Iterator[_Holding]:
    with store.reading():
        groups = store.merges.links().groups(officer_ids)
        everyone = [each for group in groups.values() for each in group]
        keys = store.history.officer_keys(everyone)
        employment, conduct = defaultdict(list), defaultdict(list)
        for held in store.employment.of_officers(everyone):
            employment[held.officer_id].append(held)
        for owned in store.conduct.of_officers(everyone):
            conduct[owned.officer_id].append(owned)
        people = {indexed.officer_id: indexed.person for indexed in store.officers.people(officer_ids)}
        for head, group in groups.items():
            own = people[head] if len(group) == 1 else store.officers.sources(head)[0].person
            jobs = [job for each in group for job in employment[each]]
            records = [record for each in group for record in conduct[each]]
            yield _Holding(keys[head], people[head], own, jobs, records, keys)


def _assess_person(holding: _Holding, quality: Quality, files: FixFiles) -> None:
    """Rule 1."""
    found = []
    if not holding.person.date_of_birth.full:
        reason = "the date of birth is not known, or in part only"
        found.append(Finding(Check.NO_DATE_OF_BIRTH, "date_of_birth", reason))
    if not any(number.kind == "cert" for number in holding.person.identifiers):
        found.append(Finding(Check.NO_CERTIFICATION, "cert_number", "there is no certification number"))
    quality.found.update(Check(each.check) for each in found)
    files.add(OfficerRow(holding.officer_key, holding.own), found)


def _assess_record(
    owned: OfficerConduct, born: PartialDate, quality: Quality, files: FixFiles, today: date, windows: Windows
) -> None:
    """Rules 2 and 3."""
    record = owned.record
    found = []
    quality.records += 1
    fairness = judge(record, today, window_days=windows.of(record))
    missing = fairness.missing if isinstance(fairness, Withheld) else ()
    to_fix = [each for each in missing if each.want not in _NOT_TO_FIX]
    if to_fix and not any(each.want is Want.STANDING for each in missing):
        quality.found[Check.NO_FAIR_PROCESS] += 1
        quality.missing[record.kind].update(each.want for each in to_fix)
        columns = "; ".join(_COLUMNS_OF.get(each.want, "") for each in to_fix)
        found.append(Finding(Check.NO_FAIR_PROCESS, columns, "; ".join(each.words for each in to_fix)))
    if wrong := tuple(_wrong_dates(record, born)):
        quality.found[Check.CONDUCT_DATES] += 1
        found += [Finding(Check.CONDUCT_DATES, column, reason) for column, reason in wrong]
    files.add(ConductRow(owned.officer_key, record), found)


def _wrong_dates(record: ConductRecord, born: PartialDate) -> Iterator[tuple[str, str]]:
    occurred, facts = record.occurred_on, record.fair_process
    if occurred is None:
        return
    if _too_young(born, occurred):
        yield "occurred_on", f"the officer was younger than {AGE_YEARS_MIN} when it happened"
    if facts.notice_on is not None and facts.notice_on < occurred:
        yield "notice_on", "notice was given before it happened"
    if facts.decided_on is not None and facts.decided_on < occurred:
        yield "decided_on", "it was decided before it happened"


def _assess_employment(holding: _Holding, quality: Quality, files: FixFiles, today: date) -> None:
    """Rules 3 and 4."""
    found: dict[OfficerEmployment, list[Finding]] = defaultdict(list)
    for job in holding.employment:
        hired_on = job.employment.hired_on
        if hired_on is not None and _too_young(holding.person.date_of_birth, hired_on):
            quality.found[Check.EMPLOYMENT_DATES] += 1
            reason = f"the officer was younger than {AGE_YEARS_MIN} when hired"
            found[job].append(Finding(Check.EMPLOYMENT_DATES, "hired_on", reason))
    # Two sources may tell of the same employment.
    distinct = {job.employment: job for job in holding.employment if job.employment.sworn and job.employment.hired_on}
    jobs = sorted(distinct.values(), key=lambda job: (str(job.employment.hired_on), job.employment.ori))
    overlapping = False
    for place, job in enumerate(jobs):
        for later in jobs[place + 1 :]:
            if _overlap(job.employment, later.employment, today):
                overlapping = True
                for one, other in ((job, later), (later, job)):
                    reason = f"overlaps with {other.employment.ori} from {other.employment.hired_on}"
                    found[one].append(Finding(Check.OVERLAPPING, "separated_on", reason))
    quality.found[Check.OVERLAPPING] += overlapping
    for job, findings in found.items():
        files.add(EmploymentRow(holding.keys[job.officer_id], job.employment), findings)


def _overlap(first: Employment, later: Employment, today: date) -> bool:
    """Rule 4; the first was hired no later."""
    if later.hired_on is None or (first.separated_on is None and first.ended):
        return False
    ends = min(first.separated_on or today, later.separated_on or today)
    if later.separated_on is None and later.ended:
        ends = first.separated_on or today
    return ends - later.hired_on > _DAY


def _too_young(born: PartialDate, day: date) -> bool:
    return born.year is not None and day.year - born.year < AGE_YEARS_MIN


_COLUMNS_OF: Final = {
    Want.NOTICE: "notice_on",
    Want.HEARING: "hearing",
    Want.DECIDED_BY: "decided_by",
    Want.DECIDED_ON: "decided_on",
    Want.APPEAL: "appeal",
    Want.FINAL: "final_on",
    Want.TOLD: "told_on",
    Want.ORDER: "decided_on",
}
"""The canonical column that holds each fact."""
