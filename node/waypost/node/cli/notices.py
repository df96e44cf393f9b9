"""`waypost-node notices`: whom this node has told that a record changed, and what others told it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from waypost.node.cli import records
from waypost.node.cli.record_changes import moment
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(notices)


def notices(
    home: HomeOption,
    undelivered: Annotated[bool, typer.Option("--undelivered", help="Only those that nobody acknowledged.")] = False,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the notices about changed records: sent, delivered or not, and received."""
    from waypost.node.results import notice_facts

    with records.opened(home, passphrase_file) as store:
        owed, received = store.notices.owed(), store.notices.received()
    sent: list[dict[str, Any]] = [
        {
            "to": each.recipient,
            "record_key": each.record_key,
            "officer_key": each.officer_key,
            "changes": list(each.changes),
            "changed_at": moment(each.changed_at_ms),
            "state": each.state,
            "trouble": each.trouble,
        }
        for each in owed
        if not undelivered or each.state != "delivered"
    ]
    taken = [] if undelivered else [notice_facts(each) for each in received]
    if as_json:
        typer.echo(json.dumps({"sent": sent, "received": taken}, indent=2))
        return
    for each in sent:
        trouble = f" ({each['trouble']})" if each["trouble"] else ""
        what = ", ".join(each["changes"]).replace("_", " ")
        typer.echo(f"to {each['to']}: {_subject(each)} {what} {each['changed_at']}: {each['state']}{trouble}")
    for each in taken:
        why = f": {each['reason']}" if each["reason"] else ""
        stands = "changed" if each["officer_key"] and each["standing"] == "stands" else each["standing"]
        typer.echo(f"from {each['owner']}: {_subject(each)} {stands} {each['changed_at']}{why}")
    waiting = sum(each["state"] != "delivered" for each in sent)
    typer.echo(f"notices sent: {len(sent)}, not acknowledged: {waiting}; received: {len(taken)}")


def _subject(notice: dict[str, Any]) -> str:
    return str(notice["record_key"]) or f"officer {notice['officer_key']}"
