"""`waypost-node checks list | show | receipt`: what was asked, and what has come of it since."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.results import Result
    from waypost.node.store import Store

app = typer.Typer(help="Checks that this node has asked.", no_args_is_help=True)
_LISTED = 50
_ID_DIGITS, _DAY_CHARS, _ORI_CHARS = 8, 10, 9
"""What a terminal of 80 columns must not cut: an id by which a check is found, a day, a member."""
_IdArgument = Annotated[str, typer.Argument(help="The check's id, or its beginning.")]


def register(parent: typer.Typer) -> None:
    """Add this noun."""
    parent.add_typer(app, name="checks")


@app.command("list")
def list_checks(
    home: HomeOption,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest.")] = _LISTED,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest checks, and whether their applicants must still be told (`letter`)."""
    from waypost.node import settings
    from waypost.node.cli.check import load
    from waypost.node.results import facts

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        results = [load(store, check.id) for check in store.checks.newest(count)]
    if as_json:
        for result in results:
            typer.echo(json.dumps(facts(result)))
        return
    Console().print(table_of(results))


def table_of(results: Sequence[Result]) -> Table:
    """Checks as a table that is readable at 80 columns: what does not fit is folded, and no id is cut."""
    from waypost.node.clear import found_word
    from waypost.node.cli.check import moment
    from waypost.node.duties import Duty

    table = Table(
        Column("check", no_wrap=True, min_width=_ID_DIGITS),
        Column("asked, by", overflow="fold", min_width=_DAY_CHARS),
        Column("applicant", overflow="fold"),
        *(Column(name, overflow="fold", min_width=len("answered")) for name in ("state", "found")),
        *(Column(name, overflow="fold", min_width=_ORI_CHARS) for name in ("referrals", "pending")),
        Column("letter", min_width=len("written")),
        box=None,
        padding=(0, 1, 0, 0),
    )
    for result in results:
        name = result.inquiry.person.names[0]
        table.add_row(
            result.check.id.hex()[:_ID_DIGITS],
            f"{moment(result.check.created_at_ms)}\n{result.inquiry.staff}",
            f"{name.family}, {name.given}",
            result.check.state,
            found_word(result),
            "\n".join(result.referrals),
            "\n".join(result.pending),
            "" if result.duty is Duty.NONE else result.duty.value,
        )
    return table


@app.command("show")
def show_check(
    check: _IdArgument, home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """Show one check with everything that has arrived by now."""
    from waypost.node import settings
    from waypost.node.cli.check import load, show_result
    from waypost.node.results import facts

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        result = load(store, find_check(store, check))
        if as_json:
            typer.echo(json.dumps(facts(result)))
        else:
            show_result(store, result)


@app.command("receipt")
def save_receipt(
    check: _IdArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to write the signed receipt.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Write a check's signed receipt, with the proof that it is in the hub's log, to a file that anybody can verify."""
    from waypost.node import settings
    from waypost.node.errors import CheckError
    from waypost.node.federation import read_federation
    from waypost.node.receipt_files import receipt_file

    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        held = store.checks.get(find_check(store, check))
        if held is None or held.receipt is None:
            raise CheckError("the hub has not taken this check yet, so there is no receipt", hint="try again later")
        output.write_bytes(receipt_file(store, held.receipt))
    roots = read_federation(home)
    keys = f"--hub-key {roots.hub_key.hex()} --trustee-key {roots.trustee_key.hex()}"
    typer.echo(
        f"Wrote {output}. Anybody can verify it, with the root keys of hub and trustee as the federation told them:"
    )
    typer.echo(f"waypost-node verify {shlex.quote(str(output))} {keys}")


def find_check(store: Store, text: str) -> bytes:
    """The id of the one check whose id begins so; CheckError otherwise."""
    from waypost.node.errors import CheckError

    found = [check.id for check in store.checks.newest(100_000) if check.id.hex().startswith(text.lower())]
    if len(found) != 1:
        what = "no check's id begins" if not found else "several checks' ids begin"
        raise CheckError(f"{what} with {text[:32]!r}", hint="waypost-node checks list shows them")
    return found[0]
