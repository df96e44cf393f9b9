"""Signed messages that members post up their links: which subject takes which kind.

A handler verifies its message and stores the effect, mail to others included, in the caller's transaction; Refused
changes nothing. The same message again MUST be accepted again without an effect: a node posts it until it has a result.
A kind that stands in no entry is refused as `wrong-type`. What a member signs anew after its key has changed goes where
it was on its way to (returned.py), and to no handler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from sqlalchemy import Connection

from waypost.hub import answers, disclosure_heads, facts, passing, returned, round_answers, watches
from waypost.hub.errors import Refused
from waypost.hub.posted import Posted
from waypost.protocol import names
from waypost.v1 import envelope_pb2

Handler: TypeAlias = Callable[[Connection, envelope_pb2.Envelope, Posted], Iterable[str]]
"""Gives the ORIs that have mail now."""


def _answer(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Iterable[str]:
    asker = answers.accept_answer(
        connection, envelope, caller=posted.caller, roster=posted.roster, key=posted.key, now_ms=posted.now_ms
    )
    return () if asker is None else (asker,)


HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        names.ANSWER: _answer,
        names.CHECK_REQUEST: returned.accept_request,
        names.DISCLOSURE_HEAD: disclosure_heads.accept,
        **dict.fromkeys(facts.AUTHOR_ROLES, facts.accept_fact),
        names.WATCH_REGISTRATION: watches.accept,
        names.NOTICE: passing.accept,
        names.NOTICE_TAKEN: passing.accept,
        names.REFERRAL_REQUEST: passing.accept,
        names.REFERRAL_DECISION: passing.accept,
        names.ROUND_ANSWER: round_answers.accept_answer,
    }
)


def accept(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Iterable[str]:
    """Take one message: the ORIs that have mail now; Refused when it breaks a rule."""
    recipients = returned.release(connection, envelope, posted)
    if recipients:
        return recipients
    handler = HANDLERS.get(envelope.payload_type)
    if handler is None:
        raise Refused("wrong-type", "the message is of a kind that the hub does not take")
    return handler(connection, envelope, posted)
