"""The holder's decision: what is disclosed, what is offered as a referral, what is not even mentioned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from waypost.node.keys import SCHEMES, match_inputs
from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.weighing import COUNTRY_OFFICERS, OFFICERS_MIN, Verdict, known_schemes, officers_in_reach, weigh

BORN = PartialDate(1988, 3, 14)
RARE = Person((PersonName("Delacroix", "Katherine", "Anne"),), BORN)
COMMON = Person((PersonName("Smith", "Michael"),), BORN)


def verdict(record: Person, applicant: Person) -> Verdict | None:
    """The holder's verdict, or None when no key agrees, so that he is never asked."""
    held = set(match_inputs(record, side="record"))
    agreeing = {key.scheme for key in match_inputs(applicant, side="applicant") if key in held}
    return weigh(record, agreeing).verdict if agreeing else None


def test_every_scheme_has_a_weight() -> None:
    assert known_schemes() == set(SCHEMES)


@pytest.mark.parametrize(
    "name",
    [
        PersonName("Delacriox", "Kathrine", "Anne"),
        PersonName("Dellacroix", "Kate", "A"),
        PersonName("Delacroix", "Kahterine"),
    ],
)
def test_a_misspelt_rare_name_is_disclosed(name: PersonName) -> None:
    assert verdict(RARE, replace(RARE, names=(name,))) is Verdict.DISCLOSE


def test_a_common_name_and_date_alone_are_a_referral() -> None:
    assert verdict(COMMON, COMMON) is Verdict.REFERRAL


def test_the_fewer_officers_a_federation_has_the_less_it_takes_to_tell_them_apart() -> None:
    agreeing = {key.scheme for key in match_inputs(COMMON, side="record")}
    few, many = (weigh(COMMON, agreeing, officers=officers) for officers in (OFFICERS_MIN, COUNTRY_OFFICERS))
    assert (few.verdict, many.verdict) == (Verdict.DISCLOSE, Verdict.REFERRAL)
    assert many.doubt == pytest.approx(few.doubt * COUNTRY_OFFICERS / OFFICERS_MIN)


@pytest.mark.parametrize(
    ("own", "members", "reached"),
    [(0, 1, OFFICERS_MIN), (40, 6, OFFICERS_MIN), (36_000, 6, 216_000), (36_000, 18_000, COUNTRY_OFFICERS)],
)
def test_officers_in_reach_are_as_many_at_each_member_within_bounds(own: int, members: int, reached: int) -> None:
    assert officers_in_reach(own, members) == reached


def test_a_common_name_with_its_middle_name_is_disclosed() -> None:
    known = replace(COMMON, names=(PersonName("Smith", "Michael", "Leonard"),))
    assert verdict(known, known) is Verdict.DISCLOSE


def test_a_namesake_with_another_middle_name_is_not_disclosed() -> None:
    record = Person((PersonName("Mitchell", "Jason", "Luther"),), BORN)
    namesake = replace(record, names=(PersonName("Mitchell", "Jason", "Robert"),))
    assert verdict(record, record) is Verdict.DISCLOSE
    assert verdict(record, namesake) is not Verdict.DISCLOSE


def test_a_namesake_with_another_ssn_is_not_disclosed() -> None:
    record = Person((PersonName("Mitchell", "Jared"),), BORN, ssn="912345678")
    assert verdict(record, replace(record, ssn="")) is Verdict.DISCLOSE
    assert verdict(record, replace(record, ssn="987654320")) is not Verdict.DISCLOSE


@pytest.mark.parametrize(
    "brother",
    [PersonName("Delacroix", "Robert", "Lee"), PersonName("Delacroix", "Christian", "Anthony")],
)
def test_a_twin_is_not_disclosed(brother: PersonName) -> None:
    assert verdict(RARE, replace(RARE, names=(brother,))) in {None, Verdict.REFERRAL, Verdict.NOTHING}


def test_a_father_of_the_same_name_is_not_disclosed() -> None:
    son = Person((PersonName("Harris", "Robert", "Eric", "Jr"),), BORN)
    father = Person((PersonName("Harris", "Robert", "Eric", "Sr"),), PartialDate(1961, 9, 2))
    assert verdict(father, son) is not Verdict.DISCLOSE


@pytest.mark.parametrize("record", [RARE, COMMON])
def test_a_number_is_enough_whatever_name_and_date_say(record: Person) -> None:
    numbered = replace(record, ssn="912345678")
    married = Person((PersonName("Whitfield", "Xenia"),), PartialDate(1988, 4, 15), ssn="912345678")
    assert verdict(numbered, married) is Verdict.DISCLOSE


@pytest.mark.parametrize("record", [RARE, COMMON])
def test_a_certificate_with_one_more_field_is_enough(record: Person) -> None:
    cert = (Identifier("cert", "NV", "P40718"),)
    numbered = replace(record, identifiers=cert)
    for applicant in (
        Person((PersonName("Whitfield", "Xenia"),), PartialDate(1988, 4, 15), identifiers=cert),
        Person((PersonName(record.names[0].family, "Xenia"),), PartialDate(1987, 4, 15), identifiers=cert),
        Person((PersonName("Whitfield", record.names[0].given),), PartialDate(1987, 4, 15), identifiers=cert),
    ):
        assert verdict(numbered, applicant) is Verdict.DISCLOSE


def test_a_certificate_that_hits_another_officer_by_a_slip_discloses_nothing() -> None:
    cert = (Identifier("cert", "NV", "P40718"),)
    other = Person((PersonName("Whitfield", "Xenia"),), PartialDate(1971, 4, 15), identifiers=cert)
    assert verdict(replace(RARE, identifiers=cert), other) is None


@pytest.mark.parametrize("schemes", [{"name-year"}, {"name-middle"}, {"family-dob"}, {"name-year", "name-middle"}])
def test_what_lacks_date_or_given_name_is_never_disclosed(schemes: set[str]) -> None:
    assert weigh(RARE, schemes).verdict is not Verdict.DISCLOSE
