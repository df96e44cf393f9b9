"""A synthetic agency: its node's store, and its files with as few cells as a test needs to name."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from waypost.node.custody.keeping import Wishes
from waypost.node.intake import COLUMNS, FileKind, ImportReport, Source, canonical, import_tables
from waypost.node.store import Store

TODAY = date(2026, 11, 24)
Cells = dict[str, str]
BASE: dict[FileKind, Cells] = {
    FileKind.OFFICERS: {"officer_key": "A-1", "family_name": "Larkin", "given_name": "Dennis"},
    FileKind.EMPLOYMENT: {"officer_key": "A-1", "ori": "OR9900400", "sworn": "yes", "hired_on": "2010-01-11"},
    FileKind.CONDUCT: {
        "officer_key": "A-1",
        "record_key": "R-1",
        "kind": "suspension",
        "effective_on": "2023-07-17",
        "notice_on": "2023-06-07",
        "hearing": "held",
        "decided_by": "Chief",
        "decided_on": "2023-07-17",
        "appeal": "none",
        "final_on": "2023-08-31",
        "told_on": "2023-09-05",
        "status": "active",
    },
}


def csv_of(kind: FileKind, *rows: Cells) -> bytes:
    """A canonical file; cells that a row does not name are as in BASE."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS[kind], restval="")
    writer.writeheader()
    writer.writerows({**BASE[kind], **row} for row in rows)
    return text.getvalue().encode()


@dataclass
class Agency:
    """A store and its imports."""

    store: Store
    rejects: Path
    clock_ms: int = 1_000
    reports: list[ImportReport] = field(default_factory=list)

    def load(
        self,
        *officers: Cells,
        employment: tuple[Cells, ...] = (),
        conduct: tuple[Cells, ...] = (),
        wishes: Wishes | None = None,
    ) -> int:
        """Import these rows; the batch's number."""
        kinds = ((FileKind.OFFICERS, officers), (FileKind.EMPLOYMENT, employment), (FileKind.CONDUCT, conduct))
        return self.load_files({f"{kind}.csv": csv_of(kind, *rows) for kind, rows in kinds if rows}, wishes)

    def load_file(self, name: str, content: bytes) -> int:
        """Import one file; the batch's number."""
        return self.load_files({name: content}, None)

    def load_files(self, files: dict[str, bytes], wishes: Wishes | None) -> int:
        """Import these files; the batch's number."""
        self.clock_ms += 1_000
        report = import_tables(
            self.store,
            [each for name, content in files.items() for each in canonical(Source.of_bytes(name, content))],
            rejects_folder=self.rejects,
            at_ms=self.clock_ms,
            today=TODAY,
            wishes=wishes or Wishes(),
        )
        self.reports.append(report)
        return report.batch

    def statuses(self, record_key: str = "R-1") -> tuple[str, ...]:
        """The statuses of a record's versions."""
        return tuple(version.status for version in self.store.conduct.history(record_key))
