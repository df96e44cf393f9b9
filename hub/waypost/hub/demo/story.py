"""The demonstration that `make demo` shows: a federation is founded, an applicant is checked, the hub is opened up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table

from waypost.hub.demo.errors import DemoError
from waypost.hub.demo.exhibit import occurrences, tables
from waypost.hub.demo.federation import Federation

ASKER: Final = "CA9900100"

APPLICANT: Final = (
    *("check", "--family", "Whitfield", "--given", "Kathrine", "--middle", "Anne", "--dob", "1988-03-14"),
    *("--other-name", "Delacriox, Kathrine", "--purpose", "hiring"),
    *("--authorization", "HP-2026-0142", "--by", "HP-BG-07", "--wait", "60s"),
)
"""The applicant of the story: a married name, and both the given name and the former surname misspelt."""

BOARD: Final = "NV9900900"
REVOKED: Final = "NVPOST-2020-17"
VOID: Final = (
    *("records", "void", REVOKED, "--overturned", "--by", "NVPOST-3"),
    *("--reason", "overturned by the district court"),
)
"""The POST board that revoked her certificate, and what it does when a court undoes that."""

NOBODY: Final = (
    *("check", "--family", "Featherstone", "--given", "Marisol", "--middle", "Ines", "--dob", "1994-10-02"),
    *("--purpose", "hiring", "--authorization", "HP-2026-0143", "--by", "HP-BG-07", "--wait", "60s"),
)
"""An applicant whom no member knows."""

_NOTICE_TIMEOUT_S: Final = 60.0
"""A notice takes about two seconds; on a very busy machine ten times that."""

_POLL_S: Final = 0.5

SECRETS: Final = (
    "Whitfield",
    "Delacroix",
    "Delacriox",
    "Kathrine",
    "1988-03-14",
    "P40718",
    "handcuffed",
    "Featherstone",
)
"""Words of the two checks and of the records disclosed: none of them may stand anywhere at the hub or the trustee."""


def tell(federation: Federation, console: Console) -> None:
    """Run the story from the founding to the end; the processes stay up for the caller to stop."""
    found(federation, console, synthetic=True)
    _ask(federation, console, "An applicant with a past", _APPLICANT_WORDS, APPLICANT)
    _void(federation, console)
    _ask(federation, console, "An applicant without one", _NOBODY_WORDS, NOBODY)
    _open_up(federation, console)


_APPLICANT_WORDS: Final = (
    "Harbor Point (California) considers an applicant. She gives her married name, Whitfield, and says that she was a "
    "Delacroix before; the investigator mistypes both. Two agencies and a POST board in other states knew her. "
    "The hub does not learn who is meant: it sees 96 tokens, and which members they point to."
)
_VOID_WORDS: Final = (
    "A court overturns the revocation. The board voids its record; its node knows from its own log of disclosures who "
    "had received it, and tells them. Nobody else learns of it."
)
_NOBODY_WORDS: Final = "The same question about somebody whom no member knows. No node is contacted at all."


def _heading(console: Console, title: str, words: str) -> None:
    console.print()
    console.print(Rule(f"[bold]{title}[/bold]", align="left"))
    console.print(words)
    console.print()


def found(federation: Federation, console: Console, *, synthetic: bool) -> None:
    """Set everything up, import every member's files, and wait until all officers are in the blind index."""
    count = len(federation.members)
    _heading(
        console,
        "A federation on this machine",
        f"A trustee, a hub and {count} members' nodes, each a process of its own with its own folder under "
        f"{federation.folder}.{' All data is synthetic.' if synthetic else ''}",
    )
    with console.status("trustee and hub: keys, first roster signed by both …"):
        federation.found()
    with console.status(f"{count} members: invitation, join, import of their own files …"):
        summaries = federation.enrol_all()
    console.print(_members_table(federation, summaries))
    with _progress(console) as progress:
        task = progress.add_task("blind index: officers tokenized", total=None)
        federation.wait_until_indexed(lambda done, total: progress.update(task, completed=done, total=total))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )


def _members_table(federation: Federation, summaries: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Members, and what their import said", title_justify="left")
    for heading in ("ORI", "member", "role"):
        table.add_column(heading)
    for heading in ("officers", "records", "shareable", "withheld", "rejected rows"):
        table.add_column(heading, justify="right")
    for member in federation.members:
        facts = summaries[member.ori]
        table.add_row(
            member.ori,
            member.name,
            member.role,
            *(str(facts.get(key, 0)) for key in ("officers", "records", "shareable", "withheld", "rejected")),
        )
    table.caption_justify = "left"
    table.caption = (
        "withheld: no fair process on record (Executive Order 13929, section 3(b)); never disclosed or counted. "
        "rejected rows: named with line, column and reason in a file that can be mended and imported again."
    )
    return table


def _ask(federation: Federation, console: Console, title: str, words: str, arguments: tuple[str, ...]) -> None:
    _heading(console, title, words)
    console.print(f"[dim]$ waypost-node {_shown(arguments)}[/dim]\n", soft_wrap=True)
    done = federation.node(ASKER, *arguments)
    console.print(done.stdout.rstrip(), markup=False, highlight=False, soft_wrap=True)


def _void(federation: Federation, console: Console) -> None:
    _heading(console, "The record falls on appeal", _VOID_WORDS)
    _run(federation, console, BOARD, VOID)
    deadline = time.monotonic() + _NOTICE_TIMEOUT_S
    while federation.status(BOARD)["notices_undelivered"]:
        if time.monotonic() > deadline:
            raise DemoError("the notice was not acknowledged", hint=f"see {federation.folder}")
        time.sleep(_POLL_S)
    _run(federation, console, BOARD, ("notices",))
    _run(federation, console, ASKER, ("notices",))
    again = json.loads(federation.node(ASKER, *APPLICANT, "--json").stdout)
    kept = sorted(record["record_key"] for each in again["candidates"] for record in each["records"])
    console.print(f"A new check of the same applicant shows {', '.join(kept)}, and no longer {REVOKED}.")


def _run(federation: Federation, console: Console, ori: str, arguments: tuple[str, ...]) -> None:
    console.print(f"[dim]{ori} $ waypost-node {_shown(arguments)}[/dim]", soft_wrap=True)
    console.print(federation.node(ori, *arguments).stdout.rstrip(), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _shown(arguments: tuple[str, ...]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in arguments)


def _open_up(federation: Federation, console: Console) -> None:
    _heading(
        console,
        "What the hub holds about all this",
        "Its whole database, one row of each table. Tokens are outputs of a function that hub and trustee can only "
        "compute together, and only of an input that neither of them sees.",
    )
    hub = federation.home("hub")
    table = Table(show_lines=False)
    for heading in ("table", "rows", "columns and one row"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "rows" else "left")
    for view in tables(hub / "hub.db"):
        cells = ", ".join(f"{name}={value}" for name, value in zip(view.columns, view.sample, strict=False))
        table.add_row(view.name, str(view.rows), cells or "[dim]empty[/dim]")
    console.print(table)
    for party in ("hub", "trustee"):
        _search(federation.home(party), party, console)


def _search(folder: Path, party: str, console: Console) -> None:
    found = occurrences(folder, SECRETS)
    total = sum(found.values())
    verdict = "[green]not once[/green]" if total == 0 else f"[red]{total} times: this is a defect[/red]"
    console.print(f"Searched every byte of the {party}'s folder for {', '.join(SECRETS)}: {verdict}.")
