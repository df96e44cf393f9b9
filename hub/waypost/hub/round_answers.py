"""Members' parts in a round, as they are posted: two sealed shares, or a reason for declining.

1. The answer is the member's own, addressed to the hub, in its time, and of a round that is open: id and digest fit.
2. The member is of the round's cohort.
3. One answer a member: the same again changes nothing, another is refused. So no share is added twice, and none is
   exchanged for another after the fact.
4. It has both shares within their bounds, or a reason, and not both.

The hub reads neither share here: its own is opened when the round is closed, the trustee's it cannot open at all.
"""

from __future__ import annotations

import hashlib
from typing import Final

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, select, update

from waypost.crypto.shares import WORD_BYTES
from waypost.hub import round_schema, rounds
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import Refused
from waypost.hub.mailbox import Mail, MailKind
from waypost.hub.posted import Posted
from waypost.hub.rounds import HeldRound, Part, RoundState
from waypost.hub.routing import verify_from_member
from waypost.protocol import limits, names
from waypost.protocol.round_declines import refused_by_node, stated_reason
from waypost.v1 import envelope_pb2, round_pb2

_MEMBERS: Final = round_schema.round_members
_SEALED_OVERHEAD_BYTES_MAX: Final = 4096
"""What sealing and padding can add to a share: 1,136 bytes and an eighth."""
_SEED_SHARE_BYTES_MAX: Final = 4096
_REASON_CHARS_MAX: Final = 200


def accept_answer(connection: Connection, envelope: envelope_pb2.Envelope, posted: Posted) -> tuple[str, ...]:
    """Keep a member's part; nobody gets mail by it. Refused when it breaks a rule."""
    verified = verify_from_member(
        envelope,
        kind=names.ROUND_ANSWER,
        caller=posted.caller,
        audience=names.HUB,
        roster=posted.roster,
        now_ms=posted.now_ms,
    )
    message = _parse(verified.payload)
    held = rounds.get(connection, message.round_id)
    digest = hashlib.sha256(verified.payload).digest()
    before = _part_of(connection, message.round_id, posted.caller)
    if held is None or before is None:  # rule 2
        raise Refused("not-asked", "this member was not asked in this round")
    if before[1] == digest:  # rule 3
        return ()
    if before[0] is not Part.ASKED:
        raise Refused("answered-before", "this member's part in the round is given")
    _require_open(held, message, posted.now_ms)
    _require_form(message, held)
    part = Part.DECLINED if stated_reason(message) else Part.ANSWERED
    answer = {"answer_digest": digest, "answer": envelope.SerializeToString()}
    _set(connection, held.round_id, posted.caller, part=part.value, reason=stated_reason(message), **answer)
    event = Event.ROUND_DECLINED if part is Part.DECLINED else Event.ROUND_ANSWERED
    add_audit(connection, posted.now_ms, event, posted.caller, held.round_id.hex())
    return ()


def mail_refused(connection: Connection, mail: Mail, ori: str, reason: str, now_ms: int) -> None:
    """A node refused a round in its mail: it takes no part, for that reason."""
    if mail.kind is not MailKind.MESSAGE or not reason:
        return
    part = _part_of(connection, mail.check_id, ori)
    if part is not None and part[0] is Part.ASKED:
        _set(connection, mail.check_id, ori, part=Part.DECLINED.value, reason=refused_by_node(reason))
        add_audit(connection, now_ms, Event.ROUND_DECLINED, ori, mail.check_id.hex())


def _require_open(held: HeldRound, message: round_pb2.RoundAnswer, now_ms: int) -> None:
    """Rule 1."""
    if held.state is not RoundState.OPEN or held.closes_at_ms is None or held.closes_at_ms <= now_ms:
        raise Refused("expired", "the round has closed")
    if message.round_digest != held.asked.digest:
        raise Refused("altered", "the answer is to another round than the one that was signed")


def _require_form(message: round_pb2.RoundAnswer, held: HeldRound) -> None:
    """Rule 4."""
    vector_bytes = len(message.sealed_vector)
    has_shares = vector_bytes > 0 and message.HasField("seed_share")
    if has_shares == bool(stated_reason(message)) or len(message.declined_reason) > _REASON_CHARS_MAX:
        raise Refused("malformed", "an answer has both shares, or a reason for declining")
    seed = message.seed_share
    if has_shares and (
        not WORD_BYTES * held.asked.cells < vector_bytes <= _vector_bytes_max(held.asked.cells)
        or seed.payload_type != names.ROUND_SEED_SHARE
        or seed.ByteSize() > _SEED_SHARE_BYTES_MAX
    ):
        raise Refused("malformed", "a share of the answer is out of bounds")


def _vector_bytes_max(cells: int) -> int:
    return WORD_BYTES * cells * 9 // 8 + _SEALED_OVERHEAD_BYTES_MAX


def _part_of(connection: Connection, round_id: bytes, ori: str) -> tuple[Part, bytes] | None:
    query = select(_MEMBERS.c.part, _MEMBERS.c.answer_digest)
    row = connection.execute(query.where(_MEMBERS.c.round_id == round_id, _MEMBERS.c.ori == ori)).first()
    return None if row is None else (Part(row.part), row.answer_digest)


def _set(connection: Connection, round_id: bytes, ori: str, **values: object) -> None:
    here = (_MEMBERS.c.round_id == round_id, _MEMBERS.c.ori == ori)
    connection.execute(update(_MEMBERS).where(*here).values(**values))


def _parse(payload: bytes) -> round_pb2.RoundAnswer:
    try:
        return round_pb2.RoundAnswer.FromString(payload)
    except DecodeError:
        raise Refused("malformed", "the answer cannot be read") from None


assert _vector_bytes_max(limits.ROUND_CELLS_MAX) < limits.GRPC_MESSAGE_BYTES_MAX  # noqa: S101 - a relation between bounds
