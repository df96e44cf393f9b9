"""`waypost-trustee`: the commands of the trustee's operator, one module a noun."""

from __future__ import annotations

import typer

from waypost.crypto.errors import CryptoError
from waypost.protocol import shell
from waypost.protocol.errors import ProtocolError
from waypost.trustee.cli import admissions, budgets, keys, log, process, releases, rounds
from waypost.trustee.errors import TrusteeError

app = typer.Typer(
    help="The trustee of a Waypost federation: holds what the hub must not hold alone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (process, admissions, keys, releases, log):
    module.register(app)
app.add_typer(budgets.app, name="budgets")
app.add_typer(rounds.app, name="round")
shell.add_version(app)


def main() -> None:
    """Entry point."""
    shell.run(app, (TrusteeError, CryptoError, ProtocolError))
