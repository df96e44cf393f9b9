"""Asking, rule by rule: what a request says, which receipts and answers count, and what those that do not change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parties.duty_world import ASKER, OWNER, PERSON, World

from waypost.crypto.envelope import SigningKey, parse_envelope, sign, verify_signatures
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, seal
from waypost.node import answering, asking
from waypost.node.applicants import Inquiry
from waypost.node.audit import Event
from waypost.node.errors import Refused
from waypost.node.keys import match_inputs
from waypost.node.persons import Person, PersonName
from waypost.node.results import result_of
from waypost.node.store import StoredCheck
from waypost.protocol import limits, names
from waypost.protocol.commitments import Opening, verify_openings
from waypost.v1 import check_pb2, envelope_pb2, index_pb2

INQUIRY = Inquiry(PERSON, "hiring", "AUTH-1", hashlib.sha256(b"signed").digest(), "BG-07")
PENDING, ANSWERED, REFUSED, EXPIRED = (
    check_pb2.RESPONSE_STATE_PENDING,
    check_pb2.RESPONSE_STATE_ANSWERED,
    check_pb2.RESPONSE_STATE_REFUSED,
    check_pb2.RESPONSE_STATE_EXPIRED,
)
Spoil = Callable[[check_pb2.Receipt], object]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def own(world: World) -> asking.Asker:
    return asking.Asker(ASKER, world.hub.public)


def take(world: World, receipt: envelope_pb2.Envelope) -> bytes | None:
    return asking.take_receipt(world.asker.store, receipt, own=own(world), now_ms=world.now_ms)


def take_answer(world: World, answer: envelope_pb2.Envelope) -> bytes | None:
    return asking.take_answer(world.asker.store, answer, own=own(world), roster=world.roster(), now_ms=world.now_ms)


def held(world: World, routed: check_pb2.RoutedQuery) -> StoredCheck:
    check = world.asker.store.checks.get(id_of(routed))
    assert check is not None
    return check


def id_of(routed: check_pb2.RoutedQuery) -> bytes:
    return check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id


def answer_of(world: World, routed: check_pb2.RoutedQuery) -> envelope_pb2.Envelope:
    """The owner's answer, not yet delivered."""
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    (envelope,) = world.posts(world.owner)
    return envelope


def spoiled(world: World, receipt: envelope_pb2.Envelope, spoil: Spoil, key: SigningKey | None = None) -> Any:
    content = check_pb2.Receipt.FromString(receipt.payload)
    spoil(content)
    return sign(names.RECEIPT, content.SerializeToString(), key or world.hub)


def refused(world: World, routed: check_pb2.RoutedQuery, work: Callable[[], object]) -> str:
    """Why it does not count; nothing has changed by it."""
    before, answers = held(world, routed), world.asker.store.checks.answers(id_of(routed))
    with pytest.raises(Refused) as caught:
        work()
    assert held(world, routed) == before
    assert world.asker.store.checks.answers(id_of(routed)) == answers
    return caught.value.reason


def set_part(**values: Any) -> Spoil:
    def spoil(receipt: check_pb2.Receipt) -> None:
        for name, value in values.items():
            setattr(receipt.responses[0], name, value)

    return spoil


# Requests


def test_a_request_commits_to_the_tokens_and_names_neither_them_nor_the_applicant(world: World) -> None:
    check = asking.new_check(INQUIRY, world.now_ms)
    ready = asking.make_ready(
        check, INQUIRY, world.tokens, ori=ASKER, epoch=1, key=world.asker.key, now_ms=world.now_ms
    )
    submitted = asking.submission(ready)
    payload = verify_signatures(
        submitted.request, (world.asker.key.public,), required=1, expected_type=names.CHECK_REQUEST
    ).payload
    request = check_pb2.CheckRequest.FromString(payload)
    openings = [Opening(entry.slot, entry.salt, entry.token) for entry in submitted.openings]
    verify_openings(request.commitments, openings)
    assert len(openings) == len(request.commitments) == limits.CHECK_TOKENS
    assert set(world.tokens) <= {opening.token for opening in openings}
    assert request.header.message_id == check.id
    for telling in (*world.tokens, b"Delacroix", b"Kathryn", b"1988"):
        assert telling not in payload


def test_rule_1_what_is_submitted_again_after_a_crash_is_the_same(world: World) -> None:
    check = asking.new_check(INQUIRY, world.now_ms)
    world.asker.store.checks.add(check)
    ready = asking.make_ready(
        check, INQUIRY, world.tokens, ori=ASKER, epoch=1, key=world.asker.key, now_ms=world.now_ms
    )
    world.asker.store.checks.update(ready)
    kept = world.asker.store.checks.get(check.id)
    assert kept is not None
    assert asking.submission(kept) == asking.submission(ready)


