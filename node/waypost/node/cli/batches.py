"""`waypost-node batches`: imports as batches: which files came when, what they claimed, and undoing one as a whole."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.custody.undoing import Plan
    from waypost.node.store import Batch, Store

app = typer.Typer(help="Imports, each a batch that can be looked at and undone as a whole.", no_args_is_help=True)

BatchArgument = Annotated[int, typer.Argument(metavar="BATCH", help="The batch's number.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="batches")


@app.command("list")
def list_batches(
    home: HomeOption,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the batches, newest first."""
    with _store(home, passphrase_file) as store:
        batches = store.batches.newest(limit)
    if as_json:
        typer.echo(json.dumps([_facts(batch) for batch in batches], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("batch", "at", "name", "rows", "imported", "rejected", "")
    for batch in batches:
        counts = (f"{count:,}" for count in (batch.rows, batch.imported, batch.rejected))
        table.add_row(str(batch.id), _moment(batch.at_ms), batch.name, *counts, _state(batch))
    Console(soft_wrap=True, markup=False).print(table)


@app.command()
def show(
    batch_id: BatchArgument, home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """Show a batch: its files with their digests, and the officers whom a complete list lacked."""
    from waypost.protocol.shell import fail

    with _store(home, passphrase_file) as store:
        batch, missing = store.batches.get(batch_id), store.batches.missing(batch_id)
    if batch is None:
        fail(f"there is no batch {batch_id}", "see `waypost-node batches list`")
    if as_json:
        typer.echo(json.dumps({**_facts(batch), "missing_officers": missing}, indent=2))
        return
    state = _state(batch)
    typer.echo(f"batch {batch.id}: {batch.name}{f' ({state})' if state else ''}, at {_moment(batch.at_ms)}")
    typer.echo(
        f"rows {batch.rows:,}: imported {batch.imported:,}, unchanged {batch.unchanged:,}, rejected {batch.rejected:,}"
    )
    for file in batch.files:
        typer.echo(f"  {file.name} ({file.kind}), rows {file.rows:,}, rejected {file.rejected:,}")
        typer.echo(f"    sha256 {file.sha256.hex()}")
    if batch.complete:
        typer.echo(f"complete list; officers held that it lacks: {len(missing):,}")
        for key in missing:
            typer.echo(f"  {key}")


@app.command()
def undo(
    batch_id: BatchArgument,
    home: HomeOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Undo a batch as a whole: what was before stands again, as new versions; what the batch brought is withdrawn."""
    from waypost.node.custody.undoing import plan, undo

    with _store(home, passphrase_file) as store:
        if dry_run:
            planned, undo_id = plan(store, batch_id), None
        else:
            done = undo(store, batch_id, at_ms=time.time_ns() // 1_000_000)
            planned, undo_id = done.plan, done.undo_id
    if as_json:
        clashes = [{"what": c.thing, "name": c.name, "cause": c.cause} for c in planned.clashes]
        facts: dict[str, Any] = {"batch": batch_id, "undone_by": undo_id, **planned.counts(), "in_the_way": clashes}
        facts["confirmed_by"] = list(planned.confirmed_by)
        typer.echo(json.dumps(facts, indent=2))
        return
    _print(planned, undo_id)


def _print(planned: Plan, undo_id: int | None) -> None:
    if undo_id is None:
        typer.echo(f"batch {planned.batch.id} would be undone:" if not planned.clashes else "this is in the way:")
        for clash in planned.clashes:
            typer.echo(f"  {clash}")
    else:
        typer.echo(f"batch {planned.batch.id} is undone, by batch {undo_id}:")
    if not planned.clashes:
        for what, count in planned.counts().items():
            typer.echo(f"  {what.replace('_', ' ')}: {count:,}")
    if planned.confirmed_by:
        typer.echo(
            f"later imports found rows as they were, maybe this batch's: {len(planned.confirmed_by)}, the last of them "
            f"batch {planned.confirmed_by[-1]}; import its files again to be sure of them"
        )


def _facts(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "name": batch.name,
        "at": _moment(batch.at_ms),
        "rows": batch.rows,
        "imported": batch.imported,
        "unchanged": batch.unchanged,
        "rejected": batch.rejected,
        "complete": batch.complete,
        "undoes": batch.undoes,
        "undone_by": batch.undone_by,
        "files": [
            {
                "file": file.name,
                "kind": file.kind,
                "sha256": file.sha256.hex(),
                "rows": file.rows,
                "rejected": file.rejected,
            }
            for file in batch.files
        ],
    }


def _state(batch: Batch) -> str:
    if batch.undone_by is not None:
        return f"undone by {batch.undone_by}"
    return "complete" if batch.complete else ""


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(timespec="seconds")


@contextmanager
def _store(home: Path, passphrase_file: Path | None) -> Iterator[Store]:
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        yield store
