"""Charts of a release, rendered when it is built: Vega-Lite specifications made into SVG by vl-convert.

Each comes with the words that say the same (alternative text). Colours keep a contrast of at least 3:1 to the page;
no meaning hangs on colour alone. A page shows a chart as an image: it holds no script and asks nothing of a network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import vl_convert

from waypost.hub.release.states import TILES, area_name
from waypost.hub.release.tiers import Coverage, Tier

INK: Final = "#1b2733"
MUTED: Final = "#51606f"
ACCENT: Final = "#1f5f8b"
BAR: Final = "#5a93bd"
MARGIN: Final = "#8a3b12"
_FONT: Final = "Arial, Helvetica, sans-serif"
_CONFIG: Final[Mapping[str, Any]] = {
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {"labelColor": INK, "titleColor": MUTED, "labelFontSize": 17, "titleFontSize": 16, "gridColor": "#e3e8ed"},
    "axisY": {"labelLimit": 260, "labelPadding": 7},
    "legend": {"labelFontSize": 15, "titleFontSize": 15, "labelColor": INK},
}
_WIDTH: Final = 320
"""Narrow and in large letters: on a phone a chart is drawn at two thirds of its size."""
_STEP: Final = 30
_CAP: Final = {"type": "tick", "color": INK, "thickness": 2, "height": 10}


@dataclass(frozen=True, slots=True)
class Chart:
    """An SVG, and the words for who cannot see it."""

    svg: str
    alt: str


def bars(points: Sequence[tuple[str, float, float]], *, title: str, unit: str) -> Chart:
    """Horizontal bars with the noise's margins at 95 %."""
    values = [
        {"name": label(name), "value": value, "low": max(0.0, value - margin), "high": value + margin}
        for name, value, margin in points
    ]
    y = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False, "domain": False}}
    x = {"field": "value", "type": "quantitative", "title": unit, "axis": {"tickCount": 4}}
    low, high = {"field": "low", "type": "quantitative"}, {"field": "high"}
    layers = [
        {"mark": {"type": "bar", "color": BAR, "height": 18}, "encoding": {"y": y, "x": x}},
        {"mark": {"type": "rule", "color": INK, "strokeWidth": 2}, "encoding": {"y": y, "x": low, "x2": high}},
        *({"mark": _CAP, "encoding": {"y": y, "x": end}} for end in (low, {**high, "type": "quantitative"})),
    ]
    alt = f"Bar chart. {title}, {unit}. " + _told(points)
    return Chart(_svg({"width": _WIDTH, "height": {"step": _STEP}, "data": {"values": values}, "layer": layers}), alt)


def years(points: Sequence[tuple[str, float, float]], *, title: str, unit: str) -> Chart:
    """A line over years within the band that holds the true value with 95 % confidence."""
    values = [
        {"year": name, "value": value, "low": max(0.0, value - margin), "high": value + margin}
        for name, value, margin in points
    ]
    x = {"field": "year", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}}
    y = {"field": "value", "type": "quantitative", "title": unit, "scale": {"zero": True}, "axis": {"tickCount": 5}}
    band = {**y, "field": "low"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "area", "color": MARGIN, "opacity": 0.22},
            "encoding": {"x": x, "y": band, "y2": {"field": "high"}},
        },
        {"mark": {"type": "line", "color": ACCENT, "strokeWidth": 3}, "encoding": {"x": x, "y": y}},
        {"mark": {"type": "point", "color": ACCENT, "filled": True, "size": 70}, "encoding": {"x": x, "y": y}},
    ]
    alt = f"Line chart. {title} by year, {unit}. " + _told(points)
    return Chart(_svg({"width": _WIDTH + 120, "height": 230, "data": {"values": values}, "layer": layers}), alt)


def tile_map(coverage: Mapping[str, Coverage]) -> Chart:
    """The United States as one tile a state, each with its share of officers whose agencies submit."""
    values = []
    for state, (column, row) in TILES.items():
        known = coverage.get(state)
        share = "" if known is None else f"{int(known.percent)} %"
        tier = _UNKNOWN if known is None else _TIER_WORDS[known.tier]
        values.append({"state": state, "column": column, "row": row, "share": share, "tier": tier})
    words = [_TIER_WORDS[tier] for tier in sorted(Tier)] + [_UNKNOWN]
    place = {
        "x": {"field": "column", "type": "ordinal", "axis": None, "scale": {"domain": list(range(12))}},
        "y": {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(8))}},
    }
    color = {
        "field": "tier",
        "type": "nominal",
        "scale": {"domain": words, "range": list(_TIER_COLORS)},
        "legend": {"title": "Officers covered", "orient": "bottom", "columns": 3, "symbolType": "square"},
    }
    dark = {
        "condition": {
            "test": f"indexof({[_TIER_WORDS[t] for t in (Tier.ALL, Tier.RATIOS)]}, datum.tier) >= 0",
            "value": "#ffffff",
        },
        "value": INK,
    }
    layers = [
        {
            "mark": {"type": "rect", "stroke": "#ffffff", "strokeWidth": 2, "cornerRadius": 3},
            "encoding": {**place, "color": color},
        },
        {
            "mark": {"type": "text", "fontSize": 15, "fontWeight": "bold", "dy": -7},
            "encoding": {**place, "text": {"field": "state"}, "color": dark},
        },
        {
            "mark": {"type": "text", "fontSize": 13, "dy": 10},
            "encoding": {**place, "text": {"field": "share"}, "color": dark},
        },
    ]
    spec = {
        "width": {"step": 42},
        "height": {"step": 42},
        "data": {"values": values},
        "layer": layers,
        "resolve": {"scale": {"color": "independent"}},
    }
    told = "; ".join(f"{area_name(state)} {known.percent:g} percent" for state, known in sorted(coverage.items()))
    return Chart(_svg(spec), f"Tile map of the United States by share of officers whose agencies submit. {told}.")


_TIER_WORDS: Final = {
    Tier.PARTICIPATION: "under 40 %",
    Tier.PERCENTAGES: "40 to 60 %",
    Tier.RATIOS: "60 to 80 %",
    Tier.ALL: "80 % and more",
}
_UNKNOWN: Final = "not known"
_TIER_COLORS: Final = ("#dbe7f0", "#9cc3dc", "#3d7fae", "#123f61", "#eef0f2")


def _svg(spec: dict[str, Any]) -> str:
    """The SVG of a specification; the same specification always gives the same bytes."""
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": dict(_CONFIG),
        "padding": 8,
        **spec,
    }
    return str(vl_convert.vegalite_to_svg(whole))


def label(name: str) -> str:
    """A name of the catalogue as people read it: amounts in groups of thousands, words apart."""
    return _AMOUNT.sub(lambda found: f"{int(found[0]):,}", name.replace("_", " ").replace("-", " "))


_AMOUNT: Final = re.compile(r"\d{5,}")
"""Longer than a year."""


def _told(points: Sequence[tuple[str, float, float]]) -> str:
    return "; ".join(f"{label(name)} {value:,.4g} plus or minus {margin:,.3g}" for name, value, margin in points) + "."
