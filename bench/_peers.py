"""The peers that Waypost is measured beside: packages that it does not need, and that `make peers` installs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

FLOWER = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
"""Flower's own environment: it wants an older protobuf than the protocol's code."""


def require(*modules: str, flower: bool = False) -> None:
    """Leave with a sentence, and without failing, when a peer is not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if flower and not FLOWER.exists():
        missing.append("flwr")
    if missing:
        print(f"\nskipped: {Path(sys.argv[0]).name} needs {', '.join(missing)}; `make peers` installs it and runs it")
        sys.exit(0)
