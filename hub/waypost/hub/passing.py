"""Messages that members send one another through the hub, passed on without being read.

1. It is signed by the member on whose link it came, in its time, and addressed to another active member.
2. The same message again is accepted again, and is mailed once.
3. A recipient's mailbox that is full takes no more; the sender tries again later.

The hub learns sender and recipient, and a padded length. Who told whom that something changed would, kept for long, say
who had asked about whom; so the audit names neither, and the mailbox forgets when the recipient has taken it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection

from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_from_payload
from waypost.hub import mailbox, transparency
from waypost.hub.audit import Event
from waypost.hub.database import SeenStore, add_audit
from waypost.hub.errors import Refused
from waypost.hub.limits import MAIL_WAITING_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.posted import Posted
from waypost.hub.routing import verify_from_member
from waypost.protocol.errors import RosterError
from waypost.v1 import envelope_pb2, log_pb2

_NO_CHECK = b""
"""Stands where mail names its check: this mail belongs to none."""


def accept(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> Iterable[str]:
    """Mail a message to the member it is addressed to: its ORI, or nothing when that was done before."""
    caller, roster, now_ms = posted.caller, posted.roster, posted.now_ms
    try:
        recipient = roster.active_member(header_from_payload(envelope.payload).audience).ori
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, str(error), hint=error.hint) from error
    if recipient == caller:
        raise Refused("wrong-audience", "a member writes to others")
    verified = verify_from_member(
        envelope, kind=envelope.payload_type, caller=caller, audience=recipient, roster=roster, now_ms=now_ms
    )
    header = verified.header
    if not SeenStore(connection).add(caller, header.message_id, header.expires_at_ms):
        return ()
    if mailbox.full(connection, recipient, MAIL_WAITING_MAX):
        raise Refused("mailbox-full", "the recipient has more mail waiting than it may have")
    content, expires_at_ms = envelope.SerializeToString(), header.expires_at_ms
    mailbox.put(connection, recipient, MailKind.MESSAGE, _NO_CHECK, content, expires_at_ms, author=caller)
    digest = hashlib.sha256(verified.payload).digest()
    add_audit(connection, now_ms, Event.MESSAGE_PASSED, "", digest.hex())
    transparency.append(connection, log_pb2.LOG_KIND_NOTICE, digest, now_ms)
    return (recipient,)
