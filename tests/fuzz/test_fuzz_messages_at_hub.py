"""What hub and trustee are sent, signed by the member that sends it: taken, or refused in a word; nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from tests.fuzz.spoiling import spoiled, spoiled_bytes
from tests.parties.hub_world import ASKER, BODY, EPOCH, HOLDER, POST, HubWorld

from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.hub import invitations, members, posts, registering, routing, schema
from waypost.hub.errors import Refused
from waypost.hub.posted import Posted
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.facts import parse_fact
from waypost.trustee import errors as trustee_errors
from waypost.trustee.evaluating import admit
from waypost.trustee.store import Store
from waypost.v1 import (
    check_pb2,
    compliance_pb2,
    index_pb2,
    log_pb2,
    notice_pb2,
    referral_pb2,
    roster_pb2,
    round_pb2,
    watch_pb2,
)

FUZZED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TOKEN = b"t" * limits.TOKEN_BYTES
TOKENS = [bytes([number % 256, number // 256]).ljust(16, b".") for number in range(limits.REGISTRATION_BATCH_TOKENS)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubWorld]:
    made = HubWorld(tmp_path_factory.mktemp("hub"))
    made.register(HOLDER, [TOKEN])
    yield made
    made.close()


def with_header(world: HubWorld, message: Message, sender: str, audience: str) -> Message:
    header = new_header(sender=sender, audience=audience, now_ms=world.now_ms, lifetime_ms=5 * limits.MINUTE_MS)
    message.MergeFrom(type(message)(header=header_to_proto(header)))
    return message


def forget_rates(world: HubWorld) -> None:
    world.do(lambda connection: connection.execute(delete(schema.check_counts)))


@FUZZED
@given(st.data())
def test_checks(world: HubWorld, data: st.DataObject) -> None:
    asked = world.ask([TOKEN])
    payload = data.draw(spoiled_bytes(asked.content) | st.just(asked.envelope.payload))
    asked.envelope.CopyFrom(world.signed(ASKER, names.CHECK_REQUEST, payload))
    openings = [check_pb2.TokenOpening(slot=o.slot, salt=o.salt, token=o.token) for o in asked.openings]
    if data.draw(st.booleans()):
        openings[5] = data.draw(spoiled(openings[5]))
    roster = world.roster()
    forget_rates(world)
    with suppress(Refused):
        check = routing.open_check(asked.envelope, openings, caller=ASKER, roster=roster, now_ms=world.now_ms)
        world.do(
            lambda connection: routing.accept_check(
                connection, check, roster=roster, coverages=world.coverages, key=world.hub, now_ms=world.now_ms
            )
        )


@FUZZED
@given(st.data())
def test_registrations(world: HubWorld, data: st.DataObject) -> None:
    good = index_pb2.Registration(epoch=EPOCH, add=TOKENS, withdraw=TOKENS[:3])
    payload = data.draw(spoiled_bytes(with_header(world, good, HOLDER, names.HUB)))
    envelope = world.signed(HOLDER, names.REGISTRATION, payload)
    with suppress(Refused):
        posted = Posted(HOLDER, world.roster(), world.hub, world.now_ms)
        world.do(lambda connection: registering.accept(connection, envelope, posted))


def _quarter() -> compliance_pb2.Attestation:
    return compliance_pb2.Attestation(period="2026Q3", submitted_through="2026-09-30", attested_by="A. Example, chief")


GOOD: dict[str, tuple[Message, str, str]] = {
    names.ANSWER: (check_pb2.Answer(check_id=bytes(16), request_digest=bytes(32), sealed_body=b"x"), HOLDER, ASKER),
    names.CHECK_REQUEST: (check_pb2.CheckRequest(epoch=EPOCH, commitments=[bytes(32)]), ASKER, names.HUB),
    names.DISCLOSURE_HEAD: (log_pb2.DisclosureHead(), HOLDER, names.HUB),
    names.WATCH_REGISTRATION: (watch_pb2.WatchRegistration(epoch=EPOCH, add=TOKENS), HOLDER, names.HUB),
    names.NOTICE: (notice_pb2.Notice(sealed_body=bytes(99)), HOLDER, ASKER),
    names.NOTICE_TAKEN: (notice_pb2.NoticeTaken(notice_id=bytes(16)), ASKER, HOLDER),
    names.REFERRAL_REQUEST: (referral_pb2.ReferralRequest(sealed_body=bytes(99)), ASKER, HOLDER),
    names.REFERRAL_DECISION: (referral_pb2.ReferralDecision(sealed_body=bytes(99)), HOLDER, ASKER),
    names.ROUND_ANSWER: (round_pb2.RoundAnswer(round_id=bytes(16), round_digest=bytes(32)), HOLDER, names.HUB),
    names.ATTESTATION: (_quarter(), HOLDER, "*"),
    names.TIMELINESS: (
        compliance_pb2.Timeliness(
            period="2026Q3", median=compliance_pb2.DELAY_BAND_WEEK, p95=compliance_pb2.DELAY_BAND_YEAR
        ),
        HOLDER,
        "*",
    ),
    names.CREDENTIAL_APPLICATION: (compliance_pb2.CredentialApplication(body_ori=BODY), HOLDER, "*"),
    names.CREDENTIAL_PROCESS: (
        compliance_pb2.CredentialProcess(agency_ori=HOLDER, application_digest=bytes(32), valid_until="2027-10-01"),
        BODY,
        "*",
    ),
    names.CREDENTIAL: (
        compliance_pb2.Credential(
            agency_ori=HOLDER,
            topics=[compliance_pb2.CredentialTopic.ValueType(topic) for topic in (1, 2)],
            issued_on="2026-10-12",
            expires_on="2028-10-12",
        ),
        BODY,
        "*",
    ),
    names.CREDENTIAL_REVOCATION: (
        compliance_pb2.CredentialRevocation(agency_ori=HOLDER, credential_digest=bytes(32), reason="it is over"),
        BODY,
        "*",
    ),
}


def test_every_kind_of_post_is_spoiled_here() -> None:
    assert GOOD.keys() == posts.HANDLERS.keys()


@pytest.mark.parametrize("kind", sorted(GOOD))
@FUZZED
@given(st.data())
def test_posts(world: HubWorld, kind: str, data: st.DataObject) -> None:
    good, sender, audience = GOOD[kind]
    fresh = with_header(world, type(good).FromString(good.SerializeToString()), sender, audience)
    payload = data.draw(spoiled_bytes(fresh) | st.binary(max_size=60))
    envelope = world.signed(sender, kind, payload)
    with suppress(Refused):
        posted = Posted(sender, world.roster(), world.hub, world.now_ms)
        world.do(lambda connection: list(posts.accept(connection, envelope, posted)))


@pytest.mark.parametrize("kind", sorted(kind for kind in GOOD if GOOD[kind][2] == "*"))
@FUZZED
@given(st.data())
def test_facts(world: HubWorld, kind: str, data: st.DataObject) -> None:
    """Whoever computes compliance reads them again, years later."""
    good, sender, audience = GOOD[kind]
    fresh = with_header(world, type(good).FromString(good.SerializeToString()), sender, audience)
    with suppress(ProtocolError, EnvelopeError):
        parse_fact(kind, data.draw(spoiled_bytes(fresh)))


@FUZZED
@given(st.data())
def test_applications(world: HubWorld, data: st.DataObject) -> None:
    good = roster_pb2.JoinApplication(
        ori="TX9900500",
        name="Newcomer PD",
        state="TX",
        role=roster_pb2.ROLE_AGENCY,
        signing_public_key=world.keys[POST].public,
        sealing_public_key=bytes(1216),
        invitation_digest=bytes(32),
    )
    payload = data.draw(spoiled_bytes(with_header(world, good, "TX9900500", names.HUB)))
    envelope = world.signed(POST, names.JOIN_APPLICATION, payload)
    invitation = invitations.Invitation("TX9900500", "Newcomer PD", "TX", roster_pb2.ROLE_AGENCY)
    with suppress(Refused):
        members.open_application(envelope, bytes(32), invitation, world.now_ms)


@pytest.fixture(scope="module")
def trustee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("trustee") / "trustee.db"
    store = Store(path, create=True)
    yield store
    store.close()


@FUZZED
@given(st.data())
def test_evaluation_requests(world: HubWorld, trustee: Store, data: st.DataObject) -> None:
    good = index_pb2.EvaluationRequest(
        epoch=EPOCH, purpose=index_pb2.EVALUATION_PURPOSE_REGISTRATION, blinded_elements=[os.urandom(32)]
    )
    payload = data.draw(spoiled_bytes(with_header(world, good, HOLDER, names.TRUSTEE)))
    envelope = world.signed(HOLDER, names.EVALUATION_REQUEST, payload)
    with suppress(trustee_errors.Refused), trustee.transaction():
        admit(envelope, roster=world.roster(), store=trustee, now_ms=world.now_ms)


def test_what_is_not_spoiled_is_taken(world: HubWorld, trustee: Store) -> None:
    """Otherwise the tests above would see refusals alone."""
    forget_rates(world)
    assert world.submit(world.ask([TOKEN])).responses[0].ori == HOLDER
    good = with_header(world, index_pb2.Registration(epoch=EPOCH, add=TOKENS), HOLDER, names.HUB)
    envelope = world.signed(HOLDER, names.REGISTRATION, good.SerializeToString())
    posted = Posted(HOLDER, world.roster(), world.hub, world.now_ms)
    assert world.do(lambda connection: registering.accept(connection, envelope, posted)) == frozenset()
    for kind, (fact, sender, audience) in GOOD.items():
        if audience == "*":
            fresh = with_header(world, type(fact).FromString(fact.SerializeToString()), sender, audience)
            assert parse_fact(kind, fresh.SerializeToString())
    request = index_pb2.EvaluationRequest(
        epoch=EPOCH, purpose=index_pb2.EVALUATION_PURPOSE_REGISTRATION, blinded_elements=[bytes(32)]
    )
    payload = with_header(world, request, HOLDER, names.TRUSTEE).SerializeToString()
    signed = world.signed(HOLDER, names.EVALUATION_REQUEST, payload)
    with trustee.transaction():
        assert admit(signed, roster=world.roster(), store=trustee, now_ms=world.now_ms).ori == HOLDER
