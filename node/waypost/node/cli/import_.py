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

from waypost.node.cli import import_report
from waypost.node.cli.default_command import default_command
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waypost.node.intake import ImportReport, RowReader
    from waypost.node.intake.profiles import Profile
    from waypost.node.store import Store

app = typer.Typer(
    cls=default_command("files"),
    help="The agency's files into the node's store: `import FILE...` is `import files FILE...`, whose options "
    "(--profile, --dry-run, --complete and others) `import files --help` lists.",
    no_args_is_help=True,
)

ProfileOption = Annotated[
    str, typer.Option("--profile", metavar="PROFILE", help="A profile's name, or the .toml file of your own.")
]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    from waypost.node.cli import import_agencies, import_inspect, import_profiles, import_watch

    for module in (import_inspect, import_profiles, import_agencies, import_watch):
        module.register(app)
    root.add_typer(app, name="import")


@app.command("files")
def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of officers, employment or conduct, or of any shape that the profile knows."),
    ],
    home: HomeOption,
    profile: ProfileOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
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
    from waypost.node.due_process import read_windows
    from waypost.node.settings import agencies_path, open_keys, open_store, rejects_path

    wishes, windows = Wishes(name, complete, accept_change), read_windows(home)
    chosen = chosen_profile(profile, rehearsal=dry_run)
    readers = readers_of(files, chosen, agencies_path(home))
    with open_store(home, open_keys(home, passphrase_file)) as store, _progress(shown=not as_json) as progress:
        report = intake.import_tables(
            store,
            readers,
            rejects_folder=rejects_path(home),
            at_ms=int(datetime.now(UTC).timestamp() * 1000),
            today=datetime.now().astimezone().date(),
            dry_run=dry_run,
            windows=windows,
            wishes=wishes,
            progress=progress,
        )
        guesses = note_agencies(home, report, store)
    if as_json:
        typer.echo(json.dumps(import_report.facts(report), indent=2))
    else:
        import_report.show(report, agencies_path(home), guesses, profile)
        if chosen is not None and chosen.guesses:
            lines = f"{chosen.guesses:,} {'line' if chosen.guesses == 1 else 'lines'}"
            typer.echo(
                f"hint: {lines} of {profile} are still marked as guesses; no import takes them unlooked at", err=True
            )


def chosen_profile(profile: str, *, rehearsal: bool = False) -> Profile | None:
    """The profile of that name or file; IntakeError when nobody has confirmed its guesses, but for a rehearsal."""
    from waypost.node.errors import IntakeError
    from waypost.node.intake.profiles import load_profile

    chosen = load_profile(profile) if profile else None
    if chosen is not None and chosen.guesses and not rehearsal:
        raise IntakeError(
            f"{profile} holds guesses that nobody has confirmed: {chosen.guesses:,}; nothing was imported",
            hint="look at each line marked # GUESS, correct it, and take the mark off; --dry-run tries it as it is",
        )
    return chosen


def readers_of(files: list[Path], chosen: Profile | None, agencies: Path) -> list[RowReader]:
    """What reads these files: by the profile, or, without one, as canonical files."""
    from waypost.node import intake
    from waypost.node.intake.agencies import oris, read_agencies

    table = oris(read_agencies(agencies)) if chosen else {}
    readers: list[RowReader] = []
    for path in files:
        source = intake.Source.of_path(path)
        readers += intake.canonical(source) if chosen is None else intake.profiled(source, chosen, table)
    return readers


def note_agencies(home: Path, report: ImportReport, store: Store) -> Mapping[str, str]:
    """Add the names that the import met to the table of agencies; the guesses of those without ORI."""
    from waypost.node.intake.agencies import read_agencies, with_found, write_agencies
    from waypost.node.settings import agencies_path

    if not report.agencies:
        return {}
    path = agencies_path(home)
    table = read_agencies(path)
    found = with_found(table, report.agencies, _members(home, store))
    if found != table and not report.dry_run:
        write_agencies(path, found)
    return {agency.name: agency.guess for agency in found.values() if not agency.ori}


def _members(home: Path, store: Store) -> dict[str, str]:
    """Names of the federation's members by ORI; none before the node has joined."""
    from waypost.crypto.envelope import parse_envelope
    from waypost.node.federation import federation_path, read_federation
    from waypost.protocol.roster import open_roster

    held = store.rosters.newest()
    if held is None or not federation_path(home).exists():
        return {}
    federation = read_federation(home)
    roster = open_roster(parse_envelope(held.envelope), hub_key=federation.hub_key, trustee_key=federation.trustee_key)
    return {member.ori: member.name for member in roster.members.values()}


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
