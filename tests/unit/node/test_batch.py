"""A file of applicants asked twice: gone on with where it stopped, and a new screening when it is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from waypost.node import asking
from waypost.node.cli.batch import RESUME_MS, asked_before
from waypost.node.cli.check import Why
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.store import Store

NOW = 1_790_000_000_000
FILE = "a" * 32
WHY = Why("hiring", "CLASS-2026", "BG-7")
APPLICANT = Person((PersonName("Larkin", "Dennis"),), PartialDate(1979, 2, 28))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(range(32))) as opened:
        yield opened


def ask(store: Store, row: int, why: Why = WHY, digest: str = FILE) -> bytes:
    check = asking.new_check(why.inquiry(APPLICANT, digest, row), NOW)
    store.checks.add(check)
    return check.id


def test_rows_that_were_asked_are_gone_on_with(store: Store) -> None:
    asked = {row: ask(store, row) for row in (2, 3)}
    assert asked_before(store, FILE, WHY, NOW + RESUME_MS) == asked


def test_the_same_file_later_is_a_new_screening(store: Store) -> None:
    ask(store, 2)
    assert asked_before(store, FILE, WHY, NOW + RESUME_MS + 1) == {}


@pytest.mark.parametrize("why", [Why("hiring", "CLASS-2027", "BG-7"), Why("certification", "CLASS-2026", "BG-7")])
def test_another_authorization_or_purpose_is_a_new_screening(store: Store, why: Why) -> None:
    ask(store, 2)
    assert asked_before(store, FILE, why, NOW) == {}


def test_another_file_is_a_new_screening(store: Store) -> None:
    ask(store, 2, digest="b" * 32)
    assert asked_before(store, FILE, WHY, NOW) == {}


def test_a_check_that_failed_is_made_again(store: Store) -> None:
    check = asking.new_check(WHY.inquiry(APPLICANT, FILE, 2), NOW)
    store.checks.add(replace(check, state=asking.FAILED, reason="refused"))
    assert asked_before(store, FILE, WHY, NOW) == {}
