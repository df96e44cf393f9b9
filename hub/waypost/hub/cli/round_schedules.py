"""`waypost-hub round schedule | schedules | unschedule`: asking regularly and periodically."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from waypost.hub.cli.rounds import (
    DEFAULT_HOME,
    MINUTES,
    RHO,
    MeasureArgument,
    MinutesOption,
    RhoOption,
    StatesOption,
    app,
    hub_and_roster,
    now_ms,
    question_of,
)
from waypost.protocol.periods import Span
from waypost.protocol.shell import HomeOption, JsonOption


def register(_root: typer.Typer) -> None:
    """Add the commands to `round`."""
    for command in (schedule, schedules, unschedule):
        app.command()(command)


def schedule(
    measure: MeasureArgument,
    cron: Annotated[str, typer.Option(help="When to ask, as a cron line in UTC: '0 3 2 1,4,7,10 *'.")],
    span: Annotated[Span, typer.Option(help="Ask on the newest month, quarter or year that is over.")] = Span.QUARTER,
    states: StatesOption = "",
    rho: RhoOption = RHO,
    open_minutes: MinutesOption = MINUTES,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Ask a question regularly and periodically."""
    from waypost.hub import round_asking

    question = question_of(measure, states, rho, open_minutes)
    with hub_and_roster(home) as (connection, roster):
        number = round_asking.add_schedule(connection, question, span, cron, roster, now_ms())
        (made,) = (each for each in round_asking.schedules(connection) if each.number == number)
    typer.echo(f"Schedule {number}: first at {_moment(made.next_at_ms)}.")


def schedules(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the schedules."""
    from waypost.hub import round_asking

    with hub_and_roster(home) as (connection, _):
        held = round_asking.schedules(connection)
    for each in held:
        question = each.question
        if as_json:
            facts = {"number": each.number, "measure": question.measure, "states": question.states, "cron": each.cron}
            typer.echo(json.dumps({**facts, "span": each.span, "next_at_ms": each.next_at_ms}))
        else:
            whom = ",".join(question.states) or "all states"
            when = _moment(each.next_at_ms)
            typer.echo(f"{each.number}  {question.measure} ({whom}) each {each.span}, {each.cron}, next {when}")


def unschedule(
    number: Annotated[int, typer.Argument(min=1, help="The schedule's number.")], home: HomeOption = DEFAULT_HOME
) -> None:
    """End a schedule."""
    from waypost.hub import round_asking

    with hub_and_roster(home) as (connection, _):
        round_asking.remove_schedule(connection, number, now_ms())
    typer.echo(f"Schedule {number} is ended.")


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
