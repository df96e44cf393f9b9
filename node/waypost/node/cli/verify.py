"""`waypost-node verify`: what a receipt's file proves, with nothing but the file and the federation's root keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from waypost.protocol.shell import JsonOption, RootKeyOption, root_key


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="A receipt's file, from: waypost-node checks receipt.")],
    home: Annotated[
        Path | None, typer.Option(envvar="WAYPOST_HOME", help="A node's home, for the root keys it knows.")
    ] = None,
    hub_key: RootKeyOption = "",
    trustee_key: RootKeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Verify a receipt offline: the hub signed it, and the log that hub and trustee vouch for holds it."""
    from waypost.node.errors import SettingsError
    from waypost.node.federation import read_federation
    from waypost.protocol.log_files import verify_receipt_file
    from waypost.v1 import check_pb2

    if hub_key and trustee_key:
        hub, trustee = root_key(hub_key), root_key(trustee_key)
    elif home is not None:
        federation = read_federation(home)
        hub, trustee = federation.hub_key, federation.trustee_key
    else:
        raise SettingsError("no root keys are named", hint="give --home, or --hub-key and --trustee-key")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}", hint="name a receipt's file") from None
    verified = verify_receipt_file(data, hub_key=hub, trustee_key=trustee)
    receipt, checkpoint = verified.receipt, verified.witnessed.checkpoint
    facts = {
        "check": receipt.check_id.hex(),
        "asker": receipt.header.audience,
        "accepted_at": _moment(receipt.accepted_at_ms),
        "logged_at": _moment(verified.logged_at_ms),
        "entry": verified.index,
        "log_size": checkpoint.size,
        "cosigned_at": _moment(verified.witnessed.cosigned_at_s * 1000),
        "roster_version": receipt.roster_version,
        "members": receipt.coverage.members,
        "members_current": receipt.coverage.current,
        "responses": {
            response.ori: check_pb2.ResponseState.Name(response.state).removeprefix("RESPONSE_STATE_").lower()
            for response in receipt.responses
        },
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"The receipt is the hub's, and entry {verified.index} of {checkpoint.size} in the log.")
    for name, value in facts.items():
        shown = ", ".join(f"{ori} {state}" for ori, state in value.items()) if isinstance(value, dict) else value
        typer.echo(f"{name.replace('_', ' '):<16} {shown}")


def _moment(at_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
