"""`waypost-trustee init | accept | serve | audit | status`."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.protocol.printing import audit_line
from waypost.protocol.public_files import fingerprint, fingerprint_line
from waypost.protocol.roster import parse_roster
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption, ask_new_passphrase, ask_passphrase
from waypost.trustee import settings
from waypost.trustee.audit import Event
from waypost.trustee.errors import SettingsError
from waypost.trustee.limits import AUDIT_ENTRIES_SHOWN
from waypost.trustee.store import Store

DEFAULT_HOME = Path("waypost-trustee")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (init, accept, serve, audit, status):
        app.command()(command)


def init(
    home: HomeOption = DEFAULT_HOME,
    listen: Annotated[str, typer.Option(help="Where to listen for the hub: HOST:PORT.")] = settings.DEFAULT_LISTEN,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Found a trustee: make its keys, and the public file for the hub's operator."""
    place = settings.Home(home)
    settings.found(place, find_passphrase(passphrase_file, ask_new_passphrase), listen)
    typer.echo(f"The trustee's home is {home}. Back it up, and keep its passphrase apart from it.")
    typer.echo(fingerprint_line(place.public, "this trustee"))
    typer.echo(f"Give {place.public} to the hub's operator, then: waypost-trustee accept HUB_JSON --home {home}")


def accept(
    hub_json: Annotated[Path, typer.Argument(help="The hub's public file, hub.json.")], home: HomeOption = DEFAULT_HOME
) -> None:
    """Accept one hub: from now on only that hub is served."""
    place = settings.Home(home)
    settings.listen_address(place)
    identity = settings.read_hub(hub_json)
    if place.hub.exists() and settings.read_hub(place.hub) != identity:
        raise SettingsError(
            "another hub was accepted before",
            hint=f"if this is meant, remove {place.hub} first",
        )
    if not place.hub.exists():
        shutil.copyfile(hub_json, place.hub)
    store = Store(place.database)
    store.audit(time.time_ns() // 1_000_000, Event.HUB_ACCEPTED, fingerprint(place.hub))
    typer.echo("Accepted the hub. Compare by telephone with what its operator sees in `waypost-hub status`:")
    typer.echo(fingerprint_line(place.hub, "the hub"))


def serve(home: HomeOption = DEFAULT_HOME, passphrase_file: PassphraseOption = None) -> None:
    """Serve the accepted hub until told to stop."""
    from waypost.trustee.daemon import serve as run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    place = settings.Home(home)
    settings.listen_address(place)
    settings.read_hub(place.hub)
    asyncio.run(run(place, Keystore.open(place.keys, find_passphrase(passphrase_file, ask_passphrase))))


def audit(
    home: HomeOption = DEFAULT_HOME,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = AUDIT_ENTRIES_SHOWN,
    as_json: JsonOption = False,
) -> None:
    """Show the newest audit entries."""
    for entry in Store(settings.Home(home).database).entries(count):
        typer.echo(audit_line(entry.at_ms, entry.event, entry.subject, entry.detail, as_json=as_json))


def status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show what the trustee holds: hub, roster, admissions."""
    place = settings.Home(home)
    store = Store(place.database)
    held = store.roster()
    roster = None if held is None else parse_roster(held.payload)
    facts = {
        "listen": settings.listen_address(place),
        "fingerprint": fingerprint(place.public),
        "hub_accepted": place.hub.exists(),
        "hub_fingerprint": fingerprint(place.hub) if place.hub.exists() else "",
        "roster_version": roster.version if roster else 0,
        "members": len(roster.members) if roster else 0,
        "index_epoch": roster.epoch if roster else 0,
        "admissions_open": sorted(store.admitted()),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(fingerprint_line(place.public, "this trustee"))
    if place.hub.exists():
        typer.echo(fingerprint_line(place.hub, "the hub"))
    for name, value in facts.items():
        if name.endswith("fingerprint"):
            continue
        typer.echo(f"{name.replace('_', ' '):<16} {' '.join(value) if isinstance(value, list) else value}")
