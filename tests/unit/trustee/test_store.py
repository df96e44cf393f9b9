"""The trustee's database, version by version: what an older Waypost wrote, a newer one opens with all that is in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from waypost.trustee import store
from waypost.trustee.audit import Event
from waypost.trustee.errors import SettingsError
from waypost.trustee.evaluating import CHECK
from waypost.trustee.store import Store

MIGRATIONS = store._MIGRATIONS
ORI, NOW_MS = "CA9900100", 1_800_000_000_000


def written_by(path: Path, version: int) -> None:
    """A database of that version, with something in it."""
    raw = sqlite3.connect(path)
    for script in MIGRATIONS[:version]:
        raw.executescript(script)
    raw.executescript(
        f"INSERT INTO admissions VALUES ('{ORI}', 1); INSERT INTO budgets VALUES ('{ORI}', {CHECK}, 960);"
        f"INSERT INTO usage VALUES ('{ORI}', {CHECK}, {NOW_MS}, 96); PRAGMA user_version = {version};"
    )
    raw.close()


def tables(path: Path) -> set[tuple[str, str]]:
    raw = sqlite3.connect(path)
    found = set(raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    raw.close()
    return found


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_database_of_an_older_version_becomes_what_a_new_one_is_and_keeps_its_rows(
    tmp_path: Path, version: int
) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    written_by(old, version)
    Store(new, create=True).close()
    held = Store(old)
    assert held.admitted() == frozenset({ORI})
    assert (held.budget(ORI, CHECK), held.used(ORI, CHECK, NOW_MS - 1)) == (960, 96)
    held.put_checkpoint(b"note")
    held.audit(NOW_MS, Event.ADMITTED, ORI)
    held.close()
    assert tables(old) == tables(new)
    Store(old).close()


def test_a_trustee_that_dies_in_the_middle_of_an_upgrade_has_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trustee.db"
    written_by(path, 1)
    before = tables(path)
    monkeypatch.setattr(store, "_MIGRATIONS", (*MIGRATIONS, "SELECT nothing FROM nowhere"))
    with pytest.raises(sqlite3.OperationalError):
        Store(path)
    monkeypatch.undo()
    assert tables(path) == before
    Store(path).close()


def test_a_newer_database_is_left_alone_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "trustee.db"
    written_by(path, len(MIGRATIONS))
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    with pytest.raises(SettingsError, match="written by a newer Waypost"):
        Store(path)


def test_a_home_without_a_database_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        Store(tmp_path / "trustee.db")
    assert "waypost-trustee init --home DIR" in caught.value.hint
