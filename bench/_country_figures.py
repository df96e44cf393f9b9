"""The figures of the country: each one said as it is found, and marked measured or computed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from _measure import shown

PAGE: Final = Path(__file__).parents[1] / "docs" / "scaling.md"
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"


@dataclass(frozen=True, slots=True)
class Figure:
    """`how` is "measured" or "computed"."""

    part: str
    name: str
    value: float
    unit: str
    how: str

    @property
    def text(self) -> str:
        return shown(self.value, self.unit)


@dataclass(slots=True)
class Figures:
    rows: list[Figure] = field(default_factory=list)

    def measured(self, part: str, name: str, value: float, unit: str) -> float:
        return self._add(Figure(part, name, value, unit, "measured"))

    def computed(self, part: str, name: str, value: float, unit: str) -> float:
        return self._add(Figure(part, name, value, unit, "computed"))

    def spread(self, part: str, name: str, seconds: Sequence[float]) -> None:
        """Median and the slowest of a hundred."""
        if len(seconds) > 1:
            self.measured(part, f"{name}, median", statistics.median(seconds), "s")
            self.measured(part, f"{name}, 99 of 100 within", statistics.quantiles(seconds, n=100)[98], "s")

    def _add(self, figure: Figure) -> float:
        self.rows.append(figure)
        print(f"  {figure.part:<13} {figure.name:<66} {figure.text:>14}  {figure.how}", flush=True)
        return figure.value

    def write(self, path: Path, where: Mapping[str, object], notes: Sequence[str]) -> None:
        rows = [asdict(row) for row in self.rows]
        path.write_text(json.dumps({"where": where, "notes": notes, "rows": rows}, indent=1) + "\n")

    def put_on_page(self, where: Mapping[str, object], notes: Sequence[str]) -> None:
        """The table in docs/scaling.md."""
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        on = f"{where['date']}, {where['machine']}, {where['memory_gb']} GB of memory, Python {where['python']}"
        beside = f"{where['packages']}; other work on the machine: {where['shared']}."
        lines = [f"{on}, {beside}", "", "| part | figure | value | |", "|---|---|---|---|"]
        lines += [f"| {row.part} | {row.name} | {row.text} | {row.how} |" for row in self.rows]
        lines += ["", *(f"- {note}" for note in notes)]
        PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")
