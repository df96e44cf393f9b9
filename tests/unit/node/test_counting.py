"""Counting: what the catalogue says is counted, clipped by officer, and what lacks fair process is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.parties.agency import TODAY, Agency, Cells

from waypost.node.counting import Books, count
from waypost.node.due_process import Windows
from waypost.node.store import DisclosedRecord, Disclosure, ProgrammeFact, Store, StoredCheck
from waypost.protocol.measures import MEASURES, measure
from waypost.protocol.periods import Period, parse_period

ORI = "OR9900400"
YEAR = parse_period("2023")
NOON_2023_MS = 1_686_000_000_000  # in June 2023


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    with Store.open(tmp_path / "node.db", bytes(32)) as store:
        yield Agency(store, tmp_path / "rejects")


def counted(agency: Agency, name: str, period: Period = YEAR, today: date = TODAY) -> dict[tuple[str, ...], int]:
    """The cells that are not zero, by their values."""
    asked = measure(name)
    vector = count(asked, period, Books(agency.store, ORI, Windows(), today))
    cells = asked.cells(period)
    assert len(vector) == len(cells)
    return {values: number for values, number in zip(cells, vector, strict=True) if number}


def records(*cells: Cells) -> tuple[Cells, ...]:
    return tuple({"record_key": f"R-{number}", **each} for number, each in enumerate(cells))


def test_records_are_counted_by_kind_and_year(agency: Agency) -> None:
    conduct = records({}, {"kind": "commendation", "effective_on": "2022-03-01"}, {"kind": "commendation"})
    agency.load({}, conduct=conduct)
    assert counted(agency, "records") == {("suspension", "2023"): 1, ("commendation", "2023"): 1}
    both = counted(agency, "records", parse_period("2022..2023"))
    assert both[("commendation", "2022")] == 1


@pytest.mark.parametrize(
    "lacking",
    [
        *({"notice_on": ""}, {"hearing": "not_offered"}, {"appeal": "pending"}, {"final_on": ""}, {"told_on": ""}),
        *({"told_on": "2026-11-01"}, {"status": "voided"}, {"decided_by": ""}),
    ],
    ids=lambda cells: "-".join(f"{name}={value}" for name, value in cells.items()),
)
def test_attack_a_record_without_fair_process_is_never_counted(agency: Agency, lacking: Cells) -> None:
    agency.load({}, conduct=records(lacking))
    for name in set(MEASURES) - {"records-withheld", "programmes"}:
        assert counted(agency, name) == {}, name
    withheld = counted(agency, "records-withheld")
    assert withheld == ({} if "status" in lacking else {("suspension",): 1})


def test_a_record_counts_from_the_day_on_which_the_window_is_over(agency: Agency) -> None:
    agency.load({}, conduct=records({"told_on": "2023-09-05"}))
    assert counted(agency, "records", today=date(2023, 10, 4)) == {}
    assert counted(agency, "records", today=date(2023, 10, 5)) == {("suspension", "2023"): 1}


def test_what_was_withheld_at_a_periods_end_is_the_same_on_whatever_day_it_is_counted(agency: Agency) -> None:
    conduct = records({"told_on": "2023-12-20"}, {"effective_on": "2024-02-01", "told_on": ""}, {"hearing": ""})
    agency.load({}, conduct=conduct)
    for today in (date(2024, 1, 2), date(2024, 6, 1), TODAY):
        assert counted(agency, "records-withheld", today=today) == {("suspension",): 2}
    assert counted(agency, "records-withheld", parse_period("2024Q1"), today=TODAY) == {("suspension",): 2}


def test_an_officers_records_are_clipped_oldest_first(agency: Agency) -> None:
    days = ("2023-01-05", "2023-02-05", "2023-03-05", "2023-04-05", "2023-05-05", "2023-06-05")
    kinds = ("suspension", "suspension", "suspension", "suspension", "commendation", "commendation")
    conduct = records(*({"kind": kind, "effective_on": day} for kind, day in zip(kinds, days, strict=True)))
    agency.load({}, conduct=conduct)
    assert counted(agency, "records") == {("suspension", "2023"): measure("records").clip}


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"programmes", "officers-trained"}))
def test_no_officer_adds_more_than_the_clip_whatever_is_recorded_of_him(agency: Agency, name: str) -> None:
    kinds = ("suspension", "decertification", "civil_judgment", "excessive_force_finding")
    many = [
        {"kind": kind, "effective_on": "2023-06-01", "told_on": told} for kind in kinds for told in ("2023-09-05", "")
    ]
    jobs = tuple(
        {"hired_on": f"201{n}-01-11", "separated_on": "2023-05-01", "separation_kind": "resigned"}
        | {"under_investigation": "yes"}
        for n in range(5)
    )
    agency.load({}, employment=jobs, conduct=records(*many * 3))
    assert sum(counted(agency, name).values()) <= measure(name).clip


def test_two_keys_of_one_person_are_one_officer(agency: Agency) -> None:
    agency.load({}, {"officer_key": "A-2"}, conduct=records(*({"officer_key": f"A-{n}"} for n in (1, 1, 1, 2, 2, 2))))
    assert counted(agency, "records") == {("suspension", "2023"): 6}
    first, second = (agency.store.officers.by_key(key) for key in ("A-1", "A-2"))
    assert first is not None
    assert second is not None
    agency.store.merges.link([second.id], first.id)
    assert counted(agency, "records") == {("suspension", "2023"): 4}


def test_force_is_counted_by_type_and_outcome_in_the_year_it_was_used(agency: Agency) -> None:
    finding = {"kind": "excessive_force_finding", "occurred_on": "2022-12-30", "effective_on": "2023-07-17"}
    agency.load(
        {},
        conduct=records({**finding, "force_type": "choke_hold", "force_outcome": "serious_injury"}, finding),
    )
    assert counted(agency, "force-findings") == {}
    assert counted(agency, "force-findings", parse_period("2022")) == {
        ("choke_hold", "serious_injury", "2022"): 1,
        ("unrecorded", "unrecorded", "2022"): 1,
    }


def test_decertifications_are_counted_by_what_was_done(agency: Agency) -> None:
    conduct = records({"kind": "decertification", "force_outcome": "revoked"}, {"kind": "decertification"})
    agency.load({}, conduct=conduct)
    assert counted(agency, "decertifications") == {("revoked", "2023"): 1, ("unrecorded", "2023"): 1}


@pytest.mark.parametrize(
    ("amount", "band"),
    [
        *(("", "unrecorded"), ("9999.99", "under_10000"), ("10000", "10000_to_49999")),
        *(("49999.99", "10000_to_49999"), ("4999999", "1000000_to_4999999"), ("5000000", "5000000_and_more")),
    ],
)
def test_judgments_are_counted_in_bands_of_their_amount(agency: Agency, amount: str, band: str) -> None:
    agency.load({}, conduct=records({"kind": "civil_judgment", "amount": amount}))
    assert counted(agency, "civil-judgments") == {(band, "2023"): 1}


@pytest.mark.parametrize(
    ("occurred", "band"),
    [
        *(("2023-08-01", "within_30_days"), ("2023-07-31", "31_to_90_days"), ("2021-08-31", "366_to_730_days")),
        *(("2021-08-30", "over_730_days"), ("", "unrecorded")),
    ],
)
def test_the_time_to_a_decision_is_counted_in_bands_of_days(agency: Agency, occurred: str, band: str) -> None:
    early = {"notice_on": "2021-08-30"} if occurred < "2023-06" else {}
    agency.load({}, conduct=records({"occurred_on": occurred, "effective_on": "2023-08-31", **early}))
    assert counted(agency, "time-to-decision") == {(band, "2023"): 1}


def test_employment_is_counted_on_the_periods_last_day_and_here_only(agency: Agency) -> None:
    agency.load(
        *({"officer_key": f"A-{number}"} for number in range(1, 8)),
        employment=(
            {"officer_key": "A-7", "hired_on": "", "separated_on": "2024-01-01", "separation_kind": "retired"},
            {"officer_key": "A-1"},
            {"officer_key": "A-2", "sworn": "no"},
            {"officer_key": "A-3", "separated_on": "2023-12-31", "separation_kind": "retired"},
            {"officer_key": "A-4", "separated_on": "2024-01-01", "separation_kind": "retired"},
            {"officer_key": "A-5", "hired_on": "2024-01-01"},
            {"officer_key": "A-6", "ori": "CA9900100"},
        ),
    )
    assert counted(agency, "officers-employed") == {("sworn",): 2, ("not_sworn",): 1}


def test_separations_under_investigation_are_counted_by_how_the_officer_left(agency: Agency) -> None:
    left = {"separated_on": "2023-05-01", "under_investigation": "yes"}
    agency.load(
        *({"officer_key": f"A-{number}"} for number in range(1, 6)),
        employment=(
            {"officer_key": "A-1", "separation_kind": "resigned_in_lieu", **left},
            {"officer_key": "A-2", "separation_kind": "retired", **left},
            {"officer_key": "A-3", "separation_kind": "terminated_for_cause", **left},
            {"officer_key": "A-4", "separation_kind": "resigned", **left, "under_investigation": "no"},
            {"officer_key": "A-5", "separation_kind": "resigned", **left, "ori": "CA9900100"},
        ),
    )
    assert counted(agency, "separations-under-investigation") == {
        ("resigned", "2023"): 1,
        ("retired", "2023"): 1,
        ("other", "2023"): 1,
    }


def test_checks_are_counted_once_each_by_what_was_given(agency: Agency) -> None:
    store = agency.store
    store.checks.add(StoredCheck(b"1" * 16, "submitted", "{}", NOON_2023_MS, NOON_2023_MS, receipt=b"r"))
    store.checks.add(StoredCheck(b"2" * 16, "failed", "{}", NOON_2023_MS, NOON_2023_MS))
    agency.load({}, {"officer_key": "A-2"})
    held = agency.store.officers.held()
    one, two = held["A-1"].id, held["A-2"].id
    for check, officer, verdict, given in (
        *((b"3", one, "disclose", (DisclosedRecord("R", 1),)), (b"3", two, "referral", ())),
        *((b"4", one, "referral", ()), (b"5", two, "disclose", ())),
    ):
        store.disclosures.add(
            Disclosure(
                at_ms=NOON_2023_MS,
                check_id=check * 16,
                asker="CA9900100",
                purpose="hiring",
                authorization_digest=b"",
                asker_reference="S",
                officer_id=officer,
                records=given,
                policies=(),
                verdict=verdict,
                answer_digest=b"",
            )
        )
    assert counted(agency, "checks") == {
        ("asked", "2023"): 1,
        ("answered_with_records", "2023"): 1,
        ("answered_with_a_referral", "2023"): 1,
        ("answered_without", "2023"): 1,
    }


def test_the_custodians_newest_statement_before_the_periods_end_counts(agency: Agency) -> None:
    for name, value, day in (
        ("trained_crisis_intervention", "40", date(2022, 1, 1)),
        ("trained_crisis_intervention", "55", date(2023, 12, 31)),
        ("trained_crisis_intervention", "99", date(2024, 1, 1)),
        ("co_responder", "yes", date(2023, 1, 1)),
        ("co_responder", "no", date(2023, 1, 1)),
    ):
        agency.store.programmes.add(ProgrammeFact(name, value, day, "A. Custodian", 1))
    assert counted(agency, "officers-trained") == {("crisis_intervention",): 55}
    assert counted(agency, "programmes") == {("co_responder", "no"): 1, ("early_intervention", "unrecorded"): 1}
