"""Rows that say a thing twice: once if they say the same, not at all if they do not; never the last word in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.agency import TODAY, Agency

from waypost.node.custody.keeping import Wishes
from waypost.node.intake import ImportReport, Source, Tally, import_tables, profiled
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.store import Store

LISTED = """
profile = "listed"
[split]
columns = ["Officer"]
by = [" | "]
[officers]
officer_key = "No"
full_name = { column = "Officer", order = "comma" }
"""
WIDE = """
profile = "wide"
[officers]
officer_key = "No"
full_name = { column = "Name", order = "comma" }
[[employment]]
each = ["", ".1"]
when = [{ column = "Hired{}", filled = true }]
ori = { const = "OR9900400" }
sworn = { const = "yes" }
rank = "Rank{}"
hired_on = "Hired{}"
"""
CASES = """
profile = "cases"
people = ["1", "2"]
[officers]
when = [{ column = "Name{n}", filled = true }]
officer_key = "No{n}"
full_name = { column = "Name{n}", order = "comma" }
[[conduct]]
when = [{ column = "No{n}", filled = true }]
record_key = "Case"
kind = { const = "sustained_complaint" }
summary = "Finding{n}"
status = { const = "active" }
"""
TWO_OFFICERS = "Case,No1,Name1,Finding1,No2,Name2,Finding2\n"


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    with Store.open(tmp_path / "node.db", bytes(32)) as store:
        yield Agency(store, tmp_path / "rejects")


def _load(agency: Agency, profile: str, rows: str, *, complete: bool = False) -> ImportReport:
    readers = profiled(Source.of_bytes("rows.csv", rows.encode()), read_profile("p.toml", profile), {})
    wishes = Wishes(complete=complete)
    return import_tables(agency.store, readers, rejects_folder=agency.rejects, at_ms=1, today=TODAY, wishes=wishes)


@pytest.mark.parametrize(
    ("profile", "rows", "why"),
    [
        (LISTED, 'No,Officer\n7,"Larkin, Ann | Hale, Bo"\n', "No is that of two people of this row"),
        (WIDE, 'No,Name,Hired,Rank,Hired.1,Rank.1\n7,"Larkin, Ann",2010-01-11,Chief,2010-01-11,Clerk\n', "Hired is"),
        (CASES, f'{TWO_OFFICERS}C1,7,"Larkin, Ann",x,8,"Hale, Bo",x\n', "make it of the case and the officer"),
        (CASES, f'{TWO_OFFICERS}C1,7,"Larkin, Ann",x,7,"Larkin, Ann",y\n', "two records of this row"),
        (CASES, f'{TWO_OFFICERS}C1,7,"Larkin, Ann",x,8,,\n', "make it of the case and the officer"),
        (
            CASES.replace('record_key = "Case"', 'record_key = { template = "{Case}-{No{n}}" }'),
            f'{TWO_OFFICERS}C1,7,"Larkin, Ann",x,8,,\n',
            "is of no officer",
        ),
    ],
)
def test_attack_a_row_says_two_things_of_one(agency: Agency, profile: str, rows: str, why: str) -> None:
    report = _load(agency, profile, rows)
    assert report.tally() == Tally(rejected=1)
    assert why in report.rejections[0].reasons
    assert agency.store.officers.held() == {}
    assert report.rejects_files


def test_what_a_row_says_again_counts_once(agency: Agency) -> None:
    report = _load(agency, CASES, f'{TWO_OFFICERS}C1,7,"Larkin, Ann",x,7,"Larkin, Ann",x\n')
    assert report.tally() == Tally(new=1)
    assert sum(report.records.values()) == 1


def test_one_officer_under_two_names_of_a_row_has_an_alias_where_the_profile_says_so(agency: Agency) -> None:
    rows = 'No,Officer\n7,"Larkin, Ann | Larkin-Hale, Ann"\n'
    report = _load(agency, LISTED.replace("[split]", 'repeated_officers = "alias"\n[split]'), rows)
    assert report.tally() == Tally(new=1)
    officer = agency.store.officers.by_key("7")
    assert officer is not None
    assert [(name.family, name.kind) for name in officer.person.names] == [
        ("Larkin", "legal"),
        ("Larkin-Hale", "alias"),
    ]


OWN_KEYS = CASES.replace('record_key = "Case"', 'record_key = { template = "{Case}-{No{n}}" }')


def test_a_filter_leaves_out_the_people_for_whom_it_does_not_hold(agency: Agency) -> None:
    keep = '[[keep]]\ncolumn = "Finding{n}"\nis = ["x"]\nis_not = ["y"]\nwhy = "not sustained"\n[officers]'
    rows = f'{TWO_OFFICERS}C1,7,"Larkin, Ann",y,8,"Hale, Bo",x\nC2,7,"Larkin, Ann",y,8,"Hale, Bo",y\n'
    report = _load(agency, OWN_KEYS.replace("[officers]", keep), rows)
    assert report.tally() == Tally(new=1)
    assert dict(report.files[0].left_out) == {"not sustained": 1}
    assert list(agency.store.officers.held()) == ["8"]


def test_a_complete_list_has_everybody_whom_its_rows_name(agency: Agency) -> None:
    rows = f'{TWO_OFFICERS}C1,7,"Larkin, Ann",x,8,"Hale, Bo",x\n'
    assert _load(agency, OWN_KEYS, rows).tally() == Tally(new=1)
    assert _load(agency, OWN_KEYS, rows, complete=True).missing_officers == ()
