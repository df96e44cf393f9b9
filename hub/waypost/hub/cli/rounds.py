"""`waypost-hub round start | status | show | list | measures` (round_schedules.py has the others)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from waypost.hub.errors import SettingsError
from waypost.hub.limits import ROUNDS_SHOWN
from waypost.protocol import limits
from waypost.protocol.shell import HomeOption, JsonOption

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from waypost.hub.round_asking import Question
    from waypost.hub.rounds import HeldRound
    from waypost.protocol.roster import Roster

app = typer.Typer(help="Aggregate rounds: totals of which no party sees a part.", no_args_is_help=True)
DEFAULT_HOME = Path("waypost-hub")
_MINUTES_MAX = limits.ROUND_OPEN_MAX_MS // limits.MINUTE_MS
_MILLION = 10**6

MeasureArgument = Annotated[str, typer.Argument(help="What to count; `waypost-hub round measures` lists it.")]
StatesOption = Annotated[str, typer.Option(help="Only agencies of these states, such as CA,NV; all, if not said.")]
RhoOption = Annotated[
    float, typer.Option(min=0.000001, max=limits.ROUND_RHO_MILLIONTHS_MAX / _MILLION, help="Privacy loss (zCDP).")
]
MinutesOption = Annotated[
    int, typer.Option("--open-minutes", min=1, max=_MINUTES_MAX, help="How long answers are awaited.")
]
RHO = limits.ROUND_RHO_MILLIONTHS_DEFAULT / _MILLION
MINUTES = limits.DAY_MS // limits.MINUTE_MS


_WHY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "asked-before": "The trustee signed a round on this question already; two draws of noise could be averaged.",
        "differencing": "With other rounds on what it counts, it would single out fewer members than the minimum: ask "
        "the states that you asked before, or ask again when the members are back that were away.",
        "budget-spent": "The trustee's ledger allows no more privacy loss in one of these states this year.",
        "too-small-cohort": "Fewer members than the minimum could answer: ask more states together.",
        "too-few-answers": "Fewer members than the minimum answered: ask again, and leave it open for longer.",
    }
)
"""What a failed round's reason means, and what to do."""


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="round")


