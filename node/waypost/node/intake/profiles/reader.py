"""Applies a profile to the rows of a table: source cells in, the same checks as for canonical files, values out.

1. A column that the profile reads must be there; one that has vanished stops the import.
2. A row is read for each person that it tells of, and each person for each of his employments and records.
3. Values that nobody has explained make the whole row wait: it is accepted or not as one (`Unexplained`).
4. Problems name the column of the source, so that a custodian finds the cell.
5. A filter leaves out the people of a row for whom it does not hold; the row, when nobody is left.
6. A suffix alone between the separators of a list (..., Avery Synthetic, Jr) belongs to the name before it.
7. Of the sets of columns that a wide file repeats, those are read that the table has; a set that is there in part is
   told like any other column that has vanished.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from waypost.node.custody.shapes import ShapeObserver
from waypost.node.intake.canonical import PERSONAL_COLUMNS, REJECT_COLUMNS
from waypost.node.intake.cells import Cells, Problem, sort_of
from waypost.node.intake.folding import normal
from waypost.node.intake.profiles.dates import DateFormats
from waypost.node.intake.profiles.expressions import Agencies, Expressions, PersonRow
from waypost.node.intake.profiles.model import PERSON, Profile, Section, Unknown
from waypost.node.intake.profiles.names import is_suffix
from waypost.node.intake.profiles.patterns import searchable
from waypost.node.intake.reading import SourceRow, Table
from waypost.node.intake.reading.source import refuse
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.rows import COLUMNS, FileKind, Parts, Row, read_part
from waypost.node.intake.spreadsheets import TYPED_DAY_FORMAT, unguarded
from waypost.node.intake.unexplained import LeftOut, Unexplained

_LEFT_OUT: Final = LeftOut("rows with nothing to import")
_COLUMN: Final = re.compile("|".join(sorted({name for names in COLUMNS.values() for name in names if "_" in name})))
"""Names of canonical columns within a reason."""


def profile_readers(tables: Sequence[Table], profile: Profile, agencies: Agencies) -> list[ProfileReader]:
    """Readers of those tables that have the profile's columns (rule 1)."""
    fitting = [table for table in tables if not _missing(table, profile)]
    if not fitting:
        lacking = min((_missing(table, profile) for table in tables), key=len)
        refuse(
            tables[0].name,
            f"has not the columns of profile {profile.name}: {', '.join(map(repr, lacking[:5]))}"
            f"{' and others' if len(lacking) > 5 else ''} missing",  # noqa: PLR2004 - enough to recognize it
            "look at the file with import inspect; correct the profile if the source has changed",
        )
    lacking_tables = ((table, _missing(table, profile)) for table in tables if table not in fitting)
    fitting[0].aside = (
        *(each for table in tables for each in table.aside),
        *(f"{table.name}: lacks the columns {', '.join(map(repr, lacks[:5]))}" for table, lacks in lacking_tables),
    )
    return [ProfileReader(table, _fitted(table, profile), agencies) for table in fitting]


def _missing(table: Table, profile: Profile) -> list[str]:
    there = {normal(column) for column in table.columns}
    return [column for column in sorted(_fitted(table, profile).columns) if not _there(column, there, profile)]


def _fitted(table: Table, profile: Profile) -> Profile:
    """The profile with as many sets of repeated columns as the table has (rule 7)."""
    there = {normal(column) for column in table.columns}
    sections = tuple(
        section
        for section in profile.sections
        if not section.repeated or any(_there(column, there, profile) for column in section.repeated)
    )
    return replace(profile, sections=sections)


def _there(column: str, there: set[str], profile: Profile) -> bool:
    return all(normal(column.replace(PERSON, each)) in there for each in profile.people or ("",))


