"""A member that misbehaves toward the hub, with a valid certificate and a key of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from tests.conformance.conftest import World
from tests.parties.attacks import ATTACKS, reheadered
from tests.parties.federation import wait_until
from tests.parties.member import CALL_S, Attached, Member, refusal
from tests.parties.people import applicant, officer

from waypost.crypto import pki
from waypost.crypto.envelope import sign
from waypost.crypto.serving import utc_now
from waypost.crypto.split_oprf import blind_batch
from waypost.node.keys import match_inputs
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2, hub_service_pb2, link_pb2

pytestmark = pytest.mark.xdist_group("conformance")


def decoys(count: int = limits.REGISTRATION_BATCH_TOKENS) -> list[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


def refused(world: World, event: str, reason: str, call: Any, message: Any, *, subject: str | None = None) -> None:
    """The call is refused with that reason, the refusal is in the hub's audit, and the hub still serves others."""
    with (
        world.federation.audited("hub", event, subject=subject, detail=reason),
        pytest.raises(grpc.RpcError) as error,
    ):
        call(message, timeout=CALL_S)
    assert refusal(error.value)[1] == reason


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_registration_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    member = world.member
    good = member.registration(add=decoys()).registration
    before = world.federation.query("hub", "SELECT count(*) FROM pointers")
    bad = hub_service_pb2.RegisterRequest(registration=spoil(good, (member.signing,)))
    refused(world, "registration-refused", reason, member.hub.Register, bad, subject=member.ori)
    assert world.federation.query("hub", "SELECT count(*) FROM pointers") == before


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_an_evaluation_request_to_the_hub_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    member = world.member
    bad = spoil(member.evaluation(blind_batch([b"x"]).elements), (member.signing,))
    request = hub_service_pb2.EvaluateRequest(request=bad)
    refused(world, "evaluation-refused", reason, member.hub.Evaluate, request, subject=member.ori)


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_check_is(attack: str, world: World) -> None:
    spoil, reason = ATTACKS[attack]
    member, submitted = world.member, world.member.check(world.tokens)
    submitted.request.CopyFrom(spoil(submitted.request, (member.signing,)))
    before = world.federation.query("hub", "SELECT count(*) FROM checks")
    refused(world, "check-refused", reason, member.hub.SubmitCheck, submitted, subject=member.ori)
    assert world.federation.query("hub", "SELECT count(*) FROM checks") == before
    world.unharmed()


# Answers


@dataclass
class Asked:
    """A check of the member's, pending at `holder`, who has the query on an open link."""

    holder: Member
    link: Attached
    query: check_pb2.RoutedQuery


@pytest.fixture(scope="module")
def asked(shared_world: World) -> Iterator[Asked]:
    holder, asker = shared_world.federation.member("NV9900201"), shared_world.member
    held = holder.hold([b"cert:rogue-node"])
    with holder.attached() as link:
        asker.submit(asker.check(held[:1]))
        query = link.mail().query
        yield Asked(holder, link, query)
        assert link.post(holder.answer(query, b"the true one"), 999).accepted  # whatever was tried before
        with asker.attached() as up:
            while (mail := up.mail()).message.payload_type != names.ANSWER:
                up.take(mail)
            assert asker.open_answer(mail.message) == b"the true one"


def not_passed_on(
    world: World, link: Attached, message: envelope_pb2.Envelope, reason: str, poster: str | None = None
) -> None:
    def waiting() -> Any:
        return world.federation.query("hub", "SELECT count(*) FROM mailbox WHERE ori = ?", world.member.ori)

    before = waiting()
    with world.federation.audited("hub", "post-refused", subject=poster, detail=reason):
        result = link.post(message)
    assert (result.accepted, result.reason) == (False, reason)
    assert waiting() == before


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_a_posted_answer_is(attack: str, world: World, asked: Asked) -> None:
    spoil, reason = ATTACKS[attack]
    bad = spoil(asked.holder.answer(asked.query, b"never"), (asked.holder.signing,))
    not_passed_on(world, asked.link, bad, reason, asked.holder.ori)


def test_attack_a_node_answers_for_another(world: World, asked: Asked) -> None:
    """It knows the check's id and request, say from a friend, and was not asked itself."""
    other = world.federation.member("NV9900202")
    in_its_name = asked.holder.answer(asked.query, b"nothing to tell")
    forged = sign(names.ANSWER, in_its_name.payload, other.signing)
    with other.attached() as link:
        not_passed_on(world, link, in_its_name, "wrong-signature", other.ori)  # the holder's own words, on its link
        not_passed_on(world, link, forged, "wrong-sender", other.ori)
        not_passed_on(world, link, other.answer(asked.query, b"nothing to tell"), "not-asked", other.ori)


