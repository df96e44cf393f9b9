"""Compliance and grants from signed facts: the hand-made table, past days, and what does not count."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.parties.compliance_world import World, noon

from waypost.crypto.envelope import sign
from waypost.hub import grants, schema
from waypost.hub.compliance import Submission
from waypost.hub.credentials import CredentialStanding
from waypost.hub.database import reading
from waypost.hub.evidence import Rosters, read_evidence
from waypost.protocol import names
from waypost.v1 import compliance_pb2, roster_pb2

pytestmark = pytest.mark.xdist_group("compliance-table")  # what they share is made once

TABLE = Path(__file__).parents[2] / "vectors" / "compliance-40-agencies.csv"
TODAY = "2026-11-24"
GOOD_BODY, GONE_BODY = "VA9980001", "VA9980002"
MINIMUM = (
    compliance_pb2.CREDENTIAL_TOPIC_LAWFUL_USE_OF_FORCE,
    compliance_pb2.CREDENTIAL_TOPIC_CHOKE_HOLDS_PROHIBITED,
)


def rows() -> list[dict[str, str]]:
    with TABLE.open() as file:
        return list(csv.DictReader(file))


def attestation(period: str, through: str, *, nothing: bool = False) -> compliance_pb2.Attestation:
    return compliance_pb2.Attestation(
        period=period, submitted_through=through, nothing_to_report=nothing, attested_by="A. Example, chief"
    )


def credential(agency: str, *, issued: str = "2026-01-05", expires: str = "2028-01-05") -> compliance_pb2.Credential:
    return compliance_pb2.Credential(agency_ori=agency, topics=MINIMUM, issued_on=issued, expires_on=expires)


def certify(world: World, body: str, *, day: str = "2026-01-02", to_on: str = "2029-12-31", states: str = "") -> None:
    content = compliance_pb2.BodyCertification(body_ori=body, from_on=day, to_on=to_on, states=states.split())
    world.hub_says(names.BODY_CERTIFICATION, content, day)


def attest_as(world: World, row: dict[str, str]) -> None:
    ori, how = row["ori"], row["attestation"]
    if how != "never":
        world.says(ori, names.ATTESTATION, attestation("2026Q1", "2026-03-31"), "2026-04-10")
    if how in {"attested", "nothing-to-report"}:
        content = attestation("2026Q3", "2026-09-30", nothing=how == "nothing-to-report")
        world.says(ori, names.ATTESTATION, content, "2026-10-12")


def credential_as(world: World, row: dict[str, str]) -> None:
    ori, how = row["ori"], row["credential"]
    if how == "in-process":
        applied = compliance_pb2.CredentialApplication(body_ori=GOOD_BODY)
        digest = world.says(ori, names.CREDENTIAL_APPLICATION, applied, "2026-05-01")
        process = compliance_pb2.CredentialProcess(agency_ori=ori, application_digest=digest, valid_until="2027-05-01")
        world.says(GOOD_BODY, names.CREDENTIAL_PROCESS, process, "2026-05-02")
        return
    body = GONE_BODY if how == "body-not-certified" else GOOD_BODY
    content = credential(ori, expires="2026-10-01" if how == "expired" else "2028-01-05")
    digest = world.says(body, names.CREDENTIAL, content, "2026-01-05")
    if how == "revoked":
        revocation = compliance_pb2.CredentialRevocation(
            agency_ori=ori, credential_digest=digest, reason="policy changed"
        )
        world.says(body, names.CREDENTIAL_REVOCATION, revocation, "2026-10-15")


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The forty agencies of the table, their facts posted on the days on which they were signed."""
    world = World.at(tmp_path_factory.mktemp("forty"))
    for row in rows():
        world.join(row["ori"])
    for body in (GOOD_BODY, GONE_BODY):
        world.join(body, roster_pb2.ROLE_CREDENTIALING_BODY)
    world.publish("2026-01-01")
    for body in (GOOD_BODY, GONE_BODY):
        certify(world, body)
    for row in rows():
        attest_as(world, row)
        credential_as(world, row)
        world.compared(row["ori"], "2026-09-01")
        world.compared(row["ori"], "2026-11-23", agreed=row["index"] == "current")
    world.sign_days(TODAY)
    withdrawal = compliance_pb2.BodyWithdrawal(body_ori=GONE_BODY, reason="reviews were not independent")
    world.hub_says(names.BODY_WITHDRAWAL, withdrawal, "2026-11-01")
    return world


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['attestation']}-{row['index']}-{row['credential']}")
def test_every_agency_of_the_hand_made_table_stands_as_the_table_says(forty: World, row: dict[str, str]) -> None:
    decision = forty.decide(TODAY)[row["ori"]]
    standing = decision.standing
    assert standing.attested.submission.value == row["attestation"]
    assert standing.credential.standing.value == row["credential"]
    assert ("yes" if standing.submits else "no") == row["submits"]
    assert ("yes" if decision.eligible else "no") == row["eligible"]
    assert "; ".join(f"{reason.clause} {reason.word}" for reason in decision.reasons) == row["reasons"]


