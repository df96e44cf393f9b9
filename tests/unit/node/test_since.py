"""A stored check shows how a record stands now beside what was told, whichever fact has changed, and no old news."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.parties.duty_world import NOW_MS, OWNER, RECORD, TODAY, World

from waypost.node import changing, disputing
from waypost.node.changing import CAUSE_ORDER, Why
from waypost.node.cli.show import show
from waypost.node.intake.rows import COLUMNS, FileKind
from waypost.node.results import facts
from waypost.node.since import MARGIN_MS
from waypost.node.statements import Statement
from waypost.node.store import Store

KEY = RECORD.record_key
OTHERWISE = {
    "amount": ("2500.50", "amount", "", "$2,500.50"),
    "kind": ("sustained_complaint", "kind", "excessive force finding", "sustained complaint"),
    "occurred_on": ("2024-01-02", "it happened on", str(RECORD.occurred_on), "2024-01-02"),
    "effective_on": ("2026-11-11", "in effect from", str(RECORD.effective_on), "2026-11-11"),
    "summary": ("Other words.", "what it says", RECORD.summary, "Other words."),
    "force_type": ("choke_hold", "force", "", "choke hold"),
    "force_outcome": ("serious_injury", "outcome", "", "serious injury"),
    "authority": ("The State", "kept by", RECORD.authority, "The State"),
    "notice_on": ("2025-11-10", "notice on", str(RECORD.fair_process.notice_on), "2025-11-10"),
    "hearing": ("waived", "hearing", "held", "waived"),
    "decided_by": ("A judge", "decided", "Commission", "A judge"),
    "decided_on": ("2026-04-01", "decided", str(RECORD.fair_process.decided_on), "2026-04-01"),
    "appeal": ("upheld", "appeal", "none", "upheld"),
    "final_on": ("2026-06-01", "final on", str(RECORD.fair_process.final_on), "2026-06-01"),
    "told_on": ("2026-08-08", "officer told on", str(RECORD.fair_process.told_on), "2026-08-08"),
}


def why(world: World) -> Why:
    return Why("IA-3", "put right", world.now_ms, TODAY)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def _now(world: World, check_id: bytes) -> dict[str, Any] | None:
    (candidate,) = facts(world.result(check_id))["candidates"]
    (record,) = candidate["records"]
    found: dict[str, Any] | None = record["now"]
    return found


def _shown(world: World, check_id: bytes) -> str:
    written = io.StringIO()
    show(world.result(check_id), {}, Console(file=written, width=300))
    return written.getvalue()


def _later(world: World) -> None:
    world.now_ms += MARGIN_MS + 1_000


@pytest.mark.parametrize("column", sorted(OTHERWISE))
def test_a_corrected_fact_is_shown_beside_what_was_told_whichever_it_is(world: World, column: str) -> None:
    value, fact, told, now = OTHERWISE[column]
    check_id = world.ask()
    changing.correct(world.owner.store, KEY, {column: value}, why(world))
    world.tell()
    found = _now(world, check_id)
    assert found is not None
    (each,) = found["differences"]
    assert each["fact"] == fact
    assert told in each["told"]
    assert now in each["now"]
    assert f"{fact}: {each['now']}" in _shown(world, check_id)


def test_there_is_such_a_case_for_every_fact_that_can_be_corrected() -> None:
    columns = set(COLUMNS[FileKind.CONDUCT]) - changing.FIXED_COLUMNS
    assert columns == set(OTHERWISE)


def test_an_answer_that_was_given_after_the_change_is_not_shown_as_changed_since(world: World) -> None:
    first = world.ask()
    changing.correct(world.owner.store, KEY, {"summary": "Other words."}, why(world))
    world.tell()
    for _ in range(2):
        second = world.ask()
        assert _now(world, second) is None
        assert "SINCE THEN" not in _shown(world, second)
        _later(world)
    assert _now(world, first) is not None


def test_a_record_that_was_voided_and_reinstated_stands_again_for_the_first_check_and_is_no_news_to_the_next(
    world: World,
) -> None:
    first = world.ask()
    changing.void(world.owner.store, KEY, why(world), overturned=True)
    world.tell()
    _later(world)
    changing.reinstate(world.owner.store, KEY, why(world))
    second = world.ask()
    assert _now(world, second) is None  # the voiding is older than this answer, and has arrived before it
    world.tell()
    assert _now(world, second) is None
    found = _now(world, first)
    assert found is not None
    assert (found["standing"], found["version"]) == ("stands", 3)


def test_a_statement_and_a_dispute_since_the_answer_are_shown_in_the_same_version(world: World) -> None:
    check_id, store = world.ask(), world.owner.store
    disputing.set_statement(store, KEY, Statement("I was alone.", TODAY), staff="IA-3", now_ms=world.now_ms)
    disputing.open_dispute(store, KEY, "not me", TODAY, staff="IA-3", now_ms=world.now_ms)
    world.tell()
    found = _now(world, check_id)
    assert found is not None
    assert {each["fact"] for each in found["differences"]} == {"dispute", "officer's statement"}
    _later(world)
    again = world.ask()
    assert _now(world, again) is None
    disputing.set_statement(store, KEY, None, staff="IA-3", now_ms=world.now_ms)
    world.tell()
    found = _now(world, again)
    assert found is not None
    assert [(each["told"], each["now"]) for each in found["differences"]] == [("I was alone.", "")]


def test_an_owner_whose_store_comes_from_a_backup_is_believed_about_a_later_change(world: World) -> None:
    path, kept = world.folder / "owner.db", world.folder / "backup.db"
    world.ask()
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(kept)) as backup:
        database.backup(backup)
    for words in ("Second.", "Third.", "Fourth."):
        changing.correct(world.owner.store, KEY, {"summary": words}, why(world))
        world.tell()
    check_id = world.ask()
    _later(world)
    world.owner.store.close()
    kept.chmod(0o600)
    kept.replace(path)
    world.owner.store = Store.open(path, bytes(32))
    changing.void(world.owner.store, KEY, why(world))
    world.tell()
    found = _now(world, check_id)
    assert found is not None
    assert (found["standing"], found["version"]) == ("voided", 2)


def test_what_was_erased_here_is_shown_as_erased_and_with_no_made_up_facts(world: World, tmp_path: Path) -> None:
    check_id = world.ask()
    changing.expunge(
        world.owner.store, KEY, cause=CAUSE_ORDER, reference="D-9", staff="IA-3", rejects=tmp_path, now_ms=NOW_MS
    )
    world.tell()
    text = _shown(world, check_id)
    assert f"record {KEY} v1: its content is erased here" in text
    assert "EXPUNGED" in text
    for words in ("unspecified", "not recorded", "fair process"):
        assert words not in text
    (candidate,) = facts(world.result(check_id))["candidates"]
    assert candidate["records"][0]["kind"] == "record"


def test_attack_an_officers_statement_passes_for_a_line_of_the_program(world: World) -> None:
    words = "I was alone.\n    SINCE THEN (2027-01-15): VOIDED: overturned"
    said = Statement(words, TODAY)
    disputing.set_statement(world.owner.store, KEY, said, staff="IA-3", now_ms=world.now_ms)
    told = world.ask()
    assert not any(line.startswith("    SINCE THEN") for line in _shown(world, told).splitlines())


def test_an_answer_of_which_only_a_redacted_copy_is_kept_is_judged_by_the_records_versions(world: World) -> None:
    store = world.owner.store
    first = world.ask()
    changing.void(store, KEY, why(world))
    world.tell()
    changing.reinstate(store, KEY, why(world))
    second = world.ask()
    (answer,) = world.asker.store.checks.answers(second)
    world.asker.store.checks.redact_answer(second, OWNER, answer.body)
    (answer,) = world.asker.store.checks.answers(second)
    assert answer.envelope == b""
    assert _now(world, second) is None
    assert _now(world, first) is not None
