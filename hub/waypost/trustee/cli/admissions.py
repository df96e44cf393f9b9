"""`waypost-trustee admit | withdraw | admitted`: which ORIs may enrol a key, once each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from waypost.protocol.names import valid_ori
from waypost.protocol.shell import HomeOption
from waypost.trustee import settings
from waypost.trustee.audit import Event
from waypost.trustee.errors import SettingsError
from waypost.trustee.store import Store

_DEFAULT_HOME = Path("waypost-trustee")
_FILE_ORIS_MAX = 50_000
_OrisArgument = Annotated[list[str] | None, typer.Argument(help="ORIs, such as CA0194200.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (admit, withdraw, admitted):
        app.command()(command)


def admit(
    oris: _OrisArgument = None,
    file: Annotated[Path | None, typer.Option(help="A file with an ORI at the start of each line.")] = None,
    home: HomeOption = _DEFAULT_HOME,
) -> None:
    """Admit agencies: each may enrol one key. Check that each is what it says before you do."""
    wanted = _collect(oris, file)
    store, now_ms = Store(settings.Home(home).database), time.time_ns() // 1_000_000
    with store.transaction():
        store.admit(wanted, now_ms)
        _note(store, wanted, Event.ADMITTED, now_ms)
    typer.echo(f"Admitted {len(wanted)} for one enrolment each.")


def withdraw(oris: _OrisArgument = None, home: HomeOption = _DEFAULT_HOME) -> None:
    """Take back admissions that were not used yet."""
    wanted = list(dict.fromkeys(_collect(oris, None)))
    store, now_ms = Store(settings.Home(home).database), time.time_ns() // 1_000_000
    with store.transaction():
        admitted_now = store.admitted()
        held = [ori for ori in wanted if ori in admitted_now]
        store.withdraw(held)
        _note(store, held, Event.ADMISSION_WITHDRAWN, now_ms)
    if held:
        typer.echo(f"Withdrew {len(held)}: {' '.join(held)}")
    if missing := [ori for ori in wanted if ori not in admitted_now]:
        raise SettingsError(
            f"no admission was open for {' '.join(missing)}",
            hint="waypost-trustee admitted lists the open ones; who has joined already is suspended by the hub",
        )


def admitted(home: HomeOption = _DEFAULT_HOME) -> None:
    """List the admissions that were not used yet."""
    open_now = sorted(Store(settings.Home(home).database).admitted())
    for ori in open_now:
        typer.echo(ori)
    if not open_now:
        typer.echo("no admission is open", err=True)


def _collect(oris: list[str] | None, file: Path | None) -> list[str]:
    wanted = list(oris or ())
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            why = (error.strerror or "it cannot be read").lower()
            raise SettingsError(f"{file}: {why}", hint="give a file with one ORI a line") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{file} cannot be read as text", hint="give a file with one ORI a line") from None
        wanted += [line.partition(",")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
        wanted = [ori for ori in wanted if ori.lower() != "ori"]
    if not wanted:
        raise SettingsError("no ORI was given", hint="waypost-trustee admit CA0194200, or --file FILE")
    for ori in wanted:
        if not valid_ori(ori):
            raise SettingsError(f"{ori[:20]!r} is not an ORI", hint="nine capital letters and digits: CA0194200")
    if len(wanted) > _FILE_ORIS_MAX:
        raise SettingsError(f"more than {_FILE_ORIS_MAX} ORIs at a time", hint="split the file")
    return wanted


def _note(store: Store, oris: list[str], event: Event, now_ms: int) -> None:
    for ori in oris:
        store.audit(now_ms, event, ori)