def test_totals_of_the_table_are_those_counted_by_hand(forty: World) -> None:
    decisions = list(forty.decide(TODAY).values())
    total = grants.whole(decisions)
    assert (total.agencies, total.submitting, total.credentialed, total.in_process, total.eligible) == (40, 10, 8, 8, 4)
    assert [each.group for each in grants.by_state(decisions)] == ["CA"]


def test_a_past_day_is_answered_as_it_was_then_whatever_came_later(forty: World) -> None:
    september = forty.decide("2026-09-01")
    standings = {row["credential"]: september[row["ori"]].standing.credential.standing for row in rows()}
    assert standings == {
        "credentialed": CredentialStanding.CREDENTIALED,
        "in-process": CredentialStanding.IN_PROCESS,
        "expired": CredentialStanding.CREDENTIALED,
        "revoked": CredentialStanding.CREDENTIALED,
        "body-not-certified": CredentialStanding.CREDENTIALED,
    }
    july = forty.decide("2026-07-01")
    assert {july[row["ori"]].standing.attested.submission for row in rows() if row["attestation"] == "late"} == {
        Submission.ATTESTED
    }


def test_changes_name_who_ceased_to_be_eligible_and_why(forty: World) -> None:
    before, after = forty.decide("2026-09-01").values(), forty.decide(TODAY).values()
    found = grants.changes(before, after)
    assert [change.eligible for change in found] == [True] * 4  # in September nobody had attested the second quarter
    back = grants.changes(after, before)
    assert {change.reasons for change in back} == {("attestation-late",)}


def test_a_changed_row_in_the_hubs_database_does_not_count_and_is_told(world: World) -> None:
    forged = sign(names.ATTESTATION, b"not what was signed", world.keys["CA9900100"])
    world.says("CA9900100", names.ATTESTATION, attestation("2026Q3", "2026-09-30"), "2026-10-12")
    assert world.assess(TODAY)[0]["CA9900100"].attested.submission is Submission.ATTESTED
    with world.engine.begin() as connection:
        connection.execute(update(schema.facts).values(envelope=forged.SerializeToString()))
    standings, broken = world.assess(TODAY)
    assert standings["CA9900100"].attested.submission is Submission.NEVER
    assert [each.author for each in broken] == ["CA9900100"]


def test_a_fact_signed_under_an_earlier_key_still_counts_after_the_key_changed(world: World) -> None:
    world.says("CA9900100", names.ATTESTATION, attestation("2026Q3", "2026-09-30"), "2026-10-12")
    world.join("CA9900100")
    world.publish("2026-10-20")
    standings, broken = world.assess(TODAY)
    assert (standings["CA9900100"].attested.submission, broken) == (Submission.ATTESTED, [])


