"""`waypost-hub members | suspend | reinstate`: who takes part."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from waypost.hub import index, members, settings
from waypost.hub.audit import Event
from waypost.hub.database import add_audit, get_meta, open_engine
from waypost.hub.limits import SUSPENDED_RETRY_AFTER_MS
from waypost.protocol.limits import MINUTE_MS
from waypost.protocol.names import require_ori
from waypost.protocol.shell import HomeOption, JsonOption
from waypost.v1 import roster_pb2

DEFAULT_HOME = Path("waypost-hub")
NAME_CHARS_MAX = 200
OriArgument = Annotated[str, typer.Argument(help="The agency's ORI, such as CA0194200.")]


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
    for command in (suspend, reinstate):
        app.command()(command)
    app.command("members")(list_members)


def list_members(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List members, their role and status, and whether their index is current."""
    engine, now_ms = opened(settings.Home(home)), time.time_ns() // 1_000_000
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
    ori: OriArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Suspend a member: from the next roster on it neither asks nor answers."""
    _set_status(home, ori, reason, roster_pb2.MEMBER_STATUS_SUSPENDED, Event.SUSPENDED)
    typer.echo(f"{ori} is suspended; a running hub publishes the roster within a second.")


def reinstate(
    ori: OriArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Let a suspended member take part again."""
    _set_status(home, ori, reason, roster_pb2.MEMBER_STATUS_ACTIVE, Event.REINSTATED)
    minutes = -(-SUSPENDED_RETRY_AFTER_MS * 5 // (4 * MINUTE_MS))
    typer.echo(f"{ori} takes part again from the next roster on, which a running hub publishes within a second.")
    typer.echo(f"Its node tries to link again within {minutes} minutes; at once when it is started anew.")


def _set_status(home: Path, ori: str, reason: str, status: int, event: Event) -> None:
    with opened(settings.Home(home)).begin() as connection:
        members.set_status(connection, require_ori(ori), status)
        add_audit(connection, time.time_ns() // 1_000_000, event, ori, reason[:NAME_CHARS_MAX])


def opened(place: settings.Home) -> Engine:
    """The hub's database."""
    return open_engine(settings.database_url(place, settings.read_settings(place)))
