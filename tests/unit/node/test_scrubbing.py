"""Attack: what was forgotten is found in the node's files all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties.duty_world import World

from waypost.crypto.envelope import parse_envelope
from waypost.node import answering, asking, scrubbing
from waypost.node.store import Store
from waypost.v1 import check_pb2

_PART_BYTES = 32


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def _on_disk(store: Store, box: bytes) -> bool:
    """Whether any part of it is: a long value is stored in pieces."""
    path = store._database.path
    content = b"".join(file.read_bytes() for file in [path, *path.parent.glob(f"{path.name}-*")])
    return any(box[start : start + _PART_BYTES] in content for start in range(0, len(box) - _PART_BYTES, _PART_BYTES))


def test_rule_2_attack_a_one_time_key_of_a_finished_check_is_found_in_the_file_or_in_the_log_beside_it(
    world: World,
) -> None:
    store, routed = world.asker.store, world.asked()
    check_id = check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id
    (box,) = store._database.row("SELECT secret_box FROM checks WHERE id = ?", (check_id,)) or (b"",)
    assert _on_disk(store, box)
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    own = asking.Asker(world.asker.ori, world.hub.public)
    (answer,) = world.owner.store.outbox.waiting(1)
    envelope = parse_envelope(answer.envelope)
    asking.take_answer(store, envelope, own=own, roster=world.roster(), now_ms=world.now_ms)
    receipt = world.receipt(routed.request.payload, sequence=2, answer=envelope)
    asking.take_receipt(store, receipt, own=own, now_ms=world.now_ms)
    check = store.checks.get(check_id)
    assert check is not None
    assert check.secret is None
    assert _on_disk(store, box)  # in the log
    assert scrubbing.empty_log(store)
    assert not _on_disk(store, box)


def test_what_is_deleted_is_overwritten_in_the_file_even_where_nothing_takes_its_place(world: World) -> None:
    store, boxes = world.asker.store, [os.urandom(20_000) for _ in range(5)]
    for number, box in enumerate(boxes):
        store.outbox.add("answer", bytes([number]), box, world.now_ms)
    for message in store.outbox.waiting(10):
        store.outbox.remove(message.id)
    assert store.empty_log()
    assert not any(_on_disk(store, box) for box in boxes)


def test_rule_2_while_another_process_reads_the_log_stays_and_is_emptied_later(world: World) -> None:
    store = world.asker.store
    store._database.rows("PRAGMA busy_timeout = 10")
    with Store.open(store._database.path, bytes(range(32))) as other:
        with other.reading():
            other.checks.newest(1)
            store.state.set("something", 1)
            assert not scrubbing.empty_log(store)
        assert scrubbing.empty_log(store)
