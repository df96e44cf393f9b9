"""The results that the hub holds: signed by both parties, oldest first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from waypost.crypto.envelope import parse_envelope
from waypost.hub import round_schema
from waypost.protocol.round_results import RoundResult, parse_result
from waypost.v1 import envelope_pb2


@dataclass(frozen=True, slots=True)
class HeldResult:
    """A result and the signed message it was read from."""

    result: RoundResult
    envelope: envelope_pb2.Envelope


def list_results(connection: Connection, *, measure: str | None = None) -> list[HeldResult]:
    """All results, or those of one measure. Both signatures were verified before a result came in here."""
    table = round_schema.rounds
    query = select(table.c.result).where(table.c.state == DONE).order_by(table.c.changed_at_ms, table.c.round_id)
    if measure is not None:
        query = query.where(table.c.measure == measure)
    envelopes = (parse_envelope(data) for data in connection.scalars(query))
    return [HeldResult(parse_result(envelope.payload), envelope) for envelope in envelopes]


DONE = "done"
"""The state of a round whose result is held (rounds.py draws the others)."""
