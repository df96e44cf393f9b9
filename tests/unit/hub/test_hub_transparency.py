"""The log in the hub's database: what is appended with its event, and what is proven from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, update
from tests.parties.logs import KEYS, NOW_MS, NOW_S, TRUSTEE, Log, entry

from waypost.crypto.errors import LogError
from waypost.crypto.tlog import merkle
from waypost.crypto.tlog.merkle import verify_consistency, verify_inclusion
from waypost.hub import log_answers, schema, transparency
from waypost.hub.database import open_engine
from waypost.hub.errors import Refused
from waypost.protocol.errors import TransparencyError
from waypost.v1 import hub_service_pb2, log_pb2

ENTRIES = [entry(n) for n in range(9)]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True)


def append(engine: Engine, *numbers: int) -> None:
    with engine.begin() as connection:
        for number in numbers:
            each = ENTRIES[number]
            transparency.append(connection, each.kind, each.digest, each.at_ms)


def publish(connection: Connection, size: int) -> None:
    log = Log.of(ENTRIES[:size])
    transparency.publish(connection, log.checkpoint(), log.cosigned(), NOW_S * 1000)


def test_entries_get_places_in_their_order_and_the_tree_is_the_one_over_them(engine: Engine) -> None:
    log = Log()
    for part in ((0,), (1, 2, 3), (), (4,)):
        append(engine, *part)
        with engine.begin() as connection:
            assert transparency.waiting(connection) == bool(part)
            assert transparency.sequence(connection) == len(part)
            for number in part:
                log.add(ENTRIES[number])
            size = transparency.size_of(connection)
            assert transparency.root_of(connection, size) == log.checkpoint().root
            assert list(transparency.all_entries(connection)) == log.entries


def test_an_event_that_is_rolled_back_leaves_no_entry(engine: Engine) -> None:
    def failing(connection: Connection) -> None:
        transparency.append(connection, ENTRIES[0].kind, ENTRIES[0].digest, NOW_MS)
        raise Refused("malformed", "the event did not happen")

    with pytest.raises(Refused), engine.begin() as connection:
        failing(connection)
    with engine.begin() as connection:
        assert not transparency.waiting(connection)


def test_sequencing_that_is_interrupted_loses_nothing(engine: Engine) -> None:
    append(engine, 0, 1)

    def interrupted(connection: Connection) -> None:
        transparency.sequence(connection)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), engine.begin() as connection:
        interrupted(connection)
    with engine.begin() as connection:
        assert transparency.sequence(connection) == 2
        assert list(transparency.all_entries(connection)) == ENTRIES[:2]


def test_places_and_proofs_hold_against_the_published_checkpoint_alone(engine: Engine) -> None:
    append(engine, *range(7))
    with engine.begin() as connection:
        transparency.sequence(connection)
        publish(connection, 5)
        wanted = [log_pb2.LogReference(kind=each.kind, digest=each.digest) for each in (ENTRIES[3], ENTRIES[6])]
        wanted.append(log_pb2.LogReference(kind=log_pb2.LOG_KIND_ANSWER, digest=ENTRIES[3].digest))
        request = hub_service_pb2.GetCheckpointRequest(held_size=2, entries=wanted)
        answer = log_answers.answer(connection, request)
        first, late, other_kind = answer.inclusions
    checkpoint = Log.of(ENTRIES[:5]).checkpoint()
    assert (first.included, first.index, first.at_ms) == (True, 3, ENTRIES[3].at_ms)
    verify_inclusion(merkle.leaf_hash(ENTRIES[3].to_bytes()), 3, 5, first.proof, checkpoint.root)
    assert not late.included
    assert not other_kind.included
    verify_consistency(2, 5, answer.consistency, Log.of(ENTRIES[:2]).checkpoint().root, checkpoint.root)


def test_more_references_than_one_call_takes_are_refused(engine: Engine) -> None:
    request = hub_service_pb2.GetCheckpointRequest(entries=[log_pb2.LogReference()] * 65)
    with pytest.raises(Refused, match="at most 64"), engine.begin() as connection:
        log_answers.answer(connection, request)


def test_a_gap_in_the_entries_is_found_when_they_are_read(engine: Engine) -> None:
    append(engine, 0, 1, 2)
    with engine.begin() as connection:
        transparency.sequence(connection)
        connection.execute(schema.log_entries.delete().where(schema.log_entries.c.place == 1))
        with pytest.raises(TransparencyError, match="entry 1"):
            list(transparency.all_entries(connection))


def test_proofs_from_a_tree_with_a_rewritten_node_do_not_hold(engine: Engine) -> None:
    append(engine, *range(4))
    with engine.begin() as connection:
        transparency.sequence(connection)
        nodes = schema.log_nodes
        connection.execute(update(nodes).where(nodes.c.level == 0, nodes.c.place == 2).values(hash=bytes(32)))
        place = transparency.find(connection, ENTRIES[3].kind, ENTRIES[3].digest, 4)
    assert place is not None
    with pytest.raises(LogError):
        verify_inclusion(
            merkle.leaf_hash(ENTRIES[3].to_bytes()), 3, 4, place.proof, Log.of(ENTRIES[:4]).checkpoint().root
        )


def test_the_names_of_the_logs_keys_come_from_the_root_keys() -> None:
    assert KEYS.origin.startswith("waypost/log/")
    assert KEYS.witness.public == TRUSTEE.public
