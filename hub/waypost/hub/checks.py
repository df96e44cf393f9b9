"""The hub's books of checks: who was asked, how each part stands, and the receipt that follows.

Who matched a check is kept no longer than delivery needs:

1. A change of a part and the receipt that tells it are one transaction, and the receipt is mail to the asker.
2. When a check expires, the parts that are pending expire with it.
3. When no part is pending and all mail of the check was taken or has expired, the check and its parts are deleted.
   What stays in the audit is who asked and the request's digest, and the digests of answers with no name beside them.

States of a part:

    pending --answer--> answered        pending --node refuses--> refused        pending --check expires--> expired

4. A part changes once, and an answered part always names its answer's digest: receipts only go forward, whichever
   replica signs them.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, delete, func, insert, select, update

from waypost.crypto.envelope import SigningKey
from waypost.hub import mailbox, schema, transparency
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import Refused
from waypost.hub.limits import EXPIRED_PER_ROUND_MAX
from waypost.hub.mailbox import MailKind
from waypost.hub.receipts import CheckState, Response, make_receipt
from waypost.protocol import limits
from waypost.v1 import check_pb2, envelope_pb2, log_pb2


def record(connection: Connection, state: CheckState, expires_at_ms: int, matches: dict[str, set[bytes]]) -> None:
    connection.execute(
        insert(schema.checks).values(
            check_id=state.check_id,
            asker=state.asker,
            request_digest=state.request_digest,
            accepted_at_ms=state.accepted_at_ms,
            expires_at_ms=expires_at_ms,
            roster_version=state.roster_version,
            coverage=state.coverage,
            sequence=state.sequence,
            pending=len(matches),
        )
    )
    pending = check_pb2.RESPONSE_STATE_PENDING
    rows = [
        {"check_id": state.check_id, "ori": ori, "state": pending, "answer_digest": b"", "reason": ""}
        for ori in matches
    ]
    if rows:
        connection.execute(insert(schema.responses), rows)


def state_of(connection: Connection, check_id: bytes) -> CheckState | None:
    table = schema.checks
    row = connection.execute(
        select(
            table.c.check_id,
            table.c.asker,
            table.c.request_digest,
            table.c.accepted_at_ms,
            table.c.roster_version,
            table.c.coverage,
            table.c.sequence,
        ).where(table.c.check_id == check_id)
    ).first()
    return None if row is None else CheckState(*row)


def open_of(connection: Connection, asker: str, count_max: int) -> int:
    """How many checks of that asker are held; they are not counted further than that."""
    rows = select(schema.checks.c.check_id).where(schema.checks.c.asker == asker).limit(count_max).subquery()
    return int(connection.scalar(select(func.count()).select_from(rows)) or 0)


def responses_of(connection: Connection, check_id: bytes) -> list[Response]:
    table = schema.responses
    query = select(table.c.ori, table.c.state, table.c.answer_digest, table.c.reason)
    return [Response(*row) for row in connection.execute(query.where(table.c.check_id == check_id))]


def is_pending(connection: Connection, check_id: bytes, ori: str) -> bool:
    responses = responses_of(connection, check_id)
    return any(r.ori == ori and r.state == check_pb2.RESPONSE_STATE_PENDING for r in responses)


def set_response(connection: Connection, held: CheckState, response: Response, *, key: SigningKey, now_ms: int) -> None:
    """End a member's part, and mail the receipt that tells it; Refused when it is over already (rule 4)."""
    if not _end_part(connection, held.check_id, response):
        raise Refused("answered-before", "this member's part in the check is over")
    table = schema.checks
    connection.execute(update(table).where(table.c.check_id == held.check_id).values(pending=table.c.pending - 1))
    _next_receipt(connection, held, key, now_ms)


def _end_part(connection: Connection, check_id: bytes, response: Response) -> bool:
    """Rule 4: whether the part was pending until now."""
    table = schema.responses
    here = (table.c.check_id == check_id, table.c.ori == response.ori)
    ended = connection.execute(
        update(table)
        .where(*here, table.c.state == check_pb2.RESPONSE_STATE_PENDING)
        .values(state=response.state, answer_digest=response.answer_digest, reason=response.reason)
    )
    return ended.rowcount == 1


def _next_receipt(connection: Connection, held: CheckState, key: SigningKey, now_ms: int) -> None:
    table = schema.checks
    connection.execute(update(table).where(table.c.check_id == held.check_id).values(sequence=table.c.sequence + 1))
    state = state_of(connection, held.check_id)
    if state is not None:
        mail_receipt(connection, state, key, now_ms)


def mail_receipt(connection: Connection, state: CheckState, key: SigningKey, now_ms: int) -> envelope_pb2.Envelope:
    receipt = logged_receipt(connection, state, key, now_ms)
    expires_at_ms = now_ms + limits.RECEIPT_LIFETIME_MS
    content = receipt.SerializeToString()
    mailbox.put(connection, state.asker, MailKind.MESSAGE, state.check_id, content, expires_at_ms)
    return receipt


def logged_receipt(connection: Connection, state: CheckState, key: SigningKey, now_ms: int) -> envelope_pb2.Envelope:
    """A receipt of the present state. Each one that is signed is logged: its receiver will ask for the proof."""
    receipt = make_receipt(state, responses_of(connection, state.check_id), key, now_ms)
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
        for response in responses_of(connection, check_id):
            if response.state == check_pb2.RESPONSE_STATE_PENDING:
                late = Response(response.ori, check_pb2.RESPONSE_STATE_EXPIRED, b"", "expired")
                _end_part(connection, check_id, late)
        connection.execute(update(table).where(table.c.check_id == check_id).values(pending=0))
        _next_receipt(connection, held, key, now_ms)
        add_audit(connection, now_ms, Event.CHECK_EXPIRED, held.asker, held.request_digest.hex())
        askers.add(held.asker)
    return frozenset(askers)


def forget_delivered(connection: Connection, now_ms: int) -> int:
    """Delete who matched, for every check that is complete and whose mail was taken (rule 3); how many."""
    table = schema.checks
    mail_left = select(schema.mailbox.c.id).where(schema.mailbox.c.check_id == table.c.check_id).exists()
    rows = connection.execute(
        select(table.c.check_id, table.c.request_digest).where(table.c.pending == 0, ~mail_left)
    ).all()
    for row in rows:
        connection.execute(delete(schema.responses).where(schema.responses.c.check_id == row.check_id))
        connection.execute(delete(table).where(table.c.check_id == row.check_id))
        add_audit(connection, now_ms, Event.CHECK_FORGOTTEN, "", row.request_digest.hex())
    return len(rows)
