"""`waypost-hub`: the commands of the hub's operator, one module a noun."""

from __future__ import annotations

import typer

from waypost.crypto.errors import CryptoError
from waypost.hub.cli import (
    bodies,
    compliance,
    demo,
    epochs,
    invitations,
    keys,
    log,
    membership,
    process,
    release,
    round_schedules,
    rounds,
)
from waypost.hub.errors import HubError
from waypost.protocol import shell
from waypost.protocol.errors import ProtocolError

app = typer.Typer(
    help="The hub of a Waypost federation: it routes what it cannot read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (process, invitations, membership, compliance, bodies, release, demo, keys, log, rounds, round_schedules):
    module.register(app)
app.add_typer(epochs.app, name="epoch")
shell.add_version(app)


def main() -> None:
    """Entry point."""
    shell.run(app, (HubError, CryptoError, ProtocolError))
