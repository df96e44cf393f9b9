"""`waypost-node officers`: who is held, and one person under two keys: found, merged, split, or told apart."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.custody.duplicates import Proposal
    from waypost.node.persons import Person, PersonName
    from waypost.node.records import Officer
    from waypost.node.store import OfficerSource, Store

app = typer.Typer(help="Officers held, and one person under two keys.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="OFFICER_KEY", help="The officer's key.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for the book of decisions; one line.")]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    from waypost.node.cli import officers_employment

    officers_employment.register(app)
    root.add_typer(app, name="officers")


@app.command("list")
def list_officers(
    home: HomeOption,
    begins: Annotated[str, typer.Argument(help="How a key or a family name begins; empty: everybody.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 100,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List officers in the order in which they came."""
    with _store(home, passphrase_file) as store:
        found = store.officers.search(begins, limit)
        officers = store.officers.get_many(found)
        sources = {each: len(store.officers.sources(each)) for each in found}
    if as_json:
        facts = [{**_facts(officer), "keys": sources[officer.id]} for officer in officers]
        typer.echo(json.dumps(facts, indent=2))
        return
    rows: list[tuple[str, ...]] = [
        (
            *(officer.officer_key, _name(officer.person.names[0]), str(officer.person.date_of_birth)),
            *(str(len(officer.employment)), str(len(officer.conduct)), str(sources[officer.id])),
        )
        for officer in officers
    ]
    _print_table(("officer", "name", "born", "employments", "records", "keys"), rows)


