"""Aggregate rounds over real sockets: a hub, a trustee and fifty members, ten of which die; and what anybody saw."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.parties.counting import CountingMember, closing, counting_member
from tests.parties.federation import Federation, Process, running, wait_until

from waypost.crypto.envelope import parse_envelope
from waypost.crypto.shares import pack
from waypost.protocol import limits
from waypost.protocol.round_results import RoundResult, open_result
from waypost.v1 import round_pb2

pytestmark = pytest.mark.xdist_group("rounds")  # what they share is made once, and they follow one another
MEMBERS, DEAD = 50, 10
MEASURE = "officers-trained"
STATES = ("CA", "NV")


ANY_VECTOR = re.compile(rb"\x6a\x00{5}..\x4c\x00{5}", re.DOTALL)
"""The bytes that the vectors of all members have in common: 7,000,003 is 0x6acfc3, and 5,000,011 is 0x4c4b4b."""


def trained(number: int) -> tuple[int, int]:
    """What a member counts: numbers of a kind that do not occur by chance."""
    return 7_000_003 + 100 * number, 5_000_011 + 100 * number


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("rounds")) as made:
        yield made


@pytest.fixture(scope="module")
def members(federation: Federation) -> Iterator[list[CountingMember]]:
    made = [counting_member(federation, f"{STATES[n % 2]}99{n:05}", trained(n)) for n in range(MEMBERS)]
    with closing(made):
        yield made


def start(federation: Federation, period: str, *more: str) -> dict[str, Any]:
    arguments = ("round", "start", MEASURE, "--period", period, "--open-minutes", "30", "--json", *more)
    facts: dict[str, Any] = json.loads(federation.do_hub(*arguments))
    return facts


def row(federation: Federation, round_id: str, columns: str) -> tuple[Any, ...]:
    (found,) = federation.query("hub", f"SELECT {columns} FROM rounds WHERE round_id = ?", bytes.fromhex(round_id))
    return found


def wait_state(federation: Federation, round_id: str, *states: str) -> None:
    told = f"{row(federation, round_id, 'state, reason')} {federation.hub.log.read_text()[-1500:]}"
    wait_until(lambda: row(federation, round_id, "state")[0] in states, told)


def close_now(federation: Federation, round_id: str) -> None:
    """The time to answer is over: what the clock would do half an hour later."""
    with sqlite3.connect(federation.database("hub"), timeout=20) as connection:
        connection.execute("UPDATE rounds SET closes_at_ms = 1 WHERE round_id = ?", (bytes.fromhex(round_id),))
    connection.close()


def result_of(federation: Federation, round_id: str) -> RoundResult:
    envelope = parse_envelope(row(federation, round_id, "result")[0])
    keys = (federation.hub_key.public, federation.trustee_key.public)
    return open_result(envelope, hub_key=keys[0], trustee_key=keys[1])


def answer_all(federation: Federation, members: list[CountingMember], round_id: str) -> None:
    wait_state(federation, round_id, "open")
    for each in members:
        result = each.answer()
        assert result is not None
        assert result.accepted, result.reason


def assert_within_noise(result: RoundResult, members: list[CountingMember]) -> None:
    """Seven deviations: a right round fails once in 10^11."""
    for place, cell in enumerate(result.cells):
        true_total = sum(each.trained[place] for each in members)
        assert abs(cell.total - true_total) < 7 * result.noise_deviation
        assert not cell.suppressed


def test_ten_of_fifty_die_in_the_middle_and_the_round_closes_correctly_for_the_forty(
    federation: Federation, members: list[CountingMember]
) -> None:
    facts = start(federation, "2026Q3")
    alive, dead = members[:-DEAD], members[-DEAD:]
    answer_all(federation, alive, facts["round"])
    for each in dead[: DEAD // 2]:  # half of them die with the round in their hands
        with each.member.attached() as link:
            link.mail()
    close_now(federation, facts["round"])
    wait_state(federation, facts["round"], "done", "failed")
    result = result_of(federation, facts["round"])
    assert set(result.participants) == {each.ori for each in alive}
    assert {(each.ori, each.reason) for each in result.absent} == {(each.ori, "") for each in dead}
    assert_within_noise(result, alive)
    shown = federation.do_hub("round", "show", facts["round"])
    assert f"absent: {dead[0].ori} (no answer in time)" in shown


def test_attack_reading_everything_that_hub_and_trustee_hold_shows_no_members_counts_and_no_true_total(
    federation: Federation, members: list[CountingMember]
) -> None:
    facts = start(federation, "2026Q2")
    answer_all(federation, members, facts["round"])
    wait_state(federation, facts["round"], "done")
    true_totals = tuple(sum(each.trained[place] for each in members) for place in (0, 1))
    assert all(ANY_VECTOR.search(pack(each.trained)) for each in members)
    result = result_of(federation, facts["round"])
    noisy = tuple(cell.total for cell in result.cells)
    hidden_totals = tuple(total for total in true_totals if total not in noisy)  # noise is zero now and then
    secrets = [each.trained for each in members] + [hidden_totals]
    for party in ("hub", "trustee"):
        held = b"".join(path.read_bytes() for path in (federation.folder / party).rglob("*") if path.is_file())
        held += (federation.folder / f"{party}.log").read_bytes()
        assert traces(held, *secrets) == [], party
        memory = memory_of(federation.hub if party == "hub" else federation.trustee)
        assert (b"officers-trained" in memory) or party == "trustee"  # the search itself works
        assert not ANY_VECTOR.search(memory), party
        assert struct.pack("<QQ", *true_totals) not in memory or noisy == true_totals, party
        if party == "hub":
            assert traces(held, noisy)  # the search itself works: the noisy total is there
    wire = b"".join(seen.data for seen in list(federation.trustee_relay.seen))
    assert trustee_half_of(federation, facts["round"]) in wire  # the search itself works
    assert traces(wire, *secrets) == []
    # The two halves that crossed the wire or lie on a disk are unlike each other's and any total's.
    hub_half, trustee_half, answers = halves(federation, facts["round"])
    assert pack(true_totals) not in {hub_half, trustee_half}
    assert not answers  # shares are deleted when the round is done


def memory_of(party: Process) -> bytes:
    """Everything that the process may write to: its heap, its stacks, freed blocks included."""
    assert party.process is not None
    folder, found = Path(f"/proc/{party.process.pid}"), bytearray()
    with (folder / "mem").open("rb", buffering=0) as memory:
        for line in (folder / "maps").read_text().splitlines():
            span, mode, *_ = line.split()
            if mode.startswith("rw"):
                first, last = (int(place, 16) for place in span.split("-"))
                memory.seek(first)
                with contextlib.suppress(OSError):  # a region of the kernel's
                    found += memory.read(last - first)
    return bytes(found)


def trustee_half_of(federation: Federation, round_id: str) -> bytes:
    half: bytes = row(federation, round_id, "trustee_half")[0]
    return half


def traces(data: bytes, *numbers: tuple[int, ...]) -> list[int]:
    """Which of these numbers stand in the data: as words, as varints of a protobuf, or as text."""
    found = []
    for number in {number for each in numbers for number in each}:
        forms = (struct.pack("<Q", number), struct.pack(">Q", number), b"\x10" + varint(number))
        digits = b"%d" % number
        as_text = digits in data and re.search(rb"(?<![\da-f])%d(?![\da-f])" % number, data)
        if any(form in data for form in forms) or as_text:
            found.append(number)
    return found


def varint(number: int) -> bytes:
    return round_pb2.Cell(total=number).SerializeToString()[1:]


def halves(federation: Federation, round_id: str) -> tuple[bytes, bytes, list[bytes]]:
    hub_half, trustee_half = row(federation, round_id, "hub_half, trustee_half")
    sql = "SELECT answer FROM round_members WHERE round_id = ? AND answer IS NOT NULL"
    return hub_half, trustee_half, [each[0] for each in federation.query("hub", sql, bytes.fromhex(round_id))]


MONTHS = tuple(f"2025-{month:02}" for month in range(1, 13))
INSIDE_LEAST = 15
"""Of 24 totals, each within its margin with a chance of 95 %, fewer are so once in 10 million times."""
SQUARES = (2.5, 85.0)
"""Quantiles 10^-8 and 1 - 10^-8 of chi-squared with 24 degrees of freedom."""


def test_over_twelve_rounds_of_fifty_members_totals_lie_within_the_stated_error_at_the_stated_confidence(
    federation: Federation, members: list[CountingMember]
) -> None:
    # After the search for true totals: of so many, the noise leaves one as it is, which is then published by right.
    asked = [start(federation, month)["round"] for month in MONTHS]
    for each in asked:
        wait_state(federation, each, "open")
    for member in members:
        member.answer(len(MONTHS))
    for each in asked:
        wait_state(federation, each, "done", "failed")
    true_totals = [sum(each.trained[place] for each in members) for place in (0, 1)]
    inside, squares = 0, 0.0
    for result in (result_of(federation, each) for each in asked):
        assert len(result.participants) == MEMBERS
        for cell, true_total in zip(result.cells, true_totals, strict=True):
            error = cell.total - true_total
            inside += abs(error) <= result.margin_95
            squares += (error / result.noise_deviation) ** 2
    assert inside >= INSIDE_LEAST
    assert SQUARES[0] < squares < SQUARES[1]  # neither too little noise nor too much


def test_the_same_question_again_gives_the_stored_answer(federation: Federation, members: list[CountingMember]) -> None:
    assert members
    first = start(federation, "2026Q2")
    assert not first["new"]
    before = row(federation, first["round"], "result")
    assert start(federation, "2026Q2")["round"] == first["round"]
    assert row(federation, first["round"], "result") == before
    for period, states in (("2026Q2", ()), ("2026-06", ()), ("2026Q2", ("--states", "NV,CA"))):
        told = federation.do_hub("round", "start", MEASURE, "--period", period, *states)
        assert f"No second draw is made.\nSee: waypost-hub round show {first['round'][:12]}" in told


def test_a_hub_and_a_trustee_killed_at_every_step_bring_the_round_to_one_end(
    federation: Federation, members: list[CountingMember]
) -> None:
    with federation.audited("trustee", "round-countersigned"):
        facts = start(federation, "2026-01", "--states", "CA")
        federation.hub.kill()
        federation.hub.start()
        wait_state(federation, facts["round"], "open")
    federation.hub.kill()
    federation.trustee.kill()
    federation.hub.start()
    own = [each for each in members if each.ori.startswith("CA")]
    for each in own:
        each.answer()
    wait_state(federation, facts["round"], "closing")
    half = row(federation, facts["round"], "hub_half")
    federation.hub.kill()  # while the trustee is away
    federation.hub.start()
    assert row(federation, facts["round"], "hub_half") == half
    federation.trustee.start()
    wait_state(federation, facts["round"], "done", "failed")
    assert_within_noise(result_of(federation, facts["round"]), own)
    assert row(federation, facts["round"], "hub_half") == half


def test_too_few_answers_end_the_round_and_let_the_question_be_asked_anew(
    federation: Federation, members: list[CountingMember]
) -> None:
    facts = start(federation, "2026-02", "--states", "NV")
    wait_state(federation, facts["round"], "open")
    own = [each for each in members if each.ori.startswith("NV")]
    for each in own[: limits.MINIMUM_COHORT - 1]:
        each.answer()
    with federation.audited("trustee", "round-abandoned", subject=facts["round"]):
        close_now(federation, facts["round"])
    wait_state(federation, facts["round"], "failed")
    assert row(federation, facts["round"], "reason") == ("too-few-answers",)
    assert "leave it open for longer" in federation.do_hub("round", "show", facts["round"])
    for each in own[limits.MINIMUM_COHORT - 1 :]:
        with each.member.attached():
            pass  # what was left in its mailbox is gone with the round
    again = start(federation, "2026-02", "--states", "NV")
    assert again["new"]
    answer_all(federation, own, again["round"])
    wait_state(federation, again["round"], "done", "failed")
    assert_within_noise(result_of(federation, again["round"]), own)


def test_a_member_whose_policy_declines_is_named_with_the_policy(
    federation: Federation, members: list[CountingMember]
) -> None:
    facts = start(federation, "2026-03", "--states", "CA")
    wait_state(federation, facts["round"], "open")
    own = [each for each in members if each.ori.startswith("CA")]
    own[0].policies.append(("local.cedar", '@id("no-counts") forbid (principal, action == Action::"count", resource);'))
    try:
        for each in own:
            each.answer()
    finally:
        own[0].policies.clear()
    wait_state(federation, facts["round"], "done", "failed")
    result = result_of(federation, facts["round"])
    assert [(each.ori, each.reason) for each in result.absent] == [(own[0].ori, "no-counts")]
    assert_within_noise(result, own[1:])


def test_a_nodes_process_killed_in_a_round_answers_it_once_when_it_is_back(
    federation: Federation, members: list[CountingMember]
) -> None:
    node = federation.node("OR9900001")
    node.kill()
    # Another measure than the others have asked: with it, one member more would be what this round gives away.
    asked = ("round", "start", "programmes", "--period", "2026-04", "--open-minutes", "30", "--json")
    facts = json.loads(federation.do_hub(*asked))
    wait_state(federation, facts["round"], "open")
    for each in members:
        each.answer()
    node.launch()
    wait_until(lambda: node.store.rounds.newest(1), f"the node did not answer: {node.log.read_text()}")
    node.kill()
    node.start()
    wait_state(federation, facts["round"], "done", "failed")
    result = result_of(federation, facts["round"])
    assert node.ori in result.participants
    assert len(node.store.rounds.newest(10)) == 1
    assert "answered" in node.command_line("rounds").stdout
