"""Conduct records: a stable id, versions that never change, and the officer each belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from waypost.node.records import (
    Appeal,
    CertificationAction,
    ConductKind,
    ConductRecord,
    FairProcess,
    ForceOutcome,
    ForceType,
    Hearing,
    RecordStatus,
)
from waypost.node.statements import Dispute, Statement
from waypost.node.store.cipher import CONDUCT_DIGEST, ColumnCipher
from waypost.node.store.database import NodeDatabase, Row
from waypost.node.store.values import day_or_none, in_parts, iso, marks

EXPUNGED: Final = "expunged"
"""Stands where a status would, of a record whose versions are gone."""


@dataclass(frozen=True, slots=True)
class OfficerConduct:
    """A conduct record with the officer it belongs to."""

    officer_id: int
    officer_key: str
    record: ConductRecord


@dataclass(frozen=True, slots=True)
class HeldConduct:
    """What is known of a record without reading it: whose it is, its version, and the digest of its content.

    `standing` is its status, or "expunged"; `by_hand` says that no import made the newest version, `undone` that
    the undo of an import did.
    """

    officer_id: int
    version: int
    digest: bytes
    standing: str = ""
    by_hand: bool = False
    undone: bool = False


class ConductRepository:
    """All conduct records."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def digest(self, record: ConductRecord) -> bytes:
        """Equal for records of equal content, whatever their versions; 16 bytes."""
        content = "\x1f".join(map(str, _values(record)))
        return self._cipher.digest(CONDUCT_DIGEST, content.encode())

    def held(self) -> dict[str, HeldConduct]:
        """Every record, by record_key."""
        return _held(self._db.rows(f"SELECT {_HELD} FROM conduct {_HELD_JOINS}"))

    def owner_of(self, record_key: str) -> int | None:
        """The officer that the record is about, even when it is expunged."""
        row = self._db.row("SELECT officer_id FROM conduct WHERE record_key = ?", (record_key,))
        return row[0] if row else None

    def held_among(self, record_keys: Sequence[str]) -> dict[str, HeldConduct]:
        """Those of these records that are held, by record_key."""
        sql = f"SELECT {_HELD} FROM json_each(?) CROSS JOIN conduct ON record_key = value {_HELD_JOINS}"
        return _held(self._db.rows(sql, (json.dumps(record_keys),)))

    def put(self, records: Iterable[tuple[int, ConductRecord]], import_id: int | None) -> None:
        """Add records (officer id, record in its next version); earlier versions stay. No import: changed by hand."""
        with self._db.writing():
            batch = tuple(records)
            self._db.run_many(
                "INSERT INTO conduct (record_key, officer_id, version, digest) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (record_key) DO UPDATE SET version = excluded.version, digest = excluded.digest",
                ((record.record_key, officer, record.version, self.digest(record)) for officer, record in batch),
            )
            self._db.run_many(
                f"INSERT INTO conduct_versions (conduct_id, version, import_id, {_COLUMNS}) SELECT id, ?, ?, "
                "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM conduct WHERE record_key = ?",
                ((record.version, import_id, *_values(record), record.record_key) for _, record in batch),
            )

    def of_officers(self, officer_ids: Sequence[int]) -> list[OfficerConduct]:
        """The records of these officers in their newest versions, by date of effect."""
        found: list[OfficerConduct] = []
        for part in in_parts(officer_ids):
            where = f"WHERE conduct.officer_id IN ({marks(part)}) ORDER BY effective_on, record_key"
            found.extend(_officer_conduct(row) for row in self._db.rows(f"{_NEWEST} {where}", part))
        return found

    def all(self) -> Iterator[OfficerConduct]:
        """Every record in its newest version, by officer_key and record_key."""
        return (_officer_conduct(row) for row in self._db.rows(f"{_NEWEST} ORDER BY officer_key, record_key"))

    def by_key(self, record_key: str) -> OfficerConduct | None:
        """The record of that key in its newest version."""
        row = self._db.row(f"{_NEWEST} WHERE record_key = ?", (record_key,))
        return _officer_conduct(row) if row else None

    def history(self, record_key: str) -> tuple[ConductRecord, ...]:
        """All versions of a record, oldest first; empty when there is no such record."""
        sql = (
            f"SELECT record_key, conduct_versions.version, {_COLUMNS} FROM conduct_versions "
            "JOIN conduct ON conduct.id = conduct_id WHERE record_key = ? ORDER BY conduct_versions.version"
        )
        return tuple(_record(*row) for row in self._db.rows(sql, (record_key,)))

    def unannounced(self) -> list[OfficerConduct]:
        """Records whose newest version was not announced yet (announcing.py)."""
        sql = (
            f"{_NEWEST} WHERE NOT EXISTS (SELECT 1 FROM announced WHERE announced.conduct_id = conduct.id "
            "AND announced.version = conduct.version) ORDER BY conduct.id"
        )
        return [_officer_conduct(row) for row in self._db.rows(sql)]

    def version_count(self) -> int:
        """How many versions of records there are: changes whenever a record does."""
        return self._db.number("SELECT count(*) FROM conduct_versions")

    def mark_announced(self, records: Iterable[ConductRecord]) -> None:
        """These versions are announced."""
        self._db.run_many(
            "INSERT OR IGNORE INTO announced (conduct_id, version) SELECT id, ? FROM conduct WHERE record_key = ?",
            ((record.version, record.record_key) for record in records),
        )

    def count(self) -> int:
        """How many records there are, versions not counted."""
        return self._db.number("SELECT count(*) FROM conduct")


