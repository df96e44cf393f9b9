"""`waypost-node mail`: pieces of mail that a fault of the program kept from being taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Mail that was set aside because the program failed on it.", no_args_is_help=True)
    group.command("list")(list_)
    group.command()(retry)
    app.add_typer(group, name="mail")


def list_(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List what was set aside: when, what it carries, and where the program failed. Tell whoever maintains Waypost."""
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        pieces = store.aside.all()
    for piece in pieces:
        moment = datetime.fromtimestamp(piece.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        if as_json:
            facts = {"id": piece.id, "at": moment, "kind": piece.kind, "fault": piece.fault, "to_be_tried": piece.due}
            typer.echo(json.dumps(facts))
        else:
            typer.echo(f"{piece.id:>5}  {moment}  {piece.kind:<20} {piece.fault}")
    if not pieces and not as_json:
        typer.echo("No mail is set aside.")


def retry(home: HomeOption, passphrase_file: PassphraseOption = None) -> None:
    """Have the running node try messages again, after an update; checks stay, for those who asked were told."""
    from waypost.node.postal import QUERY_KIND
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        count = store.aside.make_due(QUERY_KIND)
    typer.echo(f"{count} messages are tried again as soon as the node is attached; see: waypost-node mail list")
