"""How a check's result is shown on a terminal."""

from __future__ import annotations

from collections.abc import Collection

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table

from waypost.node import asking, duties, wire
from waypost.node.clear import CheckVerdict, open_ends, verdict_of
from waypost.node.cli.check import moment
from waypost.node.matching import Agreement
from waypost.node.record_words import ERASED, STATEMENT, amount_words, dispute_words, kind_words
from waypost.node.results import (
    FoundCandidate,
    Result,
    employed_words,
    officer_notice_facts,
    separation_word,
    since_facts,
)
from waypost.node.store import ReferralAsked
from waypost.node.store.referrals import REFUSED
from waypost.node.terms import words
from waypost.v1 import check_pb2, record_pb2

_LISTED = 10
_COLORS = {"confirmed": "green", "probable": "yellow", "possible": "cyan"}
_MARKS = {
    Agreement.SAME: "[green]same[/green]",
    Agreement.SIMILAR: "[yellow]similar[/yellow]",
    Agreement.DIFFERENT: "[red]different[/red]",
    Agreement.UNKNOWN: "[dim]-[/dim]",
}


def show(
    result: Result,
    names: dict[str, str],
    console: Console,
    *,
    suspended: Collection[str] = (),
    link_trouble: str = "",
) -> None:
    """Print a whole result: candidates by confidence, the timeline, the records, and what stood behind it.

    `names` are those of members by ORI, `suspended` the ORIs of members that the roster in force suspends,
    `link_trouble` why the node has no link to the hub at this moment.
    """
    if verdict_of(result) is CheckVerdict.REFUSED:
        console.print(f"[red]The check was refused.[/red] {plain(result.check.reason)}")
        return
    for found in result.candidates:
        _candidate(result, found, names, console)
    _timeline(result, names, console)
    _others(result, names, console)
    _coverage(result, names, suspended, link_trouble, console)
    duty, command = duties.words(result.duty, result.letter, result.check.id.hex()[:8])
    if duty:
        console.print(f"[bold]{duty}[/bold]")
    if command:
        _command(command, console)


def _candidate(result: Result, found: FoundCandidate, names: dict[str, str], console: Console) -> None:
    confidence = found.comparison.confidence.value
    color = _COLORS[confidence]
    title = (
        f"[{color}]{confidence.upper()}[/{color}]  {_named(found.ori, names)}, "
        f"officer {plain(found.candidate.officer_key)}"
    )
    console.print(Rule(title, align="left"))
    table = Table("field", "applicant", "their record", "", box=None, padding=(0, 2), show_edge=False)
    for field in found.comparison.fields:
        if field.agreement is not Agreement.UNKNOWN or field.record:
            table.add_row(
                field.field, plain(field.applicant) or "-", plain(field.record) or "-", _MARKS[field.agreement]
            )
    console.print(table)
    for record in found.candidate.conduct:
        _record(record, console)
        _since(result, found.ori, record, console)
    _officer_since(result, found, console)
    if not found.candidate.conduct:
        console.print("  no conduct record that may be shared")
    console.print()


def _officer_since(result: Result, found: FoundCandidate, console: Console) -> None:
    """What the owner has told of the officer himself since the answer."""
    notice = result.officer_updates.get((found.ori, found.candidate.officer_key))
    if notice is None:
        return
    now = officer_notice_facts(notice, found.candidate)
    color = "yellow" if now["standing"] == "stands" else "bold red"
    what = "WHAT IS HELD OF THE OFFICER HAS CHANGED" if now["standing"] == "stands" else now["standing"].upper()
    reason = f": {plain(now['reason'])}" if now["reason"] else ""
    console.print(f"  [{color}]SINCE THEN ({now['changed_at']}): {what}[/{color}]{reason}")
    for difference in now["differences"]:
        console.print(f"    {plain(difference)}")


