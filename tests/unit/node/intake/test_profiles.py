"""Profiles: a table of any shape comes in as its profile says, and what nobody has explained is not guessed."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from tests.parties.exports import sheet_rows, workbook

from waypost.node.errors import IntakeError
from waypost.node.intake import FileKind, ImportReport, Source, Tally, import_tables, open_tables, profiled
from waypost.node.intake.folding import normal
from waypost.node.intake.inspecting import inspect_table
from waypost.node.intake.profiles import load_profile
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.intake.starting import starter
from waypost.node.limits import PROFILE_BYTES_MAX
from waypost.node.persons import PersonName
from waypost.node.records import SeparationKind
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
AGENCIES = {normal("Testburg PD"): "OR9900400"}
ROSTER = """
profile = "roster"
[dates]
formats = ["M/D/YYYY"]
placeholders = ["1/1/1900"]
[officers]
officer_key = { column = "No", as = "id", digits = 4 }
family_name = "Last"
given_name = "First"
[[employment]]
ori = { column = "Agency", as = "agency" }
sworn = { const = "yes" }
hired_on = "Hired"
separated_on = "Left"
separation_kind = { column = "How", map = "how" }
[maps.how]
"Quit" = "resigned"
"Active" = ""
"""
HEADER = ("No", "Last", "First", "Agency", "Hired", "Left", "How")
LARKIN = ("7.0", "Larkin", "Ann", "Testburg PD", "1/2/2010", "", "Active")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as opened:
        yield opened


def _load(
    store: Store,
    tmp_path: Path,
    rows: Sequence[Sequence[str]],
    profile: str = ROSTER,
    *,
    header: Sequence[str] = HEADER,
    dry_run: bool = False,
) -> ImportReport:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    source = Source.of_bytes("roster.csv", text.getvalue().encode())
    readers = profiled(source, read_profile("roster.toml", profile), AGENCIES)
    report = import_tables(
        store, readers, rejects_folder=tmp_path / "rejects", at_ms=1_000, today=TODAY, dry_run=dry_run
    )
    assert report.tally().rows == len(rows) - sum(report.files[0].left_out.values())
    return report


def test_one_row_brings_an_officer_and_his_employment(store: Store, tmp_path: Path) -> None:
    report = _load(store, tmp_path, [LARKIN])
    assert report.tally() == report.tally(FileKind.OFFICERS) == report.tally(FileKind.EMPLOYMENT) == Tally(new=1)
    officer = store.officers.by_key("0007")
    assert officer is not None
    assert (officer.employment[0].ori, officer.employment[0].hired_on) == ("OR9900400", date(2010, 1, 2))
    assert _load(store, tmp_path, [LARKIN]).tally() == Tally(same=1)


def test_a_dry_run_tells_everything_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    bad = ("8", "Hale", "", *LARKIN[3:])
    report = _load(store, tmp_path, [LARKIN, bad], dry_run=True)
    assert (report.tally(), report.dry_run, report.rejects_files) == (Tally(new=1, rejected=1), True, ())
    assert (store.officers.count(), store.imports.newest(1), store.audit.newest(1)) == (0, [], [])
    assert not (tmp_path / "rejects").exists()


@pytest.mark.parametrize(("answer", "held"), [("hold", 1), ("reject", 0)])
def test_attack_a_value_that_no_map_knows_is_never_guessed(
    store: Store, tmp_path: Path, answer: str, held: int
) -> None:
    rows = [LARKIN, ("8", "Hale", "Bo", "Testburg PD", "1/2/2010", "1/2/2011", "Gone fishing")]
    report = _load(store, tmp_path, rows, f'unknown_values = "{answer}"\n{ROSTER}')
    assert (report.tally(), report.held) == (Tally(new=1, rejected=1), held)
    assert report.unknown == {("How", "Gone fishing"): 1}
    assert store.officers.by_key("0008") is None
    mended = read_profile("x", ROSTER + '"Gone fishing" = "retired"\n')
    (path,) = report.rejects_files
    readers = profiled(Source.of_path(path), mended, AGENCIES)
    again = import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=2_000, today=TODAY)
    assert again.tally() == Tally(new=1)


def test_attack_an_agency_is_not_taken_for_another_of_a_like_name(store: Store, tmp_path: Path) -> None:
    report = _load(store, tmp_path, [(*LARKIN[:3], "Testburgh P.D.", *LARKIN[4:])])
    assert (report.tally(), report.held, report.agencies) == (Tally(rejected=1), 1, {"Testburgh P.D.": 1})


def test_every_agency_of_a_row_that_nobody_has_confirmed_is_asked_for_at_once(store: Store, tmp_path: Path) -> None:
    profile = WIDE.replace('{ const = "OR9900400" }', '{ column = "agency{}", as = "agency" }')
    header = ("id", "last", "first", *(f"{name}{n}" for n in ("", ".1", ".2") for name in ("agency", "start", "end")))
    jobs = [(f"Testville {n} PD", f"200{n}-01-01", f"200{n}-12-31") for n in range(3)]
    row = ("A-1", "Larkin", "Ann", *(cell for job in jobs for cell in job))
    report = _load(store, tmp_path, [row], profile, header=header)
    assert report.agencies == {f"Testville {n} PD": 1 for n in range(3)}


def test_a_wrong_row_is_rejected_with_the_column_of_its_source(store: Store, tmp_path: Path) -> None:
    rows = [("9", "Boyd", "Al", "Testburg PD", "13/45/2010", "", "Active"), ("10", "", "Al", *LARKIN[3:])]
    report = _load(store, tmp_path, rows)
    assert [(each.row.line, each.columns) for each in report.rejections] == [(2, "Hired"), (3, "Last")]
    assert [each.sorts for each in report.rejections] == ["date", "empty"]


@pytest.mark.parametrize(("left", "how", "accepted"), [("3/30/2012", "Quit", 1), ("", "Quit", 1), ("", "Active", 0)])
def test_a_hire_date_may_be_unknown_of_an_employment_that_has_ended(
    store: Store, tmp_path: Path, left: str, how: str, accepted: int
) -> None:
    report = _load(store, tmp_path, [(*LARKIN[:4], "1/1/1900", left, how)])
    assert report.tally().accepted == accepted
    officer = store.officers.by_key("0007")
    assert [job.hired_on for job in officer.employment] == [None] if officer else not accepted
    assert [(each.columns, each.row.line) for each in report.rejections] == [("Hired", 2)] * (1 - accepted)
    assert _load(store, tmp_path, [(*LARKIN[:4], "1/1/1900", left, how)]).tally().same == accepted


def test_what_the_store_refuses_is_told_with_the_column_of_the_source(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, [LARKIN])
    another = _load(store, tmp_path, [("7", "Whitfield", "Bo", *LARKIN[3:])])
    lists_jobs = ROSTER.replace('family_name = "Last"\ngiven_name = "First"\n', "")
    nobody = _load(store, tmp_path, [("8", *LARKIN[1:])], lists_jobs)
    assert [each.columns for report in (another, nobody) for each in report.rejections] == ["No", "No"]


def test_a_row_is_accepted_with_all_it_says_or_not_at_all(store: Store, tmp_path: Path) -> None:
    again = ("7", "Larkin", "Ann", "Testburg PD", "1/2/2010", "1/2/2012", "Quit")
    new = ("8", "Hale", "Bo", "Testburg PD", "1/2/2010", "1/2/2009", "Quit")
    report = _load(store, tmp_path, [LARKIN, again, new])
    assert report.tally() == Tally(new=1, rejected=2)
    assert "line 2 of roster.csv, which says otherwise" in report.rejections[0].reasons
    assert store.officers.by_key("0008") is None


def test_an_officer_under_two_names_gets_the_other_as_alias_and_importing_again_changes_nothing(
    store: Store, tmp_path: Path
) -> None:
    married = ("7", "Larkin-Hale", "Ann", "Testburg PD", "2/3/2014", "", "Active")
    alias = f'repeated_officers = "alias"\n{ROSTER}'
    assert _load(store, tmp_path, [LARKIN, married], alias).tally() == Tally(new=2)
    officer = store.officers.by_key("0007")
    assert officer is not None
    assert officer.person.names == (PersonName("Larkin", "Ann"), PersonName("Larkin-Hale", "Ann", kind="alias"))
    assert _load(store, tmp_path, [LARKIN, married], alias).tally() == Tally(same=2)


FORMER = ROSTER.replace('given_name = "First"\n', 'given_name = "First"\nformer_names = "Née"\n')


def test_a_column_of_former_names_becomes_aliases_and_a_name_that_is_none_rejects_its_row(
    store: Store, tmp_path: Path
) -> None:
    header = (*HEADER, "Née")
    rows = [(*LARKIN, "Quigley, Ann; Sample, Annie B."), ("8", *LARKIN[1:], "Ann Quigley")]
    report = _load(store, tmp_path, rows, FORMER, header=header)
    officer = store.officers.by_key("0007")
    assert officer is not None
    assert officer.person.names[1:] == (
        PersonName("Quigley", "Ann", kind="alias"),
        PersonName("Sample", "Annie", "B", kind="alias"),
    )
    (rejection,) = report.rejections
    assert (rejection.columns, rejection.reasons) == ("Née", "Née is not written FAMILY, GIVEN")


def test_a_report_of_fixed_width_comes_in_by_its_profile(store: Store, tmp_path: Path) -> None:
    profile = ROSTER.replace("[dates]", '[read]\nformat = "fixed"\ncolumns_at = [1, 6, 18, 25, 38, 50, 62]\n[dates]')
    lines = (HEADER, LARKIN, ("8", "Quigley", "Bo", "Testburg PD", "3/4/2011", "5/6/2012", "Quit"))
    widths = (5, 12, 7, 13, 12, 12, 8)
    text = "\n".join("".join(map(str.ljust, line, widths)) for line in lines)
    readers = profiled(Source.of_bytes("report.txt", text.encode()), read_profile("roster.toml", profile), AGENCIES)
    report = import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=1_000, today=TODAY)
    assert report.tally() == report.tally(FileKind.EMPLOYMENT) == Tally(new=2)
    officer = store.officers.by_key("0008")
    assert officer is not None
    assert (officer.person.names, officer.employment[0].separated_on) == (
        (PersonName("Quigley", "Bo"),),
        date(2012, 5, 6),
    )


READ = {
    "xlsx": 'format = "xlsx"\nsheets = ["Roster"]',
    "csv": 'encoding = "windows-1252"\ndelimiter = ";"\nheader_line = 3\nquoted = false',
    "fixed": 'format = "fixed"\ncolumns_at = [1, 6, 18, 25, 38, 50, 62]',
    "json": 'format = "json"',
}


@pytest.mark.parametrize("saved", ["as it is", "with semicolons", "as Unicode text", "as a workbook"])
@pytest.mark.parametrize("kind", READ)
def test_mended_rows_come_in_by_the_same_profile_whatever_it_says_of_its_own_files(
    store: Store, tmp_path: Path, kind: str, saved: str
) -> None:
    wrong = ("7.0", "Muñoz", "Ann", "Testburg PD", "2/30/2010", "", "Active")
    lines = [HEADER, wrong]
    source = {
        "xlsx": lambda: workbook({"Roster": sheet_rows(lines)}),
        "csv": lambda: "\n".join(["A title", "", *map(";".join, lines)]).encode("cp1252"),
        "fixed": lambda: "\n".join("".join(map(str.ljust, line, (5, 12, 7, 13, 12, 12, 8))) for line in lines).encode(),
        "json": lambda: json.dumps([dict(zip(HEADER, wrong, strict=True))]).encode(),
    }[kind]()
    profile = read_profile("roster.toml", ROSTER.replace("[dates]", f"[read]\n{READ[kind]}\n[dates]"))

    def load(data: bytes) -> ImportReport:
        readers = profiled(Source.of_bytes("roster", data), profile, AGENCIES)
        return import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=1_000, today=TODAY)

    first = load(source)
    assert first.tally() == Tally(rejected=1)
    (kept,) = first.rejects_files
    mended = kept.read_text(encoding="utf-8-sig").replace("2/30/2010", "3/2/2010")
    rows = list(csv.reader(io.StringIO(mended)))
    data = {
        "as it is": lambda: mended.encode("utf-8-sig"),
        "with semicolons": lambda: mended.replace(",", ";").encode("cp1252"),
        "as Unicode text": lambda: mended.replace(",", "\t").encode("utf-16"),
        "as a workbook": lambda: workbook({"rejects": sheet_rows(rows)}),
    }[saved]()
    assert load(data).tally() == Tally(new=1)
    officer = store.officers.by_key("0007")
    assert officer is not None
    assert officer.person.names[0].family == "Muñoz"


def test_an_officer_under_two_names_is_rejected_where_the_profile_does_not_say_otherwise(
    store: Store, tmp_path: Path
) -> None:
    report = _load(store, tmp_path, [LARKIN, ("7", "Boyd", *LARKIN[2:])])
    assert report.tally() == Tally(new=1, rejected=1)


def test_filters_leave_rows_out_and_say_how_many(store: Store, tmp_path: Path) -> None:
    keep = '[[keep]]\ncolumn = "How"\nis_not = ["Quit"]\notherwise = true\nwhy = "those who quit"\n'
    rows = [LARKIN, ("8", "Hale", "Bo", "Testburg PD", "1/2/2010", "1/2/2011", "quit ")]
    report = _load(store, tmp_path, rows, ROSTER + keep)
    assert report.tally() == Tally(new=1)
    assert report.files[0].left_out == {"those who quit": 1}


WIDE = """
    profile = "wide"
    [officers]
    officer_key = "id"
    family_name = "last"
    given_name = "first"
    [[employment]]
    each = ["", ".1", ".2"]
    when = [{ column = "start{}", filled = true }]
    ori = { const = "OR9900400" }
    sworn = { const = "yes" }
    hired_on = "start{}"
    separated_on = "end{}"
