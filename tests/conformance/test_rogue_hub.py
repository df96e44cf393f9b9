"""A hub that lies to its nodes: with its own keys and everything it ever saw it changes nothing, and is noticed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from tests.conformance.conftest import PERSON, World
from tests.parties.attacks import ATTACKS, reheadered
from tests.parties.federation import wait_until
from tests.parties.member import Member
from tests.parties.relay import Call, RefusedByRelay, frame_rule

from waypost.crypto.envelope import SigningKey, countersign, parse_envelope, sign
from waypost.crypto.sealing import SealingContext, seal
from waypost.crypto.split_oprf import HalfKey, evaluate_half
from waypost.node import asking
from waypost.protocol import names
from waypost.protocol.limits import ROSTER_LIFETIME_MS
from waypost.v1 import check_pb2, envelope_pb2, hub_service_pb2, index_pb2, link_pb2, roster_pb2

pytestmark = pytest.mark.xdist_group("conformance")


# Signing anew


def test_attack_the_hub_hands_a_node_something_to_sign_that_the_node_has_never_signed(world: World) -> None:
    """What it asks for after a key change, at any moment, to get a signature under the present key."""
    world.unharmed()
    foreign = world.member.check(world.tokens).request
    own = sign(names.ANSWER, os.urandom(80), world.federation.hub_key)
    for envelope in (foreign, own):
        with world.federation.audited(world.holder.ori, "message-refused", detail="not-ours"):
            assert world.deliver(world.holder, sign_again=envelope) == "not-ours"
    assert not world.holder.store.outbox.count()
    world.unharmed()


def test_attack_the_hub_has_the_bytes_of_an_answer_signed_as_something_else(world: World) -> None:
    seen: list[envelope_pb2.Envelope] = []

    def note(call: Call, frame: link_pb2.NodeFrame) -> Iterable[link_pb2.NodeFrame]:
        if call.caller == world.holder.ori and frame.post.message.payload_type == names.ANSWER:
            seen.append(frame.post.message)
        yield frame

    world.federation.relay.up = frame_rule(note, upward=True)
    world.unharmed()
    wait_until(lambda: not world.holder.store.outbox.count(), "the answer is not settled")
    answer = seen[-1]
    disguised = envelope_pb2.Envelope(payload_type=names.REFERRAL_DECISION, payload=answer.payload)
    altered = envelope_pb2.Envelope(payload_type=names.ANSWER, payload=answer.payload + b"\x7a\x00")
    for envelope in (disguised, altered):
        assert world.deliver(world.holder, sign_again=envelope) == "not-ours"
    before = len(seen)
    assert world.deliver(world.holder, sign_again=answer) == ""  # what it did sign, it signs: the same bytes
    wait_until(lambda: len(seen) > before, "nothing was signed anew")
    assert (seen[-1].payload_type, seen[-1].payload) == (names.ANSWER, answer.payload)
    wait_until(lambda: not world.holder.store.outbox.count(), "the hub has not said what became of it")
    world.unharmed()


# Queries


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_query_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    good = countersign(world.member.check(world.tokens).request, world.federation.hub_key)
    query = world.query(spoil(good, (world.member.signing, world.federation.hub_key)))
    before = len(list(world.holder.store.disclosures.all()))
    with world.federation.audited(world.holder.ori, "query-refused", detail=reason):
        assert world.deliver(world.holder, query=query) == reason
    assert len(list(world.holder.store.disclosures.all())) == before
    world.unharmed()


def test_a_query_that_nobody_spoiled_is_answered(world: World) -> None:
    """What the attacks above are measured against."""
    submitted = world.member.check(world.tokens)
    openings = [opening for opening in submitted.openings if opening.token in world.tokens]
    signed = countersign(submitted.request, world.federation.hub_key)
    query = check_pb2.RoutedQuery(request=signed, openings=openings)
    with world.federation.audited(world.holder.ori, "query-answered", subject=world.member.ori):
        assert world.deliver(world.holder, query=query) == ""
    answered = len(list(world.holder.store.disclosures.all()))
    assert world.deliver(world.holder, query=query) == ""  # replayed: taken, and nothing comes of it
    assert len(list(world.holder.store.disclosures.all())) == answered


def test_attack_the_hub_asks_in_a_members_name(world: World) -> None:
    """It has every signature but the member's own."""
    request, hub = world.member.check(world.tokens).request, world.federation.hub_key
    alone = sign(names.CHECK_REQUEST, request.payload, hub)
    twice = sign(names.CHECK_REQUEST, request.payload, hub, hub)
    invented = sign(names.CHECK_REQUEST, request.payload, hub, SigningKey.generate())
    for forged in (alone, twice, invented):
        with world.federation.audited(world.holder.ori, "query-refused", detail="wrong-signature"):
            assert world.deliver(world.holder, query=world.query(forged)) == "wrong-signature"
    world.unharmed()


