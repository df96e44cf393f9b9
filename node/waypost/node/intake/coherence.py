"""What one row says several times: wide rows, and rows of several people, may name a thing again.

1. Said again in the same words, it counts once.
2. Said otherwise, the row is rejected, for nobody can tell which is right. A profile may say that an officer's names
   differ (`Repeated.ALIAS`): then the other name becomes an alias, if the two can be one person.
3. A record is of one officer: a key that two officers of the row share would make it the second one's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from waypost.node.intake.cells import Problem
from waypost.node.intake.identity import joined
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.rows import ConductRow, EmploymentRow, OfficerRow, Row


def coherent(parts: tuple[Row, ...], repeated: Repeated) -> tuple[Row, ...] | Problem:
    """Each thing once, in the order in which the row names them; or why the row cannot be right."""
    if len(parts) == 1:
        return parts
    said: dict[Hashable, Row] = {}
    for part in parts:
        thing = _thing(part)
        known = said.setdefault(thing, part)
        if known == part:
            continue
        other = _joined(known, part) if repeated is Repeated.ALIAS else None
        if other is None:
            return _problem(known, part)
        said[thing] = other
    return tuple(said.values())


def _thing(part: Row) -> Hashable:
    if isinstance(part, OfficerRow):
        return "officer", part.officer_key
    if isinstance(part, EmploymentRow):
        return "job", part.officer_key, part.value.ori, part.value.hired_on
    return "record", part.value.record_key


def _joined(known: Row, part: Row) -> Row | None:
    """Rule 2."""
    if not isinstance(known, OfficerRow) or not isinstance(part, OfficerRow):
        return None
    person = joined(known.value, part.value)
    return None if person is None else OfficerRow(known.officer_key, person)


def _problem(known: Row, part: Row) -> Problem:
    if isinstance(part, ConductRow):
        return _ANOTHERS if known.officer_key != part.officer_key else _RECORD_TWICE
    return _OFFICER_TWICE if isinstance(part, OfficerRow) else _JOB_TWICE


_OFFICER_TWICE: Final = Problem("officer_key", "is that of two people of this row, or of one whom it describes twice")
_JOB_TWICE: Final = Problem("hired_on", "is that of two employments of this row at one agency that say otherwise")
_RECORD_TWICE: Final = Problem("record_key", "is that of two records of this row that say otherwise")
_ANOTHERS: Final = Problem("record_key", "is that of two officers of this row: make it of the case and the officer")
