"""The books that only grow: which disclosures were made, and what was decided and refused.

The database itself refuses to change or delete an entry (triggers in schema.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from waypost.node.store.chain import extend
from waypost.node.store.database import NodeDatabase, Row


@dataclass(frozen=True, slots=True)
class DisclosedRecord:
    """A conduct record in the version that was disclosed."""

    record_key: str
    version: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One decision about one officer in one answer, entered before the answer leaves."""

    at_ms: int
    check_id: bytes
    asker: str
    """The asking member's ORI."""
    purpose: str
    authorization_digest: bytes
    asker_reference: str
    officer_id: int
    records: tuple[DisclosedRecord, ...]
    policies: tuple[str, ...]
    verdict: str
    answer_digest: bytes


class DisclosureRepository:
    """The disclosure log."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, disclosure: Disclosure) -> int:
        """Enter one, and bind it into the chain (chain.py); its number."""
        with self._db.writing():
            number = self._insert(disclosure)
            extend(self._db, number)
        return number

    def _insert(self, disclosure: Disclosure) -> int:
        records = json.dumps([[record.record_key, record.version] for record in disclosure.records])
        return self._db.insert(
            f"INSERT INTO disclosures ({_DISCLOSURE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(disclosure.at_ms, disclosure.check_id, disclosure.asker, disclosure.purpose),
                *(disclosure.authorization_digest, disclosure.asker_reference, disclosure.officer_id),
                *(records, json.dumps(disclosure.policies), disclosure.verdict, disclosure.answer_digest),
            ),
        )

    def all(self) -> Iterator[Disclosure]:
        """Every entry, oldest first."""
        return (_disclosure(row) for row in self._db.rows(f"SELECT {_DISCLOSURE_COLUMNS} FROM disclosures ORDER BY id"))

    def of_officer(self, officer_id: int) -> Iterator[Disclosure]:
        """Every entry about one officer, oldest first; of merged ones, each has his own."""
        sql = f"SELECT {_DISCLOSURE_COLUMNS} FROM disclosures WHERE officer_id = ? ORDER BY id"
        return (_disclosure(row) for row in self._db.rows(sql, (officer_id,)))

    def of_record(self, officer_ids: Sequence[int], record_key: str) -> list[Disclosure]:
        """Every entry about these officers, who are or were one person, in which that record went out; oldest first."""
        return [
            entry
            for officer_id in sorted(set(officer_ids))
            for entry in self.of_officer(officer_id)
            if any(record.record_key == record_key for record in entry.records)
        ]

    def of_answer(self, answer_digest: bytes) -> Iterator[Disclosure]:
        """Every entry whose message has that digest: an answer, a notice, or a decision on a referral."""
        sql = f"SELECT {_DISCLOSURE_COLUMNS} FROM disclosures WHERE answer_digest = ? ORDER BY id"
        return (_disclosure(row) for row in self._db.rows(sql, (answer_digest,)))

    def of_check(self, check_id: bytes) -> Iterator[Disclosure]:
        """Every entry that one check caused."""
        sql = f"SELECT {_DISCLOSURE_COLUMNS} FROM disclosures WHERE check_id = ? ORDER BY id"
        return (_disclosure(row) for row in self._db.rows(sql, (check_id,)))


_DISCLOSURE_COLUMNS = (
    "at_ms, check_id, asker, purpose, authorization_digest, asker_reference, officer_id, records, policies, verdict, "
    "answer_digest"
)


def _disclosure(row: Row) -> Disclosure:
    at_ms, check_id, asker, purpose, authorization, reference, officer_id, records, policies, verdict, answer = row
    return Disclosure(
        at_ms=at_ms,
        check_id=check_id,
        asker=asker,
        purpose=purpose,
        authorization_digest=authorization,
        asker_reference=reference,
        officer_id=officer_id,
        records=tuple(DisclosedRecord(key, version) for key, version in json.loads(records)),
        policies=tuple(json.loads(policies)),
        verdict=verdict,
        answer_digest=answer,
    )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was decided or refused. `event` is a word of the catalogue; never personal data."""

    at_ms: int
    event: str
    subject: str = ""
    detail: str = ""


class AuditRepository:
    """The audit log."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def add(self, entry: AuditEntry) -> None:
        """Enter one."""
        self._db.run(
            "INSERT INTO audit (at_ms, event, subject, detail) VALUES (?, ?, ?, ?)",
            (entry.at_ms, entry.event, entry.subject, entry.detail),
        )

    def first(self, event: str) -> int | None:
        """When the first entry of that event was made, in milliseconds since 1970; None when there is none."""
        rows = self._db.rows("SELECT min(at_ms) FROM audit WHERE event = ?", (event,))
        return next((int(row[0]) for row in rows if row[0] is not None), None)

    def newest(self, limit: int) -> list[AuditEntry]:
        """The newest entries, newest first."""
        sql = "SELECT at_ms, event, subject, detail FROM audit ORDER BY id DESC LIMIT ?"
        return [AuditEntry(*row) for row in self._db.rows(sql, (limit,))]
