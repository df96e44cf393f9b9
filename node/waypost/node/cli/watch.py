"""`waypost-node watch add | list | renew | remove`: hear when something new comes up about a person one has hired."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from waypost.node.cli.applicant import names_of, numbers_of, person_of
from waypost.protocol.limits import WATCH_LIFETIME_DAYS_MAX
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.store import Store, StoredWatch

app = typer.Typer(
    help="Watches: hear of it when something new comes up about a person one has hired.", no_args_is_help=True
)
_DAYS = 365
_IdArgument = Annotated[str, typer.Argument(help="The watch's id or its beginning, or its label.")]
_DaysOption = Annotated[int, typer.Option(help=f"How long it lasts; at most {WATCH_LIFETIME_DAYS_MAX} days.")]


def register(parent: typer.Typer) -> None:
    """Add this noun."""
    parent.add_typer(app, name="watch")


@app.command()
def add(
    home: HomeOption,
    authorization: Annotated[
        str, typer.Option(help="The person's signed authorization for being watched: a file, or your reference to it.")
    ],
    by: Annotated[str, typer.Option("--by", help="Who asks: a staff reference that your agency can resolve.")],
    label: Annotated[str, typer.Option(help="Your own word for the person, such as an employee number.")] = "",
    purpose: Annotated[str, typer.Option(help="hiring, or certification (POST boards).")] = "hiring",
    days: _DaysOption = _DAYS,
    family: Annotated[str, typer.Option(help="Family name.")] = "",
    given: Annotated[str, typer.Option(help="Given name.")] = "",
    middle: Annotated[str, typer.Option(help="Middle name or initial.")] = "",
    suffix: Annotated[str, typer.Option(help="Jr, Sr, II ...")] = "",
    dob: Annotated[str, typer.Option(help="Date of birth, YYYY-MM-DD (or YYYY-MM, YYYY).")] = "",
    cert: Annotated[list[str] | None, typer.Option(help="Certification, STATE:NUMBER; may be repeated.")] = None,
    officer_id: Annotated[
        list[str] | None,
        typer.Option(help="Officer number: the national one, or ISSUER:NUMBER (GA:O123456)."),
    ] = None,
    ssn_prompt: Annotated[bool, typer.Option("--ssn-prompt", help="Ask for the SSN; never on a command line.")] = False,
    other_name: Annotated[list[str] | None, typer.Option(help='A former name, "FAMILY, GIVEN"; repeatable.')] = None,
    batch: Annotated[
        Path | None, typer.Option(help="A CSV of persons, with the columns of officers files, to watch instead.")
    ] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Watch a person, or a whole department. A check runs by itself when another member registers something new.

    Names alone cannot be looked up: give the date of birth, a number or the SSN as well.
    """
    from waypost.node import settings, watching
    from waypost.node.cli.check import Why, tell_authorizations
    from waypost.node.cli.people_file import Inquiries, Reasons, end_if_rejected, read_people, tell_rejected
    from waypost.node.federation import read_federation

    now_ms = time.time_ns() // 1_000_000
    rows = Inquiries({}, (), ())
    if batch is not None:
        rows = Reasons(purpose, authorization, by).inquiries(read_people(batch))
        word = label or batch.stem
        watches = [watching.new_watch(inquiry, f"{word} {row}", days, now_ms) for row, inquiry in rows.by_row.items()]
        tell_authorizations(rows.reasons)
        tell_rejected(rows.rejected)
    else:
        why = Why(purpose, authorization, by)
        ssn = typer.prompt("Social security number", hide_input=True, err=True) if ssn_prompt else ""
        names = names_of(family, given, middle, suffix, other_name or [])
        person = person_of(names, dob, ssn, numbers_of(cert or [], officer_id or []), today=datetime.now(UTC).date())
        watches = [watching.new_watch(why.inquiry(person), label or "-", days, now_ms)]
        tell_authorizations([why])
    read_federation(home)
    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        if batch is None:
            store.watches.add(watches[0])
            typer.echo(watches[0].id.hex())
            return
        added = _add_new(store, watches)
    already, rejected = len(watches) - added, len(rows.rejected)
    typer.echo(f"rows {rows.rows}: watched {added}, watched already {already}, rejected {rejected}")
    end_if_rejected(rows.rejected, "give it again: who is watched is not watched twice")


