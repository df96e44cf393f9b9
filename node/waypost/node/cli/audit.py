"""`waypost-node audit`: what this node has decided and refused."""

from __future__ import annotations

from typing import Annotated

import typer

from waypost.node.limits import AUDIT_ENTRIES_SHOWN
from waypost.protocol.printing import audit_line
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    home: HomeOption,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = AUDIT_ENTRIES_SHOWN,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest audit entries; docs/audit-events.md says what each means."""
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        newest = store.audit.newest(count)
    for entry in reversed(newest):
        typer.echo(audit_line(entry.at_ms, entry.event, entry.subject, entry.detail, as_json=as_json))
