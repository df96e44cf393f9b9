"""Prepared statements do what the same statements do through SQLAlchemy, which runs them on other databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from waypost.hub import schema, statements
from waypost.hub.database import open_engine
from waypost.hub.statements import Prepared

BOX = schema.mailbox
ROW = {"ori": "CA9900100", "kind": 2, "check_id": b"\x00\x01", "content": b"\xff" * 40, "expires_at_ms": 1 << 40}


@pytest.fixture(params=["by the driver", "by SQLAlchemy"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    if request.param == "by SQLAlchemy":
        monkeypatch.setattr(statements, "_SQLITE", "another")
    engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True)
    yield engine
    engine.dispose()


def test_rows_come_back_as_they_were_put_in_and_changes_are_counted(engine: Engine) -> None:
    put = Prepared(insert(BOX).inline())
    read = Prepared(select(BOX.c.check_id, BOX.c.content, BOX.c.expires_at_ms).where(BOX.c.ori == bindparam("of_ori")))
    with engine.begin() as connection:
        assert [put.changed(connection, **ROW) for _ in range(3)] == [1, 1, 1]
        expected = (ROW["check_id"], ROW["content"], ROW["expires_at_ms"])
        assert [tuple(row) for row in read.all(connection, of_ori=ROW["ori"])] == [expected] * 3
        assert tuple(read.first(connection, of_ori=ROW["ori"])) == expected
        assert read.scalar(connection, of_ori=ROW["ori"]) == ROW["check_id"]
        assert read.first(connection, of_ori="") is None
        assert read.scalar(connection, of_ori="") is None
        assert read.all(connection, of_ori="") == []


def test_constants_limits_and_what_a_change_gives_back_stand_as_they_were_written(engine: Engine) -> None:
    put = Prepared(insert(BOX).inline())
    some = Prepared(
        select(BOX.c.id)
        .where(BOX.c.kind == 2, BOX.c.id > bindparam("after"))
        .order_by(BOX.c.id)
        .limit(bindparam("count"))
    )
    take = Prepared(delete(BOX).where(BOX.c.kind == 2, BOX.c.id == bindparam("mail_id")).returning(BOX.c.content))
    later = Prepared(
        update(BOX)
        .where(BOX.c.id == bindparam("mail_id"))
        .values(expires_at_ms=BOX.c.expires_at_ms + bindparam("more"), kind=2)
        .returning(BOX.c.expires_at_ms)
    )
    with engine.begin() as connection:
        for kind in (2, 1, 2, 2):
            put.changed(connection, **{**ROW, "kind": kind})
        assert [row[0] for row in some.all(connection, after=0, count=2)] == [1, 3]
        assert [row[0] for row in some.all(connection, after=3, count=2)] == [4]
        assert later.scalar(connection, mail_id=2, more=5) == (1 << 40) + 5
        assert [row[0] for row in some.all(connection, after=1, count=9)] == [2, 3, 4]
        assert take.scalar(connection, mail_id=3) == ROW["content"]
        assert take.scalar(connection, mail_id=3) is None
        assert connection.scalar(select(func.count()).select_from(BOX)) == 3


def test_many_rows_at_once_count_what_each_of_them_changed(engine: Engine) -> None:
    put = Prepared(text("INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"))
    with engine.begin() as connection:
        assert put.changed_by_all(connection, []) == 0
        assert put.changed_by_all(connection, [{"name": name, "value": "x"} for name in "abcab"]) == 3
        assert put.changed_by_all(connection, [{"name": name, "value": "y"} for name in "cd"]) == 1
        held = connection.execute(select(schema.meta.c.name, schema.meta.c.value).order_by(schema.meta.c.name))
        assert [tuple(row) for row in held][:4] == [("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")]


def test_they_belong_to_the_transaction_that_is_open_and_go_with_it(engine: Engine) -> None:
    put = Prepared(text("INSERT INTO meta (name, value) VALUES (:name, :value)"))
    read = Prepared(select(schema.meta.c.value).where(schema.meta.c.name == bindparam("of_name")))
    with engine.connect() as connection:  # nobody has begun a transaction: the first statement does
        put.changed(connection, name="lost", value="x")
        assert read.scalar(connection, of_name="lost") == "x"
    with engine.begin() as connection:
        assert read.scalar(connection, of_name="lost") is None
        put.changed(connection, name="kept", value="x")
        connection.exec_driver_sql("SAVEPOINT inner_one")
        put.changed(connection, name="back", value="x")
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT inner_one")
    with engine.begin() as connection:
        assert read.scalar(connection, of_name="kept") == "x"
        assert read.scalar(connection, of_name="back") is None


def test_what_the_database_refuses_raises_the_same_error(engine: Engine) -> None:
    put = Prepared(text("INSERT INTO meta (name, value) VALUES (:name, :value)"))
    with engine.begin() as connection:
        put.changed(connection, name="once", value="x")
        with pytest.raises(IntegrityError):
            put.changed(connection, name="once", value="y")