def test_two_checks_on_one_person_share_neither_commitments_nor_keys(world: World) -> None:
    requests = [check_pb2.CheckRequest.FromString(world.asked().request.payload) for _ in range(2)]
    assert not set(requests[0].commitments) & set(requests[1].commitments)
    assert requests[0].answer_public_key != requests[1].answer_public_key


@pytest.mark.parametrize(
    "person",
    [
        Person(names=(PersonName("Li", "Wu"),)),
        Person(names=(PersonName("Delacroix-Montgomery Vandenberg", "Katherine", "Elizabeth"), *PERSON.names)),
    ],
    ids=["short", "long"],
)
def test_every_evaluation_has_as_many_inputs_and_none_of_them_twice(person: Person) -> None:
    inquiry = Inquiry(person, "hiring", "AUTH-1", bytes(32), "BG-07")
    inputs, real = asking.inputs_of(inquiry)
    assert len(inputs) == len(set(inputs)) == limits.CHECK_TOKENS
    assert inputs[:real] == [entry.value for entry in match_inputs(person, side="applicant")]


def test_an_evaluation_request_is_signed_for_the_trustee_and_dies_soon(world: World) -> None:
    purpose = index_pb2.EVALUATION_PURPOSE_CHECK
    made = asking.evaluation_request(purpose, [bytes(32)], ori=ASKER, epoch=4, key=world.asker.key, now_ms=world.now_ms)
    payload = verify_signatures(
        made.request, (world.asker.key.public,), required=1, expected_type=names.EVALUATION_REQUEST
    ).payload
    request = index_pb2.EvaluationRequest.FromString(payload)
    assert (request.header.audience, request.epoch, request.purpose) == (names.TRUSTEE, 4, purpose)
    assert request.header.expires_at_ms - world.now_ms == limits.EVALUATION_LIFETIME_MS


# Receipts


def test_rule_2_a_receipt_of_the_hub_moves_the_check_on(world: World) -> None:
    routed = world.asked()
    assert (held(world, routed).state, held(world, routed).receipt_sequence) == (asking.SUBMITTED, 1)
    receipt = world.receipt(routed.request.payload, sequence=2, answer=answer_of(world, routed))
    assert take(world, receipt) == id_of(routed)
    assert (held(world, routed).state, held(world, routed).receipt) == (asking.ANSWERED, receipt.SerializeToString())
    assert take(world, receipt) is None
    assert take(world, world.receipt(routed.request.payload)) is None  # an older one
    assert held(world, routed).receipt_sequence == 2
    events = [entry.event for entry in world.asker.store.audit.newest(50)]
    assert events.count(Event.CHECK_SUBMITTED) == 1


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], asking.ANSWERED),
        ([PENDING], asking.SUBMITTED),
        ([PENDING, REFUSED], asking.SUBMITTED),
        ([PENDING, ANSWERED], asking.PARTIAL),
        ([PENDING, EXPIRED], asking.SUBMITTED),
        ([ANSWERED, REFUSED], asking.ANSWERED),
        ([ANSWERED, EXPIRED], asking.EXPIRED),
    ],
)
def test_the_state_of_a_check_follows_from_its_parts(world: World, states: list[int], expected: str) -> None:
    routed = world.asked()
    check = held(world, routed)
    with world.asker.store.writing():  # as before the first receipt
        world.asker.store.checks.update(replace(check, receipt=None, receipt_sequence=0, state=asking.READY))

    def settle(receipt: check_pb2.Receipt) -> None:
        del receipt.responses[:]
        for number, state in enumerate(states):
            digest = bytes(32) if state == ANSWERED else b""
            receipt.responses.add(ori=f"NV990020{number}", state=state, answer_digest=digest)

    take(world, spoiled(world, world.receipt(routed.request.payload), settle))
    assert held(world, routed).state == expected


def test_rule_2_attack_a_receipt_that_the_hub_did_not_sign_for_this_node_now(world: World) -> None:
    routed = world.asked()
    newer = world.receipt(routed.request.payload, sequence=2)
    assert refused(world, routed, lambda: take(world, spoiled(world, newer, str, SigningKey.generate()))) == (
        "wrong-signature"
    )
    for name, value, reason in (("audience", OWNER, "wrong-audience"), ("sender", ASKER, "wrong-sender")):

        def address(receipt: check_pb2.Receipt, name: str = name, value: str = value) -> None:
            setattr(receipt.header, name, value)

        forged = spoiled(world, newer, address)
        assert refused(world, routed, lambda forged=forged: take(world, forged)) == reason  # type: ignore[misc]
    world.now_ms += limits.RECEIPT_LIFETIME_MS + limits.DAY_MS
    assert refused(world, routed, lambda: take(world, newer)) == "expired"


