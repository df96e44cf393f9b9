"""A receipt as a file that proves itself: the envelope, and the proof that the hub's log holds it."""

from __future__ import annotations

import hashlib

from waypost.crypto.envelope import parse_envelope
from waypost.node.errors import CheckError
from waypost.node.store import Store
from waypost.protocol.log_files import LoggedReceipt
from waypost.v1 import log_pb2


def receipt_file(store: Store, envelope: bytes) -> bytes:
    """The file; CheckError while there is no proof yet."""
    digest = hashlib.sha256(parse_envelope(envelope).payload).digest()
    proof = store.transparency.proof(log_pb2.LOG_KIND_RECEIPT, digest)
    if proof is None:
        raise CheckError(
            "the receipt is not proven to be in the hub's log yet",
            hint="a running node gets the proof within seconds while hub and trustee are up; then try again",
        )
    return LoggedReceipt(envelope, proof.at_ms, proof.proof).to_bytes()
