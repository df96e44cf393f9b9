"""A file of applicants asked twice: gone on with where it stopped, and a new screening when it is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties import commands

from waypost.node import asking
from waypost.node.applicants import Inquiry
from waypost.node.cli.batch import RESUME_MS, asked_before
from waypost.node.cli.check import Why
from waypost.node.cli.people_file import Reasons, read_people
from waypost.node.errors import CheckError
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.store import Store

NOW = 1_790_000_000_000
FILE = "a" * 32
WHY = Why("hiring", "CLASS-2026", "BG-7")
APPLICANT = Person((PersonName("Larkin", "Dennis"),), PartialDate(1979, 2, 28))
ANOTHER = Person((PersonName("Ott", "Jo"),), PartialDate(1981, 3, 4))


def inquiries(why: Why = WHY, digest: str = FILE) -> dict[int, Inquiry]:
    return {row: why.inquiry(person, digest, row) for row, person in ((2, APPLICANT), (3, ANOTHER))}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(range(32))) as opened:
        yield opened


def ask(store: Store, inquiry: Inquiry) -> bytes:
    check = asking.new_check(inquiry, NOW)
    store.checks.add(check)
    return check.id


def test_rows_that_were_asked_are_gone_on_with(store: Store) -> None:
    asked = {row: ask(store, inquiry) for row, inquiry in inquiries().items()}
    assert asked_before(store, inquiries(), NOW + RESUME_MS) == asked


def test_the_same_file_later_is_a_new_screening(store: Store) -> None:
    ask(store, inquiries()[2])
    assert asked_before(store, inquiries(), NOW + RESUME_MS + 1) == {}


@pytest.mark.parametrize("why", [Why("hiring", "CLASS-2027", "BG-7"), Why("certification", "CLASS-2026", "BG-7")])
def test_another_authorization_or_purpose_is_a_new_screening(store: Store, why: Why) -> None:
    ask(store, inquiries()[2])
    assert asked_before(store, inquiries(why), NOW) == {}


def test_a_corrected_file_goes_on_with_those_who_were_asked_in_whichever_row(store: Store) -> None:
    asked = ask(store, inquiries()[2])
    corrected = {1: WHY.inquiry(ANOTHER, "b" * 32, 1), 5: WHY.inquiry(APPLICANT, "b" * 32, 5)}
    assert asked_before(store, corrected, NOW) == {5: asked}


def test_a_check_of_one_applicant_is_none_of_a_batch(store: Store) -> None:
    ask(store, WHY.inquiry(APPLICANT))
    assert asked_before(store, inquiries(), NOW) == {}


def test_a_check_that_failed_is_made_again(store: Store) -> None:
    check = asking.new_check(inquiries()[2], NOW)
    store.checks.add(replace(check, state=asking.FAILED, reason="refused"))
    assert asked_before(store, inquiries(), NOW) == {}


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "class.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_each_row_is_asked_under_its_own_authorization_and_the_others_under_that_of_the_command(
    tmp_path: Path, store: Store
) -> None:
    path = file_of(
        tmp_path,
        "family_name,given_name,date_of_birth,authorization",
        "Larkin,Dennis,1979-02-28,HP-17",
        "Bader,Ruth,1980-01-02,",
        "Ott,Jo,1981-03-04,HP-18",
    )
    rows = Reasons("hiring", "CLASS-2026", "BG-7").inquiries(read_people(path)).by_row
    assert [inquiry.authorization_reference for inquiry in rows.values()] == ["HP-17", "CLASS-2026", "HP-18"]
    asked = {row: ask(store, rows[row]) for row in (1, 2)}
    assert asked_before(store, rows, NOW) == asked
    other = Reasons("hiring", "CLASS-2027", "BG-7").inquiries(read_people(path)).by_row
    assert asked_before(store, other, NOW) == {1: asked[1]}


def test_bad_rows_are_told_with_their_lines_and_keep_no_other_from_being_asked(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        "family_name,given_name,date_of_birth,note,authorization",
        "Larkin,Dennis,1979-02-28,,A-1",
        'Bader,Ruth,1980-01-02,"Bader,\nRuth Ann",A-2',
        "",
        "Ott,Jo,1981-02-30,,A-3",
        "Ott,Jo,1981-02-28",
        "Delacroix,Kate,,,A-4",
        "Wren,Ada,1981-03-04,,",
        "Wren,Ada,1981-03-04,,ada-wren-7",
        "Wren,Ada,1981-03-04,,missing.pdf",
        "Last,Good,1981-03-04,,A-5",
    )
    file = read_people(path)
    found = Reasons("hiring", "", "BG-7").inquiries(file)
    assert list(found.by_row) == [1, 2, 10]
    assert [(each.row, each.line) for each in found.rejected] == [(4, 6), (5, 7), (6, 8), (7, 9), (8, 10), (9, 11)]
    for each, words in zip(
        found.rejected,
        (
            "date_of_birth is a date that does not exist",
            "has 3 cells, not 5",
            "names alone cannot be looked up",
            "a hiring check needs",
            "the reference to the authorization names the applicant",
            "there is no file",
        ),
        strict=True,
    ):
        assert words in each.reason
        assert "Ott" not in each.reason
    assert found.rows == file.rows == len(found.by_row) + len(found.rejected)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Reasons("hiring", "", "BG-7"), "a hiring check needs"),
        (Reasons("hiring", "no/such.pdf", "BG-7"), "there is no file"),
        (Reasons("sport", "A-1", "BG-7"), "no purpose"),
        (Reasons("hiring", "A-1", ""), "--by is"),
    ],
)
def test_what_the_command_says_wrongly_for_all_is_said_once_and_refuses_the_file(
    tmp_path: Path, said: Reasons, words: str
) -> None:
    file = read_people(file_of(tmp_path, "family_name,given_name,date_of_birth", "Larkin,Dennis,1979-02-28"))
    with pytest.raises(CheckError, match=words):
        said.inquiries(file)


@pytest.mark.parametrize(("header", "told"), [("cert_numbr", "cert_numbr"), ("", "without a name")])
def test_a_column_that_nobody_reads_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, told: str
) -> None:
    read_people(
        file_of(
            tmp_path, f"officer_key,family_name,given_name,date_of_birth,{header}", "17,Larkin,Dennis,1979-02-28,18"
        )
    )
    said = capsys.readouterr()
    assert told in said.err.split("Those that are")[0]
    assert "officer_key" not in said.err
    assert not said.out


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="date_of_birth twice"):
        read_people(file_of(tmp_path, "family_name,given_name,date_of_birth,date_of_birth", "Larkin,Dennis,,"))


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="no such file or directory"):
        read_people(tmp_path / "absent.csv")


def test_a_batch_refuses_details_of_one_applicant_that_it_would_leave_unread(tmp_path: Path) -> None:
    said = ("--batch", "class.csv", "--purpose", "hiring", "--by", "BG-7", "--family", "Larkin")
    done = commands.run("waypost-node", "check", *said, home=tmp_path)
    assert done.returncode == 2
    assert "--batch takes all applicants from its file" in " ".join(done.stderr.replace("│", " ").split())
