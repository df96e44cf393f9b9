"""kill -9 of any party at a chosen moment of a check or of indexing, and restart: nothing lost, nothing doubled.

A moment is a message on its way: when it comes by at a relay, the victim dies, and the message is lost with it. So a
request that came by upward was never received; an answer that came by downward was given, and nobody heard it.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.parties.federation import WAIT_S, Federation, Node, Process, running, wait_until
from tests.parties.people import HELD, HELD_RECORD, applicant, officer
from tests.parties.relay import Call, Relay

from waypost.protocol import names
from waypost.v1 import hub_service_pb2

pytestmark = pytest.mark.xdist_group("faults")
PERSON = applicant(HELD)
ASKER, HOLDER = "CA9900100", "NV9900200"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("faults")) as federation:
        federation.node(ASKER)
        holder = federation.node(HOLDER)
        holder.load([HELD], [HELD_RECORD])
        holder.wait_indexed()
        federation.wait_roster()
        yield federation


@pytest.fixture(autouse=True)
def everybody_is_up(federation: Federation) -> Iterator[None]:
    yield
    federation.relay.behave()
    federation.trustee_relay.behave()
    for process in (federation.trustee, federation.hub, *federation.nodes.values()):
        if not process.running:
            process.start()


@dataclass(frozen=True)
class Moment:
    """A message of a call or, on a link, a frame of that kind; `of` is the member at whose relay it is seen."""

    victim: str
    method: str
    upward: bool
    frame: str = ""
    of: str = ""

    def __str__(self) -> str:
        way = "sends" if self.upward else "is sent"
        return f"{self.victim} when {self.of or 'a member'} {way} {self.frame or self.method}"

    def is_now(self, call: Call, data: bytes) -> bool:
        if call.method != self.method or (self.of and call.caller != self.of):
            return False
        if not self.frame:
            return True
        kind: Any = hub_service_pb2.AttachRequest if self.upward else hub_service_pb2.AttachResponse
        frame = kind.FromString(data).frame
        if self.frame == "query":
            return bool(frame.mail.HasField("query"))
        if self.frame == "answer":
            return bool(frame.mail.message.payload_type == names.ANSWER)
        return bool(frame.HasField(self.frame))


def party(federation: Federation, name: str) -> Process:
    return {"hub": federation.hub, "trustee": federation.trustee}.get(name) or federation.nodes[name]


def killing(federation: Federation, moment: Moment) -> threading.Event:
    """From now on the victim dies at that moment, once; set when it has."""
    dead, once = threading.Event(), threading.Lock()
    relay: Relay = federation.trustee_relay if moment.method == "EvaluateHalf" else federation.relay

    def rule(call: Call, data: bytes) -> Iterable[bytes]:
        if not dead.is_set() and moment.is_now(call, data) and once.acquire(blocking=False):
            party(federation, moment.victim).kill()
            dead.set()
            return ()
        return (data,)

    if moment.upward:
        relay.up = rule
    else:
        relay.down = rule
    return dead


def restart(federation: Federation, moment: Moment, dead: threading.Event) -> None:
    assert dead.wait(WAIT_S), f"the moment never came: {moment}"
    federation.relay.behave()
    federation.trustee_relay.behave()
    party(federation, moment.victim).start()


CHECK_MOMENTS = [
    Moment(ASKER, "Evaluate", upward=True, of=ASKER),
    Moment(ASKER, "Evaluate", upward=False, of=ASKER),
    Moment(ASKER, "SubmitCheck", upward=True, of=ASKER),
    Moment(ASKER, "SubmitCheck", upward=False, of=ASKER),
    Moment(ASKER, "Attach", upward=False, frame="answer", of=ASKER),
    Moment(ASKER, "Attach", upward=True, frame="mail_taken", of=ASKER),
    Moment(HOLDER, "Attach", upward=False, frame="query", of=HOLDER),
    Moment(HOLDER, "Attach", upward=True, frame="post", of=HOLDER),
    Moment(HOLDER, "Attach", upward=False, frame="post_result", of=HOLDER),
    Moment(HOLDER, "Attach", upward=True, frame="mail_taken", of=HOLDER),
    Moment("hub", "Evaluate", upward=False, of=ASKER),
    Moment("hub", "SubmitCheck", upward=True, of=ASKER),
    Moment("hub", "SubmitCheck", upward=False, of=ASKER),
    Moment("hub", "Attach", upward=True, frame="post", of=HOLDER),
    Moment("hub", "Attach", upward=False, frame="post_result", of=HOLDER),
    Moment("hub", "Attach", upward=True, frame="mail_taken", of=HOLDER),
    Moment("hub", "Attach", upward=False, frame="answer", of=ASKER),
    Moment("trustee", "EvaluateHalf", upward=True),
    Moment("trustee", "EvaluateHalf", upward=False),
]


@pytest.mark.parametrize("moment", CHECK_MOMENTS, ids=str)
def test_a_check_survives_the_death_of(moment: Moment, federation: Federation) -> None:
    asker, holder = federation.nodes[ASKER], federation.nodes[HOLDER]
    dead = killing(federation, moment)
    check_id = asker.ask(PERSON)
    assert dead.wait(WAIT_S), f"the moment never came: {moment}"
    before = asker.result(check_id)
    if before.complete:  # the asker had all it needed; the death cost an acknowledgement only
        assert before.candidates
    restart(federation, moment, dead)
    result = asker.wait(check_id, lambda result: result.complete and result.check.state == "answered")
    assert [(each.ori, each.candidate.officer_key) for each in result.candidates] == [(HOLDER, HELD["officer_key"])]
    assert [entry.record_key for entry in result.candidates[0].candidate.conduct] == [HELD_RECORD["record_key"]]
    assert len(list(holder.store.disclosures.of_check(check_id))) == 1
    assert len(asker.store.checks.answers(check_id)) == 1
    accepted = federation.query(
        "hub", "SELECT count(*) FROM audit WHERE event = 'check-accepted' AND subject = ?", ASKER
    )
    assert accepted[0][0] == len(asker.store.checks.newest(1000))


def test_a_check_whose_holder_is_dead_says_that_it_is_pending(federation: Federation) -> None:
    asker, holder = federation.nodes[ASKER], federation.nodes[HOLDER]
    holder.kill()
    check_id = asker.ask(PERSON)
    result = asker.wait(check_id, lambda result: result.coverage is not None)
    assert (result.pending, result.complete, result.candidates) == ((HOLDER,), False, ())
    shown = asker.command_line("checks", "show", check_id.hex()).stdout
    assert f"({HOLDER}): has not answered yet" in shown
    holder.start()
    assert len(asker.wait(check_id).candidates) == 1


def test_a_check_that_is_asked_while_hub_and_trustee_are_dead_is_kept_and_made_when_they_return(
    federation: Federation,
) -> None:
    asker = federation.nodes[ASKER]
    federation.hub.kill()
    federation.trustee.kill()
    check_id = asker.ask(PERSON)
    wait_until(lambda: asker.status()["link"] != "attached", "the node did not notice")
    assert asker.result(check_id).coverage is None
    assert not asker.result(check_id).complete
    federation.trustee.start()
    federation.hub.start()
    assert len(asker.wait(check_id).candidates) == 1


INDEX_MOMENTS = [
    Moment(HOLDER, "Evaluate", upward=True, of=HOLDER),
    Moment(HOLDER, "Evaluate", upward=False, of=HOLDER),
    Moment(HOLDER, "Register", upward=True, of=HOLDER),
    Moment(HOLDER, "Register", upward=False, of=HOLDER),
    Moment(HOLDER, "Attach", upward=False, frame="index_verdict", of=HOLDER),
    Moment("hub", "Register", upward=True, of=HOLDER),
    Moment("hub", "Register", upward=False, of=HOLDER),
    Moment("trustee", "EvaluateHalf", upward=False),
]


def newcomers() -> tuple[list[dict[str, str]], dict[str, str]]:
    """A few officers nobody had before, and the first of them."""
    batch = next(_numbers)
    rows = [
        officer(
            f"NEW-{batch}-{at}",
            f"Trelawn{chr(97 + batch) * 2}{chr(97 + at) * 2}y",
            "Ottoline",
            f"19{60 + at}-03-0{at + 1}",
        )
        for at in range(6)
    ]
    return rows, rows[0]


def hub_holds(federation: Federation, node: Node) -> list[bytes]:
    sql = "SELECT token FROM pointers JOIN members ON members.id = member_id WHERE ori = ? AND epoch = 1 ORDER BY token"
    return [row[0] for row in federation.query("hub", sql, node.ori)]


@pytest.mark.parametrize("moment", INDEX_MOMENTS, ids=str)
def test_an_index_survives_the_death_of(moment: Moment, federation: Federation) -> None:
    asker, holder = federation.nodes[ASKER], federation.nodes[HOLDER]
    rows, first = newcomers()
    officers = holder.store.officers.count()
    dead = killing(federation, moment)
    summary = holder.load(rows)
    assert summary["imported"] == len(rows)
    restart(federation, moment, dead)
    holder.wait_indexed()
    assert holder.store.officers.count() == officers + len(rows)
    assert hub_holds(federation, holder) == list(holder.store.tokens.registered(1))
    result = asker.check(applicant(first))
    assert [each.candidate.officer_key for each in result.candidates].count(first["officer_key"]) == 1


def test_an_import_while_every_other_process_is_dead_is_indexed_when_they_return(federation: Federation) -> None:
    asker, holder = federation.nodes[ASKER], federation.nodes[HOLDER]
    holder.kill()
    federation.hub.kill()
    federation.trustee.kill()
    rows, first = newcomers()
    assert holder.load(rows)["imported"] == len(rows)
    assert holder.load(rows)["imported"] == 0  # the same file again changes nothing
    for process in (federation.trustee, federation.hub, holder):
        process.start()
    holder.wait_indexed()
    assert hub_holds(federation, holder) == list(holder.store.tokens.registered(1))
    found = [each.candidate.officer_key for each in asker.check(applicant(first)).candidates]
    assert found.count(first["officer_key"]) == 1


@pytest.mark.parametrize("name", ["hub", "trustee"])
def test_suspending_survives_the_death_of(name: str, federation: Federation) -> None:
    """What an operator decided while a party was dead is in force when it returns, in one roster, signed by both."""
    asker, version = federation.nodes[ASKER], federation.roster_version()
    member = federation.member(f"AZ99003{len(name):02}")
    version = federation.roster_version()
    party(federation, name).kill()
    federation.do_hub("suspend", member.ori, "--reason", "a test")
    party(federation, name).start()
    federation.wait_roster(version + 1)
    assert federation.roster_version() == version + 1
    assert len(asker.check(PERSON).candidates) == 1


def damage(node: Node, sql: str) -> None:
    """Change the node's file behind its back: reading the value is then a fault of the program."""
    raw = sqlite3.connect(node.home / "node.db")
    with raw:
        raw.execute(sql)
    raw.close()


