"""`waypost-node rounds` and `waypost-node programme`: what this node gave to totals, and what its custodian states."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

programme_app = typer.Typer(help="What the agency's custodian states about its programmes.", no_args_is_help=True)
_STATED_BY_CHARS_MAX = 200


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command()(rounds)
    root.add_typer(programme_app, name="programme")


def rounds(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List the aggregate rounds that this node answered or declined. The counts themselves are not kept."""
    from waypost.node.limits import ROUNDS_SHOWN
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        held = store.rounds.newest(ROUNDS_SHOWN)
    for each in held:
        if as_json:
            facts = {
                "round": each.round_id.hex(),
                "measure": each.measure,
                "period": each.period,
                "states": each.states.split(),
                "outcome": each.outcome,
                "reason": each.reason,
                "at_ms": each.at_ms,
            }
            typer.echo(json.dumps(facts))
        else:
            moment = datetime.fromtimestamp(each.at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            whom = each.states or "all states"
            typer.echo(f"{moment}  {each.outcome:<8}  {each.measure} {each.period} ({whom})  {each.reason}".rstrip())
    if not held and not as_json:
        typer.echo("No round was asked yet.")


@programme_app.command("set")
def set_fact(
    name: Annotated[str, typer.Argument(help="The fact; `waypost-node programme show` lists them.")],
    value: Annotated[str, typer.Argument(help="A number of officers, or yes or no.")],
    home: HomeOption,
    by: Annotated[str, typer.Option(help="Name and title of who states it.")],
    as_of: Annotated[
        str, typer.Option(help="From which day on it holds, such as 2026-09-30; today, if not said.")
    ] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """State a fact about the agency's programmes; it is counted in rounds on periods that end on that day or later."""
    from waypost.node.audit import Event
    from waypost.node.programmes import require_fact
    from waypost.node.settings import open_keys, open_store
    from waypost.node.store import AuditEntry, ProgrammeFact
    from waypost.protocol.shell import fail

    require_fact(name, value)
    today = datetime.now(UTC).date()
    try:
        day = date.fromisoformat(as_of) if as_of else today
    except ValueError:
        fail("--as-of is not a day", "write it as 2026-09-30")
    if day > today:
        fail("--as-of lies in the future", "state what holds now")
    if not 0 < len(by.strip()) <= _STATED_BY_CHARS_MAX or not by.isprintable():
        fail("--by is empty or too long", "give name and title: --by 'A. Custodian, Records'")
    now_ms = time.time_ns() // 1_000_000
    with open_store(home, open_keys(home, passphrase_file)) as store, store.writing():
        store.programmes.add(ProgrammeFact(name, value, day, by.strip(), now_ms))
        store.audit.add(AuditEntry(now_ms, Event.PROGRAMME_STATED, name, f"{value} as of {day}"))
    typer.echo(f"{name}: {value} as of {day}.")


@programme_app.command("show")
def show_facts(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Show every fact, what holds today, and who stated it."""
    from waypost.node.programmes import MEANING
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        stated = store.programmes.all()
    for name, meaning in MEANING.items():
        newest = next((fact for fact in stated if fact.name == name), None)
        if as_json:
            facts = {"name": name, "value": newest.value if newest else None}
            if newest is not None:
                facts |= {"as_of": newest.as_of.isoformat(), "by": newest.stated_by}
            typer.echo(json.dumps(facts))
            continue
        told = f"{newest.value} as of {newest.as_of}, by {newest.stated_by}" if newest else "not stated"
        typer.echo(f"{name}: {told}\n  {meaning}")
