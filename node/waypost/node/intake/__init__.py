"""Import: canonical files in, a changed store and a report out; or an error, and nothing changed.

1. Files are read and judged row by row before the store is touched (canonical.py, rows.py).
2. Everything that is accepted goes into the store in one transaction, together with the batch's entry and the audit
   entry: a crash in the middle leaves the old state, and a crash at the end the new one (applying.py).
3. Rejected rows are written to their files before that transaction ends: whatever happens, no row is lost (rejects.py).
4. The report's numbers agree, or the import is undone.
5. A file that does not look as the last one of its kind did stops the import with a question (custody/keeping.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from waypost.node.custody.keeping import SeenFile, Wishes, keep
from waypost.node.custody.shapes import ShapeObserver
from waypost.node.intake.applying import AcceptedRows, Outcome, apply_rows
from waypost.node.intake.canonical import COLUMNS, REJECT_COLUMNS, CanonicalFile, FileKind, read_file
from waypost.node.intake.rejects import Rejection, rejects_csv, write_rejects
from waypost.node.intake.report import FileReport, ImportReport, Tally
from waypost.node.intake.rows import read_row
from waypost.node.store import AuditEntry, ImportBatch, ImportedFile, Store

__all__ = [
    "COLUMNS",
    "CanonicalFile",
    "FileKind",
    "FileReport",
    "ImportReport",
    "Rejection",
    "Tally",
    "import_files",
    "read_file",
]

Progress = Callable[[str, int, int], None]
"""Told (what is being done, rows done, rows in all)."""

AUDIT_EVENT: Final = "import"
_PROGRESS_ROWS: Final = 1000

PERSONAL_COLUMNS: Final = frozenset(
    {
        *("officer_key", "family_name", "given_name", "middle_name", "suffix", "other_names", "date_of_birth", "ssn"),
        *("cert_number", "officer_id", "record_key", "summary"),
    }
)
"""Columns whose values are not remembered for comparing files."""


def import_files(
    store: Store,
    files: Sequence[CanonicalFile],
    *,
    rejects_folder: Path,
    at_ms: int,
    today: date,
    wishes: Wishes = Wishes(),  # noqa: B008 - a frozen value
    progress: Progress = lambda _what, _done, _rows: None,
) -> ImportReport:
    """Import these files. IntakeError or StoreError when it cannot be done; then nothing has changed."""
    outcome = Outcome(files, today)
    rows = _read_rows(files, outcome, progress)
    total = sum(len(file.rows) for file in files)
    progress("storing", 0, total)
    with store.writing():  # rule 2
        import_id = store.imports.begin(at_ms)
        apply_rows(store, rows, outcome, import_id)
        missing = keep(store, import_id, wishes, [_seen(file) for file in files], _officer_keys(files))  # rule 5
        report = _report(files, outcome, _write_rejects(files, outcome, rejects_folder), import_id, missing)
        _enter(store, import_id, files, report, at_ms)
    progress("storing", total, total)
    return report


def _seen(file: CanonicalFile) -> SeenFile:
    """How a file looks, for comparing it with the last one of its kind; files of mended rows are not compared."""
    mended = any(name.strip().lower() in REJECT_COLUMNS for name in file.header)
    observer = ShapeObserver(COLUMNS[file.kind], personal=PERSONAL_COLUMNS)
    positions = file.positions
    for row in file.rows:
        observer.see([row.cells[at] for at in positions] if len(row.cells) == len(file.header) else ())
    return SeenFile(file.name, "" if mended else f"canonical/{file.kind}", observer.shape())


def _officer_keys(files: Sequence[CanonicalFile]) -> Iterator[str]:
    """The officer of every row of officers that has one, rejected rows included."""
    for file in files:
        if file.kind is FileKind.OFFICERS:
            at = file.positions[COLUMNS[file.kind].index("officer_key")]
            yield from (row.cells[at].strip() for row in file.rows if at < len(row.cells))


def _read_rows(files: Sequence[CanonicalFile], outcome: Outcome, progress: Progress) -> AcceptedRows:
    """Rule 1."""
    accepted = AcceptedRows()
    total, done = sum(len(file.rows) for file in files), 0
    for index, file in enumerate(files):
        positions, width = file.positions, len(file.header)
        for source in file.rows:
            cells = tuple(source.cells[at] for at in positions) if len(source.cells) == width else None
            row = read_row(file.kind, cells, outcome.today)
            if isinstance(row, tuple):
                outcome.reject(index, source, row)
            else:
                accepted.add(index, source, row)
            done += 1
            if done % _PROGRESS_ROWS == 0:
                progress("checking", done, total)
    return accepted


def _write_rejects(files: Sequence[CanonicalFile], outcome: Outcome, folder: Path) -> tuple[Path, ...]:
    """Rule 3."""
    paths = []
    for index, file in enumerate(files):
        rejections = [rejection for at, rejection in outcome.rejections if at == index]
        if rejections:
            rejections.sort(key=lambda rejection: rejection.row.line)
            paths.append(write_rejects(folder, file.name, rejects_csv(file, rejections)))
    return tuple(paths)


def _report(
    files: Sequence[CanonicalFile],
    outcome: Outcome,
    rejects_files: tuple[Path, ...],
    import_id: int,
    missing_officers: tuple[str, ...],
) -> ImportReport:
    rejections = sorted(outcome.rejections, key=lambda placed: (placed[0], placed[1].row.line))
    report = ImportReport(
        files=tuple(FileReport(file.name, file.kind, outcome.tally(index)) for index, file in enumerate(files)),
        shareable=outcome.shareable,
        withheld=outcome.withheld,
        missing=dict(outcome.missing.most_common()),
        rejections=tuple(rejection for _, rejection in rejections),
        rejects_files=rejects_files,
        batch=import_id,
        missing_officers=missing_officers,
    )
    assert report.tally().rows == sum(len(file.rows) for file in files)  # noqa: S101 - rule 4
    assert report.tally(FileKind.CONDUCT).accepted == report.shareable + report.withheld  # noqa: S101
    return report


def _enter(store: Store, import_id: int, files: Sequence[CanonicalFile], report: ImportReport, at_ms: int) -> None:
    tally = report.tally()
    imported = tuple(
        ImportedFile(Path(file.name).name, file.kind, file.sha256, done.tally.rows, done.tally.rejected)
        for file, done in zip(files, report.files, strict=True)
    )
    batch = ImportBatch(at_ms, tally.rows, tally.new + tally.changed, tally.same, tally.rejected, imported)
    store.imports.finish(import_id, batch)
    counts = f"rows {batch.rows}, imported {batch.imported}, unchanged {batch.unchanged}, rejected {batch.rejected}"
    store.audit.add(AuditEntry(at_ms, AUDIT_EVENT, f"batch {import_id}", counts))
