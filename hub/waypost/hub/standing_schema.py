"""The hub's table of days on which agencies' standing was kept."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, LargeBinary, String, Table

from waypost.hub.schema import metadata

compliance_days: Final = Table(
    "compliance_days",
    metadata,
    Column("day", String, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
)
"""Signed ComplianceDays, each naming the one before: what changed on each day since the first."""