def _since(result: Result, ori: str, record: record_pb2.ConductRecord, console: Console) -> None:
    """What the owner has told since the answer."""
    notice = result.updates.get((ori, record.record_key))
    if notice is None:
        return
    now = since_facts(notice, record)
    color = "yellow" if now["standing"] == "stands" else "bold red"
    reason = f": {plain(now['reason'])}" if now["reason"] else ""
    console.print(f"    [{color}]SINCE THEN ({now['changed_at']}): {now['standing'].upper()}[/{color}]{reason}")
    if now["standing"] == "stands" and record.status != ERASED:
        otherwise = "; otherwise now:" if now["differences"] else ", and says the same"
        console.print(f"      version {now['version']} (above is version {record.version}){otherwise}")
        for each in now["differences"]:
            told = f" (told: {_lines(each['told'])})" if each["told"] and each["fact"] != STATEMENT else ""
            console.print(f"      {each['fact']}: {_lines(each['now']) or 'none'}{told}")


def _record(record: record_pb2.ConductRecord, console: Console) -> None:
    if record.status == ERASED:
        console.print(
            f"\n  [bold]record {plain(record.record_key)} v{record.version}[/bold]: its content is erased here"
        )
        return
    facts = record.fair_process
    outcome = f" ({plain(record.force_outcome).replace('_', ' ')})" if record.force_outcome else ""
    console.print(f"\n  [bold]{kind_words(record)}[/bold]{outcome}, {plain(record.record_key)} v{record.version}")
    _set_in(_lines(record.summary), console)
    happened = f"occurred {plain(record.occurred_on)}" if record.occurred_on else "date of occurrence not recorded"
    amount = f", amount {amount_words(record.amount_cents)}" if record.amount_cents else ""
    force = f", force: {plain(record.force_type).replace('_', ' ')}" if record.force_type else ""
    _set_in(f"{happened}{force}{amount}; kept by {plain(record.authority) or 'the agency'}", console)
    hearing = wire.word(record_pb2.Hearing, facts.hearing)
    appeal = wire.word(record_pb2.Appeal, facts.appeal)
    _set_in(
        f"[dim]fair process: notice {plain(facts.notice_on)}, hearing {hearing}, "
        f"decided {plain(facts.decided_on)} by {plain(facts.decided_by)}, "
        f"appeal {appeal}, final {plain(facts.final_on)}, officer told {plain(facts.told_on)}[/dim]",
        console,
    )
    if record.HasField("terms"):
        _set_in(f"[dim]terms of the owner's law: {plain(words(record.terms))}[/dim]", console)
    if record.HasField("dispute"):
        _set_in(f"[yellow]{plain(dispute_words(record))}[/yellow]", console)
    if record.HasField("statement"):
        said = record.statement
        _set_in(f"officer's statement of {plain(said.given_on)}: {_lines(said.text)}", console)


def _timeline(result: Result, names: dict[str, str], console: Console) -> None:
    stints = sorted(
        {
            (*employed_words(entry), entry.ori, entry.rank, separation_word(entry))
            for found in result.candidates
            for entry in found.candidate.employments
        }
    )
    if not stints:
        return
    table = Table("from", "to", "agency", "rank", "separation", title="Employment", title_justify="left")
    for hired, until, ori, rank, how in stints:
        table.add_row(plain(hired), plain(until), _named(ori, names), plain(rank), how)
    console.print(table)


def _others(result: Result, names: dict[str, str], console: Console) -> None:
    for ori in result.referrals:
        console.print(f"{_named(ori, names)}: may know the person, but the agreement does not suffice to disclose.")
        said, command = _referral_words(result, ori)
        _set_in(said, console, by=2)
        if command:
            _command(command, console)
    for ori, policy in result.declined:
        console.print(f"{_named(ori, names)}: kept something back under policy {plain(policy)}.")
    for ori, reason in result.refused:
        console.print(f"[red]{_named(ori, names)}: refused the check ({plain(reason)}).[/red]")
    for ori in result.pending:
        console.print(f"[yellow]{_named(ori, names)}: has not answered yet.[/yellow] Its answer is kept when it comes.")


