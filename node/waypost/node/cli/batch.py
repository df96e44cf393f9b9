"""`waypost-node check --batch`: a whole academy class or department, resumable.

Every good row becomes a check of its own, named by the file's digest and the row; a bad one is told, and keeps no other
from being asked (people_file.py). Running the same file again, or one with its bad rows corrected, goes on where it
stopped: a person who was asked about in a batch within RESUME_MS under the same authorization is not asked about again.
After that, or under another authorization, it is a new screening.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from waypost.node import asking
from waypost.node.applicants import Inquiry, inquiry_from_json
from waypost.node.clear import CheckVerdict, found_word
from waypost.node.cli.check import load, tell_authorizations
from waypost.node.cli.people_file import (
    ROWS_MAX,
    Reasons,
    RejectedRow,
    end_if_rejected,
    read_people,
    tell_rejected,
)
from waypost.node.results import Result, facts

if TYPE_CHECKING:
    from waypost.node.store import Store

STALL_S: Final = 120.0
"""Without any change for this long, what is missing counts as pending."""

RESUME_MS: Final = 2 * 86_400_000
"""Milliseconds within which a file given again goes on with its checks, rather than asking anew."""

_POLL_S: Final = 0.2


def run_batch(store: Store, path: Path, said: Reasons, *, as_json: bool) -> None:
    """Ask every good row of a file, wait for the answers, print one line per row; CheckError when any was rejected."""
    asked = said.inquiries(read_people(path))
    if not as_json:
        tell_authorizations(asked.reasons)
        tell_rejected(asked.rejected)
    earlier = asked_before(store, asked.by_row, time.time_ns() // 1_000_000)
    if earlier:
        Console(stderr=True).print(f"{len(earlier)} of {asked.rows} applicants were asked before: the rest now.")
    results = _wait(store, _queue(store, asked.by_row, earlier), quiet=as_json)
    if as_json:
        lines = {row: facts(result) for row, result in results.items()}
        lines |= {each.row: _rejected_facts(each) for each in asked.rejected}
        for row in sorted(lines):
            typer.echo(json.dumps(lines[row]))
    elif results:
        table = Table("row", "applicant", "candidates", "referrals", "records", "pending", "coverage")
        for row in sorted(results):
            table.add_row(*summary_of(row, results[row]))
        Console().print(table)
    if not as_json:
        typer.echo(f"rows {asked.rows}: asked {len(results)}, rejected {len(asked.rejected)}", err=True)
    end_if_rejected(asked.rejected, "give it again: who was asked is not asked twice")


def _rejected_facts(each: RejectedRow) -> dict[str, object]:
    verdict = CheckVerdict.NOT_ASKED.value
    return {"verdict": verdict, "applicant": each.row, "line": each.line, "reason": each.reason}


def asked_before(store: Store, inquiries: Mapping[int, Inquiry], now_ms: int) -> dict[int, bytes]:
    """The checks of batches that are to be gone on with, by row: of the same person, for the same reason."""
    wanted: dict[object, list[int]] = {}
    for row, inquiry in inquiries.items():
        wanted.setdefault(_matter(inquiry), []).append(row)
    known: dict[int, bytes] = {}
    for check in store.checks.newest(10 * ROWS_MAX):
        if check.created_at_ms < now_ms - RESUME_MS:
            break
        inquiry = inquiry_from_json(check.request_json)
        if inquiry.batch and check.state != asking.FAILED:
            for row in wanted.pop(_matter(inquiry), ()):
                known[row] = check.id
    return known


def _matter(inquiry: Inquiry) -> object:
    """Who is asked about, and under what."""
    return (inquiry.person, inquiry.purpose, inquiry.authorization_digest, inquiry.authorization_reference)


def _queue(store: Store, inquiries: Mapping[int, Inquiry], known: dict[int, bytes]) -> dict[int, bytes]:
    """Queue what was not asked yet; the check's id of every row."""
    known = dict(known)
    now_ms = time.time_ns() // 1_000_000
    with store.writing():
        for row, inquiry in inquiries.items():
            if row not in known:
                check = asking.new_check(inquiry, now_ms + row)
                store.checks.add(check)
                known[row] = check.id
    return known


def _wait(store: Store, checks: dict[int, bytes], *, quiet: bool) -> dict[int, Result]:
    results: dict[int, Result] = {}
    columns = (TextColumn("applicants"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True, quiet=quiet)) as progress:
        task = progress.add_task("", total=len(checks))
        open_rows, last_change = dict(checks), time.monotonic()
        while open_rows and time.monotonic() - last_change < STALL_S:
            for row, check_id in list(open_rows.items()):
                held = store.checks.get(check_id)
                if held is None or held.state in {asking.QUEUED, asking.READY}:
                    break  # they are made in this order, so nothing after this one is further
                result = load(store, check_id)
                if result.complete or held.state == asking.FAILED:
                    results[row] = result
                    del open_rows[row]
                    last_change = time.monotonic()
            progress.update(task, completed=len(results))
            if open_rows:
                time.sleep(_POLL_S)
    for row, check_id in open_rows.items():
        results[row] = load(store, check_id)
    return results


def summary_of(row: int, result: Result) -> tuple[str, ...]:
    """A row's line of the table: what was found, offered and read, who is pending, and the coverage."""
    name = result.inquiry.person.names[0]
    found = ", ".join(f"{each.ori} {each.comparison.confidence}" for each in result.candidates) or found_word(result)
    records = sum(len(each.candidate.conduct) for each in result.candidates)
    coverage = result.coverage
    covered = f"{coverage.current} of {coverage.members}" if coverage is not None else "not asked yet"
    state = result.check.reason if result.check.state == asking.FAILED else found
    offered, pending = ", ".join(result.referrals), ", ".join(result.pending)
    return (str(row), f"{name.family}, {name.given}", state, offered, str(records), pending, covered)
