"""`waypost-trustee round list | budget`: what the trustee signed, and the yearly privacy budget."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from waypost.protocol.shell import HomeOption, JsonOption
from waypost.trustee import settings
from waypost.trustee.audit import Event
from waypost.trustee.limits import ROUND_RHO_MILLIONTHS_PER_YEAR, ROUNDS_SHOWN
from waypost.trustee.round_rules import year_of
from waypost.trustee.store import Store

app = typer.Typer(help="Aggregate rounds and their privacy budget.", no_args_is_help=True)
_DEFAULT_HOME = Path("waypost-trustee")
_MILLION = 10**6
_RHO_MAX = 10.0


@app.command("list")
def list_rounds(home: HomeOption = _DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the newest rounds that the trustee signed."""
    for held in Store(settings.Home(home).database).rounds.newest(ROUNDS_SHOWN):
        facts = {
            "round": held.round_id.hex(),
            "state": str(held.state),
            "measure": held.measure,
            "period": held.period,
            "states": list(held.states),
        }
        if as_json:
            typer.echo(json.dumps(facts))
        else:
            whom = " ".join(held.states) or "all states"
            typer.echo(f"{held.round_id.hex()[:12]}  {held.state:<13} {held.measure} {held.period} ({whom})")


@app.command()
def budget(
    rho: Annotated[
        float | None, typer.Option("--set", min=0, max=_RHO_MAX, help="Rho a state may lose a year.")
    ] = None,
    home: HomeOption = _DEFAULT_HOME,
) -> None:
    """Show or set how much privacy (rho, zCDP) each state's members may lose in a year, and what was lost."""
    store = Store(settings.Home(home).database)
    now_ms = time.time_ns() // _MILLION
    if rho is not None:
        with store.transaction():
            store.rounds.set_budget(round(rho * _MILLION))
            store.audit(now_ms, Event.ROUND_BUDGET_SET, "", str(round(rho * _MILLION)))
    own = store.rounds.budget()
    allowed = ROUND_RHO_MILLIONTHS_PER_YEAR if own is None else own
    typer.echo(f"Each state's members may lose rho {allowed / _MILLION} in a year.")
    for state, lost in store.rounds.losses(year_of(now_ms)).items():
        typer.echo(f"  {state}  {lost / _MILLION} lost this year")
