"""A file of applicants asked twice: gone on with where it stopped, and a new screening when it is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties import commands

from waypost.node import asking
from waypost.node.cli.batch import RESUME_MS, Reasons, asked_before, inquiry_of, read_applicants
from waypost.node.cli.check import Why
from waypost.node.errors import CheckError
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.store import Store

NOW = 1_790_000_000_000
FILE = "a" * 32
WHY = Why("hiring", "CLASS-2026", "BG-7")
FOR_ALL = {2: WHY, 3: WHY}
APPLICANT = Person((PersonName("Larkin", "Dennis"),), PartialDate(1979, 2, 28))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(range(32))) as opened:
        yield opened


def ask(store: Store, row: int, why: Why = WHY, digest: str = FILE) -> bytes:
    check = asking.new_check(why.inquiry(APPLICANT, digest, row), NOW)
    store.checks.add(check)
    return check.id


def test_rows_that_were_asked_are_gone_on_with(store: Store) -> None:
    asked = {row: ask(store, row) for row in (2, 3)}
    assert asked_before(store, FILE, FOR_ALL, NOW + RESUME_MS) == asked


def test_the_same_file_later_is_a_new_screening(store: Store) -> None:
    ask(store, 2)
    assert asked_before(store, FILE, FOR_ALL, NOW + RESUME_MS + 1) == {}


@pytest.mark.parametrize("why", [Why("hiring", "CLASS-2027", "BG-7"), Why("certification", "CLASS-2026", "BG-7")])
def test_another_authorization_or_purpose_is_a_new_screening(store: Store, why: Why) -> None:
    ask(store, 2)
    assert asked_before(store, FILE, {2: why}, NOW) == {}


def test_another_file_is_a_new_screening(store: Store) -> None:
    ask(store, 2, digest="b" * 32)
    assert asked_before(store, FILE, FOR_ALL, NOW) == {}


def test_a_check_that_failed_is_made_again(store: Store) -> None:
    check = asking.new_check(WHY.inquiry(APPLICANT, FILE, 2), NOW)
    store.checks.add(replace(check, state=asking.FAILED, reason="refused"))
    assert asked_before(store, FILE, FOR_ALL, NOW) == {}


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
    digest, rows = read_applicants(path)
    reasons = Reasons("hiring", "CLASS-2026", "BG-7").by_row(rows)
    assert [reasons[row].reference for row in rows] == ["HP-17", "CLASS-2026", "HP-18"]
    asked = {row: ask(store, row, reasons[row], digest) for row in (1, 2)}
    assert asked_before(store, digest, reasons, NOW) == asked
    other = Reasons("hiring", "CLASS-2027", "BG-7").by_row(rows)
    assert asked_before(store, digest, other, NOW) == {1: asked[1]}


def test_a_row_without_any_authorization_is_named(tmp_path: Path) -> None:
    _, rows = read_applicants(
        file_of(
            tmp_path,
            "family_name,given_name,date_of_birth,authorization",
            "Larkin,Dennis,1979-02-28,A-1",
            "Ott,Jo,1981-03-04,",
        )
    )
    with pytest.raises(CheckError, match="row 2: a hiring check needs"):
        Reasons("hiring", "", "BG-7").by_row(rows)


def test_attack_a_rows_reference_that_names_the_applicant_does_not_reach_the_hub(tmp_path: Path) -> None:
    digest, rows = read_applicants(
        file_of(tmp_path, "family_name,given_name,date_of_birth,authorization", "Larkin,Dennis,1979-02-28,larkin-7")
    )
    why = Reasons("hiring", "", "BG-7").by_row(rows)[1]
    with pytest.raises(CheckError, match="row 1: the reference to the authorization names the applicant"):
        inquiry_of(why, rows[1], digest, 1)


@pytest.mark.parametrize(("header", "told"), [("cert_numbr", "cert_numbr"), ("", "without a name")])
def test_a_column_that_nobody_reads_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, told: str
) -> None:
    read_applicants(
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
        read_applicants(file_of(tmp_path, "family_name,given_name,date_of_birth,date_of_birth", "Larkin,Dennis,,"))


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="no such file or directory"):
        read_applicants(tmp_path / "absent.csv")


def test_a_batch_refuses_details_of_one_applicant_that_it_would_leave_unread(tmp_path: Path) -> None:
    said = ("--batch", "class.csv", "--purpose", "hiring", "--by", "BG-7", "--family", "Larkin")
    done = commands.run("waypost-node", "check", *said, home=tmp_path)
    assert done.returncode == 2
    assert "--batch takes all applicants from its file" in " ".join(done.stderr.replace("│", " ").split())
