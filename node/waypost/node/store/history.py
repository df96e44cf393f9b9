"""What officers, employments and records were before, and which batch wrote each of their versions.

The database writes the history of officers and employments by itself (triggers in schema.py); records have versions of
their own. A chain is one thing's versions, oldest first, each with its writer: an import, or None for a change by hand.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.records import Employment
from waypost.node.store.cipher import SSN, ColumnCipher
from waypost.node.store.database import NodeDatabase, Row
from waypost.node.store.employment import COLUMNS, EmploymentKey, OfficerEmployment, employment_of
from waypost.node.store.values import in_parts, marks


@dataclass(frozen=True, slots=True)
class Step:
    """A version in a chain. `place` is 0 for the present one, else the history's row, or the record's version."""

    writer: int | None
    place: int


Chain = tuple[Step, ...]


class HistoryRepository:
    """All chains. Those of one batch are of the things that it wrote and that were written more than once."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def officer_chains(self, import_id: int) -> dict[int, Chain]:
        """By officer id; officers whom this batch brought, and nobody has changed since, are left out."""
        return {key[0]: chain for key, chain in _chains(self._db.rows(_OFFICER_CHAINS, (import_id,) * 2)).items()}

    def employment_chains(self, import_id: int) -> dict[EmploymentKey, Chain]:
        """By employment; those which this batch brought, and nobody has changed since, are left out."""
        found = _chains(self._db.rows(_EMPLOYMENT_CHAINS, (import_id,) * 2))
        return {(key[0], key[1], key[2]): chain for key, chain in found.items()}

    def conduct_chains(self, import_id: int) -> dict[str, Chain]:
        """By record key; of all records that this batch wrote."""
        return {key[0]: chain for key, chain in _chains(self._db.rows(_CONDUCT_CHAINS, (import_id,))).items()}

    def chain_of_employment(self, key: EmploymentKey) -> Chain:
        """One employment's chain."""
        sql = (
            "SELECT id, import_id FROM employment_history WHERE (officer_id, ori, hired_on) = (?, ?, ?) "
            "UNION ALL SELECT 0, import_id FROM employment WHERE (officer_id, ori, hired_on) = (?, ?, ?)"
        )
        return _in_order(Step(writer, place) for place, writer in self._db.rows(sql, (*key, *key)))

    def chain_of_record(self, record_key: str) -> Chain:
        """One record's chain."""
        sql = (
            "SELECT conduct_versions.version, import_id FROM conduct_versions JOIN conduct ON conduct.id = conduct_id "
            "WHERE record_key = ?"
        )
        return _in_order(Step(writer, place) for place, writer in self._db.rows(sql, (record_key,)))

    def untouched_officers(self, import_id: int) -> list[tuple[int, str]]:
        """Id and key of every officer whom this batch brought, and whom nobody has changed since."""
        sql = f"SELECT id, officer_key FROM officers WHERE import_id = ? AND {_NEVER_CHANGED}"
        return [(row[0], row[1]) for row in self._db.rows(sql, (import_id,))]

    def untouched_employments(self, import_id: int) -> int:
        """How many employments this batch brought that nobody has changed since."""
        return self._db.number(f"SELECT count(*) FROM employment WHERE {_UNTOUCHED}", (import_id,))

    def withdraw_untouched(self, import_id: int, undo_id: int) -> None:
        """Withdraw all those officers and employments."""
        with self._db.writing():
            self._db.run(f"{_WITHDRAW_OFFICERS} WHERE import_id = ? AND {_NEVER_CHANGED}", (undo_id, import_id))
            self._db.run(f"{_MARK_EMPLOYMENT} WHERE {_UNTOUCHED}", (undo_id, import_id))
            self._db.run("DELETE FROM employment WHERE digest = X''")

    def withdraw_officer(self, officer_id: int, undo_id: int) -> None:
        """Withdraw one officer."""
        self._db.run(f"{_WITHDRAW_OFFICERS} WHERE id = ?", (undo_id, officer_id))

    def withdraw_employment(self, key: EmploymentKey, undo_id: int) -> None:
        """Withdraw one employment; its history says by which undo."""
        with self._db.writing():
            self._db.run(f"{_MARK_EMPLOYMENT} WHERE (officer_id, ori, hired_on) = (?, ?, ?)", (undo_id, *key))
            self._db.run("DELETE FROM employment WHERE (officer_id, ori, hired_on) = (?, ?, ?)", key)

    def person(self, place: int) -> Person:
        """The details in that row of the officers' history."""
        sql = "SELECT date_of_birth, ssn_box, names, identifiers FROM officer_history WHERE id = ?"
        row = self._db.row(sql, (place,))
        assert row is not None  # noqa: S101 - a place comes from a chain, and history is never deleted
        born, box, names, identifiers = row
        number = "" if box is None else self._cipher.open(SSN, box).decode()
        whole = len(number) == _SSN_DIGITS
        return Person(
            names=tuple(PersonName(*name) for name in json.loads(names)),
            date_of_birth=PartialDate.parse(born),
            ssn=number if whole else "",
            ssn_last4="" if whole else number,
            identifiers=tuple(Identifier(*identifier) for identifier in json.loads(identifiers)),
        )

    def employment(self, place: int) -> OfficerEmployment:
        """The employment in that row of its history."""
        row = self._db.row(f"SELECT officer_id, {COLUMNS} FROM employment_history WHERE id = ?", (place,))
        assert row is not None  # noqa: S101 - as above
        return OfficerEmployment(row[0], employment_of(*row[1:]))

    def former_employments(self, officer_id: int) -> list[Employment]:
        """What was said of this officer's employments before, oldest first; withdrawals are left out."""
        sql = f"SELECT {COLUMNS} FROM employment_history WHERE officer_id = ? AND digest <> X'' ORDER BY id"
        return [employment_of(*row) for row in self._db.rows(sql, (officer_id,))]

    def former_people(self, officer_id: int) -> list[Person]:
        """What was said of this officer's person before, oldest first; withdrawals are left out."""
        sql = "SELECT id FROM officer_history WHERE officer_id = ? AND digest <> X'' ORDER BY id"
        return [self.person(row[0]) for row in self._db.rows(sql, (officer_id,))]

    def employments_of_others(self, officer_ids: Sequence[int], import_id: int) -> list[EmploymentKey]:
        """Employments of these officers that were last written by another batch."""
        found: list[EmploymentKey] = []
        for part in in_parts(officer_ids):
            where = f"WHERE officer_id IN ({marks(part)}) AND import_id <> ?"
            rows = self._db.rows(f"SELECT officer_id, ori, hired_on FROM employment {where}", (*part, import_id))
            found.extend((row[0], row[1], row[2]) for row in rows)
        return found

    def records_of_others(self, officer_ids: Sequence[int], import_id: int) -> list[str]:
        """Keys of the records of these officers that were last written by another batch, or by hand."""
        found: list[str] = []
        for part in in_parts(officer_ids):
            where = f"WHERE officer_id IN ({marks(part)}) AND import_id IS NOT ?"
            found.extend(row[0] for row in self._db.rows(f"{_NEWEST_WRITERS} {where}", (*part, import_id)))
        return found

    def officer_keys(self, officer_ids: Sequence[int]) -> dict[int, str]:
        """The keys of these officers, withdrawn ones included."""
        keys: dict[int, str] = {}
        for part in in_parts(officer_ids):
            keys.update(self._db.rows(f"SELECT id, officer_key FROM officers WHERE id IN ({marks(part)})", part))
        return keys

    def merged(self, import_id: int) -> list[int]:
        """Officers of this batch's writing, now or before, who are merged with others."""
        return [row[0] for row in self._db.rows(_MERGED, (import_id, import_id))]