def test_attack_an_answer_to_another_request_or_to_none(world: World, asked: Asked) -> None:
    holder, query = asked.holder, asked.query
    not_passed_on(world, asked.link, holder.answer(query, b"x", request_digest=bytes(32)), "not-asked")
    not_passed_on(world, asked.link, holder.answer(query, b"x", check_id=os.urandom(16)), "no-such-check")


def test_attack_a_check_is_replayed(world: World) -> None:
    """The same bytes give the present receipt, once delivered nothing; other bytes under the same id are refused."""
    member = world.member
    submitted = member.check(decoys(3))
    first = member.submit(submitted)
    again = member.submit(submitted)
    assert (again.check_id, again.sequence) == (first.check_id, 1)
    other = member.check(decoys(3), header=member.header(names.HUB, limits.DAY_MS, first.check_id))
    refused(world, "check-refused", "replayed", member.hub.SubmitCheck, other)


def test_attack_registrations_and_evaluations_are_replayed(world: World) -> None:
    member = world.member
    registration = member.registration(add=decoys())
    member.hub.Register(registration, timeout=CALL_S)
    refused(world, "registration-refused", "replayed", member.hub.Register, registration)
    evaluation = hub_service_pb2.EvaluateRequest(request=member.evaluation(blind_batch([b"x"]).elements))
    member.hub.Evaluate(evaluation, timeout=CALL_S)
    with world.federation.audited("trustee", "evaluation-refused", subject=member.ori, detail="replayed"):
        refused(world, "evaluation-refused", "replayed", member.hub.Evaluate, evaluation)


def test_attack_a_purpose_that_the_role_does_not_have(world: World) -> None:
    member, board = world.member, world.federation.member("AZ9900900", role="post")
    for asker, purpose in (
        (member, check_pb2.PURPOSE_CERTIFICATION),
        (board, check_pb2.PURPOSE_HIRING),
        (member, check_pb2.PURPOSE_UNSPECIFIED),
    ):
        submitted = asker.check(world.tokens, purpose=purpose)
        refused(world, "check-refused", "purpose-not-allowed", asker.hub.SubmitCheck, submitted, subject=asker.ori)
    for purpose in (check_pb2.PURPOSE_HIRING, check_pb2.PURPOSE_SELF):
        for lacking in ({"authorization_digest": b""}, {"authorization_reference": ""}):
            bare = member.check(world.tokens, purpose=purpose, **lacking)
            refused(world, "check-refused", "no-authorization", member.hub.SubmitCheck, bare)
    world.unharmed()


def test_attack_a_credentialing_body_asks_about_a_person(world: World) -> None:
    body = world.federation.member("AZ9900800", role="credentialing-body")
    for purpose in (check_pb2.PURPOSE_HIRING, check_pb2.PURPOSE_CERTIFICATION, check_pb2.PURPOSE_SELF):
        submitted = body.check(world.tokens, purpose=purpose)
        refused(world, "check-refused", "purpose-not-allowed", body.hub.SubmitCheck, submitted)


def test_attack_a_check_with_openings_that_do_not_fit_or_too_few_or_too_many(world: World) -> None:
    member = world.member
    fewer = member.check(world.tokens)
    del fewer.openings[50:]
    refused(world, "check-refused", "malformed", member.hub.SubmitCheck, fewer)
    swapped = member.check(world.tokens)
    swapped.openings[0].salt, swapped.openings[1].salt = swapped.openings[1].salt, swapped.openings[0].salt
    refused(world, "check-refused", "wrong-opening", member.hub.SubmitCheck, swapped)
    twice = member.check(world.tokens)
    twice.openings[1].CopyFrom(twice.openings[0])
    refused(world, "check-refused", "malformed", member.hub.SubmitCheck, twice)
    short = member.check(world.tokens, commitments=[bytes(32)] * 95)
    refused(world, "check-refused", "malformed", member.hub.SubmitCheck, short)
    no_key = member.check(world.tokens, answer_public_key=bytes(7))
    refused(world, "check-refused", "malformed", member.hub.SubmitCheck, no_key)
    world.unharmed()


def test_attack_a_check_that_lives_longer_than_a_month(world: World) -> None:
    submitted = world.member.check(world.tokens)
    header = check_pb2.CheckRequest.FromString(submitted.request.payload).header
    expires = header.issued_at_ms + limits.CHECK_LIFETIME_MS + 1
    submitted.request.CopyFrom(reheadered(submitted.request, (world.member.signing,), expires_at_ms=expires))
    refused(world, "check-refused", "too-long-lived", world.member.hub.SubmitCheck, submitted)


