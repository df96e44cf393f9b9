"""`waypost-node disclosures verify`: that nobody has rewritten this node's own log of what it disclosed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from waypost.node.cli.rights import disclosures
from waypost.protocol.shell import HomeOption, JsonOption, PassphraseOption

if TYPE_CHECKING:
    from waypost.node.disclosure_heads import HeadState


def register(_parent: typer.Typer) -> None:
    """Add this module's command to the noun, which rights.py makes."""
    disclosures.command("verify")(verify_disclosures)


def verify_disclosures(home: HomeOption, passphrase_file: PassphraseOption = None, as_json: JsonOption = False) -> None:
    """Compute the chain over every disclosure anew, and compare it with the heads that the hub's log holds."""
    from waypost.node.errors import StoreError

    state = _state(home, passphrase_file)
    if state.trouble:
        raise StoreError(
            f"the disclosure log is not whole: {state.trouble}", hint="restore a backup, and tell your supervisor"
        )
    if as_json:
        facts = {
            "entries": state.entries,
            "removed": state.removed,
            "heads": state.posted,
            "heads_logged": state.logged,
        }
        typer.echo(json.dumps(facts))
        return
    typer.echo(
        f"The disclosure log is whole: {state.entries} entries, {state.removed} of them removed by retention; "
        f"{state.posted} heads were posted, "
        f"of {state.logged} of them the hub's log is proven to hold."
    )


def _state(home: Path, passphrase_file: Path | None) -> HeadState:
    from waypost.crypto.envelope import SigningKey
    from waypost.node import settings
    from waypost.node.disclosure_heads import digest_of, judge
    from waypost.node.federation import read_federation
    from waypost.protocol.transparency import log_keys
    from waypost.v1 import log_pb2

    keys, federation = settings.open_keys(home, passphrase_file), read_federation(home)
    with settings.open_store(home, keys) as store, store.reading():
        heads = [
            (head, store.transparency.proof(log_pb2.LOG_KIND_DISCLOSURE_HEAD, digest_of(head)))
            for head in store.chain.posted()
        ]
        own = SigningKey.from_seed(keys.get(settings.SIGNING_KEY)).public
        signing_keys = frozenset({own, *store.rosters.keys_of(federation.ori)})
        log = log_keys(federation.hub_key, federation.trustee_key)
        return judge(store.chain.recomputed(), heads, signing_keys=signing_keys, keys=log)
