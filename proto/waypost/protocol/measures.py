"""The catalogue of measures: everything that an aggregate round may count, and nothing else.

A measure is a table of cells, one for each combination of its dimensions' values, last dimension fastest. Node, hub and
trustee read the same catalogue, so a round names a measure and never a query. The rules of every measure:

1. A record is counted only if it passes the fair-process gate (section 3(b)), by the node, as of the round's day.
2. It is counted in the year of its date: of effect for measures of decisions, of occurrence for measures of force;
   where that date is unknown, the other one; where both are, in none.
3. What one unit (an officer at one agency; a check; an agency) adds to all cells together is at most `clip`: its oldest
   events are counted and the others left out. So the clip is also the L2 sensitivity that the noise is made for.
4. Values that an agency left empty have a cell of their own ("unrecorded"): a table's cells always add up.
5. A dimension by state there is not: a state's table is a round whose cohort is that state, as the roster has it.

Changing a measure changes what its numbers mean: change CATALOGUE_VERSION with it, and parties refuse to mix the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from math import prod
from types import MappingProxyType
from typing import Final

from waypost.protocol.errors import ProtocolError
from waypost.protocol.periods import Period

CATALOGUE_VERSION: Final = 1
UNRECORDED: Final = "unrecorded"
YEAR: Final = "year"


class Unit(StrEnum):
    """Whose presence the noise hides."""

    OFFICER = "officer"
    """An officer at one agency, with everything that agency holds of him."""
    CHECK = "check"
    AGENCY = "agency"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One side of a table: its name and the values it can have."""

    name: str
    title: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure. `by_year` adds a dimension with the years of the round's period, last."""

    name: str
    title: str
    clause: str
    """The words of Executive Order 13929 that ask for it."""
    unit: Unit
    things: str
    """What its totals are a number of."""
    clip: int
    dimensions: tuple[Dimension, ...]
    by_year: bool
    documentation: str
    key: int = 1
    """How many of its dimensions are key variables, which charts show. Over the last of them a whole divides into
    percentages, for each combination of those before it."""
    overlapping: bool = False
    """Whether one unit may be counted under several values of that variable: they are then parts of no whole."""
    part_of: str = ""
    """The measure that counts the same events among others; empty for most."""

    @property
    def families(self) -> tuple[frozenset[str], ...]:
        """Names of measures whose totals count the same events as some of ours, ours among them: a part with its whole,
        a whole with each of its parts.
        """
        kin = {name for name, other in MEASURES.items() if self.name == other.part_of or name == self.part_of}
        return tuple(frozenset({self.name, name}) for name in sorted(kin)) or (frozenset({self.name}),)

    def repeats(self, one: Period, other: Period) -> bool:
        """Whether two periods ask the very same: without years, a period is its last day."""
        return one == other or (not self.by_year and one.last == other.last)

    def dimensions_in(self, period: Period) -> tuple[Dimension, ...]:
        """The dimensions of a round on that period."""
        if not self.by_year:
            return self.dimensions
        return (*self.dimensions, Dimension(YEAR, "Year", tuple(map(str, period.years))))

    def cell_count(self, period: Period) -> int:
        """How many cells a round on that period has."""
        return prod(len(dimension.values) for dimension in self.dimensions_in(period))

    def cells(self, period: Period) -> tuple[tuple[str, ...], ...]:
        """The values of every cell, in the vector's order."""
        return tuple(product(*(dimension.values for dimension in self.dimensions_in(period))))

    def positions(self, period: Period) -> Mapping[tuple[str, ...], int]:
        """Where each combination of values stands in the vector."""
        return MappingProxyType({values: place for place, values in enumerate(self.cells(period))})


def measure(name: str) -> Measure:
    """The measure of that name; ProtocolError 'unknown-measure' when the catalogue has none."""
    found = MEASURES.get(name)
    if found is None:
        raise ProtocolError(
            "unknown-measure", f"{name[:40]!r} is not a measure", hint=f"one of: {', '.join(sorted(MEASURES))}"
        )
    return found


