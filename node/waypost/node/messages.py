"""Signed messages that arrive as mail: which subject takes which kind.

A handler verifies its message and stores the effect in one transaction; what it refuses changes nothing. A kind that
stands in no entry is refused as `wrong-type`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import parse_envelope
from waypost.crypto.errors import EnvelopeError
from waypost.node import (
    answering,
    asking,
    noticed,
    noticing,
    referring,
    rounds,
    signing_again,
    stating,
    unsent,
    watching,
)
from waypost.node.errors import Refused
from waypost.node.receiver import Receiver
from waypost.node.store import Store
from waypost.protocol import names
from waypost.protocol.errors import RosterError
from waypost.v1 import envelope_pb2, log_pb2

Handler: TypeAlias = Callable[[Store, envelope_pb2.Envelope, Receiver], object]


def _receipt(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    own = asking.Asker(receiver.ori, receiver.hub_key)
    asking.take_receipt(store, envelope, own=own, now_ms=receiver.now_ms)


def _answer(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    own = asking.Asker(receiver.ori, receiver.hub_key)
    asking.take_answer(store, envelope, own=own, roster=receiver.roster, now_ms=receiver.now_ms)


def _fact(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    stating.take_fact(store, envelope, ori=receiver.ori, roster=receiver.roster, now_ms=receiver.now_ms)


def _fact_settled(store: Store, reference: bytes, *, accepted: bool, reason: str, now_ms: int) -> None:  # noqa: ARG001
    store.facts.settle(reference, "" if accepted else reason)


SETTLED: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        stating.FACT_KIND: _fact_settled,
        noticing.OUTBOX_NOTICE: noticing.settled,
        answering.OUTBOX_ANSWER: unsent.answer_settled,
    }
)
"""By kind of outbox message: who wants to know what became of it (store, its reference, accepted, reason, now_ms)."""

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        names.RECEIPT: _receipt,
        names.ANSWER: _answer,
        **dict.fromkeys(stating.CREDENTIAL_TYPES, _fact),
        names.WATCH_HIT: watching.take_hit,
        names.NOTICE: noticed.take,
        names.NOTICE_TAKEN: noticing.take_acknowledgement,
        names.REFERRAL_REQUEST: referring.take_request,
        names.REFERRAL_DECISION: referring.take_decision,
        names.ROUND: rounds.take_round,
    }
)


FOR_MEMBERS: Final = frozenset(HANDLERS) - {names.RECEIPT, names.WATCH_HIT, names.ROUND}
"""Posts that the hub passes on to another member: what it signs itself is no member's."""

LOGGED: Final = MappingProxyType(
    {
        names.ANSWER: log_pb2.LOG_KIND_ANSWER,
        names.NOTICE: log_pb2.LOG_KIND_NOTICE,
        names.NOTICE_TAKEN: log_pb2.LOG_KIND_NOTICE,
        names.DISCLOSURE_HEAD: log_pb2.LOG_KIND_DISCLOSURE_HEAD,
    }
)
"""Posts that the hub logs, under the digest of their payload."""


def settle(store: Store, post_id: int, *, accepted: bool, reason: str, now_ms: int) -> None:
    """The hub has said what became of a post: its subject is told, and it leaves the outbox, in one transaction."""
    with store.writing():
        message = store.outbox.get(post_id)
        if message is None:
            return
        if accepted:
            _note_taken(store, message.envelope, now_ms)
        settled = SETTLED.get(message.kind)
        if settled is not None:
            settled(store, message.reference, accepted=accepted, reason=reason, now_ms=now_ms)
        store.outbox.remove(post_id)


def _note_taken(store: Store, posted: bytes, now_ms: int) -> None:
    """It may come back to be signed anew; and the hub owes an entry in its log, whose proof log_watch collects."""
    envelope = parse_envelope(posted)
    if envelope.payload_type in FOR_MEMBERS:
        signing_again.enter(store, envelope)
    kind = LOGGED.get(envelope.payload_type)
    if kind is not None:
        store.transparency.want(kind, hashlib.sha256(envelope.payload).digest(), now_ms)


def take(store: Store, envelope: envelope_pb2.Envelope, receiver: Receiver) -> None:
    """Take one message; Refused when it does not count."""
    handler = HANDLERS.get(envelope.payload_type)
    if handler is None:
        raise Refused("wrong-type", "the message is of a kind that a node does not take")
    try:
        handler(store, envelope, receiver)
    except DecodeError:
        raise Refused("malformed", "the message cannot be read") from None
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, f"the message was refused: {error}") from error
