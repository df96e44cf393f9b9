"""Files that were opened and saved by a spreadsheet on their way back: what was in them is what comes in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.parties.agency import TODAY, Agency, csv_of

from waypost.node.changing import CAUSE_ORDER, expunge
from waypost.node.custody.fixing import FixFiles
from waypost.node.custody.quality import Check, assess
from waypost.node.due_process import Windows
from waypost.node.intake import FileKind, ImportReport, Source, Tally, import_tables, profiled
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.intake.rejects import forget_rejects
from waypost.node.intake.spreadsheets import guarded, typed_day, unguarded
from waypost.node.store import Store


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    with Store.open(tmp_path / "node.db", bytes(32)) as store:
        yield Agency(store, tmp_path / "rejects")


def _saved_cell(cell: str) -> str:
    """A cell as a spreadsheet of the United States saves it when it has opened it from a CSV file."""
    assert cell[:1] not in set("=+-@"), "a spreadsheet would run this"
    if re.fullmatch(r"\d{12,}", cell):
        return f"{float(cell):.5E}"
    if re.fullmatch(r"\d+", cell):
        return str(int(cell))
    if re.fullmatch(r"\d+\.\d+", cell):
        return f"{float(cell):g}"
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%d-%b-%y", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            day = datetime.strptime(cell, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return "00:00.0" if "%f" in form else f"{day.month}/{day.day}/{day.year}"
    return cell


def saved(content: bytes, mend: Callable[[dict[str, str]], None] = lambda _row: None) -> bytes:
    """The file after somebody opened it in a spreadsheet, mended its rows and saved it as CSV."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    text = io.StringIO()
    writer = csv.DictWriter(text, rows.fieldnames or ())
    writer.writeheader()
    for row in rows:
        shown = {column: _saved_cell(cell or "") for column, cell in row.items()}
        mend(shown)
        writer.writerow(shown)
    return text.getvalue().encode("cp1252")