class ProfileReader:
    """Reads the rows of one table by a profile."""

    kind = None

    def __init__(self, table: Table, profile: Profile, agencies: Agencies) -> None:
        self.table, self._profile = table, profile
        self._names = [normal(column) for column in table.columns]
        self._mended = any(name in REJECT_COLUMNS for name in self._names)
        self._expressions = Expressions(_typed(profile) if self._mended else profile, agencies)
        self._read = {normal(column): column for column in profile.columns}
        self._alias = {column: normal(column) for column in profile.columns if PERSON not in column}
        self._watched = [column for column in table.columns if normal(column) in self._read]
        self._watched_at = [at for at, name in enumerate(self._names) if name in self._read]
        by = profile.split.by if profile.split else ()
        drop = profile.split.drop if profile.split else ""
        self._nobody = re.compile(drop, re.IGNORECASE) if drop else None
        self._separators = re.compile("|".join(map(re.escape, by)))
        self._brings = any(section.kind is FileKind.OFFICERS for section in profile.sections)

    @property
    def profile(self) -> str:
        """The profile's name."""
        return self._profile.name

    @property
    def repeated(self) -> Repeated:
        """What to make of two rows that name one officer differently."""
        repeated, key = self._profile.repeated, self._profile.officer_key
        return Repeated.NAMESAKES if repeated is Repeated.ALIAS and key.digest_of else repeated

    @property
    def series(self) -> str:
        """Files of mended rows are not compared."""
        return "" if self._mended else f"profile/{self._profile.name}"

    def observer(self) -> ShapeObserver:
        """Watches the columns that the profile reads."""
        return ShapeObserver(self._watched, personal=self._personal())

    def _personal(self) -> frozenset[str]:
        """Columns that say who somebody is."""
        found = set(self._profile.officer_key.columns)
        for section in self._profile.sections:
            found |= {name.column for name in (section.name, section.former) if name}
            for target, cell in section.cells.items():
                if target in PERSONAL_COLUMNS:
                    found |= set(cell.columns)
        plain = {normal(column) for column in found}
        return frozenset(column for column in self._watched if normal(column) in plain)

    def observed(self, source: SourceRow) -> Sequence[str]:
        """The cells of those columns."""
        cells = source.cells
        return [cells[at] for at in self._watched_at] if len(cells) == len(self._names) else ()

    def officer_keys(self, source: SourceRow) -> tuple[str, ...]:
        """The officers that the row brings."""
        if not self._brings or len(source.cells) != len(self._names):
            return ()
        rows = self._rows(source, date.min)
        return tuple(self._expressions.value(row, self._profile.officer_key, "officer_key") for row in rows)

    def record_keys(self, source: SourceRow) -> tuple[str, ...]:
        """The records that the row tells of, as far as it can be read: a profile may make a key of several columns."""
        if len(source.cells) != len(self._names):
            return ()
        cells = [each.cells["record_key"] for each in self._profile.sections if each.kind is FileKind.CONDUCT]
        rows = self._rows(source, date.min) if cells else []
        keys = (self._expressions.value(row, cell, "record_key") for row in rows for cell in cells)
        return tuple(dict.fromkeys(filter(None, keys)))

    def read(self, source: SourceRow, today: date) -> Parts | tuple[Problem, ...] | Unexplained | LeftOut:
        """What the row says."""
        if len(source.cells) != len(self._names):
            return (Problem("", "the row has not as many cells as the header has columns"),)
        parts: list[Row] = []
        rows: list[PersonRow] = []
        left_out = _LEFT_OUT
        problems: list[Problem] = []
        for row in self._rows(source, today):
            why = self._left_out(row)
            if why is not None:
                left_out = why  # rule 5
                continue
            rows.append(row)
            parts += self._person(row)
            problems += row.problems
        if unexplained := self._unexplained(rows):
            return unexplained
        if problems:
            return tuple(dict.fromkeys(problems))
        return Parts(tuple(parts)) if parts else left_out

    def _unexplained(self, rows: Sequence[PersonRow]) -> Unexplained | None:
        """Rule 3. A row that is wrong anyway is rejected for what is wrong."""
        values = tuple(dict.fromkeys(value for row in rows for value in row.unknown))
        agencies = tuple(dict.fromkeys(agency for row in rows for agency in row.agencies))
        if not values and not agencies:
            return None
        wrong = [problem for row in rows for problem in row.problems]
        unexplained = [problem for row in rows for problem in row.unknown_problems]
        held = self._profile.unknown is Unknown.HOLD and not wrong
        return Unexplained(tuple(dict.fromkeys((*wrong, *unexplained))), values, agencies, held=held)

    def _rows(self, source: SourceRow, today: date) -> list[PersonRow]:
        """Rule 2: the row once for each person."""
        cells = source.cells
        if self._mended:
            cells = tuple(map(unguarded, cells))
        named = dict(zip(self._names, map(str.strip, cells), strict=True))
        for column, plain in self._alias.items():
            named[column] = named[plain]
        people = self._profile.people or ("",)
        split = self._profile.split
        if split is None:
            return [PersonRow(named, person, today) for person in people]
        lists = {column: self._items(named[column]) for column in split.columns}
        count = max(map(len, lists.values()))
        rows = [
            PersonRow(named | {column: _item(items, at) for column, items in lists.items()}, "", today)
            for at in range(count)
        ]
        for column, items in lists.items():
            if len(items) not in {1, count}:
                for row in rows:
                    row.problems.append(Problem(column, f"lists {len(items)} where another column lists {count}"))
        return rows

    def _items(self, text: str) -> list[str]:
        items: list[str] = []
        for item in filter(None, map(str.strip, self._separators.split(text))):
            if items and is_suffix(item):  # rule 6
                items[-1] += f", {item}"
            else:
                items.append(item)
        return [item for item in items if not self._is_nobody(item)] or [""]

    def _is_nobody(self, item: str) -> bool:
        return bool(self._nobody and searchable(item) and self._nobody.fullmatch(item))

    def _left_out(self, row: PersonRow) -> LeftOut | None:
        for condition in self._profile.keep:
            if self._expressions.holds(row, condition) is False:
                return LeftOut(condition.why or f"rows left out by {condition.column!r}")
        return None

    def _person(self, row: PersonRow) -> list[Row]:
        """What the row says of one person."""
        sections = [
            each for each in self._profile.sections if all(self._expressions.holds(row, when) for when in each.when)
        ]
        if not sections:
            return []
        key = self._expressions.value(row, self._profile.officer_key, "officer_key")
        parts: list[Row] = []
        for section in sections:
            before = len(row.problems), len(row.unknown)
            values = {"officer_key": key} | self._values(row, section)
            if (len(row.problems), len(row.unknown)) != before:
                continue  # what is told already would only be told again by what lacks it
            cells = Cells(list(values), list(values.values()), row.today)
            part = read_part(section.kind, cells)
            row.problems += [self._in_row(section, problem, row) for problem in cells.problems]
            if part is not None:
                parts.append(part)
        return parts

    def at_source(self, problem: Problem) -> Problem:
        """A problem that storing the row has shown, with the source's column (rule 4)."""
        targets = ({"officer_key": self._profile.officer_key}, *(each.cells for each in self._profile.sections))
        cells = (cells[problem.column] for cells in targets if problem.column in cells)
        columns = next((cell.columns for cell in cells if cell.columns), ())
        return replace(problem, column=columns[0]) if columns else problem

    def _in_row(self, section: Section, problem: Problem, row: PersonRow) -> Problem:
        """Rule 4."""
        cell = self._profile.officer_key if problem.column == "officer_key" else section.cells.get(problem.column)
        columns = cell.columns if cell else ()
        if section.name and problem.column in {"family_name", "given_name", "middle_name", "suffix"}:
            columns = (section.name.column,)
        reason = _COLUMN.sub(lambda found: _source(section, found[0]), problem.reason)
        if not columns:
            return Problem(problem.column, reason, problem.saw)
        return Problem(row.named(columns[0]), reason, sort_of(row.get(columns[0])))

    def _values(self, row: PersonRow, section: Section) -> dict[str, str]:
        values = dict.fromkeys(COLUMNS[section.kind][1:], "")
        for target, cell in section.cells.items():
            values[target] = self._expressions.value(row, cell, target)
        if section.kind is FileKind.OFFICERS:
            self._expressions.names(row, section, values)
        return values


def _source(section: Section, column: str) -> str:
    """The source's column that gives this one; itself where none does."""
    cell = section.cells.get(column)
    return cell.columns[0] if cell and cell.columns else column


def _typed(profile: Profile) -> Profile:
    """The profile for mended rows: days may be written as a spreadsheet saves what was typed, unless the source has
    formats that this could be taken for.
    """
    formats = profile.dates.formats
    if any("/" in each for each in formats):
        return profile
    return replace(profile, dates=DateFormats.of((*formats, TYPED_DAY_FORMAT), [*profile.dates.placeholders]))


def _item(items: Sequence[str], at: int) -> str:
    return items[at] if len(items) > 1 and at < len(items) else items[0]
