"""A hub that rewrites its transparency log, over real processes: caught by node and by trustee."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import pytest
from tests.conformance.conftest import PERSON, World
from tests.parties import commands
from tests.parties.federation import Node, wait_until
from tests.parties.logs import CRIMES, Log, entry
from tests.parties.relay import Call

from waypost.crypto.envelope import parse_envelope
from waypost.crypto.tlog.checkpoint import Checkpoint, cosign, open_checkpoint, sign_checkpoint, with_signature
from waypost.node import asking
from waypost.protocol.transparency import Entry, Kind, LogKeys, log_keys
from waypost.v1 import check_pb2, hub_service_pb2, log_pb2, trustee_service_pb2
from waypost.v1.trustee_service_pb2_grpc import TrusteeServiceStub

pytestmark = pytest.mark.xdist_group("conformance")


def keys(world: World) -> LogKeys:
    return log_keys(world.federation.hub_key.public, world.federation.trustee_key.public)


def root_keys(world: World) -> tuple[str, ...]:
    hub, trustee = world.federation.hub_key.public.hex(), world.federation.trustee_key.public.hex()
    return ("--hub-key", hub, "--trustee-key", trustee)


def honest(world: World) -> list[Entry]:
    rows = world.federation.query("hub", "SELECT kind, at_ms, digest FROM log_entries ORDER BY place")
    return [Entry(Kind(kind), at_ms, digest) for kind, at_ms, digest in rows]


def forged(world: World, crime: str) -> Log:
    """The hub's log with one of its first entries dropped, moved or rewritten, and some more at the end."""
    entries = honest(world)
    if crime == "drop":
        del entries[1]
    elif crime == "reorder":
        entries[1], entries[2] = entries[2], entries[1]
    else:
        entries[1] = Entry(entries[1].kind, entries[1].at_ms, bytes(32))
    return Log.of([*entries, *(entry(n) for n in range(200))])


def signed(world: World, log: Log, *, cosigned: bool) -> bytes:
    checkpoint = Checkpoint(keys(world).origin, len(log.entries), log.checkpoint().root)
    note = sign_checkpoint(checkpoint, world.federation.hub_key)
    if not cosigned:
        return note
    line = cosign(checkpoint, keys(world).witness.name, world.federation.trustee_key, time.time_ns() // 1_000_000_000)
    return with_signature(note, line)


def held_size(world: World, node: Node) -> int:
    note = node.store.transparency.checkpoint()
    return 0 if note is None else open_checkpoint(note, keys(world).log).size


def show_forged(world: World, victim: Node, log: Log, *, cosigned: bool = True) -> None:
    """From now on the hub shows this log to this node, with the best proof that there is."""
    note = signed(world, log, cosigned=cosigned)

    def rule(call: Call, data: bytes) -> Iterable[bytes]:
        if (call.method, call.caller) != ("GetCheckpoint", victim.ori):
            yield data
            return
        request = hub_service_pb2.GetCheckpointRequest.FromString(call.requests[-1])
        yield hub_service_pb2.GetCheckpointResponse(
            checkpoint=note,
            consistency=log.consistency(request.held_size),
            inclusions=[log_pb2.LogInclusion()] * len(request.entries),
        ).SerializeToString()

    world.federation.relay.down = rule


def look_again(node: Node) -> None:
    """A new proof is wanted, so the node looks at the log now and not in a minute."""
    node.store.transparency.want(log_pb2.LOG_KIND_CHECK, time.time_ns().to_bytes(32), time.time_ns() // 1_000_000)


@pytest.fixture
def resolved(world: World) -> Iterator[None]:
    """Afterwards the hub behaves, and the staff of every node trusts it again."""
    yield
    world.federation.relay.behave()
    world.federation.trustee_relay.behave()
    for node in (world.asker, world.holder):
        node.store.transparency.resolve()


def proven(node: Node, check_id: bytes) -> bool:
    check = node.store.checks.get(check_id)
    assert check is not None
    if check.receipt is None or check.state != asking.ANSWERED:
        return False
    return node.command_line("checks", "receipt", check_id.hex(), "-o", "/dev/null").returncode == 0


def test_a_receipt_proves_itself_offline_with_nothing_but_the_file_and_the_root_keys(
    world: World, tmp_path: Path
) -> None:
    check_id = world.asker.check(PERSON).check.id
    wait_until(lambda: proven(world.asker, check_id), "the receipt was not proven")
    file, nowhere = tmp_path / "receipt.json", tmp_path / "nowhere"
    assert world.asker.command_line("checks", "receipt", check_id.hex(), "-o", str(file)).returncode == 0
    done = commands.run("waypost-node", "verify", str(file), "--json", *root_keys(world), home=nowhere)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["check"], facts["asker"]) == (check_id.hex(), world.asker.ori)
    assert facts["responses"] == {world.holder.ori: "answered"}
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "logged_at_ms": content["logged_at_ms"] + 1}))
    done = commands.run("waypost-node", "verify", str(file), *root_keys(world), home=nowhere)
    assert done.returncode == 1
    assert "not proven to be in the log" in done.stderr


