"""`waypost-hub epoch advance`: new index keys."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from waypost.hub import settings
from waypost.hub.audit import Event
from waypost.hub.database import add_audit, get_meta, open_engine, put_meta
from waypost.hub.errors import SettingsError
from waypost.hub.registrar import newest_roster
from waypost.protocol.roster import parse_roster
from waypost.protocol.shell import HomeOption

app = typer.Typer(help="Index epochs.", no_args_is_help=True)


@app.callback()
def epochs() -> None:
    """Index epochs."""


@app.command()
def advance(home: HomeOption = Path("waypost-hub")) -> None:
    """Ask for new index keys: a running hub agrees on them with the trustee, and every node registers anew."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with engine.begin() as connection:
        held = newest_roster(connection)
        wanted = int(get_meta(connection, "epoch") or "1")
        if held is None or parse_roster(held.payload).epoch != wanted:
            raise SettingsError(f"epoch {wanted} is not in force yet", hint="wait until waypost-hub status shows it")
        put_meta(connection, "epoch", str(wanted + 1))
        add_audit(connection, time.time_ns() // 1_000_000, Event.EPOCH_ADVANCED, str(wanted + 1))
    typer.echo(f"Epoch {wanted + 1} was asked for. Until all nodes have registered anew, coverage says who has not.")