def _chains(rows: Iterable[Row]) -> dict[tuple[Any, ...], Chain]:
    """Rows of (key..., place, writer)."""
    steps: dict[tuple[Any, ...], list[Step]] = defaultdict(list)
    for *key, place, writer in rows:
        steps[tuple(key)].append(Step(writer, place))
    return {key: _in_order(chain) for key, chain in steps.items()}


def _in_order(steps: Iterable[Step]) -> Chain:
    return tuple(sorted(steps, key=lambda step: (step.place == 0, step.place)))


_SSN_DIGITS = 9
_NEVER_CHANGED = "digest <> X'' AND id NOT IN (SELECT officer_id FROM officer_history)"
_UNTOUCHED = (
    "import_id = ? AND NOT EXISTS (SELECT 1 FROM employment_history AS former "
    "WHERE (former.officer_id, former.ori, former.hired_on) "
    "= (employment.officer_id, employment.ori, employment.hired_on))"
)
_WITHDRAW_OFFICERS = "UPDATE officers SET digest = X'', import_id = ?, person_version = person_version + 1"
_MARK_EMPLOYMENT = "UPDATE employment SET digest = X'', import_id = ?"
_OFFICER_CHAINS = (
    "WITH written AS (SELECT officer_id AS id FROM officer_history WHERE import_id = ? "
    "UNION SELECT id FROM officers WHERE import_id = ? AND id IN (SELECT officer_id FROM officer_history)) "
    "SELECT officer_id, id, import_id FROM officer_history WHERE officer_id IN (SELECT id FROM written) "
    "AND (digest <> X'' OR import_id IN (SELECT import_id FROM batches WHERE undoes IS NOT NULL)) "  # not an erasure
    "UNION ALL SELECT id, 0, import_id FROM officers WHERE id IN (SELECT id FROM written)"
)
_KEY = "officer_id, ori, hired_on"
_EMPLOYMENT_CHAINS = (
    f"WITH written AS (SELECT {_KEY} FROM employment_history WHERE import_id = ? "
    f"UNION SELECT {_KEY} FROM employment WHERE import_id = ? "
    f"AND ({_KEY}) IN (SELECT {_KEY} FROM employment_history)) "
    f"SELECT {_KEY}, id, import_id FROM employment_history WHERE ({_KEY}) IN (SELECT {_KEY} FROM written) "
    f"UNION ALL SELECT {_KEY}, 0, import_id FROM employment WHERE ({_KEY}) IN (SELECT {_KEY} FROM written)"
)
_CONDUCT_CHAINS = (
    "SELECT record_key, conduct_versions.version, import_id FROM conduct_versions "
    "JOIN conduct ON conduct.id = conduct_id "
    "WHERE conduct_id IN (SELECT conduct_id FROM conduct_versions WHERE import_id = ?)"
)
_NEWEST_WRITERS = (
    "SELECT record_key FROM conduct JOIN conduct_versions "
    "ON conduct_id = conduct.id AND conduct_versions.version = conduct.version"
)
_MERGED = (
    "SELECT id FROM officers WHERE (merged_into IS NOT NULL OR id IN "
    "(SELECT merged_into FROM officers WHERE merged_into IS NOT NULL)) "
    "AND (import_id = ? OR id IN (SELECT officer_id FROM officer_history WHERE import_id = ?))"
)
