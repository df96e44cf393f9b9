"""`waypost-node records`: the conduct records that the node holds, and what keeps some of them from being shared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.records import ConductRecord
    from waypost.node.store import OfficerConduct, Store

app = typer.Typer(help="Conduct records held, and what keeps some from being shared.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="records")


@app.command("list")
def list_records(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List all records in their newest versions."""
    with opened(home, passphrase_file) as store:
        held = [(owned, _missing(home, owned.record)) for owned in store.conduct.all()]
    if as_json:
        _print_json([_facts(owned, missing) for owned, missing in held])
        return
    rows = (
        (
            *(owned.record.record_key, str(owned.record.version), owned.officer_key, owned.record.kind),
            *(str(owned.record.effective_on or ""), owned.record.status, "withheld" if missing else "shareable"),
        )
        for owned, missing in held
    )
    _print_table(("record", "version", "officer", "kind", "effective", "status", "section 3(b)"), rows)


@app.command()
def show(
    record_key: Annotated[str, typer.Argument(help="The record's key.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a record: all of its versions, and whether it may be shared."""
    from waypost.protocol.shell import fail

    with opened(home, passphrase_file) as store:
        owned, history = store.conduct.by_key(record_key), store.conduct.history(record_key)
    if owned is None:
        fail("there is no record of that key", "see `waypost-node records list`")
    missing = _missing(home, owned.record)
    if as_json:
        _print_json({**_facts(owned, missing), "versions": [_content(version) for version in history]})
        return
    for version in history:
        typer.echo(f"{record_key}, version {version.version}, of officer {owned.officer_key}")
        for name, value in _content(version).items():
            if value not in ("", None, 0) and name not in {"record_key", "version"}:
                typer.echo(f"  {name}: {value}")
    _print_verdict(missing)


@app.command()
def withheld(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List the records that are not shared, each with exactly what is missing."""
    with opened(home, passphrase_file) as store:
        held = [(owned, missing) for owned in store.conduct.all() if (missing := _missing(home, owned.record))]
    if as_json:
        _print_json([_facts(owned, missing) for owned, missing in held])
        return
    for owned, missing in held:
        typer.echo(f"{owned.record.record_key} ({owned.record.kind}, officer {owned.officer_key})")
        for words in missing:
            typer.echo(f"  {words}")
    typer.echo(f"records withheld: {len(held)}")


@contextmanager
def opened(home: Path, passphrase_file: Path | None) -> Iterator[Store]:
    """The node's store."""
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        yield store


def _missing(home: Path, record: ConductRecord) -> tuple[str, ...]:
    """What keeps the record from being shared today, in words; nothing when it may be."""
    from waypost.node.due_process import read_windows
    from waypost.node.fairness import Withheld, judge

    window_days = read_windows(home).of(record)
    fairness = judge(record, datetime.now(UTC).date(), window_days=window_days)
    return fairness.words if isinstance(fairness, Withheld) else ()


def _facts(owned: OfficerConduct, missing: tuple[str, ...]) -> dict[str, Any]:
    return {
        "officer_key": owned.officer_key,
        **_content(owned.record),
        "shareable": not missing,
        "missing": list(missing),
    }


def _content(record: ConductRecord) -> dict[str, Any]:
    """The record's fields as the canonical file names them; dates as text."""
    fields = asdict(record)
    fields |= fields.pop("fair_process")
    for name in ("statement", "dispute"):
        said = fields[name]
        fields[name] = said and {part: str(value) if isinstance(value, date) else value for part, value in said.items()}
    return {name: str(value) if isinstance(value, date) else value for name, value in fields.items()}


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _print_table(headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in headings:
        # What is copied into the next command stays whole, however narrow the window is.
        table.add_column(heading, overflow="fold", no_wrap=heading in {"record", "officer", "effective", "status"})
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=True, markup=False).print(table)


def _print_verdict(missing: tuple[str, ...]) -> None:
    typer.echo("withheld:" if missing else "shareable: section 3(b) admits it")
    for words in missing:
        typer.echo(f"  {words}")
