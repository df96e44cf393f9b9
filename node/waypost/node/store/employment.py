"""Employments by officer. One is known by officer, ORI and hire date; a changed one takes the former's place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from waypost.node.records import Employment, SeparationKind
from waypost.node.store.cipher import EMPLOYMENT_DIGEST, ColumnCipher
from waypost.node.store.database import NodeDatabase
from waypost.node.store.values import day_or_none, in_parts, iso, marks

EmploymentKey = tuple[int, str, str]
"""Officer id, ORI, hire date."""


@dataclass(frozen=True, slots=True)
class OfficerEmployment:
    """An employment with the officer it belongs to."""

    officer_id: int
    employment: Employment

    @property
    def key(self) -> EmploymentKey:
        """What it is known by; its hire date is empty where none is known."""
        return self.officer_id, self.employment.ori, iso(self.employment.hired_on)


class EmploymentRepository:
    """All employments."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def digest(self, employment: Employment) -> bytes:
        """Equal for equal employments; 16 bytes."""
        return self._digest(_values(employment))

    def _digest(self, values: tuple[object, ...]) -> bytes:
        return self._cipher.digest(EMPLOYMENT_DIGEST, "\x1f".join(map(str, values)).encode())

    def held(self) -> dict[EmploymentKey, bytes]:
        """The digest of every employment."""
        rows = self._db.rows("SELECT officer_id, ori, hired_on, digest FROM employment")
        return {(officer_id, ori, hired_on): digest for officer_id, ori, hired_on, digest in rows}

    def held_of(self, officer_ids: Sequence[int]) -> dict[EmploymentKey, bytes]:
        """The digests of the employments of these officers."""
        sql = "SELECT officer_id, ori, hired_on, digest FROM json_each(?) CROSS JOIN employment ON officer_id = value"
        rows = self._db.rows(sql, (json.dumps(officer_ids),))
        return {(officer_id, ori, hired_on): digest for officer_id, ori, hired_on, digest in rows}

    def put(self, employments: Iterable[OfficerEmployment], import_id: int) -> None:
        """Add these, or put them in the place of the former ones."""
        self._db.run_many(
            _PUT,
            (
                (held.officer_id, *values, self._digest(values), import_id)
                for held in employments
                for values in (_values(held.employment),)
            ),
        )

    def of_officers(self, officer_ids: Sequence[int]) -> list[OfficerEmployment]:
        """The employments of these officers, by hire date."""
        found: list[OfficerEmployment] = []
        for part in in_parts(officer_ids):
            where = f"WHERE officer_id IN ({marks(part)}) ORDER BY hired_on, ori"
            sql = f"SELECT officer_id, {COLUMNS} FROM employment {where}"
            found.extend(OfficerEmployment(row[0], employment_of(*row[1:])) for row in self._db.rows(sql, part))
        return found

    def all(self) -> Iterator[OfficerEmployment]:
        """Every employment, by officer and hire date."""
        sql = f"SELECT officer_id, {COLUMNS} FROM employment ORDER BY officer_id, hired_on, ori"
        return (OfficerEmployment(row[0], employment_of(*row[1:])) for row in self._db.rows(sql))

    def count(self) -> int:
        """How many there are."""
        return self._db.number("SELECT count(*) FROM employment")


COLUMNS = "ori, hired_on, rank, sworn, separated_on, separation_kind, under_investigation"
_PUT = (
    f"INSERT INTO employment (officer_id, {COLUMNS}, digest, import_id, version) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT (officer_id, ori, hired_on) DO UPDATE SET "
    "rank = excluded.rank, sworn = excluded.sworn, separated_on = excluded.separated_on, "
    "separation_kind = excluded.separation_kind, under_investigation = excluded.under_investigation, "
    "digest = excluded.digest, import_id = excluded.import_id, version = employment.version + 1"
)


def _values(employment: Employment) -> tuple[object, ...]:
    return (
        *(employment.ori, iso(employment.hired_on), employment.rank, int(employment.sworn)),
        *(iso(employment.separated_on), employment.separation_kind or "", int(employment.under_investigation)),
    )


def employment_of(
    ori: str, hired_on: str, rank: str, sworn: int, separated_on: str, separation_kind: str, under_investigation: int
) -> Employment:
    """The employment that stands in a row of COLUMNS."""
    return Employment(
        ori=ori,
        rank=rank,
        sworn=bool(sworn),
        hired_on=day_or_none(hired_on),
        separated_on=day_or_none(separated_on),
        separation_kind=SeparationKind(separation_kind) if separation_kind else None,
        under_investigation=bool(under_investigation),
    )
