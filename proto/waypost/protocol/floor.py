"""The policy floor that ships with Waypost: the hub signs it into the roster, nodes evaluate what the roster says."""

from __future__ import annotations

from importlib import resources


def text() -> str:
    """The floor in Cedar's language, UTF-8."""
    return resources.files("waypost.protocol").joinpath("floor.cedar").read_text(encoding="utf-8")
