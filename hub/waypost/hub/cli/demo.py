"""`waypost-hub demo`: the whole federation on this machine, for looking at and trying out."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from waypost.hub.demo.errors import DemoError
from waypost.hub.demo.federation import Federation
from waypost.hub.demo.members import SHIPPED, read_members

_WIDTH = 118
"""Columns when the output is no terminal."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(demo)


def demo(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Keep every party's home in this folder (DIR/hub, DIR/trustee, DIR/ORI)."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A folder with one sub-folder per ORI holding canonical CSV files, and maybe members.csv (ori, name, "
            "state, role), instead of ours."
        ),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="A file of applicants to check instead of telling the story (needs --from).")
    ] = None,
    asker: Annotated[str | None, typer.Option("--from", help="ORI of the member that asks, with --check.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: one JSON line per applicant.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards, and say how to try things by hand.")
    ] = False,
) -> None:
    """Run a trustee, a hub and several nodes on this machine, and show a hiring check from end to end."""
    # The story goes to standard output, but with --check that belongs to the results.
    console = Console(stderr=check is not None, width=None if sys.stdout.isatty() else _WIDTH)
    try:
        _validate(data, check, asker)
        members = read_members(data or SHIPPED)
        signal.signal(signal.SIGTERM, _interrupt)
        with _folder(directory) as folder:
            federation = Federation(folder, members)
            try:
                _run(federation, console, check=check, asker=asker, as_json=as_json, shipped=data is None)
                if keep:
                    _stay(federation, console)
            finally:
                federation.stop()
    except DemoError as error:
        typer.echo(f"error: {error}", err=True)
        if error.hint:
            typer.echo(f"hint: {error.hint}", err=True)
        raise typer.Exit(1) from None


def _interrupt(_number: int, _frame: object) -> None:
    """SIGTERM ends the demonstration as Ctrl-C does, with everything that it has started."""
    raise KeyboardInterrupt


def _validate(data: Path | None, check: Path | None, asker: str | None) -> None:
    if (check is None) != (asker is None):
        raise DemoError("--check and --from belong together", hint="--check applicants.csv --from CA9900100")
    if check is not None and not check.is_file():
        raise DemoError(f"{check} is not a file", hint="give a CSV file of applicants")
    if asker is not None and asker not in {member.ori for member in read_members(data or SHIPPED)}:
        raise DemoError(f"{asker} is not a member of this federation", hint="--from takes the ORI of a sub-folder")


@contextmanager
def _folder(directory: Path | None) -> Iterator[Path]:
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="waypost-demo-") as name:
            yield Path(name)
        return
    if directory.exists() and any(directory.iterdir()):
        raise DemoError(f"{directory} is not empty", hint="name a new or empty folder with --dir")
    yield directory.absolute()


def _run(
    federation: Federation, console: Console, *, check: Path | None, asker: str | None, as_json: bool, shipped: bool
) -> None:
    from waypost.hub.demo import story

    if check is None and shipped:
        story.tell(federation, console)
        return
    story.found(federation, console, synthetic=shipped)
    if check is not None and asker is not None:
        arguments = ["check", "--batch", str(check), "--purpose", "hiring", "--authorization", "demonstration"]
        as_lines = ["--json"] if as_json else []
        done = federation.node(asker, *arguments, "--by", "demonstration", *as_lines, accept=(0, 1))
        sys.stdout.write(done.stdout)
        if done.returncode:  # rows that were rejected, or the whole file: in the command's own words
            sys.stderr.write(done.stderr)
            raise typer.Exit(done.returncode)


def _stay(federation: Federation, console: Console) -> None:
    folder = federation.folder
    asker = federation.members[0].ori
    console.print("\n[bold]The federation stays up. In another terminal:[/bold]\n")
    console.print(f"  export WAYPOST_PASSPHRASE_FILE={federation.passphrase_file}", soft_wrap=True)
    console.print(f"  waypost-node status --home {folder / asker}", soft_wrap=True)
    console.print(
        f"  waypost-node check --home {folder / asker} --family Delacroix --given Kate --dob 1988-03-14 "
        "--purpose hiring --authorization TRY-1 --by ME",
        soft_wrap=True,
    )
    console.print(f"  waypost-node checks list --home {folder / asker}", soft_wrap=True)
    console.print(f"  waypost-hub members --home {folder / 'hub'}", soft_wrap=True)
    console.print("\nCtrl-C ends it.")
    with suppress(KeyboardInterrupt):
        while True:
            signal.pause()
