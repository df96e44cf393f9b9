"""What a release shows of each result: its area, its tier, and the cells which that tier lets be made.

1. A result's area is the states it asked, or the nation. Its coverage is the share of the area's officers (the
   population file) whom its participants employ (their descriptions).
2. Of several results for one measure and area the one of the newest period leads; of the same period, the newest.
3. Under Tier.ALL every cell is a total, and has a ratio beside it. Under Tier.RATIOS it is a ratio: per 1,000 officers
   covered, or per 100 participants where agencies are counted. Under Tier.PERCENTAGES there is one share for each value
   of the key variables (Measure.key), over all else. Under Tier.PARTICIPATION there are no cells.
4. Cells that would give a suppressed one away are withheld (withholding.py): they look as if suppressed, everywhere.
5. Noise is stated at 95 %: a sum of k cells has sqrt(k) times the margin of one. A suppressed cell adds nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt

from waypost.hub.release.tiers import Cell, Count, Coverage, Percentage, Ratio, Suppressed, Tier
from waypost.hub.release.withholding import withheld
from waypost.protocol.measures import Dimension, Unit
from waypost.protocol.round_results import ResultCell, RoundResult
from waypost.v1 import envelope_pb2

OFFICERS_PER = 1000
AGENCIES_PER = 100


@dataclass(frozen=True, slots=True)
class SignedResult:
    """A verified result and the envelope that both parties signed. Of its cells `withheld` many were blanked since."""

    result: RoundResult
    envelope: envelope_pb2.Envelope
    withheld: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of the signed payload, in hexadecimal."""
        return hashlib.sha256(self.envelope.payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Line:
    """One combination of a measure's values other than the year, and its cell in each column."""

    values: tuple[str, ...]
    cells: tuple[Cell, ...]
    ratios: tuple[Ratio | Suppressed, ...] = ()
    """Beside the totals of Tier.ALL."""

    @property
    def told(self) -> bool:
        """Whether any of its cells says something."""
        return not all(isinstance(cell, Suppressed) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Change:
    """The newest year beside the one before, of one value of the first dimension; `margin` holds the change at 95 %."""

    value: str
    before: float
    after: float
    margin: float

    @property
    def difference(self) -> float:
        return self.after - self.before

    @property
    def verdict(self) -> str:
        """Whether the noise alone explains the change."""
        if abs(self.difference) <= self.margin:
            return "within the noise"
        return "up" if self.difference > 0 else "down"


@dataclass(frozen=True, slots=True)
class Published:
    """A result as a release shows it. `columns` are years, or the period where there are none."""

    signed: SignedResult
    area: str
    coverage: Coverage
    dimensions: tuple[Dimension, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    shares: tuple[tuple[tuple[str, ...], Percentage], ...]
    """By values of the key variables."""
    changes: tuple[Change, ...]

    @property
    def result(self) -> RoundResult:
        return self.signed.result

    @property
    def tier(self) -> Tier:
        return self.coverage.tier

    @property
    def whole(self) -> bool:
        """Whether the signed result itself, which holds every total, may be in the release."""
        return self.tier is Tier.ALL and not self.signed.withheld

    @property
    def suppressed(self) -> int:
        """Suppressed and withheld cells of the result, whatever the tier shows."""
        return sum(cell.suppressed for cell in self.result.cells)


NATION = "United States"


def publish(signed: SignedResult, *, officers_of: Mapping[str, int], population: Mapping[str, int]) -> Published:
    """What may be shown of a result (rules 1, 3 and 5)."""
    result = signed.result
    covered = sum(officers_of.get(ori, 0) for ori in result.participants)
    officers = sum(count for state, count in population.items() if not result.states or state in result.states)
    coverage = Coverage(covered, officers)
    columns = tuple(map(str, result.period.years)) if result.measure.by_year else (result.period.text,)
    lines: tuple[Line, ...] = ()
    if coverage.tier >= Tier.RATIOS:
        lines = tuple(_lines(result, coverage))
    return Published(
        signed=signed,
        area=", ".join(result.states) or NATION,
        coverage=coverage,
        dimensions=result.measure.dimensions,
        columns=columns,
        lines=lines,
        shares=_shares(result, coverage) if coverage.tier >= Tier.PERCENTAGES else (),
        changes=_changes(result, coverage) if coverage.tier >= Tier.RATIOS else (),
    )


def withhold(signed: Sequence[SignedResult]) -> list[SignedResult]:
    """All results, in the order in which their rounds were finished, with blanks where rule 4 wants them."""
    places = withheld(each.result for each in signed)
    return [_blanked(each, out) if out else each for each, out in zip(signed, places, strict=True)]


def _blanked(signed: SignedResult, out: Collection[int]) -> SignedResult:
    cells = tuple(
        ResultCell(cell.values, 0, suppressed=True) if place in out else cell
        for place, cell in enumerate(signed.result.cells)
    )
    return SignedResult(replace(signed.result, cells=cells), signed.envelope, len(out))


def leading(published: Iterable[Published]) -> list[Published]:
    """The newest result for each measure and area (rule 2), measures in their order, the nation first."""
    newest: dict[tuple[str, str], Published] = {}
    for each in sorted(published, key=lambda one: (one.result.period.last, one.result.closed_at_ms)):
        newest[each.result.measure.name, each.area] = each
    return sorted(newest.values(), key=lambda one: (one.area != NATION, one.area))


def base_of(result: RoundResult, coverage: Coverage) -> tuple[int, int]:
    """What a ratio is of, and per how many."""
    if result.measure.unit is Unit.AGENCY:
        return len(result.participants), AGENCIES_PER
    return coverage.covered, OFFICERS_PER


def scale_of(result: RoundResult, coverage: Coverage) -> float:
    """What a total is multiplied by for the unit that the tier allows."""
    base, per = base_of(result, coverage)
    return 1.0 if coverage.tier is Tier.ALL else per / base if base else 0.0


def _lines(result: RoundResult, coverage: Coverage) -> Iterable[Line]:
    """Rule 3, for tiers that show cells."""
    tier = coverage.tier
    for row in rows_of(result):
        values = row[0].values[:-1] if result.measure.by_year else row[0].values
        ratios = tuple(_ratio(cell, result, coverage) for cell in row)
        totals = tuple(_total(cell, result, tier) for cell in row) if tier is Tier.ALL else ()
        yield Line(values, totals or ratios, ratios if totals else ())


def _total(cell: ResultCell, result: RoundResult, tier: Tier) -> Count | Suppressed:
    return Suppressed(tier) if cell.suppressed else Count(tier, cell.total, result.margin_95)


def _ratio(cell: ResultCell, result: RoundResult, coverage: Coverage) -> Ratio | Suppressed:
    base, per = base_of(result, coverage)
    if cell.suppressed or not base:
        return Suppressed(coverage.tier)
    return Ratio(coverage.tier, cell.total / base * per, result.margin_95 / base * per, per)


def sums_of(result: RoundResult, *, year: str = "") -> dict[tuple[str, ...], tuple[int, int]]:
    """By values of the key variables: the sum over all else (of one year, if given) of what is shown, and of how many
    cells; nothing where no cell is.
    """
    sums: dict[tuple[str, ...], tuple[int, int]] = {}
    for cell in result.cells:
        if cell.suppressed or (year and cell.values[-1] != year):
            continue
        key = cell.values[: result.measure.key]
        total, count = sums.get(key, (0, 0))
        sums[key] = (total + cell.total, count + 1)
    return sums


def _shares(result: RoundResult, coverage: Coverage) -> tuple[tuple[tuple[str, ...], Percentage], ...]:
    """How each whole divides over the last key variable; nothing where there is no whole."""
    sums = {} if result.measure.overlapping else sums_of(result)
    found = []
    for key, (total, count) in sums.items():
        parts = [part for other, part in sums.items() if other[:-1] == key[:-1]]
        whole, cells = (sum(part) for part in zip(*parts, strict=True))
        if whole > 0:
            margin = result.margin_95 * (sqrt(count) + total / whole * sqrt(cells)) / whole
            found.append((key, Percentage(coverage.tier, 100 * total / whole, 100 * margin)))
    return tuple(found)


def rows_of(result: RoundResult) -> list[tuple[ResultCell, ...]]:
    """The cells of each combination of values other than the year, by year: the catalogue's order has the year last."""
    width = len(result.period.years) if result.measure.by_year else 1
    return [result.cells[start : start + width] for start in range(0, len(result.cells), width)]


def _changes(result: RoundResult, coverage: Coverage) -> tuple[Change, ...]:
    """Year over year, of the rows that are shown in both: totals under Tier.ALL, ratios under Tier.RATIOS."""
    if not result.measure.by_year or len(result.period.years) < 2:  # noqa: PLR2004 - the newest year and the one before
        return ()
    pairs = [row[-2:] for row in rows_of(result)]
    shown = [(before, after) for before, after in pairs if not before.suppressed and not after.suppressed]
    scale = scale_of(result, coverage)
    found = []
    for value in result.measure.dimensions[0].values:
        same = [(before.total, after.total) for before, after in shown if before.values[0] == value]
        if same:
            margin = result.margin_95 * sqrt(2 * len(same)) * scale
            before, after = (sum(totals) * scale for totals in zip(*same, strict=True))
            found.append(Change(value, before, after, margin))
    return tuple(found)