def test_attack_a_query_that_the_hub_did_not_accept_reaches_a_node(world: World) -> None:
    bare = world.member.check(world.tokens).request
    assert world.deliver(world.holder, query=world.query(bare)) == "wrong-signature"
    world.unharmed()


def test_attack_an_asker_that_is_no_member(world: World) -> None:
    stranger = Member("TX9900999", address="")
    request = stranger.check(world.tokens)
    signed = countersign(request.request, world.federation.hub_key)
    query = check_pb2.RoutedQuery(request=signed, openings=request.openings)
    with world.federation.audited(world.holder.ori, "query-refused", detail="not-a-member"):
        assert world.deliver(world.holder, query=query) == "not-a-member"
    world.unharmed()


def test_attack_a_query_is_routed_to_a_node_that_holds_nothing(world: World) -> None:
    with world.federation.audited(world.bystander.ori, "query-refused", detail="holds-nothing"):
        assert world.deliver(world.bystander, query=world.query()) == "holds-nothing"
    assert not list(world.bystander.store.disclosures.all())
    assert not world.bystander.store.outbox.count()
    world.unharmed()


def test_attack_the_hub_slips_a_token_into_somebodys_check(world: World) -> None:
    """It fishes for what a node holds, in the name of a check that asked for something else."""
    request = world.member.check([os.urandom(16)])
    signed = countersign(request.request, world.federation.hub_key)
    slipped = [check_pb2.TokenOpening(slot=3, salt=os.urandom(16), token=world.tokens[0])]
    query = check_pb2.RoutedQuery(request=signed, openings=slipped)
    with world.federation.audited(world.holder.ori, "query-refused", detail="wrong-opening"):
        assert world.deliver(world.holder, query=query) == "wrong-opening"
    world.unharmed()


def test_attack_the_hub_alters_a_query_on_its_way(world: World) -> None:
    def alter(call: Call, frame: link_pb2.HubFrame) -> Iterable[link_pb2.HubFrame]:
        if call.caller == world.holder.ori and frame.mail.HasField("query"):
            request = check_pb2.CheckRequest.FromString(frame.mail.query.request.payload)
            request.staff_reference = "SOMEBODY-ELSE"
            frame.mail.query.request.payload = request.SerializeToString()
        return (frame,)

    world.federation.relay.down = frame_rule(alter, upward=False)
    with world.federation.audited(world.holder.ori, "query-refused", detail="wrong-signature"):
        result = world.asker.check(PERSON)
    assert result.refused == ((world.holder.ori, "wrong-signature"),)
    assert not result.candidates
    world.federation.relay.behave()
    world.unharmed()


def test_attack_a_purpose_that_the_askers_role_does_not_have(world: World) -> None:
    """The hub lets it pass; the holder's policy floor does not."""
    submitted = world.member.check(world.tokens, purpose=check_pb2.PURPOSE_CERTIFICATION, authorization_digest=b"")
    openings = [opening for opening in submitted.openings if opening.token in world.tokens]
    signed = countersign(submitted.request, world.federation.hub_key)
    check_id = check_pb2.CheckRequest.FromString(signed.payload).header.message_id
    world.deliver(world.holder, query=check_pb2.RoutedQuery(request=signed, openings=openings))
    (entry,) = world.holder.store.disclosures.of_check(check_id)
    assert not entry.records
    assert entry.policies == ("floor.no-permit",)
    post = world.federation.relay.wait_frame(
        world.holder.ori,
        lambda frame: check_pb2.Answer.FromString(frame.post.message.payload).check_id == check_id,
    ).post
    (candidate,) = check_pb2.AnswerBody.FromString(world.member.open_answer(post.message)).candidates
    assert candidate.verdict == check_pb2.VERDICT_DECLINED
    assert not candidate.names
    assert not candidate.conduct
    world.unharmed()


# Rosters


def newest_roster(world: World) -> envelope_pb2.Envelope:
    held = world.holder.store.rosters.newest()
    assert held is not None
    return parse_envelope(held.envelope)


