"""`waypost-node referrals list | show | release | refuse | request`: where people decide instead of a threshold."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waypost.node.cli import records
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.store import ReferralOffer, Store

app = typer.Typer(help="Referrals: a holder's staff decides by hand where the agreement is weak.", no_args_is_help=True)
_IdArgument = Annotated[str, typer.Argument(help="The referral's id, or its beginning.")]
_ByOption = Annotated[str, typer.Option("--by", help="Who decides: a staff reference that your agency can resolve.")]


def register(parent: typer.Typer) -> None:
    """Add this noun."""
    parent.add_typer(app, name="referrals")


@app.command()
def request(
    check: Annotated[str, typer.Argument(help="The check's id, or its beginning.")],
    ori: Annotated[str, typer.Argument(help="The member that offers a referral.")],
    contact: Annotated[str, typer.Option(help="Whom its staff may call: name and number.")],
    home: HomeOption,
    note: Annotated[str, typer.Option(help="Words for its staff.")] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Ask a member's staff to decide by hand: they see the applicant's names, date of birth and numbers, no SSN."""
    from waypost.node import referring
    from waypost.node.applicants import inquiry_from_json
    from waypost.node.cli.checks import find_check

    with records.opened(home, passphrase_file) as store:
        held = store.checks.get(find_check(store, check))
        assert held is not None  # noqa: S101 - it was just found
        inquiry, now_ms = inquiry_from_json(held.request_json), time.time_ns() // 1_000_000
        asked = referring.ask(store, held, inquiry, ori, contact=contact, note=note, now_ms=now_ms)
    many = "a referral" if asked == 1 else f"{asked} referrals"
    typer.echo(f"Asked {ori} for {many}." if asked else f"{ori} was asked before; nothing new.")


@app.command("list")
def list_referrals(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """List what others ask this agency to decide, and what this agency has asked others."""
    from waypost.node.referring import newest_first

    with records.opened(home, passphrase_file) as store:
        incoming = [_offer_facts(offer, store) for offer in newest_first(store.referrals.requested())]
        outgoing = [
            {"check": each.check_id.hex(), "ori": each.ori, "state": each.state, "reason": each.reason or each.trouble}
            for each in store.referrals.all_asked()
        ]
    if as_json:
        typer.echo(json.dumps({"to_decide": incoming, "asked": outgoing}, indent=2))
        return
    for entry in incoming:
        typer.echo(f"{entry['referral'][:8]}  {entry['state']}: {entry['asker']} asks about {entry['officer_key']}")
    for each in outgoing:
        why = f" ({each['reason']})" if each["reason"] else ""
        typer.echo(f"check {each['check'][:8]}: {each['ori']} {each['state']}{why}")
    waiting = sum(entry["state"] == "open" for entry in incoming)
    typer.echo(f"to decide: {waiting}, asked of others: {len(outgoing)}")


@app.command()
def show(
    referral: _IdArgument, home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False
) -> None:
    """Show both sides: what the asker knows of the applicant, and whom this agency holds."""
    with records.opened(home, passphrase_file) as store:
        facts = _offer_facts(_find(store, referral), store)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<20} {'; '.join(value) if isinstance(value, list) else value}")


@app.command()
def release(
    referral: _IdArgument,
    by: _ByOption,
    home: HomeOption,
    reason: Annotated[str, typer.Option(help="Words for the asker's staff.")] = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Release what fair process and policy allow: it is the same person."""
    _decide(referral, by, reason, home, passphrase_file, released=True)


@app.command()
def refuse(
    referral: _IdArgument,
    by: _ByOption,
    home: HomeOption,
    reason: Annotated[str, typer.Option(help="Words for the asker's staff.")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Refuse: it is another person, or cannot be told."""
    _decide(referral, by, reason, home, passphrase_file, released=False)


def _decide(referral: str, by: str, reason: str, home: Path, passphrase_file: Path | None, *, released: bool) -> None:
    from waypost.node import referring
    from waypost.node.cli.applicant import staff_of

    staff, now_ms = staff_of(by), time.time_ns() // 1_000_000
    with records.opened(home, passphrase_file) as store:
        offer = _find(store, referral)
        referring.decide(store, offer, release=released, staff=staff, reason=reason, now_ms=now_ms)
    typer.echo(f"{'Released' if released else 'Refused'}; {offer.asker} is told when the node is attached.")


def _find(store: Store, text: str) -> ReferralOffer:
    from waypost.node.errors import CheckError

    found = [offer for offer in store.referrals.requested() if offer.reference.hex().startswith(text.lower())]
    if len(found) != 1:
        what = "no referral's id begins" if not found else "several referrals' ids begin"
        raise CheckError(f"{what} with {text[:32]!r}", hint="waypost-node referrals list shows them")
    return found[0]


def _offer_facts(offer: ReferralOffer, store: Store) -> dict[str, Any]:
    from waypost.v1 import referral_pb2

    officer = store.officers.get(offer.officer_id)
    asked = referral_pb2.ReferralRequestBody.FromString(offer.request or b"")
    person = officer.person if officer is not None else None
    return {
        "referral": offer.reference.hex(),
        "state": offer.state,
        "asker": offer.asker,
        "contact": asked.contact,
        "purpose": offer.purpose,
        "asked_by": offer.asker_reference,
        "note": asked.note,
        "applicant_names": [f"{name.family}, {name.given} {name.middle}".strip() for name in asked.names],
        "applicant_born": asked.date_of_birth,
        "applicant_numbers": [f"{entry.issuer} {entry.value}" for entry in asked.identifiers],
        "officer_key": officer.officer_key if officer is not None else "",
        "officer_names": [f"{n.family}, {n.given} {n.middle}".strip() for n in person.names] if person else [],
        "officer_born": str(person.date_of_birth) if person else "",
        "officer_numbers": [f"{entry.issuer} {entry.value}" for entry in person.identifiers] if person else [],
        "decided_by": offer.staff,
        "reason": offer.reason,
    }