def test_rule_2_attack_a_receipt_for_another_check_or_request(world: World) -> None:
    routed, newer = world.asked(), world.receipt(b"", sequence=2)
    assert refused(world, routed, lambda: take(world, newer)) == "no-such-check"
    other = spoiled(
        world, world.receipt(routed.request.payload, sequence=2), lambda r: setattr(r, "request_digest", bytes(32))
    )
    assert refused(world, routed, lambda: take(world, other)) == "wrong-digest"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda receipt: receipt.responses.pop(), "forgets-a-member"),
        (lambda receipt: receipt.responses.add(ori=ASKER, state=PENDING), "adds-a-member"),
        (lambda receipt: receipt.responses.add(ori=OWNER, state=PENDING), "malformed"),
        (lambda receipt: setattr(receipt, "accepted_at_ms", 1), "rewrites-acceptance"),
        (lambda receipt: setattr(receipt, "roster_version", 2), "rewrites-acceptance"),
        (lambda receipt: setattr(receipt.coverage, "members", 2), "rewrites-acceptance"),
        (lambda receipt: receipt.coverage.stale_oris.append(OWNER), "rewrites-acceptance"),
        (set_part(state=check_pb2.RESPONSE_STATE_UNSPECIFIED), "malformed"),
        (set_part(state=77), "malformed"),
        (set_part(state=ANSWERED), "malformed"),
        (set_part(state=ANSWERED, answer_digest=bytes(31)), "malformed"),
        (set_part(answer_digest=bytes(32)), "malformed"),
        (set_part(state=REFUSED, answer_digest=bytes(32)), "malformed"),
    ],
    ids=[
        "forgets-who-matched",
        "adds-who-matched",
        "names-one-twice",
        "another-moment",
        "another-roster",
        "another-coverage",
        "another-stale-member",
        "no-state",
        "unknown-state",
        "answered-without-digest",
        "answered-with-a-short-digest",
        "pending-with-digest",
        "refused-with-digest",
    ],
)
def test_rule_2_attack_a_later_receipt_does_not_only_add(world: World, spoil: Spoil, reason: str) -> None:
    routed = world.asked()
    forged = spoiled(world, world.receipt(routed.request.payload, sequence=2), spoil)
    assert refused(world, routed, lambda: take(world, forged)) == reason


@pytest.mark.parametrize("over", [ANSWERED, REFUSED, EXPIRED])
def test_rule_2_attack_a_part_that_is_over_is_set_to_another_state_or_answer(world: World, over: int) -> None:
    routed = world.asked()
    later = world.receipt(routed.request.payload, sequence=2)
    digest = b"d" * 32 if over == ANSWERED else b""
    take(world, spoiled(world, later, set_part(state=over, answer_digest=digest, reason="so")))
    others = {PENDING: b"", ANSWERED: b"e" * 32, REFUSED: b"", EXPIRED: b""}
    for state, other in others.items():
        for reason in ("so", "otherwise"):
            if (state, other, reason) == (over, digest, "so"):
                continue
            values = set_part(state=state, answer_digest=other, reason=reason)
            forged = spoiled(world, world.receipt(routed.request.payload, sequence=3), values)
            assert refused(world, routed, lambda forged=forged: take(world, forged)) == "goes-back"  # type: ignore[misc]
    same = set_part(state=over, answer_digest=digest, reason="so")
    assert take(world, spoiled(world, world.receipt(routed.request.payload, sequence=3), same)) == id_of(routed)


def test_rule_2_attack_a_receipt_names_another_answer_than_the_one_that_arrived(world: World) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    take_answer(world, answer)
    right = world.receipt(routed.request.payload, sequence=2, answer=answer)
    wrong = spoiled(world, right, set_part(answer_digest=bytes(32)))
    assert refused(world, routed, lambda: take(world, wrong)) == "another-answer"
    assert take(world, right) == id_of(routed)


def test_rule_2_a_receipt_counts_also_when_the_answer_that_it_names_was_redacted_since(world: World) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    take_answer(world, answer)
    (kept,) = world.asker.store.checks.answers(id_of(routed))
    world.asker.store.checks.redact_answer(id_of(routed), OWNER, kept.body)  # a record in it was expunged
    assert take(world, world.receipt(routed.request.payload, sequence=2, answer=answer)) == id_of(routed)
    assert held(world, routed).state == asking.ANSWERED


def test_attack_bytes_that_are_no_receipt_or_answer(world: World) -> None:
    routed = world.asked()
    for kind, taking, key in ((names.RECEIPT, take, world.hub), (names.ANSWER, take_answer, world.owner.key)):
        for junk in (b"", b"\xff\xff", b"\x0a\x03abc"):
            forged = sign(kind, junk, key)
            reason = refused(world, routed, lambda taking=taking, forged=forged: taking(world, forged))  # type: ignore[misc]
            assert reason in {"malformed", "not-a-member"}


