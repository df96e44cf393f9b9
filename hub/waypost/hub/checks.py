"""The hub's books of checks: who was asked, how each part stands, and the receipt that follows.

Who matched a check is kept no longer than delivery needs:

1. A change of a part and the receipt that tells it are one transaction, and the receipt is mail to the asker.
2. When a check expires, the parts that are pending expire with it.
3. When no part is pending and all mail of the check was taken or has expired, also what was returned to its author
   (returned.py), the check and its parts are deleted.
   What stays in the audit is who asked and the request's digest, and the digests of answers with no name beside them.

States of a part:

    pending --answer--> answered        pending --node refuses--> refused        pending --check expires--> expired

4. A part changes once, and an answered part always names its answer's digest: receipts only go forward, whichever
   replica signs them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from waypost.crypto.envelope import SigningKey
from waypost.hub import mailbox, schema, transparency
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import Refused
from waypost.hub.limits import CHECKS_FORGOTTEN_PER_STEP, EXPIRED_PER_ROUND_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.receipts import CheckState, Response, make_receipt
from waypost.hub.statements import Prepared
from waypost.protocol import limits
from waypost.v1 import check_pb2, envelope_pb2, log_pb2

_STATE: Final = tuple(CheckState.__dataclass_fields__)
_checks, _parts = schema.checks, schema.responses
_STATE_OF: Final = Prepared(
    select(*(_checks.c[name] for name in _STATE)).where(_checks.c.check_id == bindparam("of_check"))
)
_parts_of = select(_parts.c.ori, _parts.c.state, _parts.c.answer_digest, _parts.c.reason).where(
    _parts.c.check_id == bindparam("of_check")
)
_PARTS_OF: Final = Prepared(_parts_of)
_PART_OF: Final = Prepared(_parts_of.where(_parts.c.ori == bindparam("of_ori")))
_ADD_CHECK: Final = Prepared(insert(_checks).inline())
_ADD_PART: Final = Prepared(insert(_parts).inline())
_END_PART: Final = Prepared(
    update(_parts)
    .where(_parts.c.check_id == bindparam("of_check"), _parts.c.ori == bindparam("of_ori"))
    .where(_parts.c.state == check_pb2.RESPONSE_STATE_PENDING)
    .values(state=bindparam("to_state"), answer_digest=bindparam("to_digest"), reason=bindparam("to_reason"))
)
_PARTS_OVER: Final = Prepared(
    update(_checks)
    .where(_checks.c.check_id == bindparam("of_check"))
    .values(pending=_checks.c.pending - bindparam("parts_over"), sequence=_checks.c.sequence + 1)
    .returning(_checks.c.sequence)
)
_of_asker = select(_checks.c.check_id).where(_checks.c.asker == bindparam("of_asker"))
_OPEN_OF: Final = Prepared(select(func.count()).select_from(_of_asker.limit(bindparam("count_max")).subquery()))
_FORGET_PARTS: Final = Prepared(delete(_parts).where(_parts.c.check_id == bindparam("of_check")))
_FORGET_CHECK: Final = Prepared(delete(_checks).where(_checks.c.check_id == bindparam("of_check")))


def record(connection: Connection, state: CheckState, expires_at_ms: int, matches: dict[str, set[bytes]]) -> None:
    check = {name: getattr(state, name) for name in _STATE}
    _ADD_CHECK.changed(connection, **check, expires_at_ms=expires_at_ms, pending=len(matches))
    for part in pending_parts(matches):
        values = {"state": part.state, "answer_digest": part.answer_digest, "reason": part.reason}
        _ADD_PART.changed(connection, check_id=state.check_id, ori=part.ori, **values)


def pending_parts(oris: Iterable[str]) -> list[Response]:
    """The parts of a check that nobody has answered yet."""
    return [Response(ori, check_pb2.RESPONSE_STATE_PENDING, b"", "") for ori in oris]


def state_of(connection: Connection, check_id: bytes) -> CheckState | None:
    row = _STATE_OF.first(connection, of_check=check_id)
    return None if row is None else CheckState(*row)


def open_of(connection: Connection, asker: str, count_max: int) -> int:
    """How many checks of that asker are held; they are not counted further than that."""
    return int(_OPEN_OF.scalar(connection, of_asker=asker, count_max=count_max) or 0)


def responses_of(connection: Connection, check_id: bytes) -> list[Response]:
    return [Response(*row) for row in _PARTS_OF.all(connection, of_check=check_id)]


def part_of(connection: Connection, check_id: bytes, ori: str) -> Response | None:
    """One member's part; None when it was not asked."""
    row = _PART_OF.first(connection, of_check=check_id, of_ori=ori)
    return None if row is None else Response(*row)


