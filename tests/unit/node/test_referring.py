"""Referrals, rule by rule, between two stores: who may ask, what a release lets out, and whose decision counts."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pytest
from rich.console import Console

from waypost.crypto.envelope import SigningKey, parse_envelope
from waypost.crypto.freshness import Header
from waypost.crypto.sealing import SealingKey
from waypost.node import referring
from waypost.node.applicants import Inquiry
from waypost.node.cli.check import load
from waypost.node.cli.show import show
from waypost.node.due_process import Windows
from waypost.node.duties import Duty
from waypost.node.errors import CheckError, Refused
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.policy import Asker, PolicyEngine
from waypost.node.receiver import Receiver
from waypost.node.records import Appeal, ConductKind, ConductRecord, FairProcess, Hearing, RecordStatus
from waypost.node.results import Result, facts
from waypost.node.ruling import Ruling
from waypost.node.store import ReferralOffer, Store, StoredAnswer, StoredCheck, StoredLetter
from waypost.protocol import floor, limits
from waypost.protocol.roster import Member, Roster
from waypost.v1 import check_pb2, envelope_pb2, roster_pb2

NOW_MS = 1_795_000_000_000
TODAY = date(2026, 11, 24)
ASKER, HOLDER, THIRD = "CA9900100", "NV9900200", "AZ9900300"
KEYS = {ori: SigningKey.generate() for ori in (ASKER, HOLDER, THIRD)}
SEALING = {ori: SealingKey.generate() for ori in KEYS}
CHECK, REFERENCE = bytes(range(16)), bytes(range(16, 32))
INQUIRY = Inquiry(
    Person((PersonName("Thornbury", "Isolde"),), PartialDate.parse("1988")), "hiring", "A", bytes(32), "S"
)
FAIR = FairProcess(
    date(2020, 1, 1), Hearing.HELD, "Chief", date(2020, 2, 1), Appeal.NONE, date(2020, 3, 1), date(2020, 3, 2)
)


def _receiver(ori: str) -> Receiver:
    members = {
        name: Member(
            ori=name,
            name=name,
            state=name[:2],
            role=roster_pb2.ROLE_AGENCY,
            status=roster_pb2.MEMBER_STATUS_ACTIVE,
            signing_public_key=key.public,
            sealing_key_digest=bytes(32),
            key_since_version=1,
        )
        for name, key in KEYS.items()
    }
    roster = Roster(
        header=Header(bytes(16), "hub", "*", NOW_MS, NOW_MS + limits.ROSTER_LIFETIME_MS),
        version=1,
        members=MappingProxyType(members),
        hub_signing_key=bytes(32),
        trustee_signing_key=bytes(32),
        epoch=1,
        hub_index_key=bytes(32),
        trustee_index_key=bytes(32),
        policy_floor="",
        previous_digest=b"",
        payload_digest=bytes(32),
    )
    return Receiver(ori, bytes(32), KEYS[ori], SEALING[ori], roster, None, Windows(), NOW_MS)


@dataclass(frozen=True)
class World:
    asker: Store
    holder: Store

    def request(self, signer: str = ASKER) -> envelope_pb2.Envelope:
        check = self.asker.checks.get(CHECK)
        assert check is not None
        referring.ask(self.asker, check, INQUIRY, HOLDER, contact="Det. Doe, 555-0100", note="call", now_ms=NOW_MS)
        asked = self.asker.referrals.asked(REFERENCE)
        assert asked is not None
        public = SEALING[HOLDER].public
        referring.post_request(self.asker, asked, ori=signer, key=KEYS[signer], public=public, now_ms=NOW_MS)
        return _posted(self.asker)

    def offer(self) -> ReferralOffer:
        offer = self.holder.referrals.offered(REFERENCE)
        assert offer is not None
        return offer

    def decision(self, signer: str = HOLDER, policy: str = "") -> envelope_pb2.Envelope:
        local = (("own.cedar", policy),) if policy else ()
        ruling = Ruling(signer, "NV", PolicyEngine(floor.text(), local), Windows(), TODAY)
        asker = Asker(ASKER, "agency", "CA", "hiring", authorized=True)
        referring.post_decision(
            self.holder,
            self.offer(),
            ruling=ruling,
            asker=asker,
            key=KEYS[signer],
            public=SEALING[ASKER].public,
            now_ms=NOW_MS,
        )
        return _posted(self.holder)

    def decide(self, *, release: bool) -> None:
        referring.decide(self.holder, self.offer(), release=release, staff="DESK-3", reason="spoke", now_ms=NOW_MS)

    def result(self) -> Result:
        return load(self.asker, CHECK)

    def shown(self) -> str:
        written = io.StringIO()
        show(self.result(), {}, Console(file=written, width=300))
        return written.getvalue()

    def candidates(self) -> list[check_pb2.Candidate]:
        (answer,) = self.asker.checks.answers(CHECK)
        return list(check_pb2.AnswerBody.FromString(answer.body).candidates)


def _posted(store: Store) -> envelope_pb2.Envelope:
    message = store.outbox.waiting(10)[-1]
    return parse_envelope(message.envelope)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Store.open(tmp_path / "asker.db", bytes(32)) as asker, Store.open(tmp_path / "holder.db", bytes(32)) as holder:
        asker.checks.add(StoredCheck(CHECK, "answered", INQUIRY.to_json(), 1, 1))
        offered = check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL, referral_reference=REFERENCE)
        body = check_pb2.AnswerBody(candidates=[offered]).SerializeToString()
        asker.checks.add_answer(StoredAnswer(CHECK, HOLDER, body, b"sealed", 1))
        batch = holder.imports.begin(1)
        person = Person((PersonName("Thornbury", "Isolde"),), PartialDate.parse("1988-03-14"))
        officer_id = holder.officers.add([("NV-1", person)], batch)["NV-1"]
        status, kind = RecordStatus.ACTIVE, ConductKind.TERMINATION
        records = [
            ConductRecord(key, 1, kind, None, None, key, None, None, 0, "", facts, status)
            for key, facts in (("FAIR", FAIR), ("UNFAIR", FairProcess()))
        ]
        holder.conduct.put([(officer_id, record) for record in records], batch)
        holder.referrals.offer(ReferralOffer(REFERENCE, CHECK, ASKER, officer_id, "hiring", bytes(32), "HP-BG-07", 1))
        yield World(asker, holder)


def test_a_released_referral_discloses_what_fair_process_and_policy_allow_and_logs_it_first(world: World) -> None:
    referring.take_request(world.holder, world.request(), _receiver(HOLDER))
    world.decide(release=True)
    envelope = world.decision()
    (entry,) = world.holder.disclosures.of_check(CHECK)
    assert [record.record_key for record in entry.records] == ["FAIR"]
    assert entry.asker_reference == "HP-BG-07"
    referring.take_decision(world.asker, envelope, _receiver(ASKER))
    (candidate,) = world.candidates()
    assert candidate.verdict == check_pb2.VERDICT_DISCLOSED
    assert [record.record_key for record in candidate.conduct] == ["FAIR"]
    assert candidate.conduct[0].terms.permitted_purpose == "hiring"


def test_a_refused_referral_tells_why_and_nothing_else(world: World) -> None:
    referring.take_request(world.holder, world.request(), _receiver(HOLDER))
    world.decide(release=False)
    referring.take_decision(world.asker, world.decision(), _receiver(ASKER))
    asked = world.asker.referrals.asked(REFERENCE)
    assert asked is not None
    assert (asked.state, asked.reason) == ("refused", "spoke")
    assert [each.verdict for each in world.candidates()] == [check_pb2.VERDICT_REFERRAL]
    assert list(world.holder.disclosures.of_check(CHECK)) == []


def test_a_policy_that_forbids_the_officer_keeps_a_release_from_disclosing(world: World) -> None:
    referring.take_request(world.holder, world.request(), _receiver(HOLDER))
    world.decide(release=True)
    policy = '@id("own.none") forbid (principal, action, resource is Officer);'
    referring.take_decision(world.asker, world.decision(policy=policy), _receiver(ASKER))
    asked = world.asker.referrals.asked(REFERENCE)
    assert asked is not None
    assert asked.state == "refused"
    assert "own.none" in asked.reason
    assert list(world.holder.disclosures.of_check(CHECK)) == []


def test_a_member_that_was_offered_nothing_cannot_ask_under_anothers_reference(world: World) -> None:
    with pytest.raises(Refused) as refused:
        referring.take_request(world.holder, world.request(signer=THIRD), _receiver(HOLDER))
    assert refused.value.reason == "not-asked"
    assert world.offer().state == "offered"


def test_another_member_cannot_decide_for_the_holder(world: World) -> None:
    referring.take_request(world.holder, world.request(), _receiver(HOLDER))
    world.decide(release=True)
    with pytest.raises(Refused) as refused:
        referring.take_decision(world.asker, world.decision(signer=THIRD), _receiver(ASKER))
    assert refused.value.reason == "not-asked"
    assert [each.verdict for each in world.candidates()] == [check_pb2.VERDICT_REFERRAL]


def test_the_same_request_again_does_not_open_a_decided_referral(world: World) -> None:
    request = world.request()
    referring.take_request(world.holder, request, _receiver(HOLDER))
    world.decide(release=False)
    referring.take_request(world.holder, request, _receiver(HOLDER))
    assert world.offer().state == "refused"


def test_a_referral_is_decided_once_and_only_after_it_was_asked_for(world: World) -> None:
    with pytest.raises(CheckError, match="nothing to decide"):
        world.decide(release=True)
    referring.take_request(world.holder, world.request(), _receiver(HOLDER))
    world.decide(release=False)
    with pytest.raises(CheckError, match="nothing to decide"):
        world.decide(release=True)


def test_a_member_is_asked_once_for_a_referral_and_only_if_it_offered_one(world: World) -> None:
    check = world.asker.checks.get(CHECK)
    assert check is not None
    world.request()
    assert referring.ask(world.asker, check, INQUIRY, HOLDER, contact="x", note="", now_ms=NOW_MS) == 0
    with pytest.raises(CheckError, match="offers no referral"):
        referring.ask(world.asker, check, INQUIRY, THIRD, contact="x", note="", now_ms=NOW_MS)


def test_what_the_asker_writes_about_the_applicant_is_not_on_the_wire_in_the_clear(world: World) -> None:
    wire = world.request().SerializeToString()
    assert b"Thornbury" not in wire
    assert b"555-0100" not in wire


@pytest.mark.parametrize("contact", ["", "x" * (limits.CONTACT_CHARS_MAX + 1), "two\nlines"])
def test_a_contact_that_nobody_could_call_is_refused(world: World, contact: str) -> None:
    check = world.asker.checks.get(CHECK)
    assert check is not None
    with pytest.raises(CheckError, match="a contact has"):
        referring.ask(world.asker, check, INQUIRY, HOLDER, contact=contact, note=os.urandom(4).hex(), now_ms=NOW_MS)


def test_the_check_says_how_to_ask_for_a_referral_and_what_became_of_it(world: World) -> None:
    assert f"referrals request {CHECK.hex()[:8]} {HOLDER}" in world.shown()
    request = world.request()
    assert "its staff has not decided yet" in world.shown()
    referring.take_request(world.holder, request, _receiver(HOLDER))
    world.decide(release=False)
    referring.take_decision(world.asker, world.decision(), _receiver(ASKER))
    assert "its staff refused: spoke" in world.shown()
    assert facts(world.result())["referrals_asked"] == [{"ori": HOLDER, "state": "refused", "reason": "spoke"}]


def test_what_a_referral_releases_after_the_letter_opens_the_duty_to_tell_the_applicant_again(world: World) -> None:
    referring.take_request(world.holder, world.request(), _receiver(HOLDER))
    world.asker.letters.put(StoredLetter(CHECK, 2, "2026-12-08", "BG-07", 3, "BG-07"))
    world.decide(release=True)
    referring.take_decision(world.asker, world.decision(), _receiver(ASKER))
    assert world.result().duty is Duty.OPEN
    assert "its staff" not in world.shown()
