"""Rejected rows: named one by one, and written where they can be mended and imported again.

1. A rejects file has the columns that say what is wrong (import ignores them) before the row exactly as it stood in its
   file, so that a row with too many or too few cells is kept whole, too.
2. It is the owner's alone (0600), for it holds personal data.
3. It is named for its content: importing the same file twice makes one rejects file, and a file that somebody has begun
   to mend is never overwritten.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from waypost.node.errors import IntakeError
from waypost.node.intake.canonical import REJECT_COLUMNS, CanonicalFile, SourceRow
from waypost.node.intake.cells import Problem


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not imported: where it stands, and everything that is wrong with it."""

    file: str
    row: SourceRow
    problems: tuple[Problem, ...]

    @property
    def columns(self) -> str:
        """The columns that are wrong, or nothing when it is the row as a whole."""
        return "; ".join(problem.column for problem in self.problems)

    @property
    def reasons(self) -> str:
        """Why, in words that do not repeat what the row says."""
        return "; ".join(str(problem) for problem in self.problems)


def rejects_csv(file: CanonicalFile, rejections: Sequence[Rejection]) -> bytes:
    """The rejects file of one file's rejections (rule 1); it begins with a byte order mark, so that Excel reads it."""
    kept = [index for index, name in enumerate(file.header) if name.strip().lower() not in REJECT_COLUMNS]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*REJECT_COLUMNS, *(file.header[index] for index in kept)))
    for rejection in rejections:
        cells = rejection.row.cells
        extra = cells[len(file.header) :]
        row = (*(cells[index] for index in kept if index < len(cells)), *extra)
        writer.writerow((rejection.row.line, rejection.columns, rejection.reasons, *row))
    return text.getvalue().encode("utf-8-sig")


def write_rejects(folder: Path, name: str, content: bytes) -> Path:
    """Write the file (rules 2 and 3); its path."""
    stem = f"{Path(name).stem.split('.rejects-')[0]}.rejects-{hashlib.sha256(content).hexdigest()[:8]}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in count(1):
            path = folder / (f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv")
            if not path.exists():
                _write_private(path, content)
                return path
            if path.read_bytes() == content:
                return path
    except OSError as error:
        raise IntakeError(
            f"the rejected rows cannot be written to {folder}: {error.strerror}; nothing was imported",
            hint="look at the folder's owner and the disk's free space",
        ) from None
    raise AssertionError  # count() does not end


def _write_private(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
