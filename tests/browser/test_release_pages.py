"""The release's pages in headless Chromium, at a desktop's and a phone's size: accessible, whole, and alone.

Needs Chromium and the two packages of package.json (`npm ci` in this folder). Where they are missing the tests are
skipped, unless WAYPOST_BROWSER says `required`, as `.ci/run` does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.parties import release_world as given

from waypost.hub.evidence import Rosters, read_evidence
from waypost.hub.release import building
from waypost.hub.release.edition import Past, Population
from waypost.hub.release.folder import put_release

pytestmark = pytest.mark.xdist_group("browser")  # what they share is made once

HERE = Path(__file__).parent
NOTICE = "Synthetic data: no figure says anything about any person or agency."
PAGES = 9
"""Pages at least: overview, method, data, releases, agencies and four states; and one for every measure."""


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None or not (HERE / "node_modules" / "axe-core").is_dir():
        why = "needs Chromium, and `npm ci` in tests/browser"
        if os.environ.get("WAYPOST_BROWSER") == "required":
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = given.make_world(tmp_path_factory.mktemp("world"))
    day = date.fromisoformat(given.TODAY)
    with world.engine.begin() as connection:
        evidence, _ = read_evidence(Rosters(connection, world.hub.public, world.trustee.public), day)
    edition = building.make_edition(
        building.Ingredients(
            number=2,
            as_of=day,
            notice=NOTICE,
            evidence=evidence,
            results=tuple(given.all_results(world)),
            population=Population(given.POPULATION, "synthetic figures"),
            past=(Past(1, date(2026, 8, 24), "ab" * 32, here=True),),
            hub_key=world.hub.public,
            trustee_key=world.trustee.public,
        )
    )
    folder = tmp_path_factory.mktemp("site") / "release"
    put_release(folder, building.make_files(edition), b"", former=None)
    return folder


@pytest.fixture(scope="module")
def seen(site: Path) -> list[dict[str, Any]]:
    """What Chromium saw of every page."""
    program = ["node", str(HERE / "inspect.mjs"), str(site), chromium()]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    pages: list[dict[str, Any]] = json.loads(done.stdout)
    assert len({page["page"] for page in pages}) >= PAGES
    assert {page["size"] for page in pages} == {"desktop", "phone", "dark"}
    return pages


def test_no_page_violates_a_rule_of_axe(seen: list[dict[str, Any]]) -> None:
    assert [(page["page"], page["size"], page["violations"]) for page in seen if page["violations"]] == []


def test_no_page_asks_anything_of_anybody(seen: list[dict[str, Any]]) -> None:
    assert [(page["page"], page["requests"]) for page in seen if page["requests"]] == []


def test_every_page_is_styled_and_whole_when_opened_from_a_file(seen: list[dict[str, Any]]) -> None:
    assert [(page["page"], page["errors"], page["broken"]) for page in seen if page["errors"] or page["broken"]] == []
    assert {page["styled"] for page in seen} == {"rgb(18, 48, 74)"}


def test_no_page_is_wider_than_a_phone(seen: list[dict[str, Any]]) -> None:
    assert [(page["page"], page["size"], page["overflow"]) for page in seen if page["overflow"] > 0] == []


def test_the_inspection_itself_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<html><header></header><main style='width:3000px'><img src='none.png'><a href='#'></a>"
        "<script src='http://127.0.0.1:9/x.js'></script></main></html>"
    )
    program = ["node", str(HERE / "inspect.mjs"), str(tmp_path), chromium()]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=600)
    page = json.loads(done.stdout)[0]
    assert {violation["id"] for violation in page["violations"]} >= {"image-alt", "link-name", "html-has-lang"}
    assert page["requests"] == ["http://127.0.0.1:9/x.js"]
    assert len(page["broken"]) == 1
    assert page["overflow"] > 1000