def _referral_words(result: Result, ori: str) -> tuple[str, str]:
    """What became of the referral, or how to ask for it: in words, and the command."""
    asked = result.referrals_asked.get(ori)
    if asked is None:
        command = f"waypost-node referrals request {result.check.id.hex()[:8]} {plain(ori)} --contact YOU"
        return "Its staff can decide by hand:", command
    if asked.state == REFUSED:
        return f"Asked for a referral, its staff refused: {plain(asked.reason) or 'without a reason'}", ""
    asked_on = moment(asked.at_ms)[:10]
    return f"A referral was asked for on {asked_on}; its staff has not decided yet.{_trouble(asked)}", ""


def _trouble(asked: ReferralAsked) -> str:
    return f" {plain(asked.trouble)}" if asked.trouble else ""


def _coverage(
    result: Result, names: dict[str, str], suspended: Collection[str], link_trouble: str, console: Console
) -> None:
    coverage, check = result.coverage, result.check.id.hex()
    if coverage is None:
        console.print(_waiting_words(result, link_trouble))
        console.print(f"[dim]check {check}; what has come of it later:[/dim]")
        _command(f"waypost-node checks show {check[:8]}", console)
        return
    match verdict_of(result):
        case CheckVerdict.CLEAR:
            console.print(f"[bold]No record found[/bold] among the {coverage.members} other members.")
        case CheckVerdict.NOT_A_CLEAR | CheckVerdict.REFERRAL:
            but = ", and ".join(open_ends(result))
            console.print(f"[bold yellow]NOT A CLEAR:[/bold yellow] nothing found so far, but {but}.")
    console.print(_coverage_words(coverage, names, suspended))
    console.print(f"[dim]check {check}; its signed receipt is kept[/dim]")


def _waiting_words(result: Result, link_trouble: str) -> str:
    """Where a check is that the hub has not taken yet: what this node knows, and no more."""
    if link_trouble:
        why = f"It has no link to the hub: {plain(link_trouble)}."
    elif result.check.state == asking.QUEUED:
        why = "Hub and trustee make its tokens together, and both must be reachable for that."
    else:
        why = "It is signed and goes to the hub as soon as that can be reached."
    return f"Nothing is asked yet: the check waits in this node. {why}"


def _coverage_words(coverage: check_pb2.Coverage, names: dict[str, str], suspended: Collection[str]) -> str:
    words = f"Coverage: the indexes of {coverage.current} of {coverage.members} other members were current."
    for what, oris in (
        ("Not current", [ori for ori in coverage.stale_oris if ori not in suspended]),
        ("Suspended", [ori for ori in coverage.stale_oris if ori in suspended]),
    ):
        if oris:
            listed = ", ".join(_named(ori, names) for ori in oris[:_LISTED])
            more = f" and {len(oris) - _LISTED} more" if len(oris) > _LISTED else ""
            words += f" {what}, so records may be missing: {listed}{more}."
    return words


def _set_in(text: str, console: Console, by: int = 4) -> None:
    """Words set in, their further lines as well."""
    console.print(Padding(text, (0, 0, 0, by), expand=False))


def _command(command: str, console: Console) -> None:
    """A command on a line of its own, never broken, so that it can be copied."""
    console.print(f"    {command}", soft_wrap=True)


def plain(text: str) -> str:
    """Another member's words without what a terminal, or this program's markup, would obey."""
    return escape("".join(char for char in text if char.isprintable() or char == "\n"))


def _lines(text: str) -> str:
    """Words of several lines, set in, so that none of them passes for a line of this program's."""
    return plain(text).replace("\n", "\n        ")


def _named(ori: str, names: dict[str, str]) -> str:
    return plain(f"{names[ori]} ({ori})" if ori in names else ori)
