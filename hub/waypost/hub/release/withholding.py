"""Complementary disclosure: which figures stay out of a release because a small total would follow from them.

A suppressed cell says nothing, and yet the nation's total less the states' that are shown can say it all. So, over the
figures of all results together:

1. Every total that is not suppressed is a figure, whatever its tier shows: a ratio times its published base is the
   total, and a tier may rise.
2. Figures are taken in the order in which their rounds were finished, those of one round from the largest down, and
   what was decided of one is never decided anew. So a later release shows no figure that an earlier one withheld, and
   the figures of all releases together obey the rules, too.
3. A figure is withheld if by it a suppressed cell would follow: no linear combination of figures is a suppressed cell.
4. A figure is withheld if a figure less others inside of it would fall below the bound of small cells. The others lie
   side by side along one axis: its states, its months, or the finer values of its measure. Where a figure is shown
   twice (two rounds on one year and area), the first counts.
5. What counts the same is in one table. Details belong to their total: findings of force, decertifications and civil
   judgments by their dimensions are parts of `records` of that kind and year. An area is its states, whoever was away.
   Of measures without years only figures of one day are compared.

Arithmetic is modulo a prime above every determinant that tables of zeros and ones of this size can have in practice: it
finds every combination that fractions would find.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import islice, product
from types import MappingProxyType
from typing import Final, TypeAlias

from waypost.hub.limits import RELEASE_FAMILIES_MAX
from waypost.protocol.measures import MEASURES, measure
from waypost.protocol.round_results import RoundResult

_PRIME: Final = 2**61 - 1
_DETAILS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "excessive_force_finding": "force-findings",
        "decertification": "decertifications",
        "civil_judgment": "civil-judgments",
    }
)
"""Kinds of `records` that a measure of their own divides further (rule 5)."""
assert set(_DETAILS.values()) == {name for name, each in MEASURES.items() if each.part_of}  # noqa: S101 - one relation

Values: TypeAlias = frozenset[object]
Key: TypeAlias = tuple[object, ...]
_Vector: TypeAlias = dict[object, int]


@dataclass(frozen=True, slots=True)
class Box:
    """What a total counts: a set of values on each axis."""

    details: Values
    states: Values
    months: Values

    @property
    def axes(self) -> tuple[Values, Values, Values]:
        return self.details, self.states, self.months


@dataclass(slots=True)
class Table:
    """Totals that can be taken from one another: the figures shown, and the suppressed cells to protect."""

    bound: int
    _figures: dict[Box, int] = field(default_factory=dict)
    _basis: list[tuple[object, _Vector]] = field(default_factory=list)
    _places: dict[object, int] = field(default_factory=dict)
    """Where in the basis a pivot is."""
    _protected: list[_Vector] = field(default_factory=list)
    _holding: defaultdict[object, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Which protected cells an atom is in."""
    _lines: defaultdict[Key, dict[Values, int]] = field(default_factory=lambda: defaultdict(dict))

    def suppress(self, box: Box) -> None:
        """Protect a suppressed cell from here on."""
        left = self._residual(box)
        if left:
            for atom in left:
                self._holding[atom].add(len(self._protected))
            self._protected.append(left)

    def show(self, box: Box, value: int) -> bool:
        """Show a figure if the rules allow it; whether they do."""
        left = self._residual(box)
        if self._gives_away(left) or (box not in self._figures and self._leaves_little(box, value)):
            return False
        self._extend(left)
        if box not in self._figures:
            self._figures[box] = value
            for axis, values in enumerate(box.axes):
                self._lines[_line(box, axis)][values] = value
        return True

    # Rule 3. What is left of a vector after the figures' is zero exactly when it is a combination of theirs.

    # A base is free of the pivots before its own, so taking pivots in their order comes to an end.

    def _residual(self, box: Box) -> _Vector:
        left: _Vector = dict.fromkeys(product(*box.axes), 1)
        waiting = [self._places[atom] for atom in left if atom in self._places]
        heapify(waiting)
        while waiting:
            pivot, base = self._basis[heappop(waiting)]
            if pivot in left:
                _subtract(left, left[pivot], base)
                for atom in base:
                    if atom in left and atom in self._places:
                        heappush(waiting, self._places[atom])
        return left

    def _gives_away(self, left: _Vector) -> bool:
        atom = next(iter(left), None)
        return any(_proportional(left, self._protected[place]) for place in self._holding.get(atom, ()))

    def _extend(self, left: _Vector) -> None:
        if not left:
            return
        pivot, factor = next(iter(left.items()))
        inverse = pow(factor, -1, _PRIME)
        base = {atom: value * inverse % _PRIME for atom, value in left.items()}
        self._places[pivot] = len(self._basis)
        self._basis.append((pivot, base))
        for place in tuple(self._holding[pivot]):
            cell = self._protected[place]
            _subtract(cell, cell[pivot], base)
            for atom in base:
                (self._holding[atom].add if atom in cell else self._holding[atom].discard)(place)

    # Rule 4.

    def _leaves_little(self, box: Box, value: int) -> bool:
        for axis, values in enumerate(box.axes):
            line = {**self._lines[_line(box, axis)], values: value}
            if any(values <= whole and self._little(whole, line) for whole in line):
                return True
        return False

    def _little(self, whole: Values, line: Mapping[Values, int]) -> bool:
        inside = [values for values in line if values < whole]
        families = list(islice(_families(inside), RELEASE_FAMILIES_MAX + 1))
        if len(families) > RELEASE_FAMILIES_MAX:
            return True
        return any(
            line[whole] - sum(line[part] for part in family) < self.bound
            for family in families
            if family and frozenset().union(*family) != whole
        )


