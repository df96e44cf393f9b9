"""Policies: every expected decision in tables, and no node's policy lets out what the floor forbids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.parties.duty_world import FAIR, JOB, OWNER, PERSON, RECORD, TODAY, with_facts

from waypost.node.due_process import Windows
from waypost.node.errors import PolicyError
from waypost.node.policy import Asker, PolicyEngine, law_files, read_local
from waypost.node.policy_review import FileEffect, review
from waypost.node.records import (
    Appeal,
    CertificationAction,
    ConductKind,
    ConductRecord,
    Hearing,
    Officer,
    RecordStatus,
)
from waypost.node.ruling import Ruling
from waypost.node.statements import Dispute
from waypost.protocol import floor

EXAMPLES = Path(__file__).parents[3] / "docs" / "policies"
FLOOR = PolicyEngine(floor.text())


def _ruling(*files: tuple[str, str]) -> Ruling:
    return Ruling("OR9900400", "OR", PolicyEngine(floor.text(), files) if files else FLOOR, Windows(), TODAY)


def _asker(role: str = "agency", purpose: str = "hiring", state: str = "OR", authorized: bool = True) -> Asker:
    return Asker("CA9900100", role, state, purpose, authorized)


def _disclosed(ruling: Ruling, asker: Asker, record: ConductRecord) -> bool:
    decision = ruling.of_record(asker, record)
    return decision is not None and decision.allowed


def _example(name: str) -> tuple[str, str]:
    return name, (EXAMPLES / name).read_text()


# The floor: purposes x roles x authorization, and fair-process facts.

ASKED = {
    ("hiring", "agency", True): True,
    ("hiring", "agency", False): False,
    ("hiring", "post", True): False,
    ("hiring", "post", False): False,
    ("hiring", "credentialing-body", True): False,
    ("hiring", "credentialing-body", False): False,
    ("certification", "agency", True): False,
    ("certification", "agency", False): False,
    ("certification", "post", True): True,
    ("certification", "post", False): True,
    ("certification", "credentialing-body", True): False,
    ("certification", "credentialing-body", False): False,
    ("self", "agency", True): True,
    ("self", "agency", False): False,
    ("self", "post", True): True,
    ("self", "post", False): False,
    ("self", "credentialing-body", True): False,
    ("self", "credentialing-body", False): False,
}
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
FACTS: list[tuple[str, dict[str, Any], bool]] = [
    ("all recorded", {}, True),
    ("hearing waived", {"hearing": Hearing.WAIVED}, True),
    ("hearing declined", {"hearing": Hearing.OFFERED_DECLINED}, True),
    ("hearing not offered", {"hearing": Hearing.NOT_OFFERED}, False),
    ("hearing not recorded", {"hearing": None}, False),
    ("no notice", {"notice_on": None}, False),
    ("nobody decided", {"decided_by": ""}, False),
    ("no day of decision", {"decided_on": None}, False),
    ("appeal upheld", {"appeal": Appeal.UPHELD}, True),
    ("appeal open", {"appeal": Appeal.OPEN}, False),
    ("appeal pending", {"appeal": Appeal.PENDING}, False),
    ("appeal won", {"appeal": Appeal.OVERTURNED}, False),
    ("appeal not recorded", {"appeal": None}, False),
    ("not final", {"final_on": None}, False),
    ("final tomorrow", {"final_on": TOMORROW}, False),
    ("officer not told", {"told_on": None}, False),
    ("officer told yesterday", {"told_on": YESTERDAY}, False),
]


def test_the_table_has_every_combination() -> None:
    roles = ("agency", "post", "credentialing-body")
    assert set(ASKED) == set(product(("hiring", "certification", "self"), roles, (True, False)))


@pytest.mark.parametrize(("facts", "fair"), [(facts, fair) for _, facts, fair in FACTS], ids=[f[0] for f in FACTS])
@pytest.mark.parametrize("status", list(RecordStatus))
def test_the_floor_decides_as_the_table_says_for_every_kind(
    facts: dict[str, Any], fair: bool, status: RecordStatus
) -> None:
    stands = status in {RecordStatus.ACTIVE, RecordStatus.CORRECTED}
    ruling = _ruling()
    for (purpose, role, authorized), may_ask in ASKED.items():
        for kind in ConductKind:
            record = replace(with_facts(**facts), kind=kind, status=status)
            expected = may_ask and fair and stands
            assert _disclosed(ruling, _asker(role, purpose, authorized=authorized), record) is expected, (purpose, kind)


# The same with each of the shipped policies: what it forbids, said a second time and otherwise than in Cedar.

_DISCIPLINE = {ConductKind.SUSPENSION, ConductKind.SUSTAINED_COMPLAINT}
_QUIT = {ConductKind.RESIGNATION_UNDER_INVESTIGATION, ConductKind.RETIREMENT_UNDER_INVESTIGATION}
FORBIDS: dict[str, Callable[[Asker, ConductRecord], bool]] = {
    "no-unsustained-matters.cedar": lambda _, record: (
        record.kind in _QUIT and record.fair_process.hearing is not Hearing.HELD
    ),
    "no-resignations-without-a-finding.cedar": lambda _, record: (
        record.kind in _QUIT and record.fair_process.hearing is not Hearing.HELD
    ),
    "sealed-after-five-years.cedar": lambda asker, record: (
        record.kind in _DISCIPLINE
        and asker.role != "post"
        and (TODAY - (record.fair_process.decided_on or TODAY)).days > 5 * 365
    ),
    "nothing-in-dispute.cedar": lambda _, record: record.dispute is not None,
    "own-state-only-discipline.cedar": lambda asker, record: record.kind in _DISCIPLINE and asker.state != "OR",
}
_YEARS = timedelta(days=6 * 365)
_LONG_AGO = {"notice_on": TODAY - _YEARS, "decided_on": TODAY - _YEARS, "final_on": TODAY - _YEARS}
_DISPUTE = Dispute(TODAY - timedelta(days=3))


@pytest.mark.parametrize("file", sorted(FORBIDS))
@pytest.mark.parametrize(("facts", "fair"), [(facts, fair) for _, facts, fair in FACTS], ids=[f[0] for f in FACTS])
def test_a_shipped_policy_and_the_floor_decide_together_as_the_tables_say_for_every_kind(
    file: str, facts: dict[str, Any], fair: bool
) -> None:
    ruling = _ruling(_example(file))
    for (purpose, role, authorized), may_ask in ASKED.items():
        for kind, when, dispute in product(ConductKind, ({}, _LONG_AGO), (None, _DISPUTE)):
            dated = {name: day for name, day in when.items() if name not in facts}
            record = replace(with_facts(**dated, **facts), kind=kind, dispute=dispute)
            asker = _asker(role, purpose, "CA" if dispute is None else "OR", authorized)
            expected = may_ask and fair and not FORBIDS[file](asker, record)
            assert _disclosed(ruling, asker, record) is expected, (asker, kind, dated, dispute)


# The floor's own forbids, should the gate of fairness.py ever be passed by mistake.


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        (with_facts(hearing=None), "floor.fair-process"),
        (with_facts(appeal=Appeal.PENDING), "floor.appeal"),
        (with_facts(appeal=Appeal.OPEN), "floor.appeal"),
        (with_facts(appeal=Appeal.OVERTURNED), "floor.appeal"),
        (replace(RECORD, status=RecordStatus.VOIDED), "floor.status"),
        (replace(RECORD, status=RecordStatus.SEALED), "floor.status"),
    ],
)
def test_the_floor_forbids_by_itself_what_the_gate_withholds(record: ConductRecord, policy: str) -> None:
    decision = _ruling().explain(_asker(), record).decision
    assert not decision.allowed
    assert policy in decision.policy_ids


# The shipped examples: what each keeps back, and what it does not.

OLD = timedelta(days=6 * 365)
RESIGNED = replace(with_facts(hearing=Hearing.WAIVED), kind=ConductKind.RESIGNATION_UNDER_INVESTIGATION)
RETIRED = replace(RESIGNED, kind=ConductKind.RETIREMENT_UNDER_INVESTIGATION)
HEARD = replace(RECORD, kind=ConductKind.RESIGNATION_UNDER_INVESTIGATION)
SUSPENDED = replace(RECORD, kind=ConductKind.SUSPENSION)
LONG_AGO = replace(
    FAIR,
    notice_on=TODAY - OLD,
    decided_on=TODAY - OLD + timedelta(days=9),
    final_on=TODAY - OLD + timedelta(days=20),
)
SUSPENDED_LONG_AGO = replace(SUSPENDED, fair_process=LONG_AGO, occurred_on=TODAY - OLD, effective_on=None)
FORCE_LONG_AGO = replace(SUSPENDED_LONG_AGO, kind=ConductKind.EXCESSIVE_FORCE_FINDING)
LAPSED = replace(
    with_facts(hearing=Hearing.WAIVED), kind=ConductKind.DECERTIFICATION, force_outcome=CertificationAction.LAPSED
)
REVOKED = replace(LAPSED, force_outcome=CertificationAction.REVOKED)
COMMENDED = replace(with_facts(hearing=Hearing.WAIVED), kind=ConductKind.COMMENDATION)
DISPUTED = replace(RECORD, dispute=Dispute(TODAY - timedelta(days=3)))
OVERDUE = replace(RECORD, dispute=Dispute(TODAY - timedelta(days=31)))
HIRING, ELSEWHERE = _asker(), _asker(state="CA")
BOARD = _asker("post", "certification")

EXPECTED = [
    ("no-unsustained-matters.cedar", HIRING, RECORD, True),
    ("no-unsustained-matters.cedar", HIRING, RESIGNED, False),
    ("no-unsustained-matters.cedar", BOARD, RESIGNED, False),
    ("no-unsustained-matters.cedar", HIRING, RETIRED, False),
    ("no-unsustained-matters.cedar", HIRING, HEARD, True),
    ("no-unsustained-matters.cedar", HIRING, LAPSED, False),
    ("no-unsustained-matters.cedar", HIRING, REVOKED, True),
    ("no-unsustained-matters.cedar", HIRING, COMMENDED, True),
    ("no-resignations-without-a-finding.cedar", HIRING, RESIGNED, False),
    ("no-resignations-without-a-finding.cedar", HIRING, RETIRED, False),
    ("no-resignations-without-a-finding.cedar", HIRING, HEARD, True),
    ("no-resignations-without-a-finding.cedar", HIRING, LAPSED, True),
    ("no-resignations-without-a-finding.cedar", HIRING, RECORD, True),
    ("sealed-after-five-years.cedar", HIRING, SUSPENDED, True),
    ("sealed-after-five-years.cedar", HIRING, SUSPENDED_LONG_AGO, False),
    ("sealed-after-five-years.cedar", BOARD, SUSPENDED_LONG_AGO, True),
    ("sealed-after-five-years.cedar", HIRING, FORCE_LONG_AGO, True),
    ("nothing-in-dispute.cedar", HIRING, RECORD, True),
    ("nothing-in-dispute.cedar", HIRING, DISPUTED, False),
    ("nothing-in-dispute.cedar", HIRING, OVERDUE, True),
    ("own-state-only-discipline.cedar", HIRING, SUSPENDED, True),
    ("own-state-only-discipline.cedar", ELSEWHERE, SUSPENDED, False),
    ("own-state-only-discipline.cedar", ELSEWHERE, RECORD, True),
]


@pytest.mark.parametrize(("file", "asker", "record", "expected"), EXPECTED)
def test_an_example_policy_decides_as_the_table_says(
    file: str, asker: Asker, record: ConductRecord, expected: bool
) -> None:
    assert _disclosed(_ruling(_example(file)), asker, record) is expected


def test_every_shipped_example_is_in_the_table_and_works_beside_the_others() -> None:
    names = sorted(path.name for path in EXAMPLES.glob("*.cedar"))
    assert names == sorted({file for file, *_ in EXPECTED}) == sorted(FORBIDS)
    every = _ruling(*(_example(name) for name in names))
    for file, asker, record, expected in EXPECTED:
        if not expected:
            assert not _disclosed(every, asker, record), file
    assert _disclosed(every, HIRING, RECORD)


def test_a_decision_names_every_policy_of_the_node_that_forbids() -> None:
    ruling = _ruling(_example("no-unsustained-matters.cedar"), _example("no-resignations-without-a-finding.cedar"))
    decision = ruling.of_record(HIRING, RESIGNED)
    assert decision is not None
    assert decision.policy_ids == ("example.resignation-needs-finding", "example.sustained-only")


# A node's policies only narrow.

_ATTRIBUTES: dict[str, list[str]] = {
    "kind": list(ConductKind),
    "status": list(RecordStatus),
    "appeal": list(Appeal),
    "hearing": list(Hearing),
}
_CONDITIONS = st.one_of(
    st.sampled_from(["true", "false", "resource.fair_process", "resource.finding", "!resource.fair_process"]),
    st.sampled_from(sorted(_ATTRIBUTES)).flatmap(
        lambda name: st.sampled_from(_ATTRIBUTES[name]).map(lambda word: f'resource.{name} == "{word}"')
    ),
    st.integers(-10, 5000).map(lambda days: f"resource.age_days > {days}"),
    st.sampled_from(["agency", "post"]).map(lambda role: f'principal.role == "{role}"'),
    st.sampled_from(["hiring", "self", "certification"]).map(lambda word: f'context.purpose == "{word}"'),
)


@st.composite
def _files(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    def policy() -> str:
        effect, clause = draw(st.sampled_from(["permit", "forbid"])), draw(st.sampled_from(["when", "unless"]))
        condition = " && ".join(draw(st.lists(_CONDITIONS, min_size=1, max_size=3)))
        if draw(st.booleans()):
            officer = draw(st.sampled_from(["resource.serving", "true", 'principal.state == "CA"']))
            return f"{effect} (principal, action, resource is Officer) {clause} {{ {officer} }};"
        return f"{effect} (principal, action, resource is Record) {clause} {{ {condition} }};"

    count = draw(st.integers(0, 3))
    return tuple((f"{n}.cedar", "\n".join(policy() for _ in range(draw(st.integers(1, 4))))) for n in range(count))


_RECORDS = st.builds(
    lambda kind, status, hearing, appeal, told: replace(
        with_facts(hearing=hearing, appeal=appeal, told_on=told), kind=kind, status=status
    ),
    st.sampled_from(ConductKind),
    st.sampled_from(RecordStatus),
    st.sampled_from([*Hearing, None]),
    st.sampled_from([*Appeal, None]),
    st.sampled_from([None, YESTERDAY, FAIR.told_on]),
)
_ASKERS = st.builds(
    Asker,
    st.just("CA9900100"),
    st.sampled_from(["agency", "post", "credentialing-body"]),
    st.sampled_from(["CA", "OR"]),
    st.sampled_from(["hiring", "certification", "self", "curiosity"]),
    st.booleans(),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=_files(), record=_RECORDS, asker=_ASKERS)
def test_no_policy_of_a_node_lets_out_what_the_floor_forbids(
    files: tuple[tuple[str, str], ...], record: ConductRecord, asker: Asker
) -> None:
    bare, narrowed = _ruling(), _ruling(*files)
    assert _disclosed(narrowed, asker, record) <= _disclosed(bare, asker, record)
    assert narrowed.explain(asker, record).decision.allowed <= bare.explain(asker, record).decision.allowed
    officer = Officer(1, "K-1", PERSON, (JOB,), (record,), 1)
    assert narrowed.of_officer(asker, officer).allowed <= bare.of_officer(asker, officer).allowed


def test_a_permit_in_one_file_does_not_lift_a_forbid_in_another() -> None:
    forbid = ("a.cedar", "forbid (principal, action, resource is Record);")
    permit = ("b.cedar", "permit (principal, action, resource);")
    assert not _disclosed(_ruling(forbid, permit), HIRING, RECORD)


def test_a_permit_of_a_node_does_not_reach_the_floor() -> None:
    ruling = _ruling(("b.cedar", "permit (principal, action, resource);"))
    assert not _disclosed(ruling, _asker(purpose="curiosity"), RECORD)
    assert not ruling.explain(HIRING, with_facts(appeal=Appeal.PENDING)).decision.allowed


def test_a_policy_that_fails_while_it_is_evaluated_declines_and_its_file_is_named() -> None:
    overflows = "forbid (principal, action, resource is Record) when { resource.age_days * 9223372036854775807 > 1 };"
    decision = _ruling(("state.cedar", overflows)).explain(HIRING, RECORD).decision
    assert (decision.allowed, decision.policy_ids) == (False, ("state.cedar#error",))


# What cannot be used is said.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("forbid (principal, action", "cannot be read as Cedar"),
        ("forbid (principal, action, resource is Record) when { resource.knd == 3 };", "knd"),
        ('forbid (principal, action, resource is Record) when { resource.kind == "terminated" };', "is no kind"),
        ('forbid (principal, action, resource is Record) when { ["x"].contains(resource.hearing) };', "is no hearing"),
        ('forbid (principal, action, resource) when { context.purpose != "hire" };', "is no purpose"),
        ('forbid (principal, action, resource) when { resource.kind == "termination" };', "kind"),
        ("forbid (principal, action, resource is Record) when { resource.occurred_days > 3 };", "optional attribute"),
        ('@id("floor.hiring") forbid (principal, action, resource);', "not a node's to use"),
        ('@id("a") forbid (principal, action, resource); @id("a") forbid (principal, action, resource);', "twice"),
        ("forbid (principal == ?principal, action, resource);", "template"),
    ],
)
def test_a_file_that_would_not_do_what_it_seems_to_is_refused(text: str, words: str) -> None:
    with pytest.raises(PolicyError, match=r"state\.cedar") as refused:
        PolicyEngine(floor.text(), [("state.cedar", text)])
    assert words in str(refused.value)
    assert "discloses nothing" in refused.value.hint


def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.cedar").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="cannot be read"):
        read_local(tmp_path)
    (folder / "a.cedar").write_bytes(b"//" * 200_000)
    with pytest.raises(PolicyError, match="larger"):
        read_local(tmp_path)


@pytest.mark.parametrize("name", ["a.CEDAR", "a.cedar.txt", "a.cedar~", "a.cedar.bak"])
def test_a_file_that_is_almost_called_as_a_policy_file_is_refused_not_overlooked(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "README.txt").write_text("What our law says.")
    assert read_local(tmp_path) == ()
    (folder / name).write_text("forbid (principal, action, resource);")
    with pytest.raises(PolicyError, match="no policy file by its name"):
        read_local(tmp_path)


@pytest.mark.parametrize("name", ["state/a.cedar", "state/more/a.cedar", "a.cedar/readme.txt"])
def test_a_file_in_a_folder_within_the_folder_is_refused_not_overlooked(tmp_path: Path, name: str) -> None:
    path = tmp_path / "policies" / name
    path.parent.mkdir(parents=True)
    path.write_text("forbid (principal, action, resource);")
    with pytest.raises(PolicyError, match="no policy file by its name"):
        read_local(tmp_path)


def test_a_folder_of_policies_that_is_none_is_refused_not_taken_for_empty(tmp_path: Path) -> None:
    assert read_local(tmp_path) == ()
    (tmp_path / "policies").symlink_to(tmp_path / "nowhere")
    before = law_files(tmp_path)
    with pytest.raises(PolicyError, match="cannot be read"):
        read_local(tmp_path)
    (tmp_path / "policies").unlink()
    (tmp_path / "policies").write_text("forbid (principal, action, resource);")
    assert law_files(tmp_path) != before
    with pytest.raises(PolicyError, match="cannot be read"):
        read_local(tmp_path)


@pytest.mark.parametrize("name", ["policies/a.cedar", "settings.toml"])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str) -> None:
    (tmp_path / "policies").mkdir()
    before = law_files(tmp_path)
    (tmp_path / name).write_text("# nothing")
    assert law_files(tmp_path) != before
    (tmp_path / name).write_text("# nothing at all")
    assert law_files(tmp_path) != before


def test_policy_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    for name in ("b", "a"):
        (tmp_path / "policies" / f"{name}.cedar").write_text(f"// {name}")
    assert read_local(tmp_path) == (("a.cedar", "// a"), ("b.cedar", "// b"))


def _review(*files: tuple[str, str]) -> list[FileEffect]:
    conduct = (RECORD, replace(RESIGNED, record_key="R-2"), with_facts(appeal=Appeal.PENDING))
    officers = [Officer(1, "K-1", PERSON, (JOB,), conduct, 1), Officer(2, "K-2", PERSON, (), (SUSPENDED,), 1)]
    return review(officers, files, floor=floor.text(), ori=OWNER, state="OR", windows=Windows(), today=TODAY)


def test_a_review_says_what_each_file_keeps_back_of_the_records_held() -> None:
    effects = _review(_example("no-unsustained-matters.cedar"), _example("own-state-only-discipline.cedar"))
    kept = {(each.file, each.asker): each.kept_back for each in effects}
    assert {each.admitted for each in effects} == {3}
    assert {each.officers_declined for each in effects} == {0}
    assert kept["no-unsustained-matters.cedar", "hiring, agency in OR"] == {"example.sustained-only": ("R-2",)}
    assert kept["own-state-only-discipline.cedar", "hiring, agency in OR"] == {}
    assert kept["own-state-only-discipline.cedar", "hiring, agency in NV"] == {
        "example.discipline-stays-in-state": (SUSPENDED.record_key,)
    }


def test_a_review_counts_officers_that_a_file_declines_as_a_whole_with_all_of_their_records() -> None:
    serving = '@id("x.serving") forbid (principal, action, resource is Officer) when { resource.serving };'
    effects = {each.asker: each for each in _review(("serving.cedar", serving))}
    effect = effects["hiring, agency in OR"]
    assert (effect.officers, effect.officers_declined, effect.admitted) == (2, 1, 3)
    assert effect.kept_back == {"x.serving": (RECORD.record_key, "R-2")}