@app.command()
def start(
    measure: MeasureArgument,
    period: Annotated[str, typer.Option(help="A period that is over: 2026, 2026Q3, 2026-09, 2017..2026.")],
    states: StatesOption = "",
    rho: RhoOption = RHO,
    open_minutes: MinutesOption = MINUTES,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Ask for a round; a running hub brings it to its end. A question that was asked before has its answer already."""
    question = question_of(measure, states, rho, open_minutes)
    held, is_new = _ask(home, question, period)
    if as_json:
        typer.echo(json.dumps({**_facts(held), "new": is_new}))
    elif is_new:
        typer.echo(f"Round {_short(held)} is asked. See: waypost-hub round status")
    else:
        typer.echo(f"This was asked before: round {_short(held)} is {held.state}. No second draw is made.")
        typer.echo(f"See: waypost-hub round show {_short(held)}")


def _ask(home: Path, question: Question, period: str) -> tuple[HeldRound, bool]:
    """Ask; what is refused is entered in the audit before it is raised."""
    from waypost.hub import round_asking
    from waypost.hub.errors import Refused
    from waypost.protocol.errors import ProtocolError

    at_ms = now_ms()
    with hub_and_roster(home) as (connection, roster):
        try:
            return round_asking.ask(connection, question, period, roster, at_ms)
        except (Refused, ProtocolError) as error:
            refusal = error
            round_asking.log_refusal(connection, "", question, period, error.reason, at_ms)
    raise refusal


@app.command()
def status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show the rounds that are on their way, with their progress, and the year's privacy losses."""
    from waypost.hub import round_asking, rounds
    from waypost.hub.limits import ROUND_RHO_MILLIONTHS_PER_YEAR

    with hub_and_roster(home) as (connection, _):
        held = [(each, rounds.progress(connection, each.round_id)) for each in rounds.unfinished(connection)]
        losses = rounds.losses(connection, round_asking.year_of(now_ms()))
    if as_json:
        on_their_way = [{**_facts(each), "members": {str(k): v for k, v in parts.items()}} for each, parts in held]
        typer.echo(json.dumps({"rounds": on_their_way, "losses_millionths": losses}))
        return
    for each, parts in held:
        done = ", ".join(f"{count} {part}" for part, count in parts.items() if count)
        typer.echo(f"{_short(each)}  {each.state:<9} {each.question}  {done or 'nobody asked yet'}")
    if not held:
        typer.echo("No round is on its way.")
    spent = sorted(losses.items(), key=lambda item: -item[1])[:1]
    for state, lost in spent:
        budget = ROUND_RHO_MILLIONTHS_PER_YEAR / _MILLION
        typer.echo(f"Privacy loss this year: rho {lost / _MILLION:.3f} of {budget:.3f} at most (in {state}).")


@app.command("list")
def list_rounds(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the newest rounds, whatever became of them."""
    from waypost.hub import rounds

    with hub_and_roster(home) as (connection, _):
        held = rounds.newest(connection, ROUNDS_SHOWN)
    for each in held:
        if as_json:
            typer.echo(json.dumps(_facts(each)))
        else:
            moment = datetime.fromtimestamp(each.asked_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            typer.echo(f"{_short(each)}  {moment}  {each.state:<9} {each.question}  {each.reason}".rstrip())


@app.command()
def show(
    round_id: Annotated[str, typer.Argument(metavar="ROUND", help="The round's id, or its beginning.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Show a round: its table if it is done, who was in, who was not and why, and what it cost."""
    from waypost.hub import rounds

    with hub_and_roster(home) as (connection, _):
        found = rounds.find(connection, round_id)
        if len(found) != 1:
            raise SettingsError(f"{len(found)} rounds begin with {round_id[:32]!r}", hint="see: waypost-hub round list")
        (held,) = found
        parts = rounds.members(connection, held.round_id)
    facts = {**_facts(held), "members": {member.ori: f"{member.part} {member.reason}".strip() for member in parts}}
    result = _result(held)
    if as_json:
        typer.echo(json.dumps({**facts, "result": result}))
        return
    typer.echo(f"round {held.round_id.hex()}\n{held.question}\n{held.state} {held.reason}".rstrip())
    if held.reason in _WHY:
        typer.echo(_WHY[held.reason])
    if result is None:
        for member in parts:
            typer.echo(f"  {member.ori}  {member.part} {member.reason}".rstrip())
        return
    _print_result(result)


def _print_result(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for title in (*result["dimensions"], "total"):
        table.add_column(title)
    for cell in result["cells"]:
        table.add_row(*cell["values"], "suppressed" if cell["suppressed"] else f"{cell['total']:,}")
    Console(soft_wrap=True, markup=False).print(table)
    typer.echo(
        f"{len(result['participants'])} participants, {len(result['absent'])} absent; "
        f"each total within {result['margin_95']:.0f} of the true one with 95 % confidence; "
        f"rho {result['rho']}, epsilon {result['epsilon']} at delta {result['delta']}"
    )
    for absent in result["absent"]:
        typer.echo(f"  absent: {absent['ori']} {absent['reason'] or '(no answer in time)'}")


@app.command()
def measures(as_json: JsonOption = False) -> None:
    """List the catalogue of measures: what rounds can count, and how."""
    from waypost.protocol.measures import MEASURES

    for each in MEASURES.values():
        if as_json:
            facts = {
                "name": each.name,
                "title": each.title,
                "clause": each.clause,
                "unit": each.unit,
                "clip": each.clip,
                "by_year": each.by_year,
                "dimensions": {dimension.name: dimension.values for dimension in each.dimensions},
                "documentation": each.documentation,
            }
            typer.echo(json.dumps(facts))
        else:
            typer.echo(f"{each.name}: {each.title}\n  {each.documentation}")


@contextmanager
def hub_and_roster(home: Path) -> Iterator[tuple[Connection, Roster]]:
    """One transaction on the hub's database, and the roster in force."""
    from waypost.hub import settings
    from waypost.hub.database import open_engine
    from waypost.hub.registrar import newest_roster
    from waypost.protocol.roster import parse_roster

    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with engine.begin() as connection:
        held = newest_roster(connection)
        if held is None:
            raise SettingsError("the federation has no roster yet", hint="start the hub: waypost-hub serve")
        yield connection, parse_roster(held.payload)


def question_of(measure: str, states: str, rho: float, open_minutes: int) -> Question:
    """The question that these options ask."""
    from waypost.hub.round_asking import Question

    named = tuple(sorted({state.strip().upper() for state in states.split(",") if state.strip()}))
    return Question(measure, named, round(rho * _MILLION), open_minutes * limits.MINUTE_MS)


def _facts(held: HeldRound) -> dict[str, Any]:
    return {
        "round": held.round_id.hex(),
        "measure": held.measure,
        "period": held.period,
        "states": list(held.states),
        "rho": held.rho_millionths / _MILLION,
        "state": str(held.state),
        "reason": held.reason,
        "asked_at_ms": held.asked_at_ms,
        "closes_at_ms": held.closes_at_ms,
    }


def _result(held: HeldRound) -> dict[str, Any] | None:
    from waypost.crypto.envelope import parse_envelope
    from waypost.hub.rounds import RoundState
    from waypost.protocol.round_results import parse_result

    if held.state is not RoundState.DONE:
        return None
    result = parse_result(parse_envelope(held.result or b"").payload)
    return {
        "dimensions": [dimension.title for dimension in result.measure.dimensions_in(result.period)],
        "cells": [
            {"values": list(cell.values), "total": cell.total, "suppressed": cell.suppressed} for cell in result.cells
        ],
        "participants": list(result.participants),
        "absent": [{"ori": member.ori, "reason": member.reason} for member in result.absent],
        "rho": result.rho_millionths / _MILLION,
        "epsilon": result.epsilon,
        "delta": result.delta,
        "noise_deviation": result.noise_deviation,
        "margin_95": result.margin_95,
        "small_cell": result.small_cell,
        "closed_at_ms": result.closed_at_ms,
    }


def _short(held: HeldRound) -> str:
    return held.round_id.hex()[:12]


def now_ms() -> int:
    """The time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
