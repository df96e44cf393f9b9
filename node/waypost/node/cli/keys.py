"""`waypost-node keys passphrase | renew`."""

from __future__ import annotations

import typer

from waypost.protocol.shell import HomeOption, NewPassphraseOption, PassphraseOption, change_passphrase

_app = typer.Typer(help="The node's keys.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_app, name="keys")


@_app.command()
def passphrase(
    home: HomeOption, passphrase_file: PassphraseOption = None, new_passphrase_file: NewPassphraseOption = None
) -> None:
    """Put the keys under another passphrase."""
    from waypost.node import settings

    change_passphrase(settings.keys_path(home), passphrase_file, new_passphrase_file)


@_app.command()
def renew(home: HomeOption, passphrase_file: PassphraseOption = None) -> None:
    """Change the signing key, under the old one's signature. The node must be stopped, with nothing left to send.

    Nothing is lost: what others have not taken yet comes back from the hub, and the node signs it anew when it serves.
    """
    from waypost.node import settings
    from waypost.node.enrolment import change_signing_key
    from waypost.node.serve_lock import ServeLock

    keys = settings.open_keys(home, passphrase_file)
    with ServeLock(home).held(), settings.open_store(home, keys) as store:
        roster = change_signing_key(home, keys, store)
    typer.echo(f"Roster {roster.version} holds the new signing key. Back the home up: older backups have the old key.")
    typer.echo("Start the node again: what waits at the hub for others is delivered when the node has signed it anew.")
