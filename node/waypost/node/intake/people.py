"""The person of a row of officers.

1. The legal name has a family and a given name. Other names are written "FAMILY, GIVEN [MIDDLE]", separated by ";".
2. A date of birth is whole, or a year, or a year and a month, or empty (public lists have no more); it makes the person
   between 16 and 110 years old.
3. A social security number has nine digits, written together or AAA-GG-SSSS; or the last four alone. A placeholder
   (all digits alike, or 123456789) would make strangers one person.
4. A certification number stands with its state, a postal code.
5. An officer id is the national one, or written ISSUER:NUMBER.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from waypost.node.errors import RecordError
from waypost.node.intake.cells import Cells
from waypost.node.limits import NAME_CHARS_MAX, OTHER_NAMES_MAX
from waypost.node.persons import Identifier, PartialDate, Person, PersonName, require_age
from waypost.node.records import OFFICER_ID_ISSUER
from waypost.protocol.states import STATES

_BORN: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_SSN: Final = re.compile(r"([0-9]{3})-?([0-9]{2})-?([0-9]{4})|([0-9]{4})")
_PLACEHOLDERS: Final = frozenset({"123456789", "987654321"})
_OTHER_NAME_CHARS_MAX: Final = 4 * NAME_CHARS_MAX
_OTHER_NAME: Final = re.compile(r"([^,]+),\s*(\S+)(?:\s+([^,]+))?")


def read_person(cells: Cells) -> Person | None:
    """The person, or None when something is wrong with any cell of the row; the cells' problems say what."""
    family, given = _name(cells, "family_name", required=True), _name(cells, "given_name", required=True)
    middle, suffix = _name(cells, "middle_name"), _name(cells, "suffix")
    others = _other_names(cells)
    born = _date_of_birth(cells)
    ssn, ssn_last4 = _ssn(cells)
    identifiers = _identifiers(cells)
    if cells.problems:
        return None
    legal = PersonName(family=family, given=given, middle=middle, suffix=suffix, kind="legal")
    return Person(names=(legal, *others), date_of_birth=born, ssn=ssn, ssn_last4=ssn_last4, identifiers=identifiers)


def _name(cells: Cells, column: str, *, required: bool = False) -> str:
    name = cells.text(column, required=required)
    if len(name) > NAME_CHARS_MAX:
        cells.refuse(column, f"is longer than {NAME_CHARS_MAX} characters")
    elif name and not any(char.isalpha() for char in name):
        cells.refuse(column, "holds no letter")
    else:
        return name
    return ""


def _other_names(cells: Cells) -> tuple[PersonName, ...]:
    """Rule 1."""
    column = "other_names"
    parts = [part.strip() for part in cells.text(column).split(";")]
    names = []
    for part in filter(None, parts):
        if len(part) > _OTHER_NAME_CHARS_MAX:  # reading it takes the square of its length
            cells.refuse(column, f"has a name longer than {NAME_CHARS_MAX} characters")
            return ()
        written = _OTHER_NAME.fullmatch(part)
        if written is None or not part.replace(",", "").replace(" ", "").isprintable():
            cells.refuse(column, "has a name that is not written FAMILY, GIVEN [MIDDLE] (several are separated by ;)")
            return ()
        family, given, middle = (piece.strip() if piece else "" for piece in written.groups())
        if max(map(len, (family, given, middle))) > NAME_CHARS_MAX:
            cells.refuse(column, f"has a name longer than {NAME_CHARS_MAX} characters")
            return ()
        names.append(PersonName(family=family, given=given, middle=middle, suffix="", kind="alias"))
    if len(names) > OTHER_NAMES_MAX:
        cells.refuse(column, f"has more than {OTHER_NAMES_MAX} names")
        return ()
    return tuple(names)


def _date_of_birth(cells: Cells) -> PartialDate:
    """Rule 2."""
    column = "date_of_birth"
    text = cells.text(column)
    if not text:
        return PartialDate()
    written = _BORN.fullmatch(text)
    if written is None:
        cells.refuse(column, "is not a date written YYYY-MM-DD (or YYYY-MM or YYYY, where no more is known)")
        return PartialDate()
    year, month, day = (int(part) if part else None for part in written.groups())
    try:
        date(year or 0, 1 if month is None else month, 1 if day is None else day)
    except ValueError:
        cells.refuse(column, "is a date that does not exist")
        return PartialDate()
    born = PartialDate(year, month, day)
    try:
        require_age(born, cells.today)
    except RecordError as error:
        cells.refuse(column, str(error))
        return PartialDate()
    return born


def _ssn(cells: Cells) -> tuple[str, str]:
    """Rule 3: the whole number and the last four digits, one of them empty."""
    text = cells.text("ssn")
    if not text:
        return "", ""
    written = _SSN.fullmatch(text)
    if written is None:
        cells.refuse("ssn", "has not nine digits (AAA-GG-SSSS or AAAGGSSSS), nor the last four alone")
        return "", ""
    area, group, serial, last4 = written.groups()
    if last4 is not None:
        return "", last4
    number = area + group + serial
    if len(set(number)) == 1 or number in _PLACEHOLDERS:
        cells.refuse("ssn", "is a placeholder, not a number: leave it empty when it is not known")
        return "", ""
    return number, ""


def _identifiers(cells: Cells) -> tuple[Identifier, ...]:
    """Rules 4 and 5."""
    state, number, officer_id = cells.text("cert_state").upper(), cells.key("cert_number"), cells.key("officer_id")
    if state and state not in STATES:
        cells.refuse("cert_state", "is not the postal code of a state or territory")
    if number and not state:
        cells.refuse("cert_state", "is empty although there is a certification number")
    if state and not number:
        cells.refuse("cert_number", "is empty although its state is given")
    if cells.problems:
        return ()
    numbers = [Identifier("cert", state, number)] if number else []
    if officer_id:
        issuer, colon, given = (part.strip() for part in officer_id.partition(":"))
        numbers.append(Identifier("officer-id", issuer, given) if colon else _national(officer_id))
    return tuple(numbers)


def _national(officer_id: str) -> Identifier:
    return Identifier("officer-id", OFFICER_ID_ISSUER, officer_id)
