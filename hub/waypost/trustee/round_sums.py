"""Adding up seed shares at the trustee: from participants' messages to a half that may leave. A core without I/O.

1. Each participant gives exactly one share: signed by it under the roster's key, addressed to the trustee, of this very
   round (id and digest), and opening under the round's key.
2. Participants whose share is missing, not theirs or does not open are named; then nothing is added up.
3. The sum is in memory only, and only until the noise is in it. The noise suffices alone: whoever knows the other
   party's noise still faces this one's.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from waypost.crypto import noise
from waypost.crypto.envelope import verify_signatures
from waypost.crypto.errors import EnvelopeError, SealingError, SharesError
from waypost.crypto.freshness import header_from_payload
from waypost.crypto.sealing import SealingContext, open_sealed
from waypost.crypto.share_sums import ShareSum
from waypost.protocol import names
from waypost.protocol.errors import RosterError
from waypost.trustee.rounds import Closing
from waypost.v1 import envelope_pb2, round_pb2


class SeedSum:
    """One closing's sum. `outstanding` are the participants whose share is still to come."""

    def __init__(self, closing: Closing) -> None:
        self._closing = closing
        self._sum = ShareSum(closing.asked.cells)
        self.outstanding = set(closing.participants)

    def take(self, envelopes: Iterable[envelope_pb2.Envelope]) -> None:
        """Add shares; one that is not a participant's, not its first, or does not open is left out (rule 2)."""
        for envelope in envelopes:
            opened = self._open(envelope)
            if opened is None:
                continue
            sender, seed = opened
            try:
                self._sum.add_seed(seed)
            except SharesError:
                continue
            self.outstanding.discard(sender)

    def _open(self, envelope: envelope_pb2.Envelope) -> tuple[str, bytes] | None:
        """Rule 1: the sender and its seed."""
        asked, roster = self._closing.asked, self._closing.roster
        try:
            sender = header_from_payload(envelope.payload).sender
            if sender not in self.outstanding:
                return None
            key = roster.active_member(sender).signing_public_key
            verified = verify_signatures(envelope, (key,), required=1, expected_type=names.ROUND_SEED_SHARE)
            message = round_pb2.SeedShare.FromString(verified.payload)
            if verified.header.audience != names.TRUSTEE or message.round_digest != asked.digest:
                return None
            context = SealingContext(names.SEAL_SEED_SHARE, sender, names.TRUSTEE, asked.round_id)
            return sender, open_sealed(message.sealed_seed, self._closing.sealing_key, context)
        except (EnvelopeError, RosterError, SealingError, DecodeError):
            return None

    def noisy_half(self) -> bytes:
        """The half with its noise in (rule 3); only when no share is outstanding."""
        assert not self.outstanding  # noqa: S101 - the caller names them instead
        asked = self._closing.asked
        self._sum.add_noise(noise.draw(asked.noise_scale, asked.cells))
        return self._sum.to_bytes()
