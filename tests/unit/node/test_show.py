"""What other members wrote is shown and never obeyed: no code or markup of theirs keeps a check from its reader."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import Message
from rich.console import Console

from waypost.crypto.envelope import SigningKey, sign
from waypost.node import asking
from waypost.node.applicants import Inquiry
from waypost.node.clear import CheckVerdict
from waypost.node.cli.batch import summary_of
from waypost.node.cli.checks import table_of
from waypost.node.cli.show import show
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.results import Result, employed_words, facts, result_of
from waypost.node.store import StoredAnswer, StoredCheck
from waypost.protocol.names import RECEIPT
from waypost.v1 import check_pb2, record_pb2

OWNER, OTHER = "NV9900200", "AZ9900300"
APPLICANT = Person((PersonName("Thornbury", "Isolde"),), PartialDate.parse("1988-03-14"))
CHECK = StoredCheck(bytes(16), "answered", Inquiry(APPLICANT, "hiring", "HP-1", bytes(32), "BG").to_json(), 1, 1)
NAME = record_pb2.PersonName(family="Thornbury", given="Isolde", kind="legal")
HUB = SigningKey.generate()
UNKNOWN = 99
"""A number that no enum of the protocol names: a later version's, or mischief."""


def _answer(ori: str, candidate: check_pb2.Candidate) -> StoredAnswer:
    return StoredAnswer(CHECK.id, ori, check_pb2.AnswerBody(candidates=[candidate]).SerializeToString(), b"", 1)


def _candidate(words: str, number: int) -> check_pb2.Candidate:
    record = record_pb2.ConductRecord.FromString(
        record_pb2.ConductRecord(
            record_key=words,
            summary=words,
            authority=words,
            occurred_on=words,
            force_type=words,
            force_outcome=words,
            fair_process=record_pb2.FairProcess(notice_on=words, decided_by=words, decided_on=words, final_on=words),
        ).SerializeToString()
    )
    employment = record_pb2.Employment(ori=OWNER, rank=words, hired_on=words)
    enums: tuple[tuple[Message, str], ...] = (
        *((record, "kind"), (record.fair_process, "hearing"), (record.fair_process, "appeal")),
        (employment, "separation_kind"),
    )
    for message, field in enums:
        setattr(message, field, number)
    return check_pb2.Candidate(
        verdict=check_pb2.VERDICT_DISCLOSED,
        officer_key=words,
        names=[NAME],
        date_of_birth="1988-03-14",
        employments=[employment],
        conduct=[record],
        declined=[check_pb2.Declined(records=1, policy_ids=[words])],
    )


def _shown(*answers: StoredAnswer) -> str:
    written = io.StringIO()
    show(result_of(CHECK, answers), {OWNER: "Silver [/] Mesa"}, Console(file=written, width=300))
    return written.getvalue()


def test_an_answer_with_codes_that_nobody_knows_is_shown_and_hides_no_other_answer() -> None:
    honest = check_pb2.Candidate(
        verdict=check_pb2.VERDICT_DISCLOSED, officer_key="AZ-1", names=[NAME], date_of_birth="1988-03-14"
    )
    answers = _answer(OWNER, _candidate("R-1", UNKNOWN)), _answer(OTHER, honest)
    assert "AZ-1" in _shown(*answers)
    found = facts(result_of(CHECK, answers))["candidates"]
    assert {each["officer_key"] for each in found} == {"R-1", "AZ-1"}
    assert [record["kind"] for each in found for record in each["records"]] == ["unknown"]


def test_days_that_nobody_knows_are_called_unknown() -> None:
    job = record_pb2.Employment(ori=OWNER, rank="Officer", separation_kind=record_pb2.SEPARATION_KIND_RETIRED)
    lasting = record_pb2.Employment(ori=OWNER, rank="Chief", hired_on="2012-03-30")
    assert employed_words(job) == ("unknown", "unknown")
    assert employed_words(lasting) == ("2012-03-30", "present")
    candidate = check_pb2.Candidate(
        verdict=check_pb2.VERDICT_DISCLOSED, officer_key="A-1", names=[NAME], employments=[job, lasting]
    )
    (began,) = (line for line in _shown(_answer(OWNER, candidate)).splitlines() if "retired" in line)
    assert began.count("unknown") == 2


