"""A synthetic agency with an empty store, and a custodian at his terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.agency import Agency
from tests.unit.node.custody.desk import PASSPHRASE, Desk

from waypost.crypto.keystore import Keystore
from waypost.node.store import Store


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    with Store.open(tmp_path / "node.db", bytes(32)) as store:
        yield Agency(store, tmp_path / "rejects")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    Keystore.create(path, PASSPHRASE, {"column": bytes(range(32))})
    return path


@pytest.fixture
def desk(tmp_path: Path, keys: Path) -> Desk:
    home = tmp_path / "home"
    home.mkdir()
    (home / "keys").write_bytes(keys.read_bytes())
    (home / "keys").chmod(0o600)
    return Desk(home)
