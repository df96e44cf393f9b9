"""A file on the disk: what is no file, what changes while it is read, and what its name does to a terminal."""

from __future__ import annotations

import gzip
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.parties.exports import sheet_rows, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake.reading import Source, open_tables

ROWS = "id,name\n" + "1,Synthetic\n" * 100_000


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_folder, "is a folder"),
        (_pipe, "is no plain file"),
        (lambda _: Path("/dev/zero"), "is no plain file"),
        (lambda path: path, "is not there"),
    ],
)
def test_attack_what_is_no_file_is_refused_and_not_waited_for(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    with pytest.raises(IntakeError, match=said) as refused:
        open_tables(Source.of_path(make(tmp_path / "thing")))
    assert refused.value.hint


def _grow(path: Path) -> None:
    with path.open("a") as file:
        file.write("2,Synthetic\n")


def _replace(path: Path) -> None:
    path.with_name("other").write_text(ROWS)
    path.with_name("other").replace(path)


@pytest.mark.parametrize(
    ("change", "said"), [(_grow, "changed while"), (_replace, "changed while"), (Path.unlink, "is not there")]
)
@pytest.mark.parametrize("rows_read", [0, 3])
def test_attack_a_file_changes_between_its_digest_and_its_last_row(
    tmp_path: Path, change: Callable[[Path], None], said: str, rows_read: int
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    (table,) = open_tables(Source.of_path(path))
    rows = table.rows()
    for _ in range(rows_read):
        next(rows)
    change(path)
    if rows_read and change is not _grow:
        assert sum(1 for _ in rows) == 100_000 - rows_read  # it is the open file that is read, to its end
        rows = table.rows()
    with pytest.raises(IntakeError, match=said):
        list(rows)


def test_a_disk_that_is_full_while_a_workbook_is_unpacked_is_told_in_words() -> None:
    packed = gzip.compress(workbook({"S": sheet_rows([["id"]])}, extra={"xl/media/x": os.urandom(10_000_000).hex()}))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))
    try:
        with pytest.raises(IntakeError, match="cannot be unpacked: File too large") as refused:
            open_tables(Source.of_bytes("file", packed))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "make room in" in refused.value.hint


@pytest.mark.parametrize("name", ["\x1b[31mred.csv", "\u009b31m.csv", "m\udcfcller.csv", "a\nb.csv", "\u202e.csv"])
def test_attack_the_name_of_a_file_never_reaches_a_terminal_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("")
    with pytest.raises(IntakeError) as refused:
        open_tables(Source.of_path(path))
    assert str(refused.value).isprintable()
    path.write_text(ROWS)
    assert all(table.name.isprintable() for table in open_tables(Source.of_path(path)))
