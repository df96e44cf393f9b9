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

from waypost.hub import grants, settings, standings
from waypost.hub.compliance import Compliance, Evidence, assess, days_to_index
from waypost.hub.database import open_engine, reading
from waypost.hub.errors import SettingsError
from waypost.hub.evidence import Broken, Rosters, read_evidence
from waypost.hub.grants import Deadline, Decision, Total
from waypost.hub.limits import RECONCILIATIONS_SIGNED_EVERY_S
from waypost.hub.standings import KeptDay, Standing
from waypost.protocol.shell import HomeOption, JsonOption

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
    kept_changes: Annotated[
        bool, typer.Option("--changes", help="Show every change of standing that the hub has kept, day by day.")
    ] = False,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one line an agency, for spreadsheets.")] = False,
) -> None:
    """Show how each agency stands on a day under sections 2(b) and 3(d), computed from signed facts alone."""
    if as_json and as_csv:
        raise SettingsError("--json and --csv exclude each other", hint="give one of the two")
    day = day_of(as_of)
    if kept_changes:
        _print_kept(_kept(home, day), state, as_json=as_json)
        return
    evidence, decisions, broken = read_decisions(home, day)
    _warn_of_difference(home, day, decisions)
    decisions = [each for each in decisions if not state or _in(each, state)]
    if state and not decisions:
        raise SettingsError(f"no agency of {state[:20]!r} took part on {day}", hint="see: waypost-hub members")
    for each in broken:
        typer.echo(
            f"warning: a stored fact of {each.author} does not verify and was left out: {each.digest.hex()}", err=True
        )
    if changes_since:
        before = [each for each in read_decisions(home, day_of(changes_since))[1] if not state or _in(each, state)]
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


def _kept(home: Path, day: date) -> list[KeptDay]:
    """What was kept up to a day, verified."""
    place = settings.Home(home)
    engine = open_engine(settings.database_url(place, settings.read_settings(place)))
    with reading(engine) as connection:
        held = list(standings.kept_days(connection, settings.read_public_key(place)))
    return [each for each in held if each.day <= day]


def _warn_of_difference(home: Path, day: date, decisions: Iterable[Decision]) -> None:
    kept = next((each for each in _kept(home, day) if each.day == day), None)
    found = standings.standings_digest(map(standings.standing_of, decisions))
    if kept is not None and kept.standings_digest != found:
        typer.echo(f"warning: what was kept on {day} is not what follows from the facts that are stored now", err=True)


def facts_of(decision: Decision) -> dict[str, Any]:
    """One agency's standing in plain words and numbers."""
    standing = decision.standing
    held, index = standing.credential, standing.index
    median, p95 = days_to_index(standing.timeliness)
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
        "not_yet_compared": _not_yet_compared(standing),
        "median_days_to_index": median,
        "p95_days_to_index": p95,
        "submits": standing.submits,
        "credential": held.standing.value,
        "credential_body": held.body,
        "credential_until": _iso(held.until),
        "eligible": decision.eligible,
    }


def _not_yet_compared(standing: Compliance) -> bool:
    return standing.agency.new and standing.index.compared_on is None


def _in(decision: Decision, state: str) -> bool:
    return decision.standing.agency.state == state


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def day_of(text: str) -> date:
    """The day that a person gave, today if he gave none; SettingsError for what is no day, or to come."""
    today = datetime.now(UTC).date()
    try:
        day = date.fromisoformat(text) if text else today
    except ValueError:
        raise SettingsError(f"{text!r} is no day", hint="write YYYY-MM-DD") from None
    if day > today:
        raise SettingsError(f"{day} is still to come, and so are its facts", hint="leave it out for today (UTC)")
    return day


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
    _print_timeliness(console, decisions)
    silent = [each.standing.agency.ori for each in decisions if each.standing.silent]
    console.print(f"Silent, no comparison of the index for a week: {', '.join(silent) or 'none'}")
    waiting = [each.standing.agency.ori for each in decisions if _not_yet_compared(each.standing)]
    if waiting:
        console.print(f"Members for less than a week, not yet compared: {', '.join(waiting)}")
    if day == datetime.now(UTC).date():
        minutes = int(RECONCILIATIONS_SIGNED_EVERY_S // 60)
        console.print(f"Comparisons of the index count once the hub has signed them: every {minutes} minutes.")
    _print_deadlines(console, grants.deadlines(evidence, decisions, day))


def _print_totals(console: Console, title: str, totals: Iterable[Total]) -> None:
    table = Table(*("", "agencies", "submitting", "credentialed", "in process", "eligible"), title=title)
    for total in totals:
        table.add_row(*(str(value) for value in asdict(total).values()))
    console.print(table)


def _print_timeliness(console: Console, decisions: Iterable[Decision]) -> None:
    """Days from final decision to being indexed, and comparisons that agreed: of those who report late, by agency."""
    columns = ("ORI", "median days to index", "95th percentile", "comparisons agreed")
    table = Table(*columns, title="How soon, by each agency's own signed figure")
    for decision in decisions:
        facts = facts_of(decision)
        shown = [str(facts[name]) or "not stated" for name in ("ori", "median_days_to_index", "p95_days_to_index")]
        table.add_row(*shown, f"{facts['reconciliations_agreed']} of {facts['reconciliations']}")
    console.print(table)


def _print_deadlines(console: Console, deadlines: Iterable[Deadline]) -> None:
    for each in deadlines:
        console.print(f"{each.on}  {each.subject or f'{each.count} agencies'}: {each.words}")


def _print_kept(days: Iterable[KeptDay], state: str, *, as_json: bool) -> None:
    for change in standings.changes(days):
        if state and not change.ori.startswith(state):
            continue
        if as_json:
            typer.echo(json.dumps({**asdict(change), "day": change.day.isoformat()}))
        else:
            typer.echo(f"{change.day}  {change.ori}  {_told(change.before)} -> {_told(change.after)}")


def _told(standing: Standing | None) -> str:
    """A kept standing in one line."""
    if standing is None:
        return "no member"
    index = "current" if standing.index_current else "not current"
    words = f"{standing.attestation}, index {index}, {standing.credential}"
    return f"eligible ({words})" if standing.eligible else f"not eligible ({words}: {', '.join(standing.reasons)})"


def _print_changes(found: Iterable[grants.Change], *, as_json: bool) -> None:
    for change in found:
        if as_json:
            typer.echo(json.dumps(asdict(change)))
        else:
            verb = "became eligible" if change.eligible else "is no longer eligible"
            typer.echo(f"{change.ori} {verb}: {', '.join(change.reasons) or 'new'}")
