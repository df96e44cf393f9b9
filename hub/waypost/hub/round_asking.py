"""Asking for a round: by the operator, or by a schedule.

1. Measure and period are the catalogue's; the period is over; states are states that the roster has members in, and
   together they have at least the minimum of members.
2. A question has one answer: when it was asked before and did not fail, that round is the answer, done or on its way,
   however it is spelt (all states, and no states; 2026-09 and 2026Q3 of what stands at a period's end).
   No second draw of noise is ever made for it, and the audit shows that it was asked again.
3. The hub's own privacy ledger can pay it in every state concerned (the trustee keeps another). The loss is booked with
   the question, so that many questions at once cannot spend together what each alone may.
4. A schedule asks on the newest period of its span that is over, at the times of a cron line (UTC).
5. A question that is refused leaves an audit entry, whoever asks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from cronsim import CronSim, CronSimError
from sqlalchemy import Connection, delete, insert, select, update

from waypost.hub import round_schema, rounds
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import Refused, SettingsError
from waypost.hub.limits import ROUND_RHO_MILLIONTHS_PER_YEAR
from waypost.hub.rounds import HeldRound, RoundState
from waypost.protocol import limits
from waypost.protocol.errors import ProtocolError
from waypost.protocol.measures import Measure, measure
from waypost.protocol.periods import Period, Span, last_ended, parse_period
from waypost.protocol.roster import Roster
from waypost.protocol.rounds import cohort, states_of

_SCHEDULES: Final = round_schema.round_schedules
_ID_BYTES: Final = 16
_ASKED_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a measure, of whom (no states: of all), at which loss, and for how long answers are awaited."""

    measure: str
    states: tuple[str, ...]
    rho_millionths: int = limits.ROUND_RHO_MILLIONTHS_DEFAULT
    open_ms: int = limits.DAY_MS


def ask(connection: Connection, question: Question, period: str, roster: Roster, now_ms: int) -> tuple[HeldRound, bool]:
    """The round that answers a question, and whether it is a new one (rules 1 to 3); Refused or ProtocolError.

    What it raises is for `log_refusal`, in a transaction that is kept.
    """
    wanted = parse_period(period)
    states = tuple(sorted(set(question.states)))
    asked = measure(question.measure)
    if not wanted.ended(today(now_ms)):
        raise Refused("period-not-over", f"the period {period} is not over yet", hint="ask when it is")
    before = _asked_before(connection, asked, wanted, states, roster)
    if before is not None:
        add_audit(connection, now_ms, Event.ROUND_REPEATED, before.round_id.hex(), before.question)
        return before, False
    concerned = _concerned(states, roster)
    _require_bounds(question)
    _require_budget(connection, concerned, question.rho_millionths, now_ms)
    held = HeldRound(
        round_id=os.urandom(_ID_BYTES),
        measure=question.measure,
        period=period,
        states=states,
        rho_millionths=question.rho_millionths,
        open_ms=question.open_ms,
        asked_at_ms=now_ms,
        changed_at_ms=now_ms,
    )
    rounds.add(connection, held, concerned, year=year_of(now_ms))
    return held, True


def log_refusal(
    connection: Connection, subject: str, question: Question, period: str, reason: str, now_ms: int
) -> None:
    """Enter that a question was refused (rule 5); `subject` is the schedule's number, or empty for the operator."""
    asked = " ".join((question.measure, period, *question.states))[:_ASKED_CHARS_MAX]
    add_audit(connection, now_ms, Event.ROUND_REFUSED, subject, f"{asked}: {reason}")


def today(now_ms: int) -> date:
    """The day of a moment, UTC."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


def _concerned(states: tuple[str, ...], roster: Roster) -> frozenset[str]:
    """The states that a question costs (rule 1)."""
    members = cohort(roster, states)
    held = states_of(roster, members)
    unknown = sorted(set(states) - held)
    if unknown:
        raise Refused("unknown-state", f"no member of {unknown[0]} could answer", hint="see: waypost-hub members")
    if len(members) < limits.MINIMUM_COHORT:
        raise Refused(
            "too-small-cohort",
            f"{len(members)} members could answer, and a round needs {limits.MINIMUM_COHORT}",
            hint="ask more states together" if states else "ask when more agencies have joined",
        )
    return held


def _require_bounds(question: Question) -> None:
    if not 0 < question.rho_millionths <= limits.ROUND_RHO_MILLIONTHS_MAX:
        raise Refused("too-much-loss", "the privacy loss is outside of its bounds", hint="leave --rho out")
    if not 0 < question.open_ms <= limits.ROUND_OPEN_MAX_MS:
        raise Refused("too-long-lived", "a round is open for at most 30 days")


def _require_budget(connection: Connection, states: frozenset[str], rho_millionths: int, now_ms: int) -> None:
    """Rule 3."""
    lost = rounds.losses(connection, year_of(now_ms))
    for state in sorted(states):
        if lost.get(state, 0) + rho_millionths > ROUND_RHO_MILLIONTHS_PER_YEAR:
            raise Refused("budget-spent", f"the year's privacy budget of {state} is spent", hint="wait for next year")


def year_of(now_ms: int) -> int:
    """The ledger's year."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).year


