"""`waypost-node records correct | void | seal | reinstate | expunge | told | history | queue`: a record's life."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.node.cli import records
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.changing import Changed, Why

KeyArgument = Annotated[str, typer.Argument(help="The record's key.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does it: a staff reference that your agency can resolve.")]
ReasonOption = Annotated[str, typer.Option(help="Why, in words that everyone who received the record may read.")]


def register(_root: typer.Typer) -> None:
    """Add the commands to `records`."""
    for command in (correct, void, seal, reinstate, expunge, told, history, queue):
        records.app.command()(command)


def correct(
    record_key: KeyArgument,
    home: HomeOption,
    by: ByOption,
    reason: ReasonOption,
    fact: Annotated[list[str], typer.Option("--set", help="A fact as COLUMN=VALUE (columns of conduct files).")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Put other facts into a new version; everyone who received the record is told."""
    from waypost.node import changing
    from waypost.node.errors import ChangeError

    facts = dict(entry.partition("=")[::2] for entry in fact)
    if not all("=" in entry for entry in fact):
        raise ChangeError("--set takes COLUMN=VALUE", hint="for example --set appeal=upheld")
    with records.opened(home, passphrase_file) as store:
        _tell(changing.correct(store, record_key, facts, _why(by, reason)))


def void(
    record_key: KeyArgument,
    home: HomeOption,
    by: ByOption,
    reason: ReasonOption,
    overturned: Annotated[bool, typer.Option("--overturned", help="An appeal overturned the decision.")] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Void a record: it never counts again, and everyone who received it is told."""
    from waypost.node import changing

    with records.opened(home, passphrase_file) as store:
        _tell(changing.void(store, record_key, _why(by, reason), overturned=overturned))


def seal(
    record_key: KeyArgument,
    home: HomeOption,
    by: ByOption,
    reason: ReasonOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Seal a record: it stays here and goes nowhere, and everyone who received it is told."""
    from waypost.node import changing

    with records.opened(home, passphrase_file) as store:
        _tell(changing.seal(store, record_key, _why(by, reason)))


def reinstate(
    record_key: KeyArgument,
    home: HomeOption,
    by: ByOption,
    reason: ReasonOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Let a voided or sealed record stand again as it last stood; one that was void when sealed is void again."""
    from waypost.node import changing

    with records.opened(home, passphrase_file) as store:
        _tell(changing.reinstate(store, record_key, _why(by, reason)))


def expunge(
    record_key: KeyArgument,
    home: HomeOption,
    by: ByOption,
    order: Annotated[str, typer.Option(help="The order's docket number or your file reference; no personal data.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: this cannot be undone.")] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Erase a record from this node, and have everyone who received it erase it; only the fact is left."""
    from waypost.node import changing, scrubbing, settings

    if not yes:
        typer.confirm(f"Erase every version of {record_key}? This cannot be undone.", abort=True)
    with records.opened(home, passphrase_file) as store:
        changed = changing.expunge(
            store,
            record_key,
            cause=changing.CAUSE_ORDER,
            reference=order,
            staff=by,
            rejects=settings.rejects_path(home),
            now_ms=_now_ms(),
        )
        scrubbed = scrubbing.scrub_if_free(store)
    how = "scrubbed out of the database file" if scrubbed else "to be scrubbed out of the file by the running node"
    typer.echo(f"{record_key}: expunged, and {how}.{_told(changed)}")
    typer.echo("Backups of the node's home still hold it: destroy or replace them.")


def told(
    record_key: KeyArgument,
    home: HomeOption,
    by: ByOption,
    on: Annotated[str, typer.Option(help="When the officer was told that the record will be shared: YYYY-MM-DD.")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Record that the officer was told; the record is shared when his window to answer is over."""
    from waypost.node import changing
    from waypost.node.due_process import read_windows

    windows, day = read_windows(home), _day_told(on)
    with records.opened(home, passphrase_file) as store:
        reason = "the officer was told that the record will be shared"
        changing.correct(store, record_key, {"told_on": day}, _why(by, reason))
        held = store.conduct.by_key(record_key)
    if held is not None:
        typer.echo(f"{record_key}: the officer may answer until {windows.ends(held.record)}.")


def _day_told(on: str) -> str:
    """The day on which the officer was told; ChangeError when it is none, or has not come."""
    from waypost.node.errors import ChangeError

    try:
        day = date.fromisoformat(on)
    except ValueError:
        raise ChangeError(f"{on[:20]!r} is no day", hint="write YYYY-MM-DD") from None
    if day > datetime.now(UTC).date():
        raise ChangeError(
            f"{day} has not come: an officer is told before it is recorded that he was",
            hint="tell him first, then give the day on which you did",
        )
    return day.isoformat()


def history(
    record_key: KeyArgument, home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """Show every version of a record, what was changed by hand, who was told, and what is left of an expunged one."""
    from waypost.protocol.shell import fail

    with records.opened(home, passphrase_file) as store:
        versions, changes = store.conduct.history(record_key), store.changes.of_record(record_key)
        gone = store.changes.expungement(record_key)
        notices = [notice for notice in store.notices.owed() if notice.record_key == record_key]
    if not versions and gone is None:
        fail("there is no record of that key", "see `waypost-node records list`")
    by_version: dict[int, dict[str, Any]] = {
        change.version: {"change": change.change, "by": change.staff, "reason": change.reason}
        for change in reversed(changes)
        if change.change in {"corrected", "voided", "sealed", "reinstated"}
    }
    facts: dict[str, Any] = {
        "record_key": record_key,
        "versions": [
            {"version": each.version, "status": each.status, **by_version.get(each.version, {"change": "imported"})}
            for each in versions
        ],
        "events": [
            {"at": moment(each.at_ms), "change": each.change, "by": each.staff, "reason": each.reason}
            for each in changes
        ],
        "expunged": None
        if gone is None
        else {"at": moment(gone.at_ms), "cause": gone.cause, "reference": gone.reference, "by": gone.staff},
        "notices": [{"to": each.recipient, "changes": list(each.changes), "state": each.state} for each in notices],
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for each in facts["versions"]:
        why = f" by {each['by']}: {each['reason']}" if "by" in each else ""
        typer.echo(f"version {each['version']}: {each['status']} ({each['change']}{why})")
    for each in facts["events"]:
        typer.echo(f"{each['at']}  {each['change'].replace('_', ' ')} by {each['by']}: {each['reason']}")
    if gone is not None:
        typer.echo(f"expunged {moment(gone.at_ms)} by {gone.staff} ({gone.cause} {gone.reference})")
    for notice in notices:
        typer.echo(f"notice to {notice.recipient} ({', '.join(notice.changes)}): {notice.state}")


def queue(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List the records that wait for nothing but the officer: to be told, or for his window to answer to end."""
    from waypost.node.due_process import read_windows
    from waypost.node.fairness import Want, Withheld, judge

    windows, today = read_windows(home), datetime.now(UTC).date()
    waiting = []
    with records.opened(home, passphrase_file) as store:
        for owned in store.conduct.all():
            fairness = judge(owned.record, today, window_days=windows.of(owned.record))
            if isinstance(fairness, Withheld) and {each.want for each in fairness.missing} <= {Want.TOLD, Want.WINDOW}:
                ends = windows.ends(owned.record)
                waiting.append((owned, ends))
    waiting.sort(key=lambda each: (each[1] is None, str(each[1]), each[0].record.record_key))
    if as_json:
        listed = [
            {
                "record_key": owned.record.record_key,
                "officer_key": owned.officer_key,
                "told_on": str(owned.record.fair_process.told_on or ""),
                "waits_until": str(ends or ""),
                "window_days": windows.of(owned.record),
                "answered": owned.record.statement is not None,
            }
            for owned, ends in waiting
        ]
        typer.echo(json.dumps({"law": windows.law, "records": listed}, indent=2))
        return
    for owned, ends in waiting:
        until = f"shareable from {ends}" if ends is not None else "the officer has not been told"
        answered = ", the officer has answered" if owned.record.statement is not None else ""
        typer.echo(f"{owned.record.record_key}  {owned.record.kind}, officer {owned.officer_key}: {until}{answered}")
    law = f" ({windows.law})" if windows.law else ""
    typer.echo(f"records waiting: {len(waiting)}; window to answer: {windows.days} days{law}")


def _why(by: str, reason: str) -> Why:
    from waypost.node.changing import Why

    return Why(by, reason, _now_ms(), datetime.now(UTC).date())


def _tell(changed: Changed) -> None:
    typer.echo(f"{changed.record_key}: version {changed.version}.{_told(changed)}")


def _told(changed: Changed) -> str:
    if not changed.notices:
        return " Nobody had received it."
    return f" Members that received it and are told: {changed.notices} (see `waypost-node notices`)."


def moment(at_ms: int) -> str:
    """A moment, for people."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
