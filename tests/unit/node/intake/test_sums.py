"""Whatever a file of a shipped profile holds: each row has one end, the sums agree, and nothing else changes."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parties.exports import as_fixed_width, as_json, as_json_lines, printable, sheet_rows, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake import ImportReport, Source, Tally, import_tables, open_tables, profiled
from waypost.node.intake.folding import normal
from waypost.node.intake.profiles import shipped_profiles
from waypost.node.intake.reading.table import Skipped
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
SAMPLES = Path(__file__).parents[4] / "docs" / "samples" / "import"
AGENCIES = {
    normal(name): "OR9900400"
    for name in ("Testburg Police Department", "Sample County Sheriff's Office", "Testburg PD", "Testburg Police Dept")
}
STRANGE = (
    *("", " ", "???", "N/A", "0000-00-00", "1/1/1900", "9999-12-31", "11/02/20217", "2021-02-30", "44200", "128103.0"),
    *(
        "Gone fishing",
        "=HYPERLINK(1)",
        "@SUM(1)",
        "-2+3",
        "\t",
        "a\x07b",
        "a\x1bb",
        "\ufffd",
        "Z" * 3_000,
        "é§ß",
        "$-5",
    ),
    *("Total", "row count", "----", "Smith, John Q., Jr.", "(Spilman) Kercher", "RE-INSTATED, 05/18/2023"),
)
"""What stands in cells that do not hold what their column says."""
_BLANK = {Skipped.PREAMBLE, Skipped.BLANK}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")

Rows = list[tuple[str, ...]]


@cache
def sample(profile: str) -> tuple[tuple[str, ...], Rows, str]:
    """The header, the rows and the sheet of a profile's sample."""
    (path,) = SAMPLES.glob(f"{profile}.[cx]*")
    table = open_tables(Source.of_path(path))[0]
    return table.columns, [row.cells for row in table.rows()], table.name.partition("[")[2].rstrip("]")


def _csv(header: Sequence[str], rows: Rows, _sheet: str) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode("utf-8-sig")


def _xlsx(header: Sequence[str], rows: Rows, sheet: str) -> bytes:
    return workbook({sheet or "Sheet1": sheet_rows([header, *([printable(cell) for cell in row] for row in rows)])})


Dress = Callable[[Sequence[str], Rows, str], bytes]
DRESSES: dict[str, Dress] = {
    "csv": _csv,
    "json": lambda header, rows, _: as_json(header, rows),
    "json lines": lambda header, rows, _: as_json_lines(header, rows),
    "xlsx": _xlsx,
    "fixed width": lambda header, rows, _: as_fixed_width(header, rows),
}


def everything(store_path: Path) -> list[str]:
    """The store, line by line."""
    with sqlite3.connect(f"file:{store_path}?mode=ro", uri=True) as connection:
        return list(connection.iterdump())


def texts(store_path: Path) -> list[str]:
    """Every cell of text in the store."""
    with sqlite3.connect(f"file:{store_path}?mode=ro", uri=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        every = [row for table in tables for row in connection.execute(f'SELECT * FROM "{table}"')]
    return [cell for row in every for cell in row if isinstance(cell, str)]


def load(store: Store, folder: Path, profile: str, data: bytes) -> ImportReport:
    readers = profiled(Source.of_bytes("export", data), shipped_profiles()[profile], AGENCIES)
    return import_tables(store, readers, rejects_folder=folder / "rejects", at_ms=1_000, today=TODAY)


def count_of_rejects(report: ImportReport) -> int:
    """Rows in the rejects files."""
    total = 0
    for path in report.rejects_files:
        with path.open(encoding="utf-8-sig", newline="") as file:
            total += len(list(csv.reader(file))) - 1
    return total


@pytest.mark.parametrize("profile", sorted(shipped_profiles()))
@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_row_of_a_profiled_file_ends_in_exactly_one_way(profile: str, data: st.DataObject) -> None:
    header, known, sheet = sample(profile)
    rows: Rows = []
    for _ in range(data.draw(st.integers(1, 8), "rows")):
        cells = list(data.draw(st.sampled_from(known), "row"))
        for place in data.draw(st.lists(st.integers(0, len(cells) - 1), max_size=2), "places"):
            cells[place] = data.draw(st.sampled_from(STRANGE), "instead")
        rows.append(tuple(cells))
    dress = "xlsx" if sheet else data.draw(st.sampled_from(sorted(DRESSES)), "dress")
    with tempfile.TemporaryDirectory() as name, Store.open(Path(name) / "node.db", bytes(32)) as store:
        folder, file = Path(name), DRESSES[dress](header, rows, sheet)
        before = everything(folder / "node.db")
        try:
            report = load(store, folder, profile, file)
        except IntakeError as refused:  # a file that cannot be read as the profile says
            assert refused.hint  # noqa: PT017 - both ends are right ones
            assert everything(folder / "node.db") == before
            assert not (folder / "rejects").exists() or not list((folder / "rejects").iterdir())
            return
        tally = report.tally()
        no_rows = sum(n for each in report.files for what, n in each.left_out.items() if what not in _BLANK)
        rules = 1 if dress == "fixed width" else 0
        assert tally.rows + no_rows - rules == sum(any(cell.strip() for cell in row) for row in rows)
        assert len(report.rejections) == tally.rejected == count_of_rejects(report)
        assert len({each.row.line for each in report.rejections}) == tally.rejected
        for each in report.rejections:
            assert each.file
            assert each.row.line > 0
            assert each.reasons
            assert not CONTROL.search(each.reasons + each.columns + each.sorts)
        again = load(store, folder, profile, file)
        assert again.tally() == Tally(same=tally.accepted, rejected=tally.rejected)
        assert not [text for text in texts(folder / "node.db") if CONTROL.search(text)]
