"""`waypost-node attest`: the agency says that it has submitted what section 3(b) asks for, or had nothing."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from waypost.protocol.shell import HomeOption, PassphraseOption


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(attest)


def attest(
    home: HomeOption,
    period: Annotated[str, typer.Option(help="A quarter that is over, such as 2026Q3.")],
    by: Annotated[str, typer.Option(help='Who attests: "Name, title".')],
    nothing_to_report: Annotated[
        bool, typer.Option("--nothing-to-report", help="Nothing of section 3(b) happened in the period.")
    ] = False,
    through: Annotated[str, typer.Option(help="Submitted through this day, YYYY-MM-DD; today unless given.")] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Sign that everything reportable of a period is in the index, or that there was nothing."""
    from waypost.node import stating
    from waypost.node.errors import SettingsError
    from waypost.node.settings import open_keys, open_store
    from waypost.node.signing import author_of
    from waypost.protocol.quarters import Quarter

    wanted = Quarter.parse(period)
    try:
        day = date.fromisoformat(through) if through else datetime.now(UTC).date()
    except ValueError:
        raise SettingsError(f"{through!r} is no day", hint="write YYYY-MM-DD") from None
    keys = open_keys(home, passphrase_file)
    with open_store(home, keys) as store:
        author, now_ms = author_of(home, keys, store), time.time_ns() // 1_000_000
        stating.attest(store, author, wanted, through=day, nothing_to_report=nothing_to_report, by=by, now_ms=now_ms)
    what = "nothing to report" if nothing_to_report else f"submitted through {day}"
    typer.echo(f"{wanted} is attested ({what}); it goes to the hub as soon as the node is attached.")
