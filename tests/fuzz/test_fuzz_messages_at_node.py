"""What a node is sent, signed by who may sign it: it counts and can be shown, or it is refused; nothing else."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.fuzz.spoiling import spoiled, spoiled_bytes
from tests.parties.duty_world import ASKER, OWNER, RECORD, World
from tests.parties.round_world import HUB, ORIS, TRUSTEE, RoundWorld
from tests.parties.round_world import receiver as round_receiver

from waypost.crypto.envelope import SigningKey, countersign, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, seal
from waypost.node import answering, asking, messages
from waypost.node.cli.show import show
from waypost.node.errors import CheckError, Refused
from waypost.node.letters import letter
from waypost.node.policy import PolicyEngine
from waypost.node.results import facts, result_of
from waypost.node.store import ReferralAsked, ReferralOffer, Store
from waypost.node.store.referrals import ASKED
from waypost.protocol import floor, limits, names
from waypost.v1 import check_pb2, envelope_pb2, notice_pb2, referral_pb2, round_pb2

FUZZED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEADER = ("header",)
_sequence = itertools.count(2)


@dataclass
class Held:
    """A world in which one check was asked and answered, and the body of that answer."""

    world: World
    check_id: bytes
    body: check_pb2.AnswerBody


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    with _held(tmp_path_factory.mktemp("world")) as made:
        yield made


@contextmanager
def _held(folder: Path) -> Iterator[Held]:
    world = World(folder)
    check_id = world.ask()
    (kept,) = world.asker.store.checks.answers(check_id)
    yield Held(world, check_id, check_pb2.AnswerBody.FromString(kept.body))
    world.close()


def header(world: World, sender: str = OWNER, audience: str = ASKER) -> envelope_pb2.Header:
    return header_to_proto(
        new_header(sender=sender, audience=audience, now_ms=world.now_ms, lifetime_ms=limits.NOTICE_LIFETIME_MS)
    )


def sealed(world: World, body: bytes, purpose: str, header: envelope_pb2.Header) -> bytes:
    party = world.asker if header.audience == ASKER else world.owner
    context = SealingContext(purpose, header.sender, header.audience, header.message_id)
    return seal(body, party.sealing.public, context)


def taken(world: World, kind: str, payload: bytes, key: SigningKey, *, audience: str = ASKER) -> None:
    """The message is taken, or refused."""
    party = world.asker if audience == ASKER else world.owner
    with suppress(Refused):
        messages.take(party.store, sign(kind, payload, key), world.receiver(party))


def shown(world: World, check_id: bytes) -> None:
    """What the check has come to can be told: to machines, to people, and to the applicant if there is cause."""
    store = world.asker.store
    check = store.checks.get(check_id)
    assert check is not None
    result = result_of(check, store.checks.answers(check_id), store.notices.received())
    facts(result)
    show(result, {}, Console(file=io.StringIO(), width=120))
    with suppress(CheckError):
        letter(result, agency="A", ori=ASKER, members={}, today=world.today, until=world.today)


@FUZZED
@given(st.data())
def test_bodies_of_answers(held: Held, data: st.DataObject) -> None:
    world, body = held.world, data.draw(spoiled_bytes(held.body))
    routed = world.asked()
    request = check_pb2.CheckRequest.FromString(routed.request.payload)
    check_id = request.header.message_id
    answer = check_pb2.Answer(
        header=header(world),
        check_id=check_id,
        request_digest=hashlib.sha256(routed.request.payload).digest(),
        sealed_body=seal(body, request.answer_public_key, SealingContext(names.SEAL_ANSWER, OWNER, ASKER, check_id)),
    )
    taken(world, names.ANSWER, answer.SerializeToString(), world.owner.key)
    shown(world, check_id)


@FUZZED
@given(st.data())
def test_answers_and_receipts(held: Held, data: st.DataObject) -> None:
    world, routed = held.world, held.world.asked()
    check_id = check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id
    receipt = check_pb2.Receipt.FromString(world.receipt(routed.request.payload, sequence=2).payload)
    taken(world, names.RECEIPT, data.draw(spoiled_bytes(receipt)), world.hub)
    answer = check_pb2.Answer(header=header(world), check_id=check_id, request_digest=bytes(32), sealed_body=bytes(99))
    taken(world, names.ANSWER, data.draw(spoiled_bytes(answer)), world.owner.key)
    shown(world, check_id)


@FUZZED
@given(st.data())
def test_checks(held: Held, data: st.DataObject) -> None:
    """Signed by the asker and by the hub: what the holder makes of it is an answer, or a refusal."""
    world, routed = held.world, held.world.asked()
    good = check_pb2.CheckRequest.FromString(routed.request.payload)
    payload = data.draw(spoiled_bytes(good) | st.just(routed.request.payload))
    request = countersign(sign(names.CHECK_REQUEST, payload, world.asker.key), world.hub)
    query = data.draw(spoiled(check_pb2.RoutedQuery(request=request, openings=routed.openings), kept=("request",)))
    with suppress(Refused):
        answering.answer(
            world.owner.store,
            query,
            own=world.owner.own(),
            roster=world.roster(),
            now_ms=world.now_ms,
            today=world.today,
        )
    world.posts(world.owner)


def _notice_of_record(held: Held) -> notice_pb2.NoticeBody:
    record = held.body.candidates[0].conduct[0]
    return notice_pb2.NoticeBody(
        record_key=RECORD.record_key,
        sequence=next(_sequence),
        changes=[notice_pb2.NOTICE_CHANGE_CORRECTED],
        standing=notice_pb2.STANDING_STANDS,
        version=2,
        told_version=1,
        record=record,
        reason="a date was wrong",
        changed_at_ms=held.world.now_ms,
        check_ids=[held.check_id],
    )


def _notice_of_officer(held: Held) -> notice_pb2.NoticeBody:
    candidate = held.body.candidates[0]
    return notice_pb2.NoticeBody(
        officer_key=candidate.officer_key,
        sequence=next(_sequence),
        changes=[notice_pb2.NOTICE_CHANGE_DETAILS],
        standing=notice_pb2.STANDING_STANDS,
        changed_at_ms=held.world.now_ms,
        check_ids=[held.check_id],
        details=notice_pb2.OfficerDetails(
            names=candidate.names, date_of_birth=candidate.date_of_birth, employments=candidate.employments
        ),
    )


@pytest.mark.parametrize("made", [_notice_of_record, _notice_of_officer])
@FUZZED
@given(st.data())
def test_bodies_of_notices(held: Held, made: Callable[[Held], notice_pb2.NoticeBody], data: st.DataObject) -> None:
    world, head = held.world, header(held.world)
    body = data.draw(spoiled_bytes(made(held), kept=("sequence", "record_key", "officer_key")))
    notice = notice_pb2.Notice(header=head, sealed_body=sealed(world, body, names.SEAL_NOTICE, head))
    taken(world, names.NOTICE, notice.SerializeToString(), world.owner.key)
    shown(world, held.check_id)
    world.posts(world.asker)


@FUZZED
@given(st.data())
def test_notices_and_acknowledgements(held: Held, data: st.DataObject) -> None:
    world = held.world
    notice = notice_pb2.Notice(header=header(world), sealed_body=bytes(2000))
    taken(world, names.NOTICE, data.draw(spoiled_bytes(notice)), world.owner.key)
    acknowledgement = notice_pb2.NoticeTaken(header=header(world, ASKER, OWNER), notice_id=os.urandom(16))
    payload = data.draw(spoiled_bytes(acknowledgement))
    taken(world, names.NOTICE_TAKEN, payload, world.asker.key, audience=OWNER)


@FUZZED
@given(st.data())
def test_requests_for_a_referral(held: Held, data: st.DataObject) -> None:
    world, reference = held.world, os.urandom(16)
    world.owner.store.referrals.offer(
        ReferralOffer(reference, held.check_id, ASKER, world.officer_id, "hiring", bytes(32), "BG-07", world.now_ms)
    )
    good = referral_pb2.ReferralRequestBody(
        check_id=held.check_id,
        reference=reference,
        contact="Det. Doe",
        names=held.body.candidates[0].names,
        date_of_birth="1988-03-14",
        note="please",
    )
    head = header(world, ASKER, OWNER)
    body = data.draw(spoiled_bytes(good, kept=("check_id", "reference")))
    request = referral_pb2.ReferralRequest(header=head, sealed_body=sealed(world, body, names.SEAL_REFERRAL, head))
    taken(world, names.REFERRAL_REQUEST, request.SerializeToString(), world.asker.key, audience=OWNER)


@FUZZED
@given(st.data())
def test_decisions_on_a_referral(held: Held, data: st.DataObject) -> None:
    world, reference, store = held.world, os.urandom(16), held.world.asker.store
    (kept,) = store.checks.answers(held.check_id)
    offered = check_pb2.AnswerBody(
        candidates=[check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL, referral_reference=reference)]
    )
    store.checks.redact_answer(held.check_id, OWNER, offered.SerializeToString())
    store.referrals.put_asked(ReferralAsked(reference, held.check_id, OWNER, b"", ASKED, "", world.now_ms))
    good = referral_pb2.ReferralDecisionBody(
        check_id=held.check_id, reference=reference, candidate=held.body.candidates[0], reason="he is the one"
    )
    head = header(world)
    body = data.draw(spoiled_bytes(good, kept=("check_id", "reference")))
    context = names.SEAL_REFERRAL_DECISION
    decision = referral_pb2.ReferralDecision(header=head, sealed_body=sealed(world, body, context, head))
    taken(world, names.REFERRAL_DECISION, decision.SerializeToString(), world.owner.key)
    shown(world, held.check_id)
    store.checks.redact_answer(held.check_id, OWNER, kept.body)


@pytest.mark.parametrize("kind", sorted(messages.HANDLERS))
@FUZZED
@given(payload=st.binary(max_size=300))
def test_any_bytes_of_any_kind(held: Held, kind: str, payload: bytes) -> None:
    for key in (held.world.owner.key, held.world.hub):
        taken(held.world, kind, payload, key)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RoundWorld, Message, Store]]:
    world = RoundWorld(tmp_path_factory.mktemp("rounds"))
    good = round_pb2.Round.FromString(world.opened().message.payload)
    with Store.open(tmp_path_factory.mktemp("node") / "node.db", bytes(32)) as store:
        yield world, good, store
    world.store.close()


@FUZZED
@given(st.data())
def test_rounds(rounds: Any, data: st.DataObject) -> None:
    """Signed by hub and trustee, should both lie."""
    world, good, store = rounds
    envelope = countersign(sign(names.ROUND, data.draw(spoiled_bytes(good)), HUB), TRUSTEE)
    policies = PolicyEngine(floor.text(), ())
    with suppress(Refused):
        messages.take(store, envelope, replace(round_receiver(ORIS[0], world.roster), policies=policies))


def test_what_is_not_spoiled_is_taken(tmp_path: Path) -> None:
    """Otherwise the tests above would see refusals alone. In a world of its own: theirs may know a later notice."""
    with _held(tmp_path) as held:
        world, head = held.world, header(held.world)
        body = _notice_of_record(held).SerializeToString()
        notice = notice_pb2.Notice(header=head, sealed_body=sealed(world, body, names.SEAL_NOTICE, head))
        envelope = sign(names.NOTICE, notice.SerializeToString(), world.owner.key)
        messages.take(world.asker.store, envelope, world.receiver(world.asker))
        assert world.asker.store.notices.received()
        assert asking.parts_of(world.asker.store.checks.newest(1)[0]).keys() == {OWNER}
