"""`waypost-trustee budgets show | set | size`: how many elements a member may have evaluated."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from waypost.protocol.names import valid_ori
from waypost.protocol.shell import HomeOption
from waypost.trustee import settings
from waypost.trustee.audit import Event
from waypost.trustee.errors import SettingsError
from waypost.trustee.evaluating import CHECK, REGISTRATION, budgets_of
from waypost.trustee.limits import OFFICERS_STATED_MAX
from waypost.trustee.store import Store

app = typer.Typer(help="Budgets of members.", no_args_is_help=True)
_DEFAULT_HOME = Path("waypost-trustee")
_OriArgument = Annotated[str, typer.Argument(help="The member's ORI.")]


class Purpose(StrEnum):
    """The words for the two purposes."""

    CHECK = "check"
    REGISTRATION = "registration"


_NUMBER = {Purpose.CHECK: CHECK, Purpose.REGISTRATION: REGISTRATION}


@app.command()
def show(ori: _OriArgument, home: HomeOption = _DEFAULT_HOME) -> None:
    """Show a member's budgets and what it used of them in the present window."""
    store = Store(settings.Home(home).database)
    now_ms = time.time_ns() // 1_000_000
    officers = store.officers_stated(_require(ori))
    typer.echo("officers      " + ("not stated" if officers is None else f"{officers} stated"))
    for word, number in _NUMBER.items():
        for budget in budgets_of(store, ori, number):
            used = store.used(ori, number, now_ms - budget.window_ms)
            span = "1 day" if budget.days == 1 else f"{budget.days} days"
            typer.echo(f"{word:<13} {used} of {budget.elements} elements used in {span}")


@app.command()
def size(
    ori: _OriArgument,
    officers: Annotated[
        int, typer.Argument(min=0, max=OFFICERS_STATED_MAX, help="Officers it holds, serving and former.")
    ],
    home: HomeOption = _DEFAULT_HOME,
) -> None:
    """State how many officers a member holds: its registrations in a day and in 30 days are bounded by that."""
    store = Store(settings.Home(home).database)
    with store.transaction():
        store.state_officers(_require(ori), officers)
        store.audit(time.time_ns() // 1_000_000, Event.BUDGET_SET, ori, f"officers {officers}")
        day, month = budgets_of(store, ori, REGISTRATION)
    typer.echo(f"{ori}: {officers} officers, {day.elements} elements a day, {month.elements} in {month.days} days.")


@app.command("set")
def set_budget(
    ori: _OriArgument,
    purpose: Annotated[Purpose, typer.Argument(help="Which budget.")],
    elements: Annotated[int, typer.Argument(min=0, help="Elements in the window: 96 a check, about 40 an officer.")],
    home: HomeOption = _DEFAULT_HOME,
) -> None:
    """Give a member a budget of its own: of a day for checks, of 30 days for registrations."""
    store = Store(settings.Home(home).database)
    with store.transaction():
        store.set_budget(_require(ori), _NUMBER[purpose], elements)
        store.audit(time.time_ns() // 1_000_000, Event.BUDGET_SET, ori, f"{purpose} {elements}")
    typer.echo(f"{ori}: {purpose} {elements} elements.")


def _require(ori: str) -> str:
    if not valid_ori(ori):
        raise SettingsError(f"{ori[:20]!r} is not an ORI", hint="nine capital letters and digits: CA0194200")
    return ori