def is_pending(connection: Connection, check_id: bytes, ori: str) -> bool:
    part = part_of(connection, check_id, ori)
    return part is not None and part.state == check_pb2.RESPONSE_STATE_PENDING


def set_response(connection: Connection, held: CheckState, response: Response, *, key: SigningKey, now_ms: int) -> None:
    """End a member's part, and mail the receipt that tells it; Refused when it is over already (rule 4)."""
    if not _end_part(connection, held.check_id, response):
        raise Refused("answered-before", "this member's part in the check is over")
    _next_receipt(connection, held, key, now_ms, parts_over=1)


def _end_part(connection: Connection, check_id: bytes, response: Response) -> bool:
    """Rule 4: whether the part was pending until now."""
    values = {"to_state": response.state, "to_digest": response.answer_digest, "to_reason": response.reason}
    return _END_PART.changed(connection, of_check=check_id, of_ori=response.ori, **values) == 1


def _next_receipt(connection: Connection, held: CheckState, key: SigningKey, now_ms: int, *, parts_over: int) -> None:
    """Count the parts that are over, and mail the next receipt. The check's row is locked before the parts are read."""
    sequence = _PARTS_OVER.scalar(connection, of_check=held.check_id, parts_over=parts_over)
    if sequence is not None:
        parts = responses_of(connection, held.check_id)
        mail_receipt(connection, replace(held, sequence=sequence), parts, key, now_ms)


def mail_receipt(
    connection: Connection, state: CheckState, parts: Iterable[Response], key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    receipt = logged_receipt(connection, state, parts, key, now_ms)
    expires_at_ms = now_ms + limits.RECEIPT_LIFETIME_MS
    content = receipt.SerializeToString()
    mailbox.put(connection, state.asker, MailKind.MESSAGE, state.check_id, content, expires_at_ms)
    return receipt


def logged_receipt(
    connection: Connection, state: CheckState, parts: Iterable[Response], key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """A receipt of that state. Each one that is signed is logged: its receiver will ask for the proof."""
    receipt = make_receipt(state, parts, key, now_ms)
    transparency.append(connection, log_pb2.LOG_KIND_RECEIPT, hashlib.sha256(receipt.payload).digest(), now_ms)
    return receipt


def expire_checks(connection: Connection, *, key: SigningKey, now_ms: int) -> frozenset[str]:
    """Close checks whose time is over: askers that have mail now."""
    table = schema.checks
    query = select(table.c.check_id).where(table.c.expires_at_ms <= now_ms, table.c.pending > 0)
    askers = set()
    for check_id in list(connection.scalars(query.limit(EXPIRED_PER_ROUND_MAX))):
        held = state_of(connection, check_id)
        if held is None:
            continue
        late = [part for part in responses_of(connection, check_id) if part.state == check_pb2.RESPONSE_STATE_PENDING]
        over = [Response(part.ori, check_pb2.RESPONSE_STATE_EXPIRED, b"", "expired") for part in late]
        parts_over = sum(_end_part(connection, check_id, part) for part in over)
        _next_receipt(connection, held, key, now_ms, parts_over=parts_over)
        add_audit(connection, now_ms, Event.CHECK_EXPIRED, held.asker, held.request_digest.hex())
        askers.add(held.asker)
    return frozenset(askers)


def forget_delivered(connection: Connection, now_ms: int) -> int:
    """Delete who matched, for checks that are complete and whose mail was taken (rule 3): some of them; how many."""
    table = schema.checks
    mail_left = select(schema.mailbox.c.id).where(schema.mailbox.c.check_id == table.c.check_id).exists()
    held_back = select(schema.returned.c.mail_id).where(schema.returned.c.check_id == table.c.check_id).exists()
    rows = connection.execute(
        select(table.c.check_id, table.c.request_digest)
        .where(table.c.pending == 0, ~mail_left, ~held_back)
        .limit(CHECKS_FORGOTTEN_PER_STEP)
    ).all()
    for row in rows:
        _FORGET_PARTS.changed(connection, of_check=row.check_id)
        _FORGET_CHECK.changed(connection, of_check=row.check_id)
        add_audit(connection, now_ms, Event.CHECK_FORGOTTEN, "", row.request_digest.hex())
    return len(rows)
