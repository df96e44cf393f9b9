"""A synthetic agency with an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.agency import Agency

from waypost.node.store import Store


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    with Store.open(tmp_path / "node.db", bytes(32)) as store:
        yield Agency(store, tmp_path / "rejects")
