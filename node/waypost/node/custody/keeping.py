"""What an import has to say of itself beyond its rows: its name, whether it is whole, how its files look.

1. Files are compared with the last ones of their series (shapes.py). A change stops the import with a question, unless
   the custodian has said that it is meant. Files of mended rows are not compared: they are few, and meant to be.
2. A complete list is one that says of itself that it has every officer. Officers that it lacks are reported, never
   removed. A list that rejected rows have not left unread counts a rejected row's officer as present.

The caller holds the import's transaction: a question takes back everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from waypost.node.custody.shapes import Shape, add, changes
from waypost.node.errors import CustodyError, IntakeError
from waypost.node.limits import BATCH_NAME_CHARS_MAX
from waypost.node.store import Store


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the custodian says of an import: its name (empty: its files' names), and rules 1 and 2."""

    name: str = ""
    complete: bool = False
    accept_change: bool = False

    def __post_init__(self) -> None:
        if len(self.name) > BATCH_NAME_CHARS_MAX or not self.name.isprintable():
            raise CustodyError(f"a batch's name is one line of at most {BATCH_NAME_CHARS_MAX} characters")


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file of an import: its name, its series (profile and kind; empty: not compared), and how it looks."""

    name: str
    series: str
    shape: Shape


def keep(
    store: Store, import_id: int, wishes: Wishes, files: Sequence[SeenFile], officer_keys: Iterable[str]
) -> tuple[str, ...]:
    """Compare, name and note an import; the keys of the officers that a complete list lacks.

    `officer_keys`: of every row of officers, rejected ones included, as far as they can be read. IntakeError: a
    question.
    """
    _compare(store, import_id, wishes, files)
    store.batches.describe(import_id, wishes.name, complete=wishes.complete)
    if not wishes.complete:
        return ()
    seen = set(officer_keys)
    if not seen:
        raise IntakeError(
            "there is no row of officers, so this is no complete list; nothing was imported",
            hint="import the list of all officers with --complete, or leave it out",
        )
    missing = _missing(store, seen)
    store.batches.add_missing(import_id, missing.values())
    return tuple(sorted(missing))


def _missing(store: Store, seen: set[str]) -> dict[str, int]:
    """Rule 2: persons none of whose keys was seen, by the key of the officer that stands for them."""
    held, links = store.officers.held(), store.merges.links()
    present = {links.head(officer.id) for key, officer in held.items() if key in seen}
    return {
        key: officer.id
        for key, officer in held.items()
        if officer.digest and links.head(officer.id) == officer.id and officer.id not in present
    }


def _compare(store: Store, import_id: int, wishes: Wishes, files: Sequence[SeenFile]) -> None:
    """Rule 1."""
    shapes: dict[str, Shape] = {}
    names: dict[str, str] = {}
    for file in files:
        if file.series:
            known = shapes.get(file.series)
            shapes[file.series] = add(known, file.shape) if known else file.shape
            names.setdefault(file.series, file.name)
    stored: dict[str, str] = {}
    for series, shape in shapes.items():
        last = store.batches.last_shape(series)
        before = Shape.from_json(last) if last else None
        if before is not None and not wishes.accept_change and (found := changes(before, shape)):
            raise IntakeError(
                f"{names[series]} does not look as it did the last time: {'; '.join(found)}; nothing was imported",
                hint="is that meant? Then import it again with --accept-change; if not, have it exported again",
            )
        stored[series] = (shape.remembering(before) if before else shape).to_json()
    store.batches.add_shapes(import_id, stored)
