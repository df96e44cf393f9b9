"""The hub's database, version by version: what an older Waypost founded, a newer one opens with all that is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.parties.hub_world import ASKER, HOLDER, HubWorld

from waypost.hub import index, mailbox, members, migrations, schema
from waypost.hub.database import get_meta, open_engine
from waypost.hub.errors import SettingsError
from waypost.hub.mailbox import MailKind
from waypost.hub.migrations import SCHEMA_VERSION

FOUNDING = Path(__file__).parents[2] / "vectors/schemas/hub-1-founding.sql"
TOKEN = b"t" * 16


def tables(path: Path) -> dict[str, str]:
    """Tables and indexes by name, as SQLite holds them, without regard to blanks."""
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
        found = {name: "".join(sql.split()) for name, sql in rows}
    raw.close()
    return found


def run(path: Path, script: str) -> None:
    raw = sqlite3.connect(path)
    raw.executescript(script)
    raw.close()


def founded_early(path: Path) -> None:
    """As when version 1 began."""
    version = "INSERT INTO meta (name, value) VALUES ('schema', '1');"
    run(path, FOUNDING.read_text(encoding="utf-8") + version)


def founded_late(path: Path) -> None:
    """As just before the last table of version 1 came."""
    open_engine(f"sqlite:///{path}", create=True).dispose()
    run(path, "DROP TABLE compliance_days; DROP INDEX watched_by_member; UPDATE meta SET value = '1'")
    before_authors(path)


def before_authors(path: Path) -> None:
    """Take out what version 4 brought."""
    run(path, "DROP TABLE returned; DROP INDEX mailbox_by_author; ALTER TABLE mailbox DROP COLUMN author")


def founded_as_version_3(path: Path) -> None:
    """With mail whose author nobody noted."""
    open_engine(f"sqlite:///{path}", create=True).dispose()
    before_authors(path)
    run(path, "UPDATE meta SET value = '3'")


@pytest.mark.parametrize("founded", [founded_early, founded_late, founded_as_version_3])
def test_an_older_database_becomes_what_a_new_one_is_and_keeps_its_rows(
    tmp_path: Path, founded: Callable[[Path], None]
) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    founded(old)
    run(
        old,
        f"INSERT INTO mailbox VALUES (7, '{ASKER}', 2, x'', x'0a0161', 5);"
        f"INSERT INTO pointers VALUES (1, x'{TOKEN.hex()}', 3);",
    )
    open_engine(f"sqlite:///{new}", create=True).dispose()
    engine = open_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        assert get_meta(connection, "schema") == str(SCHEMA_VERSION)
        assert [mail.mail_id for mail in mailbox.waiting(connection, ASKER, 0, 10)] == [7]
        assert index.registered(connection, 3, 1) == [TOKEN]
        mailbox.put(connection, HOLDER, MailKind.MESSAGE, b"", b"", 5)
    engine.dispose()
    assert tables(old) == tables(new)


def test_a_hub_whose_database_was_founded_early_takes_checks(tmp_path: Path) -> None:
    founded_early(tmp_path / "hub.db")
    open_engine(f"sqlite:///{tmp_path / 'hub.db'}").dispose()
    world = HubWorld(tmp_path)
    world.register(HOLDER, [TOKEN])
    receipt = world.submit(world.ask([TOKEN]))
    assert [part.ori for part in receipt.responses] == [HOLDER]
    with world.engine.begin() as connection:
        assert connection.scalars(select(schema.log_queue.c.kind)).all()
        assert members.one_member(connection, ASKER) is not None
    world.close()


def test_a_hub_that_dies_in_the_middle_of_an_upgrade_has_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hub.db"
    founded_early(path)
    before = tables(path)

    def killed(_connection: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, killed))
    with pytest.raises(KeyboardInterrupt):
        open_engine(f"sqlite:///{path}")
    assert tables(path) == before
    monkeypatch.undo()
    open_engine(f"sqlite:///{path}").dispose()
    assert len(tables(path)) > len(before)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"UPDATE meta SET value = '{SCHEMA_VERSION + 1}'", "written by a newer Waypost"),
        ("DELETE FROM meta", "no database of a hub"),
        ("UPDATE meta SET value = 'two'", "no database of a hub"),
        ("DROP TABLE meta", "cannot be opened"),
    ],
)
def test_a_newer_or_foreign_database_is_left_alone_and_said_so(tmp_path: Path, script: str, words: str) -> None:
    path = tmp_path / "hub.db"
    open_engine(f"sqlite:///{path}", create=True).dispose()
    run(path, script)
    before = tables(path)
    with pytest.raises(SettingsError, match=words) as caught:
        open_engine(f"sqlite:///{path}")
    assert caught.value.hint
    assert tables(path) == before


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    path.write_bytes(b"this is a text, and no database of any kind" * 100)
    with pytest.raises(SettingsError, match="cannot be opened"):
        open_engine(f"sqlite:///{path}")
