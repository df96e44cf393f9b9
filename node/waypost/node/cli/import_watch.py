"""`waypost-node import watch`: nightly exports, imported as they come."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waypost.node.cli import import_report
from waypost.protocol.printing import printable
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from waypost.node.custody.folder import Folder, Taken
    from waypost.node.custody.keeping import Wishes
    from waypost.node.intake import ImportReport
    from waypost.node.intake.profiles import Profile
    from waypost.node.store import Store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch")(watch_folder)


def watch_folder(
    folder: Annotated[Path, typer.Argument(help="Where the exports are put; done/ and failed/ are made in it.")],
    home: HomeOption,
    profile: Annotated[
        str, typer.Option("--profile", metavar="PROFILE", help="A profile's name, or the .toml file of your own.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Import what is there, and end: for cron or a timer.")] = False,
    settle: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds without change until a file is whole.")] = 5,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks.")] = 10,
    complete: Annotated[
        bool, typer.Option("--complete", help="Every list of officers is whole: note those whom it lacks.")
    ] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import each export that is put into a folder, once; what cannot be imported goes to failed/ with the reason."""
    from waypost.node.cli.import_ import chosen_profile
    from waypost.node.custody.folder import Folder
    from waypost.node.custody.keeping import Wishes
    from waypost.node.settings import open_keys, open_store

    chosen_profile(profile)  # refused now, not when the first file comes
    keys = open_keys(home, passphrase_file)
    ended = _ended_by_signals()
    watched = Folder(folder)
    failed = False
    with watched.alone(), open_store(home, keys) as store:
        importer = _Importer(store, home, profile, Wishes(complete=complete))
        for taken in _looks(watched, importer, ended, once=once, settle=settle, every=every):
            failed = failed or bool(taken.error)
            importer.tell(taken, as_json=as_json)
    if once and failed:
        raise typer.Exit(1)


def _looks(
    folder: Folder, importer: _Importer, ended: threading.Event, *, once: bool, settle: float, every: float
) -> Iterator[Taken]:
    """Look until told to end, or until everything that was there has been taken."""
    from waypost.node.custody.folder import Quiet, Taken
    from waypost.node.errors import IntakeError, StoreError

    quiet = Quiet(settle)
    while not ended.is_set():
        seen = folder.look()
        names = quiet.settled(seen, time.monotonic())
        if names:
            try:
                importer.read_profile()
                yield folder.take(
                    names,
                    imported_as=importer.store.batches.newest_with,
                    bring_in=importer.bring_in,
                    now=datetime.now(UTC),
                )
            except (StoreError, IntakeError) as error:  # not the files' fault: they stay
                if once:
                    raise
                yield Taken(names, None, error=str(error), hint=error.hint)
        if once and (not seen or len(names) == len(seen)):
            return
        ended.wait(min(settle, every) if seen else every)


class _Importer:
    """Imports the files of a look, and tells what became of them. An edited profile counts from the next look."""

    def __init__(self, store: Store, home: Path, profile: str, wishes: Wishes) -> None:
        self.store = store
        self._home, self._profile, self._wishes = home, profile, wishes
        self._chosen: Profile | None = None
        self._report: ImportReport | None = None
        self._guesses: Mapping[str, str] = {}

    def read_profile(self) -> None:
        """IntakeError when it cannot be used."""
        from waypost.node.cli.import_ import chosen_profile

        self._chosen = chosen_profile(self._profile)

    def bring_in(self, paths: Sequence[Path]) -> int:
        """Import these; the batch's number."""
        from waypost.node import intake
        from waypost.node.cli.import_ import note_agencies, readers_of
        from waypost.node.due_process import read_windows
        from waypost.node.settings import agencies_path, rejects_path

        self._report = intake.import_tables(
            self.store,
            readers_of(list(paths), self._chosen, agencies_path(self._home)),
            rejects_folder=rejects_path(self._home),
            at_ms=time.time_ns() // 1_000_000,
            today=datetime.now().astimezone().date(),
            windows=read_windows(self._home),
            wishes=self._wishes,
        )
        self._guesses = note_agencies(self._home, self._report, self.store)
        return self._report.batch

    def tell(self, taken: Taken, *, as_json: bool) -> None:
        """Print what became of the files, and what somebody has to look at."""
        from waypost.node.settings import agencies_path

        report, self._report = self._report if taken.batch is not None else None, None
        if as_json:
            typer.echo(json.dumps(asdict(taken) | ({} if report is None else _counts(report))))
            return
        if taken.known:
            typer.echo(f"imported before: {_names(taken.known)}")
        if report is not None:
            counts = ", ".join(f"{what} {count:,}" for what, count in _counts(report).items())
            typer.echo(f"batch {taken.batch}: {_names(taken.files)}: {counts}")
            import_report.tell(report, agencies_path(self._home), self._guesses, self._profile)
        if taken.error:
            typer.echo(f"error: {printable(taken.error)}", err=True)
            if taken.hint:
                typer.echo(f"hint: {taken.hint}", err=True)


def _names(files: Sequence[str]) -> str:
    return ", ".join(map(printable, files))


def _counts(report: ImportReport) -> dict[str, int]:
    tally = report.tally()
    return {
        "rows": tally.rows,
        "imported": tally.new + tally.changed,
        "unchanged": tally.same,
        "rejected": tally.rejected,
    }


def _ended_by_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT; an import that is under way is finished first."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended
