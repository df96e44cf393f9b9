"""The docs are held to the code: pages that are made from it, links between pages, and events that have a meaning."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli.md", "audit-events.md", "measures.md"])
def test_a_generated_page_says_what_the_code_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == _generator().PAGES[name](), "run: make docs"


def test_every_audit_event_has_a_meaning() -> None:
    from waypost.hub import audit as hub
    from waypost.node import audit as node
    from waypost.trustee import audit as trustee

    for catalogue in (hub, node, trustee):
        assert set(catalogue.MEANING) == set(catalogue.Event)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_of_the_project(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