def test_markup_in_an_answer_is_printed_and_not_obeyed() -> None:
    text = _shown(_answer(OWNER, _candidate("[/red] [blink]", record_pb2.CONDUCT_KIND_TERMINATION)))
    assert text.count("[/red] [blink]") > 10
    assert "Silver [/] Mesa" in text


def test_an_answer_cannot_command_the_terminal_of_its_reader() -> None:
    text = _shown(_answer(OWNER, _candidate("\x1b[2J\x07gone", record_pb2.CONDUCT_KIND_TERMINATION)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "gone" in text


def _receipt(current: int, members: int, stale: tuple[str, ...] = (), pending: tuple[str, ...] = ()) -> StoredCheck:
    receipt = check_pb2.Receipt(
        coverage=check_pb2.Coverage(members=members, current=current, stale_oris=stale),
        responses=[check_pb2.Response(ori=ori, state=check_pb2.RESPONSE_STATE_PENDING) for ori in pending],
    )
    held = sign(RECEIPT, receipt.SerializeToString(), HUB)
    return replace(CHECK, receipt=held.SerializeToString())


def _told(check: StoredCheck, *answers: StoredAnswer, suspended: tuple[str, ...] = ()) -> str:
    written = io.StringIO()
    show(result_of(check, answers), {OWNER: "Mesa"}, Console(file=written, width=300), suspended=suspended)
    return written.getvalue()


def test_no_record_found_stands_for_a_clear_alone() -> None:
    assert _told(_receipt(3, 3)).startswith("No record found among the 3 other members.\nCoverage")
    referral = _answer(OWNER, check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL))
    kept = check_pb2.Candidate(declined=[check_pb2.Declined(records=1, policy_ids=["p"])])
    for told, why in (
        (_told(_receipt(0, 1, (OWNER,))), "the records of 1 of 1 other member may be missing"),
        (_told(_receipt(0, 0)), "there is no other member to ask"),
        (_told(_receipt(2, 2, (), (OWNER,))), "1 member has not answered yet"),
        (_told(_receipt(2, 2), referral), "1 member may know the person"),
        (_told(_receipt(2, 2), _answer(OWNER, kept)), "1 member kept something back"),
    ):
        assert f"NOT A CLEAR: nothing found so far, but {why}." in told
        assert "No record found" not in told


def test_the_verdict_for_machines_is_that_of_the_words_on_the_terminal() -> None:
    referral = _answer(OWNER, check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL))
    kept = _answer(OWNER, check_pb2.Candidate(declined=[check_pb2.Declined(records=1, policy_ids=["p"])]))
    disclosed = check_pb2.Candidate(verdict=check_pb2.VERDICT_DISCLOSED, names=[NAME], date_of_birth="1988-03-14")
    failed = replace(CHECK, state=asking.FAILED, reason="rate-exceeded")
    for verdict, words, check, answers in (
        ("clear", "No record found", _receipt(3, 3), ()),
        ("not-a-clear", "NOT A CLEAR", _receipt(0, 1, (OWNER,)), ()),
        ("not-a-clear", "NOT A CLEAR", _receipt(2, 2, (), (OWNER,)), ()),
        ("not-a-clear", "NOT A CLEAR", _receipt(2, 2), (kept,)),
        ("not-a-clear", "Nothing is asked yet", CHECK, ()),
        ("referral", "NOT A CLEAR", _receipt(2, 2), (referral,)),
        ("found", "CONFIRMED", _receipt(2, 2, (), (OTHER,)), (_answer(OWNER, disclosed),)),
        ("refused", "The check was refused.", failed, ()),
    ):
        assert facts(result_of(check, answers))["verdict"] == verdict
        told = _told(check, *answers)
        assert words in told
        assert ("No record found" in told) is (verdict == "clear")