_KIND: Final = Dimension(
    "kind",
    "Kind of record",
    (
        "excessive_force_finding",
        "termination",
        "decertification",
        "criminal_conviction",
        "civil_judgment",
        "resignation_under_investigation",
        "retirement_under_investigation",
        "suspension",
        "sustained_complaint",
        "commendation",
    ),
)
_FORCE_TYPE: Final = Dimension(
    "force_type",
    "Type of force",
    (
        "firearm",
        "electronic_control_weapon",
        "explosive_device",
        "chemical_agent",
        "baton",
        "impact_projectile",
        "blunt_instrument",
        "hands_fists_feet",
        "canine",
        "choke_hold",
        "other",
        "unknown",
        UNRECORDED,
    ),
)
_FORCE_OUTCOME: Final = Dimension(
    "force_outcome", "Outcome of the force", ("death", "serious_injury", "injury", "none", UNRECORDED)
)
_DEPARTURE: Final = Dimension("departure", "How the officer left", ("resigned", "retired", "other"))
_ACTION: Final = Dimension(
    "action",
    "What became of the certification",
    ("revoked", "suspended", "surrendered", "lapsed", "denied", "reinstated", UNRECORDED),
)
AMOUNT_BANDS: Final = (
    ("under_10000", 10_000),
    ("10000_to_49999", 50_000),
    ("50000_to_249999", 250_000),
    ("250000_to_999999", 1_000_000),
    ("1000000_to_4999999", 5_000_000),
)
"""Upper bounds in dollars, exclusive; above the last stands "5000000_and_more"."""
AMOUNT_MOST: Final = "5000000_and_more"
_AMOUNT: Final = Dimension(
    "amount", "Amount in dollars", (*(name for name, _ in AMOUNT_BANDS), AMOUNT_MOST, UNRECORDED)
)
DAYS_BANDS: Final = (
    ("within_30_days", 30),
    ("31_to_90_days", 90),
    ("91_to_180_days", 180),
    ("181_to_365_days", 365),
    ("366_to_730_days", 730),
)
"""Upper bounds in days, inclusive; above the last stands "over_730_days"."""
DAYS_MOST: Final = "over_730_days"
_DAYS: Final = Dimension(
    "days", "Days from incident to final decision", (*(name for name, _ in DAYS_BANDS), DAYS_MOST, UNRECORDED)
)
_SERVICE: Final = Dimension("service", "Service", ("sworn", "not_sworn"))
_ACTIVITY: Final = Dimension(
    "activity", "What was done", ("asked", "answered_with_records", "answered_with_a_referral", "answered_without")
)
_TRAINING: Final = Dimension("training", "Training", ("crisis_intervention", "de_escalation"))
_PROGRAMME: Final = Dimension("programme", "Programme", ("co_responder", "early_intervention"))
_STANDING: Final = Dimension("standing", "Whether the agency has one", ("yes", "no", UNRECORDED))