"""
REPEATED = WIDE.replace('["", ".1", ".2"]', '"repeated"')


@pytest.mark.parametrize("profile", [WIDE, REPEATED])
def test_a_wide_row_brings_an_employment_for_each_set_of_columns(store: Store, tmp_path: Path, profile: str) -> None:
    header = ("id", "last", "first", "start", "end", "start", "end", "start", "end")
    row = ("A-1", "Larkin", "Ann", "2001-01-01", "2002-01-01", "2003-01-01", "", "", "")
    report = _load(store, tmp_path, [row], profile, header=header)
    assert (report.tally(), report.tally(FileKind.EMPLOYMENT)) == (Tally(new=1), Tally(new=2))
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert [job.separation_kind for job in officer.employment] == [SeparationKind.UNKNOWN, None]


@pytest.mark.parametrize("sets", [1, 2, 30])
def test_a_wide_file_has_as_many_sets_of_repeated_columns_as_its_longest_career(
    store: Store, tmp_path: Path, sets: int
) -> None:
    header = ("id", "last", "first", *("start", "end") * sets)
    jobs = [cell for n in range(sets) for cell in (f"{1980 + n}-01-01", f"{1980 + n}-12-31")]
    report = _load(store, tmp_path, [("A-1", "Larkin", "Ann", *jobs)], REPEATED, header=header)
    assert (report.tally(), report.tally(FileKind.EMPLOYMENT)) == (Tally(new=1), Tally(new=sets))


@pytest.mark.parametrize("lacks", ["start", "start.1"])
def test_attack_a_set_of_repeated_columns_that_is_there_in_part_stops_the_import(
    store: Store, tmp_path: Path, lacks: str
) -> None:
    header = [column for column in ("id", "last", "first", "start", "end", "start.1", "end.1") if column != lacks]
    with pytest.raises(IntakeError, match=f"has not the columns of profile wide: '{lacks}' missing"):
        _load(store, tmp_path, [("A-1", "Larkin", "Ann", "", "", "")], REPEATED, header=header)


def test_a_key_in_capitals_joins_lists_that_write_it_differently(store: Store, tmp_path: Path) -> None:
    profile = ROSTER.replace('as = "id", digits = 4', 'prefix = "g-", capitals = true')
    report = _load(store, tmp_path, [("o9", *LARKIN[1:]), ("O9", *LARKIN[1:])], profile)
    assert report.tally() == Tally(new=1, same=1)
    assert store.officers.by_key("g-O9") is not None


ALLEGATIONS = """
    profile = "allegations"
    [officers]
    officer_key = { column = "badges", prefix = "B-" }
    full_name = { column = "officers", order = "comma" }
    [split]
    columns = ["badges", "officers"]
    by = [" | ", "|"]
    [[conduct]]
    when = [{ column = "finding", is = ["sustained"], is_not = ["unfounded"] }]
    record_key = { template = "{case}-{badges}" }
    kind = { const = "sustained_complaint" }
    amount = { column = "paid", as = "amount" }
    status = { const = "active" }
