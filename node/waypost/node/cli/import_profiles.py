"""`waypost-node import profiles`: the shapes of files that Waypost knows."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from waypost.protocol.shell import JsonOption

app = typer.Typer(help="The shapes of files that Waypost knows.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="profiles")


@app.command("list")
def list_profiles(as_json: JsonOption = False) -> None:
    """List the profiles that come with Waypost."""
    from waypost.node.intake.profiles import shipped_profiles

    profiles = shipped_profiles().values()
    if as_json:
        facts = [{"profile": each.name, "title": each.title, "source": each.source} for each in profiles]
        typer.echo(json.dumps(facts, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("profile", "what it brings in")
    for each in profiles:
        table.add_row(each.name, each.title)
    Console(soft_wrap=True, markup=False, highlight=False).print(table)


@app.command("show")
def show_profile(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="A profile's name, or the .toml file of your own.")],
) -> None:
    """Print a profile, to read it or to make your own from it."""
    from waypost.node.intake.profiles import load_profile

    typer.echo(load_profile(profile).toml.rstrip("\n"))
