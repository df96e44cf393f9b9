"""Write the pages that are made from the code: the commands' help, and the catalogues of audit events.

    make docs

A test compares what is written with what would be.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import typer
from click import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

HERE = Path(__file__).parent
PROGRAMS = (
    ("waypost-node", "waypost.node.cli"),
    ("waypost-hub", "waypost.hub.cli"),
    ("waypost-trustee", "waypost.trustee.cli"),
)

CLI_HEAD = """\
# Commands

Made from the programs' own `--help` by `make docs`. Every command ends with 0 when done, 1 when refused or failed with
one line that says why, 2 when it was called wrongly.
"""
AUDIT_HEAD = """\
# Audit events

Made from the code by `make docs`. Each party keeps an append-only audit of what it decided and refused. No entry names
a person. A reason is one of the fixed words of [protocol.md](protocol.md)."""

MEASURES_HEAD = """\
# Measures

Made from the code by `make docs`. This is everything that an aggregate round can count
([aggregates.md](aggregates.md)); version {version} of the catalogue. Only records that section 3(b) admits are counted,
each in the year of its date."""


def _app(module: str) -> typer.Typer:
    return __import__(module, fromlist=["app"]).app


def cli_page() -> str:
    """Every command of every program, as `--help` has it."""
    parts = [CLI_HEAD]
    for name, module in PROGRAMS:
        command = get_command(_app(module))
        text = get_docs_for_click(obj=command, ctx=Context(command), name=name)
        parts.append(re.sub("^#", "##", html.unescape(text), flags=re.MULTILINE))
    return "\n".join(parts).strip() + "\n"


def audit_page() -> str:
    """The catalogue of each party's audit events."""
    from waypost.hub import audit as hub
    from waypost.node import audit as node
    from waypost.trustee import audit as trustee

    parts = [AUDIT_HEAD]
    catalogues: tuple[tuple[str, Mapping[StrEnum, str]], ...] = (
        ("A member's node (`waypost-node`)", dict(node.MEANING)),
        ("The hub (`waypost-hub`)", dict(hub.MEANING)),
        ("The trustee (`waypost-trustee`)", dict(trustee.MEANING)),
    )
    for title, meanings in catalogues:
        rows = "\n".join(f"| `{event}` | {meaning} |" for event, meaning in meanings.items())
        parts.append(f"## {title}\n\n| event | meaning |\n|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


def measures_page() -> str:
    """The catalogue of measures."""
    from waypost.protocol.measures import CATALOGUE_VERSION, MEASURES

    parts = [MEASURES_HEAD.format(version=CATALOGUE_VERSION)]
    for measure in MEASURES.values():
        rows = [f"| {side.title} (`{side.name}`) | {', '.join(side.values)} |" for side in measure.dimensions]
        rows += ["| Year (`year`) | the years of the period |"] if measure.by_year else []
        table = "\n".join(rows)
        kin = f" What it counts is part of `{measure.part_of}`." if measure.part_of else ""
        parts.append(
            f"## {measure.title}\n\n`{measure.name}`, {measure.clause}. {measure.documentation}{kin}\n\n"
            f"One {measure.unit} adds at most {measure.clip}.\n\n| dimension | values |\n|---|---|\n{table}"
        )
    return "\n\n".join(parts) + "\n"


PAGES = {"cli.md": cli_page, "audit-events.md": audit_page, "measures.md": measures_page}


def main() -> None:
    """Write the pages."""
    os.environ["COLUMNS"] = "120"
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
