"""Rejected rows: named one by one, and written where they can be mended and imported again.

1. A rejects file has the columns that say what is wrong (import ignores them) before the row exactly as it stood in its
   file, so that a row with too many or too few cells is kept whole, too. A cell that a spreadsheet would run as a
   formula, or change, gets an apostrophe (spreadsheets.py), which import takes off.
2. It is the owner's alone (0600), for it holds personal data.
3. It is named for its content: importing the same file twice makes one rejects file, and a file that somebody has begun
   to mend is never overwritten.
4. It is written row by row: a file of which every row is rejected takes no memory.
5. An import that was killed leaves its unfinished file behind, unnamed and of no use to anybody: the next one removes
   it. Only imports write such files, and only while they hold the store's one write transaction.
6. It is known again by its first cell, whatever a spreadsheet has made of it, and read as what it is: a profile says
   how the source's own files are read, not this one (`mended_tables`).
7. A row of a record that is expunged leaves it, also where a profile makes the record's key of several columns
   (`forget_rejects`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Final

from waypost.node.errors import IntakeError
from waypost.node.intake.canonical import REJECT_COLUMNS
from waypost.node.intake.cells import Problem
from waypost.node.intake.reading import Reading, Source, SourceRow, Table, open_tables
from waypost.node.intake.reading.table import plain
from waypost.node.intake.spreadsheets import guarded, unguarded

_UNFINISHED: Final = ".rejects-"
_HEAD_BYTES: Final = 64
_BETWEEN: Final = "; "
_STEM_BYTES_MAX: Final = 200
"""Of a file's name: file systems allow 255 with what is added."""
_REJECTS: Final = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\"?" + REJECT_COLUMNS[0].encode())


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not imported: where it stands, and everything that is wrong with it.

    `held`: nothing is wrong with the row; it waits until somebody says what its values mean.
    """

    file: str
    row: SourceRow
    problems: tuple[Problem, ...]
    held: bool = False

    @property
    def columns(self) -> str:
        """The columns that are wrong, or nothing when it is the row as a whole."""
        return "; ".join(problem.column for problem in self.problems)

    @property
    def sorts(self) -> str:
        """What sort of values they hold."""
        return "; ".join(problem.saw for problem in self.problems)

    @property
    def reasons(self) -> str:
        """Why, in words that do not repeat what the row says."""
        return "; ".join(str(problem) for problem in self.problems)


class RejectsFile:
    """The rejects of one file as they come. `keep` or `discard` it."""

    def __init__(self, folder: Path, name: str, header: Sequence[str]) -> None:
        self._folder = folder
        stem = Path(name.partition(" [")[0]).stem.split(".rejects-")[0]
        self._stem = stem.encode()[:_STEM_BYTES_MAX].decode(errors="ignore")
        self._width = len(header)
        self._kept = [index for index, column in enumerate(header) if column.strip().lower() not in REJECT_COLUMNS]
        self._header = (*REJECT_COLUMNS, *(guarded(header[index]) for index in self._kept))
        self._file: IO[bytes] | None = None
        self._temporary = Path()
        self._sha256 = hashlib.sha256()

    def add(self, rejection: Rejection, record_keys: Sequence[str] = ()) -> None:
        """Write a row (rules 1 and 4), with the records that it tells of (rule 7)."""
        cells = rejection.row.cells
        row = (*(cells[index] for index in self._kept if index < len(cells)), *cells[self._width :])
        said = (rejection.columns, rejection.sorts, rejection.reasons, _BETWEEN.join(record_keys))
        reject = (str(rejection.row.line), *map(guarded, said))
        with _kept_or_refused(self._folder):
            self._write((*reject, *map(guarded, row)))

    def keep(self) -> Path | None:
        """Give the file its name (rule 3); None when no row was rejected."""
        if self._file is None:
            return None
        with _kept_or_refused(self._folder):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            stem = f"{self._stem}.rejects-{self._sha256.hexdigest()[:8]}"
            for number in count(1):
                path = self._folder / (f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv")
                if not path.exists():
                    self._temporary.replace(path)
                    return path
                if _digest(path) == self._sha256.digest():
                    self._temporary.unlink()
                    return path
        raise AssertionError  # count() does not end

    def discard(self) -> None:
        """Nothing was imported, or nothing was to be kept."""
        if self._file is not None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _write(self, row: Sequence[str]) -> None:
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=_UNFINISHED)  # mkstemp makes it 0600
            self._file, self._temporary = os.fdopen(descriptor, "wb"), Path(temporary)
            self._put(_line(self._header).encode("utf-8-sig"))  # the mark makes Excel read it as UTF-8
        self._put(_line(row).encode())

    def _put(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101 - opened by the caller
        self._file.write(data)
        self._sha256.update(data)


def mended_tables(source: Source, wanted: frozenset[str]) -> list[Table]:
    """The tables of a rejects file; none when it is no such file (rule 6). `wanted`: columns that it must have."""
    try:
        with source.open() as file:
            head = file.read(_HEAD_BYTES)
        if _REJECTS.match(head.replace(b"\0", b"")):
            return _as_it_was(open_tables(source, Reading(wanted=wanted)))
        if head.startswith(b"PK"):
            tables = open_tables(source, Reading(wanted=frozenset(REJECT_COLUMNS)))
            return _as_it_was([each for each in tables if REJECT_COLUMNS[0] in plain(each.header)])
    except (OSError, IntakeError):
        pass  # whoever reads it as the profile says will say so
    return []


def _as_it_was(tables: list[Table]) -> list[Table]:
    """Rule 1, of the names of the source's columns."""
    for table in tables:
        table.header = tuple(map(unguarded, table.header))
    return tables


def sweep_rejects(folder: Path) -> None:
    """Rule 5; within the import's transaction."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        left.unlink(missing_ok=True)


def _line(row: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue()


def forget_rejects(folder: Path, record_key: str) -> int:
    """Take every rejected row of that record out of the rejects files (it was expunged); how many there were."""
    gone = 0
    for path in sorted(folder.glob("*.rejects-*")):
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig", errors="replace"), newline="")))
        kept = [row for row in rows if not _tells_of(record_key, row, rows[0])]
        if len(kept) == len(rows):
            continue
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".forgetting-")
        with os.fdopen(descriptor, "wb") as file:
            file.write("".join(map(_line, kept)).encode("utf-8-sig"))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        gone += len(rows) - len(kept)
    return gone


def _tells_of(record_key: str, row: Sequence[str], header: Sequence[str]) -> bool:
    """Rule 7."""
    cells = [unguarded(cell).strip() for cell in row]
    named = (cell for cell, column in zip(cells, header, strict=False) if column == REJECT_COLUMNS[-1])
    return record_key in cells or any(
        f"{_BETWEEN}{record_key}{_BETWEEN}" in f"{_BETWEEN}{each}{_BETWEEN}" for each in named
    )


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


class _kept_or_refused:  # noqa: N801 - read as a word in a with statement
    """What cannot be kept for mending is not imported either."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise IntakeError(
                f"the rejected rows cannot be written to {self._folder}: {error.strerror}; nothing was imported",
                hint="look at the folder's owner and the disk's free space",
            ) from None