def _asked_before(
    connection: Connection, asked: Measure, wanted: Period, states: tuple[str, ...], roster: Roster
) -> HeldRound | None:
    """The oldest round that answers this question (rule 2)."""
    table = round_schema.rounds
    query = select(table.c.round_id, table.c.period, table.c.states).where(
        table.c.measure == asked.name, table.c.state != RoundState.FAILED.value
    )
    members = cohort(roster, states)
    for row in connection.execute(query.order_by(table.c.asked_at_ms)).all():
        before = tuple(row.states.split())
        same_cohort = before == states or cohort(roster, before) == members
        if same_cohort and asked.repeats(wanted, parse_period(row.period)):
            return rounds.get(connection, row.round_id)
    return None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A question that is asked again and again."""

    number: int
    question: Question
    span: Span
    cron: str
    next_at_ms: int


def add_schedule(connection: Connection, question: Question, span: Span, cron: str, roster: Roster, now_ms: int) -> int:
    """Keep a schedule; its number. SettingsError when the cron line cannot be read."""
    measure(question.measure)
    _require_bounds(question)
    if question.states:
        _concerned(question.states, roster)
    values = {
        "measure": question.measure,
        "states": " ".join(sorted(set(question.states))),
        "span": span.value,
        "cron": cron,
        "rho_millionths": question.rho_millionths,
        "open_ms": question.open_ms,
        "next_at_ms": next_time_ms(cron, now_ms),
    }
    (number,) = connection.execute(insert(_SCHEDULES).values(**values)).inserted_primary_key or (0,)
    add_audit(connection, now_ms, Event.ROUND_SCHEDULED, str(number), f"{question.measure} {span} {cron}")
    return int(number)


def schedules(connection: Connection) -> list[Schedule]:
    """All schedules."""
    return [
        Schedule(
            number=row.id,
            question=Question(row.measure, tuple(row.states.split()), row.rho_millionths, row.open_ms),
            span=Span(row.span),
            cron=row.cron,
            next_at_ms=row.next_at_ms,
        )
        for row in connection.execute(select(_SCHEDULES).order_by(_SCHEDULES.c.id))
    ]


def remove_schedule(connection: Connection, number: int, now_ms: int) -> None:
    """End a schedule; SettingsError when there is none of that number."""
    if connection.execute(delete(_SCHEDULES).where(_SCHEDULES.c.id == number)).rowcount == 0:
        raise SettingsError(f"there is no schedule {number}", hint="see: waypost-hub round schedules")
    add_audit(connection, now_ms, Event.ROUND_UNSCHEDULED, str(number))


def next_time_ms(cron: str, now_ms: int) -> int:
    """When a cron line comes next after now, in UTC."""
    try:
        moment = next(CronSim(cron, datetime.fromtimestamp(now_ms / 1000, UTC)))
    except (CronSimError, StopIteration):
        raise SettingsError(
            f"{cron[:40]!r} is not a cron line", hint="such as '0 3 2 1,4,7,10 *': quarterly, on the 2nd at 03:00"
        ) from None
    return int(moment.timestamp() * 1000)


def ask_due(connection: Connection, roster: Roster, now_ms: int) -> int:
    """Ask what schedules have come due, once each however long the hub was away; how many were due."""
    due = [schedule for schedule in schedules(connection) if schedule.next_at_ms <= now_ms]
    for schedule in due:
        following = {"next_at_ms": next_time_ms(schedule.cron, now_ms)}
        connection.execute(update(_SCHEDULES).where(_SCHEDULES.c.id == schedule.number).values(**following))
        period = last_ended(schedule.span, today(now_ms)).text
        try:
            ask(connection, schedule.question, period, roster, now_ms)
        except (Refused, ProtocolError) as refusal:  # also a measure that an upgrade took out of the catalogue
            log_refusal(connection, str(schedule.number), schedule.question, period, refusal.reason, now_ms)
    return len(due)
