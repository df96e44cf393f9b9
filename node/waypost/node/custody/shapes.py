"""How a file looks: its rows, its columns, how far each is filled, and the values of small columns; and what changed.

A nightly export whose columns have changed their meaning is still a readable file. So each file is compared with the
last one of its series (same profile, same kind) before anything is stored. These stop the import with a question:

1. A column has vanished.
2. There are ROWS_DROP times fewer rows.
3. A column that was filled in most rows is empty in nearly all of them.
4. A small column has a new value in at least one row of a hundred, or suddenly more values than a small column has.
   Rarer new values are remembered, not asked about: they are news, not another meaning. A value is asked about once.

A last file of fewer than COMPARED_ROWS_MIN rows says too little for any of these. Columns of names, dates, numbers and
keys are never small: their values are neither kept nor shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from waypost.node.limits import SMALL_COLUMN_VALUES_MAX, SMALL_VALUE_CHARS_MAX, VALUES_SHOWN_MAX

ROWS_DROP: Final = 10
COMPARED_ROWS_MIN: Final = 50
ROWS_A_VALUE: Final = 10
"""A small column has at least this many rows for each of its values."""
NEW_VALUE_SHARE: Final = 0.01
FILLED_SHARE: Final = 0.5
EMPTY_SHARE: Final = 0.05
_ROWS_AT_A_TIME: Final = 2_000


@dataclass(frozen=True, slots=True)
class Shape:
    """How one file, or several of one series, looked. `values`: of small columns, with the rows of each."""

    rows: int
    filled: Mapping[str, int]
    values: Mapping[str, Mapping[str, int]]

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps({"rows": self.rows, "filled": dict(self.filled), "values": self.values}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Shape:
        """What was stored."""
        facts = json.loads(text)
        return cls(facts["rows"], facts["filled"], facts["values"])

    def remembering(self, before: Shape) -> Shape:
        """The shape with the values that were known before, so that none is asked about twice."""
        values = {
            column: {**dict.fromkeys(before.values.get(column, {}), 0), **counts}
            for column, counts in self.values.items()
        }
        return Shape(self.rows, self.filled, values)


class ShapeObserver:
    """Watches the rows of a file go by; memory is bounded, whatever the file, if long rows are settled in time."""

    def __init__(self, header: Sequence[str], *, personal: frozenset[str] = frozenset()) -> None:
        self._columns = tuple(header)
        self._filled = [0] * len(self._columns)
        self._counts: dict[int, Counter[str]] = {
            place: Counter() for place, column in enumerate(self._columns) if column not in personal
        }
        self._waiting: list[Sequence[str]] = []
        self._rows = 0

    def see(self, cells: Sequence[str]) -> None:
        """One row. A row with another number of cells than the header counts as a row, no more."""
        self._rows += 1
        if len(cells) == len(self._columns):
            self._waiting.append(cells)
            if len(self._waiting) >= _ROWS_AT_A_TIME:
                self.settle()

    def settle(self) -> None:
        """Count the rows that are kept for counting together, and forget them."""
        for place, column in enumerate(zip(*self._waiting, strict=True)):
            self._filled[place] += sum(map(bool, column))
            counts = self._counts.get(place)
            if counts is not None:
                counts.update(column)
                if len(counts) > SMALL_COLUMN_VALUES_MAX or max(map(len, counts)) > SMALL_VALUE_CHARS_MAX:
                    del self._counts[place]
        self._waiting.clear()

    def shape(self) -> Shape:
        """What was seen."""
        if self._waiting:
            self.settle()
        small = {
            self._columns[place]: dict(counts)
            for place, counts in self._counts.items()
            if counts and len(counts) * ROWS_A_VALUE <= self._rows
        }
        return Shape(self._rows, dict(zip(self._columns, self._filled, strict=True)), small)


def add(first: Shape, second: Shape) -> Shape:
    """Two files of one series taken together."""
    values = {
        column: dict(Counter(first.values[column]) + Counter(second.values[column]))
        for column in first.values.keys() & second.values.keys()
    }
    return Shape(first.rows + second.rows, dict(Counter(first.filled) + Counter(second.filled)), values)


def changes(before: Shape, now: Shape) -> tuple[str, ...]:
    """What has changed so that a person must look (rules 1 to 4), each as a clause."""
    return tuple(_changes(before, now)) if before.rows >= COMPARED_ROWS_MIN else ()


def _changes(before: Shape, now: Shape) -> Iterator[str]:
    for column in before.filled:
        if column not in now.filled:
            yield f"the column {column} is gone"
    if now.rows * ROWS_DROP <= before.rows:
        yield f"there are {now.rows:,} rows, and the last time there were {before.rows:,}"
        return  # so few rows say nothing of their columns
    for column, count in now.filled.items():
        was = before.filled.get(column, 0) / before.rows
        if was >= FILLED_SHARE and count <= EMPTY_SHARE * now.rows:
            yield f"the column {column} was filled in {was:.0%} of the rows, and is empty now"
    for column, known in before.values.items():
        if column in now.values:
            yield from _new_values(column, known, now.values[column], now.rows)
        elif column in now.filled and now.rows >= ROWS_A_VALUE * SMALL_COLUMN_VALUES_MAX:
            yield f"the column {column} had {len(known)} values, and has more than {SMALL_COLUMN_VALUES_MAX} now"


def _new_values(column: str, known: Mapping[str, int], counts: Mapping[str, int], rows: int) -> Iterator[str]:
    new = {value: count for value, count in counts.items() if value and value not in known}
    common = {value: count for value, count in new.items() if count >= NEW_VALUE_SHARE * rows}
    if common:
        listed = ", ".join(f"{value!r} in {count:,} rows" for value, count in islice(common.items(), VALUES_SHOWN_MAX))
        more = f" and {len(common) - VALUES_SHOWN_MAX} more" if len(common) > VALUES_SHOWN_MAX else ""
        yield f"the column {column} has values that it never had: {listed}{more}"
