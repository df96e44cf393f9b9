"""`waypost-hub invite | members | suspend | reinstate`: who takes part."""

from __future__ import annotations

import hashlib
import json
import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from waypost.crypto import pki
from waypost.hub import index, members, settings
from waypost.hub.audit import Event
from waypost.hub.database import add_audit, get_meta, open_engine
from waypost.hub.errors import SettingsError
from waypost.hub.limits import INVITATION_LIFETIME_MAX_MS
from waypost.protocol.joincode import JoinCode
from waypost.protocol.limits import DAY_MS, HOUR_MS
from waypost.protocol.names import require_ori
from waypost.protocol.shell import HomeOption, JsonOption
from waypost.v1 import roster_pb2

DEFAULT_HOME = Path("waypost-hub")
_NAME_CHARS_MAX = 200
_OriArgument = Annotated[str, typer.Argument(help="The agency's ORI, such as CA0194200.")]


class RoleWord(StrEnum):
    """The words for roles."""

    AGENCY = "agency"
    POST = "post"
    CREDENTIALING_BODY = "credentialing-body"


ROLES = {
    RoleWord.AGENCY: roster_pb2.ROLE_AGENCY,
    RoleWord.POST: roster_pb2.ROLE_POST,
    RoleWord.CREDENTIALING_BODY: roster_pb2.ROLE_CREDENTIALING_BODY,
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (invite, suspend, reinstate):
        app.command()(command)
    app.command("members")(list_members)


def invite(
    ori: _OriArgument,
    name: Annotated[str, typer.Option(help="The agency's name.")],
    state: Annotated[str, typer.Option(help="Two-letter state.")],
    role: Annotated[RoleWord, typer.Option(help="What it does.")],
    expires: Annotated[str, typer.Option(help="How long the code is good: 12h, 7d.")] = "7d",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Invite an agency: print a join code that works once. Send it over a channel you trust."""
    require_ori(ori)
    if not 0 < len(name) <= _NAME_CHARS_MAX or not re.fullmatch(r"[A-Z]{2}", state):
        raise SettingsError("an agency has a name and a two-letter state", hint='--name "Mill Valley PD" --state CA')
    lifetime_ms = _lifetime(expires)
    place = settings.Home(home)
    engine, now_ms = _engine(place), time.time_ns() // 1_000_000
    with engine.begin() as connection:
        addresses = get_meta(connection, "link_address"), get_meta(connection, "enrol_address")
        invitation = members.Invitation(ori, name, state, ROLES[role])
        secret = members.invite(connection, invitation, now_ms, lifetime_ms)
        add_audit(connection, now_ms, Event.INVITED, ori, f"{name}, {role}")
    code = _code(place, invitation, secret, addresses).encode()
    if as_json:
        typer.echo(json.dumps({"ori": ori, "join_code": code, "expires_at_ms": now_ms + lifetime_ms}))
        return
    typer.echo(f"Join code for {ori}, {name}; it works once and expires in {expires}:\n\n{code}\n")
    typer.echo("The trustee's operator admits this ORI with: waypost-trustee admit " + ori)


def _code(
    place: settings.Home, invitation: members.Invitation, secret: bytes, addresses: tuple[str | None, str | None]
) -> JoinCode:
    wanted = settings.read_settings(place)
    link, enrol = addresses[0] or wanted.listen, addresses[1] or wanted.enrol_listen
    if not int(link.rpartition(":")[2]) or not int(enrol.rpartition(":")[2]):
        raise SettingsError(
            "the hub's ports are chosen when it is served, and it was not yet", hint="run: waypost-hub serve"
        )
    return JoinCode(
        secret=secret,
        enrolment_certificate=pki.fingerprint(place.enrol_certificate.read_bytes()),
        hub_key=hashlib.sha256(settings.read_public_key(place)).digest(),
        trustee_key=hashlib.sha256(settings.read_trustee(place.trustee).signing_key).digest(),
        enrolment_port=int(enrol.rpartition(":")[2]),
        link_port=int(link.rpartition(":")[2]),
        ori=invitation.ori,
        state=invitation.state,
        role=invitation.role,
        name=invitation.name,
        host=wanted.advertise,
    )


def _lifetime(text: str) -> int:
    match = re.fullmatch(r"(\d{1,4})([hd])", text)
    lifetime_ms = int(match[1]) * (HOUR_MS if match[2] == "h" else DAY_MS) if match else 0
    if not 0 < lifetime_ms <= INVITATION_LIFETIME_MAX_MS:
        raise SettingsError(f"{text!r} is no lifetime of an invitation", hint="write 12h or 7d; at most 60d")
    return lifetime_ms


def list_members(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List members, their role and status, and whether their index is current."""
    engine, now_ms = _engine(settings.Home(home)), time.time_ns() // 1_000_000
    with engine.begin() as connection:
        rows = members.all_members(connection)
        current = index.current_oris(connection, int(get_meta(connection, "epoch") or "1"), now_ms)
    words = {number: word for word, number in ROLES.items()}
    facts = [
        {
            "ori": row.ori,
            "name": row.name,
            "state": row.state,
            "role": words[roster_pb2.Role.ValueType(row.role)].value,
            "status": "active" if row.status == roster_pb2.MEMBER_STATUS_ACTIVE else "suspended",
            "index": "current" if row.ori in current else "stale",
        }
        for row in rows
    ]
    if as_json:
        for fact in facts:
            typer.echo(json.dumps(fact))
        return
    table = Table(*("ORI", "member", "state", "role", "status", "index"))
    for fact in facts:
        table.add_row(*fact.values())
    Console().print(table)


def suspend(
    ori: _OriArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Suspend a member: from the next roster on it neither asks nor answers."""
    _set_status(home, ori, reason, roster_pb2.MEMBER_STATUS_SUSPENDED, Event.SUSPENDED)
    typer.echo(f"{ori} is suspended; a running hub publishes the roster within a second.")


def reinstate(
    ori: _OriArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Let a suspended member take part again."""
    _set_status(home, ori, reason, roster_pb2.MEMBER_STATUS_ACTIVE, Event.REINSTATED)
    typer.echo(f"{ori} takes part again from the next roster on.")


def _set_status(home: Path, ori: str, reason: str, status: int, event: Event) -> None:
    with _engine(settings.Home(home)).begin() as connection:
        members.set_status(connection, require_ori(ori), status)
        add_audit(connection, time.time_ns() // 1_000_000, event, ori, reason[:_NAME_CHARS_MAX])


def _engine(place: settings.Home) -> Engine:
    return open_engine(settings.database_url(place, settings.read_settings(place)))
