"""Import: tables in, a changed store and a report out; or an error, and nothing changed.

1. Every file is read once from end to end before anything is stored: what cannot be read is refused then (reading/).
2. Rows are read, judged and stored a part of the file at a time, so that memory stays flat; all within one transaction,
   together with the batch's entry and the audit entry: a crash leaves the old state or the new one (applying.py). A dry
   run does the same, and takes it all back.
3. Rejected rows are written to their files before that transaction ends: whatever happens, no row is lost (rejects.py),
   except those of expunged records, which are named in the report and written nowhere.
4. The report's numbers agree, or the import is undone.
5. A file that does not look as the last one of its kind did stops the import with a question (custody/keeping.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final, Protocol

from waypost.node.custody.keeping import SeenFile, Wishes, keep
from waypost.node.custody.shapes import ShapeObserver
from waypost.node.due_process import Windows
from waypost.node.intake.applying import Applier, Read
from waypost.node.intake.canonical import CanonicalReader
from waypost.node.intake.cells import Problem
from waypost.node.intake.outcome import Fate, Outcome
from waypost.node.intake.profiles import Profile, profile_readers
from waypost.node.intake.profiles.expressions import Agencies
from waypost.node.intake.reading import Reading, Source, SourceRow, Table, open_tables
from waypost.node.intake.rejects import Rejection, RejectsFile, mended_tables, sweep_rejects
from waypost.node.intake.repeated import Repeated
from waypost.node.intake.report import FileReport, ImportReport, Tally
from waypost.node.intake.rows import COLUMNS, FileKind, Parts
from waypost.node.intake.unexplained import LeftOut, Unexplained
from waypost.node.limits import CHUNK_CHARS, CHUNK_ROWS
from waypost.node.store import AuditEntry, ImportBatch, ImportedFile, Store

__all__ = [
    "COLUMNS",
    "CanonicalReader",
    "Fate",
    "FileKind",
    "FileReport",
    "ImportReport",
    "Reading",
    "Rejection",
    "RowReader",
    "Source",
    "Table",
    "Tally",
    "canonical",
    "import_tables",
    "open_tables",
    "profiled",
]

Progress = Callable[[str, int, int], None]
"""Told (what is being done, rows done, about how many rows there are, or 0 when that is not known)."""

AUDIT_EVENT: Final = "import"
_PROGRESS_ROWS: Final = 1000


class RowReader(Protocol):
    """Reads the rows of one table."""

    table: Table

    @property
    def profile(self) -> str:
        """The profile's name; empty: a canonical file."""

    @property
    def kind(self) -> FileKind | None:
        """Of a canonical file."""

    @property
    def repeated(self) -> Repeated:
        """What to make of two rows that name one officer differently."""

    @property
    def series(self) -> str:
        """Files of one series are compared with one another; empty: this one is not."""

    def observer(self) -> ShapeObserver:
        """Watches the rows for that comparison."""

    def observed(self, source: SourceRow) -> Sequence[str]:
        """The cells that it watches; empty: the row has not as many as it should."""

    def officer_keys(self, source: SourceRow) -> tuple[str, ...]:
        """The officers that the row brings, as far as it can be read; some may be empty."""

    def record_keys(self, source: SourceRow) -> tuple[str, ...]:
        """The records that the row tells of, as far as it can be read."""

    def at_source(self, problem: Problem) -> Problem:
        """A problem that storing the row has shown, with the file's own name of its column."""

    def read(self, source: SourceRow, today: date) -> Parts | tuple[Problem, ...] | Unexplained | LeftOut:
        """What the row says, or what is wrong with it, or what nobody has explained, or why it is left out."""


class _DryRun(Exception):  # noqa: N818 - it ends a rehearsal
    """Takes everything back."""


def canonical(source: Source) -> list[RowReader]:
    """Readers of the canonical tables of a file."""
    known = frozenset(column for columns in COLUMNS.values() for column in columns)
    return [CanonicalReader(table) for table in open_tables(source, Reading(wanted=known))]


def profiled(source: Source, profile: Profile, agencies: Agencies) -> list[RowReader]:
    """Readers of the tables of a file that the profile knows, or of a file of rows that it rejected."""
    wanted = frozenset(
        column.replace("{n}", each).lower() for column in profile.columns for each in profile.people or ("",)
    )
    tables = mended_tables(source, wanted) or open_tables(source, replace(profile.reading, wanted=wanted))
    return [*profile_readers(tables, profile, agencies)]


def import_tables(
    store: Store,
    readers: Sequence[RowReader],
    *,
    rejects_folder: Path,
    at_ms: int,
    today: date,
    dry_run: bool = False,
    windows: Windows = Windows(),  # noqa: B008 - a frozen value
    wishes: Wishes = Wishes(),  # noqa: B008 - a frozen value
    progress: Progress = lambda _what, _done, _rows: None,
) -> ImportReport:
    """Import these. IntakeError or StoreError when it cannot be done; then nothing has changed."""
    rejects = [None if dry_run else RejectsFile(rejects_folder, each.table.name, each.table.header) for each in readers]
    outcome = Outcome(
        [each.table.name for each in readers],
        [each.kind for each in readers],
        rejects,
        today,
        at_ms,
        frozenset(fact.record_key for fact in store.changes.expungements()),
        windows,
        [each.record_keys for each in readers],
    )
    report: ImportReport | None = None
    try:
        with store.writing():  # rule 2
            if not dry_run:
                sweep_rejects(rejects_folder)
            import_id = store.imports.begin(at_ms)
            seen = _apply(store, readers, outcome, import_id, progress)
            missing = keep(store, import_id, wishes, seen, _officer_keys(readers))  # rule 5
            paths = tuple(path for each in rejects if each is not None and (path := each.keep()))  # rule 3
            report = _report(readers, outcome, paths)
            report = replace(report, batch=0 if dry_run else import_id, missing_officers=missing, dry_run=dry_run)
            _enter(store, import_id, readers, report, at_ms)
            if dry_run:
                raise _DryRun  # noqa: TRY301 - leaving the transaction is the point
    except _DryRun:
        pass
    except BaseException:
        for each in rejects:
            if each is not None:
                each.discard()
        raise
    assert report is not None  # noqa: S101 - or an error has left
    return report


