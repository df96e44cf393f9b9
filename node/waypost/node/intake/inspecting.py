"""What a table looks like to somebody who has never seen it: its columns, how they are filled, and with what.

1. Personal values are masked: an example shows the sort of each character (A, a, 9) and keeps punctuation. Values are
   shown in the clear only of small columns, those with few values for their rows, and never of columns whose name or
   values tell of a person.
2. The first EXAMPLES_ROWS_MAX rows are looked at; all rows are counted.
3. Where no line looks like a header, the first row was taken for one: its cells are not shown, nor any values.
4. A value that a terminal would obey is shown without what it would.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from waypost.node.intake.profiles.dates import EXCEL, DateFormats
from waypost.node.intake.reading import Table
from waypost.node.intake.reading.tables import labels
from waypost.node.limits import EXAMPLES_ROWS_MAX, SMALL_COLUMN_VALUES_MAX
from waypost.protocol.printing import printable

DATE_FORMATS: Final = (
    *("YYYY-MM-DD", "M/D/YYYY", "D/M/YYYY", "M-D-YYYY", "M/D/YY", "D-Mon-YY", "D-Mon-YYYY", "D Mon YYYY"),
    *("Mon D, YYYY", "YYYYMMDD", "YYYY/M/D", "M.D.YYYY"),
)
PERSONAL: Final = re.compile(
    r"name|\bssn\b|\bsoc|birth|\bdob\b|\bnbr\b|number|\bno\b|\bid\b|uid|star|badge|address|phone|mail|plaintiff|plantiff|"
    r"claimant|complainant|caption|style|comment|remark|narrative|note|summary|description|person|officer|key|last|first|"
    r"middle|user|attorney|atty|case|street|event|subject|victim|witness|spouse|defendant|emergency|supervisor|commander|"
    r"investigator|partner|alias|\ba\.?k\.?a\b|contact|judge|counsel|\bby\b|\bkin\b",
    re.IGNORECASE,
)
PLACEHOLDER: Final = re.compile(
    r"n/?\.?a\.?|#n/a|none|null|unknown|unk|-+|\?+|tbd|"
    r"(?:0000-00-00|0?1/0?1/190[01]|190[01]-01-01|9999-12-31|12/31/9999|2262-04-11|0001-01-01)"
    r"(?:[ T][\d:.]+(?: ?[ap]m|Z)?)?",
    re.IGNORECASE,
)
_DATE_SHARE: Final = 0.6
_EXAMPLES: Final = 3
_ROWS_A_VALUE: Final = 5
_FEW_VALUES: Final = 12
_DIGITS_MAX: Final = 3
_SAMPLES_MAX: Final = 2_000
_SAMPLES_IN_ALL: Final = 400_000
"""Of all columns together: a file of sixteen thousand keeps 24 of each."""
_CELL_CHARS_MAX: Final = 200
"""Of each cell: no date, and no word of a vocabulary, is longer."""
_SERIALS: Final = re.compile(r"[2-5]\d{4}(?:\.\d+)?")


@dataclass(slots=True)
class Column:
    """One column. `values`: those of a small column, with how many rows hold each; else None."""

    name: str
    filled: int = 0
    personal: bool = False
    examples: list[str] = field(default_factory=list)
    values: Counter[str] | None = field(default_factory=Counter)
    date_formats: list[str] = field(default_factory=list)
    """In the order of how many values each reads; empty: these are no dates."""
    placeholders: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Inspection:
    """What was seen of one table."""

    table: Table
    rows: int
    columns: list[Column]
    headless: bool = False
    """Whether the file seems to have no header (rule 3)."""


def inspect_table(table: Table, today: date) -> Inspection:
    """Look at a table."""
    headless = not labels(table.header)
    columns = [
        Column(name, personal=headless or bool(PERSONAL.search(name.replace("_", " ")))) for name in table.columns
    ]
    if headless:  # rule 3
        for number, column in enumerate(columns, start=1):
            column.name = f"column {number}"
    rows = looked = 0
    samples_max = min(_SAMPLES_MAX, _SAMPLES_IN_ALL // len(columns))
    for row in table.rows():
        rows += 1
        if rows <= EXAMPLES_ROWS_MAX and len(row.cells) == len(columns):
            looked += 1
            for column, cell in zip(columns, row.cells, strict=True):
                _see(column, cell[:_CELL_CHARS_MAX].strip(), samples_max)
    for column in columns:
        _conclude(column, looked, today)
    return Inspection(table, rows, columns, headless)


def _see(column: Column, cell: str, samples_max: int) -> None:
    if not cell:
        return
    column.filled += 1
    if PLACEHOLDER.fullmatch(cell):
        column.placeholders[printable(cell)] += 1
    elif len(column.samples) < samples_max:
        column.samples.append(cell)
    masked = mask(cell)
    if len(column.examples) < _EXAMPLES and masked not in column.examples:
        column.examples.append(masked)
    if column.values is not None:
        column.values[printable(" ".join(cell.split()))] += 1
        if len(column.values) > SMALL_COLUMN_VALUES_MAX:
            column.values = None


def _conclude(column: Column, rows: int, today: date) -> None:
    column.date_formats = formats_of(column.samples, today)
    values = column.values
    if values is not None and any(sum(map(str.isdigit, value)) > _DIGITS_MAX for value in values):
        values = column.values = None  # a number of somebody, or a time: no word of a vocabulary
    if (
        column.personal
        or column.date_formats
        or (values is not None and len(values) > max(_FEW_VALUES, rows // _ROWS_A_VALUE))
    ):
        column.values = None


def formats_of(samples: Sequence[str], today: date) -> list[str]:
    """The formats that read these values, the one that reads most first; fewer do when fewer suffice."""
    left, found = list(samples), []
    if not samples or (sum(map(_dated, samples)) < _DATE_SHARE * len(samples) and not _serials(samples)):
        return []
    while left:
        readers = {each: DateFormats.of((each,)) for each in DATE_FORMATS if each not in found}
        counts = {
            each: sum(isinstance(reader.read(value, today), date) for value in left) for each, reader in readers.items()
        }
        best = max(counts, key=lambda each: counts[each])
        if not counts[best]:
            break
        reader = readers[best]
        left = [value for value in left if not isinstance(reader.read(value, today), date)]
        found.append(best)
    if left and _serials(left):
        found.append(EXCEL)
    return found


def _dated(value: str) -> bool:
    return bool(re.match(r"\d{1,4}[-/. ][\dA-Za-z]{1,9}[-/., ]+\d{2,4}|\d{8}$|[A-Za-z]{3,9}\.? \d{1,2}, \d{4}", value))


def _serials(values: Sequence[str]) -> bool:
    return all(_SERIALS.fullmatch(value) for value in values)


def mask(value: str) -> str:
    """The sorts of a value's characters."""
    masked = "".join(
        "A"
        if char.isupper()
        else "a"
        if char.isalpha()
        else "9"
        if char.isdigit()
        else char
        if char.isprintable()
        else "?"
        for char in value[:40]
    )
    return masked + "…" if len(value) > len(masked) else masked