def next_roster(world: World, *keys: SigningKey, **changes: Any) -> envelope_pb2.Envelope:
    """The roster that would follow, with something changed."""
    held = newest_roster(world)
    roster = roster_pb2.Roster.FromString(held.payload)
    roster.version += 1
    roster.previous_digest = hashlib.sha256(held.payload).digest()
    for name, value in changes.items():
        setattr(roster, name, value)
    return sign(names.ROSTER, roster.SerializeToString(), *keys)


def refuses_roster(world: World, envelope: envelope_pb2.Envelope, reason: str) -> None:
    version = world.holder.store.rosters.newest()
    with world.federation.audited(world.holder.ori, "roster-refused", detail=reason):
        world.federation.relay.inject(world.holder.ori, roster=envelope)
    assert world.holder.store.rosters.newest() == version


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_roster_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    keys = (world.federation.hub_key, world.federation.trustee_key)
    refuses_roster(world, spoil(next_roster(world, *keys), keys), reason)
    world.unharmed()


def test_attack_the_hub_swaps_a_members_key(world: World) -> None:
    """To read the answers, or to ask in its name: without the trustee's signature it stays a wish."""
    held = roster_pb2.Roster.FromString(newest_roster(world).payload)
    members = list(held.members)
    swapped = next(entry for entry in members if entry.ori == world.member.ori)
    swapped.signing_public_key = SigningKey.generate().public
    swapped.key_since_version = held.version + 1
    held.version += 1
    held.previous_digest = hashlib.sha256(newest_roster(world).payload).digest()
    payload, hub = held.SerializeToString(), world.federation.hub_key
    for keys in ((hub,), (hub, hub), (hub, SigningKey.generate())):
        refuses_roster(world, sign(names.ROSTER, payload, *keys), "wrong-signature")
    world.unharmed()


def test_attack_the_hub_replays_an_old_roster(world: World) -> None:
    """The one from before a suspension, for example: it bears both signatures, and is refused all the same."""
    rows = world.federation.query("hub", "SELECT envelope FROM rosters ORDER BY version")
    assert len(rows) > 1
    refuses_roster(world, parse_envelope(rows[0][0]), "rollback")
    world.unharmed()


def test_attack_hub_and_trustee_show_two_rosters_of_one_version(world: World) -> None:
    keys = (world.federation.hub_key, world.federation.trustee_key)
    held = roster_pb2.Roster.FromString(newest_roster(world).payload)
    refuses_roster(world, next_roster(world, *keys, version=held.version, policy_floor="// none"), "fork")
    refuses_roster(world, next_roster(world, *keys, previous_digest=bytes(32)), "fork")
    world.unharmed()


def test_attack_a_roster_that_outlives_what_the_protocol_allows(world: World) -> None:
    keys = (world.federation.hub_key, world.federation.trustee_key)
    good = next_roster(world, *keys)
    issued = roster_pb2.Roster.FromString(good.payload).header.issued_at_ms
    refuses_roster(world, reheadered(good, keys, expires_at_ms=issued + ROSTER_LIFETIME_MS + 1), "too-long-lived")
    world.unharmed()


# Answers and receipts


@dataclass
class Withheld:
    """A check of the asker's whose answer the hub keeps back, and what it keeps."""

    check_id: bytes
    answer: envelope_pb2.Envelope
    receipt: envelope_pb2.Envelope


def withholding(world: World, kept: list[envelope_pb2.Envelope]) -> Any:
    """A rule: answers to the asker are kept back."""

    def keep(call: Call, frame: link_pb2.HubFrame) -> Iterable[link_pb2.HubFrame]:
        if call.caller == world.asker.ori and frame.mail.message.payload_type == names.ANSWER:
            kept.append(frame.mail.message)
            return ()
        return (frame,)

    return frame_rule(keep, upward=False)


@pytest.fixture(scope="module")
def withheld(shared_world: World) -> Iterator[Withheld]:
    kept: list[envelope_pb2.Envelope] = []
    shared_world.federation.relay.down = withholding(shared_world, kept)
    check_id = shared_world.asker.ask(PERSON)
    shared_world.asker.wait(check_id, lambda result: kept and result.check.receipt_sequence == 2)
    shared_world.federation.relay.behave()
    check = shared_world.asker.result(check_id).check
    assert check.receipt is not None
    yield Withheld(check_id, kept[0], parse_envelope(check.receipt))
    shared_world.federation.relay.cut(shared_world.asker.ori)  # what was not acknowledged comes again, and counts
    shared_world.asker.wait(check_id, lambda result: result.candidates)