def test_check_answer_and_disclosure_head_are_in_the_log_and_their_authors_hold_the_proofs(world: World) -> None:
    check = world.asker.check(PERSON).check
    (answer,) = world.asker.store.checks.answers(check.id)
    digest = hashed(parse_envelope(answer.envelope).payload)
    asked, holding = world.asker.store.transparency, world.holder.store
    request_digest = hashed(parse_envelope(check.envelope or b"").payload)
    wait_until(lambda: asked.proof(log_pb2.LOG_KIND_CHECK, request_digest), "the check was not proven")
    wait_until(lambda: holding.transparency.proof(log_pb2.LOG_KIND_ANSWER, digest), "the answer was not proven")

    def whole() -> bool:
        done = world.holder.command_line("disclosures", "verify", "--json")
        assert done.returncode == 0, done.stderr
        facts: dict[str, int] = json.loads(done.stdout)
        return facts["heads_logged"] == facts["heads"] == 1

    wait_until(whole, "the head of the disclosure log was not proven")
    assert world.federation.do_hub("log", "heads", world.holder.ori).count("\n") == 1


def hashed(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


@pytest.mark.usefixtures("resolved")
@pytest.mark.parametrize("crime", CRIMES)
def test_attack_a_log_with_one_entry_dropped_moved_or_rewritten_is_shown_to_a_node_by_hub_and_trustee_together(
    crime: str, world: World
) -> None:
    wait_until(lambda: held_size(world, world.asker) > 2, "no checkpoint has arrived")
    before = world.asker.store.transparency.checkpoint()
    with world.federation.audited(world.asker.ori, "log-forked", detail="split-view"):
        show_forged(world, world.asker, forged(world, crime))
        look_again(world.asker)
    assert world.asker.store.transparency.checkpoint() == before
    assert "Not trusted since" in world.asker.command_line("log", "show").stdout


@pytest.mark.usefixtures("resolved")
def test_a_node_that_was_shown_two_histories_neither_asks_nor_answers_until_its_staff_has_resolved_it(
    world: World,
) -> None:
    wait_until(lambda: held_size(world, world.asker) > 2, "no checkpoint has arrived")
    with world.federation.audited(world.asker.ori, "log-forked", detail="split-view"):
        show_forged(world, world.asker, forged(world, "rewrite"))
        look_again(world.asker)
    check_id = world.asker.ask(PERSON)
    submitted = world.member.check(world.tokens)
    openings = [opening for opening in submitted.openings if opening.token in world.tokens]
    query = check_pb2.RoutedQuery(request=submitted.request, openings=openings)
    assert world.deliver(world.asker, query=query) == "log-forked"
    check = world.asker.store.checks.get(check_id)
    assert check is not None
    assert check.state == asking.QUEUED

    world.federation.relay.behave()
    assert world.asker.command_line("log", "resolve", "--reason", "a test of the hub's").returncode == 0
    assert world.asker.wait(check_id).complete


@pytest.mark.usefixtures("resolved")
def test_attack_a_history_without_the_trustee_is_shown_to_one_of_two_nodes(world: World) -> None:
    wait_until(lambda: held_size(world, world.asker) > 2, "no checkpoint has arrived")
    with world.federation.audited(world.asker.ori, "log-refused", detail="not-cosigned"):
        show_forged(world, world.asker, forged(world, "drop"), cosigned=False)
        look_again(world.asker)
    assert not world.asker.store.transparency.conflicts()  # nothing that another could not have made up
    world.unharmed()


@pytest.mark.usefixtures("resolved")
def test_attack_the_log_is_cut_back_to_what_it_was_yesterday(world: World) -> None:
    wait_until(lambda: held_size(world, world.asker) > 2, "no checkpoint has arrived")
    with world.federation.audited(world.asker.ori, "log-forked", detail="rolled-back"):
        show_forged(world, world.asker, Log.of(honest(world)[:2]))
        look_again(world.asker)


@pytest.mark.parametrize("crime", CRIMES)
def test_attack_the_trustee_is_asked_to_cosign_a_log_with_one_entry_dropped_moved_or_rewritten(
    crime: str, world: World
) -> None:
    trustee = TrusteeServiceStub(world.federation.trustee_relay.channel("hub"))
    log = forged(world, crime)

    def cosign_from(old_size: int) -> trustee_service_pb2.CosignCheckpointResponse:
        request = trustee_service_pb2.CosignCheckpointRequest(
            checkpoint=signed(world, log, cosigned=False), old_size=old_size, consistency=log.consistency(old_size)
        )
        return trustee.CosignCheckpoint(request, timeout=20)

    held = cosign_from(0)
    assert held.held_size > 2
    assert not held.signature_line
    with (
        world.federation.audited("trustee", "checkpoint-refused", detail="split-view"),
        pytest.raises(grpc.RpcError, match="split-view"),
    ):
        cosign_from(held.held_size)
    world.unharmed()  # the honest log goes on
