"""Whether enough is known of an applicant to look him up at all.

1. Without any key nothing is asked: an answer to it would look like a clear.
2. With keys that are too common a holder would answer nothing, even if its officer agreed in all of them; neither is
   that asked. The holders' own weighing decides (weighing.py), over every name that the applicant may be held under.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from waypost.node.errors import CheckError
from waypost.node.given_names import possible_names
from waypost.node.keys import given_letters, match_inputs
from waypost.node.persons import Person
from waypost.node.weighing import Verdict, weigh


def require_enough(person: Person, *, where: str = "", hint: str = "") -> None:
    """CheckError when nobody who holds this very person could answer anything; `where` says which row of a file."""
    agreeing = {key.scheme for key in match_inputs(person, side="applicant")}
    if not agreeing:
        told = "names alone cannot be looked up; give --dob, --cert or --ssn-prompt"
        raise CheckError(
            f"{where}{told}", hint=hint or "a year of birth may lead to a referral; a whole date is better"
        )
    if all(weigh(held, agreeing).verdict is Verdict.NOTHING for held in _as_held(person)):
        told = "too many people bear that name for so little else to find anybody"
        raise CheckError(f"{where}{told}", hint=hint or "give the whole --dob, --cert or --ssn-prompt")


def _as_held(person: Person) -> Iterator[Person]:
    """The person under each of the names that a record may have."""
    for name in person.names:
        word = given_letters(name.given)
        for given in (name.given, *(possible_names(word) if word else ())):
            yield replace(person, names=(replace(name, given=given),))