def not_taken(world: World, withheld: Withheld, message: envelope_pb2.Envelope, reason: str) -> None:
    before = world.asker.result(withheld.check_id)
    with world.federation.audited(world.asker.ori, "message-refused", detail=reason):
        assert world.deliver(world.asker, message=message) == reason
    after = world.asker.result(withheld.check_id)
    assert after.check == before.check
    assert not after.candidates
    assert after.pending == (world.holder.ori,)
    assert not after.complete


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_an_answer_is(attack: str, world: World, withheld: Withheld) -> None:
    spoil, reason = ATTACKS[attack]
    not_taken(world, withheld, spoil(withheld.answer, (world.holder.signing,)), reason)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_receipt_is(attack: str, world: World, withheld: Withheld) -> None:
    spoil, reason = ATTACKS[attack]
    receipt = check_pb2.Receipt.FromString(withheld.receipt.payload)
    receipt.sequence += 1
    newer = sign(names.RECEIPT, receipt.SerializeToString(), world.federation.hub_key)
    not_taken(world, withheld, spoil(newer, (world.federation.hub_key,)), reason)


def test_attack_an_answer_to_another_check_is_passed_off_as_this_ones(world: World, withheld: Withheld) -> None:
    answer = check_pb2.Answer.FromString(withheld.answer.payload)
    answer.request_digest = bytes(32)
    forged = sign(names.ANSWER, answer.SerializeToString(), world.holder.signing)
    not_taken(world, withheld, forged, "wrong-digest")
    answer.check_id = os.urandom(16)
    forged = sign(names.ANSWER, answer.SerializeToString(), world.holder.signing)
    not_taken(world, withheld, forged, "no-such-check")


def test_attack_a_member_that_was_not_asked_answers(world: World, withheld: Withheld) -> None:
    """The hub passes on what a node says for another: it is signed, and still does not count."""
    answer = check_pb2.Answer.FromString(withheld.answer.payload)
    answer.header.sender = world.member.ori
    own_name = sign(names.ANSWER, answer.SerializeToString(), world.member.signing)
    not_taken(world, withheld, own_name, "not-asked")
    answer.header.sender = world.holder.ori
    in_anothers = sign(names.ANSWER, answer.SerializeToString(), world.member.signing)
    not_taken(world, withheld, in_anothers, "wrong-signature")


def test_attack_an_answer_was_sealed_for_another_member_or_check(world: World, withheld: Withheld) -> None:
    answer = check_pb2.Answer.FromString(withheld.answer.payload)
    answer.sealed_body = answer.sealed_body[:-1] + bytes([answer.sealed_body[-1] ^ 1])
    forged = sign(names.ANSWER, answer.SerializeToString(), world.holder.signing)
    not_taken(world, withheld, forged, "not-sealed-for-us")


def test_attack_a_receipt_for_another_request(world: World, withheld: Withheld) -> None:
    receipt = check_pb2.Receipt.FromString(withheld.receipt.payload)
    receipt.sequence += 1
    receipt.request_digest = bytes(32)
    forged = sign(names.RECEIPT, receipt.SerializeToString(), world.federation.hub_key)
    not_taken(world, withheld, forged, "wrong-digest")


def test_attack_an_older_receipt_is_replayed(world: World, withheld: Withheld) -> None:
    receipt = check_pb2.Receipt.FromString(withheld.receipt.payload)
    receipt.sequence = 1
    del receipt.responses[:]
    before = world.asker.result(withheld.check_id).check
    older = sign(names.RECEIPT, receipt.SerializeToString(), world.federation.hub_key)
    assert world.deliver(world.asker, message=older) == ""
    assert world.asker.result(withheld.check_id).check == before


def test_attack_a_later_receipt_forgets_who_matched(world: World, withheld: Withheld) -> None:
    """The hub drops an answer, and would have the check look clear."""
    receipt = check_pb2.Receipt.FromString(withheld.receipt.payload)
    receipt.sequence += 1
    del receipt.responses[:]
    forged = sign(names.RECEIPT, receipt.SerializeToString(), world.federation.hub_key)
    not_taken(world, withheld, forged, "forgets-a-member")


def _says_pending_again(part: check_pb2.Response) -> None:
    part.state = check_pb2.RESPONSE_STATE_PENDING
    part.answer_digest = b""


def _says_refused(part: check_pb2.Response) -> None:
    part.state, part.reason = check_pb2.RESPONSE_STATE_REFUSED, "holds-nothing"
    part.answer_digest = b""


