"""Import: every row is stored, known already, or named with its reason; and nothing is lost or half done."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from waypost.node.errors import IntakeError
from waypost.node.fairness import Want
from waypost.node.intake import COLUMNS, FileKind, ImportReport, Source, Tally, canonical, import_tables
from waypost.node.intake.canonical import REJECT_COLUMNS
from waypost.node.intake.cells import Problem
from waypost.node.intake.reading import SourceRow
from waypost.node.intake.rejects import Rejection, RejectsFile
from waypost.node.intake.spreadsheets import unguarded
from waypost.node.limits import FIELD_CHARS_MAX
from waypost.node.persons import Identifier, PartialDate, PersonName
from waypost.node.records import (
    Appeal,
    CertificationAction,
    ConductKind,
    ForceOutcome,
    ForceType,
    Hearing,
    RecordStatus,
    SeparationKind,
)
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
OFFICER = {"officer_key": "A-1", "family_name": "Larkin", "given_name": "Dennis", "date_of_birth": "1979-02-28"}
EMPLOYMENT = {"officer_key": "A-1", "ori": "OR9900400", "rank": "Officer", "sworn": "yes", "hired_on": "2010-01-11"}
CONDUCT = {
    "officer_key": "A-1",
    "record_key": "R-1",
    "kind": "suspension",
    "occurred_on": "2023-05-05",
    "effective_on": "2023-07-17",
    "summary": "Synthetic.",
    "authority": "Synthetic Police Department",
    "notice_on": "2023-06-07",
    "hearing": "held",
    "decided_by": "Chief of Police",
    "decided_on": "2023-07-17",
    "appeal": "none",
    "final_on": "2023-08-31",
    "told_on": "2023-09-05",
    "status": "active",
}
BASE = {FileKind.OFFICERS: OFFICER, FileKind.EMPLOYMENT: EMPLOYMENT, FileKind.CONDUCT: CONDUCT}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as opened:
        yield opened


def _csv(kind: FileKind, *rows: dict[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS[kind], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _load(store: Store, tmp_path: Path, *contents: bytes, today: date = TODAY) -> ImportReport:
    sources = [Source.of_bytes(f"file{number}.csv", content) for number, content in enumerate(contents)]
    readers = [reader for source in sources for reader in canonical(source)]
    return import_tables(store, readers, rejects_folder=tmp_path / "rejects", at_ms=1_000, today=today)


def _read(name: str, content: bytes) -> list[SourceRow]:
    return [row for reader in canonical(Source.of_bytes(name, content)) for row in reader.table.rows()]


def _three(**changes: dict[str, str]) -> Sequence[bytes]:
    """One officer with one employment and one record, in the worst order of files."""
    kinds = (FileKind.CONDUCT, FileKind.EMPLOYMENT, FileKind.OFFICERS)
    return [_csv(kind, {**BASE[kind], **changes.get(kind, {})}) for kind in kinds]


def _problems(kind: FileKind, store: Store, tmp_path: Path, /, **cells: str) -> list[Problem]:
    contents = [_csv(kind, {**BASE[kind], **cells})]
    if kind is not FileKind.OFFICERS:
        contents.append(_csv(FileKind.OFFICERS, OFFICER))
    report = _load(store, tmp_path, *contents)
    assert report.files[0].tally.rows == 1
    return [problem for rejection in report.rejections for problem in rejection.problems]


# What is read.


def test_officers_come_first_whatever_the_order_of_the_files(store: Store, tmp_path: Path) -> None:
    report = _load(store, tmp_path, *_three())
    assert report.tally() == Tally(new=3)
    assert (report.shareable, report.withheld) == (1, 0)
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert officer.person.names == (PersonName("Larkin", "Dennis"),)
    assert [job.ori for job in officer.employment] == ["OR9900400"]
    assert [record.record_key for record in officer.conduct] == ["R-1"]


def test_all_columns_of_an_officer_are_kept(store: Store, tmp_path: Path) -> None:
    row = {
        **OFFICER,
        "middle_name": "J",
        "suffix": "Jr",
        "ssn": "912-34-5678",
        "cert_state": "or",
        "cert_number": "P001",
        "officer_id": "N-77",
        "other_names": "HALE, DENNY; O'Malley-Reyes, Guadalupe Teresa Ann",
    }
    _load(store, tmp_path, _csv(FileKind.OFFICERS, row))
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert officer.person.names == (
        PersonName("Larkin", "Dennis", "J", "Jr"),
        PersonName("HALE", "DENNY", kind="alias"),
        PersonName("O'Malley-Reyes", "Guadalupe", "Teresa Ann", kind="alias"),
    )
    assert officer.person.ssn == "912345678"
    assert officer.person.identifiers == (Identifier("cert", "OR", "P001"), Identifier("officer-id", "US", "N-77"))


def test_an_officer_id_of_another_authority_names_it(store: Store, tmp_path: Path) -> None:
    assert _problems(FileKind.OFFICERS, store, tmp_path, officer_id="CPD: 128103") == []
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert officer.person.identifiers == (Identifier("officer-id", "CPD", "128103"),)


@pytest.mark.parametrize(
    ("text", "born"),
    [("1979", PartialDate(1979)), ("1979-02", PartialDate(1979, 2)), ("", PartialDate())],
)
def test_a_public_list_with_half_a_birth_date_is_taken(
    store: Store, tmp_path: Path, text: str, born: PartialDate
) -> None:
    assert _problems(FileKind.OFFICERS, store, tmp_path, date_of_birth=text, ssn="1234") == []
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert (officer.person.date_of_birth, officer.person.ssn_last4) == (born, "1234")


def test_words_may_be_written_with_capitals_spaces_and_hyphens(store: Store, tmp_path: Path) -> None:
    assert _problems(FileKind.CONDUCT, store, tmp_path, hearing="Offered and declined", kind="SUSPENSION") == []
    owned = store.conduct.by_key("R-1")
    assert owned is not None
    assert owned.record.fair_process.hearing is Hearing.OFFERED_DECLINED
    assert _problems(FileKind.EMPLOYMENT, store, tmp_path, separation_kind="Laid-Off", separated_on="2012-01-01") == []


def test_an_employment_that_ended_without_a_kind_ended_in_an_unknown_way(store: Store, tmp_path: Path) -> None:
    assert _problems(FileKind.EMPLOYMENT, store, tmp_path, separated_on="2012-01-01") == []
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert officer.employment[0].separation_kind is SeparationKind.UNKNOWN


def test_an_amount_is_kept_to_the_cent(store: Store, tmp_path: Path) -> None:
    assert _problems(FileKind.CONDUCT, store, tmp_path, kind="civil_judgment", amount="185000.07") == []
    owned = store.conduct.by_key("R-1")
    assert owned is not None
    assert owned.record.amount_cents == 18_500_007


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_make_no_difference(
    store: Store, tmp_path: Path, line_end: str, mark: bytes
) -> None:
    content = mark + _csv(FileKind.OFFICERS, OFFICER).replace(b"\n", line_end.encode())
    assert _load(store, tmp_path, content).tally() == Tally(new=1)
    assert _load(store, tmp_path, _csv(FileKind.OFFICERS, OFFICER)).tally() == Tally(same=1)


def test_columns_may_stand_in_any_order_and_empty_lines_are_no_rows(store: Store, tmp_path: Path) -> None:
    columns = list(reversed(COLUMNS[FileKind.OFFICERS]))
    rows = [columns, [], [OFFICER.get(column, "") for column in columns], [""] * len(columns), [" "]]
    content = "\n".join(",".join(row) for row in rows).encode()
    assert _load(store, tmp_path, content).tally() == Tally(new=1)


# What is refused as a whole.

HEADER = ",".join(COLUMNS[FileKind.OFFICERS]).encode()


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        (b"", "is empty", "export it again"),
        (b"\n\n , ,\n", "is empty", "export it again"),
        (HEADER + b"\nA-1,Lark\x81in", "line 2 holds a byte", "CSV UTF-8"),
        (HEADER + b"\nA-1,Lar\x00kin", "NUL byte in line 2", "export it again"),
        (b"PK\x03\x04\x14\x00", "ends too early or is damaged", "export it again"),
        (b"\xd0\xcf\x11\xe0\xa1", "is an old .xls spreadsheet", "save it as .xlsx"),
        (b"cr_id,star,appointed_date\n1,2,3", "is none of the three files", "import inspect"),
        (HEADER.replace(b",ssn", b""), "without the column ssn", "add it"),
        (HEADER.replace(b",ssn", b",ssnn"), "without the column ssn", "add it"),
        (HEADER + b",ssn", "has the column 'ssn' twice", "remove one"),
        (HEADER + b",shoe_size", "'shoe_size'", "correct its name"),
        (HEADER + b'\nA-0,X,Y,,,,,,,,\nA-1,"Larkin,Dennis\nA-2,Hale,Ann\n', "row that begins in line 3", "quotation"),
        (HEADER + b'\nA-1,"Lark"in,Dennis\n', "row that begins in line 2", "quotation"),
        (HEADER + b'\nA-1,"' + b"x" * (FIELD_CHARS_MAX + 1), "row that begins in line 2", "quotation"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_what_to_do(content: bytes, said: str, hint: str) -> None:
    with pytest.raises(IntakeError) as refused:
        _read("their/officers.csv", content)
    sentence = str(refused.value)
    assert sentence.startswith("their/officers.csv ")
    assert said in sentence
    assert "nothing was imported" in sentence
    assert "\n" not in sentence
    assert hint in refused.value.hint


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='a,"\n\r;\t', max_size=60).map(lambda text: HEADER + text.encode()))
def test_attack_whatever_bytes_are_given_the_reader_answers_in_words(content: bytes) -> None:
    try:
        _read("x.csv", content)
    except IntakeError as error:
        assert error.hint  # noqa: PT017 - both ends are right ones


# What is rejected row by row.


@pytest.mark.parametrize(
    ("kind", "cells", "column", "reason"),
    [
        (FileKind.OFFICERS, {"officer_key": ""}, "officer_key", "is empty"),
        (FileKind.OFFICERS, {"officer_key": "K" * 101}, "officer_key", "is longer than 100"),
        (FileKind.OFFICERS, {"family_name": " "}, "family_name", "is empty"),
        (FileKind.OFFICERS, {"family_name": "---"}, "family_name", "holds no letter"),
        (FileKind.OFFICERS, {"given_name": ""}, "given_name", "is empty"),
        (FileKind.OFFICERS, {"given_name": "D\ufffdnnis"}, "given_name", "letter was lost"),
        (FileKind.OFFICERS, {"given_name": "Den\nnis"}, "given_name", "line break"),
        (FileKind.OFFICERS, {"middle_name": "m" * 201}, "middle_name", "is longer than 200"),
        (FileKind.OFFICERS, {"other_names": "Denny Hale"}, "other_names", "FAMILY, GIVEN"),
        (FileKind.OFFICERS, {"other_names": "A, B;" * 17}, "other_names", "more than 16"),
        (FileKind.OFFICERS, {"date_of_birth": "1979-02-30"}, "date_of_birth", "does not exist"),
        (FileKind.OFFICERS, {"date_of_birth": "1979-00-30"}, "date_of_birth", "does not exist"),
        (FileKind.OFFICERS, {"date_of_birth": "0000-00-00"}, "date_of_birth", "does not exist"),
        (FileKind.OFFICERS, {"date_of_birth": "2/28/1979"}, "date_of_birth", "YYYY-MM-DD"),
        (FileKind.OFFICERS, {"date_of_birth": "2026-01-01"}, "date_of_birth", "younger than 16"),
        (FileKind.OFFICERS, {"date_of_birth": "2262-04-11"}, "date_of_birth", "younger than 16"),
        (FileKind.OFFICERS, {"date_of_birth": "1905-01-01"}, "date_of_birth", "older than 110"),
        (FileKind.OFFICERS, {"ssn": "123-45-678"}, "ssn", "nine digits"),
        (FileKind.OFFICERS, {"ssn": "000000000"}, "ssn", "placeholder"),
        (FileKind.OFFICERS, {"ssn": "999-99-9999"}, "ssn", "placeholder"),
        (FileKind.OFFICERS, {"cert_state": "ZZ", "cert_number": "1"}, "cert_state", "postal code"),
        (FileKind.OFFICERS, {"cert_number": "1"}, "cert_state", "is empty although"),
        (FileKind.OFFICERS, {"cert_state": "CA"}, "cert_number", "is empty although"),
        (FileKind.OFFICERS, {"officer_id": "CPD:"}, "officer_id", "is empty"),
        (FileKind.EMPLOYMENT, {"officer_key": "A-9"}, "officer_key", "of no officer"),
        (FileKind.EMPLOYMENT, {"ori": "OR99004"}, "ori", "is not an ORI"),
        (FileKind.EMPLOYMENT, {"ori": "ZZ9900400"}, "ori", "state's code"),
        (FileKind.EMPLOYMENT, {"sworn": ""}, "sworn", "is empty: write yes or no"),
        (FileKind.EMPLOYMENT, {"hired_on": ""}, "hired_on", "the employment has not ended"),
        (FileKind.EMPLOYMENT, {"hired_on": "1905-01-01"}, "hired_on", "placeholder"),
        (FileKind.EMPLOYMENT, {"hired_on": "2026-11-25"}, "hired_on", "in the future"),
        (FileKind.EMPLOYMENT, {"separated_on": "2009-12-31"}, "separated_on", "is before hired_on"),
        (FileKind.EMPLOYMENT, {"separation_kind": "Vol"}, "separation_kind", "is none of resigned, "),
        (FileKind.EMPLOYMENT, {"under_investigation": "yes"}, "under_investigation", "has not ended"),
        (FileKind.CONDUCT, {"officer_key": "A-9"}, "officer_key", "of no officer"),
        (FileKind.CONDUCT, {"record_key": ""}, "record_key", "is empty"),
        (FileKind.CONDUCT, {"kind": "rumor"}, "kind", "is none of excessive_force_finding, "),
        (FileKind.CONDUCT, {"kind": ""}, "kind", "is empty: write one of"),
        (FileKind.CONDUCT, {"status": ""}, "status", "is empty: write one of"),
        (FileKind.CONDUCT, {"occurred_on": "2030-01-01"}, "occurred_on", "in the future"),
        (FileKind.CONDUCT, {"effective_on": "2023-05-04"}, "effective_on", "is before occurred_on"),
        (FileKind.CONDUCT, {"decided_on": "2023-06-06"}, "decided_on", "is before notice_on"),
        (FileKind.CONDUCT, {"final_on": "2023-07-16"}, "final_on", "is before decided_on"),
        (FileKind.CONDUCT, {"told_on": "2026-11-25"}, "told_on", "in the future"),
        (FileKind.CONDUCT, {"force_type": "taser"}, "force_type", "is none of firearm, "),
        (FileKind.CONDUCT, {"force_outcome": "revoked"}, "force_outcome", "is none of death, "),
        (FileKind.CONDUCT, {"kind": "decertification", "force_outcome": "injury"}, "force_outcome", "revoked, "),
        (FileKind.CONDUCT, {"amount": "$35,000"}, "amount", "12345.67"),
        (FileKind.CONDUCT, {"summary": "s" * 4001}, "summary", "longer than 4,000"),
        (FileKind.CONDUCT, {"hearing": "maybe"}, "hearing", "is none of held, "),
    ],
)
def test_an_impossible_cell_is_rejected_with_its_column_and_reason(
    store: Store, tmp_path: Path, kind: FileKind, cells: dict[str, str], column: str, reason: str
) -> None:
    problems = _problems(kind, store, tmp_path, **cells)
    assert [problem.column for problem in problems] == [column]
    assert reason in problems[0].reason


def test_every_wrong_cell_of_a_row_is_named_at_once(store: Store, tmp_path: Path) -> None:
    problems = _problems(FileKind.OFFICERS, store, tmp_path, family_name="", ssn="1", date_of_birth="x")
    assert [problem.column for problem in problems] == ["family_name", "date_of_birth", "ssn"]


def test_attack_a_reason_repeats_the_personal_details_of_a_row(store: Store, tmp_path: Path) -> None:
    secret = "zq91-secret"
    for kind in FileKind:
        for column in COLUMNS[kind]:
            for problem in _problems(kind, store, tmp_path, **{column: secret}):
                assert secret not in str(problem)


def test_a_row_with_too_few_or_too_many_cells_is_rejected_alone_and_kept_whole(store: Store, tmp_path: Path) -> None:
    content = _csv(FileKind.OFFICERS, OFFICER) + b"A-2,Hale\nA-3,Boyd,Ann,,,,1980-01-01,,,,,more,and more\n"
    report = _load(store, tmp_path, content)
    assert report.tally() == Tally(new=1, rejected=2)
    assert [rejection.row.line for rejection in report.rejections] == [3, 4]
    kept = report.rejects_files[0].read_text(encoding="utf-8-sig")
    assert ",A-2,Hale\n" in kept
    assert kept.endswith(",A-3,Boyd,Ann,,,,'1980-01-01,,,,,more,and more\n")


def test_lines_are_counted_as_an_editor_counts_them_though_cells_break_lines(store: Store, tmp_path: Path) -> None:
    long = {**CONDUCT, "summary": "One.\nTwo.\nThree."}
    wrong = {**CONDUCT, "record_key": "R-2", "kind": "rumor"}
    content = _csv(FileKind.CONDUCT, long, wrong)
    report = _load(store, tmp_path, content, _csv(FileKind.OFFICERS, OFFICER))
    assert [rejection.row.line for rejection in report.rejections] == [5]
    assert content.decode().splitlines()[4].startswith("A-1,R-2,rumor")


def test_two_rows_about_one_thing_that_disagree_leave_the_first(store: Store, tmp_path: Path) -> None:
    other = {**OFFICER, "given_name": "Denise"}
    report = _load(store, tmp_path, _csv(FileKind.OFFICERS, OFFICER, OFFICER), _csv(FileKind.OFFICERS, other))
    assert report.tally() == Tally(new=1, same=1, rejected=1)
    assert str(report.rejections[0].problems[0]) == ("officer_key is that of line 2 of file0.csv, which says otherwise")
    officer = store.officers.by_key("A-1")
    assert officer is not None
    assert officer.person.names[0].given == "Dennis"


@pytest.mark.parametrize(
    ("kind", "otherwise"),
    [
        (FileKind.OFFICERS, {"given_name": "Denise"}),
        (FileKind.EMPLOYMENT, {"rank": "Chief"}),
        (FileKind.CONDUCT, {"summary": "Otherwise."}),
    ],
)
def test_rows_that_disagree_leave_the_first_however_often_the_file_comes(
    store: Store, tmp_path: Path, kind: FileKind, otherwise: dict[str, str]
) -> None:
    files = {each: _csv(each, row) for each, row in BASE.items()}
    files[kind] = _csv(kind, BASE[kind], {**BASE[kind], **otherwise})
    once = _load(store, tmp_path, *files.values())
    assert once.tally() == Tally(new=3, rejected=1)
    again = _load(store, tmp_path, *files.values())
    assert again.tally() == Tally(same=3, rejected=1)


def test_attack_a_held_record_is_given_to_another_officer(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, *_three())
    second = _csv(FileKind.OFFICERS, {**OFFICER, "officer_key": "A-2"})
    report = _load(store, tmp_path, second, _csv(FileKind.CONDUCT, {**CONDUCT, "officer_key": "A-2"}))
    assert report.tally(FileKind.CONDUCT) == Tally(rejected=1)
    owned = store.conduct.by_key("R-1")
    assert owned is not None
    assert owned.officer_key == "A-1"


# Again, changed, mended.


def test_importing_the_same_files_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, *_three())
    before = store.officers.by_key("A-1")
    report = _load(store, tmp_path, *_three())
    assert report.tally() == Tally(same=3)
    assert store.officers.by_key("A-1") == before
    assert len(store.conduct.history("R-1")) == 1
    newest = store.imports.newest(1)[0]
    assert (newest.rows, newest.imported, newest.unchanged, newest.rejected) == (3, 0, 3, 0)


def test_a_changed_record_is_a_new_version_and_the_former_one_stays(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, *_three())
    report = _load(store, tmp_path, *_three(conduct={"appeal": "overturned", "status": "corrected"}))
    assert report.tally(FileKind.CONDUCT) == Tally(changed=1)
    assert (report.shareable, report.withheld, report.missing) == (0, 1, {Want.APPEAL: 1})
    first, second = store.conduct.history("R-1")
    assert (first.version, first.status, first.fair_process.appeal) == (1, "active", "none")
    assert (second.version, second.status, second.fair_process.appeal) == (2, "corrected", "overturned")
    owned = store.conduct.by_key("R-1")
    assert owned is not None
    assert owned.record == second


def test_a_changed_officer_is_due_for_new_tokens_and_an_unchanged_one_is_not(store: Store, tmp_path: Path) -> None:
    second = {**OFFICER, "officer_key": "A-2", "ssn": "912345678"}
    _load(store, tmp_path, _csv(FileKind.OFFICERS, OFFICER, second))
    for held in store.officers.people(store.officers.dirty(10)):
        store._database.run("UPDATE officers SET tokenized_version = person_version WHERE id = ?", (held.officer_id,))
    changed = {**second, "ssn": "912-34-5679"}
    assert _load(store, tmp_path, _csv(FileKind.OFFICERS, OFFICER, changed)).tally() == Tally(changed=1, same=1)
    officer = store.officers.by_key("A-2")
    assert officer is not None
    assert (officer.person.ssn, officer.person_version) == ("912345679", 2)
    assert store.officers.dirty(10) == [officer.id]


def test_an_employment_that_has_ended_meanwhile_takes_the_former_entrys_place(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, *_three())
    ended = {"separated_on": "2012-05-18", "separation_kind": "resigned_in_lieu", "under_investigation": "yes"}
    assert _load(store, tmp_path, *_three(employment=ended)).tally(FileKind.EMPLOYMENT) == Tally(changed=1)
    officer = store.officers.by_key("A-1")
    assert officer is not None
    (job,) = officer.employment
    assert (job.separation_kind, job.under_investigation) == (SeparationKind.RESIGNED_IN_LIEU, True)


def test_a_rejects_file_that_was_mended_is_imported_as_it_is(store: Store, tmp_path: Path) -> None:
    wrong = {**OFFICER, "officer_key": "A-2", "date_of_birth": "1979-02-30", "other_names": "HALE, ANN"}
    report = _load(store, tmp_path, _csv(FileKind.OFFICERS, OFFICER, wrong))
    (path,) = report.rejects_files
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["reject_line"], row["reject_column"]) == ("3", "date_of_birth")
    assert row["reject_reason"] == "date_of_birth is a date that does not exist"
    mended = path.read_bytes().replace(b"1979-02-30", b"1979-02-28")
    assert _load(store, tmp_path, mended).tally() == Tally(new=1)
    assert store.officers.by_key("A-2") is not None


def test_a_rejects_file_that_somebody_mends_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    content = _csv(FileKind.OFFICERS, {**OFFICER, "ssn": "1"})
    (first,) = _load(store, tmp_path, content).rejects_files
    assert _load(store, tmp_path, content).rejects_files == (first,)
    first.write_bytes(first.read_bytes() + b"half mended")
    (second,) = _load(store, tmp_path, content).rejects_files
    assert second != first
    assert first.read_bytes().endswith(b"half mended")
    (again,) = canonical(Source.of_path(second))
    assert COLUMNS[FileKind.OFFICERS] == again.table.header[len(REJECT_COLUMNS) :]


def test_what_cannot_be_kept_for_mending_is_not_imported_either(store: Store, tmp_path: Path) -> None:
    (tmp_path / "rejects").write_text("a file where the folder should be")
    with pytest.raises(IntakeError, match="nothing was imported"):
        _load(store, tmp_path, _csv(FileKind.OFFICERS, OFFICER, {**OFFICER, "ssn": "1"}))
    assert store.officers.count() == 0


def test_an_import_is_entered_in_the_audit_log_without_personal_details(store: Store, tmp_path: Path) -> None:
    _load(store, tmp_path, *_three())
    (entry,) = store.audit.newest(5)
    assert (entry.event, entry.subject) == ("import", "batch 1")
    assert entry.detail == "rows 3, imported 3, unchanged 0, rejected 0"
    assert [file.kind for file in store.imports.newest(1)[0].files] == ["conduct", "employment", "officers"]


# Whatever comes.

_CELL = st.sampled_from(
    ["", " ", "yes", "1979-02-28", "2262-04-11", "A-1", "A-2", "R-1", "held", "active", "x", '"', ","]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(list(FileKind)), st.lists(_CELL, min_size=1, max_size=19)), max_size=8))
def test_whatever_the_rows_are_the_sums_agree(
    store: Store, tmp_path: Path, rows: list[tuple[FileKind, list[str]]]
) -> None:
    contents = []
    for kind in FileKind:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS[kind])
        writer.writerows(cells for row_kind, cells in rows if row_kind is kind)
        writer.writerow([BASE[kind].get(column, "") for column in COLUMNS[kind]])
        contents.append(text.getvalue().encode())
    report = _load(store, tmp_path, *contents)
    expected = sum(1 for _, cells in rows if any(cell.strip() for cell in cells)) + 3
    tally = report.tally()
    assert tally.rows == expected == tally.new + tally.changed + tally.same + tally.rejected
    assert tally.rejected == len(report.rejections)
    assert report.tally(FileKind.CONDUCT).accepted == report.shareable + report.withheld


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(_TEXT, min_size=1, max_size=14), max_size=4))
def test_a_rejects_file_gives_back_every_cell_as_it_was(tmp_path: Path, rows: list[list[str]]) -> None:
    header = COLUMNS[FileKind.OFFICERS]
    telling = [cells for cells in rows if any(map(str.strip, cells)) and (len(cells) <= len(header) or cells[-1])]
    sources = [SourceRow(line, tuple(cells)) for line, cells in enumerate(telling, start=2)]
    file = RejectsFile(tmp_path / "rejects", "officers.csv", header)
    for source in sources:
        file.add(Rejection("officers.csv", source, (Problem("ssn", "is wrong"),)))
    path = file.keep()
    again = (
        [] if path is None else [row.cells for reader in canonical(Source.of_path(path)) for row in reader.table.rows()]
    )
    skip = len(REJECT_COLUMNS)
    assert [tuple(map(unguarded, cells[skip:])) for cells in again] == [source.cells for source in sources]


# The guide.


def test_the_guide_names_every_column_and_every_word() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
    words = {column for columns in COLUMNS.values() for column in columns} | set(REJECT_COLUMNS)
    for vocabulary in (Appeal, CertificationAction, ConductKind, ForceOutcome, ForceType, Hearing, RecordStatus):
        words |= set(vocabulary)
    words |= set(SeparationKind)
    assert sorted(word for word in words if f"`{word}`" not in guide) == []
