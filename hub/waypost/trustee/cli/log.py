"""`waypost-trustee log show | restart`: the hub's transparency log as the trustee has witnessed it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from waypost.protocol.shell import HomeOption, JsonOption
from waypost.trustee import settings
from waypost.trustee.audit import Event
from waypost.trustee.errors import SettingsError
from waypost.trustee.store import Store

DEFAULT_HOME = Path("waypost-trustee")
app = typer.Typer(help="The hub's transparency log as the trustee has witnessed it.", no_args_is_help=True)
_REASON_CHARS_MAX = 200


def register(parent: typer.Typer) -> None:
    """Add this noun."""
    parent.add_typer(app, name="log")


@app.command("show")
def show_log(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show the checkpoint that was cosigned last, and those that were refused: both bear the hub's signature."""
    store = Store(settings.Home(home).database)
    held, refused = store.checkpoint(), store.refused_checkpoints()
    facts = {
        "checkpoint": held.decode() if held else "",
        "refused": [note.decode(errors="replace") for note in refused],
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo("Cosigned last:\n")
    typer.echo(facts["checkpoint"] or "(none yet)")
    for note in facts["refused"]:
        typer.echo(f"Refused:\n\n{note}")


@app.command("restart")
def restart(
    reason: Annotated[str, typer.Option(help="Why the hub may begin its log anew; kept in the audit.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Forget the checkpoint cosigned last, so that a hub whose log was lost can begin anew. Every node will object."""
    store = Store(settings.Home(home).database)
    if store.checkpoint() is None:
        raise SettingsError("no checkpoint was cosigned yet; there is nothing to restart")
    with store.transaction():
        store.forget_checkpoint()
        store.audit(time.time_ns() // 1_000_000, Event.LOG_RESTARTED, "", reason[:_REASON_CHARS_MAX])
    typer.echo("The next checkpoint is cosigned whatever it says. Each node's staff must resolve it: waypost-node log.")
