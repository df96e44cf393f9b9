"""`waypost-node retention run`: removes what the node's retention file says is over."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from waypost.node.cli import records
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

app = typer.Typer(help="How long records and logs are kept: HOME/retention.toml.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="retention")


@app.command()
def run(
    home: HomeOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove what is over by HOME/retention.toml, which names years by kind of record and by log."""
    from waypost.node import retention, settings

    rules, today = retention.read_rules(home), datetime.now(UTC).date()
    with records.opened(home, passphrase_file) as store:
        if dry_run:
            done = retention.plan(store, rules, today)
        else:
            now_ms = time.time_ns() // 1_000_000
            done = retention.run(store, rules, rejects=settings.rejects_path(home), today=today, now_ms=now_ms)
    if as_json:
        facts = {
            "dry_run": dry_run,
            "records": [{"record_key": record.record_key, "kind": record.kind} for record in done.records],
            "undated": done.undated,
            "logs": {log: {"entries": found.entries, "kept_by": found.kept_by} for log, found in done.logs.items()},
        }
        typer.echo(json.dumps(facts, indent=2))
        return
    would = "would be removed" if dry_run else "removed"
    for record in done.records:
        typer.echo(f"{record.record_key} ({record.kind}): {would}")
    undated = f"; {done.undated} have no date and stay" if done.undated else ""
    typer.echo(f"records {would}: {len(done.records)}{undated}")
    for log, found in done.logs.items():
        typer.echo(f"{log}: {found.entries} entries {would}{f'; {found.kept_by}' if found.kept_by else ''}")
    if not rules.records and not rules.logs:
        typer.echo("HOME/retention.toml names nothing, so everything is kept: see docs/due-process.md")