def _names_another_answer(part: check_pb2.Response) -> None:
    part.answer_digest = bytes(32)


def _names_no_answer(part: check_pb2.Response) -> None:
    part.answer_digest = b""


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_says_pending_again, "goes-back"),
        (_says_refused, "goes-back"),
        (_names_another_answer, "goes-back"),
        (_names_no_answer, "malformed"),
    ],
)
def test_attack_a_later_receipt_takes_back_that_a_member_answered(
    spoil: Callable[[check_pb2.Response], None], reason: str, world: World, withheld: Withheld
) -> None:
    """Or has it have refused, so that its answer need never come."""
    receipt = check_pb2.Receipt.FromString(withheld.receipt.payload)
    receipt.sequence += 1
    (part,) = receipt.responses
    spoil(part)
    forged = sign(names.RECEIPT, receipt.SerializeToString(), world.federation.hub_key)
    not_taken(world, withheld, forged, reason)


def test_attack_hub_and_holder_put_another_answer_in_the_place_of_the_one_the_receipt_names(
    world: World, withheld: Withheld
) -> None:
    request = world.asker.result(withheld.check_id).check.envelope
    assert request is not None
    content = check_pb2.CheckRequest.FromString(parse_envelope(request).payload)
    context = SealingContext(names.SEAL_ANSWER, world.holder.ori, world.asker.ori, withheld.check_id)
    answer = check_pb2.Answer.FromString(withheld.answer.payload)
    answer.sealed_body = seal(check_pb2.AnswerBody().SerializeToString(), content.answer_public_key, context)
    forged = sign(names.ANSWER, answer.SerializeToString(), world.holder.signing)
    not_taken(world, withheld, forged, "another-answer")


def test_attack_the_hub_drops_an_answer_and_the_check_stays_pending_never_clear(
    world: World, withheld: Withheld
) -> None:
    """It says that the member answered; the asker has no answer, so to the asker the member is pending."""
    told = world.asker.result(withheld.check_id)
    assert check_pb2.Receipt.FromString(withheld.receipt.payload).responses[0].state == (
        check_pb2.RESPONSE_STATE_ANSWERED
    )
    assert told.pending == (world.holder.ori,)
    shown = world.asker.command_line("checks", "show", withheld.check_id.hex()).stdout
    assert f"Agency {world.holder.ori} ({world.holder.ori}): has not answered yet" in shown
    assert "no record" not in shown.lower()


def test_attack_the_hub_swallows_what_a_node_posts(world: World) -> None:
    """It thanks the node for the answer and throws it away."""
    relay, holder = world.federation.relay, world.holder

    def swallow(call: Call, frame: link_pb2.NodeFrame) -> Iterable[link_pb2.NodeFrame]:
        if call.caller != holder.ori or not frame.HasField("post"):
            return (frame,)
        relay.inject(holder.ori, post_result=link_pb2.PostResult(post_id=frame.post.post_id, accepted=True))
        return ()

    relay.up = frame_rule(swallow, upward=True)
    check_id = world.asker.ask(PERSON)
    wait_until(lambda: list(holder.store.disclosures.of_check(check_id)), "the holder did not answer")
    wait_until(lambda: holder.store.outbox.count() == 0, "the holder did not get its result")
    result = world.asker.wait(check_id, lambda result: result.coverage is not None)
    assert (result.pending, result.complete) == ((holder.ori,), False)
    relay.behave()
    world.unharmed()


# Evaluations


def wrong_hub_half(call: Call, data: bytes) -> Iterable[bytes]:
    """The hub evaluates with another key, and proves that it did: with that other key."""
    if call.method != "Evaluate":
        return (data,)
    response = hub_service_pb2.EvaluateResponse.FromString(data)
    wrong = evaluate_half(HalfKey.generate(), list(response.trustee.elements))
    response.hub.CopyFrom(index_pb2.Evaluation(elements=wrong.elements, proof=wrong.proof))
    return (response.SerializeToString(),)


def wrong_elements(call: Call, data: bytes) -> Iterable[bytes]:
    """The right proof over other elements: two officers' tokens change places."""
    if call.method != "Evaluate":
        return (data,)
    response = hub_service_pb2.EvaluateResponse.FromString(data)
    elements = list(response.hub.elements)
    response.hub.elements[:] = [elements[1], elements[0], *elements[2:]]
    return (response.SerializeToString(),)


