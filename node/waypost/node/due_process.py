"""The window between telling an officer that a record will be shared and sharing it, as a node's law has it.

    [due_process]                 # in HOME/settings.toml
    window_days = 21
    law = "Example Code 12.345"

    [due_process.kinds]           # for kinds of records that the law treats otherwise
    decertification = 10

1. Without a setting the window is TOLD_WINDOW_DAYS.
2. A shorter window needs `law`: the provision that says so. It is shown wherever the window is.
3. A window has 0 to WINDOW_DAYS_MAX days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from waypost.node.errors import SettingsError
from waypost.node.limits import TOLD_WINDOW_DAYS, WINDOW_DAYS_MAX
from waypost.node.records import ConductKind, ConductRecord
from waypost.node.settings import Tables, choices, read_tables

_CHOICES: Final = frozenset({"window_days", "kinds", "law"})


@dataclass(frozen=True, slots=True)
class Windows:
    """Days by kind of record; SettingsError where it is made, when a rule is broken."""

    days: int = TOLD_WINDOW_DAYS
    kinds: Mapping[str, int] = field(default_factory=dict)
    law: str = ""

    def __post_init__(self) -> None:
        for kind, days in {"window_days": self.days, **self.kinds}.items():
            if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= WINDOW_DAYS_MAX:
                raise SettingsError(f"due_process: {kind} is not 0 to {WINDOW_DAYS_MAX} days", hint="see settings.toml")
            if days < TOLD_WINDOW_DAYS and not self.law.strip():
                raise SettingsError(
                    f"due_process: {kind} is shorter than {TOLD_WINDOW_DAYS} days",
                    hint="name the provision that allows it in settings.toml: law = '...'",
                )
        unknown = sorted(set(self.kinds) - set(ConductKind))
        if unknown:
            raise SettingsError(f"due_process: {unknown[0]!r} is no kind of record", hint="see docs/import.md")

    def of(self, record: ConductRecord) -> int:
        """Days of the window for that record."""
        return self.kinds.get(record.kind, self.days)

    def ends(self, record: ConductRecord) -> date | None:
        """The first day on which the window is over; None while the officer has not been told."""
        told_on = record.fair_process.told_on
        return None if told_on is None else told_on + timedelta(days=self.of(record))


def read_windows(home: Path) -> Windows:
    """The windows that a node's settings name; SettingsError when they cannot be used."""
    return windows_of(read_tables(home))


def windows_of(tables: Tables) -> Windows:
    """The same, of settings that were read."""
    table = choices(tables, "due_process", _CHOICES)
    kinds = table.get("kinds", {})
    if not isinstance(kinds, dict):
        raise SettingsError("due_process: kinds is no table", hint="write [due_process.kinds]")
    return Windows(table.get("window_days", TOLD_WINDOW_DAYS), kinds, str(table.get("law", "")))
