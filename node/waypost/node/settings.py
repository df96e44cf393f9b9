"""The node's home folder, and how its keys and its store are opened.

HOME/node.db         the store
HOME/keys            the keystore: "signing", "sealing", "tls-key", "column"
HOME/settings.toml   what the operator chose
HOME/agencies.csv    which ORI an agency's name in imported files stands for
HOME/rejects/        rows that an import rejected, to be mended and imported again
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.node.errors import SettingsError
from waypost.node.store import Store
from waypost.protocol.shell import ask_passphrase

SIGNING_KEY: Final = "signing"
SEALING_KEY: Final = "sealing"
TLS_KEY: Final = "tls-key"
COLUMN_KEY: Final = "column"


def store_path(home: Path) -> Path:
    """The store."""
    return home / "node.db"


def keys_path(home: Path) -> Path:
    """The keystore."""
    return home / "keys"


def settings_path(home: Path) -> Path:
    """The operator's choices."""
    return home / "settings.toml"


def rejects_path(home: Path) -> Path:
    """The folder of rejected rows."""
    return home / "rejects"


def agencies_path(home: Path) -> Path:
    """The table of agencies' names."""
    return home / "agencies.csv"


def open_keys(home: Path, passphrase_file: Path | None = None) -> Keystore:
    """The node's keys, under the passphrase of file, environment or terminal; SettingsError when there is no node."""
    if not keys_path(home).exists():
        raise SettingsError(f"{home} is no node's home", hint="run `waypost-node init` first, or name the right --home")
    return Keystore.open(keys_path(home), find_passphrase(passphrase_file, ask_passphrase))


def open_store(home: Path, keys: Keystore) -> Store:
    """The node's store, made if need be."""
    return Store.open(store_path(home), keys.get(COLUMN_KEY))
