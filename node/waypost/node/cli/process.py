"""`waypost-node init | join | serve | status`."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from waypost.node.store import Store
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption, ask_new_passphrase


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (init, join, serve, status):
        app.command()(command)


def init(home: HomeOption, passphrase_file: PassphraseOption = None) -> None:
    """Make a node's home: its keys under a passphrase, and an empty store."""
    from waypost.crypto import pki
    from waypost.crypto.envelope import SigningKey
    from waypost.crypto.keystore import Keystore
    from waypost.crypto.passphrase import find_passphrase
    from waypost.crypto.sealing import SealingKey
    from waypost.node import settings
    from waypost.node.errors import SettingsError
    from waypost.protocol.homes import party_of

    if settings.keys_path(home).exists() or settings.store_path(home).exists():
        held = party_of(home) or "node"
        raise SettingsError(f"{home} already holds a {held}", hint="name another folder with --home")
    passphrase = find_passphrase(passphrase_file, ask_new_passphrase)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets = {
        settings.SIGNING_KEY: SigningKey.generate().seed,
        settings.SEALING_KEY: SealingKey.generate().to_bytes(),
        settings.TLS_KEY: pki.new_key_pem(),
        settings.COLUMN_KEY: SigningKey.generate().seed,
    }
    keys = Keystore.create(settings.keys_path(home), passphrase, secrets)
    settings.open_store(home, keys).close()
    (home / "policies").mkdir(exist_ok=True)
    typer.echo(f"The node's home is {home}. Back it up, and keep its passphrase apart from it.")
    typer.echo(f"Next: waypost-node join CODE --home {home} (the hub's operator gives the code)")


def join(
    code: Annotated[str, typer.Argument(help="The join code from the hub's operator.")],
    home: HomeOption,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Join the federation that invited this agency."""
    from waypost.node import settings
    from waypost.node.enrolment import join as enrol
    from waypost.protocol.joincode import decode_join_code

    decoded = decode_join_code(code)
    keys = settings.open_keys(home, passphrase_file)
    with settings.open_store(home, keys) as store:
        roster = enrol(home, keys, store, decoded)
    typer.echo(f"{decoded.name} ({decoded.ori}) is a member; the roster has {len(roster.members)}.")
    typer.echo(f"Next: waypost-node import FILE... --home {home}, and waypost-node serve --home {home}")


def serve(home: HomeOption, passphrase_file: PassphraseOption = None) -> None:
    """Run the node: keep its link, its index and its checks going until told to stop."""
    from waypost.node import settings
    from waypost.node.daemon import serve as run
    from waypost.node.federation import read_federation

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    read_federation(home)
    keys = settings.open_keys(home, passphrase_file)
    with settings.open_store(home, keys) as store:
        asyncio.run(run(home, keys, store))


def status(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Show how the node stands: link, roster, index, mail, checks."""
    facts = _facts(home, passphrase_file)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    if not facts["ori"]:
        typer.echo(f"not joined yet: waypost-node join CODE --home {home} (the hub's operator gives the code)")
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<19} {value}")


def _facts(home: Path, passphrase_file: Path | None) -> dict[str, Any]:
    from waypost.node import asking, running, settings
    from waypost.node.cli.policy import policy_state
    from waypost.node.federation import federation_path, read_federation
    from waypost.node.serve_lock import ServeLock
    from waypost.node.tokenizing import AGREED_STATE, EPOCH_STATE

    keys = settings.open_keys(home, passphrase_file)
    joined = federation_path(home).exists()
    serving = ServeLock(home).held_by_another()
    with settings.open_store(home, keys) as store, store.reading():
        officers, due = store.officers.count(), store.officers.dirty_count()
        epoch = store.state.get_int(EPOCH_STATE)
        unregistered = store.tokens.unregistered_count(epoch)
        agreed_at_ms = store.state.get_int(AGREED_STATE)
        held = store.rosters.newest()
        return {
            "ori": read_federation(home).ori if joined else "",
            "running": serving,
            "link": store.state.get(running.LINK_STATE, "gone") if serving else "gone",
            "link_reason": store.state.get(running.LINK_REASON),
            "roster_version": held.version if held is not None else 0,
            "officers": officers,
            "officers_indexed": officers - due if epoch else 0,
            "index_agreed": bool(joined and agreed_at_ms and not due and not unregistered),
            "index_agreed_at": _moment(agreed_at_ms),
            "tokens": store.tokens.count(epoch),
            "log_trusted": not store.transparency.conflicts(),
            "policies": policy_state(store, home),
            "outbox": store.outbox.count(),
            "mail_set_aside": store.aside.count(),
            "notices_undelivered": store.notices.undelivered_count(),
            "disputes_overdue": store.statements.overdue_count(datetime.now(UTC).date()),
            "attestation": _attestation(store) if joined else "",
            "checks_open": len(store.checks.in_states(asking.OPEN_STATES)),
            "trouble": store.state.get(running.TROUBLE_STATE),
        }


def _attestation(store: Store) -> str:
    """What the agency last attested, and what is due."""
    from waypost.node.stating import attestation_status

    return attestation_status(store, datetime.now(UTC).date())


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at_ms else ""
