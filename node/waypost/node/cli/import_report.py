"""How an import's report is told: to people in a table and a few lines, to machines as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from waypost.node.intake import ImportReport
    from waypost.node.intake.report import Tally


def facts(report: ImportReport) -> dict[str, Any]:
    """The report for machines: flat counts first, then by file, then every rejected row."""
    from waypost.node.intake import FileKind

    total = report.tally()
    return {
        "dry_run": report.dry_run,
        "rows": total.rows,
        "imported": total.new + total.changed,
        "unchanged": total.same,
        "rejected": total.rejected,
        "held": report.held,
        **_counts("officers", report.tally(FileKind.OFFICERS)),
        **_counts("employments", report.tally(FileKind.EMPLOYMENT)),
        **_counts("records", report.tally(FileKind.CONDUCT)),
        "shareable": report.shareable,
        "withheld": report.withheld,
        "records_by_kind": dict(report.records),
        "missing": dict(report.missing),
        "files": [
            {
                "file": file.name,
                "kind": file.kind,
                "read_as": file.shape,
                "rows": file.tally.rows,
                "rejected": file.tally.rejected,
                "held": file.held,
                "left_out": {str(what): count for what, count in file.left_out.items()},
                "not_read": list(file.aside),
            }
            for file in report.files
        ],
        "rejections": [
            {
                "file": rejection.file,
                "line": rejection.row.line,
                "held": rejection.held,
                "problems": [
                    {"column": problem.column, "value": problem.saw, "reason": problem.reason}
                    for problem in rejection.problems
                ],
            }
            for rejection in report.rejections
        ],
        "reasons": dict(report.reasons),
        "unknown_values": [
            {"column": column, "value": value, "rows": count} for (column, value), count in report.unknown.items()
        ],
        "unknown_agencies": dict(report.agencies),
        "rejects_files": [str(path) for path in report.rejects_files],
        "batch": report.batch,
        "missing_officers": list(report.missing_officers),
    }


def _counts(name: str, tally: Tally) -> dict[str, int]:
    return {
        name: tally.accepted,
        f"{name}_new": tally.new,
        f"{name}_changed": tally.changed,
        f"{name}_same": tally.same,
        f"{name}_rejected": tally.rejected,
    }


def show(report: ImportReport, agencies: Path, guesses: Mapping[str, str], profile: str) -> None:
    """Print the report. `profile` as it was named; empty: none was."""
    from rich.console import Console
    from rich.table import Table

    from waypost.node.intake import FileKind

    console = Console(soft_wrap=True, markup=False, highlight=False)
    for file in report.files:
        left_out = ", ".join(f"{what} {count:,}" for what, count in file.left_out.items())
        console.print(f"{file.name}: {file.shape}{f'; left out: {left_out}' if left_out else ''}")
        for aside in file.aside:
            console.print(f"  not read: {aside}")
    if report.dry_run:
        console.print("a dry run: this is what would happen; nothing was changed")
    table = Table("", *(name for name in ("new", "changed", "same", "rejected", "rows")))
    for column in table.columns[1:]:
        column.justify = "right"
    names = (("officers", FileKind.OFFICERS), ("employments", FileKind.EMPLOYMENT), ("records", FileKind.CONDUCT))
    for name, kind in (*names, ("rows in", None)):
        tally = report.tally(kind)
        counts = (tally.new, tally.changed, tally.same, tally.rejected, tally.rows)
        table.add_row(name, *(f"{count:,}" for count in counts), end_section=kind is FileKind.CONDUCT)
    console.print(table)
    if report.records:
        console.print("records: " + ", ".join(f"{count:,} {kind}" for kind, count in report.records.items()))
    if report.shareable or report.withheld:
        console.print(
            f"records shareable: {report.shareable:,}; withheld for want of fair process: {report.withheld:,}"
        )
        for want, count in report.missing.items():
            console.print(f"  {want.replace('_', ' ')} missing: {count:,}", highlight=False)
        if report.withheld:
            console.print("  each with what it lacks: waypost-node records withheld", highlight=False)
    tell(report, agencies, guesses, profile)


def tell(report: ImportReport, agencies: Path, guesses: Mapping[str, str], profile: str) -> None:
    """Print what somebody has to look at: officers who are missing, rejected rows, questions."""
    _print_missing(report)
    _warn(report, profile)
    _ask(report, agencies, guesses, profile)


def _print_missing(report: ImportReport) -> None:
    """Name the officers whom a complete list lacks."""
    from waypost.node.limits import REJECTS_SHOWN_MAX

    keys = report.missing_officers
    if not keys:
        return
    listed = ", ".join(keys[:REJECTS_SHOWN_MAX])
    typer.echo(f"officers held, but not in this list: {len(keys):,}, none was removed: {listed}")
    if len(keys) > REJECTS_SHOWN_MAX:
        typer.echo(f"  all of them: waypost-node batches show {report.batch}")


def _warn(report: ImportReport, profile: str) -> None:
    """Name the rejected rows, and where they are kept."""
    from waypost.node.limits import REJECTS_SHOWN_MAX

    if not report.rejections:
        return
    count = report.tally().rejected
    held = f" ({report.held:,} of them held for an answer)" if report.held else ""
    typer.echo(f"warning: {count:,} {'row was' if count == 1 else 'rows were'} rejected{held}:", err=True)
    if count > REJECTS_SHOWN_MAX:
        for reason, rows in list(report.reasons.items())[:REJECTS_SHOWN_MAX]:
            typer.echo(f"  {_rows(rows)}: {reason}", err=True)
    for rejection in report.rejections[:REJECTS_SHOWN_MAX]:
        typer.echo(f"  {rejection.file}, line {rejection.row.line}: {rejection.reasons}", err=True)
    if count > REJECTS_SHOWN_MAX:
        typer.echo(f"  and {count - REJECTS_SHOWN_MAX:,} more", err=True)
    if report.held == count and report.rejects_files:
        typer.echo(
            "hint: nothing is wrong with these rows; answer what is asked below, and import the file again", err=True
        )
        return
    which = "these rows" if not report.held else "the rows that are wrong (those that are held only wait for an answer)"
    for path in report.rejects_files:
        by = f" --profile {profile}" if profile else ""
        typer.echo(f"hint: mend {which} in {path}, then: waypost-node import {path}{by}", err=True)


def _ask(report: ImportReport, agencies: Path, guesses: Mapping[str, str], profile: str) -> None:
    """What the custodian must say before the held rows can be imported."""
    from waypost.node.limits import UNKNOWN_SHOWN_MAX

    if report.unknown:
        typer.echo(f"values that no map of the profile knows: {len(report.unknown):,}", err=True)
        for (column, value), count in list(report.unknown.items())[:UNKNOWN_SHOWN_MAX]:
            typer.echo(f"  {column} = {value!r}: {_rows(count)}", err=True)
        own = profile.endswith(".toml")
        make_it_yours = (
            "" if own else f"make the profile your own (waypost-node import profiles show {profile} > my.toml), "
        )
        where = profile if own else "my.toml"
        typer.echo(
            f"hint: {make_it_yours}write what each means into its map in {where}, and import the file again", err=True
        )
    if report.agencies:
        typer.echo(f"agencies whose ORI nobody has confirmed: {len(report.agencies):,}", err=True)
        for name, count in list(report.agencies.items())[:UNKNOWN_SHOWN_MAX]:
            guess = guesses.get(name, "")
            typer.echo(f"  {name}: {_rows(count)}{f'; perhaps {guess}' if guess else ''}", err=True)
        confirm = "waypost-node import agencies confirm NAME ORI"
        if report.dry_run and not agencies.exists():
            typer.echo(
                f"hint: say which ORI each is ({confirm}), or import the file: {agencies} then lists them", err=True
            )
        else:
            typer.echo(f"hint: write their ORIs into {agencies} (or: {confirm}), then import the file again", err=True)


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"
