"""A hub that meddles with notices: what it drops or spoils stays on the owner's list, and comes in the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.conftest import PERSON, World
from tests.parties.attacks import ATTACKS
from tests.parties.federation import Node, wait_until
from tests.parties.people import HELD_RECORD
from tests.parties.relay import Call, frame_rule

from waypost.crypto.envelope import sign
from waypost.crypto.sealing import SealingKey
from waypost.node.results import facts
from waypost.protocol import names
from waypost.v1 import envelope_pb2, hub_service_pb2, link_pb2

pytestmark = pytest.mark.xdist_group("conformance")
KEY = HELD_RECORD["record_key"]


def do(node: Node, *arguments: str) -> str:
    done = node.command_line(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def owed(world: World) -> list[dict[str, Any]]:
    """What the asker has not acknowledged yet; members of other tests, who asked as well, never will."""
    sent = json.loads(do(world.holder, "notices", "--undelivered", "--json"))["sent"]
    return [each for each in sent if each["to"] == world.asker.ori]


def undelivered(world: World) -> list[str]:
    return [each["state"] for each in owed(world)]


def statement(world: World, folder: Path, words: str) -> None:
    """A change of the record that leaves its version as it is."""
    file = folder / "statement.txt"
    file.write_text(words)
    do(world.holder, "statement", "set", "--record", KEY, "--file", str(file), "--by", "IA-3")


def told(world: World, check_id: bytes) -> str:
    """The statement that the asker has heard of since its check."""
    (candidate,) = facts(world.asker.result(check_id))["candidates"]
    now: dict[str, Any] | None = candidate["records"][0]["now"]
    return str(now["statement"]) if now else ""


@dataclass
class Dropped:
    """Notices to the asker that the hub has kept back."""

    check_id: bytes
    notices: list[envelope_pb2.Envelope]


def dropping(world: World, kept: list[envelope_pb2.Envelope]) -> Any:
    def drop(call: Call, frame: link_pb2.HubFrame) -> Iterable[link_pb2.HubFrame]:
        if call.caller == world.asker.ori and frame.mail.message.payload_type == names.NOTICE:
            kept.append(frame.mail.message)
            return ()
        return (frame,)

    return frame_rule(drop, upward=False)


@pytest.fixture
def dropped(world: World, tmp_path: Path) -> Iterator[Dropped]:
    """The officer gave a statement after a check, and the hub keeps back what the holder tells of it."""
    check_id = world.asker.check(PERSON).check.id
    kept: list[envelope_pb2.Envelope] = []
    world.federation.relay.down = dropping(world, kept)
    statement(world, tmp_path, "I was alone.")
    wait_until(lambda: kept, "no notice was sent")
    yield Dropped(check_id, kept)
    world.federation.relay.behave()
    do(world.holder, "statement", "withdraw", "--record", KEY, "--by", "IA-3")
    world.federation.relay.cut(world.asker.ori)  # what was not acknowledged comes again
    wait_until(lambda: undelivered(world) == [], "a notice stayed undelivered")


def test_attack_the_hub_drops_a_notice(world: World, dropped: Dropped) -> None:
    wait_until(lambda: undelivered(world) == ["sent"], "the hub did not take the notice")
    assert told(world, dropped.check_id) == ""
    world.federation.relay.behave()
    world.federation.relay.cut(world.asker.ori)
    wait_until(lambda: told(world, dropped.check_id) == "I was alone.", "the notice did not come again")
    wait_until(lambda: undelivered(world) == [], "not acknowledged")


def test_attack_a_notice_is_spoiled_in_every_way_and_replayed(world: World, dropped: Dropped) -> None:
    (notice,) = dropped.notices
    for spoil, reason in ATTACKS.values():
        with world.federation.audited(world.asker.ori, "message-refused", detail=reason):
            spoiled = spoil(notice, (world.holder.signing,))
            assert world.deliver(world.asker, message=spoiled) == reason
    in_anothers_name = sign(names.NOTICE, notice.payload, world.member.signing)
    assert world.deliver(world.asker, message=in_anothers_name) == "wrong-signature"
    assert told(world, dropped.check_id) == ""
    assert undelivered(world) == ["sent"]
    before = len(world.asker.store.notices.received())
    for _ in range(2):
        assert world.deliver(world.asker, message=notice) == ""
    assert len(world.asker.store.notices.received()) == before + 1
    assert told(world, dropped.check_id) == "I was alone."


def test_attack_the_hub_hands_the_owner_another_sealing_key(world: World, tmp_path: Path) -> None:
    check_id = world.asker.check(PERSON).check.id
    rogue = SealingKey.generate()

    def swap(call: Call, data: bytes) -> Iterable[bytes]:
        if call.method != "GetSealingKey":
            return (data,)
        response = hub_service_pb2.GetSealingKeyResponse.FromString(data)
        response.sealing_public_key = rogue.public
        return (response.SerializeToString(),)

    world.federation.relay.down = swap
    world.holder.stop()  # it keeps the key that it was given before
    world.holder.start()
    statement(world, tmp_path, "Sealed to whom?")
    wait_until(lambda: any("sealing key" in each["trouble"] for each in owed(world)), "the key was not compared")
    assert undelivered(world) == ["due"]
    assert told(world, check_id) == ""
    world.federation.relay.behave()
    do(world.holder, "statement", "withdraw", "--record", KEY, "--by", "IA-3")  # joins it, and is tried at once
    wait_until(lambda: undelivered(world) == [], "a notice stayed undelivered")