def test_a_check_on_which_the_holders_program_fails_says_so_and_the_next_one_is_answered(
    federation: Federation,
) -> None:
    asker, holder = federation.nodes[ASKER], federation.nodes[HOLDER]
    damage(holder, "UPDATE officers SET date_of_birth = 'the flood' WHERE officer_key = 'NV-1'")
    result = asker.wait(asker.ask(PERSON), lambda result: result.refused)
    assert (result.refused, result.candidates) == (((HOLDER, "node-fault"),), ())
    damage(holder, f"UPDATE officers SET date_of_birth = '{HELD['date_of_birth']}' WHERE officer_key = 'NV-1'")
    assert len(asker.check(PERSON).candidates) == 1
    assert holder.running
    assert holder.status()["mail_set_aside"] == 1
    assert "check" in holder.command_line("mail", "list").stdout
    assert "0 messages" in holder.command_line("mail", "retry").stdout


def test_attack_a_record_that_was_voided_while_its_answer_waited_leaves_all_the_same(federation: Federation) -> None:
    asker, holder = federation.nodes[ASKER], federation.nodes[HOLDER]
    lost = Moment("hub", "Attach", upward=True, frame="post", of=HOLDER)
    dead = killing(federation, lost)
    check_id = asker.ask(PERSON)
    assert dead.wait(WAIT_S)
    why = ("--by", "IA-3", "--reason", "overturned")
    holder.command_line("records", "void", HELD_RECORD["record_key"], *why)
    restart(federation, lost, dead)
    (found,) = asker.wait(check_id, lambda result: result.complete).candidates
    assert list(found.candidate.conduct) == []
    holder.command_line("records", "reinstate", HELD_RECORD["record_key"], *why)
    assert len(asker.check(PERSON).candidates[0].candidate.conduct) == 1
