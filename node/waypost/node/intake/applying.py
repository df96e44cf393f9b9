"""Accepted rows meet the store: what is new, what has changed, what is the same. A part of a file at a time.

1. Canonical files are imported officers first, then employments, then conduct, whatever their order. A row of a
   profiled file brings its own officer.
2. A row whose officer is neither held nor imported before it is rejected. A withdrawn officer is not held.
3. Two rows of one import about the same thing: if they say the same, the second changes nothing; if not, the second is
   rejected, for nobody can tell which is right. A profile may say that an officer's rows differ in the name alone: then
   the other name becomes an alias (`Repeated.ALIAS`), and the first stays the legal one (identity.py).
4. A record keeps its officer. A row that gives a held record to somebody else is rejected; keys that were merged are
   of one person.
5. A changed record becomes a new version; the former versions stay.
6. Nothing is ever removed because a file no longer has it.
7. A row is accepted with everything it says, or rejected with everything it says.
8. A row that would undo how a record stands by hand or by law is rejected (lasting.py).
9. Everyone who received a record that a file changes is entered to be told of it.
10. A key that is held for one person and comes with another is rejected (identity.py).
11. A row that says two things of one is rejected (coherence.py).

The caller holds a write transaction: all of it happens, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from waypost.node import noticing
from waypost.node.intake.cells import Problem
from waypost.node.intake.coherence import coherent
from waypost.node.intake.identity import ANOTHER_PERSON, OTHER_INITIAL, joined, namesakes, same_person
from waypost.node.intake.lasting import says_the_same, undoes
from waypost.node.intake.outcome import Fate, Outcome
from waypost.node.intake.reading import SourceRow
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.rows import ConductRow, EmploymentRow, OfficerRow, Row
from waypost.node.noticing import Change
from waypost.node.persons import Person
from waypost.node.records import ConductRecord, Employment, RecordStatus
from waypost.node.store import HeldConduct, HeldOfficer, OfficerEmployment, Store
from waypost.node.store.merges import Links
from waypost.node.store.sightings import thing
from waypost.node.store.values import iso

Said = TypeVar("Said", Person, Employment, ConductRecord)
Read = tuple[SourceRow, tuple[Row, ...]]
"""A row that is right by itself: where it stands, and what it says."""

AtSource = Callable[[Problem], Problem]
"""A problem of a canonical column, as a problem of the file's own column."""


class Applier:
    """Applies one import's rows, in the order in which they come."""

    def __init__(self, store: Store, outcome: Outcome, import_id: int) -> None:
        self._store, self._outcome, self._import_id = store, outcome, import_id
        self._links = store.merges.links()
        store.sightings.begin()

    def apply(self, file: int, rows: Sequence[Read], repeated: Repeated, at_source: AtSource) -> None:
        """Put these rows into the store and count what became of each."""
        chunk = _Chunk(self._store, self._outcome, self._links, file, repeated, at_source)
        chunk.look_up(rows)
        for source, parts in rows:
            chunk.decide(source, parts)
        chunk.write(self._import_id)


@dataclass(slots=True)
class _Known:
    """A thing as the store will hold it after the rows so far, and where it was seen."""

    digest: bytes = b""
    """Of what the store holds; empty: withdrawn, or this chunk has brought it."""
    said: Person | Employment | ConductRecord | None = None
    """What this chunk has brought."""
    line: int = 0
    """Where this chunk has said it first; 0: it has not."""
    version: int = 0
    officer_key: str = ""
    """Of a record that this chunk has brought."""
    officer_id: int = 0
    held: HeldConduct | None = None
    """Of a record that the store holds."""

    @property
    def stands(self) -> bool:
        """Whether it is there, and not withdrawn."""
        return self.said is not None or bool(self.digest)

    def see(self, line: int) -> None:
        """Note that this chunk says it, be it what the store holds: a later row must not say otherwise (rule 3)."""
        self.line = self.line or line

    def says(self, value: Said, digest: Callable[[Said], bytes]) -> bool:
        """Whether it says the same as this value."""
        return self.said == value if self.said is not None else self.digest == digest(value)


