"""One edition of the release: everything that its pages and tables are made from, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from waypost.hub.grants import Decision, Total
from waypost.hub.release.results import Published
from waypost.hub.release.tiers import Coverage


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier edition that stays listed; `here`: with its pages. `digest` is its manifest's, in hexadecimal."""

    number: int
    as_of: date
    digest: str
    here: bool


@dataclass(frozen=True, slots=True)
class Population:
    """Officers employed by state, and where the figures are from."""

    officers: Mapping[str, int]
    source: str


@dataclass(frozen=True, slots=True)
class Edition:
    """`coverage` is that of submission by state; `leading` has one result for each measure and area."""

    number: int
    as_of: date
    notice: str
    decisions: tuple[Decision, ...]
    all: Total
    states: tuple[Total, ...]
    access: tuple[Total, ...]
    nation: Coverage
    coverage: Mapping[str, Coverage]
    population: Population
    leading: tuple[Published, ...]
    earlier: tuple[Published, ...]
    past: tuple[Past, ...]
    hub_key: str
    trustee_key: str


def submission_coverage(
    decisions: tuple[Decision, ...], officers_of: Mapping[str, int], population: Population
) -> tuple[Coverage, dict[str, Coverage]]:
    """The share of officers whose agencies submit: of the nation, and of each state."""
    covered = dict.fromkeys(population.officers, 0)
    for decision in decisions:
        agency = decision.standing.agency
        if decision.standing.submits and agency.state in covered:
            covered[agency.state] += officers_of.get(agency.ori, 0)
    states = {state: Coverage(covered[state], officers) for state, officers in population.officers.items()}
    return Coverage(sum(covered.values()), sum(population.officers.values())), states