def _line(box: Box, axis: int) -> Key:
    """All boxes that differ from this one along the axis alone."""
    return (axis, *(values for place, values in enumerate(box.axes) if place != axis))


def _families(sets: Sequence[Values]) -> Iterator[list[Values]]:
    """Families of sets without common values; among them every one to which no other set can be added."""
    clashing = [one for one in sets if any(one & other for other in sets if other != one)]
    alone = [one for one in sets if one not in clashing]
    for chosen in _choose(clashing, []):
        yield alone + chosen


def _choose(rest: Sequence[Values], chosen: list[Values]) -> Iterator[list[Values]]:
    if not rest:
        yield chosen
        return
    first, tried = rest[0], list[Values]()
    for one in (each for each in rest if each & first):  # a family to which nothing can be added has one of these
        yield from _choose([each for each in rest if not each & one and each not in tried], [*chosen, one])
        tried.append(one)


def _subtract(vector: _Vector, factor: int, base: _Vector) -> None:
    for atom, value in base.items():
        new = (vector.get(atom, 0) - factor * value) % _PRIME
        if new:
            vector[atom] = new
        else:
            vector.pop(atom, None)


def _proportional(one: _Vector, other: _Vector) -> bool:
    if not one or one.keys() != other.keys():
        return False
    pivot = next(iter(one))
    return all((one[atom] * other[pivot] - other[atom] * one[pivot]) % _PRIME == 0 for atom in one)


def withheld(results: Iterable[RoundResult]) -> list[frozenset[int]]:
    """The places of the cells to withhold in each result, in the order in which their rounds were finished."""
    given = list(results)
    placed = [_placed(result) for result in given]
    shorter = _shortened([pair for pairs in placed for pair in pairs])
    tables: dict[Key, Table] = {}
    found = []
    for result, pairs in zip(given, placed, strict=True):
        cells = list(enumerate(zip(result.cells, pairs, strict=True)))
        for _, (cell, (key, box)) in cells:
            table = tables.setdefault(key, Table(result.small_cell))
            table.bound = max(table.bound, result.small_cell)
            if cell.suppressed:
                table.suppress(shorter[key, box])
        largest_first = sorted(
            (each for each in cells if not each[1][0].suppressed), key=lambda each: -each[1][0].total
        )
        found.append(
            frozenset(
                place
                for place, (cell, (key, box)) in largest_first
                if not tables[key].show(shorter[key, box], cell.total)
            )
        )
    return found


def _placed(result: RoundResult) -> list[tuple[Key, Box]]:
    """The table and the box of every cell."""
    oris = (*result.participants, *(member.ori for member in result.absent))
    states: Values = frozenset(result.states or {ori[:2] for ori in oris})
    return [(key, Box(details, states, months)) for key, details, months in _tables(result)]


def _tables(result: RoundResult) -> Iterator[tuple[Key, Values, Values]]:
    """Rule 5: of every cell its table, its details, and its months."""
    name = result.measure.name
    for cell in result.cells:
        if not result.measure.by_year:
            yield (name, cell.values, result.period.last), frozenset({()}), frozenset({0})
            continue
        *values, year = cell.values
        months: Values = result.period.months_in(int(year))
        if name == "records" and values[0] in _DETAILS:
            detail = _DETAILS[values[0]]
            everything = product(*(dimension.values for dimension in measure(detail).dimensions))
            yield (detail, year), frozenset(everything), months
        elif name in _DETAILS.values():
            yield (name, year), frozenset({tuple(values)}), months
        else:
            yield (name, tuple(values), year), frozenset({()}), months


def _shortened(placed: Iterable[tuple[Key, Box]]) -> dict[tuple[Key, Box], Box]:
    """The same boxes over fewer values: on each axis, values that all boxes of a table have together are one."""
    boxes: defaultdict[Key, set[Box]] = defaultdict(set)
    for key, box in placed:
        boxes[key].add(box)
    found = {}
    for key, held in boxes.items():
        classes = [_classes({box.axes[axis] for box in held}) for axis in range(3)]
        for box in held:
            axes = (
                frozenset(names[value] for value in values) for names, values in zip(classes, box.axes, strict=True)
            )
            found[key, box] = Box(*axes)
    return found


def _classes(sets: Iterable[Values]) -> dict[object, int]:
    """A number for each value; those that are in the very same sets share one."""
    patterns: defaultdict[object, list[int]] = defaultdict(list)
    for place, values in enumerate(sets):
        for value in values:
            patterns[value].append(place)
    numbers: dict[tuple[int, ...], int] = {}
    return {value: numbers.setdefault(tuple(pattern), len(numbers)) for value, pattern in patterns.items()}
