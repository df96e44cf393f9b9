"""`waypost-hub keys passphrase`."""

from __future__ import annotations

import typer

from waypost.hub.cli.process import DEFAULT_HOME
from waypost.hub.settings import Home
from waypost.protocol.shell import HomeOption, NewPassphraseOption, PassphraseOption, change_passphrase

_app = typer.Typer(help="The hub's keys.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_app, name="keys")


@_app.command()
def passphrase(
    home: HomeOption = DEFAULT_HOME,
    passphrase_file: PassphraseOption = None,
    new_passphrase_file: NewPassphraseOption = None,
) -> None:
    """Put the keys under another passphrase. A running server keeps the ones it has read."""
    change_passphrase(Home(home).keys, passphrase_file, new_passphrase_file)
