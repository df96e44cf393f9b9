"""Why members are absent from a round, and whose word that is. A core without I/O.

1. No reason: the member did not answer in time.
2. "not-agreed" (the parties did not agree on its share) and "refused: WORD" (its node refused the round, with an audit
   word) are the hub's word.
3. Every other reason is the member's own: it stands in a RoundAnswer without shares, signed by it for this very round.
"""

from __future__ import annotations

import re
from typing import Final

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_from_payload
from waypost.protocol import names
from waypost.protocol.roster import Roster
from waypost.protocol.rounds import Round
from waypost.v1 import envelope_pb2, round_pb2

NOT_AGREED: Final = "not-agreed"
_REFUSED: Final = re.compile(r"refused: [a-z-]{1,40}", re.ASCII)


def refused_by_node(word: str) -> str:
    """The reason of a member whose node refused the round with that word."""
    reason = f"refused: {word}"
    return reason if _REFUSED.fullmatch(reason) else "refused: malformed"


def is_hubs_word(reason: str) -> bool:
    """Whether the hub may say this of a member without the member's signature (rules 1 and 2)."""
    return reason in {"", NOT_AGREED} or _REFUSED.fullmatch(reason) is not None


def stated_reason(message: round_pb2.RoundAnswer) -> str:
    """The reason as a result shows it; empty when the member took part."""
    return "".join(char for char in message.declined_reason if char.isprintable())


def read_decline(envelope: envelope_pb2.Envelope, asked: Round, roster: Roster) -> tuple[str, str] | None:
    """The member and its reason (rule 3); None when it is no such message, or not the member's."""
    try:
        sender = header_from_payload(envelope.payload).sender
        member = roster.members.get(sender)
        if member is None:
            return None
        keys = (member.signing_public_key,)
        verified = verify_signatures(envelope, keys, required=1, expected_type=names.ROUND_ANSWER)
        message = round_pb2.RoundAnswer.FromString(verified.payload)
    except (EnvelopeError, DecodeError):
        return None
    reason = stated_reason(message)
    ours = verified.header.audience == names.HUB and message.round_digest == asked.digest
    return (sender, reason) if ours and reason else None
