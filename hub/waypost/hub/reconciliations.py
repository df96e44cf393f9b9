"""Comparisons of members' indexes with the hub's, counted by day, each day signed by the hub.

    counted --every RECONCILIATIONS_SIGNED_EVERY_S--> signed --the day is over--> signed for good, counts deleted

A day that was signed after its end is never signed again, so what compliance says of it stays what it was.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, text

from waypost.crypto.envelope import SigningKey, parse_envelope, sign
from waypost.crypto.freshness import header_from_payload
from waypost.hub import schema
from waypost.hub.facts import hub_header
from waypost.protocol import names
from waypost.protocol.facts import day_of
from waypost.v1 import compliance_pb2


def note(connection: Connection, ori: str, *, agreed: bool, now_ms: int) -> None:
    """Count one comparison."""
    statement = (
        "INSERT INTO reconciliations (day, ori, agreed, differed) VALUES (:day, :ori, :agreed, :differed) "
        "ON CONFLICT (day, ori) DO UPDATE SET agreed = reconciliations.agreed + :agreed, "
        "differed = reconciliations.differed + :differed"
    )
    row = {"day": day_of(now_ms).isoformat(), "ori": ori, "agreed": int(agreed), "differed": int(not agreed)}
    connection.execute(text(statement), row)


def sign_days(connection: Connection, key: SigningKey, now_ms: int) -> None:
    """Sign every day that has counts; forget the counts of days that are over."""
    counts, today = schema.reconciliations, day_of(now_ms).isoformat()
    for day in connection.scalars(select(counts.c.day).distinct().order_by(counts.c.day)).all():
        if day < today and _signed_for_good(connection, day):  # a straggler, of a replica whose clock is slow
            connection.execute(delete(counts).where(counts.c.day == day))
            continue
        rows = connection.execute(select(counts).where(counts.c.day == day).order_by(counts.c.ori)).all()
        content = compliance_pb2.ReconciliationDay(
            header=hub_header(now_ms),
            day=day,
            entries=[
                compliance_pb2.Reconciliation(ori=row.ori, agreed=row.agreed, differed=row.differed) for row in rows
            ],
        )
        envelope = sign(names.RECONCILIATION_DAY, content.SerializeToString(), key)
        _put(connection, day, envelope.SerializeToString())
        if day < today:
            connection.execute(delete(counts).where(counts.c.day == day))


def _signed_for_good(connection: Connection, day: str) -> bool:
    table = schema.reconciliation_days
    held = connection.scalar(select(table.c.envelope).where(table.c.day == day))
    if held is None:
        return False
    return day_of(header_from_payload(parse_envelope(held).payload).issued_at_ms).isoformat() > day


def _put(connection: Connection, day: str, envelope: bytes) -> None:
    table = schema.reconciliation_days
    connection.execute(delete(table).where(table.c.day == day))
    connection.execute(insert(table).values(day=day, envelope=envelope))
