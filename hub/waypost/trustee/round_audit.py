"""What the trustee's audit keeps of rounds that it refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from google.protobuf.message import DecodeError

from waypost.crypto.errors import CryptoError, EnvelopeError
from waypost.crypto.freshness import header_from_payload
from waypost.protocol import names
from waypost.protocol.errors import ProtocolError
from waypost.trustee.audit import Event
from waypost.trustee.errors import Refused
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, round_pb2

_ID_BYTES: Final = 16


@contextmanager
def audited(store: Store, event: Event, envelope: envelope_pb2.Envelope, now_ms: int) -> Iterator[None]:
    """Audit a refusal of this message, outside of the transaction that it undoes; whatever it was, it is Refused."""
    try:
        yield
    except Refused as refusal:
        store.audit(now_ms, event, _subject(envelope), refusal.reason)
        raise
    except (EnvelopeError, ProtocolError) as error:
        store.audit(now_ms, event, _subject(envelope), error.reason)
        raise Refused(error.reason, f"refused: {error}") from error
    except (DecodeError, CryptoError) as error:
        store.audit(now_ms, event, _subject(envelope), "malformed")
        raise Refused("malformed", f"refused: {error}") from error


def _subject(envelope: envelope_pb2.Envelope) -> str:
    """The round that an unverified message speaks of."""
    try:
        if envelope.payload_type == names.ROUND:
            return header_from_payload(envelope.payload).message_id.hex()
        # RoundClose and RoundResult have the round's id in the same field
        return round_pb2.RoundClose.FromString(envelope.payload).round_id[:_ID_BYTES].hex()
    except (EnvelopeError, DecodeError):
        return "?"
