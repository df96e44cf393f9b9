"""How long a node keeps what: a file that says so, what that would remove today, and the removal itself.

    # HOME/retention.toml: everything in years; what is not named is kept
    [records]
    suspension = 10
    commendation = 20

    [logs]
    disclosures = 7
    audit = 3
    checks = 2
    notices = 7

1. Nothing is removed that the file does not name.
2. A record's years count from the decision, else from its effect, else from its occurrence; a record without any of
   these dates, or with an open dispute, stays. A removed record is expunged (changing.py) with the cause "retention":
   nobody is told, for what others may keep came to them with the record.
3. The account of a disclosure is kept at least DISCLOSURES_KEPT_YEARS_MIN years, and as long as a record that it names.
   The disclosure log is only ever shortened from its oldest end, and the digests of what went stay in its chain.
4. Checks that are not done, the newest check of a watch, notices that nobody acknowledged, the newest notice about a
   record, and what owners told about answers that are kept: all of these stay.
5. What was removed is on record, and deleted rows are scrubbed out of the database file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from waypost.node import asking, changing, scrubbing
from waypost.node.audit import Event
from waypost.node.errors import SettingsError
from waypost.node.limits import DISCLOSURES_KEPT_YEARS_MIN, KEPT_YEARS_MAX
from waypost.node.records import ConductKind, ConductRecord
from waypost.node.store import AuditEntry, Removable, Store
from waypost.node.store.retention import AUDIT, CHECKS, DISCLOSURES, LOGS, NOTICES

_STAFF: Final = "retention"


@dataclass(frozen=True, slots=True)
class Rules:
    """Years by kind of record and by log; SettingsError where it is made, when a rule is broken."""

    records: Mapping[str, int] = field(default_factory=dict)
    logs: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for names, table, known in ((self.records, "records", set(ConductKind)), (self.logs, "logs", set(LOGS))):
            for name, years in names.items():
                if name not in known:
                    raise SettingsError(f"retention.toml: {name!r} is none of {table}", hint=", ".join(sorted(known)))
                if not isinstance(years, int) or isinstance(years, bool) or not 1 <= years <= KEPT_YEARS_MAX:
                    raise SettingsError(f"retention.toml: {name} is not 1 to {KEPT_YEARS_MAX} years", hint="mend it")
        if self.logs.get(DISCLOSURES, DISCLOSURES_KEPT_YEARS_MIN) < DISCLOSURES_KEPT_YEARS_MIN:
            raise SettingsError(
                f"retention.toml: the account of disclosures is kept at least {DISCLOSURES_KEPT_YEARS_MIN} years",
                hint="5 U.S.C. 552a(c)(2) has the same bound",
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be removed on that day: records by key, and entries by log."""

    records: tuple[ConductRecord, ...]
    undated: int
    logs: Mapping[str, Removable]


def read_rules(home: Path) -> Rules:
    """The node's retention file; without one everything is kept. SettingsError when it cannot be used."""
    path = home / "retention.toml"
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="mend it; nothing was removed") from None
    unknown = sorted(set(content) - {"records", "logs"})
    if unknown:
        raise SettingsError(f"{path} has a table {unknown[0]!r}", hint="its tables are records and logs")
    return Rules(content.get("records", {}), content.get("logs", {}))


def plan(store: Store, rules: Rules, today: date) -> Plan:
    """What the rules would remove on that day (rules 1 to 4)."""
    with store.reading():
        named = [owned.record for owned in store.conduct.all() if owned.record.kind in rules.records]
        due = tuple(record for record in named if _over(record, rules.records[record.kind], today))
        logs = {log: _removable(store, log, years, today) for log, years in rules.logs.items()}
    return Plan(due, sum(_dated(record) is None for record in named), logs)


def run(store: Store, rules: Rules, *, rejects: Path, today: date, now_ms: int) -> Plan:
    """Remove it (rule 5): what was removed."""
    with store.writing():
        planned = plan(store, rules, today)
        for record in planned.records:
            changing.expunge(
                *(store, record.record_key),
                cause=changing.CAUSE_RETENTION,
                reference=f"{rules.records[record.kind]} years",
                staff=_STAFF,
                rejects=rejects,
                now_ms=now_ms,
            )
        for log, found in planned.logs.items():
            if found.entries:
                _remove(store, log, found, _before_ms(rules.logs[log], today), now_ms)
        counts = ", ".join(f"{log} {found.entries}" for log, found in planned.logs.items())
        detail = f"records {len(planned.records)}{', ' if counts else ''}{counts}"
        store.audit.add(AuditEntry(now_ms, Event.RETENTION_RUN, _STAFF, detail))
        if planned.records or any(found.entries for found in planned.logs.values()):
            scrubbing.note_due(store)
    scrubbing.scrub_if_free(store)
    return planned


def _dated(record: ConductRecord) -> date | None:
    """Rule 2."""
    return record.fair_process.decided_on or record.effective_on or record.occurred_on


def _over(record: ConductRecord, years: int, today: date) -> bool:
    day = _dated(record)
    return day is not None and record.dispute is None and day < _years_before(today, years)


def _years_before(today: date, years: int) -> date:
    try:
        return today.replace(year=today.year - years)
    except ValueError:  # the 29th of February
        return today.replace(year=today.year - years, day=28)


def _before_ms(years: int, today: date) -> int:
    day = _years_before(today, years)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _removable(store: Store, log: str, years: int, today: date) -> Removable:
    before_ms = _before_ms(years, today)
    if log == DISCLOSURES:
        return store.retention.disclosures(before_ms)
    if log == AUDIT:
        return store.retention.audit(before_ms)
    if log == CHECKS:
        return store.retention.checks(before_ms, asking.DONE_STATES)
    return store.retention.notices(before_ms)


def _remove(store: Store, log: str, found: Removable, before_ms: int, now_ms: int) -> None:
    if log == CHECKS:
        store.retention.remove_checks(found, before_ms, asking.DONE_STATES, now_ms)
    elif log == NOTICES:
        store.retention.remove_notices(found, before_ms, now_ms)
    else:
        store.retention.remove_book(log, found, now_ms)
