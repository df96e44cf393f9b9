"""What became of the rows so far; everything that a report is made of. It does not grow with the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from waypost.node.due_process import Windows
from waypost.node.fairness import Want, Withheld, judge
from waypost.node.intake.cells import Problem
from waypost.node.intake.reading import SourceRow
from waypost.node.intake.rejects import Rejection, RejectsFile
from waypost.node.intake.report import Tally
from waypost.node.intake.rows import ConductRow, EmploymentRow, FileKind, OfficerRow, Row
from waypost.node.limits import REJECTS_LISTED_MAX, UNKNOWN_VALUES_MAX
from waypost.node.records import ConductRecord


class Fate(StrEnum):
    """What became of a row, or of one thing that it says; the most that can become of it first."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "same"
    REJECTED = "rejected"


_MOST = {fate: place for place, fate in enumerate(Fate)}
_PLACE = re.compile(r"line \d+ of .*(?=, which says otherwise)")
_KINDS: dict[type, FileKind] = {
    OfficerRow: FileKind.OFFICERS,
    EmploymentRow: FileKind.EMPLOYMENT,
    ConductRow: FileKind.CONDUCT,
}


@dataclass(slots=True)
class Outcome:
    """The counts of one import. `names` are its files', `rejects` where each one's rejected rows are written."""

    names: Sequence[str]
    kinds: Sequence[FileKind | None]
    rejects: Sequence[RejectsFile | None]
    today: date
    at_ms: int = 0
    unwritten: frozenset[str] = frozenset()
    """Keys of expunged records: their rows are named in the report and written nowhere."""
    windows: Windows = field(default_factory=Windows)
    record_keys: Sequence[Callable[[SourceRow], tuple[str, ...]]] = ()
    """By file: the records that a row tells of."""
    fates: Counter[tuple[int, Fate]] = field(default_factory=Counter)
    parts: Counter[tuple[int, FileKind, Fate]] = field(default_factory=Counter)
    held: Counter[int] = field(default_factory=Counter)
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    pending: list[Rejection] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)
    agencies: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[int, str]] = field(default_factory=Counter)
    missing: Counter[Want] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    shareable: int = 0
    withheld: int = 0

    def accept(self, file: int, decided: Sequence[tuple[Fate, Row]]) -> None:
        """Count a row that is in the store now, by the most that became of it."""
        self.fates[file, min((fate for fate, _ in decided), key=_MOST.__getitem__)] += 1
        for fate, part in decided:
            self.parts[file, _KINDS[type(part)], fate] += 1
            if isinstance(part, ConductRow):
                self._judge(part.value)

    def reject(self, file: int, source: SourceRow, problems: tuple[Problem, ...], *, held: bool = False) -> None:
        """Count and keep a row that is not."""
        self.fates[file, Fate.REJECTED] += 1
        self.held[file] += held
        kind = self.kinds[file]
        if kind is not None:
            self.parts[file, kind, Fate.REJECTED] += 1
        for reason in {_PLACE.sub("an earlier row", str(problem)) for problem in problems}:
            if reason in self.reasons or len(self.reasons) < UNKNOWN_VALUES_MAX:
                self.reasons[reason] += 1
        self.pending.append(Rejection(self.names[file], source, problems, held))

    def note_unknown(self, values: Iterable[tuple[str, str]], agencies: Iterable[str] = ()) -> None:
        """Count values that nobody has explained yet, and agencies whose ORI nobody has confirmed."""
        for value in values:
            if value in self.unknown or len(self.unknown) < UNKNOWN_VALUES_MAX:
                self.unknown[value] += 1
        for agency in agencies:
            if agency in self.agencies or len(self.agencies) < UNKNOWN_VALUES_MAX:
                self.agencies[agency] += 1

    def settle(self, file: int) -> None:
        """Write the rejected rows of the part of the file that is done, in its order."""
        self.pending.sort(key=lambda rejection: rejection.row.line)
        for rejection in self.pending:
            rejects = self.rejects[file]
            if rejects is not None:
                keys = self.record_keys[file](rejection.row)
                if self.unwritten.isdisjoint((*map(str.strip, rejection.row.cells), *keys)):
                    rejects.add(rejection, keys)
            if len(self.rejections) < REJECTS_LISTED_MAX:
                told = replace(rejection, row=SourceRow(rejection.row.line, ()))  # its cells are in the rejects file
                self.rejections.append((file, told))
        self.pending.clear()

    def tally(self, file: int) -> Tally:
        """What became of a file's rows."""
        return Tally(*(self.fates[file, fate] for fate in Fate))

    def kind_tally(self, file: int, kind: FileKind) -> Tally:
        """What became of what a file's rows said of one kind."""
        return Tally(*(self.parts[file, kind, fate] for fate in Fate))

    def _judge(self, record: ConductRecord) -> None:
        self.records[record.kind] += 1
        fairness = judge(record, self.today, window_days=self.windows.of(record))
        if isinstance(fairness, Withheld):
            self.withheld += 1
            self.missing.update(missing.want for missing in fairness.missing)
        else:
            self.shareable += 1
