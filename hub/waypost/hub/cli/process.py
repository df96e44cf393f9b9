"""`waypost-hub init | serve | status | audit`."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, func, select

from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.hub import index, schema, settings, transparency
from waypost.hub.database import get_meta, open_engine
from waypost.hub.errors import SettingsError
from waypost.hub.limits import AUDIT_ENTRIES_SHOWN
from waypost.protocol.printing import audit_line
from waypost.protocol.public_files import fingerprint, fingerprint_line
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption, ask_new_passphrase, ask_passphrase

DEFAULT_HOME = Path("waypost-hub")
_PORT_MAX = 65_535


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (init, serve, status, audit):
        app.command()(command)


def init(
    trustee: Annotated[Path, typer.Option(help="The trustee's public file, trustee.json.")],
    trustee_address: Annotated[str, typer.Option(help="Where the trustee listens: HOST:PORT.")],
    home: HomeOption = DEFAULT_HOME,
    listen: Annotated[str, typer.Option(help="Where members link: HOST:PORT.")] = settings.DEFAULT_LISTEN,
    enrol_listen: Annotated[str, typer.Option(help="Where invited agencies join.")] = settings.DEFAULT_ENROL_LISTEN,
    advertise: Annotated[str, typer.Option(help="Host name for join codes, if not that of --listen.")] = "",
    database: Annotated[str, typer.Option(help="Database URL, if not hub.db in the home folder.")] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Found a hub: make its keys and database, and the public file for the trustee's operator."""
    for address in (listen, enrol_listen, trustee_address):
        _require_address(address)
    place = settings.Home(home)
    wanted = settings.Settings(
        listen=listen,
        enrol_listen=enrol_listen,
        advertise=advertise or listen.rpartition(":")[0],
        trustee=trustee_address,
        database=database,
    )
    settings.read_trustee(trustee)
    settings.found(place, find_passphrase(passphrase_file, ask_new_passphrase), wanted, trustee)
    typer.echo(f"The hub's home is {home}. Back it up, and keep its passphrase apart from it.")
    typer.echo(fingerprint_line(place.public, "this hub"))
    typer.echo("It accepts one trustee. Compare by telephone with what its operator sees in `waypost-trustee status`:")
    typer.echo(fingerprint_line(place.trustee, "the trustee"))
    typer.echo(f"Give {place.public} to the trustee's operator, then: waypost-hub serve --home {home}")


def _require_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _PORT_MAX:
        raise SettingsError(f"{address!r} is not an address", hint="write HOST:PORT, such as hub.example.gov:7400")


def serve(home: HomeOption = DEFAULT_HOME, passphrase_file: PassphraseOption = None) -> None:
    """Serve members until told to stop."""
    from waypost.hub.daemon import serve as run

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    place = settings.Home(home)
    settings.read_settings(place)
    asyncio.run(run(place, Keystore.open(place.keys, find_passphrase(passphrase_file, ask_passphrase))))


def status(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show what the hub holds: roster, members, pointers, mail."""
    place = settings.Home(home)
    wanted = settings.read_settings(place)
    engine = open_engine(settings.database_url(place, wanted))
    now_ms = time.time_ns() // 1_000_000
    with engine.begin() as connection:
        epoch = int(get_meta(connection, "epoch") or "1")
        facts = {
            "fingerprint": fingerprint(place.public),
            "trustee_fingerprint": fingerprint(place.trustee),
            "links": get_meta(connection, "link_address") or "not served yet",
            "enrolment": get_meta(connection, "enrol_address") or "not served yet",
            "trustee": wanted.trustee,
            "trustee_signed": _signed_at(connection),
            "roster_version": connection.scalar(select(func.max(schema.rosters.c.version))) or 0,
            "members": connection.scalar(select(func.count()).select_from(schema.members)) or 0,
            "index_current": len(index.current_oris(connection, epoch, now_ms)),
            "index_epoch": epoch,
            "pointers": connection.scalar(select(func.count()).select_from(schema.pointers)) or 0,
            "mail_waiting": connection.scalar(select(func.count()).select_from(schema.mailbox)) or 0,
            "checks_open": connection.scalar(select(func.count()).select_from(schema.checks)) or 0,
        }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(fingerprint_line(place.public, "this hub"))
    typer.echo(fingerprint_line(place.trustee, "the trustee"))
    for name, value in facts.items():
        if name.endswith("fingerprint"):
            continue
        typer.echo(f"{name.replace('_', ' '):<16} {value}")


def _signed_at(connection: Connection) -> str:
    """When the trustee signed a checkpoint last: the last contact that is on record."""
    held = transparency.published(connection)
    if held is None:
        return "not yet"
    return datetime.fromtimestamp(held.cosigned_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def audit(
    home: HomeOption = DEFAULT_HOME,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = AUDIT_ENTRIES_SHOWN,
    as_json: JsonOption = False,
) -> None:
    """Show the newest audit entries."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    table = schema.audit
    query = select(table.c.at_ms, table.c.event, table.c.subject, table.c.detail)
    with engine.begin() as connection:
        rows = connection.execute(query.order_by(table.c.id.desc()).limit(count)).all()
    for row in reversed(rows):
        typer.echo(audit_line(row.at_ms, row.event, row.subject, row.detail, as_json=as_json))
