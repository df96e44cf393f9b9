"""The task that makes checkpoints: places for what waits, the hub's signature, the trustee's cosignature.

    idle --entries wait, or the last cosignature is old--> sequenced --signed--> with the trustee
    with the trustee --cosigned--> idle (published)
    with the trustee --away, or refused--> sequenced (again after a pause, over a larger tree perhaps)

Only a checkpoint with both signatures is shown to members. The proof starts from what the trustee says it holds, so a
hub that died between the cosignature and its own note of it goes on where the trustee is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from sqlalchemy import Connection

from waypost.crypto.envelope import SigningKey
from waypost.crypto.errors import LogError
from waypost.crypto.tlog.checkpoint import Checkpoint, open_witnessed, sign_checkpoint
from waypost.hub import transparency
from waypost.hub.audit import Event
from waypost.hub.database import Database, add_audit
from waypost.hub.errors import Refused, TrusteeUnavailable
from waypost.hub.limits import CHECKPOINT_FRESH_MS, CHECKPOINT_POLL_S, CHECKPOINT_RETRY_S
from waypost.hub.trustee_link import TrusteeLink
from waypost.protocol.transparency import LogKeys

_log = logging.getLogger("waypost.hub")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Makes the checkpoints of this hub's log."""

    database: Database
    trustee: TrusteeLink
    key: SigningKey
    keys: LogKeys

    async def keep(self) -> None:
        """Make checkpoints for as long as the hub runs."""
        while True:
            try:
                await self.step(_now_ms())
                await asyncio.sleep(CHECKPOINT_POLL_S)
            except TrusteeUnavailable as error:
                _log.warning("no new checkpoint: %s (the trustee is expected at %s)", error, self.trustee.address)
                await asyncio.sleep(CHECKPOINT_RETRY_S)
            except Refused as error:
                await self._refused(error)
                await asyncio.sleep(CHECKPOINT_RETRY_S)
            except Exception:  # noqa: BLE001 - the log must be kept up whatever happens
                _log.exception("the transparency log's upkeep failed")
                await asyncio.sleep(CHECKPOINT_RETRY_S)

    async def step(self, now_ms: int) -> None:
        """Publish a checkpoint over all that waits, if there is anything to tell."""
        while await self.database.run(_sequence):
            pass
        due = await self.database.run(lambda c: _due(c, self.keys.origin, now_ms))
        if due is None:
            return
        note = sign_checkpoint(due.checkpoint, self.key)
        line = await self._cosigned(note, due)
        if not line:
            return
        try:
            witnessed = open_witnessed(note + line.encode(), self.keys.log, self.keys.witness)
        except LogError as error:
            raise Refused("not-cosigned", f"the trustee's cosignature was refused: {error}") from error
        moment_ms = witnessed.cosigned_at_s * 1000
        await self.database.run(lambda c: transparency.publish(c, due.checkpoint, witnessed.note, moment_ms))

    async def _cosigned(self, note: bytes, due: _Due) -> str:
        """The trustee's signature line, with a proof from the size it holds; empty when another replica is ahead."""
        new = due.checkpoint.size
        answer = await self.trustee.cosign_checkpoint(note, due.published_size, due.consistency)
        held = answer.held_size
        if answer.signature_line:
            return answer.signature_line
        if held > new:
            await self._require_not_lost(held)
            return ""
        proof = await self.database.run(lambda c: transparency.consistency(c, held, new))
        return (await self.trustee.cosign_checkpoint(note, held, proof)).signature_line

    async def _require_not_lost(self, held: int) -> None:
        """Refused when this log is shorter than what the trustee has cosigned: it was restored from an old backup."""
        size = await self.database.run(transparency.size_of)
        if size < held:
            raise Refused("rolled-back", f"the trustee has cosigned {held} entries, and {size} are here")

    async def _refused(self, error: Refused) -> None:
        _log.error("the trustee refuses the transparency log: %s", error)
        reason, moment_ms = error.reason, _now_ms()
        await self.database.run(lambda c: add_audit(c, moment_ms, Event.CHECKPOINT_REFUSED, "", reason))


@dataclass(frozen=True, slots=True)
class _Due:
    checkpoint: Checkpoint
    published_size: int
    consistency: list[bytes]


def _sequence(connection: Connection) -> int:
    return transparency.sequence(connection) if transparency.waiting(connection) else 0


def _due(connection: Connection, origin: str, now_ms: int) -> _Due | None:
    size, published = transparency.size_of(connection), transparency.published(connection)
    fresh = published is not None and now_ms - published.cosigned_at_ms < CHECKPOINT_FRESH_MS
    if size == 0 or (published is not None and published.size == size and fresh):
        return None
    old = published.size if published is not None else 0
    proof = transparency.consistency(connection, old, size)
    return _Due(Checkpoint(origin, size, transparency.root_of(connection, size)), old, proof)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
