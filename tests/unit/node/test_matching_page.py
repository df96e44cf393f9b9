"""docs/matching.md says what the code does: its table of schemes is that of the scheme list, in the same order."""

from __future__ import annotations

from pathlib import Path

from waypost.node.keys import SCHEMES, SCHEMES_VERSION
from waypost.node.weighing import DOUBT_MAX

PAGE = (Path(__file__).parents[3] / "docs" / "matching.md").read_text()


def test_the_page_lists_every_scheme_in_order_with_what_it_is_made_of() -> None:
    table = PAGE.partition("<!-- schemes: begin -->")[2].partition("<!-- schemes: end -->")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    assert [(scheme.strip(" `"), what.strip()) for scheme, what in rows] == list(SCHEMES.items())


def test_the_page_names_version_and_threshold() -> None:
    assert f"Version {SCHEMES_VERSION};" in PAGE
    assert f"a doubt of {DOUBT_MAX} " in PAGE
