"""`waypost-node import`: the agency's files into the node's store.

Exit codes: 0 when everything that could be imported was, also when rows were rejected (they are named, and kept in a
file to be mended: a night's import of 36,000 officers does not fail for one misspelt date); 1 when nothing was
imported; 2 usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.intake import ImportReport
    from waypost.node.intake.report import Tally


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of officers, employment or conduct (CSV, UTF-8), recognized by their headers."),
    ],
    home: HomeOption,
    name: Annotated[str, typer.Option(help="What to call this batch; else it is called for its files.")] = "",
    complete: Annotated[
        bool,
        typer.Option("--complete", help="The list of officers is whole: name those whom it lacks. None is removed."),
    ] = False,
    accept_change: Annotated[
        bool, typer.Option("--accept-change", help="The files are meant to look other than they did the last time.")
    ] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import files; all of them together, or nothing. Importing a file again changes nothing."""
    from waypost.node import intake
    from waypost.node.custody.keeping import Wishes
    from waypost.node.settings import open_keys, open_store, rejects_path

    wishes = Wishes(name, complete, accept_change)
    readers = [reader for path in files for reader in intake.canonical(intake.Source.of_path(path))]
    with open_store(home, open_keys(home, passphrase_file)) as store, _progress(shown=not as_json) as progress:
        report = intake.import_tables(
            store,
            readers,
            rejects_folder=rejects_path(home),
            at_ms=int(datetime.now(UTC).timestamp() * 1000),
            today=datetime.now().astimezone().date(),
            wishes=wishes,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(facts(report), indent=2))
    else:
        _print(report)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Any]:
    """A progress bar on the terminal, gone when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal)) as bar:
        task = bar.add_task("reading", total=None)

        def tell(what: str, done: int, rows: int) -> None:
            bar.update(task, description=f"{what} rows", completed=done, total=rows or None)

        yield tell


def facts(report: ImportReport) -> dict[str, Any]:
    """The report for machines: flat counts first, then by file, then every rejected row."""
    from waypost.node.intake import FileKind

    total = report.tally()
    return {
        "rows": total.rows,
        "imported": total.new + total.changed,
        "unchanged": total.same,
        "rejected": total.rejected,
        **_counts("officers", report.tally(FileKind.OFFICERS)),
        **_counts("employments", report.tally(FileKind.EMPLOYMENT)),
        **_counts("records", report.tally(FileKind.CONDUCT)),
        "shareable": report.shareable,
        "withheld": report.withheld,
        "missing": dict(report.missing),
        "files": [
            {"file": file.name, "kind": file.kind, "rows": file.tally.rows, "rejected": file.tally.rejected}
            for file in report.files
        ],
        "rejections": [
            {
                "file": rejection.file,
                "line": rejection.row.line,
                "problems": [{"column": problem.column, "reason": problem.reason} for problem in rejection.problems],
            }
            for rejection in report.rejections
        ],
        "rejects_files": [str(path) for path in report.rejects_files],
        "batch": report.batch,
        "missing_officers": list(report.missing_officers),
    }


def _counts(name: str, tally: Tally) -> dict[str, int]:
    return {
        name: tally.accepted,
        f"{name}_new": tally.new,
        f"{name}_changed": tally.changed,
        f"{name}_same": tally.same,
        f"{name}_rejected": tally.rejected,
    }


def _print(report: ImportReport) -> None:
    from rich.console import Console
    from rich.table import Table

    from waypost.node.intake import FileKind

    console = Console(soft_wrap=True)
    table = Table("", *(name for name in ("new", "changed", "same", "rejected", "rows")))
    for column in table.columns[1:]:
        column.justify = "right"
    names = (("officers", FileKind.OFFICERS), ("employments", FileKind.EMPLOYMENT), ("records", FileKind.CONDUCT))
    for name, kind in (*names, ("all", None)):
        tally = report.tally(kind)
        counts = (tally.new, tally.changed, tally.same, tally.rejected, tally.rows)
        table.add_row(name, *(f"{count:,}" for count in counts), end_section=kind is FileKind.CONDUCT)
    console.print(table)
    if report.shareable or report.withheld:
        console.print(
            f"records shareable: {report.shareable:,}; withheld for want of fair process: {report.withheld:,}"
        )
        for want, count in report.missing.items():
            console.print(f"  {want.replace('_', ' ')} missing: {count:,}", highlight=False)
        if report.withheld:
            console.print("  each with what it lacks: waypost-node records withheld", highlight=False)
    _print_missing(report)
    _warn(report)


def _print_missing(report: ImportReport) -> None:
    """Name the officers whom a complete list lacks."""
    from waypost.node.limits import REJECTS_SHOWN_MAX

    keys = report.missing_officers
    if not keys:
        return
    listed = ", ".join(keys[:REJECTS_SHOWN_MAX])
    typer.echo(f"officers held, but not in this list: {len(keys):,}, none was removed: {listed}")
    if len(keys) > REJECTS_SHOWN_MAX:
        typer.echo(f"  all of them: waypost-node batches show {report.batch}")


def _warn(report: ImportReport) -> None:
    """Name the rejected rows, and where they are kept."""
    from waypost.node.limits import REJECTS_SHOWN_MAX

    if not report.rejections:
        return
    count = len(report.rejections)
    typer.echo(f"warning: {count:,} {'row was' if count == 1 else 'rows were'} rejected:", err=True)
    for rejection in report.rejections[:REJECTS_SHOWN_MAX]:
        typer.echo(f"  {rejection.file}, line {rejection.row.line}: {rejection.reasons}", err=True)
    if count > REJECTS_SHOWN_MAX:
        typer.echo(f"  and {count - REJECTS_SHOWN_MAX:,} more", err=True)
    for path in report.rejects_files:
        typer.echo(f"hint: mend these rows and import them again: {path}", err=True)