def _add_new(store: Store, watches: list[StoredWatch]) -> int:
    """Add watches of those who are not watched with the same details already; how many."""
    from waypost.node.applicants import inquiry_from_json
    from waypost.node.store.watches import ACTIVE

    added = 0
    with store.writing():
        known = {inquiry_from_json(held.inquiry_json).person for held in store.watches.all() if held.state == ACTIVE}
        for watch in watches:
            person = inquiry_from_json(watch.inquiry_json).person
            if person not in known:
                known.add(person)
                store.watches.add(watch)
                added += 1
    return added


@app.command("list")
def list_watches(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List watches: until when each lasts, whether the hub has it, and the check of its newest hit."""
    from waypost.node import settings

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        at_hub = store.watches.at_hub(time.time_ns() // 1_000_000)
        facts = [_facts(watch, at_hub=watch.id in at_hub) for watch in store.watches.all()]
    if as_json:
        for entry in facts:
            typer.echo(json.dumps(entry))
        return
    table = Table(
        Column("watch", no_wrap=True, min_width=8),
        "label",
        "person",
        "state",
        Column("until", no_wrap=True, min_width=10),
        "at the hub",
        "newest hit",
        Column("its check", no_wrap=True, min_width=8),
    )
    for entry in facts:
        table.add_row(
            *(entry["watch"][:8], entry["label"], entry["person"], entry["state"], entry["until"]),
            *(_at_hub_words(entry), entry["hit_at"], entry["check"][:8]),
        )
    Console().print(table)


def _at_hub_words(entry: dict[str, Any]) -> str:
    from waypost.node.store.watches import ACTIVE

    if entry["at_hub"]:
        return "yes"
    return "not yet" if entry["state"] == ACTIVE else "no"


def _facts(watch: StoredWatch, *, at_hub: bool) -> dict[str, Any]:
    from waypost.node.applicants import inquiry_from_json
    from waypost.node.cli.check import moment

    name = inquiry_from_json(watch.inquiry_json).person.names[0] if watch.inquiry_json else None
    return {
        "watch": watch.id.hex(),
        "label": watch.label,
        "person": f"{name.family}, {name.given}" if name else "",
        "state": watch.state,
        "until": moment(watch.expires_at_ms)[:10],
        "at_hub": at_hub,
        "hit_at": moment(watch.hit_at_ms) if watch.hit_at_ms else "",
        "check": watch.check_id.hex(),
    }


@app.command()
def renew(
    watch: _IdArgument, home: HomeOption, days: _DaysOption = _DAYS, passphrase_file: PassphraseOption = None
) -> None:
    """Let a watch last so many days from now, under the authorization that it has."""
    from waypost.node import settings, watching
    from waypost.node.cli.check import moment

    until = watching.end_of(days, time.time_ns() // 1_000_000)
    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store, store.writing():
        store.watches.update(replace(_find(store, watch), expires_at_ms=until))
    typer.echo(f"It lasts until {moment(until)[:10]}.")


@app.command()
def remove(watch: _IdArgument, home: HomeOption, passphrase_file: PassphraseOption = None) -> None:
    """End a watch: the hub forgets its tokens, and the node its person's details."""
    from waypost.node import settings, watching

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        watching.remove(store, _find(store, watch))
    typer.echo("It is ended.")


def _find(store: Store, text: str) -> StoredWatch:
    from waypost.node.errors import CheckError
    from waypost.node.store.watches import ACTIVE

    active = [watch for watch in store.watches.all() if watch.state == ACTIVE]
    found = [watch for watch in active if watch.label == text or watch.id.hex().startswith(text.lower())]
    if len(found) != 1:
        what = "no active watch" if not found else "more than one active watch"
        raise CheckError(f"{what} is called {text[:32]!r}", hint="waypost-node watch list shows them")
    return found[0]
