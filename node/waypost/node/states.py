"""Codes of the states and territories: postal ones, and those with which an ORI may begin."""

from __future__ import annotations

from typing import Final

_POSTAL: Final = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR
PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI
"""

STATES: Final = frozenset(_POSTAL.split())
"""The states, the District of Columbia and the territories, by the Postal Service's codes."""

ORI_STATES: Final = STATES | {"NB", "GM", "AM", "CM", "MK", "US"}
"""What an ORI may begin with: NCIC has codes of its own for Nebraska (NB) and Pacific territories; US is federal."""