@dataclass(slots=True)
class _Chunk:
    store: Store
    outcome: Outcome
    links: Links
    file: int
    repeated: Repeated
    at_source: AtSource
    officers: dict[str, _Known] = field(default_factory=dict)
    employment: dict[tuple[str, str, str], _Known] = field(default_factory=dict)
    conduct: dict[str, _Known] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    new_people: dict[str, Person] = field(default_factory=dict)
    changed_people: dict[str, Person] = field(default_factory=dict)
    jobs: list[EmploymentRow] = field(default_factory=list)
    records: list[ConductRow] = field(default_factory=list)
    seen: list[tuple[str, int, int]] = field(default_factory=list)

    def look_up(self, rows: Sequence[Read]) -> None:
        """What the store holds of everything that these rows are about."""
        every = [part for _, parts in rows for part in parts]
        keys = list({part.officer_key for part in every})
        held: dict[str, HeldOfficer] = self.store.officers.held_among(keys)
        names = {officer.id: key for key, officer in held.items()}
        self.officers = {key: _Known(officer.digest) for key, officer in held.items()}
        self.ids = {key: officer.id for key, officer in held.items()}
        if any(isinstance(part, EmploymentRow) for part in every):
            jobs = self.store.employment.held_of(list(names))
            self.employment = {
                (names[officer_id], ori, hired_on): _Known(digest)
                for (officer_id, ori, hired_on), digest in jobs.items()
            }
        records = [part.value.record_key for part in every if isinstance(part, ConductRow)]
        if records:
            self.conduct = {key: _record_known(found) for key, found in self.store.conduct.held_among(records).items()}

    def decide(self, source: SourceRow, parts: tuple[Row, ...]) -> None:
        """What becomes of a row (rule 7: first whether, then what)."""
        decided: list[tuple[Fate, Row]] = []
        said = coherent(parts, self.repeated)
        if isinstance(said, Problem):  # rule 11
            self.outcome.reject(self.file, source, (self.at_source(said),))
            return
        brings = {part.officer_key for part in said if isinstance(part, OfficerRow)}
        for part in said:
            if isinstance(part, OfficerRow):
                fate = self._officer(part)
            elif part.officer_key not in brings and not self._holds(part.officer_key):  # rule 2
                fate = _UNKNOWN_OFFICER
            elif isinstance(part, EmploymentRow):
                fate = self._employment(part)
            else:
                fate = self._conduct(part)
            if isinstance(fate, Problem):
                self.outcome.reject(self.file, source, (self.at_source(fate),))
                return
            decided.append((fate, part))
        for fate, part in decided:
            self._accept(source.line, fate, part)
        self.outcome.accept(self.file, decided)

    def _holds(self, officer_key: str) -> bool:
        known = self.officers.get(officer_key)
        return known is not None and known.stands

    def _officer(self, row: OfficerRow) -> Fate | Problem:
        known = self.officers.get(row.officer_key)
        if known is None:
            return Fate.NEW
        if known.says(row.value, self.store.officers.digest):
            return Fate.SAME
        if known.stands and (fate := self._joined(row)):
            return fate
        where = self._where(known, thing("officer", row.officer_key))
        if where is not None:
            return Problem("officer_key", _otherwise(where))
        if known.stands and not same_person(self._person(row.officer_key), row.value):  # rule 10
            return ANOTHER_PERSON
        return Fate.CHANGED

    def _joined(self, row: OfficerRow) -> Fate | Problem | None:
        """What becomes of a row whose names are added to an officer that stands (rule 3); None: they are not."""
        if self.repeated is Repeated.REJECT:
            return None
        person = self._person(row.officer_key)
        if self.repeated is Repeated.NAMESAKES and namesakes(person, row.value):
            return OTHER_INITIAL
        merged = joined(person, row.value)
        if merged is None:
            return None
        return Fate.SAME if merged == person else Fate.CHANGED

    def _employment(self, row: EmploymentRow) -> Fate | Problem:
        key = _employment_key(row)
        known = self.employment.get(key)
        if known is None:
            return Fate.NEW
        if known.says(row.value, self.store.employment.digest):
            return Fate.SAME
        where = self._where(known, thing("job", *key))
        return Fate.CHANGED if where is None else Problem("hired_on", _otherwise(where))

    def _conduct(self, row: ConductRow) -> Fate | Problem:
        known = self.conduct.get(row.value.record_key)
        if known is None:
            return Fate.NEW
        if not self._owns(row.officer_key, known):  # rule 4
            where = self._where(known, thing("record", row.value.record_key))
            return _ANOTHERS_RECORD if where is None else Problem("record_key", _otherwise(where))
        if known.says(row.value, self.store.conduct.digest):
            return Fate.SAME
        if known.held is not None and says_the_same(self.store, known.held, row.value):
            return Fate.SAME
        where = self._where(known, thing("record", row.value.record_key))
        if where is not None:
            return Problem("record_key", _otherwise(where))
        return (known.held and undoes(self.store, known.held, row.value)) or Fate.CHANGED  # rule 8

    def _owns(self, officer_key: str, known: _Known) -> bool:
        if known.officer_key:
            return known.officer_key == officer_key
        officer_id = self.ids.get(officer_key)
        return officer_id is not None and self.links.head(officer_id) == self.links.head(known.officer_id)

    def _where(self, known: _Known, about: str) -> str | None:
        """Where this import has seen the thing before; None when it has not (rule 3)."""
        found = (self.file, known.line) if known.line else self.store.sightings.first(about)
        return found and f"line {found[1]} of {self.outcome.names[found[0]]}"

    def _person(self, officer_key: str) -> Person:
        known = self.new_people.get(officer_key) or self.changed_people.get(officer_key)
        officer_id = self.ids.get(officer_key, 0)
        return known or next(
            each.person for each in self.store.officers.sources(officer_id) if each.officer_id == officer_id
        )

    def _accept(self, line: int, fate: Fate, part: Row) -> None:
        if isinstance(part, OfficerRow):
            self._accept_officer(line, fate, part)
        elif isinstance(part, EmploymentRow):
            key = _employment_key(part)
            if fate is not Fate.SAME:
                self.employment[key] = _Known(said=part.value, line=line)
                self.jobs.append(part)
            self.employment[key].see(line)
            self.seen.append((thing("job", *key), self.file, line))
        else:
            self._accept_record(line, fate, part)

    def _accept_officer(self, line: int, fate: Fate, row: OfficerRow) -> None:
        key, person = row.officer_key, row.value
        if fate is Fate.NEW:
            self.new_people[key] = person
        elif fate is Fate.CHANGED:
            if self.repeated is not Repeated.REJECT and self.officers[key].stands:
                person = joined(self._person(key), person) or person
            (self.new_people if key in self.new_people else self.changed_people)[key] = person
        if fate is not Fate.SAME:
            self.officers[key] = _Known(said=person, line=line)
        if fate is not Fate.SAME or self.officers[key].line == 0:
            self.seen.append((thing("officer", key), self.file, line))
        self.officers[key].see(line)

    def _accept_record(self, line: int, fate: Fate, row: ConductRow) -> None:
        key = row.value.record_key
        if fate is not Fate.SAME:
            version = self.conduct[key].version + 1 if fate is Fate.CHANGED else 1
            self.records.append(ConductRow(row.officer_key, replace(row.value, version=version)))
            self.conduct[key] = _Known(said=row.value, line=line, version=version, officer_key=row.officer_key)
        self.conduct[key].see(line)
        self.seen.append((thing("record", key), self.file, line))

    def write(self, import_id: int) -> None:
        """Everything that is new or changed."""
        self.store.officers.change(((self.ids[key], each) for key, each in self.changed_people.items()), import_id)
        self.ids.update(self.store.officers.add(self.new_people.items(), import_id))
        jobs = (OfficerEmployment(self.ids[row.officer_key], row.value) for row in self.jobs)
        self.store.employment.put(jobs, import_id)
        self.store.conduct.put(((self.ids[row.officer_key], row.value) for row in self.records), import_id)
        for record in (row.value for row in self.records if row.value.version > 1):  # rule 9
            change = _CHANGES.get(record.status, Change.CORRECTED)
            noticing.owe(self.store, record.record_key, change, reason="", now_ms=self.outcome.at_ms)
        self.store.sightings.add(self.seen)


def _record_known(found: HeldConduct) -> _Known:
    return _Known(found.digest, version=found.version, officer_id=found.officer_id, held=found)


def _employment_key(row: EmploymentRow) -> tuple[str, str, str]:
    return row.officer_key, row.value.ori, iso(row.value.hired_on)


def _otherwise(where: str) -> str:
    return f"is that of {where}, which says otherwise"


_CHANGES = {RecordStatus.VOIDED: Change.VOIDED, RecordStatus.SEALED: Change.SEALED}
_UNKNOWN_OFFICER = Problem("officer_key", "is of no officer: not held, and no row of officers of this import passed")
_ANOTHERS_RECORD = Problem("record_key", "is a held record of another officer: void that one, and take a new key")
