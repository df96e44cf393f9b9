"""The canonical files: a table in, one value a row out.

A canonical file is a table of any readable format (reading/); it is recognized by its header, columns may stand in any
order. It is refused as a whole, with a sentence that says what to do, when its header is none of the three, lacks a
column, has one twice, or has one that is not known (a misspelt column would otherwise be lost silently).

A row with too few or too many cells is that row's problem alone (rows.py). The columns that a rejects file adds
(REJECT_COLUMNS) are known in every file, and ignored; what keeps a spreadsheet from changing cells is taken off, and
days may be written as it saves them (spreadsheets.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

from waypost.node.custody.shapes import ShapeObserver
from waypost.node.intake.cells import Cells, Problem
from waypost.node.intake.reading import SourceRow, Table
from waypost.node.intake.reading.source import refuse
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.rows import COLUMNS, DAYS, FileKind, Parts, read_row
from waypost.node.intake.spreadsheets import typed_day, unguarded

PERSONAL_COLUMNS: Final = frozenset(
    {
        *("officer_key", "family_name", "given_name", "middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
        *("cert_number", "officer_id", "record_key", "summary", "amount", "decided_by"),
        *("occurred_on", "effective_on", "notice_on", "decided_on", "final_on", "told_on", "hired_on", "separated_on"),
    }
)
"""Columns whose values are not remembered for comparing files."""

_SHOWN: Final = 5
_SHOWN_CHARS: Final = 60
"""Of columns that an error names."""
REJECT_COLUMNS: Final = ("reject_line", "reject_column", "reject_value", "reject_reason", "reject_records")
"""The last: the keys of the records that the row tells of, by which it is forgotten when one of them is expunged."""


class CanonicalReader:
    """Reads the rows of one canonical file."""

    profile = ""
    repeated = Repeated.REJECT

    def __init__(self, table: Table) -> None:
        self.table = table
        self.kind = _recognize(table)
        names = [_plain(name) for name in table.header]
        self._at = tuple(names.index(column) for column in COLUMNS[self.kind])
        self._width = len(names)
        self._key_at = names.index("officer_key")
        self._mended = any(name in REJECT_COLUMNS for name in names)

    @property
    def series(self) -> str:
        """Files of mended rows are not compared."""
        return "" if self._mended else f"canonical/{self.kind}"

    def observer(self) -> ShapeObserver:
        """Watches what `observed` gives."""
        return ShapeObserver(COLUMNS[self.kind], personal=PERSONAL_COLUMNS)

    def observed(self, source: SourceRow) -> Sequence[str]:
        """The canonical cells."""
        cells = source.cells
        return [cells[at] for at in self._at] if len(cells) == self._width else ()

    def officer_keys(self, source: SourceRow) -> tuple[str, ...]:
        """The officer that a row of officers brings."""
        return (source.cells[self._key_at].strip(),) if self._key_at < len(source.cells) else ()

    def record_keys(self, source: SourceRow) -> tuple[str, ...]:
        """The record of a row of conduct, as it is kept."""
        if self.kind is not FileKind.CONDUCT or len(source.cells) != self._width:
            return ()
        cell = unguarded(source.cells[self._at[COLUMNS[self.kind].index("record_key")]])
        return tuple(filter(None, (Cells(("record_key",), (cell,), date.min).text("record_key"),)))

    def at_source(self, problem: Problem) -> Problem:
        """The columns are named so in the file itself."""
        return problem

    def read(self, source: SourceRow, today: date) -> Parts | tuple[Problem, ...]:
        """The row's value, or its problems."""
        cells = source.cells
        if len(cells) != self._width:
            return read_row(self.kind, None, today)
        picked = [cells[at] for at in self._at]
        return read_row(self.kind, self._as_meant(picked) if self._mended else picked, today)

    def _as_meant(self, cells: Sequence[str]) -> list[str]:
        """The cells of a mended row, which may have been through a spreadsheet."""
        plain = map(unguarded, cells)
        return [
            typed_day(cell) if column in DAYS else cell for column, cell in zip(COLUMNS[self.kind], plain, strict=True)
        ]


def _plain(name: str) -> str:
    return name.strip().lower()


def _recognize(table: Table) -> FileKind:
    """Which file it is."""
    name, names = table.name, [_plain(column) for column in table.header]
    kind = max(FileKind, key=lambda kind: len(set(COLUMNS[kind]) & set(names)))
    known = set(COLUMNS[kind])
    if len(known & set(names)) * 2 < len(known):
        refuse(
            name,
            "is none of the three files: it has not the header of officers, employment or conduct",
            "write the header as docs/import.md gives it, or bring the file in with a profile: "
            "waypost-node import inspect FILE",
        )
    if missing := [column for column in COLUMNS[kind] if column not in names]:
        refuse(name, f"is a file of {kind} without the column {', '.join(missing)}", "add it, empty if need be")
    if twice := sorted(column for column, times in Counter(names).items() if times > 1):
        refuse(name, f"has the column {_listed(twice)} twice", "remove one")
    if unknown := [column for column in names if column not in known and column not in REJECT_COLUMNS]:
        refuse(name, f"has a column that is not known: {_listed(unknown)}", "correct its name, or remove it")
    return kind


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(column[:_SHOWN_CHARS]) for column in columns[:_SHOWN])
    return f"{shown} and {len(columns) - _SHOWN:,} more" if len(columns) > _SHOWN else shown
