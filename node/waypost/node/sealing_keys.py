"""Members' sealing keys, which the roster names by digest and the hub hands out."""

from __future__ import annotations

import hashlib

from waypost.node.errors import Refused
from waypost.node.running import Running
from waypost.protocol.roster import Member


class SealingKeys:
    """The keys that were asked for; each is compared with the roster's digest before it is used."""

    def __init__(self, node: Running) -> None:
        self._node = node
        self._keys: dict[bytes, bytes] = {}

    async def of(self, ori: str) -> tuple[Member, bytes]:
        """An active member and its sealing public key (1,216 bytes); Refused when there is no such member."""
        member = self._node.valid_roster().member(ori)
        if member is None or not member.active:
            raise Refused("not-a-member", "the recipient takes no part in the federation now")
        held = self._keys.get(member.sealing_key_digest)
        if held is None:
            client, _ = self._node.connected()
            held = await client.sealing_key(member.ori)
            if hashlib.sha256(held).digest() != member.sealing_key_digest:
                raise Refused("wrong-sealing-key", "the hub gave another sealing key than the roster names")
            self._keys[member.sealing_key_digest] = held
        return member, held
