"""The task that asks checks, rule by rule, with a hub that is no more than what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import ASKER, PERSON, World
from tests.parties.running_node import running_node

from waypost.node import asking, performing
from waypost.node.applicants import Inquiry
from waypost.node.audit import Event
from waypost.node.errors import LinkError, Refused
from waypost.node.performing import Performing
from waypost.node.store import StoredCheck
from waypost.v1 import envelope_pb2, hub_service_pb2


class Hub:
    """What it says to each submission, in turn: a refusal, an error, or, when nothing is left to say, the receipt."""

    def __init__(self, world: World, *says: Exception) -> None:
        self.world = world
        self.says = list(says)
        self.submitted: list[bytes] = []

    async def submit_check(self, request: hub_service_pb2.SubmitCheckRequest) -> envelope_pb2.Envelope:
        self.submitted.append(request.SerializeToString())
        if self.says:
            raise self.says.pop(0)
        return self.world.receipt(request.request.payload)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def ready(world: World) -> StoredCheck:
    """A check whose request is signed and stored, as after a crash before it was submitted."""
    inquiry = Inquiry(PERSON, "hiring", "AUTH-1", hashlib.sha256(b"signed").digest(), "BG-07")
    check = asking.new_check(inquiry, world.now_ms)
    world.asker.store.checks.add(check)
    made = asking.make_ready(check, inquiry, world.tokens, ori=ASKER, epoch=1, key=world.asker.key, now_ms=world.now_ms)
    world.asker.store.checks.update(made)
    return made


def state(world: World, check: StoredCheck) -> str:
    held = world.asker.store.checks.get(check.id)
    assert held is not None
    return held.state


async def step(world: World, patch: pytest.MonkeyPatch, hub: Hub) -> None:
    with running_node(world, world.asker, patch, hub) as (node, _):
        await Performing(node).step()


async def test_rule_1_a_request_that_was_stored_before_a_crash_is_submitted_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, hub = ready(world), Hub(world)
    await step(world, monkeypatch, hub)
    assert hub.submitted == [asking.submission(check).SerializeToString()]
    assert state(world, check) == asking.SUBMITTED


async def test_rule_1_when_the_connection_is_lost_the_same_bytes_are_submitted_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, hub = ready(world), Hub(world, LinkError("the connection to the hub has ended"))
    with running_node(world, world.asker, monkeypatch, hub) as (node, _):
        with pytest.raises(LinkError):
            await Performing(node).step()
        assert state(world, check) == asking.READY
        await Performing(node).step()
    assert hub.submitted[0] == hub.submitted[1]
    assert state(world, check) == asking.SUBMITTED


async def test_rule_2_attack_a_late_refusal_sets_back_a_check_whose_receipt_came_by_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ready(world)

    class Late(Hub):
        async def submit_check(self, request: hub_service_pb2.SubmitCheckRequest) -> envelope_pb2.Envelope:
            receipt = world.receipt(request.request.payload)
            own = asking.Asker(ASKER, world.hub.public)
            asking.take_receipt(world.asker.store, receipt, own=own, now_ms=world.now_ms)
            return await super().submit_check(request)

    for reason in ("expired", "wrong-epoch"):
        await step_in(world, monkeypatch, Late(world, Refused(reason, "no")), reason)
        assert state(world, check) == asking.SUBMITTED
        world.asker.store.checks.update(check)
    assert Event.CHECK_FAILED not in {entry.event for entry in world.asker.store.audit.newest(20)}


async def step_in(world: World, patch: pytest.MonkeyPatch, hub: Hub, name: str) -> None:
    world.folder = world.folder / name
    world.folder.mkdir()
    await step(world, patch, hub)


async def test_rule_3_a_check_that_the_hub_refuses_has_failed_with_its_reason_and_forgets_its_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ready(world)
    await step(world, monkeypatch, Hub(world, Refused("purpose-not-allowed", "not for this role")))
    held = world.asker.store.checks.get(check.id)
    assert held is not None
    assert (held.state, held.reason) == (asking.FAILED, "purpose-not-allowed: not for this role")
    assert held.secret is None
    newest = world.asker.store.audit.newest(1)[0]
    assert (newest.event, newest.subject, newest.detail) == (Event.CHECK_FAILED, "BG-07", "purpose-not-allowed")


async def test_rule_3_a_check_of_an_epoch_that_is_over_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = ready(world)
    await step(world, monkeypatch, Hub(world, Refused("wrong-epoch", "the keys changed")))
    held = world.asker.store.checks.get(check.id)
    assert held is not None
    assert (held.state, held.envelope, held.secret) == (asking.QUEUED, None, None)


async def test_rule_4_a_check_that_the_program_fails_on_has_failed_and_the_others_are_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, healthy = ready(world), ready(world)
    world.asker.store.checks.update(replace(broken, secret=b"{}"))
    await step(world, monkeypatch, Hub(world))
    held = world.asker.store.checks.get(broken.id)
    assert held is not None
    assert held.state == asking.FAILED
    assert held.reason.startswith(f"{performing.FAULT}: the program failed on it: KeyError")
    assert PERSON.names[0].family not in held.reason
    assert state(world, healthy) == asking.SUBMITTED
