"""The asker's comparison: what confirms a candidate, and what never does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from waypost.node.matching import Agreement, Comparison, Confidence, score
from waypost.node.persons import Identifier, PartialDate, Person, PersonName

BORN = PartialDate(1988, 3, 14)
RARE = Person((PersonName("Delacroix", "Katherine", "Anne"),), BORN)
COMMON = Person((PersonName("Smith", "Michael"),), BORN)
NUMBER = Identifier("cert", "NV", "P-40718")


def agreement(comparison: Comparison, field: str) -> Agreement:
    (found,) = (each.agreement for each in comparison.fields if each.field == field)
    return found


def named(person: Person, family: str, given: str) -> Person:
    return replace(person, names=(replace(person.names[0], family=family, given=given),))


def test_a_rare_name_with_its_middle_name_and_date_is_confirmed() -> None:
    assert score(RARE, RARE).confidence is Confidence.CONFIRMED


def test_a_common_name_and_date_are_not_confirmed_but_with_a_number_they_are() -> None:
    assert score(COMMON, COMMON).confidence is Confidence.PROBABLE
    numbered = replace(COMMON, identifiers=(NUMBER,))
    assert score(numbered, numbered).confidence is Confidence.CONFIRMED


@pytest.mark.parametrize("other", [replace(NUMBER, value="P-40719"), replace(NUMBER, value="Q-1")])
def test_a_number_that_contradicts_never_lets_a_name_be_confirmed(other: Identifier) -> None:
    held, given = replace(RARE, identifiers=(NUMBER,)), replace(RARE, identifiers=(other,))
    assert score(given, held).confidence is not Confidence.CONFIRMED


def test_names_in_each_others_place_are_similar_and_so_never_confirmed_by_name_alone() -> None:
    swapped = named(RARE, "Katherine", "Delacroix")
    for applicant, record in ((swapped, RARE), (RARE, swapped)):
        comparison = score(applicant, record)
        assert agreement(comparison, "family name") is Agreement.SIMILAR
        assert agreement(comparison, "given name") is Agreement.SIMILAR
        assert comparison.confidence is Confidence.PROBABLE


def test_another_persons_names_are_not_taken_for_swapped() -> None:
    comparison = score(named(RARE, "Katherine", "Whitfield"), RARE)
    assert agreement(comparison, "family name") is Agreement.DIFFERENT
    assert comparison.confidence is Confidence.POSSIBLE
