"""Synthetic officers: as rows of canonical files, and as the applicants they may become. No real person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from waypost.node.persons import Identifier, PartialDate, Person, PersonName

Row = Mapping[str, str]


def officer(key: str, family: str, given: str, born: str, **more: str) -> dict[str, str]:
    """A row of an officers file."""
    return {"officer_key": key, "family_name": family, "given_name": given, "date_of_birth": born, **more}


def record(officer_key: str, record_key: str, summary: str, **more: str) -> dict[str, str]:
    """A row of a conduct file: a suspension with all the fair process that section 3(b) asks for."""
    facts = {
        "kind": "suspension",
        "occurred_on": "2019-05-05",
        "effective_on": "2019-07-17",
        "authority": "Silver Mesa Police Department",
        "notice_on": "2019-06-07",
        "hearing": "held",
        "decided_by": "Disciplinary Board",
        "decided_on": "2019-07-17",
        "appeal": "none",
        "final_on": "2019-08-31",
        "told_on": "2019-09-05",
        "status": "active",
    }
    return {"officer_key": officer_key, "record_key": record_key, "summary": summary, **facts, **more}


def applicant(row: Row) -> Person:
    """The person of an officers row, as an investigator writes him down."""
    number = row.get("cert_number", "")
    return Person(
        names=(PersonName(row["family_name"], row["given_name"], row.get("middle_name", "")),),
        date_of_birth=PartialDate.parse(row["date_of_birth"]),
        ssn=row.get("ssn", ""),
        identifiers=(Identifier("cert", row["cert_state"], number),) if number else (),
    )


HELD: Final = officer(
    "NV-1",
    "Vandermolen",
    "Roderick",
    "1979-04-23",
    middle_name="Quillon",
    ssn="912345678",
    cert_state="NV",
    cert_number="P77001",
)
"""Held by the holder of a federation under test, with one record."""

HELD_RECORD: Final = record("NV-1", "SM-2019-04", "Left the scene of a pursuit without a report.")

UNKNOWN: Final = officer("--", "Zabriskie", "Thaddeus", "1984-11-30", ssn="987654321")
"""Held by nobody."""

OTHERS: Final = (officer("OR-1", "Haldane", "Winifred", "1971-02-14", cert_state="OR", cert_number="P55002"),)
"""Held by a bystander."""
