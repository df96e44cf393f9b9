"""Officers: the person behind each officer_key, and which of them the blind index does not know yet.

1. A person's details have a version that rises with every change. An officer whose tokens were not made from the
   newest version is due ("dirty"), whatever happened in between.
2. The SSN stands encrypted. Whether a row of a file changes anything is told by a keyed digest over all details.
3. An officer who was merged into another (merges.py) is read as part of that one: his names and numbers, employments
   and records are the other's. What the source under his own key says is read by `sources`.
4. An officer whose digest is empty is withdrawn, because the import that brought him was undone, or erased. Nobody
   finds him until an import brings him again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from waypost.node.persons import Identifier, PartialDate, Person, PersonName, unite
from waypost.node.records import Employment, Officer
from waypost.node.store.cipher import OFFICER_DIGEST, SSN, ColumnCipher
from waypost.node.store.conduct import ConductRepository
from waypost.node.store.database import NodeDatabase
from waypost.node.store.employment import EmploymentRepository
from waypost.node.store.merges import MergeRepository
from waypost.node.store.values import in_parts, marks


@dataclass(frozen=True, slots=True)
class HeldOfficer:
    """What is known of an officer without reading him: his id and the digest of his details, empty when withdrawn."""

    id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class OfficerSource:
    """What the source under one officer_key says of a person."""

    officer_id: int
    officer_key: str
    person: Person


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
        merges: MergeRepository,
    ) -> None:
        self._db = database
        self._cipher = cipher
        self._employment = employment
        self._conduct = conduct
        self._merges = merges

    def get(self, officer_id: int) -> Officer | None:
        """The officer of that id with employments and newest conduct records."""
        found = self.get_many((officer_id,))
        return found[0] if found else None

    def by_key(self, officer_key: str) -> Officer | None:
        """The officer of that key, or the one he was merged into."""
        officer_id = self.id_of(officer_key)
        return self.get(officer_id) if officer_id else None

    def id_of(self, officer_key: str) -> int | None:
        """The id under that key; None when there is none, or he is withdrawn."""
        row = self._db.row("SELECT id FROM officers WHERE officer_key = ? AND digest <> X''", (officer_key,))
        return int(row[0]) if row else None

    def get_many(self, officer_ids: Sequence[int]) -> list[Officer]:
        """These officers, by id; unknown ids are left out. Of those merged into one, that one (rule 3)."""
        with self._db.reading():
            links = self._merges.links()
            groups = links.groups(officer_ids)
            everyone = [each for group in groups.values() for each in group]
            employment: dict[int, dict[Employment, None]] = defaultdict(dict)  # two sources may tell of the same one
            for held in self._employment.of_officers(everyone):
                employment[links.head(held.officer_id)][held.employment] = None
            conduct = defaultdict(list)
            for owned in self._conduct.of_officers(everyone):
                conduct[links.head(owned.officer_id)].append(owned.record)
            keys = self._keys(list(groups))
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
        """The details of these officers alone, by id: what the blind index needs. Rules 3 and 4 hold."""
        with self._db.reading():
            groups = self._merges.links().groups(officer_ids)
            told: dict[int, IndexedPerson] = {}
            for part in in_parts([each for group in groups.values() for each in group]):
                told.update((indexed.officer_id, indexed) for indexed in self._people(part))
        return [
            IndexedPerson(head, told[head].person_version, unite([told[each].person for each in group if each in told]))
            for head, group in groups.items()
            if head in told
        ]

    def sources(self, officer_id: int) -> list[OfficerSource]:
        """What each source says of the person that this officer is or was merged into; who stands for all is first."""
        with self._db.reading():
            group = self._merges.links().group(officer_id)
            keys = self._keys(group)
            people = {indexed.officer_id: indexed.person for part in in_parts(group) for indexed in self._people(part)}
        return [OfficerSource(each, keys[each], people[each]) for each in group if each in people]

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
            f"WHERE id IN ({marks(officer_ids)}) AND digest <> X'' ORDER BY id"
        )
        for officer_id, version, date_of_birth, ssn_box in self._db.rows(sql, officer_ids):
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
        """How many persons there are."""
        return self._db.number(f"SELECT count(*) FROM officers WHERE {_STANDING}")

    def ever_held(self) -> int:
        """How many persons were ever held: never fewer than there are, and known at once."""
        return self._db.number("SELECT coalesce(max(id), 0) FROM officers")

    def standing(self, after: int, limit: int) -> list[int]:
        """Ids of persons in ascending order, at most `limit`, from the one after that id."""
        sql = f"SELECT id FROM officers WHERE id > ? AND {_STANDING} ORDER BY id LIMIT ?"
        return [row[0] for row in self._db.rows(sql, (after, limit))]

    def search(self, text: str, limit: int) -> list[int]:
        """Ids of persons one of whose keys or family names begins so, in ascending order; at most `limit`."""
        sql = (
            "SELECT DISTINCT coalesce(merged_into, id) AS head FROM officers WHERE digest <> X'' AND "
            "(substr(officer_key, 1, ?) = ? OR id IN "
            "(SELECT officer_id FROM names WHERE lower(substr(family, 1, ?)) = lower(?))) ORDER BY head LIMIT ?"
        )
        return [row[0] for row in self._db.rows(sql, (len(text), text, len(text), text, limit))]

    def dirty(self, limit: int) -> list[int]:
        """Ids of officers whose tokens are due, at most `limit`."""
        sql = f"SELECT id FROM officers WHERE person_version <> tokenized_version AND {_STANDING} ORDER BY id LIMIT ?"
        return [row[0] for row in self._db.rows(sql, (limit,))]

    def dirty_count(self) -> int:
        """How many officers' tokens are due."""
        return self._db.number(
            f"SELECT count(*) FROM officers WHERE person_version <> tokenized_version AND {_STANDING}"
        )

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

    def held_among(self, officer_keys: Sequence[str]) -> dict[str, HeldOfficer]:
        """Those of these officers that are held, by officer_key."""
        sql = "SELECT officer_key, officers.id, digest FROM json_each(?) CROSS JOIN officers ON officer_key = value"
        rows = self._db.rows(sql, (json.dumps(officer_keys),))
        return {key: HeldOfficer(officer_id, digest) for key, officer_id, digest in rows}

    def add(self, officers: Iterable[tuple[str, Person]], import_id: int) -> dict[str, int]:
        """Add officers (officer_key, details) that are not held yet; their ids by officer_key."""
        with self._db.writing():
            first = self.ever_held() + 1
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

    def held_nothing_of(self, officer_id: int) -> bool:
        """Whether no employment and no version of any record is held about the officer."""
        employments = "SELECT count(*) FROM employment WHERE officer_id = ?"
        versions = "SELECT count(*) FROM conduct_versions JOIN conduct ON conduct.id = conduct_id WHERE officer_id = ?"
        return self._db.number(employments, (officer_id,)) + self._db.number(versions, (officer_id,)) == 0

    def erase(self, officer_id: int) -> None:
        """Forget who the officer is: names, numbers, date of birth. His key stays, for the books name it."""
        with self._db.writing():
            self._db.run(
                "UPDATE officers SET date_of_birth = '', ssn_box = NULL, digest = x'', "
                "person_version = person_version + 1, tokenized_version = person_version + 1 WHERE id = ?",
                (officer_id,),
            )
            for table in ("names", "identifiers", "officer_history", "employment_history"):
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


_STANDING = "merged_into IS NULL AND digest <> X''"
"""Stands for a person: neither merged into another (rule 3) nor withdrawn (rule 4)."""
_NAME_COLUMNS = "family, given, middle, suffix, kind"
_SSN_DIGITS = 9