"""
ALLEGATION_HEADER = ("case", "officers", "badges", "finding", "paid")


def test_a_row_an_allegation_brings_each_of_its_officers(store: Store, tmp_path: Path) -> None:
    row = ("C-1", "Larkin, Ann | Hale, Bo", "1|2", "SUSTAINED", "$1,500.5")
    report = _load(store, tmp_path, [row], ALLEGATIONS, header=ALLEGATION_HEADER)
    assert (report.tally(), report.tally(FileKind.OFFICERS)) == (Tally(new=1), Tally(new=2))
    found = store.conduct.by_key("C-1-2")
    assert found is not None
    assert (found.officer_key, found.record.amount_cents) == ("B-2", 150_050)


def test_a_city_among_the_defendants_is_nobody(store: Store, tmp_path: Path) -> None:
    profile = """
        profile = "suits"
        [officers]
        officer_key = { digest_of = ["defendants"] }
        full_name = { column = "defendants", order = "given-first" }
        [split]
        columns = ["defendants"]
        by = [", and ", ", "]
        drop = "city of .*"
    """
    rows = [("1", "Ann Larkin, Bo Hale, and City of Testburg"), ("2", "City of Testburg")]
    report = _load(store, tmp_path, rows, profile, header=("no", "defendants"))
    assert (report.tally(), report.tally(FileKind.OFFICERS)) == (Tally(new=1, rejected=1), Tally(new=2))


def test_attack_lists_of_different_lengths_are_not_matched_up(store: Store, tmp_path: Path) -> None:
    row = ("C-1", "Larkin, Ann | Hale, Bo | Boyd, Al", "1|2", "sustained", "")
    report = _load(store, tmp_path, [row], ALLEGATIONS, header=ALLEGATION_HEADER)
    assert report.tally() == Tally(rejected=1)
    assert "lists 2 where another column lists 3" in report.rejections[0].reasons


def test_attack_a_finding_that_nobody_explained_makes_no_record(store: Store, tmp_path: Path) -> None:
    row = ("C-1", "Larkin, Ann", "1", "Closed", "")
    report = _load(store, tmp_path, [row], ALLEGATIONS, header=ALLEGATION_HEADER)
    assert (report.held, report.unknown) == (1, {("finding", "Closed"): 1})
    assert store.officers.count() == 0


def test_attack_a_vanished_column_stops_the_import(store: Store, tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="has not the columns of profile roster: 'How' missing"):
        _load(store, tmp_path, [LARKIN[:-1]], header=HEADER[:-1])


def test_attack_a_formula_is_text_on_the_way_out_and_back_again(store: Store, tmp_path: Path) -> None:
    report = _load(store, tmp_path, [("7", "=cmd|'/c calc'!A1", "", *LARKIN[3:])])
    (path,) = report.rejects_files
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["Last"] == "'=cmd|'/c calc'!A1"
    readers = profiled(Source.of_path(path), read_profile("x", ROSTER), AGENCIES)
    again = import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=2_000, today=TODAY)
    assert again.rejections[0].columns == "First"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("profile =", "profil ="), "'profil'"),
        (('column = "How"', 'colum = "How"'), "'colum'"),
        (('map = "how"', 'map = "hwo"'), "a map that is not there: 'hwo'"),
        (('map = "how"', "map = [1]"), "not text in quotation marks"),
        (("hired_on = ", "ssn = "), "'ssn'"),
        (('sworn = { const = "yes" }\n', ""), "has no sworn"),
        (("officer_key", "officer"), "has no officer_key"),
        (('"M/D/YYYY"', '"%m"'), "is no format of dates"),
        (('as = "id"', 'as = "number"'), "is none of text, id, amount, agency"),
        (("[officers]", "[officers"), "is no TOML"),
        (("digits = 4", 'pattern = "("'), "no regular expression"),
        (('given_name = "First"', ""), "neither full_name nor family_name and given_name"),
        (("digits = 4", 'digits = "4"'), "no whole number"),
        (("digits = 4", "digits = -4"), "no whole number"),
        (("[dates]", 'tidy_names = "no"\n[dates]'), "neither true nor false"),
        (("[dates]", '[read]\nquoted = "no"\n[dates]'), "neither true nor false"),
        (("[dates]", '[read]\nheader_line = "4"\n[dates]'), "no whole number"),
        (("[dates]", 'people = ["1"]\n[dates]'), "no column has {n} in its name"),
        (("[dates]", '[split]\ncolumns = []\nby = [";"]\n[dates]'), "names no column"),
        (('column = "No", as = "id", digits = 4', 'const = "7"'), "the same for everybody"),
        (('column = "No", as = "id", digits = 4', 'template = "x"'), "names no column"),
        (('column = "No", as = "id", digits = 4', "digest_of = []"), "names no column"),
        (('given_name = "First"', 'given_name = ""'), "names no column"),
        (('sworn = { const = "yes" }', "each = []\nsworn = { const = 'yes' }"), "is empty"),
        (('sworn = { const = "yes" }', "each = 'repeated'\nsworn = { const = 'yes' }"), "no column has {} in its name"),
        (("digits = 4", 'capitals = "yes"'), "neither true nor false"),
        (("[dates]", '[[keep]]\ncolumn = "How"\nis = ["x"]\notherwise = "false"\n[dates]'), "neither true nor false"),
        (("[dates]", "[[keep]]\nfilled = true\n[dates]"), "names no column"),
        (("digits = 4", "digits = 101"), "no whole number from 0 to 100"),
        (("digits = 4", "pattern = '(a+)+$'"), "which may never be done"),
        (("digits = 4", "pattern = '(?:ab|a|b)*(x)'"), "which may never be done"),
        (("digits = 4", "pattern = '(?=(a{1,99})*)x'"), "which may never be done"),
        (("digits = 4", "pattern = '(a){99999999999}'"), "no regular expression"),
        (("digits = 4", "pattern = '([[a]])'"), "no regular expression"),
        (("digits = 4", f"pattern = '{'(' * 9_000}'"), "more than 500 characters"),
        (("[dates]", "[split]\ncolumns = ['No']\nby = [';']\ndrop = '(x*)*'\n[dates]"), "which may never be done"),
        (("[dates]", '[read]\ndelimiter = ";;"\n[dates]'), "not one character"),
        (("[dates]", '[read]\ndelimiter = "\\n"\n[dates]'), "not one character"),
        (("[dates]", "[read]\ncolumns_at = [true, 2]\n[dates]"), "places that rise"),
        (('"Quit" = "resigned"', '"Quit" = 7'), "maps.how: 'Quit' is not text"),
        (('family_name = "Last"', f"family_name = {'[' * 9_000}"), "nested without end"),
        (
            ("[dates]", "people = ['1', '2']\n[split]\ncolumns = ['Last{n}']\nby = [';']\n[dates]"),
            "only one of them can",
        ),
    ],
)
def test_a_profile_that_says_what_no_profile_says_is_refused_in_words(change: tuple[str, str], said: str) -> None:
    with pytest.raises(IntakeError, match=r"roster\.toml") as refused:
        read_profile("roster.toml", ROSTER.replace(*change))
    assert said in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("harmless", ["^\\\\w+ (.+)$", "(?:Jr|Sr)? (.*)", "([A-Z]{1,3}\\\\d+)(?: .*)?"])
def test_a_pattern_that_comes_to_an_end_is_taken(harmless: str) -> None:
    assert read_profile("roster.toml", ROSTER.replace("digits = 4", f'pattern = "{harmless}"'))


@pytest.mark.parametrize("text", ["x = [[", "\0"])
def test_attack_what_is_no_profile_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(IntakeError, match="is no TOML"):
        load_profile(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(IntakeError, match="is not UTF-8 text"):
        load_profile(str(path))
    path.write_bytes(b"#" * (PROFILE_BYTES_MAX + 1))
    with pytest.raises(IntakeError, match="is too large"):
        load_profile(str(path))
    path.unlink()
    with pytest.raises(IntakeError, match="is not there"):
        load_profile(str(path))
    os.mkfifo(path)
    with pytest.raises(IntakeError, match="is no plain file"):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("cells", "column", "why"),
    [
        ({"Hired": "T" * 60_000}, "Hired", "longer than 200 characters, and no date"),
        ({"Last": "A V " * 15_000}, "Last", "longer than 200 characters"),
        ({"How": "x" * 501}, "How", "longer than 500 characters"),
        ({"Once": "Ann, A;" * 9_000}, "Once", "more than 16 names"),
        ({"Other": f"a, b{' ' * 60_000}c, d"}, "Other", "longer than 200 characters"),
    ],
)
def test_attack_a_cell_that_takes_the_square_of_its_length_is_refused_for_its_length(
    store: Store, tmp_path: Path, cells: dict[str, str], column: str, why: str
) -> None:
    profile = ROSTER.replace("[[emp", 'former_names = { column = "Once" }\nother_names = "Other"\n[[emp').replace(
        'map = "how"', "pattern = '^(.*)$', map = \"how\""
    )
    header = (*HEADER, "Once", "Other")
    row = dict(zip(header, (*LARKIN, "", ""), strict=True)) | cells
    report = _load(store, tmp_path, [[*row.values()]], profile, header=header)
    (problem,) = report.rejections[0].problems
    assert (problem.column, why in problem.reason) == (column, True), problem


def test_attack_cells_as_long_as_books_are_neither_kept_nor_shown(store: Store, tmp_path: Path) -> None:
    book = "x" * 60_000
    rows = [(*LARKIN[:6], book), ("8", "Hale", "Bo", book, "1/2/2010", "", "Quit")]
    report = _load(store, tmp_path, rows)
    assert report.tally() == Tally(rejected=2)
    assert [(column, len(value)) for column, value in report.unknown] == [("How", 200)]
    assert report.agencies == {}
    full = ROSTER.replace('family_name = "Last"\ngiven_name = "First"', 'full_name = "Last"')
    report = _load(store, tmp_path, [("9", f"{book}, Ann", *LARKIN[2:])], full)
    assert report.rejections[0].reasons == "Last is longer than 500 characters"
    source = Source.of_bytes("x", f"id,word\n1,{book}\n2,{book}\n".encode())
    (inspection,) = [inspect_table(table, TODAY) for table in open_tables(source)]
    assert max(len(text) for text in inspection.columns[1].samples) == 200


@pytest.mark.parametrize("column", ["Supervisor", "Reviewed By", "investigator", "A.K.A.", "Next of Kin", "Judge"])
def test_attack_a_column_that_names_somebody_else_is_shown_masked(column: str) -> None:
    rows = "".join(f"{number},Hale-Quixote\n" for number in range(100))
    (table,) = open_tables(Source.of_bytes("f.csv", f"No,{column}\n{rows}".encode()))
    looked_at = inspect_table(table, TODAY)
    assert (looked_at.columns[1].values, looked_at.columns[1].examples) == (None, ["Aaaa-Aaaaaaa"])


def test_the_starter_takes_the_column_whose_name_says_it_best_and_no_empty_one() -> None:
    lines = (
        "person_nbr,last_name,first_name,Agency,agency_name,type,rank,start_date,status,employment_status",
        "1,Larkin,Ann,Testburg,testburg police department,Law Enforcement,Sergeant,1901-01-01,Full-Time,Resigned",
        "2,Hale,Bo,Testburg,testburg police department,Correctional,Jailer,2001-03-04,Full-Time,Active",
    )
    text = _starter("\n".join(lines))
    for right in (
        'ori = { column = "agency_name", as = "agency" }',
        'rank = "rank"',
        '# sworn = { column = "type", map = "sworn" }',
        '# "Correctional" = ""',
        'separation_kind = { column = "employment_status", map = "separation" }',
        'placeholders = ["1901-01-01"]',
    ):
        assert right in text
    assert 'rank = "type"' in _starter("\n".join(lines).replace(",Sergeant,", ",,").replace(",Jailer,", ",,"))


def test_the_starter_reads_the_facts_of_fair_process_and_says_which_are_in_no_column() -> None:
    text = _starter(
        "Case No;Badge #;Incident Date;Finding;Notice Date;Hearing;Decided By;Decision Date;Appeal;Final Date\n"
        "IA-1;00023;3/4/2019;SUSTAINED;3/10/2019;Held;Chief;5/1/2019;None;6/1/2019\n"
        "IA-2;00017;3/4/2020;SUSTAINED;3/10/2020;Waived;Chief;5/1/2020;Upheld;6/1/2020\n"
    )
    for right in (
        'officer_key = { column = "Badge #", as = "id", digits = 5 }',
        'notice_on = "Notice Date"',
        'hearing = { column = "Hearing", map = "hearing" }',
        'decided_by = "Decided By"',
        'decided_on = "Decision Date"',
        'appeal = { column = "Appeal", map = "appeal" }',
        '"None" = "none"',
        '"Waived" = "waived"',
        'final_on = "Final Date"',
        "no column was recognized of: told_on",
    ):
        assert right in text
    assert "blanks" not in text
    assert read_profile("starter.toml", text).guesses


def test_the_starter_makes_no_key_of_what_is_none_and_says_why_no_employment_is_read() -> None:
    nobody = _starter("Case No,Incident Date\nIA-1,3/4/2019\n")
    assert 'officer_key = "?"   # GUESS' in nobody
    roster = 'ID No.,Name (Last, First MI),Hired,Dept.\n7,"Larkin, Ann",1/2/2010,Testburg PD\n'
    roster = roster.replace("Name (Last, First MI)", '"Name (Last, First MI)"')
    assert 'ori = { column = "Dept.", as = "agency" }' in (text := _starter(roster))
    assert 'officer_key = { column = "ID No.", as = "id" }' in text
    assert 'full_name = { column = "Name (Last, First MI)", order = "comma" }' in text
    assert "no column of the agency was recognized" in _starter(roster.replace("Dept.", "Shift"))


def _starter(text: str) -> str:
    (inspection,) = [inspect_table(table, TODAY) for table in open_tables(Source.of_bytes("f.csv", text.encode()))]
    return starter(inspection)


@pytest.mark.parametrize("place", ["Ridgeland", "Vicksburg", "OKTIBBEHA"])
def test_attack_a_place_of_nine_letters_is_taken_for_an_ori(store: Store, tmp_path: Path, place: str) -> None:
    row = (*LARKIN[:3], place, *LARKIN[4:])
    report = _load(store, tmp_path, [row])
    assert report.tally() == Tally(rejected=1)
    assert report.held == 1
    assert report.agencies == {place: 1}


def test_attack_a_file_without_a_header_shows_nobodys_name(store: Store, tmp_path: Path) -> None:
    rows = [
        ("0007", "Larkin", "Ann", "1/2/2010"),
        ("0008", "Hale", "Bo", "1/2/2011"),
        ("0009", "Hale", "Bo", "1/2/2012"),
    ]
    source = Source.of_bytes("x.csv", "\n".join(map(",".join, rows)).encode())
    (inspection,) = [inspect_table(table, TODAY) for table in open_tables(source)]
    assert inspection.headless
    text = starter(inspection)
    shown = text + str([(each.name, each.values, each.examples) for each in inspection.columns])
    assert not [name for name in ("Larkin", "Ann", "Hale", "Bo", "0007") if name in shown]
    assert 'header = ["column 1", "column 2", "column 3", "column 4"]' in text
    named = """
        profile = "headless"
        [read]
        header = ["No", "Last", "First", "Hired"]
        [officers]
        officer_key = "No"
        family_name = "Last"
        given_name = "First"
        """
    report = import_tables(
        store, profiled(source, read_profile("x", named), {}), rejects_folder=tmp_path / "r", at_ms=1, today=TODAY
    )
    assert report.tally() == Tally(new=3)


def test_a_row_with_a_column_for_each_of_its_officers_brings_those_who_are_named(store: Store, tmp_path: Path) -> None:
    profile = """
        profile = "allegations"
        people = ["1", "2"]
        [officers]
        when = [{ column = "officer {n} id", filled = true }]
        officer_key = { column = "officer {n} id", as = "id" }
        full_name = { column = "officer {n} name", order = "comma" }
        [[conduct]]
        when = [{ column = "officer {n} id", filled = true }, { column = "finding", is = ["S"], is_not = ["N"] }]
        record_key = { template = "{case}-{officer {n} id}" }
        kind = { const = "sustained_complaint" }
        status = { const = "active" }
        """
    header = ("case", "finding", "Officer 1 ID", "Officer 1 Name", "Officer 2 ID", "Officer 2 Name")
    rows = [
        ("C-1", "S", "7.0", "Larkin, Ann", "8", "Hale, Bo"),
        ("C-2", "S", "7", "Larkin, Ann", "", ""),
        ("C-3", "N", "9", "Reyes, Kim", "", ""),
        ("C-4", "S", "10", "Nobody", "8", "Hale, Bo"),
    ]
    report = _load(store, tmp_path, rows, profile, header=header)
    assert report.tally() == Tally(new=3, rejected=1)
    assert [each.columns for each in report.rejections] == ["officer 1 name"]
    keys = {key: officer.id for key in ("7", "8", "9") if (officer := store.officers.by_key(key))}
    assert {held.record.record_key for held in store.conduct.of_officers([*keys.values()])} == {
        "C-1-7",
        "C-1-8",
        "C-2-7",
    }


@pytest.mark.parametrize("kind", ["sheet", "file of an archive"])
def test_a_table_that_lacks_the_profiles_columns_is_named_and_not_dropped_in_silence(
    store: Store, tmp_path: Path, kind: str
) -> None:
    fewer = ("No", "Last", "First", "Agency", "Hired", "Left")
    if kind == "sheet":
        sheets: dict[str, list[tuple[str, ...]]] = {
            "2026": [HEADER, LARKIN],
            "2019": [fewer, LARKIN[:-1]],
            "Old": [HEADER, LARKIN],
        }
        data = workbook({name: sheet_rows(rows) for name, rows in sheets.items()}, hidden=["Old"])
    else:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, rows in {"2026": (HEADER, LARKIN), "2019": (fewer, LARKIN[:-1])}.items():
                archive.writestr(name, "\n".join(",".join(row) for row in rows))
            archive.writestr("__MACOSX/._2026", "\0")
            archive.writestr("a/.DS_Store", "\0")
        data = file.getvalue()
    readers = profiled(Source.of_bytes("x", data), read_profile("x", ROSTER), AGENCIES)
    report = import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=1_000, today=TODAY)
    assert report.tally() == Tally(new=1)
    told = ("x [2019]: lacks the columns 'How'",)
    assert report.files[0].aside == (("x [Old]: a hidden sheet", *told) if kind == "sheet" else told)


def test_attack_braces_in_a_cell_are_no_column_of_a_template(store: Store, tmp_path: Path) -> None:
    profile = (
        'profile = "p"\n[officers]\nofficer_key = { template = "{Case}-{Badge}" }\nfamily_name = "Last"\n'
        'given_name = "First"\n'
    )
    rows = [("{Badge}", "7", "Smith", "Robin"), ("7", "7", "Jones", "Robin")]
    assert _load(store, tmp_path, rows, profile, header=("Case", "Badge", "Last", "First")).tally().new == 2
    assert sorted(store.officers.held()) == ["7-7", "{Badge}-7"]
