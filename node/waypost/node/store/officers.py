"""Officers: the person behind each officer_key, and which of them the blind index does not know yet.

1. A person's details have a version that rises with every change. An officer whose tokens were not made from the
   newest version is due ("dirty"), whatever happened in between.
2. The SSN stands encrypted. Whether a row of a file changes anything is told by a keyed digest over all details.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.records import Officer
from waypost.node.store.cipher import OFFICER_DIGEST, SSN, ColumnCipher
from waypost.node.store.conduct import ConductRepository
from waypost.node.store.database import NodeDatabase
from waypost.node.store.employment import EmploymentRepository
from waypost.node.store.values import in_parts, marks


@dataclass(frozen=True, slots=True)
class HeldOfficer:
    """What is known of an officer without reading him: his id and the digest of his details."""

    id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class IndexedPerson:
    """A person's details in one version: what tokens are made from."""

    officer_id: int
    person_version: int
    person: Person


class OfficerRepository:
    """All officers."""

    def __init__(
        self,
        database: NodeDatabase,
        cipher: ColumnCipher,
        employment: EmploymentRepository,
        conduct: ConductRepository,
    ) -> None:
        self._db = database
        self._cipher = cipher
        self._employment = employment
        self._conduct = conduct

    def get(self, officer_id: int) -> Officer | None:
        """The officer of that id with employments and newest conduct records."""
        found = self.get_many((officer_id,))
        return found[0] if found else None

    def by_key(self, officer_key: str) -> Officer | None:
        """The officer of that key."""
        row = self._db.row("SELECT id FROM officers WHERE officer_key = ?", (officer_key,))
        return self.get(row[0]) if row else None

    def get_many(self, officer_ids: Sequence[int]) -> list[Officer]:
        """These officers, by id; unknown ids are left out."""
        with self._db.reading():
            employment = defaultdict(list)
            for held in self._employment.of_officers(officer_ids):
                employment[held.officer_id].append(held.employment)
            conduct = defaultdict(list)
            for owned in self._conduct.of_officers(officer_ids):
                conduct[owned.officer_id].append(owned.record)
            keys = self._keys(officer_ids)
            return [
                Officer(
                    id=indexed.officer_id,
                    officer_key=keys[indexed.officer_id],
                    person=indexed.person,
                    employment=tuple(employment[indexed.officer_id]),
                    conduct=tuple(conduct[indexed.officer_id]),
                    person_version=indexed.person_version,
                )
                for indexed in self.people(officer_ids)
            ]

    def people(self, officer_ids: Sequence[int]) -> list[IndexedPerson]:
        """The details of these officers alone, by id: what the blind index needs."""
        people: list[IndexedPerson] = []
        with self._db.reading():
            for part in in_parts(sorted(set(officer_ids))):
                people.extend(self._people(part))
        return people

    def _people(self, officer_ids: Sequence[int]) -> Iterable[IndexedPerson]:
        where = f"WHERE officer_id IN ({marks(officer_ids)}) ORDER BY officer_id, position"
        names = defaultdict(list)
        for officer_id, *name in self._db.rows(f"SELECT officer_id, {_NAME_COLUMNS} FROM names {where}", officer_ids):
            names[officer_id].append(PersonName(*name))
        identifiers = defaultdict(list)
        sql = f"SELECT officer_id, kind, issuer, value FROM identifiers {where}"
        for officer_id, *identifier in self._db.rows(sql, officer_ids):
            identifiers[officer_id].append(Identifier(*identifier))
        sql = (
            "SELECT id, person_version, date_of_birth, ssn_box FROM officers "
            f"WHERE id IN ({marks(officer_ids)}) ORDER BY id"
        )
        for officer_id, version, date_of_birth, ssn_box in self._db.rows(sql, officer_ids):
            if officer_id not in names:
                continue  # erased
            ssn, ssn_last4 = self._open_ssn(ssn_box)
            person = Person(
                names=tuple(names[officer_id]),
                date_of_birth=PartialDate.parse(date_of_birth),
                ssn=ssn,
                ssn_last4=ssn_last4,
                identifiers=tuple(identifiers[officer_id]),
            )
            yield IndexedPerson(officer_id, version, person)

    def _keys(self, officer_ids: Sequence[int]) -> dict[int, str]:
        keys: dict[int, str] = {}
        for part in in_parts(officer_ids):
            keys.update(self._db.rows(f"SELECT id, officer_key FROM officers WHERE id IN ({marks(part)})", part))
        return keys

    def count(self) -> int:
        """How many officers there are; erased ones do not count."""
        return self._db.number("SELECT count(*) FROM officers WHERE digest <> x''")

    def dirty(self, limit: int) -> list[int]:
        """Ids of officers whose tokens are due, at most `limit`."""
        sql = "SELECT id FROM officers WHERE person_version <> tokenized_version ORDER BY id LIMIT ?"
        return [row[0] for row in self._db.rows(sql, (limit,))]

    def dirty_count(self) -> int:
        """How many officers' tokens are due."""
        return self._db.number("SELECT count(*) FROM officers WHERE person_version <> tokenized_version")

    def mark_all_dirty(self) -> None:
        """All tokens are due: a new epoch, or a new version of the schemes."""
        self._db.run("UPDATE officers SET tokenized_version = 0 WHERE digest <> x''")

    def digest(self, person: Person) -> bytes:
        """Equal for equal details; 16 bytes."""
        parts = [str(person.date_of_birth), person.ssn, person.ssn_last4]
        for name in person.names:
            parts += (name.kind, name.family, name.given, name.middle, name.suffix)
        for identifier in person.identifiers:
            parts += (identifier.kind, identifier.issuer, identifier.value)
        return self._cipher.digest(OFFICER_DIGEST, "\x1f".join(parts).encode())

    def held(self) -> dict[str, HeldOfficer]:
        """Every officer, by officer_key."""
        rows = self._db.rows("SELECT officer_key, id, digest FROM officers")
        return {key: HeldOfficer(officer_id, digest) for key, officer_id, digest in rows}

    def add(self, officers: Iterable[tuple[str, Person]], import_id: int) -> dict[str, int]:
        """Add officers (officer_key, details) that are not held yet; their ids by officer_key."""
        with self._db.writing():
            first = self._db.number("SELECT coalesce(max(id), 0) + 1 FROM officers")
            new = [(first + offset, key, person) for offset, (key, person) in enumerate(officers)]
            self._db.run_many(
                "INSERT INTO officers (id, officer_key, date_of_birth, ssn_box, digest, person_version, import_id) "
                "VALUES (?, ?, ?, ?, ?, 1, ?)",
                ((officer_id, key, *self._row(person), import_id) for officer_id, key, person in new),
            )
            self._add_details((officer_id, person) for officer_id, _, person in new)
        return {key: officer_id for officer_id, key, _ in new}

    def change(self, officers: Iterable[tuple[int, Person]], import_id: int) -> None:
        """Put these details in the place of the officers' former ones."""
        with self._db.writing():
            changed = tuple(officers)
            self._db.run_many(
                "UPDATE officers SET date_of_birth = ?, ssn_box = ?, digest = ?, import_id = ?, "
                "person_version = person_version + 1 WHERE id = ?",
                ((*self._row(person), import_id, officer_id) for officer_id, person in changed),
            )
            for table in ("names", "identifiers"):
                self._db.run_many(f"DELETE FROM {table} WHERE officer_id = ?", ((officer,) for officer, _ in changed))
            self._add_details(changed)

    def erase(self, officer_id: int) -> None:
        """Forget who the officer is: names, numbers, date of birth. His key stays, for the books name it."""
        with self._db.writing():
            self._db.run(
                "UPDATE officers SET date_of_birth = '', ssn_box = NULL, digest = x'', "
                "person_version = person_version + 1, tokenized_version = person_version + 1 WHERE id = ?",
                (officer_id,),
            )
            for table in ("names", "identifiers"):
                self._db.run(f"DELETE FROM {table} WHERE officer_id = ?", (officer_id,))

    def _row(self, person: Person) -> tuple[object, ...]:
        number = person.ssn or person.ssn_last4
        box = self._cipher.seal(SSN, number.encode()) if number else None
        return str(person.date_of_birth), box, self.digest(person)

    def _open_ssn(self, box: bytes | None) -> tuple[str, str]:
        """The whole number and its last four digits, of which a file may hold either."""
        number = "" if box is None else self._cipher.open(SSN, box).decode()
        return (number, "") if len(number) == _SSN_DIGITS else ("", number)

    def _add_details(self, officers: Iterable[tuple[int, Person]]) -> None:
        added = tuple(officers)
        self._db.run_many(
            f"INSERT INTO names (officer_id, position, {_NAME_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (officer_id, position, name.family, name.given, name.middle, name.suffix, name.kind)
                for officer_id, person in added
                for position, name in enumerate(person.names)
            ),
        )
        self._db.run_many(
            "INSERT INTO identifiers (officer_id, position, kind, issuer, value) VALUES (?, ?, ?, ?, ?)",
            (
                (officer_id, position, identifier.kind, identifier.issuer, identifier.value)
                for officer_id, person in added
                for position, identifier in enumerate(person.identifiers)
            ),
        )


_NAME_COLUMNS = "family, given, middle, suffix, kind"
_SSN_DIGITS = 9
