"""Keeping a node current: complete lists name whom they lack, and files whose meaning has changed are asked about."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.parties.agency import Agency

from waypost.node.custody.keeping import Wishes
from waypost.node.custody.merging import merge
from waypost.node.custody.shapes import Shape, ShapeObserver, add, changes
from waypost.node.errors import CustodyError, IntakeError
from waypost.node.intake.canonical import PERSONAL_COLUMNS
from waypost.node.intake.rows import COLUMNS, FileKind

COMPLETE = Wishes(complete=True)
MEANT = Wishes(accept_change=True)


def _officers(count: int, *, first: int = 0, **cells: str) -> list[dict[str, str]]:
    return [{"officer_key": f"A-{number}", **cells} for number in range(first, first + count)]


def _jobs(count: int, **cells: str) -> tuple[dict[str, str], ...]:
    first = date(1990, 1, 1)
    return tuple({"hired_on": str(first + timedelta(days=number)), **cells} for number in range(count))


def _shape(header: list[str], *rows: list[str]) -> Shape:
    observer = ShapeObserver(header)
    for row in rows:
        observer.see(row)
    return observer.shape()


def test_officers_that_a_complete_list_lacks_are_named_and_stay(agency: Agency) -> None:
    agency.load(*_officers(5))
    batch = agency.load(*_officers(3, first=1), wishes=COMPLETE)
    assert agency.reports[-1].missing_officers == ("A-0", "A-4")
    assert agency.store.batches.missing(batch) == ["A-0", "A-4"]
    assert agency.store.officers.count() == 5


def test_a_list_that_does_not_claim_to_be_complete_lacks_nobody(agency: Agency) -> None:
    agency.load(*_officers(5))
    agency.load(*_officers(1))
    assert agency.reports[-1].missing_officers == ()


def test_an_officer_whose_row_was_rejected_is_not_missing(agency: Agency) -> None:
    agency.load(*_officers(2))
    agency.load({"officer_key": "A-0", "ssn": "12"}, {"officer_key": "A-1"}, wishes=COMPLETE)
    assert len(agency.reports[-1].rejections) == 1
    assert agency.reports[-1].missing_officers == ()


def test_a_merged_officer_is_there_when_any_of_his_keys_is(agency: Agency) -> None:
    agency.load(*_officers(3))
    merge(agency.store, "A-0", "A-1", at_ms=5)
    agency.load(*_officers(2, first=1), wishes=COMPLETE)
    assert agency.reports[-1].missing_officers == ()


def test_a_complete_list_without_officers_is_refused(agency: Agency) -> None:
    agency.load(*_officers(1))
    with pytest.raises(IntakeError, match="no complete list"):
        agency.load(employment=({"officer_key": "A-0"},), wishes=COMPLETE)
    assert agency.store.employment.count() == 0


def test_ten_times_fewer_rows_stop_the_import_until_the_custodian_says_that_they_are_meant(agency: Agency) -> None:
    agency.load(*_officers(60, date_of_birth="1979-02-28"))
    few = _officers(6, given_name="Denny")
    with pytest.raises(IntakeError, match="there are 6 rows, and the last time there were 60") as asked:
        agency.load(*few)
    assert "--accept-change" in asked.value.hint
    officer = agency.store.officers.by_key("A-0")
    assert officer is not None
    assert officer.person.names[0].given == "Dennis"
    assert len(agency.store.batches.newest(9)) == 1
    agency.load(*few, wishes=MEANT)
    agency.load(*few)


def test_a_column_that_was_filled_and_is_empty_stops_the_import(agency: Agency) -> None:
    agency.load(*_officers(60, date_of_birth="1979-02-28"))
    with pytest.raises(IntakeError, match="the column date_of_birth was filled in 100% of the rows"):
        agency.load(*_officers(60))


def test_a_new_value_of_a_small_column_is_asked_about_once(agency: Agency) -> None:
    agency.load({}, employment=_jobs(60, rank="Officer"))
    jobs = (*_jobs(58, rank="Officer"), *_jobs(2, rank="9"))
    with pytest.raises(IntakeError, match="the column rank has values that it never had: '9' in 2 rows"):
        agency.load(employment=jobs)
    agency.load(employment=jobs, wishes=MEANT)
    agency.load(employment=_jobs(60, rank="Officer"))
    agency.load(employment=jobs)


def test_a_rare_new_value_is_news_and_no_question() -> None:
    before = _shape(["how"], *[["resigned"]] * 500)
    assert changes(before, _shape(["how"], *[["resigned"]] * 499, ["retired"])) == ()
    assert changes(before, _shape(["how"], *[["resigned"]] * 490, *[["retired"]] * 10)) != ()


def test_a_vanished_column_and_one_that_is_small_no_longer_are_asked_about() -> None:
    before = _shape(["code", "how"], *[["1", "resigned"]] * 500)
    assert changes(before, _shape(["how"], *[["resigned"]] * 500)) == ("the column code is gone",)
    grown = _shape(["code", "how"], *[[str(number), "resigned"] for number in range(500)])
    assert changes(before, grown) == ("the column code had 1 values, and has more than 40 now",)


def test_a_small_first_file_says_too_little_to_compare_with() -> None:
    assert changes(_shape(["how"], *[["resigned"]] * 49), _shape(["when"], ["x"])) == ()


def test_files_of_one_series_are_compared_together() -> None:
    half = _shape(["how"], *[["resigned"]] * 30)
    assert add(half, half) == _shape(["how"], *[["resigned"]] * 60)


def test_attack_a_file_of_ever_new_values_does_not_fill_the_memory() -> None:
    observer = ShapeObserver(["a", "b"])
    for number in range(5_000):
        observer.see([str(number), "x" * 90])
    assert observer._counts == {}
    assert observer.shape() == Shape(5_000, {"a": 5_000, "b": 5_000}, {})


def test_mended_rows_are_not_compared_with_a_whole_file(agency: Agency) -> None:
    bad = _officers(60)
    bad[7]["ssn"] = "12"
    agency.load(*bad)
    (rejects,) = agency.reports[-1].rejects_files
    mended = rejects.read_text(encoding="utf-8-sig").replace(",12,", ",912345678,").encode()
    agency.load_file("mended.csv", mended)
    assert agency.reports[-1].tally().new == 1
    with pytest.raises(IntakeError, match="60"):
        agency.load(*_officers(1, given_name="Denny"))


def test_undone_imports_are_nothing_to_compare_with(agency: Agency) -> None:
    from waypost.node.custody.undoing import undo

    undo(agency.store, agency.load(*_officers(60)), at_ms=5)
    agency.load(*_officers(6))


def test_a_name_of_a_batch_is_one_line(agency: Agency) -> None:
    batch = agency.load(*_officers(1), wishes=Wishes(name="First night"))
    found = agency.store.batches.get(batch)
    assert found is not None
    assert found.name == "First night"
    with pytest.raises(CustodyError, match="one line"):
        Wishes(name="two\nlines")


def test_what_may_name_a_person_or_a_record_of_his_is_not_remembered_however_small_its_column() -> None:
    # An expunged record would live on in the memory of how its file looked.
    columns = COLUMNS[FileKind.CONDUCT]
    observer = ShapeObserver(columns, personal=PERSONAL_COLUMNS)
    row = {"kind": "suspension", "decided_by": "Judge Placeholder", "amount": "4711.00", "notice_on": "2019-03-02"}
    for _ in range(200):
        observer.see([row.get(column, "") for column in columns])
    kept = observer.shape().to_json()
    assert "suspension" in kept
    for personal in ("decided_by", "amount", "notice_on"):
        assert row[personal] not in kept
