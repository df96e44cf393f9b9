"""`waypost-hub bodies` and `describe`: what the operator signs about members."""

from __future__ import annotations

import csv
import json
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine

from waypost.crypto.envelope import SigningKey
from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.hub import facts, members, settings
from waypost.hub.compliance import certified_bodies
from waypost.hub.database import open_engine, reading
from waypost.hub.errors import Refused, SettingsError
from waypost.hub.evidence import Rosters, read_evidence
from waypost.protocol import names
from waypost.protocol.names import require_ori
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption, ask_passphrase
from waypost.v1 import compliance_pb2, roster_pb2

DEFAULT_HOME = Path("waypost-hub")
app = typer.Typer(help="Credentialing bodies and their certification, section 2(c).", no_args_is_help=True)
_OriArgument = Annotated[str, typer.Argument(help="The member's ORI.")]


class LocaleWord(StrEnum):
    """The words for locales."""

    URBAN = "urban"
    RURAL = "rural"
    UNKNOWN = "unknown"


_LOCALES = {
    LocaleWord.URBAN: compliance_pb2.LOCALE_URBAN,
    LocaleWord.RURAL: compliance_pb2.LOCALE_RURAL,
    LocaleWord.UNKNOWN: compliance_pb2.LOCALE_UNSPECIFIED,
}


def register(root: typer.Typer) -> None:
    """Add this module's commands."""
    root.add_typer(app, name="bodies")
    root.command()(describe)


@app.command()
def certify(
    ori: _OriArgument,
    from_on: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    to_on: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")],
    state: Annotated[
        list[str] | None, typer.Option(help="A state it may credential in; repeatable. None: all.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Certify a credentialing body for a time, and for some states or all."""
    states = sorted(set(state or ()))
    content = compliance_pb2.BodyCertification(body_ori=ori, from_on=from_on, to_on=to_on, states=states)
    _state(home, passphrase_file, [(names.BODY_CERTIFICATION, content)], roster_pb2.ROLE_CREDENTIALING_BODY, [ori])
    typer.echo(f"{ori} is certified from {from_on} to {to_on} for {', '.join(states) or 'all states'}.")


@app.command()
def withdraw(
    ori: _OriArgument,
    reason: Annotated[str, typer.Option(help="Why; it stands in the signed fact.")],
    home: HomeOption = DEFAULT_HOME,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Withdraw a body's certifications: its credentials no longer count, from today on."""
    content = compliance_pb2.BodyWithdrawal(body_ori=ori, reason=reason)
    _state(home, passphrase_file, [(names.BODY_WITHDRAWAL, content)], roster_pb2.ROLE_CREDENTIALING_BODY, [ori])
    typer.echo(f"{ori} is no longer certified.")


@app.command("list")
def list_bodies(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the credentialing bodies among the members, and until when each is certified."""
    place = settings.Home(home)
    keys = settings.read_public_key(place), settings.read_trustee(place.trustee).signing_key
    today = datetime.now(UTC).date()
    with reading(_engine(place)) as connection:
        rows = members.all_members(connection)
        evidence, _ = read_evidence(Rosters(connection, *keys), today)
    certified = certified_bodies(evidence, today)
    table = Table("ORI", "body", "certified until", "for")
    for row in rows:
        if row.role != roster_pb2.ROLE_CREDENTIALING_BODY:
            continue
        to_on, states = certified.get(row.ori, (None, ()))
        shown = (row.ori, row.name, "" if to_on is None else to_on.isoformat(), list(states))
        if as_json:
            typer.echo(json.dumps(dict(zip(("ori", "name", "certified_until", "states"), shown, strict=True))))
        table.add_row(*shown[:2], shown[2] or "not certified", ", ".join(states) or ("all states" if to_on else ""))
    if not as_json:
        Console().print(table)


def describe(
    home: HomeOption = DEFAULT_HOME,
    ori: Annotated[str, typer.Argument(help="The member's ORI; none with --file.")] = "",
    officers: Annotated[int, typer.Option(min=0, help="Officers employed, from public statistics.")] = 0,
    locale: Annotated[LocaleWord, typer.Option(help="Where it works.")] = LocaleWord.UNKNOWN,
    file: Annotated[Path | None, typer.Option(help="A CSV file with the columns ori, officers, locale.")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Say how many officers a member employs and where it works, for compliance by size and the release's coverage."""
    if bool(ori) == (file is not None):
        raise SettingsError(
            "give one ORI, or a file of many", hint="--officers 120 --locale urban, or --file sizes.csv"
        )
    rows = [(ori, officers, locale)] if file is None else _read_sizes(file)
    stated: list[tuple[str, Message]] = [
        (
            names.MEMBER_DESCRIPTION,
            compliance_pb2.MemberDescription(ori=row[0], officers=row[1], locale=_LOCALES[row[2]]),
        )
        for row in rows
    ]
    _state(home, passphrase_file, stated, None, [row[0] for row in rows])
    typer.echo(f"Described {len(rows)} members.")


def _read_sizes(path: Path) -> list[tuple[str, int, LocaleWord]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [(row["ori"], int(row["officers"]), LocaleWord(row["locale"])) for row in csv.DictReader(file)]
    except OSError:
        raise SettingsError(f"{path} cannot be read", hint="name a CSV file") from None
    except (KeyError, ValueError, TypeError):
        raise SettingsError(
            f"{path} is not a file of sizes", hint="columns ori, officers, locale (urban, rural, unknown)"
        ) from None


def _state(
    home: Path, passphrase_file: Path | None, stated: list[tuple[str, Message]], role: int | None, oris: list[str]
) -> None:
    """Sign the facts and keep them, all or none."""
    place = settings.Home(home)
    engine = _engine(place)
    key = SigningKey.from_seed(
        Keystore.open(place.keys, find_passphrase(passphrase_file, ask_passphrase)).get("signing")
    )
    now_ms = time.time_ns() // 1_000_000
    with engine.begin() as connection:
        for ori in oris:
            _require_member(connection, require_ori(ori), role)
        for kind, content in stated:
            facts.state_fact(connection, kind, content, key, now_ms)


def _require_member(connection: Connection, ori: str, role: int | None) -> None:
    member = members.one_member(connection, ori)
    if member is None or (role is not None and member.role != role):
        what = "member" if role is None else "credentialing body among the members"
        raise Refused("not-a-member", f"{ori} is no {what}", hint="waypost-hub members lists them")


def _engine(place: settings.Home) -> Engine:
    return open_engine(settings.database_url(place, settings.read_settings(place)))