# Who is no member, or is one no more


def test_attack_a_certificate_of_nobody_in_the_roster(world: World) -> None:
    """As after a stolen authority: the certificate is genuine, the member is not."""
    stranger = Member("TX9900999", address=world.federation.link_address)
    authority = world.federation.hub_authority
    request = pki.make_csr(stranger.tls_key, stranger.ori)
    stranger.certificate = authority.issue(request, name=stranger.ori, server=False, now=utc_now())
    stranger.authority = authority.certificate_pem
    for call, message in (
        (stranger.hub.SubmitCheck, stranger.check(world.tokens)),
        (stranger.hub.Register, stranger.registration(add=decoys())),
        (stranger.hub.GetRoster, hub_service_pb2.GetRosterRequest()),
    ):
        refused(world, "caller-refused", "not-a-member", call, message, subject=stranger.ori)
    with pytest.raises(grpc.RpcError) as error, stranger.attached():
        pass
    assert refusal(error.value) == (grpc.StatusCode.PERMISSION_DENIED, "not-a-member")
    world.unharmed()


def test_attack_an_asker_is_suspended_in_the_middle_of_its_check(world: World) -> None:
    """Its query is still under way when it is suspended: the holder refuses it, and whoever else asks is answered."""
    federation, asker = world.federation, world.federation.member("AZ9900303")
    on_its_way: list[link_pb2.HubFrame] = []

    def hold_back(call: Any, data: bytes) -> Any:
        frame = hub_service_pb2.AttachResponse.FromString(data).frame if call.method == "Attach" else None
        if frame is not None and frame.mail.HasField("query") and call.caller == world.holder.ori:
            on_its_way.append(frame)
            return ()
        return (data,)

    federation.relay.down = hold_back
    submitted = asker.check(world.tokens)
    receipt = asker.submit(submitted)
    assert [response.ori for response in receipt.responses] == [world.holder.ori]
    wait_until(lambda: on_its_way, "the query did not come")
    federation.relay.behave()
    version = federation.roster_version()
    federation.do_hub("suspend", asker.ori, "--reason", "a test")
    federation.wait_roster(version + 1)
    with federation.audited(world.holder.ori, "query-refused", detail="suspended"):
        assert world.deliver(world.holder, query=on_its_way[0].mail.query) == "suspended"
    assert not list(world.holder.store.disclosures.of_check(receipt.check_id))
    refused(world, "caller-refused", "suspended", asker.hub.SubmitCheck, asker.check(world.tokens), subject=asker.ori)
    world.unharmed()


def test_attack_a_holder_is_suspended_in_the_middle_of_a_check_and_stays_pending(world: World) -> None:
    federation, holder = world.federation, world.federation.member("NV9900203")
    person = applicant(officer("--", "Obermeyer", "Lucinda", "1975-10-02"))
    holder.hold([entry.value for entry in match_inputs(person, side="record")])
    with holder.attached() as link:
        check_id = world.asker.ask(person)
        query = link.mail().query
        federation.do_hub("suspend", holder.ori, "--reason", "a test")
        assert link.next("goodbye").goodbye.reason == "suspended"
        with pytest.raises((grpc.RpcError, AssertionError)):
            link.post(holder.answer(query, b"too late"))
    result = world.asker.wait(check_id, lambda result: result.coverage is not None)
    assert (result.pending, result.complete, result.candidates) == ((holder.ori,), False, ())
    world.unharmed()


def test_attack_a_node_takes_another_members_mail(world: World, asked: Asked) -> None:
    """Mail ids are guessable; taking somebody else's changes nothing."""
    thief = world.federation.member("NV9900204")
    ids = [row[0] for row in world.federation.query("hub", "SELECT id FROM mailbox")]
    assert ids
    with thief.attached() as link:
        for mail_id in ids:
            link.send(mail_taken=link_pb2.MailTaken(mail_id=mail_id, refused_reason="holds-nothing"))
        assert not link.post(envelope_pb2.Envelope(), 1).accepted  # everything before it was worked through
    assert [row[0] for row in world.federation.query("hub", "SELECT id FROM mailbox")] == ids
    assert asked.query is not None


def test_attack_a_members_certificate_is_renewed_under_another_name(world: World) -> None:
    request = hub_service_pb2.RenewCertificateRequest(csr_pem=pki.make_csr(pki.new_key_pem(), "NV9900200"))
    renewed = world.member.hub.RenewCertificate(request, timeout=CALL_S).certificate_pem
    assert pki.certificate_name(renewed) == world.member.ori
