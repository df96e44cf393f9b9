"""`waypost-hub compliance`: who submits, who is credentialed, who is eligible for grants, and why not."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from waypost.hub import grants, settings
from waypost.hub.compliance import Evidence, assess
from waypost.hub.database import open_engine, reading
from waypost.hub.errors import SettingsError
from waypost.hub.evidence import Broken, Rosters, read_evidence
from waypost.hub.grants import Deadline, Decision, Total
from waypost.protocol.shell import HomeOption, JsonOption
from waypost.v1 import compliance_pb2

DEFAULT_HOME = Path("waypost-hub")
_WIDTH_MIN = 100
_DayOption = Annotated[str, typer.Option(help="The day, YYYY-MM-DD (UTC); today unless given.")]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(compliance)


def compliance(
    home: HomeOption = DEFAULT_HOME,
    as_of: _DayOption = "",
    state: Annotated[str, typer.Option(help="Only agencies of this two-letter state.")] = "",
    changes_since: Annotated[str, typer.Option(help="Show who became eligible, or ceased to be, since that day.")] = "",
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line an agency, for spreadsheets.")] = False,
) -> None:
    """Show how each agency stands on a day under sections 2(b) and 3(d), computed from signed facts alone."""
    if as_json and as_csv:
        raise SettingsError("--json and --csv exclude each other", hint="give one of the two")
    day = _day(as_of)
    evidence, decisions, broken = read_decisions(home, day)
    decisions = [each for each in decisions if not state or each.standing.agency.state == state]
    for each in broken:
        typer.echo(
            f"warning: a stored fact of {each.author} does not verify and was left out: {each.digest.hex()}", err=True
        )
    if changes_since:
        before = [each for each in read_decisions(home, _day(changes_since))[1] if not state or _in(each, state)]
        _print_changes(grants.changes(before, decisions), as_json=as_json)
    elif as_json:
        typer.echo(json.dumps(_document(day, evidence, decisions)))
    elif as_csv:
        _print_csv(decisions)
    else:
        _print_tables(day, evidence, decisions)


def read_decisions(home: Path, day: date) -> tuple[Evidence, list[Decision], list[Broken]]:
    """The evidence of a day, what follows from it for every agency, and what did not verify."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    keys = settings.read_public_key(place), settings.read_trustee(place.trustee).signing_key
    with reading(engine) as connection:
        evidence, broken = read_evidence(Rosters(connection, *keys), day)
    return evidence, [grants.decide(standing) for standing in assess(evidence, day)], broken


def facts_of(decision: Decision) -> dict[str, Any]:
    """One agency's standing in plain words and numbers."""
    standing = decision.standing
    late, held, index = standing.timeliness, standing.credential, standing.index
    return {
        "ori": standing.agency.ori,
        "name": standing.agency.name,
        "state": standing.agency.state,
        "size": grants.size_of(standing.officers),
        "locale": grants.LOCALE_WORDS[standing.locale],
        "attestation": standing.attested.submission.value,
        "attested_period": str(standing.attested.period or ""),
        "attested_days_late": standing.attested.days_late,
        "index": "current" if standing.index_current else "not-current",
        "index_agreed_on": _iso(index.agreed_on),
        "reconciliations_agreed": index.agreed,
        "reconciliations": index.compared,
        "silent": standing.silent,
        "median_days_to_index": band_word(late.median if late else 0),
        "p95_days_to_index": band_word(late.p95 if late else 0),
        "submits": standing.submits,
        "credential": held.standing.value,
        "credential_body": held.body,
        "credential_until": _iso(held.until),
        "eligible": decision.eligible,
    }


_BANDS = {
    compliance_pb2.DELAY_BAND_WEEK: "0-7",
    compliance_pb2.DELAY_BAND_MONTH: "8-30",
    compliance_pb2.DELAY_BAND_QUARTER: "31-90",
    compliance_pb2.DELAY_BAND_HALF_YEAR: "91-180",
    compliance_pb2.DELAY_BAND_YEAR: "181-365",
    compliance_pb2.DELAY_BAND_LONGER: "366+",
}


def band_word(band: int) -> str:
    """A band of days in words; empty when it is not known."""
    return _BANDS.get(compliance_pb2.DelayBand.ValueType(band), "")


def _in(decision: Decision, state: str) -> bool:
    return decision.standing.agency.state == state


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _day(text: str) -> date:
    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no day", hint="write YYYY-MM-DD") from None


def _document(day: date, evidence: Evidence, decisions: list[Decision]) -> dict[str, Any]:
    return {
        "as_of": day.isoformat(),
        "agencies": [{**facts_of(each), "reasons": [asdict(reason) for reason in each.reasons]} for each in decisions],
        "all": asdict(grants.whole(decisions)),
        "by_state": [asdict(total) for total in grants.by_state(decisions)],
        "by_size": [asdict(total) for total in grants.by_size(decisions)],
        "access": [asdict(total) for total in grants.access(decisions)],
        "deadlines": [
            {**asdict(each), "on": each.on.isoformat()} for each in grants.deadlines(evidence, decisions, day)
        ],
    }


def _print_csv(decisions: list[Decision]) -> None:
    rows = [{**facts_of(each), "reasons": _reasons(each)} for each in decisions]
    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _reasons(decision: Decision) -> str:
    return "; ".join(f"{reason.clause} {reason.word}: {reason.words}" for reason in decision.reasons)


def _print_tables(day: date, evidence: Evidence, decisions: list[Decision]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_MIN + 40)
    table = Table(*("ORI", "agency", "attestation", "index", "credential", "eligible", "why not"), title=f"On {day}")
    for decision in decisions:
        facts = facts_of(decision)
        shown = [str(facts[name]) for name in ("ori", "name", "attestation", "index", "credential")]
        reasons = "\n".join(f"{reason.clause}: {reason.words}" for reason in decision.reasons)
        table.add_row(*shown, "yes" if decision.eligible else "no", reasons)
    console.print(table)
    _print_totals(console, "By state", grants.by_state(decisions))
    _print_totals(console, "By officers employed", grants.by_size(decisions))
    _print_totals(console, "Access to credentials, section 2(d)", grants.access(decisions))
    silent = [each.standing.agency.ori for each in decisions if each.standing.silent]
    console.print(f"Silent, no comparison of the index for a week: {', '.join(silent) or 'none'}")
    _print_deadlines(console, grants.deadlines(evidence, decisions, day))


def _print_totals(console: Console, title: str, totals: Iterable[Total]) -> None:
    table = Table(*("", "agencies", "submitting", "credentialed", "in process", "eligible"), title=title)
    for total in totals:
        table.add_row(*(str(value) for value in asdict(total).values()))
    console.print(table)


def _print_deadlines(console: Console, deadlines: Iterable[Deadline]) -> None:
    for each in deadlines:
        console.print(f"{each.on}  {each.subject or f'{each.count} agencies'}: {each.words}")


def _print_changes(found: Iterable[grants.Change], *, as_json: bool) -> None:
    for change in found:
        if as_json:
            typer.echo(json.dumps(asdict(change)))
        else:
            verb = "became eligible" if change.eligible else "is no longer eligible"
            typer.echo(f"{change.ori} {verb}: {', '.join(change.reasons) or 'new'}")
