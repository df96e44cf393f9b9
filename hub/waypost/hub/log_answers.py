"""What members are told of the transparency log: the newest cosigned checkpoint, and proofs that lead to it."""

from __future__ import annotations

from sqlalchemy import Connection

from waypost.hub import transparency
from waypost.hub.errors import Refused
from waypost.protocol.limits import LOG_REFERENCES_MAX
from waypost.v1 import hub_service_pb2, log_pb2


def answer(
    connection: Connection, request: hub_service_pb2.GetCheckpointRequest
) -> hub_service_pb2.GetCheckpointResponse:
    """The newest checkpoint, the proof that it continues the one the caller holds, and where the entries stand."""
    if len(request.entries) > LOG_REFERENCES_MAX:
        raise Refused("oversized", f"at most {LOG_REFERENCES_MAX} entries are looked up in one call")
    published = transparency.published(connection)
    if published is None:
        return hub_service_pb2.GetCheckpointResponse(inclusions=[log_pb2.LogInclusion()] * len(request.entries))
    return hub_service_pb2.GetCheckpointResponse(
        checkpoint=published.note,
        consistency=transparency.consistency(connection, request.held_size, published.size),
        inclusions=[_where(connection, entry, published.size) for entry in request.entries],
    )


def _where(connection: Connection, entry: log_pb2.LogReference, size: int) -> log_pb2.LogInclusion:
    place = transparency.find(connection, entry.kind, entry.digest, size)
    if place is None:
        return log_pb2.LogInclusion()
    return log_pb2.LogInclusion(included=True, at_ms=place.at_ms, index=place.index, proof=place.proof)
