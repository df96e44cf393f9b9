"""`waypost-hub invite`, `waypost-hub invitations list | revoke`: who may join, by which code."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from waypost.crypto import pki
from waypost.hub import invitations, members, settings
from waypost.hub.audit import Event
from waypost.hub.cli.membership import DEFAULT_HOME, NAME_CHARS_MAX, ROLES, OriArgument, RoleWord, opened
from waypost.hub.database import add_audit, get_meta
from waypost.hub.errors import SettingsError
from waypost.hub.limits import INVITATION_LIFETIME_MAX_MS
from waypost.protocol.joincode import JoinCode
from waypost.protocol.limits import DAY_MS, HOUR_MS
from waypost.protocol.names import require_ori
from waypost.protocol.shell import HomeOption, JsonOption
from waypost.protocol.states import STATES, states_of
from waypost.v1 import roster_pb2

_invitations = typer.Typer(help="Join codes that were not used yet.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(invite)
    _invitations.command("list")(list_open)
    _invitations.command()(revoke)
    app.add_typer(_invitations, name="invitations")


def invite(
    ori: OriArgument,
    name: Annotated[str, typer.Option(help="The agency's name.")],
    state: Annotated[str, typer.Option(help="Two-letter state.")],
    role: Annotated[RoleWord, typer.Option(help="What it does.")],
    expires: Annotated[str, typer.Option(help="How long the code is good: 12h, 7d.")] = "7d",
    lost_keys: Annotated[
        bool, typer.Option("--lost-keys", help="The ORI is a member already and lost its keys: let it join anew.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Invite an agency: print a join code that works once. Send it over a channel you trust.

    Earlier codes of the same ORI that were not used are void from then on.
    """
    require_ori(ori)
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise SettingsError(f"an agency has a name of at most {NAME_CHARS_MAX} letters", hint='--name "Mill Valley PD"')
    _require_state(ori, state)
    lifetime_ms = _lifetime(expires)
    place = settings.Home(home)
    engine, now_ms = opened(place), time.time_ns() // 1_000_000
    with engine.begin() as connection:
        addresses = get_meta(connection, "link_address"), get_meta(connection, "enrol_address")
        if not lost_keys and members.one_member(connection, ori) is not None:
            raise SettingsError(
                f"{ori} is a member already, and whoever has a join code takes its place with other keys",
                hint="if it lost its keys: the same command with --lost-keys",
            )
        invitation = invitations.Invitation(ori, name, state, ROLES[role])
        voided = invitations.take_back(connection, ori, now_ms)
        secret = invitations.invite(connection, invitation, now_ms, lifetime_ms)
        add_audit(connection, now_ms, Event.INVITED, ori, f"{name}, {role}")
    code = _code(place, invitation, secret, addresses).encode()
    if as_json:
        typer.echo(json.dumps({"ori": ori, "join_code": code, "expires_at_ms": now_ms + lifetime_ms}))
        return
    typer.echo(f"Join code for {ori}, {name}; it works once and expires in {expires}:\n\n{code}\n")
    if voided:
        typer.echo(f"Codes of {ori} that were not used before are void: {voided}.")
    typer.echo("The trustee's operator admits this ORI with: waypost-trustee admit " + ori)


def _require_state(ori: str, state: str) -> None:
    if state not in STATES:
        raise SettingsError(
            f"{state[:20]!r} is no state or territory", hint="give its two capital letters by the Postal Service: CA"
        )
    possible = states_of(ori)
    if not possible:
        raise SettingsError(f"no ORI begins with {ori[:2]}", hint="look the agency's ORI up")
    if state not in possible:
        raise SettingsError(
            f"an agency with the ORI {ori} is in {' or '.join(sorted(possible))}, not in {state}",
            hint="look the agency's ORI up: its first two letters say the state",
        )


def _code(
    place: settings.Home, invitation: invitations.Invitation, secret: bytes, addresses: tuple[str | None, str | None]
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


def list_open(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List the invitations that can still be used; the codes themselves are kept nowhere."""
    now_ms = time.time_ns() // 1_000_000
    with opened(settings.Home(home)).begin() as connection:
        found = invitations.open_invitations(connection, now_ms)
    words = {number: word.value for word, number in ROLES.items()}
    for each in found:
        if as_json:
            facts = {
                "ori": each.ori,
                "name": each.name,
                "state": each.state,
                "role": words[roster_pb2.Role.ValueType(each.role)],
            }
            times = {"created_at_ms": each.created_at_ms, "expires_at_ms": each.expires_at_ms}
            typer.echo(json.dumps({**facts, **times}))
        else:
            until = datetime.fromtimestamp(each.expires_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
            typer.echo(f"{each.ori}  until {until}  {words[roster_pb2.Role.ValueType(each.role)]}  {each.name}")
    if not found and not as_json:
        typer.echo("No invitation is open.")


def revoke(ori: OriArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Take the open invitation of an ORI back: its join code is void at once."""
    now_ms = time.time_ns() // 1_000_000
    with opened(settings.Home(home)).begin() as connection:
        count = invitations.take_back(connection, require_ori(ori), now_ms)
        if not count:
            raise SettingsError(f"no invitation of {ori} is open", hint="waypost-hub invitations list shows them")
        add_audit(connection, now_ms, Event.INVITATION_REVOKED, ori)
    typer.echo(f"The join code of {ori} is void.")
