"""`waypost-node credential`: an agency applies; a credentialing body confirms, issues, revokes; both can look."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption
from waypost.v1 import compliance_pb2, roster_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from waypost.node.stating import Author, Held
    from waypost.node.store import Store

app = typer.Typer(help="Credentials of section 2: apply, confirm, issue, revoke, list.", no_args_is_help=True)
_AgencyArgument = Annotated[str, typer.Argument(help="The agency's ORI.")]


class Topic(StrEnum):
    """What a body confirms; the first two are the minimum of section 2(c)(i) and (ii)."""

    LAWFUL_USE_OF_FORCE = "lawful-use-of-force"
    CHOKE_HOLDS_PROHIBITED = "choke-holds-prohibited"
    DE_ESCALATION_TRAINING = "de-escalation-training"
    EARLY_WARNING = "early-warning"
    COMMUNITY_ENGAGEMENT = "community-engagement"


_TOPICS = {
    Topic.LAWFUL_USE_OF_FORCE: compliance_pb2.CREDENTIAL_TOPIC_LAWFUL_USE_OF_FORCE,
    Topic.CHOKE_HOLDS_PROHIBITED: compliance_pb2.CREDENTIAL_TOPIC_CHOKE_HOLDS_PROHIBITED,
    Topic.DE_ESCALATION_TRAINING: compliance_pb2.CREDENTIAL_TOPIC_DE_ESCALATION_TRAINING,
    Topic.EARLY_WARNING: compliance_pb2.CREDENTIAL_TOPIC_EARLY_WARNING,
    Topic.COMMUNITY_ENGAGEMENT: compliance_pb2.CREDENTIAL_TOPIC_COMMUNITY_ENGAGEMENT,
}


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.add_typer(app, name="credential")


@app.command()
def apply(
    body: Annotated[str, typer.Argument(help="The credentialing body's ORI.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Apply for a body's credential. It counts as in process once the body confirms it."""
    from waypost.node import stating
    from waypost.protocol import names

    with _signing(home, passphrase_file) as (store, author):
        content = compliance_pb2.CredentialApplication(body_ori=body)
        stating.state(
            store, author, names.CREDENTIAL_APPLICATION, content, role=roster_pb2.ROLE_AGENCY, now_ms=_now_ms()
        )
    typer.echo(f"The application goes to {body} as soon as the node is attached.")


@app.command()
def confirm(
    agency: _AgencyArgument,
    until: Annotated[str, typer.Option(help="The application counts until this day, YYYY-MM-DD; two years at most.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Confirm that an agency which applied is in the process of seeking our credential."""
    from waypost.node import stating
    from waypost.protocol import names

    with _signing(home, passphrase_file) as (store, author):
        application = _newest(
            [each for each in stating.held(store, names.CREDENTIAL_APPLICATION) if each.fact.author == agency],
            f"{agency} has not applied",
        )
        content = compliance_pb2.CredentialProcess(
            agency_ori=agency, application_digest=application.stored.digest, valid_until=until
        )
        _state(store, author, names.CREDENTIAL_PROCESS, content)
    typer.echo(f"{agency} is in process until {until}.")


@app.command()
def issue(
    agency: _AgencyArgument,
    expires: Annotated[str, typer.Option(help="Last day of validity, YYYY-MM-DD; five years at most.")],
    topic: Annotated[list[Topic], typer.Option(help="What was confirmed; repeatable. The first two are the minimum.")],
    home: HomeOption,
    issued: Annotated[str, typer.Option(help="First day, YYYY-MM-DD; today unless given.")] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Credential an agency: its use-of-force policies are lawful, prohibit choke holds, and what else was confirmed."""
    from waypost.protocol import names

    content = compliance_pb2.Credential(
        agency_ori=agency,
        topics=sorted(_TOPICS[each] for each in set(topic)),
        issued_on=issued or datetime.now(UTC).date().isoformat(),
        expires_on=expires,
    )
    with _signing(home, passphrase_file) as (store, author):
        _state(store, author, names.CREDENTIAL, content)
    typer.echo(f"{agency} is credentialed until {expires}.")


@app.command()
def revoke(
    agency: _AgencyArgument,
    reason: Annotated[str, typer.Option(help="Why; it stands in the signed revocation.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Revoke the newest credential that we gave an agency, for good."""
    from waypost.node import stating
    from waypost.protocol import names
    from waypost.protocol.facts import Credential, CredentialRevocation

    with _signing(home, passphrase_file) as (store, author):
        facts = stating.held(store, names.CREDENTIAL, names.CREDENTIAL_REVOCATION)
        gone = {each.fact.credential_digest for each in facts if isinstance(each.fact, CredentialRevocation)}
        ours = [
            each
            for each in facts
            if isinstance(each.fact, Credential)
            and (each.fact.author, each.fact.agency_ori) == (author.ori, agency)
            and each.stored.digest not in gone
        ]
        credential = _newest(ours, f"{agency} has no credential of ours")
        content = compliance_pb2.CredentialRevocation(
            agency_ori=agency, credential_digest=credential.stored.digest, reason=reason
        )
        _state(store, author, names.CREDENTIAL_REVOCATION, content)
    typer.echo(f"The credential of {agency} is revoked.")


@app.command("list")
def list_facts(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List applications, confirmations, credentials and revocations: ours, and those about us."""
    from rich.console import Console
    from rich.table import Column, Table

    from waypost.node import stating
    from waypost.node.settings import open_keys, open_store

    with open_store(home, open_keys(home, passphrase_file)) as store:
        found = [_shown(store_held) for store_held in stating.held(store, *stating.CREDENTIAL_TYPES)]
    if as_json:
        for row in found:
            typer.echo(json.dumps(row))
        return
    table = Table(Column("what", overflow="fold"), *("by", "about", "until", "signed", "state"))
    for row in found:
        table.add_row(*(str(row[name]) for name in ("what", "by", "about", "until", "signed_on", "state")))
    Console().print(table)


def _shown(one: Held) -> dict[str, Any]:
    from waypost.node.stating import subject_of
    from waypost.protocol.facts import day_of

    fact, stored = one.fact, one.stored
    until = getattr(fact, "expires_on", getattr(fact, "valid_until", ""))
    return {
        "what": stored.type.removeprefix("application/vnd.waypost.").partition(".")[0],
        "by": stored.author,
        "about": subject_of(fact),
        "until": str(until),
        "signed_on": day_of(stored.at_ms).isoformat(),
        "state": stored.state,
    }


@contextmanager
def _signing(home: Path, passphrase_file: Path | None) -> Iterator[tuple[Store, Author]]:
    from waypost.node.settings import open_keys, open_store
    from waypost.node.signing import author_of

    keys = open_keys(home, passphrase_file)
    with open_store(home, keys) as store:
        yield store, author_of(home, keys, store)


def _state(store: Store, author: Author, kind: str, content: Message) -> None:
    from waypost.node import stating

    stating.state(store, author, kind, content, role=roster_pb2.ROLE_CREDENTIALING_BODY, now_ms=_now_ms())


def _newest(found: list[Held], otherwise: str) -> Held:
    from waypost.node.errors import SettingsError

    if not found:
        raise SettingsError(otherwise, hint="`waypost-node credential list` shows what the node holds")
    return found[-1]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
