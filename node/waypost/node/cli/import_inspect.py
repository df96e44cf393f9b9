"""`waypost-node import inspect`: what a file looks like, without importing anything; and a profile to start from."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import JsonOption

if TYPE_CHECKING:
    from waypost.node.intake.inspecting import Column, Inspection


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect")(inspect_file)


def inspect_file(
    file: Annotated[Path, typer.Argument(help="The file to look at.")],
    profile: Annotated[
        Path | None, typer.Option("--write-profile", help="Write a profile to start from here; its guesses are marked.")
    ] = None,
    sheet: Annotated[str, typer.Option(help="Look at this sheet alone; a hidden one, too.")] = "",
    encoding: Annotated[str, typer.Option(help="Read it in this encoding, whatever it looks like.")] = "",
    delimiter: Annotated[str, typer.Option(help="Take this for what separates the cells.")] = "",
    columns_at: Annotated[
        str,
        typer.Option(metavar="PLACES", help="Take it for text of fixed width whose columns begin there: 1,9,40."),
    ] = "",
    header_line: Annotated[int, typer.Option(min=0, help="Take this line for the header; 0: find it.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what a file holds: how it is read, its columns with masked examples, and values of small columns."""
    from waypost.node.intake import Reading, Source, open_tables
    from waypost.node.intake.inspecting import inspect_table
    from waypost.node.intake.reading.wishes import NO_DELIMITER, separates

    delimiter = delimiter.replace("\\t", "\t")
    if delimiter and not separates(delimiter):
        raise typer.BadParameter(NO_DELIMITER, param_hint="--delimiter")
    reading = Reading(
        sheets=(sheet,) if sheet else (),
        encoding=encoding or None,
        delimiter=delimiter or None,
        columns_at=_places(columns_at),
        header_line=header_line or None,
    )
    today = datetime.now().astimezone().date()
    inspections = [inspect_table(table, today) for table in open_tables(Source.of_path(file), reading)]
    if as_json:
        typer.echo(json.dumps([_facts(each) for each in inspections], indent=2))
    else:
        for each in inspections:
            _show(each)
    if profile is not None:
        _write(profile, inspections)


def _places(text: str) -> tuple[int, ...]:
    places = [int(each) if each.strip().isdecimal() else 0 for each in text.split(",")] if text else []
    if places != sorted(set(places)) or 0 in places:
        raise typer.BadParameter("write where columns begin, counted from 1: 1,9,40", param_hint="--columns-at")
    return tuple(places)


def _write(path: Path, inspections: list[Inspection]) -> None:
    from waypost.node.errors import IntakeError
    from waypost.node.intake.starting import starter

    text = starter(max(inspections, key=lambda each: each.rows))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise IntakeError(f"{path} cannot be written: {error.strerror}", hint="name a new file") from None
    typer.echo(f"written: {path} ({text.count('# GUESS'):,} guesses to confirm)", err=True)


def _facts(inspection: Inspection) -> dict[str, Any]:
    table = inspection.table
    return {
        "table": table.name,
        "read_as": table.shape,
        "header_line": table.header_line,
        "rows": inspection.rows,
        "left_out": {str(what): count for what, count in table.skipped.items()},
        "headless": inspection.headless,
        "not_read": list(table.aside),
        "columns": [
            {
                "name": column.name,
                "filled": column.filled,
                "examples": column.examples,
                "date_formats": column.date_formats,
                "placeholders": dict(column.placeholders),
                "values": None if column.values is None else dict(column.values.most_common()),
            }
            for column in inspection.columns
        ],
    }


def _show(inspection: Inspection) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True, markup=False, highlight=False)
    table = inspection.table
    console.print(f"{table.name}: {table.shape}; header in line {table.header_line}; {inspection.rows:,} rows")
    if inspection.headless:
        console.print("  no line looks like a header: say which is (--header-line), or name the columns in a profile:")
        console.print('  header = ["...", "..."] under [read]')
    for aside in table.aside:
        console.print(f"  not read: {aside}")
    for what, count in table.skipped.items():
        lines = ", ".join(map(str, table.skipped_lines[what]))
        console.print(
            f"  left out: {what}: {count:,} (line {lines}{', ...' if count > len(lines.split(', ')) else ''})"
        )
    shown = Table("column", "filled", "examples (masked)", "what it looks like")
    for column in inspection.columns:
        shown.add_row(column.name, f"{column.filled:,}", "  ".join(column.examples), _looks(column))
    console.print(shown)


def _looks(column: Column) -> str:
    looks = []
    if column.date_formats:
        looks.append("dates: " + ", ".join(column.date_formats))
    if column.placeholders:
        looks.append("placeholders: " + ", ".join(f"{word} ({count:,})" for word, count in column.placeholders.items()))
    if column.values:
        looks.append(", ".join(f"{value} ({count:,})" for value, count in column.values.most_common()))
    return "; ".join(looks)
