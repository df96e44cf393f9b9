"""Whether two rows under one key can be of one person, and what they make together.

1. Rows are of one person when any of these agrees: a family name or a part of it, a given name as it is spoken, the
   whole date of birth, the social security number, another number. Names change, and clerks err, but not in all.
2. A key that comes again with nothing in common was given to two people (badges are given anew, columns slip): the
   second row is rejected, for the first one's records would become the second one's.
3. Joining adds names and numbers, and what one of the two does not know; it never decides which of two dates is right.
4. Where the key is made of names, two middle initials tell two people: nothing but the names says that they are one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from waypost.node.intake.cells import Problem
from waypost.node.keys import family_forms, given_sounds
from waypost.node.limits import OTHER_NAMES_MAX
from waypost.node.persons import Person, PersonName

ANOTHER_PERSON: Final = Problem(
    "officer_key", "is held here for somebody with other names, date of birth and numbers: two people need two keys"
)


OTHER_INITIAL: Final = Problem(
    "officer_key",
    "is made of names, and held for somebody with another middle initial: bring this one in by a file of officers, "
    "under a key of his own",
)


def namesakes(held: Person, other: Person) -> bool:
    """Rule 4."""
    ours = {name.middle[:1].casefold() for name in held.names if name.middle}
    theirs = {name.middle[:1].casefold() for name in other.names if name.middle}
    return bool(ours and theirs) and ours.isdisjoint(theirs)


def same_person(held: Person, other: Person) -> bool:
    """Rule 1."""
    born = held.date_of_birth.full and held.date_of_birth == other.date_of_birth
    numbered = bool(held.ssn and held.ssn == other.ssn) or not set(held.identifiers).isdisjoint(other.identifiers)
    return born or numbered or not (_sounds(held).isdisjoint(_sounds(other)) and _forms(held).isdisjoint(_forms(other)))


def joined(held: Person, other: Person) -> Person | None:
    """The officer with the other's names added; None when they differ in more than names and what one does not know."""
    born = held.date_of_birth if held.date_of_birth.year else other.date_of_birth
    if other.date_of_birth.year and other.date_of_birth != born:
        return None
    if (held.ssn and other.ssn and held.ssn != other.ssn) or not same_person(held, other):
        return None
    known = {_folded(name) for name in held.names}
    added = [replace(name, kind="alias") for name in other.names if _folded(name) not in known]
    numbers = tuple(each for each in other.identifiers if each not in held.identifiers)
    return replace(
        held,
        names=(*held.names, *added)[: OTHER_NAMES_MAX + 1],
        date_of_birth=born,
        ssn=held.ssn or other.ssn,
        ssn_last4=held.ssn_last4 or ("" if held.ssn or other.ssn else other.ssn_last4),
        identifiers=(*held.identifiers, *numbers),
    )


def _forms(person: Person) -> set[str]:
    """Family names; a given name, too, for the two are sometimes written in each other's column."""
    return {form for name in person.names for text in (name.family, name.given) for form in family_forms(text)}


def _sounds(person: Person) -> set[str]:
    return {sound for name in person.names for sound in given_sounds(name.given, "applicant")}


def _folded(name: PersonName) -> tuple[str, ...]:
    return tuple(part.casefold() for part in (name.family, name.given, name.middle, name.suffix))
