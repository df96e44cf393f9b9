"""Attestations and credentials between real processes: what members sign is what the hub's compliance says."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.parties import commands

from waypost.hub.demo.federation import Federation
from waypost.hub.demo.members import SHIPPED, DemoMember, read_members
from waypost.protocol.quarters import newest_due

pytestmark = pytest.mark.xdist_group("compliance-flow")  # what they share is made once

AGENCY, OTHER, BODY = "CA9900500", "OR9900400", "VA9980001"
TODAY = datetime.now(UTC).date()
DEADLINE_S = 30.0


class Quick(Federation):
    """Commands run within the tests' process; trustee, hub and nodes are processes of their own."""

    def run(self, name: str, *arguments: str, accept: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        place = arguments.index("--home")
        self.passphrase_file.write_text(commands.PASSPHRASE + "\n")
        rest = (*arguments[:place], *arguments[place + 2 :])
        done = commands.run(name, *rest, home=Path(arguments[place + 1]))
        assert done.returncode in accept, done.stderr
        return subprocess.CompletedProcess(arguments, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Two agencies without records, and a credentialing body."""
    agencies = [member for member in read_members(SHIPPED) if member.ori in {AGENCY, OTHER}]
    body = DemoMember(BODY, "Synthetic Accreditation Commission", "VA", "credentialing-body", ())
    running = Quick(tmp_path_factory.mktemp("compliance"), (*agencies, body))
    try:
        running.found()
        running.enrol_all(load=False)
        yield running
    finally:
        running.stop()


def hub(federation: Federation, *arguments: str) -> str:
    return federation.run("waypost-hub", *arguments, "--home", str(federation.home("hub"))).stdout


def standing(federation: Federation, ori: str) -> dict[str, Any]:
    found = json.loads(hub(federation, "compliance", "--json"))["agencies"]
    return next(each for each in found if each["ori"] == ori)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)


def test_facts_that_members_sign_become_the_hubs_compliance(federation: Federation) -> None:
    period, year = newest_due(TODAY), (TODAY + timedelta(days=365)).isoformat()
    hub(federation, "bodies", "certify", BODY, "--from", TODAY.isoformat(), "--to", year)
    hub(federation, "describe", AGENCY, "--officers", "64", "--locale", "urban")
    assert "is the first due" in federation.status(AGENCY)["attestation"]

    federation.node(AGENCY, "attest", "--period", str(period), "--by", "A. Example, records lieutenant")
    federation.node(OTHER, "credential", "apply", BODY)
    until(lambda: "credential-application" in federation.node(BODY, "credential", "list", "--json").stdout)
    federation.node(BODY, "credential", "confirm", OTHER, "--until", year)
    topics = ("--topic", "lawful-use-of-force", "--topic", "choke-holds-prohibited", "--topic", "early-warning")
    federation.node(BODY, "credential", "issue", AGENCY, "--expires", year, *topics)
    until(lambda: '"credential"' in federation.node(AGENCY, "credential", "list", "--json").stdout)
    until(lambda: standing(federation, OTHER)["credential"] == "in-process")

    shown = standing(federation, AGENCY)
    assert (shown["attestation"], shown["credential"], shown["size"]) == ("attested", "credentialed", "50-99")
    assert "overdue" not in federation.status(AGENCY)["attestation"].lower()
    other = standing(federation, OTHER)
    assert "never-attested" in {reason["word"] for reason in other["reasons"]}

    federation.node(BODY, "credential", "revoke", AGENCY, "--reason", "policy changed")
    until(lambda: standing(federation, AGENCY)["credential"] == "revoked")
    hub(federation, "bodies", "withdraw", BODY, "--reason", "reviews were not independent")
    assert standing(federation, OTHER)["credential"] == "body-not-certified"
    assert json.loads(hub(federation, "bodies", "list", "--json"))["certified_until"] == ""


def test_what_a_person_gets_wrong_is_told_in_two_lines(federation: Federation) -> None:
    period = str(newest_due(TODAY))
    cases = [
        (AGENCY, ("attest", "--period", "Q3 2026", "--by", "A. Example, chief"), "is no quarter"),
        (AGENCY, ("attest", "--period", "2099Q1", "--by", "A. Example, chief"), "is not over"),
        (BODY, ("attest", "--period", period, "--by", "A. Example, chief"), "is not an agency"),
        (AGENCY, ("attest", "--period", period, "--by", ""), "who attests"),
        (BODY, ("credential", "revoke", OTHER, "--reason", "no reason"), "no credential of ours"),
        (BODY, ("credential", "issue", OTHER, "--expires", "2027-01-01", "--topic", "early-warning"), "must confirm"),
    ]
    for ori, arguments, words in cases:
        done = federation.node(ori, *arguments, accept=(1,))
        assert done.stderr.startswith("error: ")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_a_day_to_come_and_a_state_without_an_agency_are_told(federation: Federation) -> None:
    home = federation.home("hub")
    for arguments, words in (
        (("--as-of", "2199-01-01"), "still to come"),
        (("--state", "Ohio"), "no agency of 'Ohio'"),
    ):
        done = commands.run("waypost-hub", "compliance", *arguments, home=home)
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr


def test_a_table_of_a_day_can_go_into_a_spreadsheet(federation: Federation) -> None:
    lines = hub(federation, "compliance", "--csv", "--state", "OR").splitlines()
    assert lines[0].startswith("ori,name,state,")
    assert [line.split(",")[0] for line in lines[1:]] == [OTHER]
    assert hub(federation, "compliance", "--csv", "--as-of", "2020-12-31") == ""


def test_the_terminal_shows_each_no_with_its_clause(federation: Federation, tmp_path: Path) -> None:
    shown = hub(federation, "compliance")
    assert "3(d)" in shown
    assert "Access to credentials, section 2(d)" in shown
    assert "count once the hub has signed them" in shown
    assert "has signed them" not in hub(federation, "compliance", "--as-of", "2020-12-31")
    (tmp_path / "sizes.csv").write_text(f"ori,officers,locale\n{AGENCY},64,urban\n{OTHER},9,rural\n")
    assert "Described 2" in hub(federation, "describe", "--file", str(tmp_path / "sizes.csv"))
    assert "0-9, rural" in hub(federation, "compliance")