def test_an_attestation_that_came_late_counts_from_the_day_it_came_and_says_so(world: World) -> None:
    world.says("CA9900100", names.ATTESTATION, attestation("2026Q3", "2026-09-30"), "2026-11-20")
    assert world.assess("2026-11-19")[0]["CA9900100"].attested.submission is Submission.NEVER
    attested = world.assess(TODAY)[0]["CA9900100"].attested
    assert (attested.submission, attested.days_late) == (Submission.ATTESTED, 6)


def test_an_attestation_dated_back_counts_from_when_the_hub_took_it(world: World) -> None:
    old = world.signed("CA9900100", names.ATTESTATION, attestation("2026Q3", "2026-09-30"), "2026-11-01")
    world.post("CA9900100", old, "2026-11-20")
    assert world.assess(TODAY)[0]["CA9900100"].attested.days_late == 6


def test_a_member_of_a_later_roster_is_not_in_a_past_days_table(world: World) -> None:
    world.join("CA9900300")
    world.publish("2026-10-20")
    assert "CA9900300" not in world.assess("2026-10-19")[0]
    assert "CA9900300" in world.assess("2026-10-20")[0]


def test_a_body_certified_for_other_states_does_not_make_its_credentials_count(world: World) -> None:
    certify(world, GOOD_BODY, states="NV OR")
    world.says(GOOD_BODY, names.CREDENTIAL, credential("CA9900100"), "2026-02-01")
    standing = world.assess(TODAY)[0]["CA9900100"].credential
    assert standing.standing is CredentialStanding.BODY_NOT_CERTIFIED
    certify(world, GOOD_BODY, day="2026-03-01", states="CA")
    assert world.assess(TODAY)[0]["CA9900100"].credential.standing is CredentialStanding.CREDENTIALED
    assert world.assess("2026-02-15")[0]["CA9900100"].credential.standing is CredentialStanding.BODY_NOT_CERTIFIED


def test_an_application_that_the_body_did_not_confirm_is_no_process(world: World) -> None:
    certify(world, GOOD_BODY)
    applied = compliance_pb2.CredentialApplication(body_ori=GOOD_BODY)
    world.says("CA9900100", names.CREDENTIAL_APPLICATION, applied, "2026-05-01")
    assert world.assess(TODAY)[0]["CA9900100"].credential.standing is CredentialStanding.NONE


def test_a_revoked_agency_is_not_saved_by_the_application_that_led_to_its_credential(world: World) -> None:
    certify(world, GOOD_BODY)
    credential_as(world, {"ori": "CA9900100", "credential": "in-process"})
    content = credential("CA9900100", issued="2026-06-01", expires="2027-06-01")
    digest = world.says(GOOD_BODY, names.CREDENTIAL, content, "2026-06-01")
    assert world.assess(TODAY)[0]["CA9900100"].credential.standing is CredentialStanding.CREDENTIALED
    revocation = compliance_pb2.CredentialRevocation(
        agency_ori="CA9900100", credential_digest=digest, reason="policy changed"
    )
    world.says(GOOD_BODY, names.CREDENTIAL_REVOCATION, revocation, "2026-07-01")
    assert world.assess(TODAY)[0]["CA9900100"].credential.standing is CredentialStanding.REVOKED


def test_deadlines_show_what_ends_or_falls_due_within_a_quarter(world: World) -> None:
    certify(world, GOOD_BODY, to_on="2026-12-31")
    world.says(GOOD_BODY, names.CREDENTIAL, credential("CA9900100", expires="2026-12-01"), "2026-02-01")
    day = date(2026, 11, 10)
    with world.engine.begin() as connection:
        evidence, _ = read_evidence(Rosters(connection, world.hub.public, world.trustee.public), day)
    found = grants.deadlines(evidence, world.decide("2026-11-10").values(), day)
    assert [(each.on.isoformat(), each.subject, each.count) for each in found] == [
        ("2026-11-14", "", 2),
        ("2026-12-01", "CA9900100", 1),
        ("2026-12-31", GOOD_BODY, 1),
    ]


