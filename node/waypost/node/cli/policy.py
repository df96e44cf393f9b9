"""`waypost-node policy check | explain`: what the node's policies say, before anybody asks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.node.cli import records
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.policy import Explanation
    from waypost.node.store import Store
    from waypost.protocol.roster import Roster

app = typer.Typer(help="The node's own policies: state law, which only narrows the federation's.", no_args_is_help=True)

_KEYS_SHOWN = 5


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="policy")


@app.command()
def check(
    home: HomeOption,
    file: Annotated[
        list[Path] | None, typer.Argument(help="Files to look at; those in HOME/policies if not given.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Validate policy files, and show what each would keep back of the records held."""
    from waypost.node.due_process import read_windows
    from waypost.node.federation import read_federation
    from waypost.node.policy import read_files, read_local
    from waypost.node.policy_review import review

    files = read_files(file) if file else read_local(home)
    ori = read_federation(home).ori
    with records.opened(home, passphrase_file) as store:
        roster = newest_roster(store)
        officers = store.officers.get_many(sorted({owned.officer_id for owned in store.conduct.all()}))
        effects = review(
            officers,
            files,
            floor=roster.policy_floor,
            ori=ori,
            state=_state(roster, ori),
            windows=read_windows(home),
            today=datetime.now(UTC).date(),
        )
    if as_json:
        listed = [
            {
                "file": each.file,
                "asker": each.asker,
                "admitted": each.admitted,
                "kept_back": each.kept_back,
                "officers": each.officers,
                "officers_declined": each.officers_declined,
            }
            for each in effects
        ]
        typer.echo(json.dumps({"files": [name for name, _ in files], "effects": listed}, indent=2))
        return
    for name, _ in files:
        typer.echo(f"{name}: valid")
        for each in (effect for effect in effects if effect.file == name):
            kept = len({key for keys in each.kept_back.values() for key in keys})
            whole = f"; declines {each.officers_declined} officers as a whole" if each.officers_declined else ""
            typer.echo(f"  {each.asker}: {kept} of {each.admitted} records kept back{whole}")
            for policy, keys in each.kept_back.items():
                more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
                typer.echo(f"    {policy}: {', '.join(keys[:_KEYS_SHOWN])}{more}")
    typer.echo(f"policy files: {len(files)}, all valid")


@app.command()
def explain(
    home: HomeOption,
    record: Annotated[str, typer.Option("--record", help="The record's key.")],
    purpose: Annotated[str, typer.Option(help="hiring, certification or self.")],
    ori: Annotated[str, typer.Option("--as", help="ORI of the member that would ask.")],
    unauthorized: Annotated[
        bool, typer.Option("--unauthorized", help="As if what the person signed had not come along.")
    ] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a member would get a record, which policy decides, and why."""
    from waypost.node.applicants import PURPOSES
    from waypost.node.due_process import read_windows
    from waypost.node.errors import CheckError
    from waypost.node.fairness import Withheld
    from waypost.node.federation import read_federation
    from waypost.node.policy import PolicyEngine, read_local
    from waypost.node.policy_facts import asker_of
    from waypost.node.ruling import Ruling
    from waypost.protocol.shell import fail

    if purpose not in PURPOSES:
        raise CheckError(f"{purpose!r} is no purpose", hint="one of: " + ", ".join(PURPOSES))
    own = read_federation(home).ori
    with records.opened(home, passphrase_file) as store:
        roster, held = newest_roster(store), store.conduct.by_key(record)
        officer = None if held is None else store.officers.get(held.officer_id)
    if held is None or officer is None:
        fail("there is no record of that key", "see `waypost-node records list`")
    asker = asker_of(roster.active_member(ori), purpose, authorized=not unauthorized)
    engine = PolicyEngine(roster.policy_floor, read_local(home))
    ruling = Ruling(own, _state(roster, own), engine, read_windows(home), datetime.now(UTC).date())
    fairness, explained = ruling.fairness(held.record), ruling.explain(asker, held.record)
    whole = ruling.explain_officer(asker, officer)
    missing = fairness.words if isinstance(fairness, Withheld) else ()
    deciding = {*whole.decision.policy_ids, *explained.decision.policy_ids}
    facts: dict[str, Any] = {
        "record_key": record,
        "allowed": not missing and whole.decision.allowed and explained.decision.allowed,
        "missing": list(missing),
        "officer": _steps(whole),
        **_steps(explained),
        "reasons": {policy: explained.reasons[policy] for policy in sorted(deciding) if policy in explained.reasons},
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for words in missing:
        typer.echo(f"section 3(b): {words}")
    for what, each in (("the officer as a whole", whole), ("the record", explained)):
        for name, decision in (("the federation's floor", each.floor), *each.files):
            by = f" ({', '.join(decision.policy_ids)})" if decision.policy_ids else ""
            typer.echo(f"{what}: {name} {'lets it out' if decision.allowed else 'keeps it back'}{by}")
        if not each.floor.allowed:
            typer.echo(f"{what}: the node's own policies are not asked, for they can only narrow")
    for policy, why in facts["reasons"].items():
        typer.echo(f"  {policy}: {why}")
    typer.echo(f"{record}, asked by {ori} for {purpose}: {'disclosed' if facts['allowed'] else 'not disclosed'}")


def _steps(explained: Explanation) -> dict[str, Any]:
    return {
        "floor": {"allowed": explained.floor.allowed, "policies": list(explained.floor.policy_ids)},
        "files": [
            {"file": name, "allowed": decision.allowed, "policies": list(decision.policy_ids)}
            for name, decision in explained.files
        ],
    }


def newest_roster(store: Store) -> Roster:
    """The roster held; SettingsError while there is none."""
    from waypost.crypto.envelope import parse_envelope
    from waypost.node.errors import SettingsError
    from waypost.protocol.roster import parse_roster

    held = store.rosters.newest()
    if held is None:
        raise SettingsError("the node holds no roster", hint="join a federation first")
    return parse_roster(parse_envelope(held.envelope).payload)


def policy_state(store: Store, home: Path) -> str:
    """Whether the node's policies can be used, in one line; what is wrong stands first."""
    from waypost.node.due_process import windows_of
    from waypost.node.errors import PolicyError, SettingsError
    from waypost.node.policy import PolicyEngine, read_local
    from waypost.node.settings import read_tables
    from waypost.node.terms import terms_of

    try:
        roster = newest_roster(store)
    except SettingsError:
        return "no floor yet: the node has joined no federation"
    try:
        engine = PolicyEngine(roster.policy_floor, read_local(home))
        tables = read_tables(home)
        windows_of(tables)
        terms_of(tables)
    except (PolicyError, SettingsError) as error:
        return f"NOTHING IS DISCLOSED: {error}"
    return f"the federation's floor and {engine.file_count} files of the node's own"


def _state(roster: Roster, ori: str) -> str:
    member = roster.member(ori)
    return member.state if member is not None else ori[:2]