@pytest.mark.parametrize(
    "cell",
    [
        *("00417", "123456789012", "1994-06-16", "1994-06-16 00:00:00.000", "12/4/2008 0:00:00", "4-Dec-08", "3-12"),
        *("1/2", "12E4", "1.5e-3", "185000.00", "MAR1", "Dec 4, 2008", "10:30", " 007", "0012.50"),
    ],
)
def test_what_a_spreadsheet_would_change_is_written_as_text(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    assert unguarded(guarded(cell)) == cell
    assert unguarded(guarded(guarded(cell))) == guarded(cell)


@pytest.mark.parametrize("cell", ["", "417", "OR9900400", "A-1", "Larkin", "O'Neill", "March", "123-45-6789", "12.05"])
def test_what_a_spreadsheet_leaves_alone_is_written_as_it_is(cell: str) -> None:
    assert guarded(cell) == cell == unguarded(cell)


def test_a_day_that_was_typed_is_read_as_the_spreadsheet_saves_it() -> None:
    assert typed_day("5/8/2019") == typed_day("05/08/2019 0:00") == "2019-05-08"
    assert [typed_day(cell) for cell in ("2019-05-08", "5/8/19", "13/13/2019", "x")] == [
        *("2019-05-08", "5/8/19", "2019-13-13", "x")
    ]


def test_rejected_rows_come_back_under_their_keys_after_a_spreadsheet(agency: Agency) -> None:
    agency.load({"officer_key": "00417", "date_of_birth": "1979-02-28", "ssn": "12", "cert_state": "OR"})
    (path,) = agency.reports[-1].rejects_files

    def mend(row: dict[str, str]) -> None:
        row.update(ssn="", cert_number="'0071")

    agency.load_file("mended.csv", saved(path.read_bytes(), mend))
    assert agency.reports[-1].tally() == Tally(new=1)
    held = agency.store.officers.by_key("00417")
    assert held is not None
    assert str(held.person.date_of_birth) == "1979-02-28"
    assert held.person.identifiers[0].value == "0071"


def test_a_day_typed_into_a_file_to_fix_reaches_the_officer(agency: Agency, tmp_path: Path) -> None:
    agency.load({"officer_key": "00417"})
    with FixFiles(tmp_path / "fix", TODAY) as files:
        assess(agency.store, files, today=TODAY, windows=Windows())
    content = files.paths[Check.NO_DATE_OF_BIRTH].read_bytes()
    agency.load_file("fixed.csv", saved(content, lambda row: row.update(date_of_birth="2/28/1979")))
    assert agency.reports[-1].tally() == Tally(changed=1)
    held = agency.store.officers.by_key("00417")
    assert held is not None
    assert str(held.person.date_of_birth) == "1979-02-28"


def test_a_day_of_a_whole_file_is_not_read_so(agency: Agency) -> None:
    agency.load({"date_of_birth": "2/28/1979"})
    assert agency.reports[-1].tally() == Tally(rejected=1)


PROFILE = """
profile = "x"
[dates]
formats = ["YYYY-MM-DD"]
[officers]
officer_key = "No"
family_name = "Last"
given_name = "First"
[[employment]]
ori = { const = "OR9900400" }
sworn = { const = "yes" }
hired_on = "Hired"
separated_on = "Left"
"""


def test_rows_that_a_profile_rejected_come_back_after_a_spreadsheet(agency: Agency) -> None:
    export = b"No,Last,First,Hired,Left\n00417,Larkin,Ann,1994-06-16 00:00:00.000,1990-01-01\n"
    profile = read_profile("x.toml", PROFILE)

    def load(content: bytes) -> Tally:
        readers = profiled(Source.of_bytes("x.csv", content), profile, {})
        report = import_tables(agency.store, readers, rejects_folder=agency.rejects, at_ms=1, today=TODAY)
        agency.reports.append(report)
        return report.tally()

    assert load(export) == Tally(rejected=1)
    assert load(b"No,Last,First,Hired,Left\n00418,Hale,Bo,6/16/1994,\n") == Tally(rejected=1)  # no format of the source
    (path,) = agency.reports[0].rejects_files
    assert load(saved(path.read_bytes(), lambda row: row.update(Left="1/1/1999"))) == Tally(new=1)
    held = agency.store.officers.by_key("00417")
    assert held is not None
    assert (held.employment[0].hired_on, held.employment[0].separated_on) == (date(1994, 6, 16), date(1999, 1, 1))


def test_a_rejected_row_of_an_expunged_record_is_forgotten_whatever_its_key_looks_like(agency: Agency) -> None:
    row = csv_of(FileKind.CONDUCT, {"record_key": "0099", "hearing": "?"}, {"record_key": "0100", "hearing": "?"})
    agency.load({})
    agency.load_file("conduct.csv", row)
    assert forget_rejects(agency.rejects, "0099") == 1
    (path,) = agency.rejects.iterdir()
    assert "0099" not in path.read_text()
    assert "'0100" in path.read_text()


CASES = """
profile = "cases"
[officers]
officer_key = "Badge"
family_name = "Last"
given_name = "First"
[[conduct]]
record_key = { template = "{Case}/{Badge}" }
kind = { const = "sustained_complaint" }
occurred_on = "Day"
status = { const = "active" }
"""


def _cases(agency: Agency, *rows: str) -> ImportReport:
    text = "Case,Badge,Last,First,Day,=cmd|'/c calc'!A1\n" + "".join(f"{row},\n" for row in rows)
    readers = profiled(Source.of_bytes("cases.csv", text.encode()), read_profile("cases.toml", CASES), {})
    return import_tables(agency.store, readers, rejects_folder=agency.rejects, at_ms=1, today=TODAY)


def _rejected(agency: Agency) -> str:
    return "".join(path.read_text("utf-8-sig") for path in agency.rejects.glob("*.csv"))


def test_attack_rows_of_an_expunged_record_stay_under_a_key_that_a_profile_made(agency: Agency) -> None:
    _cases(agency, "C1,7,Larkin,Dennis,2020-01-01", "C2,7,Larkin,Dennis,2020-01-01")
    _cases(agency, "C1,7,Larkin,Quixotic,no day", "C2,7,Larkin,Windmill,no day")
    assert "Quixotic" in _rejected(agency)
    expunge(
        agency.store,
        "C1/7",
        cause=CAUSE_ORDER,
        reference="O-1",
        staff="custodian",
        rejects=agency.rejects,
        now_ms=1_700_000_000_000,
    )
    assert "Quixotic" not in _rejected(agency)
    assert "Windmill" in _rejected(agency)
    report = _cases(agency, "C1,7,Larkin,Sancho,2020-01-01", "C1,7,Larkin,Panza,no day", "C3,7,Larkin,Rocinante,no day")
    assert report.tally().rejected == 3
    assert "Sancho" not in _rejected(agency)
    assert "Panza" not in _rejected(agency)
    assert "Rocinante" in _rejected(agency)


def test_attack_the_name_of_a_column_is_a_formula_in_the_rejects(agency: Agency) -> None:
    (path,) = _cases(agency, "C1,7,Larkin,Dennis,no day").rejects_files
    assert ",'=cmd|" in path.read_text("utf-8-sig").splitlines()[0]
    again = profiled(Source.of_path(path), read_profile("cases.toml", CASES), {})
    assert again[0].table.columns[-1] == "=cmd|'/c calc'!A1"


def test_attack_a_file_with_the_longest_of_names_has_rejects(agency: Agency) -> None:
    name = "ä" * 125 + ".csv"
    text = b"Case,Badge,Last,First,Day\nC1,7,Larkin,Dennis,no day\n"
    readers = profiled(Source.of_bytes(name, text), read_profile("cases.toml", CASES), {})
    report = import_tables(agency.store, readers, rejects_folder=agency.rejects, at_ms=1, today=TODAY)
    (path,) = report.rejects_files
    assert path.exists()
