"""What a profile's expressions and conditions give of one row: text as a canonical file would write it.

1. A value that no map and no condition knows is noted, never guessed; so is an agency that nobody has confirmed.
2. What is no date, amount or name as the profile writes them is a problem of its column.
3. A blank (`N/A`, or what the profile calls so) is an empty cell, wherever it stands.
4. A number that a spreadsheet has shortened, and an error of one, is no part of a key, also where the key is made of
   several columns.
5. A whole number within a key has no decimals, whichever program wrote it: 1972.0 is 1972.
6. Nine letters are the name of a place (Ridgeland, Vicksburg): an ORI has digits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from waypost.node.intake.cells import (
    SHORTENED,
    SHORTENED_WHY,
    SPREADSHEET_ERROR,
    SPREADSHEET_ERROR_WHY,
    Problem,
    sort_of,
)
from waypost.node.intake.folding import normal
from waypost.node.intake.profiles.model import NAMED, PERSON, As, Cell, Condition, Profile, Section
from waypost.node.intake.profiles.names import take_apart, tidy_family
from waypost.node.intake.profiles.patterns import searchable
from waypost.node.intake.rows import DAYS
from waypost.node.limits import OTHER_NAMES_MAX, PATTERN_TEXT_CHARS_MAX, UNKNOWN_CHARS_MAX
from waypost.protocol.names import valid_ori

_KEYS: Final = frozenset({"officer_key", "record_key", "cert_number", "officer_id"})
_ID: Final = re.compile(r"(-?\d+)\.0+")
_PARTIAL_BIRTH: Final = re.compile(r"(\d{4})(?:\.0+)?|(\d{4}-\d{2})")
_AMOUNT: Final = re.compile(r"\(?\$? ?([\d,]+)(?:\.(\d{1,2})\d*)?\)?")
_ANY_ORI: Final = "DC0000000"
"""Stands in for an agency that is not confirmed yet while the rest of the row is checked; the row is not imported."""

Agencies = Mapping[str, str]
"""ORIs by the agency's name as `normal` writes it."""


@dataclass(slots=True)
class PersonRow:
    """A row while it is read for one person: its cells by column, and everything that is wrong or unknown in it."""

    cells: Mapping[str, str]
    person: str
    today: date
    problems: list[Problem] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    unknown_problems: list[Problem] = field(default_factory=list)
    agencies: list[str] = field(default_factory=list)

    def get(self, column: str) -> str:
        """The cell of that column; of the person's own, where the column has a place for him."""
        return self.cells[normal(column.replace(PERSON, self.person)) if PERSON in column else column]

    def refuse(self, column: str, reason: str) -> None:
        """Note that this cell is wrong."""
        self.problems.append(Problem(self.named(column), reason, sort_of(self.get(column))))

    def named(self, column: str) -> str:
        """The column as the file names it."""
        return column.replace(PERSON, self.person)

    def explain(self, column: str, value: str) -> None:
        """Note that nobody has explained this value."""
        self.unknown.append((self.named(column), value[:UNKNOWN_CHARS_MAX]))
        self.unknown_problems.append(
            Problem(self.named(column), "holds a value that the profile does not explain", sort_of(value))
        )


