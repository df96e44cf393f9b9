"""Facts of compliance at the node: what is signed, what is taken from others, and what status reminds of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from waypost.crypto.envelope import SigningKey, parse_envelope, sign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, header_to_proto, new_header
from waypost.node import stating
from waypost.node.audit import Event
from waypost.node.errors import Refused, SettingsError
from waypost.node.stating import Author
from waypost.node.store import AuditEntry, Store
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.quarters import Quarter
from waypost.protocol.roster import Member, Roster
from waypost.v1 import compliance_pb2, envelope_pb2, roster_pb2

AGENCY, BODY = "CA9900100", "VA9980001"
NOW_MS = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)
QUARTER = Quarter(2026, 3)
KEYS = {AGENCY: SigningKey.from_seed(bytes([1]) * 32), BODY: SigningKey.from_seed(bytes([2]) * 32)}
MINIMUM = (
    compliance_pb2.CREDENTIAL_TOPIC_LAWFUL_USE_OF_FORCE,
    compliance_pb2.CREDENTIAL_TOPIC_CHOKE_HOLDS_PROHIBITED,
)
ROLES = {AGENCY: roster_pb2.ROLE_AGENCY, BODY: roster_pb2.ROLE_CREDENTIALING_BODY}


def member(ori: str) -> Member:
    key = KEYS[ori].public
    return Member(ori, ori, ori[:2], ROLES[ori], roster_pb2.MEMBER_STATUS_ACTIVE, key, bytes(32), 1)


ROSTER = Roster(
    header=Header(bytes(16), "hub", "*", NOW_MS, NOW_MS + limits.DAY_MS),
    version=1,
    members=MappingProxyType({ori: member(ori) for ori in KEYS}),
    **dict.fromkeys(("hub_signing_key", "trustee_signing_key", "hub_index_key", "trustee_index_key"), bytes(32)),
    epoch=1,
    policy_floor="",
    previous_digest=b"",
    payload_digest=bytes(32),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as opened:
        yield opened


def author(ori: str) -> Author:
    return Author(ori, KEYS[ori], ROSTER)


def attest(store: Store, *, nothing: bool = False, period: Quarter = QUARTER) -> None:
    day = date(2026, 11, 24)
    stating.attest(
        *(store, author(AGENCY), period),
        through=day,
        nothing_to_report=nothing,
        by="A. Example, chief",
        now_ms=NOW_MS,
    )


def credential(audience: str = "*", agency: str = AGENCY, key: SigningKey = KEYS[BODY]) -> envelope_pb2.Envelope:
    header = new_header(sender=BODY, audience=audience, now_ms=NOW_MS, lifetime_ms=limits.FACT_LIFETIME_MS)
    content = compliance_pb2.Credential(
        header=header_to_proto(header),
        agency_ori=agency,
        topics=MINIMUM,
        issued_on="2026-11-24",
        expires_on="2027-11-24",
    )
    return sign(names.CREDENTIAL, content.SerializeToString(), key)


def take(store: Store, envelope: envelope_pb2.Envelope, *, now_ms: int = NOW_MS) -> None:
    stating.take_fact(store, envelope, ori=AGENCY, roster=ROSTER, now_ms=now_ms)


def test_an_attestation_and_its_figure_wait_for_the_link_and_are_remembered_as_accepted(store: Store) -> None:
    attest(store)
    waiting = store.outbox.waiting(10)
    assert [parse_envelope(each.envelope).payload_type for each in waiting] == [names.ATTESTATION, names.TIMELINESS]
    store.facts.settle(waiting[0].reference, "")
    assert [each.state for each in store.facts.of_types(names.ATTESTATION)] == ["accepted"]


def test_an_attestation_that_the_hub_refused_does_not_count_and_status_asks_again(store: Store) -> None:
    attest(store)
    store.facts.settle(store.outbox.waiting(1)[0].reference, "expired")
    assert stating.attestation_status(store, date(2026, 11, 24)).startswith("never attested; 2026Q3 is OVERDUE")


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2026, 12, 31), "2026Q3 attested; nothing is due"),
        (date(2027, 1, 1), "2026Q3 attested; 2026Q4 is due by 2027-02-14"),
        (date(2027, 2, 14), "2026Q3 attested; 2026Q4 is due by 2027-02-14"),
        (date(2027, 2, 15), "2026Q3 attested; 2026Q4 is OVERDUE since 2027-02-14"),
    ],
)
def test_status_reminds_when_an_attestation_is_due(store: Store, today: date, words: str) -> None:
    attest(store)
    assert stating.attestation_status(store, today).startswith(words)


@pytest.mark.parametrize(
    ("joined", "words"),
    [
        (date(2026, 9, 30), "never attested; 2026Q3 is OVERDUE since 2026-11-14"),
        (date(2026, 10, 1), "never attested; 2026Q4 is the first due, by 2027-02-14; to count as submitting before: "),
        (date(2026, 11, 26), "never attested; 2026Q4 is the first due, by 2027-02-14; to count as submitting before: "),
    ],
)
def test_an_agency_is_not_overdue_for_a_quarter_that_was_over_when_it_joined(
    store: Store, joined: date, words: str
) -> None:
    at_ms = int(datetime(joined.year, joined.month, joined.day, 12, tzinfo=UTC).timestamp() * 1000)
    store.audit.add(AuditEntry(at_ms, Event.JOINED, "CA9900100"))
    assert stating.attestation_status(store, date(2026, 11, 26)).startswith(words)
    assert stating.attestation_status(store, date(2027, 2, 15)).startswith("never attested; 2026Q4 is OVERDUE")


def test_a_role_signs_only_what_is_its_own(store: Store) -> None:
    content = compliance_pb2.CredentialApplication(body_ori=BODY)
    with pytest.raises(SettingsError, match="is not an agency"):
        stating.state(
            *(store, author(BODY), names.CREDENTIAL_APPLICATION, content), role=roster_pb2.ROLE_AGENCY, now_ms=NOW_MS
        )
    assert store.outbox.count() == 0


def test_what_breaks_a_rule_is_never_signed(store: Store) -> None:
    with pytest.raises(ProtocolError, match="is not over"):
        attest(store, period=Quarter(2026, 4))
    assert (store.outbox.count(), store.facts.of_types(names.ATTESTATION)) == (0, [])


def test_a_credential_about_this_agency_is_kept_once(store: Store) -> None:
    take(store, credential())
    take(store, store_again := credential())
    take(store, store_again)
    assert len(stating.held(store, names.CREDENTIAL)) == 2


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (credential(agency=BODY), "not-addressed"),
        (credential(audience=AGENCY), "wrong-audience"),
        (credential(key=KEYS[AGENCY]), "wrong-signature"),
    ],
)
def test_a_credential_that_is_anothers_or_forged_is_refused(
    store: Store, envelope: envelope_pb2.Envelope, reason: str
) -> None:
    with pytest.raises((Refused, EnvelopeError)) as caught:
        take(store, envelope)
    assert getattr(caught.value, "reason", "") == reason
    assert stating.held(store, names.CREDENTIAL) == []


def test_a_credential_whose_delivery_is_over_is_refused(store: Store) -> None:
    with pytest.raises(EnvelopeError, match="expired"):
        take(store, credential(), now_ms=NOW_MS + limits.FACT_LIFETIME_MS)


def came_in(store: Store, days: list[int]) -> None:
    """Records that became final so many days before they came in, on 2026-08-15."""
    database = store.facts._db
    came_ms = int(datetime(2026, 8, 15, tzinfo=UTC).timestamp() * 1000)
    import_id = store.imports.begin(came_ms)
    officer = database.insert(
        "INSERT INTO officers (officer_key, date_of_birth, digest, person_version, import_id) "
        "VALUES ('S-1', '1980-01-01', x'00', 1, ?)",
        (import_id,),
    )
    for number, delay in enumerate(days):
        final_on = date.fromordinal(date(2026, 8, 15).toordinal() - delay).isoformat()
        record = database.insert(
            "INSERT INTO conduct (record_key, officer_id, version, digest) VALUES (?, ?, 1, x'00')",
            (f"R-{number}", officer),
        )
        values = ("suspension", "", "2026-07-01", "", "", "", 0, "", "", "", "", "", "", final_on, "", "active")
        database.run(
            f"INSERT INTO conduct_versions VALUES (?, 1, ?, {', '.join('?' * len(values))})",
            (record, import_id, *values),
        )


def test_the_figure_of_timeliness_is_two_bands_of_the_records_that_came_in(store: Store) -> None:
    came_in(store, [3] * 12 + [100] * 6 + [400] * 2)
    figure = stating.timeliness(store, QUARTER)
    assert (figure.median, figure.p95) == (compliance_pb2.DELAY_BAND_WEEK, compliance_pb2.DELAY_BAND_LONGER)
    assert stating.timeliness(store, QUARTER.previous).median == compliance_pb2.DELAY_BAND_UNSPECIFIED


def test_too_few_records_give_no_figure(store: Store) -> None:
    came_in(store, [3] * 9)
    assert stating.timeliness(store, QUARTER).median == compliance_pb2.DELAY_BAND_UNSPECIFIED


def test_nothing_to_report_cannot_be_attested_over_records_of_the_period(store: Store) -> None:
    came_in(store, [3])
    with pytest.raises(SettingsError, match="holds 1 records that took effect in 2026Q3"):
        attest(store, nothing=True)
    attest(store, nothing=True, period=QUARTER.previous)
