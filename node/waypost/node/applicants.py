"""What a check is about, as the asking node keeps it: the applicant's details, and why they are asked."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.v1 import check_pb2

PURPOSES = {
    "hiring": check_pb2.PURPOSE_HIRING,
    "certification": check_pb2.PURPOSE_CERTIFICATION,
    "self": check_pb2.PURPOSE_SELF,
}
_TELLING_DIGITS = 5
"""A number shorter than this is in too many file numbers to tell anything."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """An applicant, and the facts that every check is logged with. `row` is his line in a batch file, or 0."""

    person: Person
    purpose: str
    authorization_reference: str
    authorization_digest: bytes
    staff: str
    batch: str = ""
    row: int = 0

    def to_json(self) -> str:
        """The inquiry as it is stored (encrypted by the store)."""
        person = self.person
        return json.dumps(
            {
                "names": [[n.family, n.given, n.middle, n.suffix, n.kind] for n in person.names],
                "date_of_birth": str(person.date_of_birth),
                "ssn": person.ssn,
                "ssn_last4": person.ssn_last4,
                "identifiers": [[i.kind, i.issuer, i.value] for i in person.identifiers],
                "purpose": self.purpose,
                "authorization_reference": self.authorization_reference,
                "authorization_digest": self.authorization_digest.hex(),
                "staff": self.staff,
                "batch": self.batch,
                "row": self.row,
            }
        )


def inquiry_from_json(text: str) -> Inquiry:
    """The inquiry that `to_json` gave."""
    content = json.loads(text)
    person = Person(
        names=tuple(PersonName(*name) for name in content["names"]),
        date_of_birth=PartialDate.parse(content["date_of_birth"]),
        ssn=content["ssn"],
        ssn_last4=content["ssn_last4"],
        identifiers=tuple(Identifier(*identifier) for identifier in content["identifiers"]),
    )
    return Inquiry(
        person,
        content["purpose"],
        content["authorization_reference"],
        bytes.fromhex(content["authorization_digest"]),
        content["staff"],
        content["batch"],
        content["row"],
    )


def names_person(reference: str, person: Person) -> bool:
    """Whether a reference, which travels in the clear, holds a word of the person's names or one of his numbers."""
    words = {word for name in person.names for part in (name.family, name.given) for word in _words(part)}
    if any(word in _words(reference) for word in words if len(word) > 1):
        return True
    born = str(person.date_of_birth) if person.date_of_birth.full else ""
    numbers = (_plain(number) for number in (person.ssn, born, *(entry.value for entry in person.identifiers)))
    return any(len(number) >= _TELLING_DIGITS and number in _plain(reference) for number in numbers)


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.casefold())


def _words(text: str) -> frozenset[str]:
    folded = unicodedata.normalize("NFKD", text).casefold()
    return frozenset(re.findall(r"[^\W\d_]+", "".join(char for char in folded if not unicodedata.combining(char))))
