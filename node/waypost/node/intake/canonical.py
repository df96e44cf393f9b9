"""The canonical files: bytes in, rows out, each with the line it begins in.

A canonical file is CSV (RFC 4180) in UTF-8, with or without byte order mark, with a header; a file is recognized by
its header, columns may stand in any order. A file is refused as a whole, with a sentence that says what to do, when

 1. it is empty, larger than FILE_BYTES_MAX, a spreadsheet, or text in another encoding than UTF-8,
 2. it holds a NUL byte,
 3. its header is none of the three, lacks a column, has one twice, or has one that is not known (a misspelt column
    would otherwise be lost silently),
 4. a quotation mark is not closed, or stands where CSV allows none: then nobody can tell where rows end.

A row with too few or too many cells is that row's problem alone (rows.py). Lines without any content are no rows. The
columns that a rejects file adds (REJECT_COLUMNS) are known in every file, and ignored.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NoReturn

from waypost.node.errors import IntakeError
from waypost.node.limits import FIELD_CHARS_MAX, FILE_BYTES_MAX


class FileKind(StrEnum):
    """Which of the three files it is; in the order in which they are imported."""

    OFFICERS = "officers"
    EMPLOYMENT = "employment"
    CONDUCT = "conduct"


COLUMNS: Final[dict[FileKind, tuple[str, ...]]] = {
    FileKind.OFFICERS: (
        *("officer_key", "family_name", "given_name", "middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
        *("cert_state", "cert_number", "officer_id"),
    ),
    FileKind.EMPLOYMENT: (
        *("officer_key", "ori", "rank", "sworn", "hired_on", "separated_on", "separation_kind", "under_investigation"),
    ),
    FileKind.CONDUCT: (
        *("officer_key", "record_key", "kind", "occurred_on", "effective_on", "summary", "force_type", "force_outcome"),
        *("amount", "authority", "notice_on", "hearing", "decided_by", "decided_on", "appeal", "final_on", "told_on"),
        "status",
    ),
}
REJECT_COLUMNS: Final = ("reject_line", "reject_column", "reject_reason")

_SPREADSHEETS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS: Final = "save it as CSV in UTF-8 (in Excel: Save As, CSV UTF-8) and import that"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row as it stands in its file: the line it begins in (from 1), and its cells."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CanonicalFile:
    """A readable file: its name as the user gave it, its kind, its header as written, its rows."""

    name: str
    kind: FileKind
    sha256: bytes
    header: tuple[str, ...]
    rows: tuple[SourceRow, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """Where each canonical column stands in this file."""
        names = [_plain(name) for name in self.header]
        return tuple(names.index(column) for column in COLUMNS[self.kind])


def read_file(name: str, data: bytes) -> CanonicalFile:
    """The file's rows; IntakeError when it is refused as a whole."""
    text = _text(name, data)
    rows = _rows(name, text)
    first = next(rows, None)
    if first is None:
        _refuse(name, "is empty", "export it again")
    kind = _recognize(name, first.cells)
    return CanonicalFile(name, kind, hashlib.sha256(data).digest(), first.cells, tuple(rows))


def _text(name: str, data: bytes) -> str:
    """Rules 1 and 2."""
    if len(data) > FILE_BYTES_MAX:
        _refuse(name, f"is larger than {FILE_BYTES_MAX // 2**20} MiB", "split it into several files")
    if data.startswith(_SPREADSHEETS):
        _refuse(name, "is a spreadsheet, not CSV", _SAVE_AS)
    if data.startswith(_UTF16):
        _refuse(name, "is UTF-16, not UTF-8", _SAVE_AS)
    if (nul := data.find(b"\0")) >= 0:
        _refuse(name, f"holds a NUL byte in line {_line(data, nul)}", "it is damaged or no text: export it again")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(name, f"is not UTF-8: line {_line(data, error.start)} holds a byte that it does not allow", _SAVE_AS)


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _rows(name: str, text: str) -> Iterator[SourceRow]:
    """Every row with content, the header among them."""
    csv.field_size_limit(FIELD_CHARS_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell and not cell.isspace() for cell in cells):
                yield SourceRow(line, tuple(cells))
            line = reader.line_num + 1
    except csv.Error:  # rule 4
        _refuse(
            name,
            f"has a quotation mark that is not closed, or stands within a cell, in the row that begins in line {line}",
            'put a cell that holds a quotation mark into quotation marks, and double those within ("") ',
        )


def _plain(name: str) -> str:
    return name.strip().lower()


def _recognize(name: str, header: tuple[str, ...]) -> FileKind:
    """Rule 3: which file it is."""
    names = [_plain(column) for column in header]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        _refuse(name, "separates its columns with something else than commas", _SAVE_AS)
    kind = max(FileKind, key=lambda kind: len(set(COLUMNS[kind]) & set(names)))
    known = set(COLUMNS[kind])
    if len(known & set(names)) * 2 < len(known):
        _refuse(
            name,
            "is none of the three files: its first line is not the header of officers, employment or conduct",
            "write the header as docs/import.md gives it",
        )
    if missing := [column for column in COLUMNS[kind] if column not in names]:
        _refuse(name, f"is a file of {kind} without the column {', '.join(missing)}", "add it, empty if need be")
    if twice := sorted({column for column in names if names.count(column) > 1}):
        _refuse(name, f"has the column {', '.join(twice)} twice", "remove one")
    if unknown := [repr(column) for column in names if column not in known and column not in REJECT_COLUMNS]:
        _refuse(name, f"has a column that is not known: {', '.join(unknown)}", "correct its name, or remove it")
    return kind


def _refuse(name: str, what: str, hint: str) -> NoReturn:
    raise IntakeError(f"{name} {what}; nothing was imported", hint=hint.strip())
