"""Files that agencies bring: whatever is in them, an import ends in a report that adds up, or in a sentence."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.parties.exports import as_fixed_width, as_json, as_json_lines, sheet_rows, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake import COLUMNS, FileKind, RowReader, Source, canonical, import_tables, profiled
from waypost.node.intake.agencies import read_agencies
from waypost.node.intake.inspecting import inspect_table
from waypost.node.intake.profiles.catalogue import shipped_profiles
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.intake.reading import Reading, open_tables
from waypost.node.store import Store

FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TODAY = date(2026, 11, 26)
_PLACES = 10_000
_GOOD = {
    "officer_key": "K-1",
    "family_name": "Delacroix",
    "given_name": "Kathryn",
    "date_of_birth": "1988-03-14",
    "ssn": "900-12-3456",
    "ori": "NV9900200",
    "rank": "Officer",
    "sworn": "yes",
    "hired_on": "2012-01-09",
    "separated_on": "2019-11-04",
    "separation_kind": "terminated_for_cause",
    "record_key": "R-1",
    "kind": "termination",
    "occurred_on": "2019-04-27",
    "effective_on": "2019-11-04",
    "summary": "Struck a handcuffed person.",
    "hearing": "held",
    "decided_by": "City Manager",
    "decided_on": "2019-09-20",
    "appeal": "none",
    "final_on": "2019-11-04",
    "told_on": "2019-11-09",
    "status": "active",
}
_CELLS = (
    st.sampled_from(
        ["", " ", "2026-02-30", "9999-12-31", "0000-00-00", "=1+1", "\x00", "\ufeff", '"', "NULL", "-1", "1e400", "K-1"]
    )
    | st.text(max_size=12)
    | st.text(alphabet="0123456789-/.", max_size=12)
)
Pack = Callable[[Sequence[str], Sequence[Sequence[str]]], bytes]


def _whole(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[*row, *[""] * (len(header) - len(row))] for row in rows]


def as_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in (header, *rows)]
    return "\r\n".join(lines).encode("utf-8", "replace")


def as_workbook(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    clean = [["".join(char for char in cell if char.isprintable()) for cell in row] for row in (header, *rows)]
    return workbook({"S": sheet_rows(clean)})


def as_zip(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", as_csv(header, rows))
    return file.getvalue()


def as_gzip(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    return gzip.compress(as_csv(header, rows), mtime=0)


PACKS: dict[str, Pack] = {
    "csv": as_csv,
    "fixed-width": lambda header, rows: as_fixed_width(header, _whole(header, rows)),
    "gzip": as_gzip,
    "json": lambda header, rows: as_json(header, _whole(header, rows)),
    "json-lines": lambda header, rows: as_json_lines(header, _whole(header, rows)),
    "workbook": as_workbook,
    "zip": as_zip,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("node") / "node.db", bytes(32)) as held:
        yield held


@st.composite
def rows(draw: st.DrawFn, columns: Sequence[str]) -> list[list[str]]:
    """A few rows of which some cells are good ones and some anything; some rows are too short."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        row = [_GOOD.get(column, "") if draw(st.integers(0, 3)) else draw(_CELLS) for column in columns]
        made.append(row[:-1] if draw(st.integers(0, 9)) == 0 else row)
    return made


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, _PLACES)) % (len(data) + 1)
        data[place : place + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


def imported(store: Store, readers: Callable[[], list[RowReader]], folder: Path) -> None:
    """It is imported, with a report whose numbers agree; or refused, and nothing has changed."""
    before, report = store.officers.dirty_count(), None
    with suppress(IntakeError):
        report = import_tables(store, readers(), rejects_folder=folder, at_ms=1, today=TODAY)
    if report is None:
        assert store.officers.dirty_count() == before
        return
    total = report.tally()
    assert total.rows == total.new + total.changed + total.same + total.rejected


@pytest.mark.parametrize("kind", list(FileKind))
@FUZZED
@given(st.data())
def test_canonical_files(store: Store, tmp_path: Path, kind: FileKind, data: st.DataObject) -> None:
    columns, pack = COLUMNS[kind], PACKS[data.draw(st.sampled_from(sorted(PACKS)))]
    path = tmp_path / "file"
    path.write_bytes(data.draw(damaged(pack(columns, data.draw(rows(columns))))))
    imported(store, lambda: canonical(Source.of_path(path)), tmp_path)


@FUZZED
@given(st.data())
def test_files_by_a_profile(store: Store, tmp_path: Path, data: st.DataObject) -> None:
    profile = shipped_profiles()[data.draw(st.sampled_from(sorted(shipped_profiles())))]
    columns = [column.replace("{n}", "1") for column in profile.columns]
    content = as_csv(columns, data.draw(st.lists(st.tuples(*(_CELLS for _ in columns)), min_size=1, max_size=3)))
    source = Source.of_bytes("file", data.draw(damaged(content)))
    imported(store, lambda: profiled(source, profile, {"a": "NV9900200"}), tmp_path)


@FUZZED
@given(st.data())
def test_inspection(data: st.DataObject) -> None:
    pack = PACKS[data.draw(st.sampled_from(sorted(PACKS)))]
    columns = COLUMNS[FileKind.OFFICERS]
    content = data.draw(damaged(pack(columns, data.draw(rows(columns)))))
    with suppress(IntakeError):
        for table in open_tables(Source.of_bytes("file", content), Reading()):
            assert inspect_table(table, TODAY)


@FUZZED
@given(st.data())
def test_profiles(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(shipped_profiles())))
    text = data.draw(damaged(shipped_profiles()[name].toml.encode())).decode("utf-8", "replace")
    with suppress(IntakeError):
        read_profile(name, text)


@FUZZED
@given(st.data())
def test_tables_of_agencies(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "agencies.csv"
    good = b"agency,ori,guess,rows\r\nSilver Mesa PD,NV9900200,,1\r\nOrchard Valley,,AZ9900300,2\r\n"
    path.write_bytes(data.draw(damaged(good) | st.binary(max_size=100)))
    with suppress(IntakeError):
        read_agencies(path)


def test_what_is_not_damaged_comes_in(store: Store, tmp_path: Path) -> None:
    """Otherwise the tests above would see rejections alone."""
    for kind in (FileKind.OFFICERS, FileKind.EMPLOYMENT, FileKind.CONDUCT):
        columns = COLUMNS[kind]
        content = as_csv(columns, [[_GOOD.get(column, "") for column in columns]])
        report = import_tables(
            store, canonical(Source.of_bytes("file", content)), rejects_folder=tmp_path, at_ms=1, today=TODAY
        )
        assert report.tally().rejected == 0, report.rejections
