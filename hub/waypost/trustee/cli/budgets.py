"""`waypost-trustee budgets show | set`: how many elements a member may have evaluated."""

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
from waypost.trustee.evaluating import CHECK, DEFAULT_BUDGETS, REGISTRATION
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
    for word, number in _NUMBER.items():
        default = DEFAULT_BUDGETS[number]
        own = store.budget(_require(ori), number)
        used = store.used(ori, number, now_ms - default.window_ms)
        allowed = default.elements if own is None else own
        typer.echo(f"{word:<13} {used} of {allowed} elements used in {default.window_ms // 86_400_000} days")


@app.command("set")
def set_budget(
    ori: _OriArgument,
    purpose: Annotated[Purpose, typer.Argument(help="Which budget.")],
    elements: Annotated[int, typer.Argument(min=0, help="Elements in the window: 96 a check, about 40 an officer.")],
    home: HomeOption = _DEFAULT_HOME,
) -> None:
    """Give a member a budget of its own."""
    store = Store(settings.Home(home).database)
    with store.transaction():
        store.set_budget(_require(ori), _NUMBER[purpose], elements)
        store.audit(time.time_ns() // 1_000_000, Event.BUDGET_SET, ori, f"{purpose} {elements}")
    typer.echo(f"{ori}: {purpose} {elements} elements.")


def _require(ori: str) -> str:
    if not valid_ori(ori):
        raise SettingsError(f"{ori[:20]!r} is not an ORI", hint="nine capital letters and digits: CA0194200")
    return ori
