"""The quality report: what makes answers weak is found, and a file to fix brings the fix back and loses nothing."""

from __future__ import annotations

import csv
import stat
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.parties.agency import TODAY, Agency

from waypost.node.custody.fixing import Finding, FixFiles, cells_of, loses_nothing
from waypost.node.custody.merging import merge
from waypost.node.custody.quality import Check, Quality, assess, count_rejects
from waypost.node.due_process import Windows
from waypost.node.errors import CustodyError
from waypost.node.intake.rows import EmploymentRow, FileKind, OfficerRow
from waypost.node.intake.spreadsheets import guarded, unguarded
from waypost.node.persons import Identifier, Person, PersonName
from waypost.node.records import Employment

WHOLE = {"date_of_birth": "1979-02-28", "cert_state": "OR", "cert_number": "P1"}


def _assess(agency: Agency, out: Path | None = None) -> tuple[Quality, FixFiles]:
    with FixFiles(out, TODAY) as files:
        quality = assess(agency.store, files, today=TODAY, windows=Windows())
    return quality, files


def _found(agency: Agency) -> dict[str, int]:
    quality, _ = _assess(agency)
    return {check: count for check, count in quality.found.items() if count}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_node_without_a_flaw_has_nothing_to_fix(agency: Agency, tmp_path: Path) -> None:
    agency.load(WHOLE, employment=({},), conduct=({"occurred_on": "2023-05-05"},))
    quality, files = _assess(agency, tmp_path / "out")
    assert (quality.officers, quality.records, +quality.found) == (1, 1, {})
    assert files.paths == {}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cells", "check"),
    [
        ({**WHOLE, "date_of_birth": ""}, Check.NO_DATE_OF_BIRTH),
        ({**WHOLE, "date_of_birth": "1979"}, Check.NO_DATE_OF_BIRTH),
        ({**WHOLE, "cert_state": "", "cert_number": "", "officer_id": "N-7"}, Check.NO_CERTIFICATION),
    ],
)
def test_officers_whom_checks_find_less_surely_are_found(agency: Agency, cells: dict[str, str], check: Check) -> None:
    agency.load(cells)
    assert _found(agency) == {check: 1}


def test_missing_facts_of_fair_process_are_counted_by_kind(agency: Agency) -> None:
    flaws = (
        {"record_key": "R-1", "hearing": ""},
        {"record_key": "R-2", "hearing": "not_offered", "told_on": ""},
        {"record_key": "R-3", "kind": "termination", "notice_on": ""},
        {"record_key": "R-4", "status": "voided", "hearing": ""},
        {"record_key": "R-5", "told_on": str(TODAY)},
    )
    agency.load(WHOLE, conduct=flaws)
    quality, _ = _assess(agency)
    assert quality.found[Check.NO_FAIR_PROCESS] == 3
    assert quality.missing == {"suspension": {"hearing": 2, "officer_told": 1}, "termination": {"notice": 1}}


@pytest.mark.parametrize(
    ("conduct", "job", "check"),
    [
        ({"occurred_on": "2023-06-08"}, {}, Check.CONDUCT_DATES),
        ({"occurred_on": "2023-07-18", "effective_on": "", "notice_on": ""}, {}, Check.CONDUCT_DATES),
        ({"occurred_on": "1994-01-01"}, {}, Check.CONDUCT_DATES),
        ({}, {"hired_on": "1989-01-01"}, Check.EMPLOYMENT_DATES),
    ],
)
def test_dates_that_cannot_be_are_found(
    agency: Agency, conduct: dict[str, str], job: dict[str, str], check: Check
) -> None:
    agency.load(WHOLE, employment=(job,), conduct=(conduct,))
    assert _found(agency)[check] == 1


def test_dates_that_import_rejected_are_counted_where_they_wait(agency: Agency, tmp_path: Path) -> None:
    jobs = ({"separated_on": "2009-01-01"}, {"hired_on": "2011-01-01", "sworn": ""})
    agency.load(WHOLE, employment=jobs, conduct=({"decided_on": "2023-06-06"},))
    quality = Quality()
    count_rejects(quality, tmp_path / "rejects")
    assert (sorted(quality.rejects.values()), quality.rejected_dates) == ([1, 2], 2)
    count_rejects(Quality(), tmp_path / "nowhere")


OTHER = {"ori": "OR9900500"}


@pytest.mark.parametrize(
    ("first", "later", "overlap"),
    [
        ({}, {**OTHER, "hired_on": "2015-01-01"}, True),
        ({"separated_on": "2015-01-02"}, {**OTHER, "hired_on": "2015-01-01"}, False),
        ({"separated_on": "2015-01-04"}, {**OTHER, "hired_on": "2015-01-01"}, True),
        ({"separated_on": "2015-01-04"}, {**OTHER, "hired_on": "2015-01-01", "sworn": "no"}, False),
        ({"separation_kind": "resigned"}, {**OTHER, "hired_on": "2015-01-01"}, False),
        ({}, {**OTHER, "hired_on": "2015-01-01", "separated_on": "2015-01-01"}, False),
    ],
)
def test_sworn_employment_that_overlaps_is_found(
    agency: Agency, first: dict[str, str], later: dict[str, str], overlap: bool
) -> None:
    agency.load(WHOLE, employment=(first, later))
    assert (Check.OVERLAPPING in _found(agency)) is overlap


def test_an_employment_of_unknown_hire_date_is_no_impossible_one(agency: Agency) -> None:
    unknown = {"hired_on": "", "separated_on": "2015-03-30", "separation_kind": "retired"}
    agency.load(
        {**WHOLE, "date_of_birth": "1999-01-01"}, employment=(unknown, {"ori": "CA9900100", "hired_on": "2020-01-11"})
    )
    assert _found(agency) == {}


