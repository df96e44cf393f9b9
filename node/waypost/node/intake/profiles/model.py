"""What a profile is: which columns of a source make an officer and his records, and what its values mean.

1. Every value of the canonical files is an expression over the source's columns (`Cell`), or is left empty.
2. A value map knows every value that it may meet. One that it does not know is never guessed: the row waits (`hold`) or
   is rejected, and the values are listed with their counts.
3. A condition knows the values for which it holds and those for which it does not; any other is unknown like in a map.
4. Agencies are named by their ORI; a name becomes one by the node's own table, which a person has confirmed.
5. One row may tell of several people (`people`, `split`) and of several employments (an employment for each suffix, or
   for each set of columns that a wide file repeats).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from waypost.node.intake.profiles.dates import DateFormats
from waypost.node.intake.profiles.names import Order
from waypost.node.intake.reading import Reading
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.rows import FileKind

PERSON: Final = "{n}"
"""In a column's name: the person of several whom the row tells of."""
NAMED: Final = re.compile(r"\{((?:[^{}]|\{n\})+)\}")
"""A column in a template."""


class As(StrEnum):
    """How a cell is tidied before it is used."""

    TEXT = "text"
    ID = "id"
    """Without the `.0` that a spreadsheet gave it; with the leading zeros that it took (`digits`)."""
    AMOUNT = "amount"
    """Dollars: $35,000, 35000.5, (1,200)."""
    AGENCY = "agency"
    """A name of an agency, or an ORI."""


class Unknown(StrEnum):
    """What becomes of a row with a value that nobody has explained."""

    HOLD = "hold"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Cell:
    """An expression: where a value comes from. Exactly one of the first five says it."""

    column: str = ""
    first_of: tuple[str, ...] = ()
    """The first of these columns that is not empty."""
    const: str | None = None
    template: str = ""
    """Text with columns in braces; empty when any of them is."""
    digest_of: tuple[str, ...] = ()
    """A key made from these columns, for sources without one; it tells nothing of them."""
    tidy: As = As.TEXT
    digits: int = 0
    map: str = ""
    """The name of a value map."""
    pattern: str = ""
    """A regular expression; its first group is the value, and what it does not match is as it was."""
    prefix: str = ""
    capitals: bool = False
    """Its letters as capitals: a key that one list writes O123 and another o123."""

    columns: tuple[str, ...] = field(init=False, default=())
    """The columns that it reads."""

    def __post_init__(self) -> None:
        named = NAMED.findall(self.template)
        read = tuple(filter(None, (self.column, *self.first_of, *self.digest_of, *named)))
        object.__setattr__(self, "columns", read)


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds for a row, or not (rule 3). `filled`: whether the column has to be filled, or empty."""

    column: str
    yes: frozenset[str] = frozenset()
    no: frozenset[str] = frozenset()
    otherwise: bool | None = None
    """For any other value; None: it is unknown."""
    filled: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ValueMap:
    """What a source's values mean; values without regard to capitals and spaces."""

    name: str
    values: Mapping[str, str]
    otherwise: str | None = None


@dataclass(frozen=True, slots=True)
class NameCell:
    """A column with a full name."""

    column: str
    order: Order


@dataclass(frozen=True, slots=True)
class Section:
    """One thing that a row says: an officer, an employment, or a record."""

    kind: FileKind
    cells: Mapping[str, Cell]
    when: tuple[Condition, ...] = ()
    name: NameCell | None = None
    former: NameCell | None = None
    """A column of other names, separated by semicolons."""
    repeated: frozenset[str] = frozenset()
    """Columns of its own, of a second or later set in a wide file; a file that has none of them has not that set."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it reads."""
        found = {column for cell in self.cells.values() for column in cell.columns}
        found |= {condition.column for condition in self.when}
        return frozenset(found | {name.column for name in (self.name, self.former) if name})


@dataclass(frozen=True, slots=True)
class Split:
    """Columns that hold lists, one item a person; and what may separate the items, the longest first."""

    columns: tuple[str, ...]
    by: tuple[str, ...]
    drop: str = ""
    """A regular expression of items that are nobody: a city among the defendants."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile. `toml` is its text, for showing it."""

    name: str
    title: str
    source: str
    about: str
    reading: Reading
    dates: DateFormats
    blanks: frozenset[str]
    """Values that stand for an empty cell, lower case."""
    maps: Mapping[str, ValueMap]
    keep: tuple[Condition, ...]
    officer_key: Cell
    sections: tuple[Section, ...]
    unknown: Unknown = Unknown.HOLD
    repeated: Repeated = Repeated.REJECT
    tidy_names: bool = True
    split: Split | None = None
    people: tuple[str, ...] = ()
    """Suffixes of columns, one a person: the row tells of several."""
    guesses: int = 0
    """How many of its lines are guesses that nobody has confirmed."""
    toml: str = field(default="", repr=False)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it reads."""
        found = set(self.officer_key.columns) | {condition.column for condition in self.keep}
        for section in self.sections:
            found |= section.columns
        if self.split:
            found |= set(self.split.columns)
        return frozenset(found)
