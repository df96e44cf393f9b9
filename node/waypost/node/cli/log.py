"""`waypost-node log show | resolve`: the hub's transparency log as this node has seen it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

app = typer.Typer(help="The hub's transparency log as this node has seen it.", no_args_is_help=True)
_REASON_CHARS_MAX = 200
_WANTED_COUNTED = 10_000


def register(parent: typer.Typer) -> None:
    """Add this noun."""
    parent.add_typer(app, name="log")


@app.command("show")
def show_log(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Show the checkpoint that the node holds, what the hub owes, and the evidence when the log is not trusted."""
    from waypost.node import settings

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store, store.reading():
        note = store.transparency.checkpoint()
        wanted = len(store.transparency.wanted(_WANTED_COUNTED))
        conflicts = store.transparency.conflicts()
    cosigned_at = _cosigned_at(note, home) if note else ""
    facts = {
        "trusted": not conflicts,
        "cosigned_at": cosigned_at,
        "checkpoint": note.decode() if note else "",
        "proofs_wanted": wanted,
        "conflicts": [
            {"reason": each.reason, "at_ms": each.at_ms, "checkpoint": each.note.decode(errors="replace")}
            for each in conflicts
        ],
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"The node holds this checkpoint, cosigned {cosigned_at or 'never'}.")
    typer.echo(f"Entries that the hub owes and has not proven yet: {wanted}\n")
    typer.echo(facts["checkpoint"] or "(none yet)")
    for each in conflicts:
        moment = datetime.fromtimestamp(each.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        typer.echo(
            f"Not trusted since {moment}, {each.reason}. The hub showed:\n\n{each.note.decode(errors='replace')}"
        )


def _cosigned_at(note: bytes, home: Path) -> str:
    """When the trustee cosigned it: an old time, with the link up, means that the hub holds its log back."""
    from waypost.crypto.tlog.checkpoint import open_witnessed
    from waypost.node.federation import read_federation
    from waypost.protocol.transparency import log_keys

    federation = read_federation(home)
    keys = log_keys(federation.hub_key, federation.trustee_key)
    cosigned_at_s = open_witnessed(note, keys.log, keys.witness).cosigned_at_s
    return datetime.fromtimestamp(cosigned_at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@app.command("resolve")
def resolve(
    reason: Annotated[str, typer.Option(help="Why the log may be trusted again; kept in the audit.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Trust the hub's log again, from its next checkpoint on. Speak with hub's and trustee's operators first."""
    from waypost.node import settings
    from waypost.node.audit import Event
    from waypost.node.errors import SettingsError
    from waypost.node.store import AuditEntry

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store, store.writing():
        if not store.transparency.conflicts():
            raise SettingsError("the hub's log is trusted; there is nothing to resolve")
        store.transparency.resolve()
        moment_ms = time.time_ns() // 1_000_000
        store.audit.add(AuditEntry(moment_ms, Event.LOG_RESOLVED, "", reason[:_REASON_CHARS_MAX]))
    typer.echo("The hub's log is trusted again. The evidence is kept in the node's database.")
