"""`waypost-node check`: ask what happened at an applicant's earlier agencies, for one person or a whole file."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from waypost.node.cli.applicant import authorization_of, names_of, numbers_of, person_of, staff_of
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.applicants import Inquiry
    from waypost.node.persons import Person
    from waypost.node.results import Result
    from waypost.node.store import Store
    from waypost.protocol.roster import Roster

_POLL_S = 0.1


app = typer.Typer(invoke_without_command=True)
_DAYS = 14


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.add_typer(app, name="check")


@app.callback()
def check(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(envvar="WAYPOST_HOME", help="The folder that holds this party's keys and data.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="hiring, certification (POST boards) or self. Required.")] = "",
    by: Annotated[
        str, typer.Option("--by", help="Who asks: a staff reference that your agency can resolve. Required.")
    ] = "",
    family: Annotated[str, typer.Option(help="Family name.")] = "",
    given: Annotated[str, typer.Option(help="Given name.")] = "",
    middle: Annotated[str, typer.Option(help="Middle name or initial.")] = "",
    suffix: Annotated[str, typer.Option(help="Jr, Sr, II ...")] = "",
    dob: Annotated[str, typer.Option(help="Date of birth, YYYY-MM-DD (or YYYY-MM, YYYY).")] = "",
    cert: Annotated[list[str] | None, typer.Option(help="Certification, STATE:NUMBER; may be repeated.")] = None,
    officer_id: Annotated[
        list[str] | None,
        typer.Option(help="Officer number: the national one, or ISSUER:NUMBER (GA:O123456)."),
    ] = None,
    ssn_prompt: Annotated[bool, typer.Option("--ssn-prompt", help="Ask for the SSN; never on a command line.")] = False,
    other_name: Annotated[list[str] | None, typer.Option(help='A former name, "FAMILY, GIVEN"; repeatable.')] = None,
    authorization: Annotated[
        str, typer.Option(help="What the person signed, for hiring and self: a file, or your reference to it.")
    ] = "",
    wait: Annotated[str, typer.Option(help="How long to wait for answers: 60s, 5m.")] = "60s",
    batch: Annotated[
        Path | None,
        typer.Option(help="A CSV of applicants to check instead; its column authorization goes before the option."),
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check one applicant, or a file of them. Answers that come later are kept: see `checks`.

    Names alone cannot be looked up: give the date of birth, a number or the SSN as well.
    """
    from waypost.node import settings

    if context.invoked_subcommand is not None:
        return
    missing = [name for name, value in (("--home", home), ("--purpose", purpose), ("--by", by)) if not value]
    if missing or home is None:
        raise typer.BadParameter(f"a check needs {' and '.join(missing)}")
    if batch is not None and any((family, given, middle, suffix, dob, cert, officer_id, ssn_prompt, other_name)):
        raise typer.BadParameter("--batch takes all applicants from its file: leave out the options that describe one")
    wait_s = _seconds(wait)
    why = Why(purpose, authorization, by) if batch is None else None
    keys = settings.open_keys(home, passphrase_file)
    with settings.open_store(home, keys) as store:
        require_daemon(home)
        if batch is not None:
            from waypost.node.cli.batch import run_batch
            from waypost.node.cli.people_file import Reasons

            run_batch(store, batch, Reasons(purpose, authorization, by), as_json=as_json)
        elif why is not None:
            ssn = typer.prompt("Social security number", hide_input=True, err=True) if ssn_prompt else ""
            person = person_of(
                names_of(family, given, middle, suffix, other_name or []),
                dob,
                ssn,
                numbers_of(cert or [], officer_id or []),
                today=datetime.now(UTC).date(),
            )
            inquiry = why.inquiry(person)
            if not as_json:
                tell_authorizations([why])
            _one(store, inquiry, wait_s, as_json=as_json)