_ALL: Final = (
    Measure(
        name="records",
        title="Conduct records by kind and year",
        clause="section 3(a) and (c)",
        unit=Unit.OFFICER,
        things="records",
        clip=4,
        dimensions=(_KIND,),
        by_year=True,
        documentation="Records that agencies hold and may share, by kind and by the year they took effect.",
    ),
    Measure(
        name="force-findings",
        title="Findings of excessive force by type, outcome and year",
        clause="section 3(a): instances of excessive use of force",
        unit=Unit.OFFICER,
        things="findings",
        clip=3,
        dimensions=(_FORCE_TYPE, _FORCE_OUTCOME),
        by_year=True,
        documentation="Findings of excessive force, by the type of force and what it led to, in the FBI's terms, and "
        "by the year in which the force was used.",
        part_of="records",
    ),
    Measure(
        name="separations-under-investigation",
        title="Separations while under investigation, by year",
        clause="section 3(a): terminations and resignations while under investigation",
        unit=Unit.OFFICER,
        things="separations",
        clip=2,
        dimensions=(_DEPARTURE,),
        by_year=True,
        documentation="Employments at the counting agency that ended while the officer was under investigation, by how "
        "he left and the year he left in. It counts employments, which section 3(b) does not withhold.",
    ),
    Measure(
        name="decertifications",
        title="Decertifications by ground and year",
        clause="section 3(a): decertifications",
        unit=Unit.OFFICER,
        things="decertifications",
        clip=2,
        dimensions=(_ACTION,),
        by_year=True,
        documentation="Decertification records by what was done to the certification, the one ground that boards state "
        "alike, and by the year it took effect. POST boards and agencies that hold such a record count it.",
        part_of="records",
    ),
    Measure(
        name="civil-judgments",
        title="Civil judgments for improper use of force, by amount and year",
        clause="section 3(a): civil judgments",
        unit=Unit.OFFICER,
        things="judgments",
        clip=2,
        dimensions=(_AMOUNT,),
        by_year=True,
        documentation="Civil judgments by amount in bands and by year of effect; their number is the sum over the "
        "bands, their total lies between the sums of the bands' bounds.",
        part_of="records",
    ),
    Measure(
        name="officers-employed",
        title="Officers employed at the period's end",
        clause="section 3(c): the denominator of every rate",
        unit=Unit.OFFICER,
        things="officers",
        clip=1,
        dimensions=(_SERVICE,),
        by_year=False,
        documentation="Persons in the counting agency's employment on the last day of the period, sworn and not.",
    ),
    Measure(
        name="records-withheld",
        title="Records withheld for want of fair process",
        clause="section 3(b)",
        unit=Unit.OFFICER,
        things="records",
        clip=4,
        dimensions=(_KIND,),
        by_year=False,
        documentation="Records of the period's last day or before that stood and did not pass the fair-process gate on "
        "that day: neither disclosed nor counted elsewhere then. Voided and sealed ones are not among them.",
    ),
    Measure(
        name="time-to-decision",
        title="Time from incident to final decision",
        clause="section 3(a) and (b)",
        unit=Unit.OFFICER,
        things="records",
        clip=3,
        dimensions=(_DAYS,),
        by_year=True,
        documentation="Records with a final decision in the period, by the days from the incident to it, and by its "
        "year. Commendations are left out.",
    ),
    Measure(
        name="checks",
        title="Checks asked and answered",
        clause="section 3(a): information sharing",
        unit=Unit.CHECK,
        things="checks",
        clip=1,
        dimensions=(_ACTIVITY,),
        by_year=True,
        documentation="Checks that agencies asked, and checks that they answered, by what left them. The noise hides a "
        "single check; an officer who is asked about often is hidden less.",
    ),
    Measure(
        name="officers-trained",
        title="Officers trained in crisis intervention and de-escalation",
        clause="sections 2(b) and 4(b)",
        unit=Unit.OFFICER,
        things="officers",
        clip=2,
        dimensions=(_TRAINING,),
        by_year=False,
        documentation="Officers trained by the period's end, as the agency's custodian states it (waypost-node "
        "programme). An officer with both trainings is in both cells.",
        overlapping=True,
    ),
    Measure(
        name="programmes",
        title="Agencies with co-responder and early-intervention programmes",
        clause="sections 2(c) and 4(c)",
        unit=Unit.AGENCY,
        things="agencies",
        clip=2,
        dimensions=(_PROGRAMME, _STANDING),
        by_year=False,
        documentation="Agencies that have, have not, or did not say, as the agency's custodian states it.",
        key=2,
    ),
)

MEASURES: Final[Mapping[str, Measure]] = MappingProxyType({entry.name: entry for entry in _ALL})
