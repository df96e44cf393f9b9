"""Codes of the states and territories: postal ones, and those with which an ORI may begin."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_POSTAL: Final = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR
PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI
"""

STATES: Final = frozenset(_POSTAL.split())
"""The states, the District of Columbia and the territories, by the Postal Service's codes."""

_NCIC: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "NB": frozenset({"NE"}),
        "GM": frozenset({"GU"}),
        "AM": frozenset({"AS"}),
        "CM": frozenset({"MP"}),
        "MK": frozenset({"MP"}),
        "US": STATES,
    }
)
"""Codes of NCIC's own: Nebraska and Pacific territories; US is federal, and may be in any state."""

ORI_STATES: Final = STATES | frozenset(_NCIC)
"""What an ORI may begin with. Those of tribes and of federal offices mostly begin with the state they are in."""


def states_of(ori: str) -> frozenset[str]:
    """The states, by postal code, in which an agency of this ORI can be; none when it begins with no known code."""
    code = ori[:2]
    return _NCIC.get(code, frozenset({code}) & STATES)