@app.command()
def show(
    officer_key: KeyArgument, home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """Show an officer: what each source says of him, his employments and records, and what was decided about him."""
    from waypost.protocol.shell import fail

    with _store(home, passphrase_file) as store:
        officer = store.officers.by_key(officer_key)
        if officer is None:
            fail(f"there is no officer {officer_key}", "see `waypost-node officers list`")
        sources = store.officers.sources(officer.id)
        decisions = store.merges.decisions([source.officer_id for source in sources])
        former = {source.officer_key: store.history.former_people(source.officer_id) for source in sources}
    if as_json:
        facts = {
            **_facts(officer),
            "sources": [_source_facts(source, former[source.officer_key]) for source in sources],
            "decisions": [asdict(decision) for decision in decisions],
        }
        typer.echo(json.dumps(facts, indent=2, default=str))
        return
    typer.echo(f"officer {officer.officer_key}")
    for source in sources:
        _print_source(source, former[source.officer_key])
    for job in officer.employment:
        end = job.separated_on or (job.separation_kind and "on a day unknown") or "present"
        typer.echo(f"  {job.ori}, {job.rank or 'rank not recorded'}, {job.hired_on or 'a day unknown'} to {end}")
    for record in officer.conduct:
        typer.echo(f"  record {record.record_key}, version {record.version}: {record.kind}, {record.status}")
    for decision in decisions:
        reason = f": {decision.reason}" if decision.reason else ""
        typer.echo(
            f"  {_day(decision.at_ms)} {decision.decision}: {decision.officer_key}, {decision.other_key}{reason}"
        )


@app.command()
def duplicates(
    home: HomeOption,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many pairs, the surest first.")] = 50,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose pairs of officers who look like one person, with the fields that agree and those that do not."""
    from waypost.node.custody.duplicates import proposals

    with _store(home, passphrase_file) as store, _progress(shown=not as_json) as progress:
        found = proposals(store, progress=progress)
    if as_json:
        typer.echo(json.dumps([_proposal_facts(proposal) for proposal in found[:limit]], indent=2))
        return
    for proposal in found[:limit]:
        _print_proposal(proposal)
    typer.echo(f"pairs that look like one person: {len(found)}")
    if found:
        typer.echo("decide each: waypost-node officers merge KEPT OTHER, or: waypost-node officers distinct ONE OTHER")


@app.command()
def merge(
    kept: Annotated[str, typer.Argument(metavar="KEPT", help="Key of the officer who stands for both from now on.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Key of the other.")],
    home: HomeOption,
    reason: ReasonOption = "",
    despite_differences: Annotated[
        bool, typer.Option("--despite-differences", help="Also when their SSNs or certification numbers differ.")
    ] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Merge two officers who are one person. No record and no history is lost, and they can be split again."""
    from waypost.node.custody import merging

    with _store(home, passphrase_file) as store:
        merging.merge(store, kept, other, at_ms=_now_ms(), reason=reason, despite_differences=despite_differences)
    typer.echo(f"{kept} stands for {other} now; to take it back: waypost-node officers split {other}")


@app.command()
def split(
    officer_key: KeyArgument, home: HomeOption, reason: ReasonOption = "", passphrase_file: PassphraseOption = None
) -> None:
    """Split an officer off the one he was merged into; the pair is not proposed again."""
    from waypost.node.custody import merging

    with _store(home, passphrase_file) as store:
        head = merging.split(store, officer_key, at_ms=_now_ms(), reason=reason)
    typer.echo(
        f"{officer_key} and {head} are two officers again; checks find them when their index entries are renewed"
    )


@app.command()
def distinct(
    one: Annotated[str, typer.Argument(metavar="ONE", help="Key of the one officer.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Key of the other.")],
    home: HomeOption,
    reason: ReasonOption = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Say that two officers are two persons: the pair is not proposed again."""
    from waypost.node.custody import merging

    with _store(home, passphrase_file) as store:
        merging.tell_apart(store, one, other, at_ms=_now_ms(), reason=reason)
    typer.echo(f"{one} and {other} are two persons; they are not proposed again")


def _facts(officer: Officer) -> dict[str, Any]:
    return {
        "officer_key": officer.officer_key,
        "names": [_name(name) for name in officer.person.names],
        "date_of_birth": str(officer.person.date_of_birth),
        "ssn": _ssn(officer.person),
        "numbers": [f"{number.issuer}:{number.value}" for number in officer.person.identifiers],
        "employments": len(officer.employment),
        "records": [record.record_key for record in officer.conduct],
    }


def _source_facts(source: OfficerSource, former: list[Person]) -> dict[str, Any]:
    person = source.person
    return {
        "officer_key": source.officer_key,
        "names": [_name(name) for name in person.names],
        "date_of_birth": str(person.date_of_birth),
        "former_names": [_name(name) for before in former for name in before.names],
    }


def _print_source(source: OfficerSource, former: list[Person]) -> None:
    person = source.person
    typer.echo(f"  source {source.officer_key}: {'; '.join(_name(name) for name in person.names)}")
    numbers = ", ".join(f"{number.issuer} {number.value}" for number in person.identifiers) or "none"
    typer.echo(f"    born {person.date_of_birth or 'not recorded'}, SSN {_ssn(person)}, numbers {numbers}")
    for before in former:
        typer.echo(f"    before: {'; '.join(_name(name) for name in before.names)}, born {before.date_of_birth}")


def _proposal_facts(proposal: Proposal) -> dict[str, Any]:
    return {
        "officer_key": proposal.officer_key,
        "other_key": proposal.other_key,
        "confidence": proposal.comparison.confidence,
        "bits": proposal.comparison.bits,
        "agree": list(proposal.agreeing),
        "differ": list(proposal.differing),
        "fields": [
            {"field": field.field, "officer": field.applicant, "other": field.record, "agreement": field.agreement}
            for field in proposal.comparison.fields
            if field.agreement != "unknown"
        ],
    }


def _print_proposal(proposal: Proposal) -> None:
    typer.echo(f"{proposal.comparison.confidence}: {proposal.officer_key} and {proposal.other_key}")
    for field in proposal.comparison.fields:
        if field.agreement != "unknown":
            typer.echo(f"  {field.field}: {field.applicant} | {field.record} ({field.agreement})")
    if "ssn" in proposal.differing:
        typer.echo("  ssn: different")


def _name(name: PersonName) -> str:
    given = " ".join(part for part in (name.given, name.middle, name.suffix) if part)
    return f"{name.family}, {given}" if given else name.family


def _ssn(person: Person) -> str:
    if person.ssn:
        return "held"
    return "last four held" if person.ssn_last4 else "not recorded"


def _day(at_ms: int) -> date:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().date()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=True, markup=False).print(table)


@contextmanager
def _progress(*, shown: bool) -> Iterator[Any]:
    """A progress bar on the terminal, gone when the work is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("comparing officers"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("comparing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _store(home: Path, passphrase_file: Path | None) -> Iterator[Store]:
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        yield store
