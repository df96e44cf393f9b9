"""Terms: what an owner's law lets a receiver do goes out with the record, and is enforced where it was received."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from waypost.node import terms
from waypost.node.errors import SettingsError
from waypost.node.record_words import ERASED
from waypost.node.records import ConductKind, ConductRecord, FairProcess, RecordStatus
from waypost.node.results import since_facts
from waypost.node.settings import read_tables
from waypost.node.store import ReceivedNotice, Store, StoredAnswer, StoredCheck
from waypost.node.terms import OwnTerms, Terms, terms_of
from waypost.v1 import check_pb2, notice_pb2, record_pb2

TODAY = date(2026, 11, 24)
OWNER, CHECK = "NV9900200", bytes(16)
SECRET_WORDS = "Struck a handcuffed person"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as held:
        held.checks.add(StoredCheck(CHECK, "answered", "{}", 1, 1))
        yield held


def _record(key: str, keep_until: str) -> record_pb2.ConductRecord:
    limits = record_pb2.Terms(permitted_purpose="hiring", keep_until=keep_until)
    return record_pb2.ConductRecord(record_key=key, version=2, summary=SECRET_WORDS, status="active", terms=limits)


def _answer(store: Store, *records: record_pb2.ConductRecord) -> None:
    body = check_pb2.AnswerBody(candidates=[check_pb2.Candidate(officer_key="NV-1", conduct=records)])
    store.checks.add_answer(StoredAnswer(CHECK, OWNER, body.SerializeToString(), b"sealed original", 1))


def _held(store: Store) -> list[record_pb2.ConductRecord]:
    (answer,) = store.checks.answers(CHECK)
    return list(check_pb2.AnswerBody.FromString(answer.body).candidates[0].conduct)


def test_a_record_is_erased_on_the_day_after_its_last_and_what_stays_is_its_key(store: Store) -> None:
    _answer(store, _record("OVER", "2026-11-23"), _record("LAST-DAY", "2026-11-24"), _record("NO-END", ""))
    assert terms.lapse(store, TODAY, 5) == 1
    over, last_day, no_end = _held(store)
    assert (over.record_key, over.version, over.status, over.summary) == ("OVER", 2, "erased", "")
    assert last_day.summary == no_end.summary == SECRET_WORDS


def test_the_sealed_original_of_an_answer_goes_with_the_record(store: Store) -> None:
    _answer(store, _record("OVER", "2020-01-01"))
    terms.lapse(store, TODAY, 5)
    (answer,) = store.checks.answers(CHECK)
    assert answer.envelope == b""


def test_an_erasure_is_in_the_audit_once_and_a_second_run_erases_nothing(store: Store) -> None:
    _answer(store, _record("OVER", "2020-01-01"))
    terms.lapse(store, TODAY, 5)
    assert terms.lapse(store, TODAY, 6) == 0
    entries = [entry for entry in store.audit.newest(10) if entry.event == "disclosure-erased"]
    assert [(entry.subject, entry.at_ms) for entry in entries] == [(OWNER, 5)]


def test_a_record_in_a_notice_is_erased_like_one_in_an_answer(store: Store) -> None:
    body = notice_pb2.NoticeBody(record_key="OVER", sequence=1, record=_record("OVER", "2020-01-01"))
    store.notices.receive(ReceivedNotice(OWNER, "OVER", 1, body.SerializeToString(), 1))
    assert terms.lapse(store, TODAY, 5) == 1
    assert store.notices.received() == []


def test_a_notice_without_a_last_day_goes_with_the_last_answer_that_disclosed_its_record(store: Store) -> None:
    for key in ("OVER", "NO-END"):
        body = notice_pb2.NoticeBody(record_key=key, sequence=1, record=_record(key, ""))
        store.notices.receive(ReceivedNotice(OWNER, key, 1, body.SerializeToString(), 1))
    _answer(store, _record("OVER", "2020-01-01"), _record("NO-END", ""))
    assert terms.lapse(store, TODAY, 5) == 2
    assert [notice.record_key for notice in store.notices.received()] == ["NO-END"]
    assert terms.lapse(store, TODAY, 6) == 0


def test_a_notice_that_another_answer_keeps_tells_nothing_of_the_content_beside_an_erased_record() -> None:
    told = record_pb2.ConductRecord(record_key="OVER", version=2, status=ERASED)
    body = notice_pb2.NoticeBody(
        record_key="OVER", sequence=1, version=3, standing=notice_pb2.STANDING_STANDS, record=_record("OVER", "")
    )
    body.record.statement.text = SECRET_WORDS
    now = since_facts(ReceivedNotice(OWNER, "OVER", 1, body.SerializeToString(), 1), told)
    assert SECRET_WORDS not in str(now)
    assert (now["standing"], now["version"], now["differences"]) == ("stands", 3, [])


def test_a_last_day_that_is_no_day_does_not_keep_a_record_for_ever(store: Store) -> None:
    _answer(store, _record("NONSENSE", "whenever"))
    assert terms.lapse(store, TODAY, 5) == 1


def _conduct(kind: ConductKind) -> ConductRecord:
    status = RecordStatus.ACTIVE
    return ConductRecord("R", 1, kind, None, None, "", None, None, 0, "", FairProcess(), status)


def test_the_terms_of_a_kind_come_before_the_general_ones_and_count_from_the_disclosure() -> None:
    law = OwnTerms(Terms(onward_sharing=True, keep_days=10), {"suspension": Terms(keep_days=1)})
    general = law.of(_conduct(ConductKind.TERMINATION), "hiring", TODAY)
    assert (general.permitted_purpose, general.onward_sharing, general.keep_until) == ("hiring", True, "2026-12-04")
    special = law.of(_conduct(ConductKind.SUSPENSION), "certification", TODAY)
    assert (special.permitted_purpose, special.onward_sharing, special.keep_until) == (
        "certification",
        False,
        "2026-11-25",
    )


def test_without_settings_nothing_may_be_passed_on_and_no_day_is_the_last(tmp_path: Path) -> None:
    given = terms_of(read_tables(tmp_path)).of(_conduct(ConductKind.TERMINATION), "hiring", TODAY)
    assert (given.onward_sharing, given.keep_until) == (False, "")
    assert terms.words(given) == "may be used for hiring; not to be given to others"


@pytest.mark.parametrize(
    "text",
    [
        "[terms]\nkeep_days = 0",
        "[terms]\nkeep_days = true",
        '[terms]\nkeep_days = "long"',
        '[terms]\nonward_sharing = "no"',
        "[terms.kinds.gossip]\nkeep_days = 3",
        "[term]\nkeep_days = 3",
        "[terms]\nkeep_day = 3",
        "[terms]\nkinds = 3",
        "[terms.kinds.suspension]\nkeep_day = 3",
        "terms = 3",
        "[terms",
    ],
)
def test_settings_that_say_nothing_clear_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsError):
        terms_of(read_tables(tmp_path))
