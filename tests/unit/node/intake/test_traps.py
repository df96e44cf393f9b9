"""Shapes, vocabularies and traps of files that agencies really have, in synthetic rows: in as they are meant, or
rejected for what is wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from tests.parties.agency import Agency

from waypost.node.intake import ImportReport, Source, Tally, import_tables, profiled
from waypost.node.intake.agencies import Agency as Named
from waypost.node.intake.agencies import with_found
from waypost.node.intake.folding import normal
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.persons import PersonName
from waypost.node.records import Officer, SeparationKind
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
AGENCIES = {normal("Testburg PD"): "OR9900400"}
Rows = Sequence[Sequence[str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as opened:
        yield opened


def _load(store: Store, folder: Path, profile: str, rows: Rows) -> ImportReport:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    readers = profiled(Source.of_bytes("x.csv", text.getvalue().encode()), read_profile("x.toml", profile), AGENCIES)
    return import_tables(store, readers, rejects_folder=folder / "rejects", at_ms=1_000, today=TODAY)


def _held(store: Store, key: str) -> Officer:
    officer = store.officers.by_key(key)
    assert officer is not None
    return officer


STINTS = """
profile = "stints"
repeated_officers = "alias"
blanks = ["NA", "N.A", "N/A"]
[dates]
formats = ["YYYY-MM-DD", "M/D/YYYY", "MM/DD/YYYY", "D-Mon-YY", "M/D/YY", "excel"]
placeholders = ["0000-00-00", "2262-04-11", "1/1/1900"]
[officers]
officer_key = { column = "person_nbr", as = "id", digits = 6 }
family_name = "last_name"
given_name = "first_name"
middle_name = "middle_name"
date_of_birth = "birth_year"
[[employment]]
ori = { column = "agency", as = "agency" }
sworn = { const = "yes" }
hired_on = "start"
separated_on = "end"
separation_kind = { column = "reason", map = "separation" }
under_investigation = { column = "reason", map = "investigated" }
[maps.separation]
"Hire" = ""
"Re-Hire" = ""
"Promotion" = ""
"Portal Update" = ""
"On Leave" = ""
"Return from Suspension" = ""
"ACTIVE" = ""
"Separation" = "unknown"
"Resigned in Good Standing" = "resigned"
"Resigned with Disciplinary Action Pending" = "resigned"
"Resigned During Internal Investigation" = "resigned"
"RESIGNED IN LIEU OF TERMINATION - INVESTIGATION REQUESTED" = "resigned_in_lieu"
"Terminated for Cause" = "terminated_for_cause"
[maps.investigated]
"Resigned with Disciplinary Action Pending" = "yes"
"Resigned During Internal Investigation" = "yes"
"RESIGNED IN LIEU OF TERMINATION - INVESTIGATION REQUESTED" = "yes"
otherwise = ""
"""
HEADER = ("person_nbr", "last_name", "first_name", "middle_name", "birth_year", "agency", "start", "end", "reason")


def _stint(**cells: str) -> list[str]:
    plain = {"person_nbr": "7", "last_name": "Larkin", "first_name": "Ann", "agency": "Testburg PD"}
    named = {**plain, "birth_year": "1972.0", "start": "1994-06-16", "reason": "ACTIVE", **cells}
    return [named.get(column, "") for column in HEADER]


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2001-02-03", date(2001, 2, 3)),
        ("2/3/2001 0:00:00", date(2001, 2, 3)),
        ("02/03/2001", date(2001, 2, 3)),
        ("3-Feb-01", date(2001, 2, 3)),
        ("2/3/01", date(2001, 2, 3)),
        ("36925", date(2001, 2, 3)),
        ("2001-02-03 00:00:00.000", date(2001, 2, 3)),
        *((blank, None) for blank in ("", "NA", "N.A", "N/A", "0000-00-00", "2262-04-11", "1/1/1900 0:00:00")),
    ],
)
def test_an_end_of_employment_is_read_however_it_is_written(
    store: Store, tmp_path: Path, written: str, day: date | None
) -> None:
    reason = "Separation" if day else "Hire"
    report = _load(store, tmp_path, STINTS, [HEADER, _stint(end=written, reason=reason)])
    assert report.tally() == Tally(new=1)
    assert _held(store, "000007").employment[0].separated_on == day


@pytest.mark.parametrize(
    ("cells", "column", "why"),
    [
        ({"end": "1905"}, "end", "is no date"),
        ({"end": "11/02/20217"}, "end", "is no date"),
        ({"end": "47300"}, "end", "is in the future"),
        ({"end": "RE-INSTATED, 05/18/2023"}, "end", "is no date"),
        ({"end": "1993-01-01", "reason": "Separation"}, "end", "is before start"),
        ({"end": "#VALUE!"}, "end", "is no date"),
        ({"person_nbr": "1.28E+11"}, "person_nbr", "shortened"),
        ({"person_nbr": "#REF!"}, "person_nbr", "is an error of a spreadsheet"),
        ({"last_name": "#NAME?"}, "last_name", "is an error of a spreadsheet"),
        ({"last_name": "Mu\ufffdoz"}, "last_name", "a letter was lost"),
        ({"birth_year": "1872"}, "birth_year", "older than"),
        ({"reason": "Terminated"}, "reason", "does not explain"),
    ],
)
def test_a_cell_that_cannot_be_right_is_rejected_for_what_is_wrong(
    store: Store, tmp_path: Path, cells: dict[str, str], column: str, why: str
) -> None:
    report = _load(store, tmp_path, STINTS, [HEADER, _stint(**cells)])
    assert report.tally() == Tally(rejected=1)
    (problem,) = report.rejections[0].problems
    assert problem.column == column
    assert why in problem.reason


@pytest.mark.parametrize(
    ("reason", "kind", "investigated"),
    [
        ("Hire", None, False),
        ("promotion", None, False),
        ("PORTAL UPDATE", None, False),
        ("Return from Suspension", None, False),
        ("Resigned in Good Standing", SeparationKind.RESIGNED, False),
        ("Resigned During Internal Investigation", SeparationKind.RESIGNED, True),
        (
            "Resigned in  lieu of termination - investigation requested",
            SeparationKind.RESIGNED_IN_LIEU,
            True,
        ),
        ("Terminated for Cause", SeparationKind.TERMINATED_FOR_CAUSE, False),
    ],
)
def test_a_column_of_reasons_holds_events_and_separations_each_as_its_profile_says(
    store: Store, tmp_path: Path, reason: str, kind: SeparationKind | None, investigated: bool
) -> None:
    end = "2001-02-03" if kind else ""
    assert _load(store, tmp_path, STINTS, [HEADER, _stint(end=end, reason=reason)]).tally() == Tally(new=1)
    (job,) = _held(store, "000007").employment
    assert (job.separation_kind, job.under_investigation) == (kind, investigated)


def test_one_id_in_three_spellings_is_one_person_with_the_zeros_that_a_spreadsheet_took(
    store: Store, tmp_path: Path
) -> None:
    rows = [
        _stint(person_nbr=number, start=f"199{at}-01-01") for at, number in enumerate(["128103.0", "128103", "0128103"])
    ]
    report = _load(store, tmp_path, STINTS.replace("digits = 6", "digits = 7"), [HEADER, *rows])
    assert report.tally() == Tally(new=1, changed=0, same=0) + Tally(new=2)
    assert len(_held(store, "0128103").employment) == 3


@pytest.mark.parametrize("born", [("", ""), ("1972.0", ""), ("1972", "1972")])
def test_attack_one_id_was_given_to_two_people(store: Store, tmp_path: Path, born: tuple[str, str]) -> None:
    other = _stint(last_name="Reyes", first_name="Bo", birth_year=born[1], start="2001-01-01")
    report = _load(store, tmp_path, STINTS, [HEADER, _stint(birth_year=born[0]), other])
    assert report.tally() == Tally(new=1, rejected=1)
    officer = _held(store, "000007")
    assert officer.person.names == (PersonName("Larkin", "Ann"),)
    assert len(officer.employment) == 1


@pytest.mark.parametrize("alias", [True, False])
def test_attack_an_id_is_given_to_another_person_years_later(store: Store, tmp_path: Path, alias: bool) -> None:
    profile = STINTS if alias else STINTS.replace('repeated_officers = "alias"', "")
    assert _load(store, tmp_path, profile, [HEADER, _stint()]).tally() == Tally(new=1)
    other = _stint(last_name="Reyes", first_name="Bo", start="2020-01-01")
    report = _load(store, tmp_path, profile, [HEADER, other])
    assert report.tally() == Tally(rejected=1)
    assert "two people need two keys" in report.rejections[0].reasons
    assert _held(store, "000007").person.names == (PersonName("Larkin", "Ann"),)


@pytest.mark.parametrize(
    "names",
    [("Hale", "Ann"), ("Larkin", "Annie"), ("Ann", "Larkin"), ("Hale", "Anne"), ("Larkin-Hale", "Bo"), ("Larkin", "A")],
)
def test_a_person_whose_names_changed_in_part_stays_one(store: Store, tmp_path: Path, names: tuple[str, str]) -> None:
    other = _stint(last_name=names[0], first_name=names[1], start="2001-01-01")
    assert _load(store, tmp_path, STINTS, [HEADER, _stint(), other]).tally() == Tally(new=2)
    assert _held(store, "000007").person.names[1] == PersonName(*names, kind="alias")


def test_attack_a_key_of_a_canonical_file_is_given_to_another_person(tmp_path: Path) -> None:
    with Store.open(tmp_path / "node.db", bytes(32)) as store:
        agency = Agency(store, tmp_path / "rejects")
        agency.load({"date_of_birth": "1979-02-28"})
        agency.load({"family_name": "Reyes", "given_name": "Bo", "date_of_birth": "1980-01-01"})
        assert agency.reports[-1].tally() == Tally(rejected=1)
        agency.load({"family_name": "Reyes", "given_name": "Bo", "date_of_birth": "1979-02-28"})  # the same day
        assert agency.reports[-1].tally() == Tally(changed=1)
        agency.load({"officer_key": "1.5E+11"})
        assert agency.reports[-1].tally() == Tally(rejected=1)


def test_a_middle_name_of_initials_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    assert _load(store, tmp_path, STINTS, [HEADER, _stint(middle_name="F.S.")]).tally() == Tally(new=1)
    assert _held(store, "000007").person.names[0].middle == "F.S."


def test_a_list_without_any_number_knows_people_by_a_digest(store: Store, tmp_path: Path) -> None:
    profile = """
        profile = "numberless"
        repeated_officers = "alias"
        [dates]
        formats = ["M/D/YYYY"]
        [officers]
        officer_key = { digest_of = ["last_name", "first_name", "middle_name", "SUFFIX"], prefix = "TX-" }
        family_name = "last_name"
        given_name = "first_name"
        middle_name = "middle_name"
        suffix = "SUFFIX"
        [[employment]]
        ori = { column = "DEPARTMENT_NAME", as = "agency" }
        rank = "Highest Proficiency"
        sworn = { const = "yes" }
        hired_on = "ST_DATE"
        separated_on = "END_DATE"
        """
    header = ("first_name", "middle_name", "last_name", "SUFFIX", "Highest Proficiency", "DEPARTMENT_NAME")
    rows = [
        (*header, "ST_DATE", "END_DATE"),
        ("ANN", "Q", "Bates   V", "", "Master", "Testburg PD", "1/2/2001", "3/4/2005"),
        ("ann", "Q", "BATES V", "", "Master", "TESTBURG  PD", "5/6/2006", ""),
        ("ANN", "", "Claiborne, III", "", "Basic", "Testburg PD", "1/2/2001", ""),
    ]
    assert _load(store, tmp_path, profile, rows).tally() == Tally(new=3)
    first, second = store.officers.get_many(store.officers.search("", 9))
    assert first.person.names[0] == PersonName("Bates", "ANN", "Q", "V")
    assert [job.separation_kind for job in first.employment] == [SeparationKind.UNKNOWN, None]
    assert second.person.names == (PersonName("Claiborne", "ANN", "", "III"),)


def test_a_list_of_settlements_adds_to_officers_who_are_held(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, STINTS, [HEADER, _stint(person_nbr="128103")])
    profile = """
        profile = "settlements"
        [dates]
        formats = ["M/D/YYYY"]
        [officers]
        officer_key = { column = "UID", as = "id" }
        [[conduct]]
        record_key = { template = "{case_id}-{UID}" }
        kind = { const = "civil_judgment" }
        occurred_on = "incident_date"
        amount = { column = "settlement", as = "amount" }
        summary = "complaint"
        status = { const = "active" }
        """
    header = ("case_id", "officer_id", "complaint", "incident_date", "plantiff", "settlement", "service_length", "UID")
    rows = [
        header,
        ("12-C-7", "1.0", "Excessive force", "3/4/2005", "Nobody", "$35,000", "4", "128103.0"),
        ("12-C-7", "1.0", "Excessive force", "3/4/2005", "Somebody", "$35,000", "4", "128103"),
        ("12-C-8", "2.0", "Excessive force", "3/4/2005", "Nobody", "$1,250.50", "4", "999"),
        ("12-C-9", "2.0", "Excessive force", "3/4/2005", "Nobody", "sealed", "4", "128103"),
    ]
    report = _load(store, tmp_path, profile, rows)
    assert report.tally() == Tally(new=1, same=1, rejected=2)
    assert [each.columns for each in report.rejections] == ["UID", "settlement"]
    (record,) = _held(store, "128103").conduct
    assert (record.record_key, record.amount_cents) == ("12-C-7-128103", 3_500_000)


@pytest.mark.parametrize(
    ("written", "guess"),
    [
        ("Sample Co. Sheriff's Office", "OR9900200"),
        ("SAMPLE COUNTY SHERIFFS OFFICE", "OR9900200"),
        ("Sample County SO", "OR9900200"),
        ("Testburg PD -AKA- Testburg Metro", "OR9900400"),
        ("Testburg Police Dept.", "OR9900400"),
        ("Test Hills Police Department", ""),
        ("Sample City Police Department", ""),
    ],
)
def test_spellings_of_an_agency_get_a_guess_and_another_agency_gets_none(written: str, guess: str) -> None:
    members = {"OR9900200": "Sample County Sheriff's Office", "OR9900400": "Testburg Police Department"}
    assert with_found({}, {written: 3}, members) == {normal(written): Named(written, "", guess, 3)}
