"""`waypost-node import agencies`: which ORI an agency's name in imported files stands for."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from waypost.protocol.printing import printable
from waypost.protocol.shell import HomeOption, JsonOption

app = typer.Typer(help="Which ORI an agency's name in imported files stands for.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="agencies")


@app.command("list")
def list_agencies(home: HomeOption, as_json: JsonOption = False) -> None:
    """List the names that imports have met, those that wait for an ORI first."""
    from waypost.node.intake.agencies import read_agencies
    from waypost.node.settings import agencies_path

    table = sorted(
        read_agencies(agencies_path(home)).values(), key=lambda each: (bool(each.ori), -each.rows, each.name)
    )
    if as_json:
        facts = [{"agency": each.name, "ori": each.ori, "guess": each.guess, "rows": each.rows} for each in table]
        typer.echo(json.dumps(facts, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table("agency", "ORI", "perhaps", "rows")
    for each in table:
        shown.add_row(printable(each.name), each.ori, printable(each.guess), f"{each.rows:,}")
    Console(soft_wrap=True, markup=False, highlight=False).print(shown)


@app.command("confirm")
def confirm_agency(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agency's name as the file writes it.")],
    ori: Annotated[str, typer.Argument(metavar="ORI", help="Its ORI.")],
    home: HomeOption,
) -> None:
    """Say once which ORI a name stands for; imports take it from then on."""
    from waypost.node.intake.agencies import confirmed, read_agencies, write_agencies
    from waypost.node.intake.folding import normal
    from waypost.node.settings import agencies_path

    path = agencies_path(home)
    table = read_agencies(path)
    before = table.get(normal(name))
    write_agencies(path, confirmed(table, name, ori.upper()))
    typer.echo(f"{printable(name)} is {ori.upper()}")
    if before is not None and before.ori not in {"", ori.upper()}:
        typer.echo(
            f"hint: what came in as {before.ori} stays there: undo its batches (waypost-node batches list) and import "
            "the files again, or withdraw single employments (waypost-node officers withdraw-employment)",
            err=True,
        )
