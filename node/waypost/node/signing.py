"""Who signs for this node: its ORI, its key, and the roster it holds."""

from __future__ import annotations

from pathlib import Path

from waypost.crypto.envelope import SigningKey, parse_envelope
from waypost.crypto.keystore import Keystore
from waypost.node import settings
from waypost.node.errors import SettingsError
from waypost.node.federation import read_federation
from waypost.node.stating import Author
from waypost.node.store import Store
from waypost.protocol.roster import open_roster


def author_of(home: Path, keys: Keystore, store: Store) -> Author:
    """The node as an author of facts; SettingsError while it holds no roster."""
    federation, held = read_federation(home), store.rosters.newest()
    if held is None:
        raise SettingsError("the node holds no roster yet", hint="run: waypost-node serve")
    roster = open_roster(parse_envelope(held.envelope), hub_key=federation.hub_key, trustee_key=federation.trustee_key)
    return Author(federation.ori, SigningKey.from_seed(keys.get(settings.SIGNING_KEY)), roster)
