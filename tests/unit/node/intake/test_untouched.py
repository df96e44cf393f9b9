"""A file that is broken or hostile behind its good rows: said in words, in bounded memory, and nothing has changed."""

from __future__ import annotations

import gzip
import io
import sqlite3
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.parties.exports import sheet_rows, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake import COLUMNS, FileKind, Source, Tally, canonical, import_tables
from waypost.node.intake.cells import Problem
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
COLUMN_NAMES = COLUMNS[FileKind.OFFICERS]
HEADER = ",".join(COLUMN_NAMES) + "\n"


def row(key: str, family: str = "Synthetic") -> str:
    cells = {"officer_key": key, "family_name": family, "given_name": "Robin", "date_of_birth": "1980-01-01"}
    return ",".join(cells.get(name, "") for name in COLUMN_NAMES)


GOOD = HEADER + "".join(f"{row(f'N-{n}')}\n" for n in range(3_000))
"""More rows than are stored at a time."""
SHEET = sheet_rows([COLUMN_NAMES, row("N-1").split(",")])
MEMORY_BYTES_MAX = 60_000_000


def _zip(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


BROKEN: dict[str, Callable[[], bytes]] = {
    "a gzip cut short": lambda: gzip.compress(GOOD.encode())[:-30],
    "a zip cut short": lambda: _zip("officers.csv", GOOD.encode())[:-30],
    "a gzip bomb": lambda: gzip.compress(GOOD.encode() + f"{row('N-1')}\n".encode() * 8_000_000),
    "a zip bomb": lambda: _zip("officers.csv", GOOD.encode() + b"0" * 400_000_000),
    "a NUL byte": f"{GOOD}{row('M-1', 'a' + chr(0))}\n".encode,
    "ten million letters in a cell": f"{GOOD}{row('M-1', 'a' * 10_000_000)}\n".encode,
    "a quotation mark that never closes": f'{GOOD}"{row("M-1")}\n{GOOD * 20}'.encode,
    "bytes of no encoding": lambda: GOOD.encode() + row("M-1", "\x81\x8d").encode("latin-1"),
    "half of a UTF-16 letter": lambda: GOOD.encode("utf-16")[:-1],
    "a sheet cut short": lambda: workbook(
        {"S": ""}, extra={"xl/worksheets/sheet1.xml": f"<worksheet><sheetData>{SHEET}<row><c>"}
    ),
    "a document type in a sheet": lambda: workbook(
        {"S": ""}, extra={"xl/worksheets/sheet1.xml": '<!DOCTYPE x [<!ENTITY a "b">]><worksheet>&a;</worksheet>'}
    ),
    "formats without end": lambda: workbook(
        {"S": SHEET}, extra={"xl/styles.xml": f"<styleSheet><cellXfs>{'<xf/>' * 100_000}</cellXfs></styleSheet>"}
    ),
    "an attribute as long as a book": lambda: workbook(
        {"S": ""}, extra={"xl/worksheets/sheet1.xml": f'<worksheet><sheetData><row z="{"a" * 20_000_000}"/>'}
    ),
    "a sheet of one cell a row, far to the right": lambda: workbook(
        {"S": SHEET + "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(3, 3_000))}
    ),
    "JSON of sixteen thousand columns and one cell a row": lambda: (
        b"{" + ",".join(f'"{name}": ""' for name in (*COLUMN_NAMES, *range(16_000))).encode() + b"}\n"
        b'{"officer_key": "N-1"}\n' * 3_000
    ),
    "JSON cut short": lambda: b'[{"officer_key": "N-1", "family_name": "a"}, {"officer_key"',
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as opened:
        _load(opened, tmp_path, f"{HEADER}{row('A-1')}\n".encode())
        yield opened


def _load(store: Store, folder: Path, data: bytes) -> tuple[Tally, list[Problem]]:
    readers = canonical(Source.of_bytes("officers", data))
    report = import_tables(store, readers, rejects_folder=folder / "rejects", at_ms=1, today=TODAY)
    return report.tally(), [problem for each in report.rejections for problem in each.problems]


def _everything(folder: Path) -> list[str]:
    with sqlite3.connect(f"file:{folder / 'node.db'}?mode=ro", uri=True) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("what", BROKEN)
def test_attack_what_is_broken_leaves_the_old_state(store: Store, tmp_path: Path, what: str) -> None:
    before, data = _everything(tmp_path), BROKEN[what]()
    tracemalloc.start()
    try:
        with pytest.raises(IntakeError, match="nothing was imported") as refused:
            _load(store, tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert refused.value.hint
    assert "\n" not in str(refused.value)
    assert _everything(tmp_path) == before
    assert not (tmp_path / "rejects").exists() or not list((tmp_path / "rejects").iterdir())


def test_attack_rows_as_long_as_books_take_no_memory_for_each(store: Store, tmp_path: Path) -> None:
    long = ",".join(["M-1", *["x" * 60_000] * (len(COLUMN_NAMES) - 1)])
    data = gzip.compress(f"{HEADER}{row('N-1')}\n{f'{long}{chr(10)}' * 150}{row('N-2')}\n".encode(), 1)
    tracemalloc.start()
    try:
        tally, _ = _load(store, tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()
    assert tally == Tally(new=2, rejected=150)


@pytest.mark.parametrize("control", ["\x01", "\x07", "\x08", "\x1b[2J", "\x7f", "\x85", "\u202e"])
def test_attack_a_row_with_control_characters_is_rejected_and_its_neighbours_come_in(
    store: Store, tmp_path: Path, control: str
) -> None:
    rows = f"{row('N-1', f'Synth{control}etic')}\n{row('N-2')}\n"
    tally, problems = _load(store, tmp_path, (HEADER + rows).encode())
    assert tally == Tally(new=1, rejected=1)
    assert [each.column for each in problems] == ["family_name"]
    assert control not in str(problems[0]) + problems[0].saw
    assert store.officers.by_key("N-1") is None


@pytest.mark.parametrize("blank", ["\u00a0", "\u2009", "\u3000"])
def test_a_blank_of_another_kind_is_a_blank(store: Store, tmp_path: Path, blank: str) -> None:
    tally, problems = _load(store, tmp_path, f"{HEADER}{row(f'B{blank}1', f'{blank}De La{blank}Cruz')}\n".encode())
    assert (tally.new, problems) == (1, [])
    officer = store.officers.by_key("B 1")
    assert officer is not None
    assert officer.person.names[0].family == "De La Cruz"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\n\r\n"])
def test_lines_may_end_in_any_way_and_in_several(store: Store, tmp_path: Path, end: str) -> None:
    text = f"{HEADER}{row('N-1')}{end}{row('N-2')}\r\n{row('N-3')}{end}"
    assert _load(store, tmp_path, text.encode())[0] == Tally(new=3)
