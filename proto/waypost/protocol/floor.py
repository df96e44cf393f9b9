"""The policy floor that ships with Waypost, and the schema of what policies may speak of.

The hub signs the floor into the roster, and nodes evaluate what the roster says. The schema is each node's own.
"""

from __future__ import annotations

from importlib import resources


def text() -> str:
    """The floor in Cedar's language, UTF-8."""
    return resources.files("waypost.protocol").joinpath("floor.cedar").read_text(encoding="utf-8")


def schema() -> str:
    """The schema in Cedar's schema language, UTF-8."""
    return resources.files("waypost.protocol").joinpath("waypost.cedarschema").read_text(encoding="utf-8")
