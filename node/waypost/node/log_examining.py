"""What the node makes of the hub's transparency log. A core without I/O.

1. A checkpoint counts when the hub signed it, the trustee cosigned it, and it continues the one held
   (waypost.protocol.transparency, rules 1 to 4). A hub that had a checkpoint and has none is rolled back.
2. An entry that the hub owes is proven under that checkpoint; the proof is verified here, and kept.
3. entry-missing: two checkpoints, which the trustee cosigned more than LOG_MERGE_DELAY_MS apart, lack the entry. Only
   the trustee's clock counts: neither its absence nor a wrong clock of the node accuses anybody.
4. wrong-proof: what the hub gives as a proof is none. That is refused, and proves nothing against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waypost.crypto.errors import LogError
from waypost.crypto.tlog.checkpoint import Checkpoint, Witnessed
from waypost.crypto.tlog.proof import Proof, verify_proof
from waypost.node.store import KeptProof, WantedEntry
from waypost.protocol.errors import TransparencyError
from waypost.protocol.limits import LOG_MERGE_DELAY_MS
from waypost.protocol.transparency import Entry, LogKeys, accept_witnessed
from waypost.v1 import hub_service_pb2, log_pb2


@dataclass(frozen=True, slots=True)
class Examined:
    """An accepted checkpoint, the entries that are proven under it, those that it lacks, and of these the overdue."""

    witnessed: Witnessed | None
    proven: tuple[tuple[WantedEntry, KeptProof], ...] = ()
    lacking: tuple[WantedEntry, ...] = ()
    missing: tuple[WantedEntry, ...] = ()


def request_for(held: Checkpoint | None, wanted: Sequence[WantedEntry]) -> hub_service_pb2.GetCheckpointRequest:
    """What to ask the hub."""
    return hub_service_pb2.GetCheckpointRequest(
        held_size=held.size if held is not None else 0,
        entries=[log_pb2.LogReference(kind=entry.kind, digest=entry.digest) for entry in wanted],
    )


def examine(
    response: hub_service_pb2.GetCheckpointResponse,
    *,
    held: Checkpoint | None,
    wanted: Sequence[WantedEntry],
    keys: LogKeys,
) -> Examined:
    """Judge the hub's response (rules 1 to 4); TransparencyError when the checkpoint or a proof is refused."""
    if not response.checkpoint:
        if held is not None:
            raise TransparencyError("rolled-back", f"the log had {held.size} entries and now has no checkpoint")
        return Examined(None)
    witnessed = accept_witnessed(response.checkpoint, response.consistency, held=held, keys=keys)
    if len(response.inclusions) != len(wanted):
        raise TransparencyError("wrong-proof", "the hub does not say of each entry whether it is in the log")
    pairs = list(zip(wanted, response.inclusions, strict=True))
    return Examined(
        witnessed,
        tuple((entry, _proven(entry, found, witnessed, keys)) for entry, found in pairs if found.included),
        tuple(entry for entry, found in pairs if not found.included),
        tuple(entry for entry, found in pairs if not found.included and _overdue(entry, witnessed)),
    )


def _proven(wanted: WantedEntry, found: log_pb2.LogInclusion, witnessed: Witnessed, keys: LogKeys) -> KeptProof:
    proof = Proof(found.index, tuple(found.proof), witnessed.note)
    entry = Entry(wanted.kind, found.at_ms, wanted.digest)
    try:
        verify_proof(proof, entry.to_bytes(), keys.log, keys.witness)
    except LogError as error:
        raise TransparencyError("wrong-proof", f"the hub's proof of an entry does not hold: {error}") from error
    return KeptProof(found.at_ms, str(proof))


def _overdue(entry: WantedEntry, witnessed: Witnessed) -> bool:
    since_ms = entry.lacking_since_ms
    return since_ms > 0 and witnessed.cosigned_at_s * 1000 > since_ms + LOG_MERGE_DELAY_MS
