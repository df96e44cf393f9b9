"""Whoever was told of an officer hears when his names, numbers or employments change; and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.parties.duty_world import ASKER, JOB, NOW_MS, OWNER, PERSON, RECORD, TODAY, World

from waypost.crypto.envelope import sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, seal
from waypost.node import changing, details, messages, retention
from waypost.node.custody.merging import merge, split
from waypost.node.errors import Refused
from waypost.node.persons import Identifier, Person, PersonName
from waypost.node.records import Employment, SeparationKind
from waypost.node.results import facts, result_of
from waypost.node.retention import Rules
from waypost.node.selffile import Custodian, accounting
from waypost.node.store import OfficerEmployment
from waypost.protocol import limits, names
from waypost.v1 import envelope_pb2, notice_pb2

LEFT = replace(JOB, separated_on=TODAY, separation_kind=SeparationKind.RESIGNED)
FIRED = replace(LEFT, separation_kind=SeparationKind.TERMINATED_FOR_CAUSE)
MARRIED = replace(PERSON, names=(PersonName("Whitfield", "Kathryn", "Anne"), *PERSON.names))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.owner.store.employment.put([OfficerEmployment(made.officer_id, LEFT)], 1)
    yield made
    made.close()


def _put(world: World, employment: Employment) -> None:
    world.owner.store.employment.put([OfficerEmployment(world.officer_id, employment)], 1)


def _change(world: World, person: Person) -> None:
    world.owner.store.officers.change([(world.officer_id, person)], 1)


def _owed(world: World) -> list[tuple[str, str]]:
    return [(each.subject, each.state) for each in world.owner.store.notices.owed()]


def _now(world: World, check_id: bytes) -> Any:
    store = world.asker.store
    check = store.checks.get(check_id)
    assert check is not None
    (candidate,) = facts(result_of(check, store.checks.answers(check_id), store.notices.standing_of(OWNER)))[
        "candidates"
    ]
    return candidate["now"]


def test_an_asker_hears_that_an_officer_did_not_leave_as_it_had_been_told(world: World) -> None:
    check_id = world.ask()
    assert _now(world, check_id) is None
    _put(world, FIRED)
    world.tell()
    now = _now(world, check_id)
    assert now["standing"] == "stands"
    assert [entry["separation"] for entry in now["employments"]] == ["terminated for cause"]
    gone, new = now["differences"]
    assert gone.startswith("no longer: employment ")
    assert gone.endswith("resigned")
    assert new.endswith("terminated for cause")
    assert _owed(world) == [("officer K-1", "delivered")]


def test_an_asker_hears_of_a_new_name_a_new_number_and_an_employment_of_before(world: World) -> None:
    check_id = world.ask()
    number = Identifier("cert", "NV", "P-1")
    _change(world, replace(MARRIED, identifiers=(number,)))
    _put(world, Employment("NV9900200", "Officer", True, date(2000, 1, 11)))
    world.tell()
    words = _now(world, check_id)["differences"]
    assert "now: name Kathryn Anne Whitfield (legal)" in words
    assert "now: number cert NV P-1" in words
    assert any("NV9900200 2000-" in each for each in words)


def test_a_promotion_and_capitals_are_no_change(world: World) -> None:
    world.ask()
    _put(world, replace(LEFT, rank="Sergeant"))
    (name,) = PERSON.names
    _change(world, replace(PERSON, names=(replace(name, family=name.family.upper()),)))
    world.tell()
    assert _owed(world) == []


def test_what_was_mended_before_anybody_was_told_is_no_change(world: World) -> None:
    world.ask()
    _put(world, FIRED)
    _put(world, LEFT)
    world.tell()
    assert _owed(world) == []


def test_a_member_that_was_told_nothing_of_an_officer_is_not_told_that_he_changed(world: World) -> None:
    world.owner.local = (("a.cedar", '@id("nv.all") forbid (principal, action, resource is Officer);'),)
    world.ask()
    _put(world, FIRED)
    world.tell()
    assert _owed(world) == []
    custodian = Custodian(OWNER, "", {})
    assert [each["verdict"] for each in accounting(world.owner.store, world.officer_id, custodian)] == [
        "nothing was disclosed, for policy forbids it"
    ]


def test_a_change_between_two_checks_is_told_for_the_first_of_them(world: World) -> None:
    first = world.ask()
    _put(world, FIRED)
    second = world.ask()
    world.tell()
    assert _now(world, first)["differences"]
    assert _now(world, second) is None
    assert _owed(world) == [("officer K-1", "delivered")]


def test_each_later_change_is_told_again_and_counts_up(world: World) -> None:
    check_id = world.ask()
    _put(world, FIRED)
    world.tell()
    _change(world, MARRIED)
    world.tell()
    assert any("Whitfield" in each for each in _now(world, check_id)["differences"])
    first, second = (each.sequence for each in world.owner.store.notices.owed())
    assert first < second


def test_policy_decides_whether_the_new_details_go_along(world: World) -> None:
    check_id = world.ask()
    world.owner.local = (("a.cedar", '@id("nv.all") forbid (principal, action, resource is Officer);'),)
    _put(world, FIRED)
    world.tell()
    now = _now(world, check_id)
    assert (now["standing"], now["employments"]) == ("withheld", [])
    assert now["reason"] == "policy no longer lets it be shared"


def test_a_record_does_not_go_along_once_policy_forbids_the_officer_as_a_whole(world: World) -> None:
    check_id = world.ask()
    world.owner.local = (("a.cedar", '@id("nv.all") forbid (principal, action, resource is Officer);'),)
    why = changing.Why("IA-3", "reworded", NOW_MS, TODAY)
    changing.correct(world.owner.store, RECORD.record_key, {"summary": "Other words."}, why)
    world.tell()
    (notice,) = world.asker.store.notices.received()
    body = notice_pb2.NoticeBody.FromString(notice.body)
    assert (body.standing, body.HasField("record")) == (notice_pb2.STANDING_WITHHELD, False)
    assert check_id in body.check_ids


def test_an_officer_whose_import_was_undone_is_told_as_held_no_longer(world: World) -> None:
    check_id = world.ask()
    store = world.owner.store
    with store.writing():
        store.history.withdraw_officer(world.officer_id, store.imports.begin(NOW_MS))
    world.tell()
    now = _now(world, check_id)
    assert (now["standing"], now["reason"]) == ("voided", "the agency no longer holds this officer")


def test_merging_and_splitting_tell_what_the_asker_had_not_been_told(world: World) -> None:
    check_id, store = world.ask(), world.owner.store
    other = store.officers.add([("K-2", MARRIED)], 1)["K-2"]
    store.employment.put([OfficerEmployment(other, Employment("CA9900500", "Deputy", True, JOB.hired_on))], 1)
    merge(store, "K-2", "K-1", at_ms=NOW_MS)
    world.tell()
    assert any("CA9900500" in each for each in _now(world, check_id)["differences"])
    split(store, "K-1", at_ms=NOW_MS)
    world.tell()
    assert _now(world, check_id) is None
    assert [each.officer_key for each in store.notices.owed()] == ["K-1", "K-1"]


def test_the_account_of_disclosures_has_the_notice(world: World) -> None:
    world.ask()
    _put(world, FIRED)
    world.tell()
    told = accounting(world.owner.store, world.officer_id, Custodian(OWNER, "", {}))
    assert [(each["asker"], each["verdict"]) for each in told] == [(ASKER, "disclosed"), (ASKER, "told of a change")]


def test_of_an_officer_erased_with_his_last_record_nobody_hears_but_of_the_record(world: World) -> None:
    world.ask()
    store = world.owner.store
    with store.writing():
        store.history.withdraw_employment((world.officer_id, LEFT.ori, str(LEFT.hired_on)), 1)
    changing.expunge(
        *(store, RECORD.record_key),
        cause=changing.CAUSE_ORDER,
        reference="23-CV-1",
        staff="IA-3",
        rejects=world.folder,
        now_ms=NOW_MS,
    )
    world.tell()
    assert _owed(world) == [(RECORD.record_key, "delivered")]


def test_whose_account_retention_has_removed_is_not_told(world: World) -> None:
    check_id, store = world.ask(), world.owner.store
    assert details.disclosed(store, world.officer_id, ASKER)[0].check_id == check_id
    record = store.conduct.by_key(RECORD.record_key)
    assert record is not None
    changing.expunge(
        *(store, RECORD.record_key),
        cause=changing.CAUSE_RETENTION,
        reference="1 years",
        staff="retention",
        rejects=world.folder,
        now_ms=NOW_MS,
    )
    later = TODAY.replace(year=TODAY.year + 7)
    rules = Rules(logs={"disclosures": 5})
    retention.run(store, rules, rejects=world.folder, today=later, now_ms=NOW_MS)
    _put(world, FIRED)
    world.tell()
    assert _owed(world) == []


# What must be refused.


def _forged(world: World, **fields: Any) -> envelope_pb2.Envelope:
    header = new_header(sender=OWNER, audience=ASKER, now_ms=world.now_ms, lifetime_ms=limits.NOTICE_LIFETIME_MS)
    content = {
        "officer_key": "K-1",
        "sequence": 1,
        "changes": [notice_pb2.NOTICE_CHANGE_DETAILS],
        "standing": notice_pb2.STANDING_STANDS,
        "changed_at_ms": world.now_ms,
        "details": notice_pb2.OfficerDetails(date_of_birth="1988-03-14"),
        **fields,
    }
    body = notice_pb2.NoticeBody(**{name: value for name, value in content.items() if value is not None})
    context = SealingContext(names.SEAL_NOTICE, OWNER, ASKER, header.message_id)
    sealed = seal(body.SerializeToString(), world.asker.sealing.public, context, minimum_bytes=limits.ANSWER_BYTES_MIN)
    notice = notice_pb2.Notice(header=header_to_proto(header), sealed_body=sealed)
    return sign(names.NOTICE, notice.SerializeToString(), world.owner.key)


@pytest.mark.parametrize(
    "fields",
    [
        {"record_key": RECORD.record_key},
        {"officer_key": ""},
        {"officer_key": "K" * 300},
        {"changes": [notice_pb2.NOTICE_CHANGE_VOIDED]},
        {"standing": notice_pb2.STANDING_EXPUNGED, "details": None},
        {"standing": notice_pb2.STANDING_VOIDED},
        {"details": None},
    ],
)
def test_a_notice_about_an_officer_that_breaks_the_protocol_changes_nothing(
    world: World, fields: dict[str, Any]
) -> None:
    world.ask()
    with pytest.raises(Refused, match="bounds"):
        messages.take(world.asker.store, _forged(world, **fields), world.receiver(world.asker))
    assert world.asker.store.notices.received() == []


def test_a_notice_about_an_officer_of_no_answer_kept_here_changes_nothing(world: World) -> None:
    world.ask()
    messages.take(world.asker.store, _forged(world, officer_key="K-9"), world.receiver(world.asker))
    assert world.asker.store.notices.received() == []
    messages.take(world.asker.store, _forged(world), world.receiver(world.asker))
    assert [each.officer_key for each in world.asker.store.notices.received()] == ["K-1"]
