"""`waypost-node officers withdraw-employment`: an employment that never was."""

from __future__ import annotations

import time
from datetime import date
from typing import Annotated

import typer

from waypost.protocol.shell import HomeOption, PassphraseOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("withdraw-employment")(withdraw_employment)


def _hire_date(text: str) -> date | None:
    """What the argument says; None: unknown. BadParameter when it is no day."""
    if text.strip().lower() == "unknown":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write the hire date as YYYY-MM-DD, or: unknown", param_hint="HIRED") from None


def withdraw_employment(
    officer_key: Annotated[str, typer.Argument(metavar="OFFICER_KEY", help="The officer's key.")],
    ori: Annotated[str, typer.Argument(metavar="ORI", help="The agency of the wrong employment.")],
    hired_on: Annotated[str, typer.Argument(metavar="HIRED", help="Its hire date, YYYY-MM-DD; or: unknown.")],
    home: HomeOption,
    reason: Annotated[str, typer.Option(help="Why; it becomes the batch's name.")] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Withdraw an employment whose agency or hire date was wrong. It is a batch, and can be undone."""
    from waypost.node.custody import withdrawing
    from waypost.node.settings import open_keys, open_store

    now_ms, hired = time.time_ns() // 1_000_000, _hire_date(hired_on)
    with open_store(home, open_keys(home, passphrase_file)) as store:
        batch = withdrawing.withdraw_employment(store, officer_key, ori.upper(), hired, reason=reason, at_ms=now_ms)
    typer.echo(f"withdrawn, by batch {batch}; to take it back: waypost-node batches undo {batch}")