def test_every_verdict_is_documented() -> None:
    page = Path(__file__).parents[3].joinpath("docs/node.md").read_text(encoding="utf-8")
    table = page.partition("| `verdict` | means |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [verdict.value for verdict in CheckVerdict]


def test_a_suspended_member_is_called_suspended() -> None:
    told = _told(_receipt(1, 3, (OWNER, OTHER)), suspended=(OWNER,))
    assert f"Not current, so records may be missing: {OTHER}." in told
    assert f"Suspended, so records may be missing: Mesa ({OWNER})." in told


def test_a_check_that_waits_says_for_what_and_where_to_look_later() -> None:
    queued, ready = (_told(replace(CHECK, state=state)) for state in (asking.QUEUED, asking.READY))
    assert "Hub and trustee make its tokens together" in queued
    assert "goes to the hub as soon as that can be reached" in ready
    assert all(f"waypost-node checks show {CHECK.id.hex()[:8]}" in told for told in (queued, ready))


def test_a_referral_is_told_in_every_table_and_never_as_none() -> None:
    referral = _answer(OWNER, check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL))
    offered, clear, open_ = result_of(_receipt(3, 3), [referral]), result_of(_receipt(3, 3), []), result_of(CHECK, [])
    assert summary_of(2, offered) == ("2", "Thornbury, Isolde", "referral", OWNER, "0", "", "3 of 3")
    assert [summary_of(2, each)[2] for each in (clear, open_)] == ["none", "none so far"]
    listed = _listed([offered], 120)
    assert "referral" in listed.splitlines()[1]
    assert OWNER in listed.splitlines()[1]


def test_a_list_of_checks_at_80_columns_cuts_no_id_and_no_member() -> None:
    long = replace(APPLICANT, names=(PersonName("Featherstonehaugh-Whitfield", "Marisol"),))
    asked = Inquiry(long, "hiring", "HP-1", bytes(32), "BACKGROUND-INVESTIGATIONS-07").to_json()
    check = replace(_receipt(2, 3, (OTHER,), (OTHER, "CA9900100")), id=b"\xab\xcd\xef\x01" * 4, request_json=asked)
    kept = _answer(OWNER, check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL))
    listed = _listed([result_of(check, [kept])], 80)
    assert all(word in listed for word in ("abcdef01", OWNER, OTHER, "CA9900100", "answered"))
    assert "\u2026" not in listed
    assert max(map(len, listed.splitlines())) <= 80


def _listed(results: list[Result], width: int) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(table_of(results))
    return written.getvalue()


def test_at_80_columns_a_record_stays_set_in_and_no_command_is_broken() -> None:
    record = record_pb2.ConductRecord(record_key="R-1", version=1, summary="Struck a handcuffed person. " * 8)
    found = check_pb2.Candidate(verdict=check_pb2.VERDICT_DISCLOSED, officer_key="NV-1", names=[NAME], conduct=[record])
    offered = _answer(OTHER, check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL))
    written = io.StringIO()
    show(result_of(_receipt(2, 2), [_answer(OWNER, found), offered]), {}, Console(file=written, width=80))
    lines = written.getvalue().splitlines()
    assert [line for line in lines if "handcuffed" in line and not line.startswith("    ")] == []
    check = CHECK.id.hex()[:8]
    assert f"    waypost-node referrals request {check} {OTHER} --contact YOU" in lines
    assert f"    waypost-node check letter {check} -o letter.pdf --by YOU" in lines


def test_a_check_that_waits_for_the_link_says_why_there_is_none() -> None:
    written, waiting = io.StringIO(), replace(CHECK, state=asking.QUEUED)
    why = "the hub said goodbye: suspended"
    show(result_of(waiting, []), {}, Console(file=written, width=300), link_trouble=why)
    assert f"It has no link to the hub: {why}." in written.getvalue()
    assert "Hub and trustee" not in written.getvalue()