def test_files_to_fix_are_the_owners_alone_and_change_nothing_as_they_are(agency: Agency, tmp_path: Path) -> None:
    agency.load(
        {"other_names": "Hale, Denny; Reyes, Ann Q", "officer_id": "CPD:7", "ssn": "912345678"},
        employment=({"rank": "-"}, {**OTHER, "hired_on": "2015-01-01", "under_investigation": "no"}),
        conduct=({"hearing": "", "amount": "12.05", "summary": "=1+1\nSecond line, with comma."},),
    )
    _, files = _assess(agency, tmp_path / "out")
    assert set(files.paths) == {
        Check.NO_DATE_OF_BIRTH,
        Check.NO_FAIR_PROCESS,
        Check.OVERLAPPING,
    }
    for path in files.paths.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        agency.load_file(path.name, path.read_bytes())
        tally = agency.reports[-1].tally()
        assert (tally.same, tally.new, tally.changed, tally.rejected) == (tally.rows, 0, 0, 0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in files.paths.values()
    )


def test_attack_a_row_that_stands_in_two_files_is_set_back_by_the_second(agency: Agency, tmp_path: Path) -> None:
    agency.load({}, {"officer_key": "A-2", "date_of_birth": "1979-02-28"})
    quality, files = _assess(agency, tmp_path / "out")
    assert (quality.found[Check.NO_DATE_OF_BIRTH], quality.found[Check.NO_CERTIFICATION]) == (1, 2)
    assert files.elsewhere == {Check.NO_CERTIFICATION: 1}
    (both,), (one,) = (_rows(files.paths[check]) for check in (Check.NO_DATE_OF_BIRTH, Check.NO_CERTIFICATION))
    assert (both["officer_key"], both["reject_column"]) == ("A-1", "date_of_birth; cert_number")
    assert (one["officer_key"], one["reject_column"]) == ("A-2", "cert_number")


def test_attack_files_of_an_earlier_report_are_mixed_with_newer_ones(agency: Agency, tmp_path: Path) -> None:
    agency.load({})
    _, files = _assess(agency, tmp_path / "out")
    before = files.paths[Check.NO_DATE_OF_BIRTH].read_bytes()
    with pytest.raises(CustodyError, match="holds files to fix already"):
        _assess(agency, tmp_path / "out")
    assert files.paths[Check.NO_DATE_OF_BIRTH].read_bytes() == before


def test_a_fix_in_the_file_reaches_the_node(agency: Agency, tmp_path: Path) -> None:
    agency.load({"ssn": "912345678"}, conduct=({"hearing": ""},))
    _, files = _assess(agency, tmp_path / "out")
    (row,) = _rows(files.paths[Check.NO_FAIR_PROCESS])
    assert (row["reject_column"], row["reject_reason"]) == ("hearing", "no hearing is recorded")
    path = files.paths[Check.NO_FAIR_PROCESS]
    agency.load_file(path.name, path.read_bytes().replace(b"2023-06-07,,Chief", b"2023-06-07,held,Chief"))
    assert Check.NO_FAIR_PROCESS not in _found(agency)


def test_attack_a_summary_is_a_formula_in_the_custodians_spreadsheet(agency: Agency, tmp_path: Path) -> None:
    formula = '=HYPERLINK("http://x.example","y")'
    agency.load(WHOLE, conduct=({"hearing": "", "summary": formula, "authority": "@SUM(1)", "decided_by": "'+1"},))
    _, files = _assess(agency, tmp_path / "out")
    (row,) = _rows(files.paths[Check.NO_FAIR_PROCESS])
    assert (row["summary"], row["authority"], row["decided_by"]) == (f"'{formula}", "'@SUM(1)", "''+1")
    agency.load_file("fixed.csv", files.paths[Check.NO_FAIR_PROCESS].read_bytes())
    assert agency.reports[-1].tally().same == 1


@given(st.text(alphabet="'=+-@a\t 0179./:eE", max_size=6))
def test_what_is_guarded_comes_back_as_it_was(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in set("=+-@")


def test_an_officer_whom_a_canonical_row_cannot_say_whole_is_left_out_and_counted(tmp_path: Path) -> None:
    two = (Identifier("cert", "OR", "1"), Identifier("cert", "WA", "2"))
    person = Person((PersonName("Larkin", "Ann"),), identifiers=two)
    row = OfficerRow("A-1", person)
    assert not loses_nothing(FileKind.OFFICERS, cells_of(row), row, TODAY)
    with FixFiles(tmp_path / "out", TODAY) as files:
        files.add(row, [Finding("some-check", "", "")])
    assert (files.paths, files.left_out["some-check"]) == ({}, 1)


def test_a_crash_leaves_no_half_file(tmp_path: Path) -> None:
    row = EmploymentRow("A-1", Employment("OR9900400", "", True, date(2010, 1, 1)))
    files = FixFiles(tmp_path / "out", TODAY)
    files.add(row, [Finding("some-check", "", "")])
    files.__exit__(KeyboardInterrupt, None, None)
    assert list((tmp_path / "out").iterdir()) == []


def test_merged_officers_are_one_person_and_rows_stand_under_their_sources_keys(agency: Agency, tmp_path: Path) -> None:
    other = {"officer_key": "B-9", "date_of_birth": "1979-02-28"}
    agency.load({"cert_state": "OR", "cert_number": "P1"}, other, employment=({}, {"officer_key": "B-9", **OTHER}))
    merge(agency.store, "A-1", "B-9", at_ms=5)
    quality, files = _assess(agency, tmp_path / "out")
    assert +quality.found == {Check.OVERLAPPING: 1}
    assert {row["officer_key"] for row in _rows(files.paths[Check.OVERLAPPING])} == {"A-1", "B-9"}
