"""`waypost-node statement | dispute`: what officers say to records about them."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from waypost.node.cli import records
from waypost.node.cli.record_changes import ByOption
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

statement_app = typer.Typer(help="Officers' statements, which go out with their records.", no_args_is_help=True)
dispute_app = typer.Typer(help="Officers' disputes of records, with their clocks.", no_args_is_help=True)

RecordOption = Annotated[str, typer.Option("--record", help="The record's key.")]
OnOption = Annotated[str, typer.Option("--on", help="The day, YYYY-MM-DD; today if not given.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(statement_app, name="statement")
    root.add_typer(dispute_app, name="dispute")


@statement_app.command("set")
def set_statement(
    record: RecordOption,
    home: HomeOption,
    by: ByOption,
    file: Annotated[Path, typer.Option(help="The statement as UTF-8 text; at most 10,000 characters.")],
    on: OnOption = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Attach the officer's statement: it goes out with the record ever after, and now to everyone who received it."""
    from waypost.node import disputing
    from waypost.node.errors import ChangeError
    from waypost.node.limits import STATEMENT_FILE_BYTES_MAX
    from waypost.node.statements import Statement

    try:
        if file.stat().st_size > STATEMENT_FILE_BYTES_MAX:
            raise ChangeError(f"{file} is longer than a statement may be", hint="shorten it, or attach it elsewhere")
        text = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        raise ChangeError(f"{file} cannot be read as UTF-8 text", hint="save it as plain text") from None
    statement = Statement(text, _day(on))
    with records.opened(home, passphrase_file) as store:
        changed = disputing.set_statement(store, record, statement, staff=by, now_ms=_now_ms())
    typer.echo(f"{record}: the statement goes out with it from now on. Members told: {changed.notices}.")


@statement_app.command()
def withdraw(record: RecordOption, home: HomeOption, by: ByOption, passphrase_file: PassphraseOption = None) -> None:
    """Take the officer's statement back, when he asks for that."""
    from waypost.node import disputing

    with records.opened(home, passphrase_file) as store:
        changed = disputing.set_statement(store, record, None, staff=by, now_ms=_now_ms())
    typer.echo(f"{record}: the statement was taken back. Members told: {changed.notices}.")


@dispute_app.command("open")
def open_dispute(
    record: RecordOption,
    home: HomeOption,
    by: ByOption,
    grounds: Annotated[str, typer.Option(help="What the officer disputes, for your own staff; it does not go out.")],
    on: OnOption = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Enter the officer's dispute: 30 days to resolve it begin, and everyone who gets the record sees it."""
    from waypost.node import disputing
    from waypost.node.statements import Dispute

    opened_on = _day(on)
    with records.opened(home, passphrase_file) as store:
        changed = disputing.open_dispute(store, record, grounds, opened_on, staff=by, now_ms=_now_ms())
    typer.echo(f"{record}: disputed, to be resolved by {Dispute(opened_on).due_on}. Members told: {changed.notices}.")


@dispute_app.command()
def resolve(
    record: RecordOption,
    home: HomeOption,
    by: ByOption,
    outcome: Annotated[str, typer.Option(help="stands, corrected, voided or sealed.")],
    on: OnOption = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Resolve the dispute. What the outcome says of the record is done before, with `records correct` and the like."""
    from waypost.node import disputing
    from waypost.node.errors import ChangeError

    if outcome not in set(disputing.Outcome):
        raise ChangeError(f"{outcome!r} is no outcome", hint="one of: " + ", ".join(disputing.Outcome))
    with records.opened(home, passphrase_file) as store:
        changed = disputing.resolve_dispute(
            store, record, disputing.Outcome(outcome), _day(on), staff=by, now_ms=_now_ms()
        )
    typer.echo(f"{record}: the dispute is resolved. Members told: {changed.notices}.")


@dispute_app.command("list")
def list_disputes(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List all disputes; those that are overdue first."""
    from waypost.node.statements import Dispute

    today = datetime.now(UTC).date()
    with records.opened(home, passphrase_file) as store:
        kept = store.statements.disputes()
    rows = [(each, each.resolved_on is None and Dispute(each.opened_on).overdue(today)) for each in kept]
    rows.sort(key=lambda row: (not row[1], row[0].resolved_on is not None, row[0].opened_on))
    if as_json:
        listed = [
            {
                "record_key": each.record_key,
                "opened_on": str(each.opened_on),
                "due_on": str(Dispute(each.opened_on).due_on),
                "overdue": overdue,
                "resolved_on": str(each.resolved_on or ""),
                "outcome": each.outcome,
            }
            for each, overdue in rows
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    for each, overdue in rows:
        due = f"due {Dispute(each.opened_on).due_on}{', OVERDUE' if overdue else ''}"
        state = f"resolved {each.resolved_on}: {each.outcome}" if each.resolved_on else due
        typer.echo(f"{each.record_key}: opened {each.opened_on}, {state}")
    typer.echo(f"disputes open: {sum(each.resolved_on is None for each in kept)}, overdue: {sum(o for _, o in rows)}")


def _day(text: str) -> date:
    from waypost.node.errors import ChangeError

    today = datetime.now(UTC).date()
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError:
        raise ChangeError(f"{text!r} is no date", hint="write YYYY-MM-DD") from None
    if day > today:
        raise ChangeError(f"{text} has not come yet", hint="write the day on which it happened")
    return day


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
