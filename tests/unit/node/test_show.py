"""What other members wrote is shown and never obeyed: no code or markup of theirs keeps a check from its reader."""

from __future__ import annotations

import io

from google.protobuf.message import Message
from rich.console import Console

from waypost.node.applicants import Inquiry
from waypost.node.cli.show import show
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.results import facts, result_of
from waypost.node.store import StoredAnswer, StoredCheck
from waypost.v1 import check_pb2, record_pb2

OWNER, OTHER = "NV9900200", "AZ9900300"
APPLICANT = Person((PersonName("Thornbury", "Isolde"),), PartialDate.parse("1988-03-14"))
CHECK = StoredCheck(bytes(16), "answered", Inquiry(APPLICANT, "hiring", "HP-1", bytes(32), "BG").to_json(), 1, 1)
NAME = record_pb2.PersonName(family="Thornbury", given="Isolde", kind="legal")
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


def test_markup_in_an_answer_is_printed_and_not_obeyed() -> None:
    text = _shown(_answer(OWNER, _candidate("[/red] [blink]", record_pb2.CONDUCT_KIND_TERMINATION)))
    assert text.count("[/red] [blink]") > 10
    assert "Silver [/] Mesa" in text


def test_an_answer_cannot_command_the_terminal_of_its_reader() -> None:
    text = _shown(_answer(OWNER, _candidate("\x1b[2J\x07gone", record_pb2.CONDUCT_KIND_TERMINATION)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "gone" in text
