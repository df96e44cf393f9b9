"""What is over is removed, what is not stays, and no book is shortened without its being on record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.parties.duty_world import FAIR, NOW_MS, OWNER, RECORD, TODAY, World

from waypost.node import changing, disputing, retention
from waypost.node.changing import Why
from waypost.node.errors import SettingsError
from waypost.node.records import ConductKind
from waypost.node.retention import Rules, read_rules
from waypost.node.store import ReferralAsked, StoredLetter
from waypost.protocol.limits import DAY_MS

KEY = RECORD.record_key
WHY = Why("IA-3", "reworded", NOW_MS, TODAY)
LATER = date(TODAY.year + 6, 3, 1)
LATER_MS = NOW_MS + 7 * 365 * DAY_MS
OLD = replace(
    RECORD,
    record_key="R-OLD",
    kind=ConductKind.SUSPENSION,
    summary="Quixotic lateness",
    fair_process=replace(FAIR, notice_on=None, decided_on=TODAY - timedelta(days=4000), final_on=None),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.owner.store.conduct.put([(made.officer_id, OLD)], 1)
    yield made
    made.close()


def _run(world: World, rules: Rules, today: date = TODAY) -> retention.Plan:
    return retention.run(world.owner.store, rules, rejects=world.folder / "rejects", today=today, now_ms=LATER_MS)


def test_without_a_file_everything_is_kept(world: World) -> None:
    assert read_rules(world.folder) == Rules()
    done = _run(world, Rules(), LATER)
    assert (done.records, done.logs) == ((), {})
    assert world.owner.store.conduct.count() == 2


def test_a_record_whose_years_are_over_is_gone_from_the_file_and_others_stay(world: World) -> None:
    store = world.owner.store
    rules = Rules(records={"suspension": 10, "excessive_force_finding": 10})
    assert [record.record_key for record in retention.plan(store, rules, TODAY).records] == ["R-OLD"]
    assert store.conduct.by_key("R-OLD") is not None
    _run(world, rules)
    assert store.conduct.by_key("R-OLD") is None
    assert store.conduct.by_key(KEY) is not None
    fact = store.changes.expungement("R-OLD")
    assert fact is not None
    assert (fact.cause, fact.reference) == ("retention", "10 years")
    raw = b"".join(path.read_bytes() for path in world.folder.glob("owner.db*"))
    assert b"Quixotic" not in raw


def test_a_record_in_dispute_or_without_a_date_stays(world: World) -> None:
    store = world.owner.store
    disputing.open_dispute(store, "R-OLD", "not I", TODAY, staff="IA-3", now_ms=NOW_MS)
    bare = replace(
        OLD, record_key="R-BARE", occurred_on=None, effective_on=None, fair_process=replace(FAIR, decided_on=None)
    )
    store.conduct.put([(world.officer_id, bare)], 1)
    done = _run(world, Rules(records={"suspension": 1}))
    assert (done.records, done.undated) == ((), 1)


def test_retention_tells_nobody(world: World) -> None:
    world.ask()
    _run(world, Rules(records={"excessive_force_finding": 1}), LATER)
    assert world.owner.store.conduct.by_key(KEY) is None
    assert world.owner.store.notices.owed() == []


def test_the_account_of_a_disclosure_stays_while_its_record_is_held_and_its_chain_computes_when_it_went(
    world: World,
) -> None:
    world.ask()
    world.ask()
    store, rules = world.owner.store, Rules(logs={"disclosures": 5})
    head = store.chain.newest()
    kept = retention.plan(store, rules, LATER).logs["disclosures"]
    assert kept.entries == 0
    assert "still held" in kept.kept_by
    changing.expunge(
        store, KEY, cause="order", reference="A", staff="IA-3", rejects=world.folder / "rejects", now_ms=NOW_MS
    )
    changing.expunge(
        store, "R-OLD", cause="order", reference="A", staff="IA-3", rejects=world.folder / "rejects", now_ms=NOW_MS
    )
    assert _run(world, rules, TODAY).logs["disclosures"].entries == 0
    assert _run(world, rules, LATER).logs["disclosures"].entries == 2
    assert list(store.disclosures.all()) == []
    chain = store.chain.recomputed()
    assert (chain.broken_at, chain.removed) == (0, 2)
    assert (chain.entries, chain.head) == head
    world.now_ms += DAY_MS
    world.ask()
    assert store.chain.recomputed().broken_at == 0
    assert store.chain.newest()[0] == head[0] + 1
    assert [(each.log, each.entries) for each in store.retention.removals()] == [("disclosures", 2)]


@pytest.mark.parametrize("book", ["disclosures", "audit"])
def test_the_database_refuses_to_shorten_a_book_without_retention_on_record(world: World, book: str) -> None:
    world.ask()
    with sqlite3.connect(world.folder / "owner.db") as connection:
        for statement in (f"DELETE FROM {book}", f"UPDATE {book} SET at_ms = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute(statement)


def test_the_database_refuses_to_forget_or_change_a_removal(world: World) -> None:
    world.ask()
    assert _run(world, Rules(logs={"audit": 1}), LATER).logs["audit"].entries > 0
    with sqlite3.connect(world.folder / "owner.db") as connection:
        for statement in ("DELETE FROM removals", "UPDATE removals SET last_id = 9999"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


def test_an_entry_of_the_disclosure_log_that_goes_outside_retention_breaks_the_chain(world: World) -> None:
    world.ask()
    world.ask()
    path = world.folder / "owner.db"
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER disclosures_stay_there")
        connection.execute("DELETE FROM disclosures WHERE id = (SELECT min(id) FROM disclosures)")
    assert world.owner.store.chain.recomputed().broken_at > 0


def test_an_old_check_goes_with_the_letter_and_the_referral_that_came_of_it(world: World) -> None:
    check_id, store = world.ask(), world.asker.store
    held = store.checks.get(check_id)
    assert held is not None
    store.checks.update(replace(held, state="answered"))
    store.letters.put(StoredLetter(check_id, NOW_MS, "2027-01-01", "BG-07"))
    store.referrals.put_asked(ReferralAsked(bytes(16), check_id, OWNER, b"contact: Det. Doe", "asked", "", NOW_MS, ""))
    rules, rejects = Rules(logs={"checks": 1}), world.folder / "rejects"
    retention.run(store, rules, rejects=rejects, today=LATER, now_ms=LATER_MS)
    assert store.checks.get(check_id) is None
    assert store.letters.get(check_id) is None
    assert store.referrals.asked(bytes(16)) is None


def test_old_checks_go_with_their_answers_and_open_ones_stay(world: World) -> None:
    check_id = world.ask()
    store = world.asker.store
    rules = Rules(logs={"checks": 1})
    rejects = world.folder / "rejects"
    retention.run(store, rules, rejects=rejects, today=LATER, now_ms=LATER_MS)
    held = store.checks.get(check_id)
    assert held is not None  # its receipt still says that somebody is pending
    store.checks.update(replace(held, state="answered"))
    assert retention.run(store, rules, rejects=rejects, today=TODAY, now_ms=NOW_MS).logs["checks"].entries == 0
    assert retention.run(store, rules, rejects=rejects, today=LATER, now_ms=LATER_MS).logs["checks"].entries == 1
    assert store.checks.get(check_id) is None
    assert store.checks.answers(check_id) == []


def test_notices_that_a_kept_answer_or_the_next_notice_needs_stay(world: World) -> None:
    world.ask()
    owner, asker = world.owner.store, world.asker.store
    for words in ("One.", "Two."):
        changing.correct(owner, KEY, {"summary": words}, WHY)
        world.make_notices()
        world.deliver()
    rules = Rules(logs={"notices": 1})
    assert _run(world, rules, LATER).logs["notices"].entries == 1
    retention.run(asker, rules, rejects=world.folder, today=LATER, now_ms=LATER_MS)
    assert len(asker.notices.received()) == 2
    changing.void(owner, KEY, WHY)
    world.make_notices()
    world.deliver()
    first, second, third = (notice.sequence for notice in asker.notices.received())
    assert first < second < third


@pytest.mark.parametrize(
    "text",
    [
        "[logs]\ndisclosures = 4\n",
        "[logs]\ndisclosure = 7\n",
        "[records]\nsuspensions = 7\n",
        "[records]\nsuspension = 0\n",
        "[records]\nsuspension = 101\n",
        "[records]\nsuspension = '7'\n",
        "[record]\nsuspension = 7\n",
        "[records\n",
    ],
)
def test_a_retention_file_that_means_nothing_removes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "retention.toml").write_text(text)
    with pytest.raises(SettingsError):
        read_rules(tmp_path)
