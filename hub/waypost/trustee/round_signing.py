"""What the trustee signs of a round beside the hub: the round itself, and the one result that it allows. Without I/O.

1. The hub's half is the one it committed to, before it saw ours, in its close.
2. The table is what the two halves give; measure, terms, participants and losses are what round and close say.
3. The absent are the whole rest of the cohort. A reason is one of the hub's few words, or what the member signed
   (waypost.protocol.round_declines).
4. What is left to the hub: the header, and to say of a member that declined that it did not answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from waypost.crypto import noise
from waypost.crypto.envelope import SigningKey, countersign
from waypost.crypto.freshness import header_from_payload
from waypost.protocol import limits
from waypost.protocol.measures import CATALOGUE_VERSION
from waypost.protocol.roster import Roster
from waypost.protocol.round_declines import is_hubs_word, read_decline
from waypost.protocol.round_results import AbsentMember, make_result, parse_result, result_payload, totals
from waypost.protocol.rounds import parse_round
from waypost.trustee.errors import Refused
from waypost.trustee.round_books import HeldRound
from waypost.v1 import envelope_pb2, round_pb2


def require_result(
    payload: bytes, hub_half: bytes, held: HeldRound, declines: Iterable[envelope_pb2.Envelope], roster: Roster | None
) -> None:
    """Refused unless the result is the one that round, close and halves allow (rules 1 to 4)."""
    close = round_pb2.RoundClose.FromString(held.close)
    if not hmac.compare_digest(hashlib.sha256(hub_half).digest(), close.hub_half_digest):
        raise Refused("altered", "the hub's half is not the one it committed to")
    stated, asked = parse_result(payload), parse_round(held.payload)
    header = header_from_payload(payload)
    words = {member.ori: member.reason for member in stated.absent}
    expected = make_result(
        asked,
        epsilon_thousandths=noise.epsilon_thousandths(asked.rho_millionths, limits.ROUND_DELTA_BILLIONTHS),
        participants=close.participants,
        absent=[AbsentMember(ori, reason) for ori, reason in words.items()],
        noisy=totals(hub_half, held.half),
        closed_at_ms=close.header.issued_at_ms,
    )
    if set(words) != held.cohort - held.participants or result_payload(expected, header, CATALOGUE_VERSION) != payload:
        raise Refused("altered", "the result is not what the round and its two halves give")
    read = (read_decline(decline, asked, roster) for decline in declines) if roster else ()
    signed = dict(filter(None, read))
    if any(not is_hubs_word(reason) and signed.get(ori) != reason for ori, reason in words.items()):
        raise Refused("altered", "the result says of a member what it did not sign")


def with_ours(envelope: envelope_pb2.Envelope, hub_key: bytes, key: SigningKey) -> envelope_pb2.Envelope:
    """The message with the hub's signature and ours, and no other."""
    hub_id = hashlib.sha256(hub_key).digest()
    clean = envelope_pb2.Envelope(
        payload_type=envelope.payload_type,
        payload=envelope.payload,
        signatures=[entry for entry in envelope.signatures if entry.key_id == hub_id],
    )
    return countersign(clean, key)
