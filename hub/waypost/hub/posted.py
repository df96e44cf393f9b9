"""How a posted message came: what every handler of posts.py is given beside the message itself."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.crypto.envelope import SigningKey
from waypost.protocol.roster import Roster


@dataclass(frozen=True, slots=True)
class Posted:
    """On whose link a message came, the roster in force, the hub's signing key, and the moment."""

    caller: str
    roster: Roster
    key: SigningKey
    now_ms: int
