"""Undoing a batch: what was before stands again, nothing is edited in place, and later work is never trodden on."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.parties.agency import Agency

from waypost.node.custody.merging import merge
from waypost.node.custody.undoing import plan, standing, undo
from waypost.node.errors import CustodyError
from waypost.node.store import OfficerTokens, Step, Store

OFFICER = {"date_of_birth": "1979-02-28", "ssn": "912345678", "cert_state": "OR", "cert_number": "P1"}


def _stand(agency: Agency) -> tuple[object, ...]:
    """Everything that anybody can be told by this store."""
    store = agency.store
    officers = store.officers.get_many(store.officers.standing(0, 1_000))
    return tuple(
        (
            officer.officer_key,
            officer.person,
            officer.employment,
            tuple(replace(record, version=1) for record in officer.conduct if record.status != "voided"),
        )
        for officer in officers
    )


def test_what_a_batch_brought_is_withdrawn_and_its_history_stays(agency: Agency) -> None:
    batch = agency.load(OFFICER, employment=({},), conduct=({},))
    done = undo(agency.store, batch, at_ms=5)
    assert done.plan.counts() == {
        "officers_restored": 0,
        "officers_withdrawn": 1,
        "employments_restored": 0,
        "employments_withdrawn": 1,
        "records_restored": 0,
        "records_voided": 1,
    }
    store = agency.store
    assert (store.officers.count(), store.employment.count()) == (0, 0)
    assert store.officers.by_key("A-1") is None
    assert store.officers.dirty(10) == []
    assert agency.statuses() == ("active", "voided")
    held = store.officers.held()["A-1"].id
    assert [person.ssn for person in store.history.former_people(held)] == ["912345678"]
    assert [job.ori for job in store.history.former_employments(held)] == ["OR9900400"]
    assert store.audit.newest(1)[0].event == "batch-undone"


def test_what_was_before_stands_again_as_a_new_version(agency: Agency) -> None:
    agency.load(OFFICER, {"officer_key": "A-2"}, employment=({"rank": "Officer"},), conduct=({},))
    before = _stand(agency)
    batch = agency.load(
        {**OFFICER, "family_name": "Hale", "ssn": "987654320"},
        employment=({"rank": "Chief", "separated_on": "2020-01-01"},),
        conduct=({"summary": "Another."},),
    )
    assert _stand(agency) != before
    undo(agency.store, batch, at_ms=5)
    assert _stand(agency) == before
    assert [version.summary for version in agency.store.conduct.history("R-1")] == ["", "Another.", ""]
    held = agency.store.officers.held()["A-1"].id
    assert [person.names[0].family for person in agency.store.history.former_people(held)] == ["Larkin", "Hale"]


def test_the_same_files_bring_everything_back_after_an_undo(agency: Agency) -> None:
    batch = agency.load(OFFICER, employment=({},), conduct=({},))
    before = _stand(agency)
    undo(agency.store, batch, at_ms=5)
    again = agency.load(OFFICER, employment=({},), conduct=({},))
    assert _stand(agency) == before
    assert agency.statuses() == ("active", "voided", "active")
    undo(agency.store, again, at_ms=6)
    assert agency.store.officers.count() == 0


def test_rows_without_their_officer_are_rejected_while_he_is_withdrawn(agency: Agency) -> None:
    undo(agency.store, agency.load(OFFICER), at_ms=5)
    agency.load({"officer_key": "A-2"}, employment=({},))
    assert len(agency.reports[-1].rejections) == 1


def test_a_batch_beneath_a_later_one_is_in_the_way_until_that_is_undone(agency: Agency) -> None:
    first = agency.load(OFFICER, employment=({},), conduct=({},))
    second = agency.load(
        {**OFFICER, "given_name": "Denny"}, employment=({"rank": "Chief"},), conduct=({"amount": "1"},)
    )
    before = _stand(agency)
    with pytest.raises(CustodyError, match=f"officer A-1: was changed by batch {second}") as refused:
        undo(agency.store, first, at_ms=5)
    assert f"employment of A-1 at OR9900400 from 2010-01-11: was changed by batch {second}" in str(refused.value)
    assert f"record R-1: was changed by batch {second}" in str(refused.value)
    assert _stand(agency) == before
    undo(agency.store, second, at_ms=6)
    undo(agency.store, first, at_ms=7)
    assert _stand(agency) == ()


def test_an_officer_to_whom_others_gave_something_is_in_the_way(agency: Agency) -> None:
    first = agency.load(OFFICER)
    second = agency.load(employment=({},), conduct=({},))
    causes = {str(clash) for clash in plan(agency.store, first).clashes}
    assert causes == {
        f"employment of A-1 at OR9900400 from 2010-01-11: came with batch {second}",
        f"record R-1: came with batch {second}",
    }
    undo(agency.store, second, at_ms=5)
    undo(agency.store, first, at_ms=6)
    assert agency.store.officers.count() == 0


def test_a_record_that_was_changed_by_hand_is_in_the_way(agency: Agency) -> None:
    batch = agency.load(OFFICER, conduct=({},))
    owned = agency.store.conduct.by_key("R-1")
    assert owned is not None
    agency.store.conduct.put([(owned.officer_id, replace(owned.record, version=2, summary="By hand."))], None)
    with pytest.raises(CustodyError, match="record R-1: was changed by hand"):
        undo(agency.store, batch, at_ms=5)


def test_an_officer_who_was_merged_is_in_the_way(agency: Agency) -> None:
    agency.load(OFFICER)
    batch = agency.load({**OFFICER, "officer_key": "A-2"})
    merge(agency.store, "A-1", "A-2", at_ms=5)
    with pytest.raises(CustodyError, match="officer A-2: is merged"):
        undo(agency.store, batch, at_ms=6)


def test_rows_that_a_batch_found_unchanged_are_not_its_own(agency: Agency) -> None:
    agency.load(OFFICER, employment=({},))
    batch = agency.load(OFFICER, {"officer_key": "A-2"}, employment=({},))
    undo(agency.store, batch, at_ms=5)
    officer = agency.store.officers.by_key("A-1")
    assert officer is not None
    assert len(officer.employment) == 1
    assert agency.store.officers.by_key("A-2") is None


def test_a_batch_is_undone_once_and_an_undo_is_not_undone(agency: Agency) -> None:
    batch = agency.load(OFFICER)
    done = undo(agency.store, batch, at_ms=5)
    for number, said in (
        (batch, "was undone by batch"),
        (done.undo_id, "is itself an undo"),
        (99, "there is no batch"),
    ):
        with pytest.raises(CustodyError, match=said):
            undo(agency.store, number, at_ms=6)
    listed = agency.store.batches.newest(9)
    assert [(each.undoes, each.undone_by) for each in listed] == [(batch, None), (None, done.undo_id)]


def test_tokens_of_a_withdrawn_officer_leave_the_index_unless_another_has_them(agency: Agency) -> None:
    agency.load(OFFICER)
    batch = agency.load({"officer_key": "A-2"})
    first, second = (agency.store.officers.held()[key].id for key in ("A-1", "A-2"))
    shared, own = b"\1" * 16, b"\2" * 16
    tokens = agency.store.tokens
    tokens.replace([OfficerTokens(first, 1, (("ssn", shared),))], 7)
    tokens.replace([OfficerTokens(second, 1, (("ssn", shared), ("cert-year", own)))], 7)
    undo(agency.store, batch, at_ms=5)
    assert [hit.officer_id for hit in tokens.lookup([shared, own], 7)] == [first]
    assert tokens.to_withdraw(7, 9) == [own]


def test_attack_tokens_that_were_in_the_making_come_back_after_the_undo(agency: Agency) -> None:
    batch = agency.load(OFFICER)
    officer_id = agency.store.officers.held()["A-1"].id
    (due,) = agency.store.officers.people(agency.store.officers.dirty(10))
    undo(agency.store, batch, at_ms=5)
    agency.store.tokens.replace([OfficerTokens(officer_id, due.person_version, (("ssn", b"\1" * 16),))], 7)
    assert agency.store.tokens.lookup([b"\1" * 16], 7) == []


def test_attack_history_is_rewritten_in_the_file(agency: Agency) -> None:
    agency.load(OFFICER, employment=({},))
    agency.load({**OFFICER, "given_name": "Denny"}, employment=({"rank": "Chief"},))
    raw = sqlite3.connect(agency.store._database.path)
    for table in ("officer_history", "employment_history"):
        for statement in (f"UPDATE {table} SET import_id = 2", f"DELETE FROM {table}"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                raw.execute(statement)
    raw.close()


def test_erasing_an_officer_erases_what_he_was_before(agency: Agency) -> None:
    agency.load(OFFICER, employment=({},))
    agency.load({**OFFICER, "family_name": "Formerly"}, employment=({"rank": "Chief"},))
    officer_id = agency.store.officers.held()["A-1"].id
    agency.store.officers.erase(officer_id)
    assert agency.store.history.former_people(officer_id) == []
    assert agency.store.history.former_employments(officer_id) == []


def test_undoing_what_came_after_an_erasure_does_not_bring_anything_back(agency: Agency) -> None:
    agency.load(OFFICER)
    agency.store.officers.erase(agency.store.officers.held()["A-1"].id)
    batch = agency.load({**OFFICER, "family_name": "Back"})
    undo(agency.store, batch, at_ms=5)
    assert agency.store.officers.count() == 0


def test_attack_a_sealed_record_is_opened_by_undoing_its_import_and_importing_another_file(agency: Agency) -> None:
    batch = agency.load(OFFICER, conduct=({"status": "sealed"},))
    undo(agency.store, batch, at_ms=5)
    assert agency.statuses() == ("sealed", "sealed")
    agency.load(OFFICER, conduct=({"status": "active"},))
    assert agency.statuses() == ("sealed", "sealed")


def test_a_record_that_came_voided_stays_so_whatever_is_imported_after_the_undo(agency: Agency) -> None:
    batch = agency.load(OFFICER, conduct=({"status": "voided"},))
    undo(agency.store, batch, at_ms=5)
    agency.load(OFFICER, conduct=({"status": "active"},))
    assert agency.statuses() == ("voided", "voided")


def test_a_record_that_stood_comes_back_with_its_files_after_the_undo(agency: Agency) -> None:
    batch = agency.load(OFFICER, conduct=({},))
    undo(agency.store, batch, at_ms=5)
    agency.load(OFFICER, conduct=({},))
    assert agency.statuses() == ("active", "voided", "active")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("load"), st.integers(1, 3), st.sampled_from(["Ann", "Bea", "Cy"])),
        st.tuples(st.just("undo"), st.integers(0, 7), st.just("")),
    ),
    max_size=8,
)


@given(STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_imports_and_undos_leaves_what_was_laid_last_and_not_undone(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    laid: dict[str, list[tuple[int, str]]] = {f"A-{key}": [] for key in range(3)}
    loads: list[int] = []
    with Store.open(folder / "node.db", bytes(32)) as store:
        agency = Agency(store, folder)
        for what, number, name in steps:
            if what == "load":
                keys = [f"A-{key}" for key in range(number)]
                loads.append(agency.load(*({"officer_key": key, "given_name": name} for key in keys)))
                for key in keys:
                    if not laid[key] or laid[key][-1][1] != name:
                        laid[key].append((loads[-1], name))
            elif number < len(loads):
                batch = loads.pop(number)
                in_the_way = any(batch in [who for who, _ in stack[:-1]] for stack in laid.values())
                if in_the_way:
                    with pytest.raises(CustodyError, match="was changed by"):
                        undo(store, batch, at_ms=agency.clock_ms)
                    continue
                undo(store, batch, at_ms=agency.clock_ms)
                laid = {key: [step for step in stack if step[0] != batch] for key, stack in laid.items()}
        officers = store.officers.get_many(store.officers.standing(0, 99))
        found = {officer.officer_key: officer.person.names[0].given for officer in officers}
        assert found == {key: stack[-1][1] for key, stack in laid.items() if stack}


def test_later_imports_that_found_rows_as_they_were_are_named(agency: Agency) -> None:
    first = agency.load(OFFICER)
    second = agency.load(OFFICER)
    assert plan(agency.store, first).confirmed_by == (second,)
    assert plan(agency.store, second).confirmed_by == ()
    undo(agency.store, second, at_ms=5)
    assert plan(agency.store, first).confirmed_by == ()


def test_what_lies_on_one_another_is_told_from_the_chain_alone() -> None:
    chain = (Step(1, 11), Step(2, 12), Step(9, 13), Step(None, 14), Step(3, 0))
    assert [step.place for step in standing(chain, {9: 2})] == [11, 14, 0]


KILLED = """
import os, signal, sys
from pathlib import Path
from waypost.node.custody.undoing import undo
from waypost.node.store import Store
with Store.open(Path(sys.argv[1]), bytes(32)) as store:
    with store.writing():
        undo(store, int(sys.argv[2]), at_ms=5)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_attack_power_fails_in_an_undo(agency: Agency, tmp_path: Path) -> None:
    batch = agency.load(*({"officer_key": f"A-{key}"} for key in range(500)), employment=({},), conduct=({},))
    before = _stand(agency)
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "node.db", str(batch)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert _stand(agency) == before
    assert agency.store.batches.newest(9)[0].undone_by is None
    undo(agency.store, batch, at_ms=6)
    assert _stand(agency) == ()
