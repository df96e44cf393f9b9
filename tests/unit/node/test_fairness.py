"""Section 3(b): only instances in which the officer was afforded fair process ever leave the node."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.node.fairness import Shareable, Want, Withheld, judge, shareable
from waypost.node.records import (
    Appeal,
    ConductKind,
    ConductRecord,
    FairProcess,
    Hearing,
    RecordStatus,
)

TODAY = date(2026, 11, 24)
FAIR = FairProcess(
    notice_on=date(2024, 2, 1),
    hearing=Hearing.HELD,
    decided_by="Review Board",
    decided_on=date(2024, 3, 1),
    appeal=Appeal.NONE,
    final_on=date(2024, 4, 1),
    told_on=date(2024, 4, 15),
)
RECORD = ConductRecord(
    record_key="R-1",
    version=1,
    kind=ConductKind.EXCESSIVE_FORCE_FINDING,
    occurred_on=date(2024, 1, 5),
    effective_on=date(2024, 3, 1),
    summary="Synthetic.",
    force_type=None,
    force_outcome=None,
    amount_cents=0,
    authority="Synthetic Police Department",
    fair_process=FAIR,
    status=RecordStatus.ACTIVE,
)


def _with(**facts: object) -> ConductRecord:
    return replace(RECORD, fair_process=replace(FAIR, **facts))  # type: ignore[arg-type]


def _wants(record: ConductRecord, today: date = TODAY) -> tuple[Want, ...]:
    fairness = judge(record, today)
    return tuple(missing.want for missing in fairness.missing) if isinstance(fairness, Withheld) else ()


def test_a_record_with_every_fact_of_fair_process_is_shareable() -> None:
    assert judge(RECORD, TODAY) == Shareable()
    assert shareable(replace(RECORD, status=RecordStatus.CORRECTED), TODAY)


@pytest.mark.parametrize("hearing", [Hearing.HELD, Hearing.WAIVED, Hearing.OFFERED_DECLINED])
def test_a_hearing_held_waived_or_offered_and_declined_is_a_hearing(hearing: Hearing) -> None:
    assert shareable(_with(hearing=hearing), TODAY)


@pytest.mark.parametrize("appeal", [Appeal.NONE, Appeal.UPHELD])
def test_a_decision_that_stands_after_appeal_or_without_one_is_settled(appeal: Appeal) -> None:
    assert shareable(_with(appeal=appeal), TODAY)


@pytest.mark.parametrize(
    ("facts", "want", "words"),
    [
        ({"notice_on": None}, Want.NOTICE, "no notice to the officer is recorded"),
        ({"hearing": None}, Want.HEARING, "no hearing is recorded"),
        ({"hearing": Hearing.NOT_OFFERED}, Want.HEARING, "no hearing was offered"),
        ({"decided_by": ""}, Want.DECIDED_BY, "who decided is not recorded"),
        ({"decided_by": "  "}, Want.DECIDED_BY, "who decided is not recorded"),
        ({"decided_on": None}, Want.DECIDED_ON, "when it was decided is not recorded"),
        ({"appeal": None}, Want.APPEAL, "whether an appeal was taken is not recorded"),
        ({"appeal": Appeal.OPEN}, Want.APPEAL, "the time for an appeal still runs"),
        ({"appeal": Appeal.PENDING}, Want.APPEAL, "an appeal is pending"),
        ({"appeal": Appeal.OVERTURNED}, Want.APPEAL, "the decision was overturned on appeal"),
        ({"final_on": None}, Want.FINAL, "when the decision became final is not recorded"),
        ({"final_on": date(2026, 11, 25)}, Want.FINAL, "finality is dated 2026-11-25, which has not come"),
        ({"told_on": None}, Want.TOLD, "the officer was not told that the record will be shared"),
        ({"told_on": date(2026, 11, 25)}, Want.TOLD, "telling the officer is dated 2026-11-25, which has not come"),
        ({"told_on": date(2026, 11, 1)}, Want.WINDOW, "the officer may answer until 2026-12-01"),
    ],
)
def test_each_fact_that_is_missing_withholds_alone_and_is_named(
    facts: dict[str, object], want: Want, words: str
) -> None:
    fairness = judge(_with(**facts), TODAY)
    assert isinstance(fairness, Withheld)
    assert [(missing.want, missing.words) for missing in fairness.missing] == [(want, words)]


@pytest.mark.parametrize("status", [RecordStatus.VOIDED, RecordStatus.SEALED])
def test_attack_a_voided_or_sealed_record_with_all_process_is_asked_for(status: RecordStatus) -> None:
    assert _wants(replace(RECORD, status=status)) == (Want.STANDING,)


def test_the_window_to_answer_ends_thirty_days_after_the_officer_was_told() -> None:
    told = TODAY - timedelta(days=30)
    assert shareable(_with(told_on=told), TODAY)
    assert _wants(_with(told_on=told), TODAY - timedelta(days=1)) == (Want.WINDOW,)
    assert not shareable(_with(told_on=told), TODAY, window_days=60)


def test_nothing_is_forgotten_when_everything_is_missing() -> None:
    record = replace(RECORD, fair_process=FairProcess(), status=RecordStatus.VOIDED)
    assert set(_wants(record)) == set(Want) - {Want.WINDOW, Want.ORDER}


@pytest.mark.parametrize("kind", list(ConductKind))
def test_no_kind_of_record_is_exempt(kind: ConductKind) -> None:
    assert shareable(replace(RECORD, kind=kind), TODAY)
    assert not shareable(replace(RECORD, kind=kind, fair_process=FairProcess()), TODAY)


def test_attack_dates_out_of_order_reach_the_gate_past_the_value_class() -> None:
    facts = replace(FAIR)
    object.__setattr__(facts, "notice_on", date(2024, 3, 20))  # after the decision
    record = replace(RECORD)
    object.__setattr__(record, "fair_process", facts)
    assert _wants(record) == (Want.ORDER,)


days = st.none() | st.dates(date(2024, 1, 1), date(2027, 6, 1))


@settings(max_examples=60, deadline=None)
@given(
    *(st.none() | st.sampled_from(list(Hearing)), st.none() | st.sampled_from(list(Appeal)), days, days, days, days),
    st.sampled_from(list(RecordStatus)),
)
def test_whatever_is_recorded_a_shareable_record_has_every_fact(
    hearing: Hearing | None,
    appeal: Appeal | None,
    notice: date | None,
    decided: date | None,
    final: date | None,
    told: date | None,
    status: RecordStatus,
) -> None:
    notice, decided, final = sorted((notice, decided, final), key=lambda day: day or date.min)
    facts = FairProcess(notice, hearing, "Board", decided, appeal, final, told)
    record = replace(RECORD, fair_process=facts, status=status)
    complete = (
        status in {RecordStatus.ACTIVE, RecordStatus.CORRECTED}
        and hearing in {Hearing.HELD, Hearing.WAIVED, Hearing.OFFERED_DECLINED}
        and appeal in {Appeal.NONE, Appeal.UPHELD}
        and all(day is not None and day <= TODAY for day in (notice, decided, final))
        and told is not None
        and told + timedelta(days=30) <= TODAY
    )
    assert shareable(record, TODAY) == complete