@pytest.mark.parametrize("rule", [wrong_hub_half, wrong_elements])
def test_attack_the_hub_evaluates_with_a_wrong_key(rule: Any, world: World) -> None:
    world.federation.relay.down = rule
    with world.federation.audited(world.asker.ori, "check-failed", detail="wrong-proof"):
        result = world.asker.check(PERSON)
    assert result.check.state == asking.FAILED
    assert "the hub's evaluation was refused" in result.check.reason
    world.federation.relay.behave()
    world.unharmed()


@pytest.mark.parametrize("method", ["Evaluate", "SubmitCheck"])
def test_attack_the_hub_answers_a_call_with_bytes_that_are_no_message(method: str, world: World) -> None:
    """The check waits until the hub is in its senses again."""
    answered = threading.Event()

    def garble(call: Call, data: bytes) -> Iterable[bytes]:
        if call.method != method or call.caller != world.asker.ori or answered.is_set():
            return (data,)
        answered.set()
        return (b"\xff\xff\xff\xff no message",)

    world.federation.relay.down = garble
    check_id = world.asker.ask(PERSON)
    assert answered.wait(20)
    assert len(world.asker.wait(check_id, lambda result: result.complete).candidates) == 1
    assert world.asker.running


# The link itself


def test_attack_the_hub_says_that_the_index_differs_and_will_not_say_in_what(world: World) -> None:
    """The node's link ends for that, its process does not: it comes back and compares again."""
    relay, node = world.federation.relay, world.bystander
    refused = threading.Event()

    def refuse(call: Call, data: bytes) -> Iterable[bytes]:
        if call.method == "ListRegistered":
            refused.set()
            raise RefusedByRelay(grpc.StatusCode.PERMISSION_DENIED, "not-a-member: go away")
        return (data,)

    relay.up = refuse
    with world.federation.audited(node.ori, "detached", detail="go away"):
        relay.inject(node.ori, index_verdict=link_pb2.IndexVerdict(agrees=False, bucket_digests=[bytes(32)] * 256))
    assert refused.is_set()
    relay.behave()
    with world.federation.audited(node.ori, "index-agreed"):
        relay.attached(node.ori)
    world.unharmed()


@pytest.mark.parametrize(
    ("listed", "messages", "told"),
    [
        ([bytes([3]) * 17], 1, "the hub lists tokens that were not asked for"),
        ([bytes([255]) * 16], 1, "the hub lists tokens that were not asked for"),
        ([bytes([3]) * 16] * 250_000, 20, "the hub lists more tokens than a member may have"),
    ],
    ids=["too long", "of another bucket", "without end"],
)
def test_attack_the_hub_lists_as_the_nodes_what_fills_its_memory_and_its_disk(
    world: World, listed: list[bytes], messages: int, told: str
) -> None:
    relay, node = world.federation.relay, world.bystander
    answer = hub_service_pb2.ListRegisteredResponse(tokens=listed).SerializeToString()
    before = node.store.covers.withdrawals(1)

    def lie(call: Call, data: bytes) -> Iterable[bytes]:
        return [answer] * messages if call.method == "ListRegistered" else (data,)

    relay.down = lie
    with world.federation.audited(node.ori, "detached", detail=told):
        relay.inject(node.ori, index_verdict=link_pb2.IndexVerdict(agrees=False, bucket_digests=[bytes(32)] * 256))
    relay.behave()
    with world.federation.audited(node.ori, "index-agreed"):
        relay.attached(node.ori)
    assert node.store.covers.withdrawals(1) == before
    world.unharmed()


def test_attack_frames_that_say_nothing(world: World) -> None:
    relay, node = world.federation.relay, world.bystander
    relay.inject(node.ori, index_verdict=link_pb2.IndexVerdict(agrees=False, bucket_digests=[b"short"]))
    relay.inject(node.ori, post_result=link_pb2.PostResult(post_id=1 << 60, accepted=True))
    assert world.deliver(node, message=envelope_pb2.Envelope()) == "wrong-type"
    assert world.deliver(node, query=check_pb2.RoutedQuery()) == "not-a-member"
    assert world.deliver(node) == "wrong-type"
    world.unharmed()


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff not protobuf", b"\x0a\x05\x0a\x03\x12\x01\xff", b""])
def test_attack_the_hub_sends_bytes_that_are_no_frame(garbage: bytes, world: World) -> None:
    world.federation.relay.inject_bytes(world.bystander.ori, garbage)
    world.unharmed()
    assert world.bystander.running
    wait_until(lambda: world.bystander.store.state.get("link") == "attached", "the node did not come back")
    world.federation.relay.attached(world.bystander.ori)
