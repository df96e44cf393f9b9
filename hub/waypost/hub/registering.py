"""Registrations at the hub: which pointers a member adds and withdraws, and who hears of it.

1. It is signed by the member on whose connection it came, addressed to the hub, in its time, and was not seen before.
2. Epoch, numbers and lengths are those of `index`, rules 1 and 2.
3. The member has a role that holds officers, and with what is added no more tokens than that role may have (`index`,
   rule 6). It may withdraw whatever it has.
4. Whoever watches one of the added tokens is told (`watches`).

All of it is one transaction: what is refused changes nothing.
"""

from __future__ import annotations

import hashlib

from google.protobuf.message import DecodeError
from sqlalchemy import Connection

from waypost.crypto.envelope import Verifier
from waypost.crypto.errors import EnvelopeError
from waypost.hub import index, members, watches
from waypost.hub.audit import Event
from waypost.hub.database import SeenStore, add_audit
from waypost.hub.errors import Refused
from waypost.hub.posted import Posted
from waypost.protocol import names
from waypost.protocol.errors import RosterError
from waypost.v1 import envelope_pb2, index_pb2


def accept(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> frozenset[str]:
    """Take a registration: the watchers that have mail now; Refused when it breaks a rule."""
    caller, roster, now_ms = posted.caller, posted.roster, posted.now_ms
    try:
        member = roster.active_member(caller)
        verified = Verifier((names.HUB,), SeenStore(connection)).verify(
            envelope,
            expected_type=names.REGISTRATION,
            keys=(member.signing_public_key,),
            sender=caller,
            now_ms=now_ms,
        )
        message = index_pb2.Registration.FromString(verified.payload)
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, str(error), hint=error.hint) from error
    except DecodeError:
        raise Refused("malformed", "the registration cannot be read") from None
    index.check_tokens(message.epoch, message.add, message.withdraw, roster.epoch)
    member_id = members.member_id(connection, caller)
    held = index.register(connection, member_id, roster.epoch, message.add, message.withdraw)
    if message.add:
        index.require_within(held, member.role)
    digest = hashlib.sha256(verified.payload).hexdigest()[:16]
    add_audit(connection, now_ms, Event.REGISTERED, caller, f"{digest} +{len(message.add)} -{len(message.withdraw)}")
    return watches.tell(connection, message.add, member_id=member_id, roster=roster, key=posted.key, now_ms=now_ms)
