"""A record's life over real processes: disclosed, changed, told; and no death of a process in between loses a word."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.parties import commands, people
from tests.parties.federation import Federation, Node, running, wait_until

from waypost.node.results import facts

pytestmark = pytest.mark.xdist_group("record-life")
OWNER, ASKER = "NV9900900", "CA9900100"
SECOND = people.record("NV-1", "SM-2020-07", "Drew a firearm without cause.")
THIRD = people.record("NV-1", "SM-2021-01", "Failed to render aid.")
PERSON = people.applicant(people.HELD)
BY = ("--by", "IA-3")
_AS = ("--purpose", "hiring", "--as", ASKER)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("life")) as held:
        owner = held.node(OWNER)
        held.node(ASKER)
        held.wait_roster()
        owner.load([people.HELD], [people.HELD_RECORD, SECOND, THIRD])
        owner.wait_indexed()
        yield held


def _do(node: Node, *arguments: str) -> str:
    done = node.command_line(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _records(node: Node, check_id: bytes) -> dict[str, dict[str, Any]]:
    (candidate,) = facts(node.result(check_id))["candidates"]
    return {record["record_key"]: record for record in candidate["records"]}


def _standing(node: Node, check_id: bytes, record_key: str) -> str:
    now = _records(node, check_id)[record_key]["now"]
    return str(now["standing"]) if now else ""


def _states(node: Node) -> list[str]:
    return [notice["state"] for notice in json.loads(_do(node, "notices", "--json"))["sent"]]


def test_a_record_voided_on_appeal_is_told_to_the_asker_and_shown_no_more(
    federation: Federation, tmp_path: Path
) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    check_id = asker.check(PERSON).check.id
    key = "SM-2019-04"
    assert set(_records(asker, check_id)) == {key, "SM-2020-07", "SM-2021-01"}
    receipt = tmp_path / "receipt.json"
    written = ("checks", "receipt", check_id.hex(), "-o", str(receipt))
    wait_until(lambda: asker.command_line(*written).returncode == 0, "the receipt was not proven")

    told = _do(owner, "records", "void", key, "--overturned", "--reason", "overturned by the district court", *BY)
    assert "Members that received it and are told: 1" in told
    wait_until(lambda: _standing(asker, check_id, key) == "voided", "the asker was not told")
    record = _records(asker, check_id)[key]
    assert record["summary"] == people.HELD_RECORD["summary"]
    assert record["now"]["reason"] == "overturned by the district court"
    wait_until(lambda: _states(owner) == ["delivered"], "not acknowledged")

    assert set(_records(asker, asker.check(PERSON).check.id)) == {"SM-2020-07", "SM-2021-01"}

    program, *printed = shlex.split(_do(asker, *written).splitlines()[-1])
    assert "The receipt is the hub's" in commands.do(program, *printed, home=tmp_path)  # no home of a member's
    shown = _do(asker, "checks", "show", check_id.hex())
    assert "SINCE THEN" in shown
    assert "VOIDED" in shown

    own_file = tmp_path / "own.json"
    _do(owner, "self-file", "--officer", "NV-1", "-o", str(own_file))
    written = json.loads(own_file.read_text())
    assert {each["record_key"]: each["status"] for each in written["records"]}[key] == "voided"
    assert any(key in str(each) and each["asker"] == ASKER for each in written["disclosures"])


def test_killing_the_hub_between_a_correction_and_its_notices_loses_none(federation: Federation) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    check_id = asker.check(PERSON).check.id
    federation.hub.kill()
    _do(owner, "records", "correct", "SM-2020-07", "--set", "summary=Displayed a firearm.", "--reason", "reworded", *BY)
    assert "due" in _states(owner)
    federation.hub.start()
    wait_until(lambda: _standing(asker, check_id, "SM-2020-07") == "stands", "the notice was lost")
    now = _records(asker, check_id)["SM-2020-07"]["now"]
    assert (now["summary"], now["version"], now["told_version"]) == ("Displayed a firearm.", 2, 1)
    wait_until(lambda: set(_states(owner)) == {"delivered"}, "not acknowledged")


def test_a_notice_to_an_asker_that_is_offline_survives_the_death_of_the_hub_and_of_its_sender(
    federation: Federation,
) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    check_id = asker.check(PERSON).check.id
    asker.stop()
    _do(owner, "dispute", "open", "--record", "SM-2020-07", "--grounds", "another officer", *BY)
    wait_until(lambda: "sent" in _states(owner), "the hub did not take it")
    for party in (federation.hub, owner):
        party.kill()
        party.start()
    assert "sent" in _states(owner)
    asker.start()
    wait_until(
        lambda: "to be resolved by" in str(_records(asker, check_id)["SM-2020-07"]["now"]), "the dispute was not told"
    )
    assert "another officer" not in str(_records(asker, check_id))
    wait_until(lambda: set(_states(owner)) == {"delivered"}, "not acknowledged")


def test_a_notice_that_waits_for_an_offline_asker_survives_a_change_of_its_senders_signing_key(
    federation: Federation,
) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    check_id = asker.check(PERSON).check.id
    asker.stop()
    _do(owner, "records", "correct", "SM-2020-07", "--set", "summary=Held a firearm.", "--reason", "reworded", *BY)
    wait_until(lambda: "sent" in _states(owner) and owner.status()["outbox"] == 0, "the hub did not take it")
    owner.stop()
    _do(owner, "keys", "renew")
    owner.start()
    wait_until(lambda: _states(owner)[-1] == "sent" and owner.status()["outbox"] == 0, "it was not signed anew")
    asker.start()
    wait_until(lambda: "Held a firearm." in str(_records(asker, check_id)["SM-2020-07"]["now"]), "the notice was lost")
    wait_until(lambda: set(_states(owner)) == {"delivered"}, "not acknowledged")


def test_an_expunged_record_leaves_neither_node_and_the_hub_never_had_it(
    federation: Federation, tmp_path: Path
) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    statement = tmp_path / "statement.txt"
    statement.write_text("I called for aid at once.")
    check_id = asker.check(PERSON).check.id
    _do(owner, "statement", "set", "--record", "SM-2021-01", "--file", str(statement), *BY)
    wait_until(lambda: "I called for aid" in str(_records(asker, check_id)["SM-2021-01"]["now"]), "not told")
    _do(owner, "records", "expunge", "SM-2021-01", "--order", "23-CV-100", "--yes", *BY)
    wait_until(lambda: _standing(asker, check_id, "SM-2021-01") == "expunged", "not told")
    assert _records(asker, check_id)["SM-2021-01"]["summary"] == ""
    wait_until(lambda: set(_states(owner)) == {"delivered"}, "not acknowledged")
    for word in (b"render aid", b"called for aid"):
        for path in owner.home.rglob("*"):
            assert not path.is_file() or word not in path.read_bytes(), path
        for path in federation.hub.home.rglob("*"):
            assert not path.is_file() or word not in path.read_bytes(), path
    again = owner.home.with_suffix(".files") / "conduct.csv"
    done = _do(owner, "import", str(again), "--json")
    assert json.loads(done)["rejected"] > 0
    assert owner.store.conduct.by_key("SM-2021-01") is None


def test_custodians_see_what_waits_what_was_changed_and_which_policy_decides(
    federation: Federation, tmp_path: Path
) -> None:
    owner = federation.nodes[OWNER]
    assert "Displayed a firearm." in _do(owner, "records", "show", "SM-2020-07")
    history = json.loads(_do(owner, "records", "history", "SM-2019-04", "--json"))
    assert [each["status"] for each in history["versions"]] == ["active", "voided"]
    assert [each["state"] for each in history["notices"]] == ["delivered"]
    assert "expunged" in _do(owner, "records", "history", "SM-2021-01")
    (dispute,) = json.loads(_do(owner, "dispute", "list", "--json"))
    assert (dispute["record_key"], dispute["overdue"], dispute["resolved_on"]) == ("SM-2020-07", False, "")
    _do(owner, "dispute", "resolve", "--record", "SM-2020-07", "--outcome", "stands", *BY)
    assert "disputes open: 0, overdue: 0" in _do(owner, "dispute", "list")

    today = datetime.now(UTC).date()
    _do(owner, "records", "told", "SM-2020-07", "--on", str(today), *BY)
    (waiting,) = json.loads(_do(owner, "records", "queue", "--json"))["records"]
    assert waiting["waits_until"] == str(today + timedelta(days=30))
    explained = json.loads(_do(owner, "policy", "explain", *_AS, "--record", "SM-2020-07", "--json"))
    assert (explained["allowed"], explained["floor"]["policies"]) == (False, ["floor.fair-process"])

    rule = tmp_path / "no-suspensions.cedar"
    rule.write_text(
        '@id("nv.none") forbid (principal, action, resource is Record) when { resource.kind == "suspension" };'
    )
    assert "0 of 0 records kept back" in _do(owner, "policy", "check", str(rule))
    shortened = '[due_process]\nwindow_days = 0\nlaw = "Example Code 1"\n'
    with (owner.home / "settings.toml").open("a") as settings:
        settings.write(shortened)
    assert "1 of 1 records kept back" in _do(owner, "policy", "check", str(rule))
    assert "Example Code 1" in _do(owner, "records", "queue")
    explained = json.loads(_do(owner, "policy", "explain", *_AS, "--record", "SM-2020-07", "--json"))
    assert explained["allowed"]
    dry = json.loads(_do(owner, "retention", "run", "--dry-run", "--json"))
    assert (dry["records"], dry["logs"]) == ([], {})


@pytest.mark.parametrize(
    "arguments",
    [
        ("records", "void", "NONE", "--reason", "x", *BY),
        ("records", "correct", "SM-2020-07", "--set", "summary", "--reason", "x", *BY),
        ("records", "reinstate", "SM-2020-07", "--reason", "x", *BY),
        ("records", "told", "SM-2020-07", "--on", "2999-01-01", *BY),
        ("dispute", "open", "--record", "SM-2020-07", "--grounds", "x", "--on", "2999-01-01", *BY),
        ("dispute", "resolve", "--record", "SM-2020-07", "--outcome", "perhaps", *BY),
        ("statement", "set", "--record", "SM-2020-07", "--file", "/nowhere.txt", *BY),
        ("policy", "explain", "--record", "SM-2020-07", "--purpose", "curiosity", "--as", ASKER),
        ("policy", "explain", "--record", "SM-2020-07", "--purpose", "hiring", "--as", "OR9999999"),
        ("policy", "check", "/nowhere.cedar"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_in_a_sentence(
    federation: Federation, arguments: tuple[str, ...]
) -> None:
    done = federation.nodes[OWNER].command_line(*arguments)
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_policy_file_that_cannot_be_read_keeps_the_node_from_disclosing_anything(federation: Federation) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    broken = owner.home / "policies" / "state.cedar"
    broken.write_text("forbid (principal, action, resource is Record) when { resource.kind == ")
    assert str(owner.status()["policies"]).startswith("NOTHING IS DISCLOSED: state.cedar")
    result = asker.check(PERSON)
    assert result.refused == ((OWNER, "policy-unreadable"),)
    assert result.candidates == ()
    broken.write_text('@id("nv.all") forbid (principal, action, resource is Officer);')
    assert asker.check(PERSON).declined == ((OWNER, "nv.all"),)
    assert "declines 1 officers as a whole" in _do(owner, "policy", "check")
    explained = json.loads(_do(owner, "policy", "explain", *_AS, "--record", "SM-2020-07", "--json"))
    assert (explained["allowed"], explained["officer"]["files"][0]["policies"]) == (False, ["nv.all"])
    broken.unlink()
    assert set(_records(asker, asker.check(PERSON).check.id)) == {"SM-2020-07"}  # its window is 0 days by now
    assert owner.status()["policies"] == "the federation's floor and 0 files of the node's own"


def test_settings_that_cannot_be_read_keep_the_running_node_from_disclosing_anything(federation: Federation) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    settings = owner.home / "settings.toml"
    lawful = settings.read_text()
    settings.write_text("[due_proces]\nwindow_days = 90\n")
    assert "NOTHING IS DISCLOSED" in str(owner.status()["policies"])
    assert asker.check(PERSON).refused == ((OWNER, "policy-unreadable"),)
    settings.write_text(lawful)
    assert asker.check(PERSON).refused == ()


def test_who_was_told_how_an_officer_left_hears_over_the_link_that_it_was_otherwise(
    federation: Federation, tmp_path: Path
) -> None:
    owner, asker = federation.nodes[OWNER], federation.nodes[ASKER]
    check_id = asker.check(PERSON).check.id
    employment = tmp_path / "employment.csv"
    employment.write_text(
        "officer_key,ori,rank,sworn,hired_on,separated_on,separation_kind,under_investigation\n"
        f"NV-1,{OWNER},Officer,yes,2012-06-04,2019-09-20,resigned_in_lieu,yes\n"
    )
    _do(owner, "import", str(employment))
    wait_until(lambda: facts(asker.result(check_id))["candidates"][0]["now"] is not None, "the asker was not told")
    assert "resigned in lieu" in str(facts(asker.result(check_id))["candidates"][0]["now"]["differences"])
    assert "WHAT IS HELD OF THE OFFICER HAS CHANGED" in _do(asker, "checks", "show", check_id.hex())
    assert "officer NV-1 details" in _do(owner, "notices")
    assert "officer NV-1 changed" in _do(asker, "notices")


def test_the_duty_to_tell_the_applicant_is_open_until_his_letter_is_delivered(
    federation: Federation, tmp_path: Path
) -> None:
    asker = federation.nodes[ASKER]
    check = asker.check(PERSON).check.id.hex()
    letter, own = tmp_path / "letter.pdf", ("--by", "BG-07")
    assert "the applicant must be told" in _do(asker, "checks", "show", check)
    assert asker.command_line("check", "letter", check, "--delivered", *own).returncode == 1
    _do(asker, "check", "letter", check, "-o", str(letter), *own)
    assert letter.read_bytes().startswith(b"%PDF-")
    assert letter.stat().st_mode & 0o077 == 0
    assert "The letter to the applicant is written" in _do(asker, "checks", "show", check)
    _do(asker, "check", "letter", check, "--delivered", *own)
    assert "The applicant has been told" in _do(asker, "checks", "show", check)
    listed = next(line for line in _do(asker, "checks", "list").splitlines() if check[:8] in line)
    assert "done" in listed


def test_the_hub_learns_of_a_notice_no_more_than_its_digest(federation: Federation) -> None:
    passed = federation.query("hub", "SELECT subject, detail FROM audit WHERE event = 'message-passed'")
    assert passed
    assert all(subject == "" and len(detail) == 64 for subject, detail in passed)
    wait_until(lambda: federation.query("hub", "SELECT count(*) FROM mailbox")[0][0] == 0, "mail is left")
