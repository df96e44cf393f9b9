"""Undoing a batch: what was before stands again, as a new version of each thing; or a list of what is in the way.

 1. A thing's versions are laid on one another as their batches came; an undo takes away what its batch laid. What is
    then on top is what stands.
 2. A batch can be undone when everything that it laid is on top. What a later batch, or a change by hand, laid upon it
    is in the way: that is undone first, or stays.
 3. What lay beneath stands again, written as a new version by the undo, which is a batch itself. Nothing is edited in
    place and nothing is deleted: officers, employments and records keep their history.
 4. Where nothing lay beneath, the batch had brought the thing. A record is then voided, or stays sealed if it came so:
    no file opens that again. An employment is withdrawn. An officer is withdrawn: his tokens leave the index. Officers
    whom others have given employments or records, or who are merged with others, are in the way.
 5. A batch is undone once, and an undo is not undone: importing the files again brings everything back.
 6. A record that was expunged is not touched: its content is gone.
 7. A row that a batch found as it was is the earlier batch's alone, and goes with it. Later imports that found any rows
    as they were are named, so that the newest files can be imported again.
 8. Everyone who received a record that an undo changes is entered to be told of it.

The caller holds a write transaction: all of it happens, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from waypost.node import noticing
from waypost.node.audit import Event
from waypost.node.errors import CustodyError
from waypost.node.limits import CLASHES_SHOWN_MAX
from waypost.node.noticing import Change
from waypost.node.records import ConductRecord, RecordStatus
from waypost.node.store import AuditEntry, Batch, Chain, EmploymentKey, ImportBatch, Step, Store

Key = TypeVar("Key")


class Thing(StrEnum):
    """What can be in the way."""

    OFFICER = "officer"
    EMPLOYMENT = "employment"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Clash:
    """Something that is in the way of an undo: what, its keys, and what came upon it."""

    thing: Thing
    name: str
    cause: str

    def __str__(self) -> str:
        return f"{self.thing} {self.name}: {self.cause}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What undoing a batch would do. What the batch brought and nobody touched is counted, not listed."""

    batch: Batch
    untouched_officers: int
    untouched_employments: int
    officers: Mapping[int, Step | None] = field(default_factory=dict)
    """The step that stands again, or None: withdrawn."""
    employments: Mapping[EmploymentKey, Step | None] = field(default_factory=dict)
    records: Mapping[str, Step | None] = field(default_factory=dict)
    clashes: tuple[Clash, ...] = ()
    confirmed_by: tuple[int, ...] = ()
    """Later imports that found rows as they were (rule 7)."""

    def counts(self) -> dict[str, int]:
        """How many things are restored and withdrawn."""
        return {
            "officers_restored": _restored(self.officers),
            "officers_withdrawn": self.untouched_officers + _withdrawn(self.officers),
            "employments_restored": _restored(self.employments),
            "employments_withdrawn": self.untouched_employments + _withdrawn(self.employments),
            "records_restored": _restored(self.records),
            "records_voided": _withdrawn(self.records),
        }


@dataclass(frozen=True, slots=True)
class Undone:
    """A batch that was undone: by which batch, what was done, and the keys of the records that have a new version."""

    undo_id: int
    plan: Plan
    record_keys: tuple[str, ...]


def standing(chain: Iterable[Step], undone: Mapping[int, int]) -> tuple[Step, ...]:
    """What lies on one another (rule 1), the lowest first. `undone`: what each undo undid."""
    laid: list[Step] = []
    for step in chain:
        if step.writer is not None and step.writer in undone:
            laid = [each for each in laid if each.writer != undone[step.writer]]
        else:
            laid.append(step)
    return tuple(laid)


def plan(store: Store, import_id: int) -> Plan:
    """What undoing that batch would do; CustodyError when there is nothing to undo."""
    batch, undone = _undoable(store, import_id), store.batches.undone()
    untouched = [officer_id for officer_id, _ in store.history.untouched_officers(import_id)]
    officers, over_officers = _beneath(store.history.officer_chains(import_id), import_id, undone)
    employments, over_employments = _beneath(store.history.employment_chains(import_id), import_id, undone)
    records, over_records = _beneath(store.history.conduct_chains(import_id), import_id, undone)
    withdrawn = untouched + [officer_id for officer_id, step in officers.items() if step is None]
    names = _Names(store)
    clashes = (
        *(Clash(Thing.OFFICER, names.officer(key), _cause(steps)) for key, steps in over_officers.items()),
        *(Clash(Thing.EMPLOYMENT, names.employment(key), _cause(steps)) for key, steps in over_employments.items()),
        *(Clash(Thing.RECORD, key, _cause(steps)) for key, steps in over_records.items()),
        *_attached(store, import_id, withdrawn, undone),
        *(
            Clash(Thing.OFFICER, names.officer(key), "is merged with another")
            for key in store.history.merged(import_id)
        ),
    )
    count = store.history.untouched_employments(import_id)
    confirmed_by = store.batches.later_with_unchanged(import_id)
    return Plan(batch, len(untouched), count, officers, employments, records, clashes, confirmed_by)


def undo(store: Store, import_id: int, *, at_ms: int) -> Undone:
    """Undo that batch (rules 1 to 8); CustodyError, and no change, when something is in the way."""
    with store.writing():
        planned = plan(store, import_id)
        if planned.clashes:
            raise CustodyError(_in_the_way(planned), hint="undo the later batches first, or correct single records")
        undo_id = store.imports.begin(at_ms)
        store.history.withdraw_untouched(import_id, undo_id)
        _undo_officers(store, planned.officers, undo_id)
        _undo_employments(store, planned.employments, undo_id)
        _undo_records(store, planned.records, undo_id, at_ms)
        store.tokens.drop_withdrawn()
        things = sum(planned.counts().values())
        store.imports.finish(undo_id, ImportBatch(at_ms, things, things, 0, 0, ()))
        store.batches.describe(undo_id, f"undo of batch {import_id}", undoes=import_id)
        store.audit.add(AuditEntry(at_ms, Event.BATCH_UNDONE, f"batch {import_id}", f"by batch {undo_id}"))
    return Undone(undo_id, planned, tuple(planned.records))


