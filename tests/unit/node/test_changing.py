"""A record changes in lawful ways only, never in place; what was expunged is gone, and what was ended stays ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.parties.duty_world import NOW_MS, OWNER, PERSON, RECORD, TODAY, World

from waypost.node import changing, disputing, scrubbing
from waypost.node.changing import Changed, Why
from waypost.node.disputing import Outcome
from waypost.node.due_process import Windows, read_windows
from waypost.node.errors import ChangeError, RecordError, SettingsError
from waypost.node.intake.rejects import forget_rejects
from waypost.node.persons import Person, PersonName
from waypost.node.records import Appeal, ConductKind, ConductRecord, RecordStatus
from waypost.node.results import notice_facts
from waypost.node.statements import Dispute, Statement
from waypost.node.store import OfficerTokens, Store
from waypost.v1 import check_pb2

KEY = RECORD.record_key
WHY = Why("IA-3", "as the court ordered", NOW_MS, TODAY)
SECRET = "Quixotically struck a handcuffed person"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, replace(RECORD, summary=SECRET))
    yield made
    made.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.owner.store


def _record(store: Store) -> ConductRecord:
    held = store.conduct.by_key(KEY)
    assert held is not None
    return held.record


def _expunge(world: World) -> Changed:
    return changing.expunge(
        *(world.owner.store, KEY),
        cause="order",
        reference="23-CV-100",
        staff="IA-3",
        rejects=world.folder / "rejects",
        now_ms=NOW_MS,
    )


def test_each_change_is_a_new_version_and_earlier_ones_stay_as_they_were(store: Store) -> None:
    first = _record(store)
    changing.correct(store, KEY, {"summary": "Other words.", "amount": "12.50"}, WHY)
    changing.void(store, KEY, WHY, overturned=True)
    changing.seal(store, KEY, WHY)
    changing.reinstate(store, KEY, WHY)
    changing.reinstate(store, KEY, WHY)
    history = store.conduct.history(KEY)
    assert history[0] == first
    assert [version.version for version in history] == [1, 2, 3, 4, 5, 6]
    statuses = [version.status for version in history]
    assert statuses == ["active", "corrected", "voided", "sealed", "voided", "corrected"]
    assert (history[1].summary, history[1].amount_cents) == ("Other words.", 1250)
    assert history[2].fair_process.appeal is Appeal.OVERTURNED
    assert history[4] == replace(history[2], version=5)
    assert history[5] == replace(history[1], version=6)
    assert [(each.change, each.version) for each in store.changes.of_record(KEY)] == [
        ("corrected", 2),
        ("voided", 3),
        ("sealed", 4),
        ("reinstated", 5),
        ("reinstated", 6),
    ]


def test_attack_a_record_voided_on_appeal_stands_again_by_being_sealed_and_opened(world: World) -> None:
    world.ask()
    store = world.owner.store
    changing.void(store, KEY, WHY, overturned=True)
    changing.seal(store, KEY, WHY)
    changing.reinstate(store, KEY, WHY)
    world.make_notices()
    world.deliver()
    (notice,) = world.asker.store.notices.standing_of(OWNER)
    assert notice_facts(notice)["standing"] == "voided"
    (answer,) = world.asker.store.checks.answers(world.ask())
    assert not check_pb2.AnswerBody.FromString(answer.body).candidates[0].conduct


def test_the_database_refuses_to_change_or_delete_a_version(store: Store, world: World) -> None:
    with sqlite3.connect(world.folder / "owner.db") as connection:
        for statement in ("UPDATE conduct_versions SET summary = 'x'", "DELETE FROM conduct_versions"):
            with pytest.raises(sqlite3.IntegrityError, match="a version of a record"):
                connection.execute(statement)
    assert _record(store).summary == SECRET


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("", "reinstate"),
        ("void", "void"),
        ("void", "correct"),
        ("seal", "seal"),
        ("seal", "void"),
        ("seal", "correct"),
        ("expunge", "void"),
        ("expunge", "reinstate"),
        ("expunge", "correct"),
        ("expunge", "expunge"),
    ],
)
def test_a_change_that_the_state_does_not_allow_changes_nothing(world: World, before: str, change: str) -> None:
    store = world.owner.store
    steps = {
        "void": lambda: changing.void(store, KEY, WHY),
        "seal": lambda: changing.seal(store, KEY, WHY),
        "reinstate": lambda: changing.reinstate(store, KEY, WHY),
        "correct": lambda: changing.correct(store, KEY, {"summary": "Other."}, WHY),
        "expunge": lambda: _expunge(world),
    }
    if before:
        steps[before]()
    versions = store.conduct.history(KEY)
    with pytest.raises(ChangeError):
        steps[change]()
    assert store.conduct.history(KEY) == versions


@pytest.mark.parametrize(
    "facts",
    [
        {"summary": SECRET},
        {"appeal": "perhaps"},
        {"decided_on": "2999-01-01"},
        {"decided_on": "1950-01-01"},
        {"record_key": "OTHER"},
        {"status": "voided"},
        {"officer_key": "K-2"},
        {"sumary": "x"},
        {"kind": ""},
    ],
)
def test_a_correction_that_says_nothing_new_or_nothing_possible_is_refused(store: Store, facts: dict[str, str]) -> None:
    with pytest.raises(ChangeError):
        changing.correct(store, KEY, facts, WHY)
    assert _record(store).version == 1


@pytest.mark.parametrize(
    ("staff", "reason"), [("", "x"), ("IA-3", ""), ("x" * 65, "x"), ("IA-3", "x" * 501), ("a\n", "x")]
)
def test_a_change_without_somebody_who_did_it_and_a_reason_is_refused(staff: str, reason: str) -> None:
    with pytest.raises(ChangeError):
        Why(staff, reason, NOW_MS, TODAY)


# Expunging


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("owner.db*")) if path.is_file())


def test_an_expunged_record_does_not_live_on_in_the_memory_of_how_files_looked(world: World) -> None:
    store = world.owner.store
    store.batches.add_shapes(store.imports.begin(1), {"conduct": "An authority that this record alone had"})
    assert store.batches.last_shape("conduct") is not None
    _expunge(world)
    assert store.batches.last_shape("conduct") is None
    assert scrubbing.scrub(store)
    assert b"An authority that this record alone had" not in _bytes_of(world.folder)


def test_an_expunged_record_stands_nowhere_in_the_raw_file_nor_in_its_log(world: World) -> None:
    store = world.owner.store
    changing.correct(store, KEY, {"summary": f"{SECRET} twice"}, WHY)
    disputing.set_statement(store, KEY, Statement("Zymurgic nonsense", TODAY), staff="IA-3", now_ms=NOW_MS)
    disputing.open_dispute(store, KEY, "Yttrium grounds", TODAY, staff="IA-3", now_ms=NOW_MS)
    words = [SECRET.encode(), b"Zymurgic", b"Yttrium", b"as the court ordered"]
    assert all(word in _bytes_of(world.folder) for word in words)
    _expunge(world)
    assert scrubbing.scrub(store)
    assert not any(word in _bytes_of(world.folder) for word in words)
    assert store.conduct.by_key(KEY) is None
    assert store.conduct.history(KEY) == ()
    fact = store.changes.expungement(KEY)
    assert fact is not None
    assert (fact.cause, fact.reference, fact.staff) == ("order", "23-CV-100", "IA-3")
    assert not scrubbing.scrub(store)


def test_a_crash_before_the_scrubbing_is_mended_by_the_next_one(world: World) -> None:
    _expunge(world)
    world.owner.store.close()
    world.owner.store = Store.open(world.folder / "owner.db", bytes(32))
    assert scrubbing.scrub(world.owner.store)
    assert SECRET.encode() not in _bytes_of(world.folder)


def test_scrubbing_waits_for_another_process_and_stays_due_meanwhile(world: World) -> None:
    _expunge(world)
    store = world.owner.store
    store._database._db.execute("PRAGMA busy_timeout = 50")
    with sqlite3.connect(world.folder / "owner.db") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM officers").fetchone()
        assert not scrubbing.scrub_if_free(store)
        reader.rollback()
    assert scrubbing.scrub_if_free(store)
    assert SECRET.encode() not in _bytes_of(world.folder)


def test_an_officer_of_whom_nothing_else_is_held_is_forgotten_with_his_tokens(tmp_path: Path) -> None:
    world = World(tmp_path, replace(RECORD, summary=SECRET))
    store = world.owner.store
    with store.writing():
        batch = store.imports.begin(NOW_MS)
        lone = store.officers.add([("K-9", Person(names=(PersonName("Xanthippe", "Quark"),)))], batch)["K-9"]
        store.conduct.put([(lone, replace(RECORD, record_key="R-9"))], batch)
    store.tokens.replace([OfficerTokens(lone, 1, (("ssn", b"t" * 16),))], 1)
    changing.expunge(
        store, "R-9", cause="order", reference="A", staff="IA-3", rejects=tmp_path / "rejects", now_ms=NOW_MS
    )
    scrubbing.scrub(store)
    assert b"Xanthippe" not in _bytes_of(tmp_path)
    assert store.officers.get(lone) is None
    assert store.tokens.lookup([b"t" * 16], 1) == []
    assert store.tokens.to_withdraw(1, 10) == [b"t" * 16]
    assert store.officers.dirty_count() == 0
    store.tokens.replace([OfficerTokens(lone, 1, (("ssn", b"u" * 16),))], 1)  # a tokenizer that was at work meanwhile
    assert store.tokens.lookup([b"u" * 16], 1) == []
    world.close()


def test_an_officer_of_whom_more_is_held_stays(world: World) -> None:
    _expunge(world)
    officer = world.owner.store.officers.get(world.officer_id)
    assert officer is not None
    assert officer.person == PERSON
    assert len(world.owner.store.tokens.lookup(world.tokens, 1)) == len(world.tokens)


def test_the_rejected_rows_of_an_expunged_record_go_too_and_others_stay(world: World) -> None:
    folder = world.folder / "rejects"
    folder.mkdir()
    path = folder / "conduct.rejects-0a1b2c3d.csv"
    path.write_text(f"reject_line,record_key,summary\r\n3,{KEY},Quixotic\r\n4,OTHER,stays\r\n")
    path.chmod(0o600)
    _expunge(world)
    assert path.read_text(encoding="utf-8-sig").splitlines() == ["reject_line,record_key,summary", "4,OTHER,stays"]
    assert path.stat().st_mode & 0o077 == 0
    assert forget_rejects(folder, KEY) == 0


def test_the_database_refuses_to_forget_that_a_record_was_expunged(world: World) -> None:
    _expunge(world)
    with sqlite3.connect(world.folder / "owner.db") as connection:
        for statement in ("DELETE FROM expungements", "UPDATE expungements SET staff = 'x'"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


# Statements, disputes, windows


def test_a_statement_is_replaced_and_taken_back_and_every_one_is_kept(store: Store) -> None:
    for text in ("First.", "Second."):
        disputing.set_statement(store, KEY, Statement(text, TODAY), staff="IA-3", now_ms=NOW_MS)
    assert _record(store).statement == Statement("Second.", TODAY)
    disputing.set_statement(store, KEY, None, staff="IA-3", now_ms=NOW_MS)
    assert _record(store).statement is None
    assert _record(store).version == 1


@pytest.mark.parametrize("text", ["", "  \n", "x" * 10_001, "bell\x07"])
def test_a_statement_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        Statement(text, TODAY)


def test_a_disputes_clock_is_over_on_the_day_after_its_thirtieth() -> None:
    dispute = Dispute(TODAY)
    assert dispute.due_on == TODAY + timedelta(days=30)
    assert not dispute.overdue(TODAY + timedelta(days=30))
    assert dispute.overdue(TODAY + timedelta(days=31))


def test_one_dispute_is_open_at_a_time_and_resolving_it_must_be_true(store: Store) -> None:
    disputing.open_dispute(store, KEY, "wrong officer", TODAY, staff="IA-3", now_ms=NOW_MS)
    with pytest.raises(ChangeError, match="open already"):
        disputing.open_dispute(store, KEY, "again", TODAY, staff="IA-3", now_ms=NOW_MS)
    with pytest.raises(ChangeError, match="is active, not voided"):
        disputing.resolve_dispute(store, KEY, Outcome.VOIDED, TODAY, staff="IA-3", now_ms=NOW_MS)
    changing.void(store, KEY, WHY)
    disputing.resolve_dispute(store, KEY, Outcome.VOIDED, TODAY, staff="IA-3", now_ms=NOW_MS)
    assert _record(store).dispute is None
    with pytest.raises(ChangeError, match="no dispute"):
        disputing.resolve_dispute(store, KEY, Outcome.STANDS, TODAY, staff="IA-3", now_ms=NOW_MS)
    disputing.open_dispute(store, KEY, "and again", TODAY, staff="IA-3", now_ms=NOW_MS)
    assert [kept.outcome for kept in store.statements.disputes(KEY)] == ["voided", ""]


def test_disputes_that_nobody_resolved_in_time_are_counted(store: Store) -> None:
    disputing.open_dispute(store, KEY, "wrong officer", TODAY, staff="IA-3", now_ms=NOW_MS)
    assert store.statements.overdue_count(TODAY + timedelta(days=30)) == 0
    assert store.statements.overdue_count(TODAY + timedelta(days=31)) == 1
    disputing.resolve_dispute(store, KEY, Outcome.STANDS, TODAY, staff="IA-3", now_ms=NOW_MS)
    assert store.statements.overdue_count(TODAY + timedelta(days=31)) == 0


def test_a_shorter_window_needs_the_law_that_says_so(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    assert read_windows(tmp_path) == Windows()
    settings.write_text("[due_process]\nwindow_days = 10\n")
    with pytest.raises(SettingsError, match="shorter than 30"):
        read_windows(tmp_path)
    settings.write_text('[due_process]\nwindow_days = 10\nlaw = "Code 1"\n[due_process.kinds]\ndecertification = 0\n')
    windows = read_windows(tmp_path)
    assert windows.of(RECORD) == 10
    assert windows.of(replace(RECORD, kind=ConductKind.DECERTIFICATION)) == 0
    assert windows.ends(RECORD) == TODAY - timedelta(days=190)


@pytest.mark.parametrize(
    "text",
    [
        "[due_process]\nwindow_days = -1\nlaw = 'x'\n",
        "[due_process]\nwindow_days = 366\n",
        "[due_process]\nwindow_days = '3'\nlaw = 'x'\n",
        "[due_process]\nlaw = 'x'\n[due_process.kinds]\ndecertificaton = 3\n",
        "[due_process]\nlaw = 'x'\nwindow = 3\n",
        "[due_process]\nkinds = 3\n",
        "[dueprocess]\nwindow_days = 40\n",
        "[due_process\n",
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsError):
        read_windows(tmp_path)


def test_a_window_of_the_law_lets_a_record_out_earlier(world: World) -> None:
    told_last_week = {"told_on": str(TODAY - timedelta(days=7))}
    changing.correct(world.owner.store, KEY, told_last_week, WHY)
    record = _record(world.owner.store)
    own = world.owner.own()
    assert not own.ruling(world.roster(), TODAY).admits(record)
    assert replace(own, windows=Windows(7, {}, "Code 1")).ruling(world.roster(), TODAY).admits(record)


def test_a_status_of_the_store_is_one_that_records_have() -> None:
    assert {"active", "corrected", "voided", "sealed"} == set(RecordStatus)
