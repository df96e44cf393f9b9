"""What follows from the measured figures for the whole country, by formulas that docs/scaling.md states."""

from __future__ import annotations

from typing import Final

from _country_figures import Figures

MEMBERS: Final = 18_000
TOKENS: Final = 80_000_000
CHECKS_A_DAY: Final = 60_000
BUSIEST_HOUR: Final = 0.15
"""Part of a day's checks."""
EVALUATION_ELEMENTS: Final = 96


def computed(figures: Figures) -> None:  # noqa: C901 - a list of formulas
    """Add what is computed; a figure that was not measured in this run leaves out what rests on it."""
    known = {(row.part, row.name): row.value for row in figures.rows}

    def of(part: str, begins: str) -> float | None:
        return next((value for (p, name), value in known.items() if p == part and name.startswith(begins)), None)

    add, peak = figures.computed, CHECKS_A_DAY * BUSIEST_HOUR / 3600
    part = "the country"
    add(part, "checks a second in the busiest hour (15 % of 60,000)", peak, "checks/s")
    if rate := of("day, full speed", "checks a second"):
        add(part, "measured speed, times the busiest hour", rate / peak, "times")
        add(part, "a day of 60,000 checks at full speed", CHECKS_A_DAY / rate / 3600, "hours")
    if hub_s := of("day, full speed", "the hub's processor time a check"):
        add(part, "one hub process with a core of its own (1 / processor time a check)", 1 / hub_s, "checks/s")
    if trustee_s := of("day, full speed", "the trustee's processor time a check"):
        add(part, "one trustee's core", 1 / trustee_s, "checks/s")
        element_s = trustee_s / EVALUATION_ELEMENTS
        add(part, "trustee: first evaluation of 80 million tokens, one core", TOKENS * element_s / 3600, "hours")
    if tokens_s := of("registration", "over gRPC, 8"):
        add(part, "registering 80 million tokens over gRPC into a full index", TOKENS / tokens_s / 3600, "hours")
    if link_s := of("links", "the hub's processor time to attach one"):
        add(part, "all 18,000 attach anew after a restart, processor time", MEMBERS * link_s, "s")
    if link_kb := of("links", "the hub's memory for one"):
        add(part, "memory of 18,000 links", MEMBERS * link_kb / 1e6, "GB")
    if roster_mb := of("roster", "the roster") or of("members", "the roster of all"):
        add(part, "a new roster to 18,000 links", MEMBERS * roster_mb / 1e3, "GB sent")
        add(part, "the same on a line of 1 Gbit/s", MEMBERS * roster_mb * 8 / 1e3, "s")
    if join_s := of("roster", "one join"):
        add(
            part,
            "18,000 agencies joining one by one (half of the last join's time each)",
            MEMBERS * join_s / 2 / 3600,
            "hours",
        )
    if growth_kb := of("day, full speed", "database growth a check"):
        add(part, "growth of the hub's database in a year", growth_kb * CHECKS_A_DAY * 365 / 1e6, "GB")
