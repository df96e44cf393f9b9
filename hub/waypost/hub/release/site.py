"""The release's pages: plain HTML that works from a file, asks nothing of a network and runs no script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from waypost.hub.compliance import days_to_index
from waypost.hub.release import charts
from waypost.hub.release.dataset import TABLES
from waypost.hub.release.edition import Edition
from waypost.hub.release.results import Line, Published
from waypost.hub.release.series import by_year, extent, key_variables, unit_word
from waypost.hub.release.states import area_name
from waypost.hub.release.tiers import WORDS, Cell, Count, Percentage, Ratio, Tier
from waypost.protocol.measures import MEASURES

_environment: Final = Environment(
    loader=PackageLoader("waypost.hub.release", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def site_files(edition: Edition) -> dict[str, bytes]:
    """All pages, their charts and their style, by path."""
    files = {name: _environment.get_template(name).render().encode() for name in ("style.css", "icon.svg")}
    common = {"edition": edition, "tiers": WORDS, "tables": TABLES, "measures": _measures(edition)}
    files["charts/map.svg"], alt = _chart(charts.tile_map(edition.coverage))
    for page in ("index", "method", "data", "releases"):
        files[f"{page}.html"] = _page(f"{page}.html", "", **common, map_alt=alt)
    files["agencies/index.html"] = _page("agencies.html", "../", **common)
    for total in edition.states:
        rows = [each for each in edition.decisions if each.standing.agency.state == total.group]
        coverage = edition.coverage.get(total.group)
        files[f"agencies/{total.group}.html"] = _page(
            "state.html", "../", **common, state=total, coverage=coverage, rows=rows
        )
    for name, published in _measures(edition).items():
        pictures: dict[str, list[tuple[str, str]]] = {}
        for each in published:
            pictures[each.area] = []
            for kind, chart in _charts(each):
                path = f"charts/{name}-{_slug(each.area)}-{kind}.svg"
                files[path], words = _chart(chart)
                pictures[each.area].append((path, words))
        files[f"measures/{name}.html"] = _page(
            "measure.html", "../", **common, measure=MEASURES[name], published=published, pictures=pictures
        )
    return files


def _measures(edition: Edition) -> dict[str, list[Published]]:
    """Every measure of the catalogue with its leading results; those that were never asked have none."""
    return {name: [each for each in edition.leading if each.result.measure.name == name] for name in MEASURES}


def _page(template: str, root: str, **context: object) -> bytes:
    return _environment.get_template(template).render(root=root, **context).encode()


def _chart(chart: charts.Chart) -> tuple[bytes, str]:
    return chart.svg.encode(), chart.alt


def _charts(published: Published) -> list[tuple[str, charts.Chart]]:
    """The charts that the tier allows."""
    unit, title, found = unit_word(published), published.result.measure.title, []
    points = key_variables(published)
    if points:
        newest = published.columns[-1] if published.tier >= Tier.RATIOS else published.result.period.text
        found.append(("bars", charts.bars(points, title=f"{title}, {area_name(published.area)}, {newest}", unit=unit)))
    whole = by_year(published)
    if whole:
        told = ", ".join(filter(None, (title, area_name(published.area), extent(published))))
        found.append(("years", charts.years(whole, title=told, unit=unit)))
    return found


def rows_shown(published: Published) -> list[Line]:
    """The rows of a page's table: of a long one, those that say something. The data have all."""
    if len(published.lines) <= ROWS_MAX:
        return list(published.lines)
    return [line for line in published.lines if line.told]


def _slug(area: str) -> str:
    return area.replace(", ", "-").replace(" ", "-").lower()


def show(cell: Cell) -> str:
    """A cell in a page's table."""
    match cell:
        case Count():
            return f"{cell.value:,} ± {cell.margin:,.0f}"
        case Ratio():
            return f"{cell.value:,.2f} ± {cell.margin:,.2f}"
        case Percentage():
            return f"{cell.value:.1f} % ± {cell.margin:.1f}"
        case _:
            return "suppressed"


ROWS_MAX: Final = 20
"""Rows that a page's table shows whatever they say: a measure's with one dimension are fewer."""

_filters: Final[Mapping[str, Any]] = {
    "show": show,
    "delays": days_to_index,
    "words": charts.label,
    "area": area_name,
    "period": lambda text: text.replace("..", " to "),
    "unit": unit_word,
    "extent": extent,
    "rows": rows_shown,
    "thousands": lambda number: f"{number:,}",
    "amount": lambda number, published: f"{number:,.{0 if published.tier is Tier.ALL else 2}f}".replace(
        "-", "\N{MINUS SIGN}"
    ),
    "figure": lambda number: f"{number:,.1f}",
}
_environment.filters.update(_filters)
