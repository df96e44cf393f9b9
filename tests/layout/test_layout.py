"""The repository's layout: one namespace over four source roots (a stray __init__.py hides the others at run time)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("source_root", ["proto", "crypto", "node", "hub"])
def test_no_source_root_claims_the_namespace_for_itself(source_root: str) -> None:
    namespace = ROOT / source_root / "waypost"
    assert namespace.is_dir()
    assert not (namespace / "__init__.py").exists()
    assert not (ROOT / source_root / "__init__.py").exists()


@pytest.mark.parametrize("part", ["hub", "trustee"])
def test_a_program_that_was_installed_without_its_extra_says_so_in_one_line(part: str) -> None:
    missing = "import sys; sys.modules['sqlalchemy'] = sys.modules['grpc_health'] = None\n"
    code = f"{missing}sys.argv = ['waypost-{part}', '--help']\nfrom waypost.{part}.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if part == "hub":
        assert done.returncode == 1
        assert done.stderr.startswith(
            "error: the hub needs sqlalchemy, which is not installed\n"
            "hint: in a clone of the repository: pip install '.[hub]'"
        )
    assert "Traceback" not in done.stderr
