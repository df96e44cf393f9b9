"""`waypost-node disclosures` and `self-file`: what an officer may know about what is known of him."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.policy import Asker
    from waypost.node.ruling import Ruling
    from waypost.node.selffile import Custodian
    from waypost.node.store import Store

_OfficerOption = Annotated[str, typer.Option("--officer", help="The officer's key in your own files.")]


disclosures = typer.Typer(help="The log of disclosures: who saw what of an officer, when, and why.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("self-file")(self_file)
    app.add_typer(disclosures, name="disclosures")


@disclosures.callback(invoke_without_command=True)
def list_disclosures(
    context: typer.Context,
    officer: Annotated[str, typer.Option("--officer", help="The officer's key in your own files.")] = "",
    home: Annotated[
        Path | None, typer.Option(envvar="WAYPOST_HOME", help="The folder that holds this party's keys and data.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who saw what of an officer: when, for what purpose, who asked, under which policies."""
    from waypost.node import settings
    from waypost.node.selffile import accounting

    if context.invoked_subcommand is not None:
        return
    if not officer or home is None:
        raise typer.BadParameter("name the officer with --officer KEY, and the node's home with --home")
    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store, store.reading():
        custodian = custodian_of(home, store)
        entries = accounting(store, officer_id_of(store, officer), custodian)
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
        return
    for entry in entries:
        typer.echo(
            f"{entry['at']}  {custodian.named(entry['asker'])}, {entry['purpose']}, asked by {entry['asked_by']}"
        )
        records = ", ".join(f"{each['record_key']} v{each['version']}" for each in entry["records"])
        typer.echo(
            f"  {entry['verdict']}{f': {records}' if records else ''} (policies: {', '.join(entry['policies'])})"
        )
    typer.echo(f"entries: {len(entries)}")


def self_file(
    officer: _OfficerOption,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write it: a .pdf or a .json file.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Write an officer's own file: what the node holds and may release to him, and who has been told about it."""
    from waypost.node import selffile, selffile_pages, settings
    from waypost.node.documents import to_pdf, write_private
    from waypost.node.errors import CheckError

    if output.suffix not in {".pdf", ".json"}:
        raise CheckError(f"{output} ends neither in .pdf nor in .json", hint="name the file so")
    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store, store.reading():
        custodian = custodian_of(home, store)
        held = store.officers.get(officer_id_of(store, officer))
        assert held is not None  # noqa: S101 - the same moment's state
        ruling, asker = _ruling(home, store)
        facts = selffile.self_file(store, held, custodian, ruling, asker)
    if output.suffix == ".json":
        content = f"{json.dumps(facts, indent=2)}\n".encode()
    else:
        content = to_pdf(selffile_pages.document(facts, custodian))
    write_private(output, content)
    typer.echo(f"Wrote {output}: {len(facts['records'])} records, {len(facts['disclosures'])} entries on who was told.")


def officer_id_of(store: Store, officer_key: str) -> int:
    """The store's id of an officer; CheckError when there is none of that key."""
    from waypost.node.errors import CheckError

    officer_id = store.officers.id_of(officer_key)
    if officer_id is None:
        raise CheckError(f"there is no officer {officer_key[:64]!r}", hint="give the officer_key of your own files")
    return officer_id


def custodian_of(home: Path, store: Store) -> Custodian:
    """The agency of this node, and what the roster calls the members."""
    from waypost.node.cli.check import member_names
    from waypost.node.federation import read_federation
    from waypost.node.selffile import Custodian

    ori, members = read_federation(home).ori, member_names(store)
    return Custodian(ori, members.get(ori, ori), members)


def _ruling(home: Path, store: Store) -> tuple[Ruling, Asker]:
    """The node's rules today, and its agency as one that asks for its officer's own file."""
    from waypost.crypto.envelope import parse_envelope
    from waypost.node.due_process import read_windows
    from waypost.node.errors import SettingsError
    from waypost.node.federation import read_federation
    from waypost.node.policy import PolicyEngine, read_local
    from waypost.node.policy_facts import asker_of
    from waypost.node.ruling import Ruling
    from waypost.protocol.roster import parse_roster

    held, ori = store.rosters.newest(), read_federation(home).ori
    if held is None:
        raise SettingsError("the node holds no roster yet", hint="run waypost-node serve until the link is up")
    roster = parse_roster(parse_envelope(held.envelope).payload)
    member = roster.members[ori]
    engine = PolicyEngine(roster.policy_floor, read_local(home))
    today = datetime.now(UTC).date()
    return Ruling(ori, member.state, engine, read_windows(home), today), asker_of(member, "self", authorized=True)
