"""The operators' commands for rounds: what they print, and what they say when something is not possible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parties import commands
from tests.parties.federation import Federation
from typer.testing import CliRunner

from waypost.crypto.keystore import Keystore
from waypost.hub.cli import app
from waypost.node import settings
from waypost.protocol.measures import MEASURES

pytestmark = pytest.mark.xdist_group("round-commands")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A hub and a trustee that run, without a member."""
    made = Federation(tmp_path_factory.mktemp("round-commands"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def failed(federation: Federation, *arguments: str) -> str:
    done = commands.run("waypost-hub", "round", *arguments, home=federation.hub.home)
    assert done.returncode == 1
    return done.stderr


def test_the_catalogue_is_listed() -> None:
    lines = CliRunner().invoke(app, ["round", "measures", "--json"]).stdout.splitlines()
    assert {json.loads(line)["name"] for line in lines} == set(MEASURES)


def test_what_cannot_be_asked_is_told_with_a_reason(federation: Federation) -> None:
    assert "not a measure" in failed(federation, "start", "smiths", "--period", "2026Q3")
    assert "not over" in failed(federation, "start", "records", "--period", "2199")
    assert "no member of TX" in failed(federation, "start", "records", "--period", "2026Q3", "--states", "tx")
    assert "0 rounds begin" in failed(federation, "show", "ab")
    assert "not a cron line" in failed(federation, "schedule", "records", "--cron", "often")
    assert "no schedule 7" in failed(federation, "unschedule", "7")


def test_a_federation_without_enough_members_says_so_at_once_and_logs_it(federation: Federation) -> None:
    with federation.audited("hub", "round-refused"):
        told = failed(federation, "start", "records", "--period", "2026Q3")
    assert "0 members could answer, and a round needs 10" in told
    assert federation.do_hub("round", "list") == ""


def test_schedules_are_made_listed_and_ended(federation: Federation) -> None:
    made = federation.do_hub("round", "schedule", "records", "--cron", "0 3 2 1,4,7,10 *", "--span", "quarter")
    assert "first at" in made
    (line,) = federation.do_hub("round", "schedules", "--json").splitlines()
    held = json.loads(line)
    assert (held["measure"], held["span"]) == ("records", "quarter")
    federation.do_hub("round", "unschedule", str(held["number"]))
    assert federation.do_hub("round", "schedules") == ""


def test_the_trustees_operator_sets_the_budget(federation: Federation) -> None:
    assert "rho 0.5 in a year" in federation.do_trustee("round", "budget")
    assert "rho 0.25 in a year" in federation.do_trustee("round", "budget", "--set", "0.25")
    assert federation.do_trustee("round", "list") == ""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    home = tmp_path / "node"
    commands.do("waypost-node", "init", home=home)
    return home


def test_a_custodian_states_what_no_record_shows(node: Path) -> None:
    state = ("programme", "set", "trained_de_escalation", "412", "--by", "A. Custodian", "--as-of", "2026-09-30")
    assert "412 as of 2026-09-30" in commands.do("waypost-node", *state, home=node)
    shown = commands.do("waypost-node", "programme", "show", "--json", home=node)
    facts = {entry["name"]: entry for entry in map(json.loads, shown.splitlines())}
    assert facts["trained_de_escalation"]["by"] == "A. Custodian"
    assert facts["co_responder"]["value"] is None
    keys = Keystore.open(settings.keys_path(node), commands.PASSPHRASE)
    with settings.open_store(node, keys) as store:
        assert store.audit.newest(1)[0].event == "programme-stated"
    assert "No round was asked yet" in commands.do("waypost-node", "rounds", home=node)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("helicopters", "3", "--by", "C"), "no programme fact"),
        (("co_responder", "maybe", "--by", "C"), "yes or no"),
        (("trained_de_escalation", "many", "--by", "C"), "number of officers"),
        (("trained_de_escalation", "3", "--by", " "), "--by is empty"),
        (("trained_de_escalation", "3", "--by", "C", "--as-of", "soon"), "not a day"),
        (("trained_de_escalation", "3", "--by", "C", "--as-of", "2199-01-01"), "future"),
    ],
)
def test_what_a_custodian_cannot_state_is_told(node: Path, arguments: tuple[str, ...], told: str) -> None:
    done = commands.run("waypost-node", "programme", "set", *arguments, home=node)
    assert done.returncode == 1
    assert told in done.stderr