@app.command()
def letter(
    check: Annotated[str, typer.Argument(help="The check's id, or its beginning.")],
    home: HomeOption,
    by: Annotated[str, typer.Option("--by", help="Who writes: a staff reference that your agency can resolve.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write the letter, a .pdf file.")
    ] = None,
    days: Annotated[int, typer.Option(help="How many days the applicant has to answer.")] = _DAYS,
    delivered: Annotated[bool, typer.Option("--delivered", help="Mark that the applicant has it.")] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Write the letter that an applicant must have before an adverse decision, or mark that he has it."""
    from waypost.node import letters, settings
    from waypost.node.cli.checks import find_check
    from waypost.node.cli.rights import custodian_of
    from waypost.node.documents import to_pdf, write_private
    from waypost.node.duties import Duty
    from waypost.node.errors import CheckError
    from waypost.node.store import StoredLetter

    if delivered == (output is not None):
        raise typer.BadParameter("say either -o letter.pdf, to write it, or --delivered, when the applicant has it")
    staff, now_ms, today = staff_of(by), time.time_ns() // 1_000_000, datetime.now(UTC).date()
    with settings.open_store(home, settings.open_keys(home, passphrase_file)) as store:
        check_id = find_check(store, check)
        if output is None:
            written = store.letters.get(check_id)
            if written is None:
                raise CheckError("no letter about this check was written yet", hint="write it with -o letter.pdf")
            if load(store, check_id).duty is Duty.OPEN:
                raise CheckError("more was disclosed since the letter was written", hint="write it anew: -o letter.pdf")
            store.letters.put(replace(written, done_at_ms=now_ms, done_by=staff))
            typer.echo(f"Done; the applicant may answer until {written.answer_until}.")
            return
        until, custodian = letters.answer_until(today, days), custodian_of(home, store)
        document = letters.letter(
            load(store, check_id),
            agency=custodian.name,
            ori=custodian.ori,
            members=custodian.members,
            today=today,
            until=until,
        )
        write_private(output, to_pdf(document))
        store.letters.put(StoredLetter(check_id, now_ms, until.isoformat(), staff))
    then = f"waypost-node check letter {check} --delivered --by {staff}"
    typer.echo(f"Wrote {output}; the applicant has until {until}. When he has it: {then}")


class Why:
    """What a check is logged with; `shared` when its authorization is that of many, whose names it may hold."""

    def __init__(self, purpose: str, authorization: str, by: str, *, shared: bool = False) -> None:
        from waypost.node.applicants import PURPOSES
        from waypost.node.errors import CheckError

        if purpose not in PURPOSES:
            raise CheckError(f"{purpose!r} is no purpose", hint="one of: " + ", ".join(PURPOSES))
        self.authorization = authorization_of(authorization, purpose)
        self.reference, self.digest = self.authorization.reference, self.authorization.digest
        self.purpose, self.staff, self._shared = purpose, staff_of(by), shared

    def inquiry(self, person: Person, batch: str = "", row: int = 0) -> Inquiry:
        """An inquiry about one person."""
        from waypost.node.applicants import Inquiry, names_person
        from waypost.node.errors import CheckError

        if not self._shared and names_person(self.reference, person):
            raise CheckError(
                "the reference to the authorization names the applicant, and the hub reads it",
                hint="use a file number, or name the authorization's file: only its digest leaves the node",
            )
        return Inquiry(person, self.purpose, self.reference, self.digest, self.staff, batch, row)


def tell_authorizations(reasons: Iterable[Why]) -> None:
    """Say on standard error what is taken as authorization: a mistyped path must not pass for a reference unseen."""
    told = list(dict.fromkeys(why.authorization for why in reasons if why.reference))
    files = sum(1 for each in told if each.file)
    if len(told) > 1:
        typer.echo(f"authorizations: files {files}, references {len(told) - files}", err=True)
    elif told:
        typer.echo(told[0].words(), err=True)


def _one(store: Store, inquiry: Inquiry, wait_s: float, *, as_json: bool) -> None:
    from waypost.node import asking
    from waypost.node.errors import CheckError
    from waypost.node.results import facts

    queued = asking.new_check(inquiry, time.time_ns() // 1_000_000)
    store.checks.add(queued)
    result = _wait(store, queued.id, wait_s, quiet=as_json)
    if as_json:
        typer.echo(json.dumps(facts(result)))
    else:
        show_result(store, result)
    if result.check.state == asking.FAILED:
        raise CheckError("the hub refused the check", hint=_after_refusal(result.check.reason))


def _after_refusal(reason: str) -> str:
    """What to do about a refusal."""
    if reason.partition(":")[0] in {"future-dated", "expired"}:
        return f"{reason}: set this machine's clock, and ask again"
    return reason


def _wait(store: Store, check_id: bytes, wait_s: float, *, quiet: bool) -> Result:
    from waypost.node import asking

    deadline = time.monotonic() + wait_s
    with Console(stderr=True, quiet=quiet).status("asking the hub …") as status:
        while True:
            result = load(store, check_id)
            responses = len(asking.parts_of(result.check))
            if result.check.state == asking.FAILED or result.complete or time.monotonic() > deadline:
                return result
            if result.coverage is not None:
                status.update(f"{responses - len(result.pending)} of {responses} members have answered …")
            time.sleep(_POLL_S)


def load(store: Store, check_id: bytes) -> Result:
    """A check's present result; CheckError when there is no such check."""
    from waypost.node.errors import CheckError
    from waypost.node.results import result_of

    with store.reading():
        held = store.checks.get(check_id)
        if held is None:
            raise CheckError("there is no check of that id", hint="waypost-node checks list shows them")
        answers = store.checks.answers(check_id)
        notices = [notice for answer in answers for notice in store.notices.standing_of(answer.ori)]
        return result_of(held, answers, notices, store.letters.get(check_id), store.referrals.asked_in(check_id))


def show_result(store: Store, result: Result) -> None:
    """Print a result, with members' names and standing from the roster in force."""
    from waypost.node.cli.show import show

    roster = _roster(store)
    inactive = roster.inactive if roster is not None else ()
    show(result, member_names(store), Console(), suspended=inactive, link_trouble=_link_trouble(store))


def _link_trouble(store: Store) -> str:
    """Why the node has no link to the hub, as its daemon noted it; empty while it is attached."""
    from waypost.node import running
    from waypost.node.link import LinkState

    attached = store.state.get(running.LINK_STATE) == LinkState.ATTACHED
    return "" if attached else store.state.get(running.LINK_REASON)


def member_names(store: Store) -> dict[str, str]:
    """Names of members by ORI, from the roster in force."""
    roster = _roster(store)
    return {ori: member.name for ori, member in roster.members.items()} if roster is not None else {}


def _roster(store: Store) -> Roster | None:
    from waypost.crypto.envelope import parse_envelope
    from waypost.protocol.roster import parse_roster

    held = store.rosters.newest()
    return None if held is None else parse_roster(parse_envelope(held.envelope).payload)


def require_daemon(home: Path) -> None:
    """CheckError unless this node runs: only a running node asks."""
    from waypost.node.errors import CheckError
    from waypost.node.federation import read_federation
    from waypost.node.serve_lock import ServeLock

    read_federation(home)
    if not ServeLock(home).held_by_another():
        raise CheckError("the node is not running, so nobody would ask", hint=f"waypost-node serve --home {home}")


def _seconds(text: str) -> float:
    from waypost.node.errors import CheckError

    match = re.fullmatch(r"(\d{1,5})([sm]?)", text)
    if match is None:
        raise CheckError(f"{text!r} is no time to wait", hint="write 60s or 5m")
    return int(match[1]) * (60 if match[2] == "m" else 1)


def moment(at_ms: int) -> str:
    """A time for people."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
