"""Facts of compliance at the hub: lawful ones are kept and passed on; each attack changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.message import Message
from sqlalchemy import func, select
from tests.parties.compliance_world import World

from waypost.hub import facts, mailbox, schema
from waypost.hub.errors import Refused
from waypost.protocol import names
from waypost.v1 import compliance_pb2, roster_pb2

AGENCY, OTHER, BODY, RIVAL = "CA9900100", "NV9900200", "VA9980001", "VA9980002"
DAY = "2026-10-12"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.at(tmp_path)
    for ori in (AGENCY, OTHER):
        world.join(ori)
    for body in (BODY, RIVAL):
        world.join(body, roster_pb2.ROLE_CREDENTIALING_BODY)
    world.publish("2026-10-01")
    return world


def attestation(period: str = "2026Q3", through: str = "2026-09-30") -> compliance_pb2.Attestation:
    return compliance_pb2.Attestation(period=period, submitted_through=through, attested_by="A. Example, chief")


def credential(topics: tuple[int, ...] = (1, 2), expires: str = "2028-10-12") -> compliance_pb2.Credential:
    numbers = [compliance_pb2.CredentialTopic.ValueType(topic) for topic in topics]
    return compliance_pb2.Credential(agency_ori=AGENCY, topics=numbers, issued_on=DAY, expires_on=expires)


def held(world: World) -> int:
    with world.engine.begin() as connection:
        return connection.scalar(select(func.count()).select_from(schema.facts)) or 0


def mail(world: World, ori: str) -> int:
    with world.engine.begin() as connection:
        return mailbox.count_waiting(connection, ori)


def refused(world: World, ori: str, kind: str, content: Message, *, day: str = DAY, posted_on: str = "") -> str:
    with pytest.raises(Refused) as caught:
        world.post(ori, world.signed(ori, kind, content, day), posted_on or day)
    assert held(world) == 0
    return caught.value.reason


def test_a_credential_is_kept_and_mailed_to_the_agency(world: World) -> None:
    envelope = world.signed(BODY, names.CREDENTIAL, credential(), DAY)
    assert world.post(BODY, envelope, DAY) == (AGENCY,)
    assert (held(world), mail(world, AGENCY)) == (1, 1)


def test_an_application_is_mailed_to_the_body(world: World) -> None:
    content = compliance_pb2.CredentialApplication(body_ori=BODY)
    assert world.post(AGENCY, world.signed(AGENCY, names.CREDENTIAL_APPLICATION, content, DAY), DAY) == (BODY,)


def test_the_same_fact_again_is_accepted_again_and_kept_once(world: World) -> None:
    envelope = world.signed(BODY, names.CREDENTIAL, credential(), DAY)
    world.post(BODY, envelope, DAY)
    assert world.post(BODY, envelope, DAY) == ()
    assert (held(world), mail(world, AGENCY)) == (1, 1)


def test_an_agency_cannot_credential_itself(world: World) -> None:
    assert refused(world, AGENCY, names.CREDENTIAL, credential()) == "role-not-allowed"


def test_a_body_cannot_attest(world: World) -> None:
    assert refused(world, BODY, names.ATTESTATION, attestation()) == "role-not-allowed"


def test_a_body_cannot_be_certified_by_a_member(world: World) -> None:
    content = compliance_pb2.BodyCertification(body_ori=BODY, from_on="2026-01-01", to_on="2030-01-01")
    assert refused(world, BODY, names.BODY_CERTIFICATION, content) == "wrong-type"


def test_one_members_attestation_cannot_be_posted_by_another(world: World) -> None:
    envelope = world.signed(AGENCY, names.ATTESTATION, attestation(), DAY)
    with pytest.raises(Refused, match="signatures"):
        world.post(OTHER, envelope, DAY)
    assert held(world) == 0


def test_an_altered_attestation_is_refused(world: World) -> None:
    envelope = world.signed(AGENCY, names.ATTESTATION, attestation(), DAY)
    envelope.payload = envelope.payload.replace(b"2026Q3", b"2026Q2")
    with pytest.raises(Refused, match="signatures"):
        world.post(AGENCY, envelope, DAY)
    assert held(world) == 0


def test_an_attestation_older_than_its_life_is_refused(world: World) -> None:
    content = attestation("2026Q2", "2026-06-30")
    assert refused(world, AGENCY, names.ATTESTATION, content, day="2026-07-01", posted_on="2026-10-12") == "expired"


def test_a_quarter_that_is_not_over_cannot_be_attested(world: World) -> None:
    assert refused(world, AGENCY, names.ATTESTATION, attestation("2026Q4", "2026-12-31")) == "too-early"


@pytest.mark.parametrize("through", ["2026-09-29", "2026-10-13", "September 2026", ""])
def test_an_attestation_covers_its_quarter_and_nothing_to_come(world: World, through: str) -> None:
    assert refused(world, AGENCY, names.ATTESTATION, attestation(through=through)) == "malformed"


@pytest.mark.parametrize("topics", [(), (1,), (2, 3), (3, 4, 5)])
def test_a_credential_without_both_minimum_topics_is_refused(world: World, topics: tuple[int, ...]) -> None:
    assert refused(world, BODY, names.CREDENTIAL, credential(topics)) == "minimum-topics"


@pytest.mark.parametrize("topics", [(0, 1, 2), (1, 2, 9), (2, 1), (1, 1, 2)])
def test_a_credential_of_unknown_or_repeated_topics_is_refused(world: World, topics: tuple[int, ...]) -> None:
    assert refused(world, BODY, names.CREDENTIAL, credential(topics)) == "malformed"


@pytest.mark.parametrize("expires", [DAY, "2026-01-01", "2031-10-14", "9999-12-31"])
def test_a_credential_lives_five_years_at_most(world: World, expires: str) -> None:
    assert refused(world, BODY, names.CREDENTIAL, credential(expires=expires)) == "malformed"


def test_a_credential_of_a_member_that_is_no_agency_is_refused(world: World) -> None:
    content = credential()
    content.agency_ori = RIVAL
    assert refused(world, BODY, names.CREDENTIAL, content) == "wrong-subject"


def test_a_process_without_the_agencys_application_is_refused(world: World) -> None:
    content = compliance_pb2.CredentialProcess(
        agency_ori=AGENCY, application_digest=bytes(32), valid_until="2027-10-12"
    )
    assert refused(world, BODY, names.CREDENTIAL_PROCESS, content) == "no-such-fact"


def test_an_application_to_one_body_cannot_be_confirmed_by_another(world: World) -> None:
    applied = compliance_pb2.CredentialApplication(body_ori=BODY)
    digest = world.says(AGENCY, names.CREDENTIAL_APPLICATION, applied, DAY)
    content = compliance_pb2.CredentialProcess(agency_ori=AGENCY, application_digest=digest, valid_until="2027-10-12")
    with pytest.raises(Refused, match="of others"):
        world.says(RIVAL, names.CREDENTIAL_PROCESS, content, DAY)
    assert held(world) == 1


def test_a_rival_body_cannot_revoke_a_credential(world: World) -> None:
    digest = world.says(BODY, names.CREDENTIAL, credential(), DAY)
    content = compliance_pb2.CredentialRevocation(agency_ori=AGENCY, credential_digest=digest, reason="rivalry")
    with pytest.raises(Refused, match="of others"):
        world.says(RIVAL, names.CREDENTIAL_REVOCATION, content, DAY)
    assert held(world) == 1


def test_a_suspended_member_states_nothing(world: World) -> None:
    from waypost.hub import members

    with world.engine.begin() as connection:
        members.set_status(connection, AGENCY, roster_pb2.MEMBER_STATUS_SUSPENDED)
    world.publish("2026-10-02")
    assert refused(world, AGENCY, names.ATTESTATION, attestation()) == "suspended"


def test_a_member_that_floods_the_hub_with_facts_is_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "FACTS_PER_DAY_MAX", 3)
    for _ in range(3):
        world.says(AGENCY, names.ATTESTATION, attestation(), DAY)
    with pytest.raises(Refused, match="at most 3"):
        world.says(AGENCY, names.ATTESTATION, attestation(), DAY)
    world.says(AGENCY, names.ATTESTATION, attestation(), "2026-10-14")
    assert held(world) == 4