class Expressions:
    """Those of one profile."""

    def __init__(self, profile: Profile, agencies: Agencies) -> None:
        self._profile, self._agencies = profile, agencies
        self._blank_initials = frozenset(blank[:1] for blank in profile.blanks)

    def holds(self, row: PersonRow, condition: Condition) -> bool | None:
        """Whether the condition holds for the row; None: unknown."""
        text = self._blank(row.get(condition.column))
        if condition.filled is not None:
            return bool(text) == condition.filled
        value = normal(text)
        if value in condition.yes:
            return True
        if value in condition.no:
            return False
        if condition.otherwise is None:
            row.explain(condition.column, text)
        return condition.otherwise

    def value(self, row: PersonRow, cell: Cell, target: str) -> str:
        """The value of an expression, as a canonical file would write it."""
        if cell.const is not None:
            return cell.const
        raw = self._raw(row, cell)
        if cell.tidy is As.ID or target in _KEYS:
            self._whole(row, cell)
        column = cell.columns[0]
        if cell.pattern and not searchable(raw):
            row.refuse(column, f"is longer than {PATTERN_TEXT_CHARS_MAX} characters")
            return ""
        if cell.pattern and (found := re.search(cell.pattern, raw)):
            raw = (found[1] or "").strip()
        if cell.map:
            raw = self._mapped(row, cell, column, raw)
        elif cell.tidy is As.ID:
            raw = _whole_number(raw)
            raw = raw.zfill(cell.digits) if raw.isdecimal() else raw
        elif cell.tidy is As.AMOUNT and raw:
            raw = self._amount(row, column, raw)
        elif cell.tidy is As.AGENCY:
            return self._ori(row, column, raw)
        if target in DAYS and raw:
            raw = self._day(row, column, raw, birth=target == "date_of_birth")
        return cell.prefix + (raw.upper() if cell.capitals else raw) if raw else ""

    def _whole(self, row: PersonRow, cell: Cell) -> None:
        """Rule 4."""
        for column in cell.columns:
            for wrong, why in ((SHORTENED, SHORTENED_WHY), (SPREADSHEET_ERROR, SPREADSHEET_ERROR_WHY)):
                if wrong.fullmatch(row.get(column)):
                    row.refuse(column, why)

    def _raw(self, row: PersonRow, cell: Cell) -> str:
        if cell.column:
            return self._blank(row.get(cell.column))
        if cell.first_of:
            return next(filter(None, (self._blank(row.get(column)) for column in cell.first_of)), "")
        values = {column: self._blank(row.get(column)) for column in cell.columns}
        if cell.digest_of:
            content = "\x1f".join(normal(whole) for whole in map(_whole_number, values.values()))
            return hashlib.sha256(content.encode()).hexdigest()[:20] if any(values.values()) else ""
        if not all(values.values()):
            return ""
        whole = {column: _whole_number(value) for column, value in values.items()}
        return NAMED.sub(lambda named: whole[named[1]], cell.template)  # at once: a value may hold braces, too

    def _blank(self, text: str) -> str:
        if text[:1].casefold()[:1] in self._blank_initials and normal(text) in self._profile.blanks:
            return ""
        return text

    def _mapped(self, row: PersonRow, cell: Cell, column: str, raw: str) -> str:
        known = self._profile.maps[cell.map]
        value = known.values.get(normal(raw), known.otherwise)
        if value is None and not raw:
            return ""
        if value is None:
            row.explain(column, raw)
            return ""
        return value

    def _ori(self, row: PersonRow, column: str, raw: str) -> str:
        if valid_ori(raw.upper()) and any(map(str.isdigit, raw)):  # rule 6
            return raw.upper()
        if len(raw) > UNKNOWN_CHARS_MAX:
            row.refuse(column, f"is longer than {UNKNOWN_CHARS_MAX} characters")
            return ""
        if not "".join(raw.split()).isprintable():
            row.refuse(column, "holds a character that cannot be printed")
            return ""
        ori = self._agencies.get(normal(raw), "")
        if not ori and raw:
            row.agencies.append(" ".join(raw.split()))
            row.unknown_problems.append(
                Problem(row.named(column), "names an agency whose ORI nobody has confirmed", sort_of(raw))
            )
            return _ANY_ORI  # the agency's own problem is told already
        return ori

    def _amount(self, row: PersonRow, column: str, raw: str) -> str:
        found = _AMOUNT.fullmatch(raw)
        if found is None:
            row.refuse(column, "is not an amount in dollars")
            return ""
        return f"{found[1].replace(',', '')}.{(found[2] or '').ljust(2, '0')}"

    def _day(self, row: PersonRow, column: str, raw: str, *, birth: bool) -> str:
        if birth and (partial := _PARTIAL_BIRTH.fullmatch(raw)):
            return partial[1] or partial[2]
        day = self._profile.dates.read(raw, row.today, birth=birth)
        if isinstance(day, str):
            row.refuse(column, day)
            return ""
        return day.isoformat() if day else ""

    def names(self, row: PersonRow, section: Section, values: dict[str, str]) -> None:
        """Put the person's names into the values of a section of officers."""
        former = self._former(row, section)
        if section.name is not None:
            taken = take_apart(self._blank(row.get(section.name.column)), section.name.order)
            if isinstance(taken, str):
                row.refuse(section.name.column, taken)
                return
            values |= {"family_name": taken.family, "given_name": taken.given, "middle_name": taken.middle}
            values["suffix"] = values["suffix"] or taken.suffix
            former += [f"{name}, {taken.given}" for name in taken.former]
        elif self._profile.tidy_names:
            family, suffix, names = tidy_family(values["family_name"])
            values["family_name"], values["suffix"] = family, values["suffix"] or suffix
            former += [f"{name}, {values['given_name'].split()[0]}" for name in names if values["given_name"].split()]
        if former:
            values["other_names"] = "; ".join(filter(None, (values["other_names"], *former)))

    def _former(self, row: PersonRow, section: Section) -> list[str]:
        """The names of a column of former names, as a canonical file writes them."""
        cell, names = section.former, []
        if cell is None:
            return []
        items = [item.strip() for item in self._blank(row.get(cell.column)).split(";") if item.strip()]
        if len(items) > OTHER_NAMES_MAX:
            row.refuse(cell.column, f"has more than {OTHER_NAMES_MAX} names")
            return []
        for item in items:
            taken = take_apart(item, cell.order)
            if isinstance(taken, str):
                row.refuse(cell.column, taken)
                return []
            names.append(f"{taken.family}, {taken.given} {taken.middle}".rstrip())
        return names


def _whole_number(text: str) -> str:
    """Rule 5."""
    found = _ID.fullmatch(text)
    return found[1] if found else text
