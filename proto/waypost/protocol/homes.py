"""Whose home a folder is, told by a file that only that party has: a command that was given another's says so."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MARKS: Final = {"enrol.pem": "hub", "trustee.db": "trustee", "node.db": "node"}


def party_of(folder: Path) -> str:
    """`hub`, `trustee` or `node`; empty when the folder is none of their homes."""
    return next((party for name, party in _MARKS.items() if (folder / name).exists()), "")
