"""No file undoes silently what somebody did to a record in a lawful way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.parties.agency import Agency
from tests.parties.duty_world import NOW_MS, RECORD, TODAY, World

from waypost.node import changing
from waypost.node.changing import Why
from waypost.node.custody.undoing import undo
from waypost.node.intake.lasting import says_the_same, undoes
from waypost.node.records import RecordStatus
from waypost.node.store import DisclosedRecord, Disclosure, HeldConduct, ImportBatch, Store

KEY = RECORD.record_key
WHY = Why("IA-3", "as the court ordered", NOW_MS, TODAY)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    world = World(tmp_path)
    yield world.owner.store
    world.close()


def _held(store: Store) -> HeldConduct:
    return store.conduct.held_among([KEY])[KEY]


def _refusal(store: Store, **changes: str) -> str:
    problem = undoes(store, _held(store), replace(RECORD, **changes))  # type: ignore[arg-type]
    return str(problem or "")


def test_a_file_may_change_a_record_that_stands(store: Store) -> None:
    assert _refusal(store, summary="Other words.") == ""
    assert says_the_same(store, _held(store), RECORD)


@pytest.mark.parametrize(("end", "word"), [(changing.void, "voided"), (changing.seal, "sealed")])
def test_a_file_does_not_bring_an_ended_record_back_until_it_is_reinstated(
    store: Store, end: object, word: str
) -> None:
    end(store, KEY, WHY)  # type: ignore[operator]
    assert f"is {word} here: reinstate it first" in _refusal(store)
    assert "reinstate it first" in _refusal(store, summary="Other words.")
    changing.reinstate(store, KEY, WHY)
    assert _refusal(store, summary="Other words.") == ""


def test_a_file_that_says_itself_that_the_record_is_voided_says_the_same(store: Store) -> None:
    changing.void(store, KEY, WHY)
    assert says_the_same(store, _held(store), replace(RECORD, status=RecordStatus.VOIDED))


def test_a_file_does_not_bring_an_expunged_record_back(store: Store, tmp_path: Path) -> None:
    changing.expunge(store, KEY, cause="order", reference="A", staff="IA-3", rejects=tmp_path, now_ms=NOW_MS)
    assert "was expunged here" in _refusal(store)
    assert not says_the_same(store, _held(store), RECORD)


def test_a_file_that_has_not_heard_of_a_correction_does_not_undo_it(store: Store) -> None:
    changing.correct(store, KEY, {"summary": "Other words."}, WHY)
    assert "was corrected here since" in _refusal(store)
    followed = replace(RECORD, summary="Other words.")
    assert says_the_same(store, _held(store), followed)
    assert _refusal(store, summary="Newer words still.") == ""


def test_what_the_undo_of_an_import_took_away_comes_back_with_the_files(store: Store) -> None:
    officer_id = store.conduct.owner_of(KEY) or 0
    with store.writing():
        undo_id = store.imports.begin(NOW_MS)
        store.conduct.put([(officer_id, replace(RECORD, version=2, status=RecordStatus.VOIDED))], undo_id)
        store.imports.finish(undo_id, ImportBatch(NOW_MS, 0, 0, 0, 0, ()))
        store.batches.describe(undo_id, "undo of batch 1", undoes=1)
    assert _refusal(store) == ""


# Whole imports


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    with Store.open(tmp_path / "agency.db", bytes(32)) as opened:
        yield Agency(opened, tmp_path / "rejects")


def _disclose(agency: Agency, version: int = 1) -> None:
    officer_id = agency.store.conduct.owner_of("R-1") or 0
    agency.store.disclosures.add(
        Disclosure(
            at_ms=1,
            check_id=bytes(16),
            asker="CA9900100",
            purpose="hiring",
            authorization_digest=bytes(32),
            asker_reference="BG-7",
            officer_id=officer_id,
            records=(DisclosedRecord("R-1", version),),
            policies=(),
            verdict="disclose",
            answer_digest=bytes(32),
        )
    )


def _owed(agency: Agency) -> list[tuple[str, ...]]:
    return [notice.changes for notice in agency.store.notices.owed()]


def test_an_import_that_changes_a_disclosed_record_and_its_undo_are_told(agency: Agency) -> None:
    agency.load({}, conduct=({},))
    _disclose(agency)
    batch = agency.load(conduct=({"summary": "Other words."},))
    assert _owed(agency) == [("corrected",)]
    undo(agency.store, batch, at_ms=agency.clock_ms + 1)
    assert _owed(agency) == [("corrected", "corrected")]


def test_an_import_that_voids_a_disclosed_record_is_told_as_that(agency: Agency) -> None:
    agency.load({}, conduct=({},))
    _disclose(agency)
    agency.load(conduct=({"status": "voided"},))
    assert _owed(agency) == [("voided",)]
    agency.load(conduct=({},))
    assert agency.statuses() == ("active", "voided")
    assert "reinstate it first" in str(agency.reports[-1].rejections[0].reasons)


def test_an_import_that_changes_nothing_tells_nobody(agency: Agency) -> None:
    agency.load({}, conduct=({},))
    _disclose(agency)
    agency.load({}, conduct=({},))
    assert _owed(agency) == []


def test_a_row_of_an_expunged_record_is_named_in_the_report_and_written_nowhere(agency: Agency) -> None:
    agency.load({}, conduct=({"summary": "Quixotic"}, {"record_key": "R-2"}))
    changing.expunge(
        agency.store, "R-1", cause="order", reference="A", staff="IA-3", rejects=agency.rejects, now_ms=NOW_MS
    )
    agency.load(conduct=({"summary": "Quixotic"}, {"record_key": "R-2", "kind": "nonsense"}))
    report = agency.reports[-1]
    assert [rejection.reasons for rejection in report.rejections if "expunged" in rejection.reasons]
    (path,) = agency.rejects.iterdir()
    text = path.read_text(encoding="utf-8-sig")
    assert "Quixotic" not in text
    assert "R-2" in text
