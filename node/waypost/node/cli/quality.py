"""`waypost-node quality`: what makes the node's answers weak, and files to fix it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.custody.fixing import FixFiles
    from waypost.node.custody.quality import Quality


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command("quality")(report)


def report(
    home: HomeOption,
    out: Annotated[
        Path | None, typer.Option(help="A folder for the files to fix and import again; they hold personal data.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what makes the answers weak: missing dates of birth, numbers and fair-process facts, impossible dates."""
    from waypost.node.custody.fixing import FixFiles
    from waypost.node.custody.quality import assess, count_rejects
    from waypost.node.due_process import read_windows
    from waypost.node.settings import open_keys, open_store, rejects_path

    today = datetime.now().astimezone().date()
    windows = read_windows(home)
    with (
        open_store(home, open_keys(home, passphrase_file)) as store,
        FixFiles(out, today) as files,
        _progress(shown=not as_json) as progress,
    ):
        quality = assess(store, files, today=today, windows=windows, progress=progress)
    count_rejects(quality, rejects_path(home))
    if as_json:
        typer.echo(json.dumps(_facts(quality, files), indent=2))
    else:
        _print(quality, files)


def _facts(quality: Quality, files: FixFiles) -> dict[str, Any]:
    from waypost.node.custody.quality import Check

    return {
        "officers": quality.officers,
        "records": quality.records,
        "found": {check: quality.found[check] for check in Check},
        "fair_process_missing": {kind: dict(wants.most_common()) for kind, wants in sorted(quality.missing.items())},
        "rejected_rows": {str(path): rows for path, rows in quality.rejects.items()},
        "rejected_for_impossible_dates": quality.rejected_dates,
        "files": {check: str(path) for check, path in files.paths.items()},
        "in_another_file": dict(files.elsewhere),
        "left_out": dict(files.left_out),
    }


def _print(quality: Quality, files: FixFiles) -> None:
    from waypost.node.custody.quality import Check

    typer.echo(f"officers {quality.officers:,}, records {quality.records:,}")
    for check in Check:
        count = quality.found[check]
        path = files.paths.get(check)
        typer.echo(f"  {_WORDS[check]}: {count:,}{f'; to fix: {path}' if path else ''}")
        if elsewhere := files.elsewhere[check]:
            typer.echo(f"    of these, {elsewhere:,} stand in a file above, with all that is to be mended in them")
        if left_out := files.left_out[check]:
            typer.echo(f"    not in the file, for a canonical row cannot say them whole: {left_out:,}")
        if check is Check.NO_FAIR_PROCESS:
            for kind, wants in sorted(quality.missing.items()):
                listed = ", ".join(f"{want.replace('_', ' ')} {count:,}" for want, count in wants.most_common())
                typer.echo(f"    {kind}: {listed}")
    if quality.rejects:
        rows = sum(quality.rejects.values())
        typer.echo(f"  rows that imports rejected, still in the rejects folder: {rows:,}", nl=False)
        typer.echo(f", for impossible dates {quality.rejected_dates:,}; delete a file when it is mended")
        for path, count in quality.rejects.items():
            typer.echo(f"    {path}: {count:,}")


_WORDS = {
    "no-date-of-birth": "officers without a whole date of birth",
    "no-certification-number": "officers without a certification number",
    "fair-process-missing": "records without facts of fair process, withheld",
    "impossible-employment-dates": "employments with impossible dates",
    "impossible-conduct-dates": "records with impossible dates",
    "overlapping-employment": "officers with overlapping sworn employment",
}


@contextmanager
def _progress(*, shown: bool) -> Iterator[Any]:
    """A progress bar on the terminal, gone when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("looking at officers"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("looking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