def _undoable(store: Store, import_id: int) -> Batch:
    """Rule 5."""
    batch = store.batches.get(import_id)
    if batch is None:
        raise CustodyError(f"there is no batch {import_id}", hint="see `waypost-node batches list`")
    if batch.undoes is not None:
        raise CustodyError(
            f"batch {import_id} is itself an undo, of batch {batch.undoes}", hint="import that batch's files again"
        )
    if batch.undone_by is not None:
        raise CustodyError(f"batch {import_id} was undone by batch {batch.undone_by}", hint="nothing is left to do")
    return batch


def _beneath(
    chains: Mapping[Key, Chain], import_id: int, undone: Mapping[int, int]
) -> tuple[dict[Key, Step | None], dict[Key, list[Step]]]:
    """What lies beneath what the batch laid on each thing, and, where there is any, what lies upon it (rule 2)."""
    beneath: dict[Key, Step | None] = {}
    above: dict[Key, list[Step]] = {}
    for key, chain in chains.items():
        laid = standing(chain, undone)
        first = next((place for place, step in enumerate(laid) if step.writer == import_id), None)
        if first is None:
            continue
        beneath[key] = laid[first - 1] if first else None
        if others := [step for step in laid[first:] if step.writer != import_id]:
            above[key] = others
    return beneath, above


def _attached(store: Store, import_id: int, officer_ids: list[int], undone: Mapping[int, int]) -> Iterator[Clash]:
    """Rule 4: what other batches gave to officers who would be withdrawn."""
    names = _Names(store)
    for key in store.history.employments_of_others(officer_ids, import_id):
        laid = standing(store.history.chain_of_employment(key), undone)
        if others := [step for step in laid if step.writer != import_id]:
            yield Clash(Thing.EMPLOYMENT, names.employment(key), _cause(others, "came with"))
    for record_key in store.history.records_of_others(officer_ids, import_id):
        laid = standing(store.history.chain_of_record(record_key), undone)
        if others := [step for step in laid if step.writer != import_id]:
            yield Clash(Thing.RECORD, record_key, _cause(others, "came with"))


class _Names:
    """How things are called in a message: by the agency's own keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def officer(self, officer_id: int) -> str:
        return self._store.history.officer_keys((officer_id,))[officer_id]

    def employment(self, key: EmploymentKey) -> str:
        officer_id, ori, hired_on = key
        return f"of {self.officer(officer_id)} at {ori} from {hired_on or 'a day unknown'}"


def _cause(steps: Iterable[Step], verb: str = "was changed by") -> str:
    writers = list(dict.fromkeys(step.writer for step in steps))
    return f"{verb} " + ", ".join("hand" if writer is None else f"batch {writer}" for writer in writers)


def _in_the_way(planned: Plan) -> str:
    clashes = list(dict.fromkeys(map(str, planned.clashes)))
    listed = "; ".join(clashes[:CLASHES_SHOWN_MAX])
    more = f"; and {len(clashes) - CLASHES_SHOWN_MAX} more" if len(clashes) > CLASHES_SHOWN_MAX else ""
    return f"batch {planned.batch.id} cannot be undone, nothing was changed: {listed}{more}"


def _undo_officers(store: Store, officers: Mapping[int, Step | None], undo_id: int) -> None:
    store.officers.change(
        [(officer_id, store.history.person(step.place)) for officer_id, step in officers.items() if step], undo_id
    )
    for officer_id in (officer_id for officer_id, step in officers.items() if step is None):
        store.history.withdraw_officer(officer_id, undo_id)


def _undo_employments(store: Store, employments: Mapping[EmploymentKey, Step | None], undo_id: int) -> None:
    store.employment.put([store.history.employment(step.place) for step in employments.values() if step], undo_id)
    for key in (key for key, step in employments.items() if step is None):
        store.history.withdraw_employment(key, undo_id)


def _undo_records(store: Store, records: Mapping[str, Step | None], undo_id: int, at_ms: int) -> None:
    put = []
    for record_key, step in records.items():
        owned = store.conduct.by_key(record_key)
        versions = {version.version: version for version in store.conduct.history(record_key)}
        if owned is None or (step is not None and step.place not in versions):  # rule 6
            continue
        before = _taken_away(owned.record) if step is None else versions[step.place]
        put.append((owned.officer_id, replace(before, version=owned.record.version + 1)))
    store.conduct.put(put, undo_id)
    for _, record in put:  # rule 8
        change = _CHANGES.get(record.status, Change.CORRECTED)
        noticing.owe(store, record.record_key, change, reason="an import was undone", now_ms=at_ms)


_CHANGES: Final = {RecordStatus.VOIDED: Change.VOIDED, RecordStatus.SEALED: Change.SEALED}


def _taken_away(record: ConductRecord) -> ConductRecord:
    """Rule 4."""
    return record if record.status is RecordStatus.SEALED else replace(record, status=RecordStatus.VOIDED)


def _restored(things: Mapping[Key, Step | None]) -> int:
    return sum(step is not None for step in things.values())


def _withdrawn(things: Mapping[Key, Step | None]) -> int:
    return sum(step is None for step in things.values())