# Answers


def test_rule_3_an_answer_counts_once_and_shows_the_candidate(world: World) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    assert take_answer(world, answer) == id_of(routed)
    assert take_answer(world, answer) is None
    (kept,) = world.asker.store.checks.answers(id_of(routed))
    assert parse_envelope(kept.envelope) == answer
    (found,) = result_of(held(world, routed), [kept]).candidates
    assert (found.ori, found.candidate.officer_key) == (OWNER, "K-1")


def _resealed(world: World, routed: check_pb2.RoutedQuery, **changed: Any) -> envelope_pb2.Envelope:
    """An answer that says nothing, signed by the owner, lawful but for what is changed."""
    request = check_pb2.CheckRequest.FromString(routed.request.payload)
    context = changed.pop("context", SealingContext(names.SEAL_ANSWER, OWNER, ASKER, id_of(routed)))
    body = changed.pop("body", check_pb2.AnswerBody().SerializeToString())
    header = new_header(sender=OWNER, audience=ASKER, now_ms=world.now_ms, lifetime_ms=limits.ANSWER_LIFETIME_MS)
    fields = {
        "header": header_to_proto(header),
        "check_id": id_of(routed),
        "request_digest": hashlib.sha256(routed.request.payload).digest(),
        "sealed_body": seal(body, request.answer_public_key, context),
    }
    return sign(names.ANSWER, check_pb2.Answer(**{**fields, **changed}).SerializeToString(), world.owner.key)


def test_rule_3_attack_an_answer_to_another_request_or_sealed_in_another_context(world: World) -> None:
    routed = world.asked()
    spoiled_answers: dict[str, dict[str, Any]] = {
        "wrong-digest": {"request_digest": bytes(32)},
        "no-such-check": {"check_id": bytes(16)},
        "not-sealed-for-us": {"context": SealingContext(names.SEAL_ANSWER, ASKER, ASKER, id_of(routed))},
        "malformed": {"body": b"\xff\xff\xff"},
    }
    for reason, changed in spoiled_answers.items():
        forged = _resealed(world, routed, **changed)
        assert refused(world, routed, lambda forged=forged: take_answer(world, forged)) == reason  # type: ignore[misc]
    assert take_answer(world, _resealed(world, routed)) == id_of(routed)


def test_rule_3_attack_an_answer_of_a_member_that_did_not_match_or_is_suspended(world: World) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    content = check_pb2.Answer.FromString(answer.payload)
    content.header.sender = ASKER
    forged = sign(names.ANSWER, content.SerializeToString(), world.asker.key)
    assert refused(world, routed, lambda: take_answer(world, forged)) == "not-asked"
    world.inactive = frozenset({OWNER})
    assert refused(world, routed, lambda: take_answer(world, answer)) == "suspended"


def test_rule_3_attack_another_answer_than_the_one_that_the_receipt_names(world: World) -> None:
    routed = world.asked()
    first, second = answer_of(world, routed), _resealed(world, routed)
    take(world, world.receipt(routed.request.payload, sequence=2, answer=first))
    assert refused(world, routed, lambda: take_answer(world, second)) == "another-answer"
    assert take_answer(world, first) == id_of(routed)


def test_rule_4_a_member_that_never_answers_stays_pending_whatever_the_receipt_says(world: World) -> None:
    routed = world.asked()
    assert result_of(held(world, routed), []).pending == (OWNER,)
    take(world, world.receipt(routed.request.payload, sequence=2, answer=answer_of(world, routed)))
    result = result_of(held(world, routed), [])
    assert (result.pending, result.complete) == ((OWNER,), False)


@pytest.mark.parametrize("answer_first", [True, False])
def test_rule_5_the_one_time_key_is_forgotten_when_answer_and_receipt_are_both_here(
    world: World, answer_first: bool
) -> None:
    routed = world.asked()
    answer = answer_of(world, routed)
    receipt = world.receipt(routed.request.payload, sequence=2, answer=answer)
    for step, taken in enumerate((answer, receipt) if answer_first else (receipt, answer)):
        assert held(world, routed).secret is not None, step
        assert (take_answer if taken is answer else take)(world, taken) == id_of(routed)
    assert held(world, routed).secret is None
    assert len(world.asker.store.checks.answers(id_of(routed))) == 1


def test_a_check_that_is_made_anew_or_failed_keeps_no_key_of_the_old_request(world: World) -> None:
    check = held(world, world.asked())
    again, lost = asking.queued_again(check, 5), asking.failed(check, "expired: no", 6)
    assert (again.state, again.envelope, again.secret, again.updated_at_ms) == (asking.QUEUED, None, None, 5)
    assert (lost.state, lost.reason, lost.secret, lost.updated_at_ms) == (asking.FAILED, "expired: no", None, 6)