def test_size_and_locale_make_the_report_of_section_2d(world: World) -> None:
    certify(world, GOOD_BODY)
    world.says(GOOD_BODY, names.CREDENTIAL, credential("CA9900100"), "2026-02-01")
    described = {"CA9900100": (120, compliance_pb2.LOCALE_URBAN), "NV9900200": (7, compliance_pb2.LOCALE_RURAL)}
    for ori, (officers, locale) in described.items():
        content = compliance_pb2.MemberDescription(ori=ori, officers=officers, locale=locale)
        world.hub_says(names.MEMBER_DESCRIPTION, content, "2026-02-01")
    report = grants.access(world.decide(TODAY).values())
    assert [(each.group, each.agencies, each.credentialed) for each in report] == [
        ("0-9, rural", 1, 0),
        ("100-249, urban", 1, 1),
    ]


@pytest.mark.parametrize(("joined", "silent"), [("2026-11-17", True), ("2026-11-18", False), (TODAY, False)])
def test_rule_6_a_member_for_less_than_a_week_is_not_silent(world: World, joined: str, silent: bool) -> None:
    with world.engine.begin() as connection:
        connection.execute(update(schema.members).values(joined_at_ms=noon(joined)))
    assert {each.silent for each in world.assess(TODAY)[0].values()} == {silent}


def test_share_of_comparisons_and_silence_come_from_the_hubs_signed_days(world: World) -> None:
    world.compared("CA9900100", "2026-11-22")
    world.compared("CA9900100", "2026-11-23", agreed=False)
    world.sign_days("2026-11-23")
    world.sign_days(TODAY)
    one, other = (world.assess(TODAY)[0][ori] for ori in ("CA9900100", "NV9900200"))
    assert (one.index.agreed, one.index.compared, one.index_current, one.silent) == (1, 2, True, False)
    assert (other.index.compared, other.index_current, other.silent) == (0, False, True)


def test_a_day_that_was_signed_after_its_end_is_never_signed_again(world: World) -> None:
    world.compared("CA9900100", "2026-11-23")
    world.sign_days(TODAY)
    world.compared("NV9900200", "2026-11-23", agreed=False)  # a replica whose clock is slow
    world.sign_days(TODAY)
    standings = world.assess(TODAY)[0]
    assert (standings["CA9900100"].index.agreed, standings["NV9900200"].index.compared) == (1, 0)


def test_whoever_computes_compliance_does_not_keep_the_hub_from_writing(world: World) -> None:
    with reading(world.engine) as connection:
        before, _ = read_evidence(Rosters(connection, world.hub.public, world.trustee.public), date(2026, 11, 24))
        certify(world, GOOD_BODY)  # another connection writes, without waiting
        after, _ = read_evidence(Rosters(connection, world.hub.public, world.trustee.public), date(2026, 11, 24))
        assert after == before
    assert world.assess(TODAY)


def test_a_fact_is_not_verified_under_a_key_that_came_later(world: World) -> None:
    world.says("CA9900100", names.ATTESTATION, attestation("2026Q3", "2026-09-30"), "2026-10-12")
    world.join("CA9900100")
    world.publish("2026-10-20")
    later = world.signed(
        "CA9900100", names.ATTESTATION, attestation("2026Q3", "2026-09-30", nothing=True), "2026-10-12"
    )
    with world.engine.begin() as connection:  # whoever can write the hub's database has the key that is in force now
        connection.execute(update(schema.facts).values(envelope=later.SerializeToString()))
    standings, broken = world.assess(TODAY)
    assert (standings["CA9900100"].attested.submission, len(broken)) == (Submission.NEVER, 1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two agencies and two bodies."""
    world = World.at(tmp_path)
    for ori in ("CA9900100", "NV9900200"):
        world.join(ori)
    for body in (GOOD_BODY, GONE_BODY):
        world.join(body, roster_pb2.ROLE_CREDENTIALING_BODY)
    world.publish("2026-01-01")
    return world
