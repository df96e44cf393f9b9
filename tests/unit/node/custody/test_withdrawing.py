"""An employment that never was is withdrawn by hand, stays in the history, and can come back."""

from __future__ import annotations

from datetime import date

import pytest
from tests.parties.agency import Agency
from tests.unit.node.custody.desk import Desk

from waypost.node.custody.merging import merge
from waypost.node.custody.undoing import plan, undo
from waypost.node.custody.withdrawing import withdraw_employment
from waypost.node.errors import CustodyError
from waypost.node.intake import FileKind

WRONG = {"hired_on": "1980-01-11"}


def _hired(agency: Agency, key: str = "A-1") -> list[str]:
    officer = agency.store.officers.by_key(key)
    assert officer is not None
    return [str(job.hired_on) for job in officer.employment]


def _withdraw(
    agency: Agency, key: str = "A-1", hired_on: date | None = date(1980, 1, 11), reason: str = "hired 2010"
) -> int:
    return withdraw_employment(agency.store, key, "OR9900400", hired_on, reason=reason, at_ms=9_000)


def test_the_wrong_one_goes_and_the_right_one_stays(agency: Agency) -> None:
    first = agency.load({}, employment=(WRONG,))
    agency.load({}, employment=({},))
    batch = _withdraw(agency)
    assert _hired(agency) == ["2010-01-11"]
    described = agency.store.batches.get(batch)
    assert described is not None
    assert described.name == "withdrawal of an employment: hired 2010"
    officer = agency.store.officers.by_key("A-1")
    assert officer is not None
    assert [job.hired_on for job in agency.store.history.former_employments(officer.id)] == [date(1980, 1, 11)]
    assert [str(clash) for clash in plan(agency.store, first).clashes] == [
        "employment of A-1 at OR9900400 from 1980-01-11: was changed by batch 3",
        "employment of A-1 at OR9900400 from 2010-01-11: came with batch 2",
    ]


def test_a_withdrawal_is_undone_like_any_batch(agency: Agency) -> None:
    agency.load({}, employment=(WRONG,))
    undo(agency.store, _withdraw(agency), at_ms=10_000)
    assert _hired(agency) == ["1980-01-11"]


def test_a_file_that_still_says_it_brings_it_back(agency: Agency) -> None:
    agency.load({}, employment=(WRONG,))
    _withdraw(agency)
    agency.load({}, employment=(WRONG,))
    assert _hired(agency) == ["1980-01-11"]


def test_one_whose_hire_date_is_unknown_gives_way_to_the_one_with_its_date(agency: Agency) -> None:
    unknown = {"hired_on": "", "separated_on": "2012-03-30", "separation_kind": "retired"}
    first = agency.load({}, employment=(unknown,))
    agency.load({}, employment=({**unknown, "hired_on": "1993-08-19"},))
    assert _hired(agency) == ["None", "1993-08-19"]
    _withdraw(agency, hired_on=None)
    assert _hired(agency) == ["1993-08-19"]
    assert "employment of A-1 at OR9900400 from a day unknown: was changed by batch 3" in [
        str(clash) for clash in plan(agency.store, first).clashes
    ]


def test_an_employment_of_a_merged_officer_is_withdrawn_under_either_key(agency: Agency) -> None:
    agency.load({}, {"officer_key": "B-9"}, employment=({}, {**WRONG, "officer_key": "B-9"}))
    merge(agency.store, "A-1", "B-9", at_ms=5)
    _withdraw(agency, "A-1")
    assert _hired(agency, "B-9") == ["2010-01-11"]


@pytest.mark.parametrize(
    ("key", "hired_on", "reason", "said"),
    [
        ("A-1", date(1980, 1, 12), "x", "has no employment at OR9900400 from 1980-01-12"),
        ("Z-1", date(1980, 1, 11), "x", "officer Z-1 has no employment"),
        ("A-1", date(1980, 1, 11), " ", "needs a reason"),
        ("A-1", date(1980, 1, 11), "x" * 500, "needs a reason"),
        ("A-1", date(1980, 1, 11), "x\x1b[2J", "needs a reason"),
    ],
)
def test_what_is_not_there_or_has_no_reason_is_refused(
    agency: Agency, key: str, hired_on: date, reason: str, said: str
) -> None:
    agency.load({}, employment=(WRONG,))
    with pytest.raises(CustodyError, match=said) as refused:
        _withdraw(agency, key, hired_on, reason)
    assert refused.value.hint
    assert _hired(agency) == ["1980-01-11"]


def test_the_command_names_the_batch_that_takes_it_back_and_the_audit_shows_it(desk: Desk) -> None:
    officers = desk.file("officers.csv", FileKind.OFFICERS, {})
    desk.facts("import", officers, desk.file("employment.csv", FileKind.EMPLOYMENT, {}))
    said = desk.run("officers", "withdraw-employment", "A-1", "or9900400", "2010-01-11", "--reason", "twice")
    assert said.stdout == "withdrawn, by batch 2; to take it back: waypost-node batches undo 2\n"
    assert desk.facts("batches", "undo", "2")["employments_restored"] == 1
    shown = [line.split()[2] for line in desk.run("audit").stdout.splitlines()]
    assert shown[-2:] == ["employment-withdrawn", "batch-undone"]
    newest = desk.facts("audit", "--count", "1")
    assert (newest["event"], newest["subject"], newest["detail"]) == ("batch-undone", "batch 2", "by batch 3")
