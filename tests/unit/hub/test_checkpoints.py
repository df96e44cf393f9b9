"""Checkpoints on their way from the hub to the trustee: crashes, replicas, and a log that was lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from tests.parties.logs import HUB, KEYS, NOW_MS, TRUSTEE, entry

from waypost.crypto.keystore import Keystore
from waypost.hub import transparency
from waypost.hub.checkpoints import Checkpoints
from waypost.hub.database import Database, open_engine
from waypost.hub.errors import Refused
from waypost.hub.limits import CHECKPOINT_FRESH_MS
from waypost.hub.trustee_link import TrusteeLink
from waypost.protocol.transparency import accept_witnessed
from waypost.trustee import errors as trustee_errors
from waypost.trustee.service import Trustee
from waypost.trustee.settings import HubIdentity
from waypost.trustee.store import Store
from waypost.v1 import trustee_service_pb2


@dataclass
class Wire:
    """The real trustee without the socket; `lost` drops its next answer, as a crash of the hub would."""

    trustee: Trustee
    lost: bool = False
    calls: int = 0

    async def cosign_checkpoint(
        self, note: bytes, old_size: int, consistency: list[bytes]
    ) -> trustee_service_pb2.CosignCheckpointResponse:
        self.calls += 1
        request = trustee_service_pb2.CosignCheckpointRequest(
            checkpoint=note, old_size=old_size, consistency=consistency
        )
        try:
            answer = self.trustee.witness(request, NOW_MS)
        except trustee_errors.Refused as error:
            raise Refused(error.reason, str(error)) from error
        if self.lost:
            raise ConnectionError
        return answer


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    keys = Keystore.create(tmp_path / "keys", "correct horse battery", {"signing": TRUSTEE.seed})
    return Wire(Trustee(keys, Store(tmp_path / "trustee.db", create=True), HubIdentity(HUB.public, b"")))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True))
    yield database
    database.close()


def hub_on(database: Database, wire: Wire) -> Checkpoints:
    return Checkpoints(database, cast("TrusteeLink", wire), HUB, KEYS)


async def append(database: Database, *numbers: int) -> None:
    for number in numbers:
        each = entry(number)
        await database.run(lambda c, e=each: transparency.append(c, e.kind, e.digest, e.at_ms))  # type: ignore[misc]


async def published_size(database: Database) -> int:
    published = await database.run(transparency.published)
    if published is None:
        return 0
    return accept_witnessed(published.note, (), held=None, keys=KEYS).checkpoint.size


async def test_a_checkpoint_is_made_over_news_and_over_nothing_once_an_hour(database: Database, wire: Wire) -> None:
    hub = hub_on(database, wire)
    await hub.step(NOW_MS)
    assert (await published_size(database), wire.calls) == (0, 0)
    await append(database, 0, 1)
    for now_ms in (NOW_MS, NOW_MS + 1, NOW_MS + CHECKPOINT_FRESH_MS):
        await hub.step(now_ms)
    assert (await published_size(database), wire.calls) == (2, 2)
    await append(database, 2)
    await hub.step(NOW_MS)
    assert await published_size(database) == 3


async def test_a_hub_that_died_between_cosignature_and_publication_goes_on_where_the_trustee_is(
    database: Database, wire: Wire
) -> None:
    hub = hub_on(database, wire)
    await append(database, 0, 1)
    await hub.step(NOW_MS)
    await append(database, 2)
    wire.lost = True
    with pytest.raises(ConnectionError):
        await hub.step(NOW_MS)
    wire.lost = False
    await append(database, 3)
    await hub.step(NOW_MS)
    assert await published_size(database) == 4


async def test_a_replica_that_is_behind_another_accuses_nobody(database: Database, wire: Wire, tmp_path: Path) -> None:
    await append(database, 0, 1)
    behind = hub_on(database, wire)
    await behind.step(NOW_MS)
    older = await database.run(transparency.published)
    await append(database, 2)
    ahead = hub_on(Database(open_engine(f"sqlite:///{tmp_path / 'hub.db'}")), wire)
    await ahead.step(NOW_MS)
    assert older is not None
    note = older.note.rpartition("\N{EM DASH}".encode())[0]
    late = await wire.cosign_checkpoint(note, 0, [])
    assert (late.signature_line, late.held_size) == ("", 3)
    await behind._require_not_lost(late.held_size)  # the rows are there: the other replica was quicker
    assert wire.trustee.store.refused_checkpoints() == []
    ahead.database.close()


async def test_a_hub_whose_log_was_restored_from_an_old_backup_is_told_so(
    database: Database, wire: Wire, tmp_path: Path
) -> None:
    await append(database, 0, 1, 2)
    await hub_on(database, wire).step(NOW_MS)
    restored = Database(open_engine(f"sqlite:///{tmp_path / 'old.db'}", create=True))
    await append(restored, 0, 1)
    with pytest.raises(Refused, match="has cosigned 3 entries, and 2 are here"):
        await hub_on(restored, wire).step(NOW_MS)
    restored.close()
