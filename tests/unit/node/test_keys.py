"""Match keys: the vectors of the scheme list, what each side gives, and what two spellings have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from waypost.node.keys import SCHEMES, SCHEMES_VERSION, Side, match_inputs
from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.weighing import Verdict, weigh
from waypost.protocol.limits import CHECK_TOKENS

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "match-keys.json").read_text())
BORN = PartialDate(1988, 3, 14)
ANNE = Person((PersonName("Delacroix", "Katherine", "Anne"),), BORN)


def person_of(fields: dict[str, Any]) -> Person:
    return Person(
        names=tuple(PersonName(*name) for name in fields["names"]),
        date_of_birth=PartialDate.parse(fields["date_of_birth"]),
        ssn=fields.get("ssn", ""),
        ssn_last4=fields.get("ssn_last4", ""),
        identifiers=tuple(Identifier(*identifier) for identifier in fields.get("identifiers", [])),
    )


def shown(person: Person, side: Side) -> list[str]:
    """Keys as the vector file writes them: the separator is a bar."""
    return [key.value.replace(b"\x1f", b"|").decode("ascii") for key in match_inputs(person, side=side)]


def agreeing(record: Person, applicant: Person) -> set[str]:
    """Schemes in which the two agree."""
    held = set(match_inputs(record, side="record"))
    return {key.scheme for key in match_inputs(applicant, side="applicant") if key in held}


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["about"])
def test_keys_are_those_of_the_vector_file(vector: dict[str, Any]) -> None:
    person = person_of(vector["person"])
    assert shown(person, "record") == vector["record"]
    assert shown(person, "applicant") == vector["applicant"]


def test_the_vector_file_is_of_this_version_and_shows_every_scheme() -> None:
    assert VECTORS["version"] == SCHEMES_VERSION
    given = {
        key.split("|")[2] for vector in VECTORS["vectors"] for side in ("record", "applicant") for key in vector[side]
    }
    assert given == set(SCHEMES)


@pytest.mark.parametrize(
    ("wrong", "scheme"),
    [
        ({"family": "Delacriox"}, "family-head"),  # exchanged in the last third
        ({"family": "Delcroix"}, "family-ends"),  # left out: one letter shorter
        ({"family": "Dellacroix"}, "family-ends"),  # doubled: one letter longer
        ({"family": "Velacroix"}, "family-tail"),
        ({"given": "Katheryne"}, "family-ends"),  # sounds alike
        ({"given": "Kathxrine"}, "given-ends"),
        ({"given": "Kahterine"}, "given-tail"),  # exchanged across a cut
        ({"family": "Delacorix"}, "family-head"),  # the same
        ({"given": "Kate"}, "name-date"),
        ({"family": "Whitfield"}, "given-middle-dob"),
    ],
)
def test_one_error_leaves_a_scheme_that_agrees(wrong: dict[str, str], scheme: str) -> None:
    assert scheme in agreeing(ANNE, replace(ANNE, names=(replace(ANNE.names[0], **wrong),)))


@pytest.mark.parametrize(
    ("born", "scheme"),
    [
        (PartialDate(1988, 3, 15), "name-ym"),
        (PartialDate(1988, 4, 14), "name-yd"),
        (PartialDate(1989, 3, 14), "name-md"),
    ],
)
def test_a_slip_in_the_date_leaves_a_scheme_that_agrees(born: PartialDate, scheme: str) -> None:
    assert scheme in agreeing(ANNE, replace(ANNE, date_of_birth=born))


def test_day_and_month_may_be_swapped() -> None:
    record = replace(ANNE, date_of_birth=PartialDate(1988, 3, 4))
    assert "name-date" in agreeing(record, replace(ANNE, date_of_birth=PartialDate(1988, 4, 3)))


def test_former_names_and_parts_of_compound_names_agree() -> None:
    married = Person((PersonName("Whitfield-Stone", "Kate"), PersonName("Delacroix", "Kate")), BORN)
    assert "family-head" in agreeing(ANNE, married)
    assert "family-head" in agreeing(replace(ANNE, names=(PersonName("Stone", "Katherine"),)), married)


def test_an_applicant_whose_names_stand_in_each_others_place_agrees_and_contradicts_no_marker() -> None:
    record = replace(ANNE, ssn="912345678")
    swapped = replace(ANNE, names=(PersonName("Katherine", "Delacroix"),))
    everything = {"name-date", "no-middle", "no-ssn", "family-head", "family-tail", "family-ends"}
    assert agreeing(record, swapped) == everything
    assert weigh(record, everything).verdict is Verdict.DISCLOSE
    other_middle = replace(ANNE, names=(PersonName("Katherine", "Delacroix", "Ruth"),))
    assert "no-middle" not in agreeing(record, other_middle)


def test_markers_tell_what_the_applicant_did_not_give() -> None:
    record = replace(ANNE, ssn="912345678")
    bare = Person((PersonName("Delacroix", "Katherine"),), BORN)
    assert {"no-middle", "no-ssn"} <= agreeing(record, bare)
    assert agreeing(record, replace(ANNE, ssn="987654320")).isdisjoint({"no-middle", "no-ssn", "ssn", "ssn4-given-dob"})


def test_the_last_four_digits_count_only_where_one_side_has_no_more() -> None:
    part, whole = replace(ANNE, ssn_last4="5678"), replace(ANNE, ssn="912345678")
    other = replace(ANNE, ssn="922225678")
    assert "ssn4-given-dob" in agreeing(part, whole)
    assert "ssn4-given-dob" in agreeing(whole, part)
    assert "ssn4-given-dob" in agreeing(part, part)
    assert "ssn4-given-dob" not in agreeing(whole, other)


def test_numbers_agree_as_they_are_written_by_hand() -> None:
    record = replace(ANNE, identifiers=(Identifier("cert", "NV", "P-0040718"),))
    written = replace(ANNE, identifiers=(Identifier("cert", "nv", "p0040718"),))
    assert {"cert-given", "cert-family", "cert-year"} <= agreeing(record, written)


def test_an_applicant_with_many_names_keeps_the_keys_of_most_use() -> None:
    names = tuple(PersonName(f"{family}-Stone", "Chris", "Lee") for family in ("Adams", "Baker", "Clark", "Dixon"))
    many = Person(names, BORN, ssn="912345678", identifiers=(Identifier("cert", "NV", "P40718"),))
    keys = match_inputs(many, side="applicant")
    assert len(keys) == CHECK_TOKENS
    assert {"ssn", "cert-given", "cert-family", "cert-year", "name-date"} <= {key.scheme for key in keys}
    # Each name is still found by its record, whatever was cut.
    for name in names:
        assert "name-date" in agreeing(Person((name,), BORN), many)


def test_a_person_of_a_name_alone_has_keys_for_referrals_only() -> None:
    nobody = Person((PersonName("Delacroix", "Katherine", "Anne"),))
    assert {key.scheme for key in match_inputs(nobody, side="record")} == {"name-middle"}


def test_names_in_other_letters_or_without_a_given_name_do_no_harm() -> None:
    for name in (PersonName("Ōe", ""), PersonName("王", "小明"), PersonName("O'Neil-de la Cruz", "J", "Q")):
        assert isinstance(match_inputs(Person((name,), BORN), side="applicant"), tuple)
