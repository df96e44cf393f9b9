"""Who receives a message: what every handler of messages.py is given beside the message itself."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.crypto.envelope import SigningKey
from waypost.crypto.sealing import SealingKey
from waypost.node.due_process import Windows
from waypost.node.policy import PolicyEngine
from waypost.protocol.roster import Roster


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who receives: the member's ORI and keys, the hub's key, the roster, policies and windows in force, the moment."""

    ori: str
    hub_key: bytes
    key: SigningKey
    sealing_key: SealingKey
    roster: Roster
    policies: PolicyEngine | None
    windows: Windows
    now_ms: int
