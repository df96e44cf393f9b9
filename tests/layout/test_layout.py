"""The repository's layout: one namespace over four source roots (a stray __init__.py hides the others at run time)."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("source_root", ["proto", "crypto", "node", "hub"])
def test_no_source_root_claims_the_namespace_for_itself(source_root: str) -> None:
    namespace = ROOT / source_root / "waypost"
    assert namespace.is_dir()
    assert not (namespace / "__init__.py").exists()
    assert not (ROOT / source_root / "__init__.py").exists()
