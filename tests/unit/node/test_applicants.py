"""What of an applicant's authorization leaves the node: the hub reads the reference, so it must name nobody."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pytest

from waypost.node.applicants import names_person
from waypost.node.cli.applicant import Authorization, authorization_of, names_of, numbers_of, person_of
from waypost.node.cli.check import Why, tell_authorizations
from waypost.node.cli.people_file import read_people
from waypost.node.errors import CheckError
from waypost.node.persons import Identifier, PartialDate, Person, PersonName

TODAY = date(2026, 11, 26)
APPLICANT = Person(
    (PersonName("O'Thornbury-Reyes", "Isolde"), PersonName("Núñez", "Isolde", kind="former")),
    PartialDate.parse("1988-03-14"),
    ssn="912345678",
    identifiers=(Identifier("cert", "NV", "P-40718"),),
)


def test_a_file_named_after_the_applicant_sends_its_digest_and_not_its_name(tmp_path: Path) -> None:
    path = tmp_path / "Thornbury_Isolde_1988.pdf"
    path.write_bytes(b"signed")
    taken = authorization_of(str(path), "hiring")
    assert taken.digest == hashlib.sha256(b"signed").digest()
    assert taken.reference == f"file {taken.digest.hex()[:16]}"
    assert taken.words() == f"authorization: file {path}, sha256 {taken.digest.hex()}"


@pytest.mark.parametrize("mistyped", ["authorization.pdf", "scans/kate", "./A-1", "Signed.TIFF", "C:\\a\\consent.docx"])
def test_a_path_where_no_file_is_does_not_pass_for_a_reference(mistyped: str) -> None:
    with pytest.raises(CheckError, match="there is no file") as refused:
        authorization_of(mistyped, "hiring")
    assert "correct its path, or give your reference" in str(refused.value.hint)


def test_what_is_taken_as_authorization_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "consent.pdf"
    path.write_bytes(b"signed")
    tell_authorizations([Why("hiring", "HP-2026.12", "BG-7")])
    tell_authorizations([Why("hiring", str(path), "BG-7"), Why("hiring", "A-1", "BG-7"), Why("hiring", "A-1", "BG-7")])
    tell_authorizations([Why("certification", "", "BG-7")])
    told = "authorization: reference 'HP-2026.12'\nauthorizations: files 1, references 1\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    "reference", ["HP-2026 Thornbury", "isolde_7", "Reyes", "NUNEZ-1", "case 1988-03-14", "P 40718", "912-34-5678"]
)
def test_a_reference_that_names_the_applicant_is_refused(reference: str) -> None:
    assert names_person(reference, APPLICANT)
    with pytest.raises(CheckError, match="the hub reads it"):
        Why("hiring", reference, "BG-7").inquiry(APPLICANT)


@pytest.mark.parametrize("reference", ["HP-2026-0142", "A-1", "file 14a5", "O-7", "1988-3"])
def test_a_file_number_is_a_reference(reference: str) -> None:
    assert Why("hiring", reference, "BG-7").inquiry(APPLICANT).authorization_reference == reference


def test_a_class_is_checked_under_one_reference_even_if_somebody_in_it_bears_that_name() -> None:
    assert Why("hiring", "Thornbury class", "BG-7", shared=True).inquiry(APPLICANT, "digest", 1).row == 1


@pytest.mark.parametrize("lacking", ["", "  "])
def test_whoever_asks_for_hiring_or_for_the_officer_himself_shows_what_that_person_signed(lacking: str) -> None:
    with pytest.raises(CheckError, match="the applicant's signed authorization"):
        authorization_of(lacking, "hiring")
    with pytest.raises(CheckError, match="the request that the officer signed himself"):
        authorization_of(lacking, "self")
    assert authorization_of(lacking, "certification") == Authorization()


def test_a_reference_too_long_for_a_file_name_is_refused_in_words() -> None:
    with pytest.raises(CheckError, match="at most 100"):
        authorization_of("x" * 5000, "hiring")


@pytest.mark.parametrize(
    ("family", "other", "cert", "told"),
    [
        ("123", [], [], "family name holds no letter"),
        ("Thornbury\x07", [], [], "family name holds a control character"),
        ("Thornbury", ["77, 88"], [], "family name holds no letter"),
        ("Thornbury", [], ["NV:" + "9" * 5000], "cert number is empty, longer than"),
    ],
)
def test_a_detail_that_is_none_is_named_with_its_field(
    family: str, other: list[str], cert: list[str], told: str
) -> None:
    with pytest.raises(CheckError, match=told):
        person_of(names_of(family, "Isolde", "", "", other), "", "", numbers_of(cert, []), today=TODAY)


def test_a_batch_file_with_an_open_quotation_mark_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_text('family_name,given_name\n"' + "x" * 140_000, encoding="utf-8")
    with pytest.raises(CheckError, match="is no CSV"):
        read_people(path)


def test_an_empty_batch_file_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(b"")
    with pytest.raises(CheckError, match="lacks a column"):
        read_people(path)


def _asked(names: tuple[PersonName, ...], born: str, numbers: tuple[Identifier, ...] = ()) -> Person:
    return person_of(names, born, "", numbers, today=TODAY)


KATE = (PersonName("Delacroix", "Kate"),)


@pytest.mark.parametrize(
    ("name", "born", "told"),
    [
        (PersonName("Delacroix", "Kate"), "", "names alone cannot be looked up; give --dob, --cert or --ssn-prompt"),
        (PersonName("Delacroix", "Kate", "M"), "", "names alone cannot be looked up"),
        (PersonName("\u674e", "Wei"), "1988-03-14", "names alone cannot be looked up"),
        (PersonName("Smith", "John"), "1988", "too many people bear that name"),
        (PersonName("Smith", "John", "Michael"), "", "too many people bear that name"),
    ],
    ids=["names", "names-and-initial", "no-latin-letter", "common-name-and-year", "common-three-names"],
)
def test_who_could_not_be_found_anywhere_is_not_asked_about(name: PersonName, born: str, told: str) -> None:
    with pytest.raises(CheckError, match=told):
        _asked((name,), born)


def test_a_year_of_birth_or_a_number_beside_the_name_is_enough() -> None:
    assert _asked(KATE, "1988").date_of_birth.year == 1988
    assert _asked(KATE, "", numbers_of(["NV:P40718"], [])).identifiers
    assert _asked((PersonName("Smith", "John"),), "1988-03-14").date_of_birth.full


def test_a_row_of_names_alone_refuses_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_text(
        "family_name,given_name,date_of_birth\nLarkin,Dennis,1979-02-28\nDelacroix,Kate,\n", encoding="utf-8"
    )
    file = read_people(path)
    assert list(file.good) == [1]
    assert str(file.rejected[0]).startswith("row 2 (line 3): names alone cannot be looked up")


@pytest.mark.parametrize("born", ["2088-03-14", "2026-11-27", "2013-01-01", "2088", "1888-03-14"])
def test_a_date_of_birth_that_no_applicant_can_have_is_refused(born: str, tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="date of birth makes the person younger than 16 or older than 110"):
        _asked(KATE, born)
    path = tmp_path / "class.csv"
    path.write_text(f"family_name,given_name,date_of_birth\nDelacroix,Kate,{born}\n", encoding="utf-8")
    assert "row 1 (line 2): date_of_birth makes the person younger" in str(read_people(path).rejected[0])
