"""A hub over real sockets: what its members can do, and what nobody can."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.parties import commands

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.split_oprf import blind_batch
from waypost.hub.limits import MAIL_IN_FLIGHT_MAX
from waypost.protocol import limits, names
from waypost.protocol.joincode import JoinCode
from waypost.v1 import check_pb2, hub_service_pb2, index_pb2, link_pb2

if TYPE_CHECKING:
    from tests.integration.hub.conftest import Federation, Member

PERSON = [b"given-dob:kate:1988-03-14", b"family-dob:TLKR:1988-03-14"]


def decoys(count: int) -> list[bytes]:
    return [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]


async def holder_of(member: Member, inputs: list[bytes]) -> list[bytes]:
    """Register these inputs for a member, in a full batch; all its tokens."""
    async with member.calling() as hub:
        tokens = list(await member.tokens(hub, inputs))
        batch = tokens + decoys(limits.REGISTRATION_BATCH_TOKENS - len(tokens))
        await hub.Register(member.registration(add=batch))
    return batch


def refusal(error: pytest.ExceptionInfo[aio.AioRpcError]) -> tuple[grpc.StatusCode, str]:
    return error.value.code(), (error.value.details() or "").partition(":")[0]


async def test_a_check_goes_all_the_way_and_its_answer_is_read_by_the_asker_alone(federation: Federation) -> None:
    asker, holder = await federation.member("CA9900101"), await federation.member("NV9900201")
    other = await federation.member("OR9900401")
    await holder_of(other, [b"given-dob:somebody:1970-01-01"])
    held = await holder_of(holder, PERSON)
    async with asker.attached() as up, holder.attached() as holding, asker.calling() as hub:
        assert (await holding.agree(held)).agrees
        tokens = await asker.tokens(hub, PERSON)
        submitted = asker.check(tokens)
        receipt_envelope = (await hub.SubmitCheck(submitted)).receipt
        assert asker.roster is not None
        verify_signatures(receipt_envelope, [asker.roster.hub_signing_key], required=1, expected_type=names.RECEIPT)
        receipt = check_pb2.Receipt.FromString(receipt_envelope.payload)
        assert [response.ori for response in receipt.responses] == [holder.ori]
        assert holder.ori not in receipt.coverage.stale_oris
        assert other.ori in receipt.coverage.stale_oris
        assert (await up.receipt()).sequence == 1

        mail = await holding.mail()
        keys = [asker.signing.public, asker.roster.hub_signing_key]
        verify_signatures(mail.query.request, keys, required=2, expected_type=names.CHECK_REQUEST)
        assert mail.query.request.payload == submitted.request.payload
        assert {opening.token for opening in mail.query.openings} == set(tokens)
        assert (await holding.post(holder.answer(mail.query, b"what happened in Silver Mesa"))).accepted
        await holding.take(mail)

        answered = await up.mail()
        assert asker.open_answer(answered.message) == b"what happened in Silver Mesa"
        await up.take(answered)
        last = await up.receipt()
        assert (last.sequence, last.responses[0].state) == (2, check_pb2.RESPONSE_STATE_ANSWERED)
        assert last.responses[0].answer_digest == hashlib.sha256(answered.message.payload).digest()


async def test_a_member_that_holds_nothing_is_never_contacted(federation: Federation) -> None:
    asker, bystander = await federation.member("CA9900102"), await federation.member("NV9900202")
    await holder_of(bystander, [b"given-dob:somebody:1970-01-01"])
    async with bystander.attached() as idle, asker.calling() as hub:
        receipt = (await hub.SubmitCheck(asker.check(await asker.tokens(hub, PERSON)))).receipt
        assert not [r for r in check_pb2.Receipt.FromString(receipt.payload).responses if r.ori == bystander.ori]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await idle.mail()


async def test_a_check_waits_for_a_node_that_is_offline(federation: Federation) -> None:
    asker, holder = await federation.member("CA9900103"), await federation.member("NV9900203")
    await holder_of(holder, [b"cert:offline"])
    async with asker.calling() as hub:
        await hub.SubmitCheck(asker.check(await asker.tokens(hub, [b"cert:offline"])))
    async with holder.attached() as back:
        assert back.welcome.mail_waiting == 1
        mail = await back.mail()
        assert (await back.post(holder.answer(mail.query, b"late but there"))).accepted
        await back.take(mail)
    async with asker.attached() as up:
        received = [await up.mail() for _ in range(3)]
        assert asker.open_answer(received[1].message) == b"late but there"


async def test_mail_that_was_not_acknowledged_comes_again_and_a_repeated_answer_is_accepted_once(
    federation: Federation,
) -> None:
    asker, holder = await federation.member("CA9900104"), await federation.member("NV9900204")
    await holder_of(holder, [b"cert:again"])
    async with asker.calling() as hub:
        await hub.SubmitCheck(asker.check(await asker.tokens(hub, [b"cert:again"])))
    async with holder.attached() as link:
        first = await link.mail()
        answer = holder.answer(first.query, b"once")
        assert (await link.post(answer)).accepted
    async with holder.attached() as link:  # the connection was lost before MailTaken and before the result was kept
        again = await link.mail()
        assert again.mail_id == first.mail_id
        assert (await link.post(answer)).accepted
        other = await link.post(holder.answer(first.query, b"twice"), post_id=2)
        assert (other.accepted, other.reason) == (False, "answered-before")
    async with asker.attached() as up:
        assert up.welcome.mail_waiting == 3  # two receipts and one answer


async def test_what_a_node_says_it_has_taken_counts_even_when_its_stream_ends_with_the_same_breath(
    federation: Federation,
) -> None:
    asker = await federation.member("CA9900131")
    async with asker.calling() as hub:
        for _ in range(MAIL_IN_FLIGHT_MAX + 20):  # more than the hub has on its way down a link at a time
            await hub.SubmitCheck(asker.check([]))
    for waiting, take in ((MAIL_IN_FLIGHT_MAX + 20, MAIL_IN_FLIGHT_MAX), (20, 20), (0, 0)):
        async with asker.attached() as up:
            assert up.welcome.mail_waiting == waiting
            for _ in range(take):
                await up.take(await up.mail())
            await up.end()


async def test_a_newer_link_supersedes_the_older(federation: Federation) -> None:
    member = await federation.member("CA9900105")
    async with member.attached() as older, member.attached() as newer:
        assert (await older.next("goodbye")).goodbye.reason == "superseded"
        assert await older.frame() is None
        assert (await newer.agree([])).agrees


async def test_a_suspended_member_is_cut_off_and_told_and_comes_back_when_reinstated(federation: Federation) -> None:
    asker, holder = await federation.member("CA9900106"), await federation.member("NV9900206")
    held = await holder_of(holder, [b"cert:suspended"])
    async with asker.attached() as up, holder.attached() as holding, asker.calling() as hub:
        await holding.agree(held)
        await hub.SubmitCheck(asker.check(await asker.tokens(hub, [b"cert:suspended"])))
        await up.receipt()
        mail = await holding.mail()
        federation.do("waypost-hub", "suspend", holder.ori, "--reason", "key stolen")
        assert (await holding.next("goodbye")).goodbye.reason == "suspended"
        roster = (await up.next("roster")).roster
        asker.take_roster(roster)
        assert asker.roster is not None
        assert not asker.roster.members[holder.ori].active
        second = (await hub.SubmitCheck(asker.check(await asker.tokens(hub, [b"cert:suspended"])))).receipt
        receipt = check_pb2.Receipt.FromString(second.payload)
        assert not receipt.responses
        assert holder.ori in receipt.coverage.stale_oris
    with pytest.raises(aio.AioRpcError) as error:
        async with holder.attached():
            pass
    assert refusal(error) == (grpc.StatusCode.PERMISSION_DENIED, "suspended")
    federation.do("waypost-hub", "reinstate", holder.ori, "--reason", "new machine")
    async with asker.attached() as up:
        version = asker.roster.version
        while asker.roster.version == version:
            frame = await up.frame()
            assert frame is not None
            if frame.HasField("roster"):
                asker.take_roster(frame.roster)
    async with holder.attached() as back:
        assert (await back.mail()).mail_id == mail.mail_id  # its part was pending all the time


async def test_a_node_that_refuses_a_query_shows_so_in_the_receipt(federation: Federation) -> None:
    asker, holder = await federation.member("CA9900107"), await federation.member("NV9900207")
    await holder_of(holder, [b"cert:refused"])
    async with asker.attached() as up, holder.attached() as holding, asker.calling() as hub:
        await hub.SubmitCheck(asker.check(await asker.tokens(hub, [b"cert:refused"])))
        await up.receipt()
        await holding.take(await holding.mail(), "wrong-opening")
        refused = (await up.receipt()).responses[0]
        assert (refused.state, refused.reason) == (check_pb2.RESPONSE_STATE_REFUSED, "wrong-opening")


async def test_index_differences_are_found_and_mended(federation: Federation) -> None:
    member = await federation.member("CA9900108")
    held = await holder_of(member, [b"cert:mine"])
    async with member.attached() as link, member.calling() as hub:
        verdict = await link.agree(held[1:])
        assert not verdict.agrees
        assert len(verdict.bucket_digests) == limits.INDEX_BUCKETS
        bucket = held[0][0]
        request = hub_service_pb2.ListRegisteredRequest(epoch=1, buckets=[bucket])
        listed = [token async for response in hub.ListRegistered(request) for token in response.tokens]
        assert sorted(listed) == sorted(token for token in held if token[0] == bucket)
        await hub.Register(member.registration(withdraw=[held[0]]))
        assert (await link.agree(held[1:])).agrees


async def _refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return refusal(error)


async def test_what_a_member_may_not_send_is_refused_by_name(federation: Federation) -> None:
    member, other = await federation.member("CA9900109"), await federation.member("CA9900110")
    async with member.calling() as hub:
        elements = blind_batch([b"x"]).elements
        forged = hub_service_pb2.EvaluateRequest(request=other.evaluation(elements))
        assert await _refused(hub.Evaluate(forged)) == (grpc.StatusCode.UNAUTHENTICATED, "wrong-signature")
        once = hub_service_pb2.EvaluateRequest(request=member.evaluation(elements))
        await hub.Evaluate(once)
        assert await _refused(hub.Evaluate(once)) == (grpc.StatusCode.UNAUTHENTICATED, "replayed")
        garbage = hub_service_pb2.EvaluateRequest(request=member.evaluation([bytes(32)]))
        assert (await _refused(hub.Evaluate(garbage)))[0] is grpc.StatusCode.INVALID_ARGUMENT

        registered = member.registration(add=decoys(limits.REGISTRATION_BATCH_TOKENS))
        await hub.Register(registered)
        assert (await _refused(hub.Register(registered)))[1] == "replayed"
        short = member.registration(add=decoys(7))
        assert await _refused(hub.Register(short)) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
        stolen = other.registration(add=decoys(limits.REGISTRATION_BATCH_TOKENS))
        assert (await _refused(hub.Register(stolen)))[1] == "wrong-signature"

        bare = member.check(decoys(1), authorization_digest=b"")
        assert await _refused(hub.SubmitCheck(bare)) == (grpc.StatusCode.INVALID_ARGUMENT, "no-authorization")
        board = member.check(decoys(1), purpose=check_pb2.PURPOSE_CERTIFICATION)
        assert await _refused(hub.SubmitCheck(board)) == (grpc.StatusCode.PERMISSION_DENIED, "purpose-not-allowed")
    reasons = [(entry["event"], entry["detail"]) for entry in federation.audit() if entry["subject"] == member.ori]
    for expected in (
        ("evaluation-refused", "replayed"),
        ("registration-refused", "malformed"),
        ("check-refused", "no-authorization"),
        ("check-refused", "purpose-not-allowed"),
    ):
        assert expected in reasons


async def test_nobody_attaches_without_a_members_certificate(federation: Federation) -> None:
    member = await federation.member("CA9900111")
    stranger_key, stranger = pki.self_signed(pki.HUB_TLS_NAME, now=pki_now(), lifetime=pki.CERTIFICATE_LIFETIME)
    member.tls_key, own_key = stranger_key, member.tls_key
    async with member.channel(certificate=stranger) as channel:
        ping = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        with pytest.raises(aio.AioRpcError) as error:
            await ping
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    member.tls_key = own_key
    async with member.channel() as channel:
        for name in ("", "waypost.v1.HubService"):
            asked = health_pb2.HealthCheckRequest(service=name)
            health = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5)
            assert health.status == health_pb2.HealthCheckResponse.SERVING
        wanted = reflection_pb2.ServerReflectionRequest(list_services="")
        stream = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([wanted]), timeout=5)
        (listed,) = [answer async for answer in stream]
        assert "waypost.v1.HubService" in {each.name for each in listed.list_services_response.service}


def pki_now() -> Any:
    from waypost.crypto.serving import utc_now

    return utc_now()


async def test_a_stream_must_begin_with_a_hello_and_have_only_one(federation: Federation) -> None:
    member = await federation.member("CA9900112")
    async with member.calling() as hub:
        call = hub.Attach()
        await call.write(hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(mail_taken=link_pb2.MailTaken())))
        with pytest.raises(aio.AioRpcError) as error:
            await call.read()
        assert refusal(error) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    async with member.attached() as link:
        await link.send(hello=link_pb2.Hello(protocol=1))
        assert (await link.next("goodbye")).goodbye.reason == "protocol"


async def test_certificates_and_sealing_keys_are_given_out_over_the_link_port(federation: Federation) -> None:
    member = await federation.member("CA9900113")
    async with member.calling() as hub:
        new_key = pki.new_key_pem()
        request = hub_service_pb2.RenewCertificateRequest(csr_pem=pki.make_csr(new_key, "NV9900999"))
        renewed = (await hub.RenewCertificate(request)).certificate_pem
        assert pki.certificate_name(renewed) == member.ori  # whatever name the request bears
        key = await hub.GetSealingKey(hub_service_pb2.GetSealingKeyRequest(ori=member.ori))
        assert key.sealing_public_key == member.sealing.public
        newest = await hub.GetRoster(hub_service_pb2.GetRosterRequest())
    member.take_roster(newest.roster)
    assert member.roster is not None
    assert member.roster.members[member.ori].sealing_key_digest == hashlib.sha256(member.sealing.public).digest()
    member.tls_key, member.certificate = new_key, renewed
    async with member.attached() as link:
        assert (await link.agree([])).agrees


async def test_a_join_code_works_once_and_for_the_invited_agency_alone(federation: Federation) -> None:
    from tests.integration.hub.conftest import Member as Agency

    code = federation.invite("CA9900114")
    guess = JoinCode(**{**_fields(code), "secret": os.urandom(16)})
    newcomer = Agency("CA9900114", federation=federation)
    assert (await _refused(newcomer.join(guess)))[1] == "unknown-invitation"
    assert await _refused(newcomer.join(code)) == (grpc.StatusCode.FAILED_PRECONDITION, "not-admitted")
    federation.admit("CA9900114", "CA9900115")
    impostor = Agency("CA9900115", federation=federation)
    assert (await _refused(impostor.join(code)))[1] == "wrong-sender"
    promoted = newcomer.application(code, role=2)
    assert (await _refused(newcomer.join(code, promoted)))[1] == "wrong-entry"
    await newcomer.join(code)
    thief = Agency("CA9900114", federation=federation)
    federation.admit("CA9900114")
    assert await _refused(thief.join(code)) == (grpc.StatusCode.PERMISSION_DENIED, "used-invitation")


async def test_a_code_is_void_when_it_was_replaced_or_taken_back_and_a_members_needs_a_word(
    federation: Federation,
) -> None:
    from tests.integration.hub.conftest import Member as Agency

    federation.admit("CA9900198")
    first, second = federation.invite("CA9900198"), federation.invite("CA9900198")
    agency = Agency("CA9900198", federation=federation)
    assert (await _refused(agency.join(first)))[1] == "withdrawn-invitation"
    federation.do("waypost-hub", "invitations", "revoke", "CA9900198")
    assert await _refused(agency.join(second)) == (grpc.StatusCode.PERMISSION_DENIED, "withdrawn-invitation")
    again = commands.run("waypost-hub", "invitations", "revoke", "CA9900198", home=federation.hub)
    assert (again.returncode, "no invitation of CA9900198 is open" in again.stderr) == (1, True)
    code = federation.invite("CA9900198")
    assert json.loads(federation.do("waypost-hub", "invitations", "list", "--json"))["ori"] == "CA9900198"
    await agency.join(code)
    assert federation.do("waypost-hub", "invitations", "list") == "No invitation is open.\n"
    asked = ("invite", "CA9900198", "--name", "Agency", "--state", "CA", "--role", "agency")
    refused = commands.run("waypost-hub", *asked, home=federation.hub)
    assert (refused.returncode, "--lost-keys" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("ori", "state", "words"),
    [
        ("OR9903000", "XX", "'XX' is no state or territory"),
        ("OR9903000", "or", "'or' is no state or territory"),
        ("OR9903000", "CA", "is in OR, not in CA"),
        ("NB9903000", "ND", "is in NE, not in ND"),
        ("QQ9903000", "OR", "no ORI begins with QQ"),
    ],
)
def test_an_invitation_names_the_state_that_the_ori_begins_with(
    federation: Federation, ori: str, state: str, words: str
) -> None:
    asked = ("invite", ori, "--name", "Agency", "--state", state, "--role", "agency")
    refused = commands.run("waypost-hub", *asked, home=federation.hub)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert words in refused.stderr


@pytest.mark.parametrize(("ori", "state"), [("NB9903000", "NE"), ("GM9903000", "GU"), ("US9903000", "DC")])
def test_ncics_own_codes_are_understood(federation: Federation, ori: str, state: str) -> None:
    asked = ("invite", ori, "--name", "Agency", "--state", state, "--role", "agency")
    assert "Join code for" in federation.do("waypost-hub", *asked)
    federation.do("waypost-hub", "invitations", "revoke", ori)


async def test_a_member_whose_join_answer_was_lost_asks_again_with_the_same_code(federation: Federation) -> None:
    from tests.integration.hub.conftest import Member as Agency

    federation.admit("CA9900116")
    code = federation.invite("CA9900116")
    member = Agency("CA9900116", federation=federation)
    await member.join(code)
    member.certificate = b""
    await member.join(code)
    async with member.attached() as link:
        assert (await link.agree([])).agrees


async def test_a_member_changes_its_keys_under_the_old_signature_and_not_without_it(federation: Federation) -> None:
    member = await federation.member("CA9900117")
    code = federation.invite("CA9900117", "--lost-keys")
    no_secret = JoinCode(**{**_fields(code), "secret": b""})
    old, member.signing = member.signing, SigningKey.generate()
    assert (await _refused(member.join(no_secret)))[1] == "wrong-signature"
    stranger = member.application(no_secret, SigningKey.generate())
    assert (await _refused(member.join(no_secret, stranger)))[1] == "wrong-signature"
    change = member.application(no_secret, old)
    await member.join(no_secret, change)
    assert member.roster is not None
    assert member.roster.members[member.ori].signing_public_key == member.signing.public
    async with member.calling() as hub:
        await member.tokens(hub, [b"with the new key"])
        member.signing, new = old, member.signing
        with pytest.raises(aio.AioRpcError):
            await member.tokens(hub, [b"with the old key"])
        member.signing = new


def _fields(code: JoinCode) -> dict[str, Any]:
    return {name: getattr(code, name) for name in JoinCode.__dataclass_fields__}


async def test_a_check_signed_for_the_trustee_is_not_taken_for_one_to_the_hub(federation: Federation) -> None:
    member = await federation.member("CA9900118")
    async with member.calling() as hub:
        wrong = member.check(decoys(1), header=member.header(names.TRUSTEE, limits.DAY_MS))
        assert (await _refused(hub.SubmitCheck(wrong)))[1] == "wrong-audience"
        content = index_pb2.Registration(header=member.header(names.HUB, limits.DAY_MS), epoch=1)
        disguised = sign(names.REGISTRATION, content.SerializeToString(), member.signing)
        posing = hub_service_pb2.SubmitCheckRequest(request=disguised)
        assert (await _refused(hub.SubmitCheck(posing)))[1] == "wrong-type"