def _apply(
    store: Store, readers: Sequence[RowReader], outcome: Outcome, import_id: int, progress: Progress
) -> list[SeenFile]:
    applier = Applier(store, outcome, import_id)
    about, done = sum(each.table.rows_about for each in readers), 0
    kinds = list(FileKind)
    order = sorted(range(len(readers)), key=lambda at: kinds.index(readers[at].kind or FileKind.OFFICERS))
    observers = [each.observer() for each in readers]
    for file in order:
        reader, observer = readers[file], observers[file]
        chunk: list[Read] = []
        chars = 0
        for source in reader.table.rows():
            observer.see(reader.observed(source))
            _read(reader, file, source, chunk, outcome)
            done += 1
            chars += sum(map(len, source.cells)) + len(source.cells)
            if CHUNK_ROWS in {len(chunk), len(outcome.pending)} or chars > CHUNK_CHARS:
                applier.apply(file, chunk, reader.repeated, reader.at_source)
                outcome.settle(file)
                observer.settle()
                chunk, chars = [], 0
            if done % _PROGRESS_ROWS == 0:
                progress("importing", done, max(about, done) if about else 0)
        applier.apply(file, chunk, reader.repeated, reader.at_source)
        outcome.settle(file)
        for sort, count in reader.table.skipped.items():
            outcome.left_out[file, sort] += count
    return [
        SeenFile(reader.table.name, reader.series, observer.shape())
        for reader, observer in zip(readers, observers, strict=True)
    ]


def _officer_keys(readers: Sequence[RowReader]) -> Iterator[str]:
    """The officer of every row that brings one, rejected rows included."""
    for reader in readers:
        if reader.kind in {FileKind.OFFICERS, None}:
            for source in reader.table.rows():
                yield from filter(None, reader.officer_keys(source))


def _read(reader: RowReader, file: int, source: SourceRow, chunk: list[Read], outcome: Outcome) -> None:
    read = reader.read(source, outcome.today)
    if isinstance(read, Parts):
        chunk.append((source, read.parts))
    elif isinstance(read, LeftOut):
        outcome.left_out[file, read.why] += 1
    elif isinstance(read, Unexplained):
        outcome.note_unknown(read.values, read.agencies)
        outcome.reject(file, source, read.problems, held=read.held)
    else:
        outcome.reject(file, source, read)


def _report(readers: Sequence[RowReader], outcome: Outcome, rejects_files: tuple[Path, ...]) -> ImportReport:
    report = ImportReport(
        files=tuple(_file(index, each, outcome) for index, each in enumerate(readers)),
        shareable=outcome.shareable,
        withheld=outcome.withheld,
        missing=dict(outcome.missing.most_common()),
        records=dict(outcome.records.most_common()),
        rejections=tuple(rejection for _, rejection in sorted(outcome.rejections, key=lambda placed: placed[0])),
        reasons=dict(outcome.reasons.most_common()),
        unknown=dict(outcome.unknown.most_common()),
        agencies=dict(outcome.agencies.most_common()),
        rejects_files=rejects_files,
    )
    tally = report.tally()
    if tally.rejected + tally.accepted != tally.rows or report.held > tally.rejected:  # rule 4
        raise AssertionError
    if report.tally(FileKind.CONDUCT).accepted != report.shareable + report.withheld:
        raise AssertionError
    return report


def _file(index: int, reader: RowReader, outcome: Outcome) -> FileReport:
    return FileReport(
        name=reader.table.name,
        kind=reader.kind,
        tally=outcome.tally(index),
        parts={kind: outcome.kind_tally(index, kind) for kind in FileKind},
        shape=reader.table.shape,
        held=outcome.held[index],
        left_out={what: count for (file, what), count in outcome.left_out.items() if file == index},
        aside=reader.table.aside,
    )


def _enter(store: Store, import_id: int, readers: Sequence[RowReader], report: ImportReport, at_ms: int) -> None:
    tally = report.tally()
    imported = tuple(
        ImportedFile(
            Path(reader.table.name).name,
            reader.kind or reader.profile,
            reader.table.sha256,
            done.tally.rows,
            done.tally.rejected,
        )
        for reader, done in zip(readers, report.files, strict=True)
    )
    batch = ImportBatch(at_ms, tally.rows, tally.new + tally.changed, tally.same, tally.rejected, imported)
    store.imports.finish(import_id, batch)
    counts = f"rows {batch.rows}, imported {batch.imported}, unchanged {batch.unchanged}, rejected {batch.rejected}"
    store.audit.add(AuditEntry(at_ms, AUDIT_EVENT, f"batch {import_id}", counts))