_COLUMNS = (
    "kind, occurred_on, effective_on, summary, force_type, force_outcome, amount_cents, authority, notice_on, hearing, "
    "decided_by, decided_on, appeal, final_on, told_on, status"
)
_SAID = (
    "(SELECT text FROM statements WHERE statements.conduct_id = conduct.id ORDER BY statements.id DESC LIMIT 1), "
    "(SELECT given_on FROM statements WHERE statements.conduct_id = conduct.id ORDER BY statements.id DESC LIMIT 1), "
    "(SELECT opened_on FROM disputes WHERE disputes.conduct_id = conduct.id AND resolved_on = '')"
)
"""The officer's present statement and open dispute, as `_officer_conduct` reads them."""
_NEWEST = (
    f"SELECT conduct.officer_id, officer_key, record_key, conduct.version, {_COLUMNS}, {_SAID} FROM conduct "
    "JOIN conduct_versions ON conduct_id = conduct.id AND conduct_versions.version = conduct.version "
    "JOIN officers ON officers.id = conduct.officer_id"
)


_HELD = "record_key, officer_id, conduct.version, digest, status, conduct_versions.import_id, undoes"
_HELD_JOINS = (
    "LEFT JOIN conduct_versions ON conduct_id = conduct.id AND conduct_versions.version = conduct.version "
    "LEFT JOIN batches ON batches.import_id = conduct_versions.import_id"
)


def _held(rows: Iterable[Row]) -> dict[str, HeldConduct]:
    return {
        key: HeldConduct(officer_id, version, digest, status or EXPUNGED, import_id is None, undoes is not None)
        for key, officer_id, version, digest, status, import_id, undoes in rows
    }


def _values(record: ConductRecord) -> tuple[object, ...]:
    facts = record.fair_process
    return (
        *(record.kind, iso(record.occurred_on), iso(record.effective_on), record.summary),
        *(record.force_type or "", record.force_outcome or "", record.amount_cents, record.authority),
        *(iso(facts.notice_on), facts.hearing or "", facts.decided_by, iso(facts.decided_on)),
        *(facts.appeal or "", iso(facts.final_on), iso(facts.told_on), record.status),
    )


def _officer_conduct(row: Row) -> OfficerConduct:
    officer_id, officer_key, *content, text, given_on, opened_on = row
    record = replace(
        _record(*content),
        statement=Statement(text, date.fromisoformat(given_on)) if text else None,
        dispute=Dispute(date.fromisoformat(opened_on)) if opened_on else None,
    )
    return OfficerConduct(officer_id, officer_key, record)


def _record(
    record_key: str,
    version: int,
    kind: str,
    occurred_on: str,
    effective_on: str,
    summary: str,
    force_type: str,
    force_outcome: str,
    amount_cents: int,
    authority: str,
    *process: str,
) -> ConductRecord:
    outcome = CertificationAction if kind == ConductKind.DECERTIFICATION else ForceOutcome
    return ConductRecord(
        record_key=record_key,
        version=version,
        kind=ConductKind(kind),
        occurred_on=day_or_none(occurred_on),
        effective_on=day_or_none(effective_on),
        summary=summary,
        force_type=ForceType(force_type) if force_type else None,
        force_outcome=outcome(force_outcome) if force_outcome else None,
        amount_cents=amount_cents,
        authority=authority,
        fair_process=_fair_process(*process[:-1]),
        status=RecordStatus(process[-1]),
    )


def _fair_process(
    notice_on: str, hearing: str, decided_by: str, decided_on: str, appeal: str, final_on: str, told_on: str
) -> FairProcess:
    return FairProcess(
        notice_on=day_or_none(notice_on),
        hearing=Hearing(hearing) if hearing else None,
        decided_by=decided_by,
        decided_on=day_or_none(decided_on),
        appeal=Appeal(appeal) if appeal else None,
        final_on=day_or_none(final_on),
        told_on=day_or_none(told_on),
    )
