"""The node's home folder, and how its keys and its store are opened.

HOME/node.db         the store
HOME/keys            the keystore: "signing", "sealing", "tls-key", "column"
HOME/settings.toml   what the operator chose
HOME/agencies.csv    which ORI an agency's name in imported files stands for
HOME/rejects/        rows that an import rejected, to be mended and imported again
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.node.errors import SettingsError
from waypost.node.store import Store
from waypost.protocol.shell import ask_passphrase

SIGNING_KEY: Final = "signing"
SEALING_KEY: Final = "sealing"
TLS_KEY: Final = "tls-key"
COLUMN_KEY: Final = "column"

TABLES: Final = frozenset({"due_process", "terms"})
"""The tables of settings.toml: due_process.py and terms.py say what is in them."""


Tables: TypeAlias = Mapping[str, Mapping[str, Any]]


def store_path(home: Path) -> Path:
    """The store."""
    return home / "node.db"


def keys_path(home: Path) -> Path:
    """The keystore."""
    return home / "keys"


def settings_path(home: Path) -> Path:
    """The operator's choices."""
    return home / "settings.toml"


def read_tables(home: Path) -> Tables:
    """The tables of settings.toml by name, none when there is no file; SettingsError for one that nobody knows.

    A misspelt choice of what the law demands must not pass for none.
    """
    path = settings_path(home)
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="mend it") from None
    require_known(settings, TABLES, f"{path} has a table")
    for name, table in settings.items():
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: {name} is no table", hint=f"write [{name}]")
    return settings


def choices(tables: Tables, name: str, known: frozenset[str]) -> Mapping[str, Any]:
    """What one of the tables says, empty when there is none; SettingsError for a choice that is none of these."""
    table = tables.get(name, {})
    require_known(table, known, f"settings.toml: [{name}] has a choice")
    return table


def require_known(table: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """SettingsError for the first name that is none of these."""
    unknown = sorted(set(table) - known)
    if unknown:
        raise SettingsError(f"{what} {unknown[0]!r}", hint=f"there are {', '.join(sorted(known))}")


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
