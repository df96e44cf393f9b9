"""Everyone who received a record is told when it changes, exactly once in effect, and nobody else can tell them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.duty_world import ASKER, NOW_MS, OWNER, PERSON, RECORD, TODAY, World

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, SealingKey, seal
from waypost.node import answering, changing, disputing, messages, noticing, scrubbing
from waypost.node.changing import Why
from waypost.node.custody.merging import merge, split
from waypost.node.errors import Refused
from waypost.node.results import facts, notice_facts
from waypost.node.selffile import Custodian, accounting
from waypost.node.statements import Statement
from waypost.protocol import limits, names
from waypost.v1 import check_pb2, envelope_pb2, notice_pb2

WHY = Why("IA-3", "overturned by the district court", NOW_MS, TODAY)
KEY = RECORD.record_key


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def _record_now(world: World, check_id: bytes) -> dict[str, object]:
    (candidate,) = facts(world.result(check_id))["candidates"]
    (record,) = candidate["records"]
    found: dict[str, object] = record
    return found


def test_an_asker_sees_beside_what_it_was_told_that_the_record_was_voided(world: World) -> None:
    check_id = world.ask()
    assert _record_now(world, check_id)["now"] is None
    changed = changing.void(world.owner.store, KEY, WHY, overturned=True)
    assert changed.notices == 1
    world.tell()
    record = _record_now(world, check_id)
    assert record["summary"] == RECORD.summary
    assert record["now"] == {
        "owner": OWNER,
        "record_key": KEY,
        "officer_key": "",
        "standing": "voided",
        "changes": ["voided"],
        "version": 2,
        "told_version": 1,
        "reason": WHY.reason,
        "changed_at": str(TODAY),
        "summary": "",
        "statement": "",
        "dispute": "",
        "differences": [],
    }
    assert [notice.state for notice in world.owner.store.notices.owed()] == ["delivered"]
    assert world.owner.store.notices.undelivered_count() == 0


def test_a_new_check_does_not_show_a_voided_record(world: World) -> None:
    world.ask()
    changing.void(world.owner.store, KEY, WHY)
    second = world.ask()
    (candidate,) = facts(world.result(second))["candidates"]
    assert candidate["records"] == []


def test_attack_splitting_an_officer_off_does_not_hide_who_received_his_record_while_he_was_merged(
    world: World,
) -> None:
    store = world.owner.store
    batch = store.imports.begin(NOW_MS)
    other = store.officers.add([("OTHER-1", PERSON)], batch)["OTHER-1"]
    theirs = replace(RECORD, record_key="OTHER-R")
    store.conduct.put([(other, theirs)], batch)
    kept = store.history.officer_keys((world.officer_id,))[world.officer_id]
    merge(store, kept, "OTHER-1", at_ms=NOW_MS)
    world.ask()
    split(store, "OTHER-1", at_ms=NOW_MS)
    custodian = Custodian(OWNER, "Owner", {})
    (entry,) = accounting(store, other, custodian)
    assert {"record_key": "OTHER-R", "version": 1} in entry["records"]
    assert changing.void(store, "OTHER-R", WHY).notices == 1
    assert changing.void(store, KEY, WHY).notices == 1


def test_nobody_is_told_of_a_record_that_nobody_received(world: World) -> None:
    assert changing.void(world.owner.store, KEY, WHY).notices == 0
    assert world.owner.store.notices.owed() == []


def test_a_correction_brings_the_new_version_and_enters_that_disclosure(world: World) -> None:
    check_id = world.ask()
    changing.correct(world.owner.store, KEY, {"summary": "Struck a person once."}, WHY)
    world.tell()
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert (now["standing"], now["version"], now["summary"]) == ("stands", 2, "Struck a person once.")
    entries = world.owner.store.disclosures.of_record((world.officer_id,), KEY)
    assert [(entry.verdict, entry.records[0].version) for entry in entries] == [("disclose", 1), ("notice", 2)]
    assert {entry.purpose for entry in entries} == {"hiring"}


def test_a_correction_that_takes_away_fair_process_tells_so_and_sends_no_content(world: World) -> None:
    check_id = world.ask()
    changing.correct(world.owner.store, KEY, {"appeal": "pending", "summary": "Other words."}, WHY)
    world.tell()
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert (now["standing"], now["summary"]) == ("withheld", "")
    assert "an appeal is pending" in str(now["reason"])


def test_a_policy_that_came_since_keeps_the_content_out_of_the_notice(world: World) -> None:
    check_id = world.ask()
    world.owner.local = (("state.cedar", '@id("s.none") forbid (principal, action, resource is Record);'),)
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, WHY)
    world.tell()
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert (now["standing"], now["summary"]) == ("withheld", "")


def test_content_waits_while_a_policy_file_cannot_be_read_but_a_voiding_is_told(world: World) -> None:
    world.ask()
    world.owner.readable = False
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, WHY)
    with pytest.raises(Refused, match="policy file"):
        world.make_notices()
    assert world.owner.store.notices.owed()[0].state == "due"
    changing.void(world.owner.store, KEY, WHY)
    world.make_notices()
    assert world.owner.store.notices.owed()[0].state == "posted"


def test_changes_before_a_notice_leaves_become_one_notice_with_the_last_state(world: World) -> None:
    check_id = world.ask()
    changing.void(world.owner.store, KEY, WHY)
    changing.reinstate(world.owner.store, KEY, WHY)
    changing.seal(world.owner.store, KEY, WHY)
    assert len(world.owner.store.notices.owed()) == 1
    world.tell()
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert (now["standing"], now["changes"]) == ("sealed", ["voided", "reinstated", "sealed"])


def test_an_expunged_record_is_erased_at_the_receiver_and_the_fact_stays(world: World) -> None:
    check_id = world.ask()
    changing.correct(world.owner.store, KEY, {"summary": "Struck a person once."}, WHY)
    world.tell()
    changing.expunge(
        *(world.owner.store, KEY),
        cause="order",
        reference="A-1",
        staff="IA-3",
        rejects=world.folder,
        now_ms=world.now_ms,
    )
    world.tell()
    record = _record_now(world, check_id)
    now = record["now"]
    assert isinstance(now, dict)
    assert (record["summary"], record["status"], now["standing"], now["reason"]) == ("", "erased", "expunged", "")
    (answer,) = world.asker.store.checks.answers(check_id)
    assert answer.envelope == b""
    assert scrubbing.scrub(world.asker.store)
    assert b"Struck" not in answer.body
    assert all(b"Struck" not in notice.body for notice in world.asker.store.notices.received())


def test_a_statement_and_a_dispute_are_told_and_go_out_ever_after(world: World) -> None:
    check_id = world.ask()
    store = world.owner.store
    disputing.set_statement(store, KEY, Statement("It was not so.", TODAY), staff="IA-3", now_ms=NOW_MS)
    disputing.open_dispute(store, KEY, "wrong officer", TODAY, staff="IA-3", now_ms=NOW_MS)
    world.tell()
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert now["statement"] == "It was not so."
    assert "to be resolved by" in now["dispute"]
    assert "wrong officer" not in str(now)
    world.pass_days(31)
    later = _record_now(world, world.ask())
    assert later["statement"] == "It was not so."
    assert "OVERDUE" in str(later["dispute"])


def test_an_unacknowledged_notice_is_made_anew_and_both_are_settled_by_one_acknowledgement(world: World) -> None:
    world.ask()
    changing.void(world.owner.store, KEY, WHY)
    world.make_notices()
    (lost,) = world.posts(world.owner)
    assert world.owner.store.notices.owed()[0].state == "sent"
    world.pass_days(29)
    assert world.owner.store.notices.due(world.now_ms, 10) == []
    world.pass_days(2)
    world.make_notices()
    (again,) = world.posts(world.owner)
    assert again.payload != lost.payload
    messages.take(world.asker.store, again, world.receiver(world.asker))
    world.deliver()
    assert [notice.state for notice in world.owner.store.notices.owed()] == ["delivered"]


def test_a_notice_that_the_hub_refused_stays_on_the_list_with_the_reason(world: World) -> None:
    world.ask()
    changing.void(world.owner.store, KEY, WHY)
    world.make_notices()
    (post,) = world.owner.store.outbox.waiting(10)
    messages.settle(world.owner.store, post.id, accepted=False, reason="mailbox-full", now_ms=world.now_ms)
    (owed,) = world.owner.store.notices.owed()
    assert (owed.state, owed.trouble) == ("due", "the hub refused it: mailbox-full")
    assert world.owner.store.notices.due(world.now_ms, 10) == []
    assert world.owner.store.notices.due(world.now_ms + 3_600_000, 10) != []


def test_a_notice_taken_twice_changes_nothing_the_second_time(world: World) -> None:
    world.ask()
    changing.void(world.owner.store, KEY, WHY)
    world.make_notices()
    (envelope,) = world.posts(world.owner)
    for _ in range(2):
        messages.take(world.asker.store, envelope, world.receiver(world.asker))
    assert len(world.asker.store.notices.received()) == 1
    assert world.asker.store.outbox.count() == 1


def test_an_older_notice_that_comes_later_does_not_undo_a_newer_one(world: World) -> None:
    check_id = world.ask()
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, WHY)
    world.make_notices()
    (first,) = world.posts(world.owner)
    changing.void(world.owner.store, KEY, WHY)
    world.make_notices()
    (second,) = world.posts(world.owner)
    for envelope in (second, first):
        messages.take(world.asker.store, envelope, world.receiver(world.asker))
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert now["standing"] == "voided"


def _forged(key: SigningKey, sealing: SealingKey, **changes: object) -> envelope_pb2.Envelope:
    header = new_header(sender=OWNER, audience=ASKER, now_ms=NOW_MS, lifetime_ms=limits.NOTICE_LIFETIME_MS)
    content: dict[str, object] = {
        "record_key": KEY,
        "sequence": 9,
        "changes": [notice_pb2.NOTICE_CHANGE_VOIDED],
        "standing": notice_pb2.STANDING_VOIDED,
        "version": 2,
        "changed_at_ms": NOW_MS,
    }
    body = notice_pb2.NoticeBody(**{**content, **changes})  # type: ignore[arg-type]
    context = SealingContext(names.SEAL_NOTICE, OWNER, ASKER, header.message_id)
    sealed = seal(body.SerializeToString(), sealing.public, context)
    payload = notice_pb2.Notice(header=header_to_proto(header), sealed_body=sealed).SerializeToString()
    return sign(names.NOTICE, payload, key)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"standing": notice_pb2.STANDING_UNSPECIFIED}, "malformed"),
        ({"standing": 77}, "malformed"),
        ({"changes": []}, "malformed"),
        ({"changes": [notice_pb2.NOTICE_CHANGE_UNSPECIFIED]}, "malformed"),
        ({"changes": [77]}, "malformed"),
        ({"changed_at_ms": 0}, "malformed"),
        ({"changed_at_ms": 2**62}, "malformed"),
        ({"changes": [notice_pb2.NOTICE_CHANGE_VOIDED] * 17}, "malformed"),
        ({"record_key": ""}, "malformed"),
        ({"record_key": "x" * 101}, "malformed"),
        ({"sequence": 0}, "malformed"),
        ({"reason": "x" * 501}, "malformed"),
        ({"standing": notice_pb2.STANDING_STANDS}, "malformed"),
    ],
)
def test_a_notice_out_of_bounds_is_refused(world: World, changes: dict[str, object], reason: str) -> None:
    world.ask()
    with pytest.raises(Refused) as refused:
        messages.take(
            world.asker.store,
            _forged(world.owner.key, world.asker.sealing, **changes),
            world.receiver(world.asker),
        )
    assert refused.value.reason == reason
    assert world.asker.store.notices.received() == []
    assert world.asker.store.outbox.count() == 0


def test_a_member_cannot_void_another_members_record(world: World) -> None:
    check_id = world.ask()
    stranger = SigningKey.generate()
    with pytest.raises(Refused):
        messages.take(world.asker.store, _forged(stranger, world.asker.sealing), world.receiver(world.asker))
    assert _record_now(world, check_id)["now"] is None


def test_a_notice_sealed_to_another_key_is_refused(world: World) -> None:
    world.ask()
    forged = _forged(world.owner.key, SealingKey.generate())
    with pytest.raises(Refused) as refused:
        messages.take(world.asker.store, forged, world.receiver(world.asker))
    assert refused.value.reason == "not-sealed-for-us"


def test_a_suspended_members_notice_is_refused(world: World) -> None:
    world.ask()
    forged = _forged(world.owner.key, world.asker.sealing)
    world.inactive = frozenset({OWNER})
    with pytest.raises(Refused) as refused:
        messages.take(world.asker.store, forged, world.receiver(world.asker))
    assert refused.value.reason == "suspended"


def test_a_notice_about_a_record_that_was_never_disclosed_here_is_acknowledged_and_not_kept(world: World) -> None:
    world.ask()
    forged = _forged(world.owner.key, world.asker.sealing, record_key="NVPOST-99")
    messages.take(world.asker.store, forged, world.receiver(world.asker))
    assert world.asker.store.notices.received() == []
    assert world.asker.store.outbox.count() == 1


def test_an_acknowledgement_of_a_notice_that_was_never_sent_is_refused(world: World) -> None:
    header = new_header(sender=ASKER, audience=OWNER, now_ms=NOW_MS, lifetime_ms=limits.NOTICE_LIFETIME_MS)
    payload = notice_pb2.NoticeTaken(header=header_to_proto(header), notice_id=bytes(16)).SerializeToString()
    with pytest.raises(Refused) as refused:
        messages.take(
            world.owner.store, sign(names.NOTICE_TAKEN, payload, world.asker.key), world.receiver(world.owner)
        )
    assert refused.value.reason == "no-such-notice"


def test_every_change_has_its_word_in_the_protocol() -> None:
    in_protocol = {name.removeprefix("NOTICE_CHANGE_").lower() for name in notice_pb2.NoticeChange.keys()}  # noqa: SIM118
    assert in_protocol - {"unspecified"} == set(noticing.Change)


def test_an_import_that_changes_a_disclosed_record_tells_its_receivers(world: World) -> None:
    world.ask()
    store = world.owner.store
    with store.writing():
        store.conduct.put([(world.officer_id, replace(RECORD, version=2, summary="Other."))], 1)
        noticing.owe(store, KEY, noticing.Change.CORRECTED, reason="", now_ms=NOW_MS)
    world.tell()
    (notice,) = world.asker.store.notices.received()
    assert notice_facts(notice)["summary"] == "Other."


def test_an_asker_hears_once_that_a_dispute_is_overdue_and_by_no_command(world: World) -> None:
    check_id, store = world.ask(), world.owner.store
    disputing.open_dispute(store, KEY, "wrong officer", TODAY, staff="IA-3", now_ms=NOW_MS)
    world.tell()
    world.pass_days(30)
    world.tell()
    assert "OVERDUE" not in str(_record_now(world, check_id)["now"])
    world.pass_days(1)
    world.tell()
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert "OVERDUE" in now["dispute"]
    assert (now["changes"], now["reason"]) == (["dispute overdue"], "the dispute was not resolved in time")
    world.pass_days(1)
    world.tell()
    assert [each.changes for each in store.notices.owed()] == [("dispute_opened",), ("dispute_overdue",)]
    assert [entry.subject for entry in store.audit.newest(10) if entry.event == "dispute-overdue"] == [KEY]


def test_a_dispute_opened_after_an_overdue_one_has_a_clock_of_its_own(world: World) -> None:
    world.ask()
    store = world.owner.store
    disputing.open_dispute(store, KEY, "wrong officer", TODAY, staff="IA-3", now_ms=NOW_MS)
    world.pass_days(31)
    assert disputing.note_overdue(store, world.today, now_ms=world.now_ms) == 1
    disputing.resolve_dispute(store, KEY, disputing.Outcome.STANDS, world.today, staff="IA-3", now_ms=world.now_ms)
    disputing.open_dispute(store, KEY, "and the day is wrong", world.today, staff="IA-3", now_ms=world.now_ms)
    assert disputing.note_overdue(store, world.today, now_ms=world.now_ms) == 0
    world.pass_days(31)
    assert disputing.note_overdue(store, world.today, now_ms=world.now_ms) == 1


def _answered(world: World) -> tuple[bytes, envelope_pb2.Envelope]:
    """The owner has answered, the hub has the answer, and it has not come yet."""
    routed = world.asked()
    answering.answer(
        world.owner.store, routed, own=world.owner.own(), roster=world.roster(), now_ms=world.now_ms, today=world.today
    )
    (answer,) = world.posts(world.owner)
    return check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id, answer


def _arrive(world: World, envelope: envelope_pb2.Envelope) -> None:
    messages.take(world.asker.store, envelope, world.receiver(world.asker))


def test_a_notice_that_has_overtaken_its_answer_is_kept_for_it(world: World) -> None:
    check_id, answer = _answered(world)
    changing.void(world.owner.store, KEY, WHY)
    world.tell()
    _arrive(world, answer)
    now = _record_now(world, check_id)["now"]
    assert isinstance(now, dict)
    assert now["standing"] == "voided"


def test_attack_a_record_expunged_before_its_answer_arrives_is_kept_by_the_asker(world: World) -> None:
    check_id, answer = _answered(world)
    changing.expunge(
        world.owner.store,
        KEY,
        cause=changing.CAUSE_ORDER,
        reference="DOCKET-9",
        staff="IA-3",
        rejects=world.folder / "rejects",
        now_ms=world.now_ms,
    )
    world.tell()
    assert [each.state for each in world.owner.store.notices.owed()] == ["delivered"]
    _arrive(world, answer)
    (kept,) = world.asker.store.checks.answers(check_id)
    assert RECORD.summary.encode() not in kept.body
    assert kept.envelope == b""
    record = _record_now(world, check_id)
    assert record["summary"] == ""
    now = record["now"]
    assert isinstance(now, dict)
    assert now["standing"] == "expunged"


def test_attack_a_notice_about_a_check_in_which_the_hub_has_not_named_the_owner_is_kept_for_nothing(
    world: World,
) -> None:
    check_id, _ = _answered(world)
    check = world.asker.store.checks.get(check_id)
    assert check is not None
    world.asker.store.checks.update(replace(check, receipt=None))
    changing.void(world.owner.store, KEY, WHY)
    world.tell()
    assert world.asker.store.notices.received() == []
    assert [each.state for each in world.owner.store.notices.owed()] == ["delivered"]
