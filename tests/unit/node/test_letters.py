"""The letter before an adverse decision, and the duty that stays open until the applicant has it."""

from __future__ import annotations

from datetime import date

import pytest

from waypost.node import letters
from waypost.node.applicants import Inquiry
from waypost.node.documents import Document, Heading, Rows, Text, to_pdf
from waypost.node.duties import Duty, duty_of, words
from waypost.node.errors import CheckError
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.results import Result, result_of
from waypost.node.store import ReceivedNotice, StoredAnswer, StoredCheck, StoredLetter
from waypost.v1 import check_pb2, notice_pb2, record_pb2

TODAY = date(2026, 11, 24)
OWNER = "NV9900200"
MEMBERS = {OWNER: "Silver Mesa Police Department"}
APPLICANT = Person((PersonName("Thornbury", "Isolde"),), PartialDate.parse("1988-03-14"))
CHECK = StoredCheck(bytes(16), "answered", Inquiry(APPLICANT, "hiring", "HP-1", bytes(32), "BG").to_json(), 1, 1)
RECORD = record_pb2.ConductRecord(
    record_key="R-1", version=1, kind=record_pb2.CONDUCT_KIND_TERMINATION, summary="Terminated for excessive force."
)


LEFT = record_pb2.Employment(
    ori=OWNER,
    hired_on="2010-01-11",
    separated_on="2019-09-20",
    separation_kind=record_pb2.SEPARATION_KIND_RESIGNED_IN_LIEU,
)


def _result(
    *records: record_pb2.ConductRecord,
    notices: tuple[ReceivedNotice, ...] = (),
    employments: tuple[record_pb2.Employment, ...] = (),
) -> Result:
    name = record_pb2.PersonName(family="Thornbury", given="Isolde", kind="legal")
    candidate = check_pb2.Candidate(
        verdict=check_pb2.VERDICT_DISCLOSED,
        officer_key="NV-1",
        names=[name],
        date_of_birth="1988-03-14",
        conduct=records,
        employments=employments,
    )
    body = check_pb2.AnswerBody(candidates=[candidate]).SerializeToString()
    return result_of(CHECK, [StoredAnswer(CHECK.id, OWNER, body, b"", 1)], notices)


def _letter(result: Result) -> Document:
    until = letters.answer_until(TODAY, 14)
    return letters.letter(result, agency="Harbor Point", ori="CA9900100", members=MEMBERS, today=TODAY, until=until)


def _text(document: Document) -> str:
    parts = []
    for block in document.blocks:
        if isinstance(block, Text | Heading):
            parts.append(block.text)
        elif isinstance(block, Rows):
            parts += [cell for row in block.rows for cell in row]
    return "\n".join(parts)


def test_the_letter_says_what_was_found_by_whom_how_to_dispute_it_and_how_long_he_has() -> None:
    document = _letter(_result(RECORD))
    text = _text(document)
    for words_of_it in ("Terminated for excessive force.", "Silver Mesa Police Department (NV9900200)", "R-1"):
        assert words_of_it in text
    assert "until 2026-12-08" in text
    assert "dispute" in text
    assert to_pdf(document).startswith(b"%PDF-")


def test_the_letter_tells_what_the_owner_has_said_since() -> None:
    body = notice_pb2.NoticeBody(
        record_key="R-1", sequence=1, standing=notice_pb2.STANDING_VOIDED, reason="overturned on appeal"
    )
    notice = ReceivedNotice(OWNER, "R-1", 1, body.SerializeToString(), 1)
    assert "this record was voided: overturned on appeal." in _text(_letter(_result(RECORD, notices=(notice,))))


def test_the_letter_tells_what_a_corrected_record_says_now_beside_what_it_said() -> None:
    now = record_pb2.ConductRecord(record_key="R-1", version=2, summary="Terminated for lateness.")
    body = notice_pb2.NoticeBody(
        record_key="R-1", sequence=1, standing=notice_pb2.STANDING_STANDS, reason="reworded", record=now
    )
    text = _text(_letter(_result(RECORD, notices=(ReceivedNotice(OWNER, "R-1", 1, body.SerializeToString(), 1),))))
    assert "this record stands: reworded." in text
    assert text.index("Terminated for excessive force.") < text.index("It says now:") < text.index("lateness")


def test_the_letter_leaves_out_no_fact_that_was_disclosed() -> None:
    record = record_pb2.ConductRecord(
        record_key="R-2",
        version=1,
        kind=record_pb2.CONDUCT_KIND_CIVIL_JUDGMENT,
        summary="Choked a person.",
        occurred_on="2014-04-27",
        effective_on="2014-08-12",
        force_type="choke_hold",
        force_outcome="serious_injury",
        amount_cents=421_773_300,
        authority="Superior Court",
        fair_process=record_pb2.FairProcess(
            notice_on="2014-07-03",
            hearing=record_pb2.HEARING_HELD,
            decided_by="Judge",
            decided_on="2014-08-11",
            appeal=record_pb2.APPEAL_UPHELD,
            final_on="2014-09-26",
            told_on="2019-10-01",
        ),
        statement=record_pb2.Statement(text="I was alone.", given_on="2019-10-02"),
        dispute=record_pb2.Dispute(opened_on="2026-11-01", due_on="2026-12-01"),
    )
    text = _text(_letter(_result(record)))
    for words_of_it in (
        *("Civil judgment: record R-2", "Choked a person.", "2014-04-27", "2014-08-12", "choke hold", "serious injury"),
        *("$4,217,733.00", "Superior Court", "2014-07-03", "held", "2014-08-11 by Judge", "upheld", "2014-09-26"),
        *("2019-10-01", "I was alone.", "to be resolved by 2026-12-01"),
    ):
        assert words_of_it in text


def test_the_letter_lists_how_employments_ended_and_what_was_told_of_that_since() -> None:
    now = record_pb2.Employment()
    now.CopyFrom(LEFT)
    now.separation_kind = record_pb2.SEPARATION_KIND_RESIGNED
    details = notice_pb2.OfficerDetails(
        names=[record_pb2.PersonName(family="Thornbury", given="Isolde", kind="legal")],
        date_of_birth="1988-03-14",
        employments=[now],
    )
    body = notice_pb2.NoticeBody(officer_key="NV-1", sequence=1, standing=notice_pb2.STANDING_STANDS, details=details)
    notice = ReceivedNotice(OWNER, "", 1, body.SerializeToString(), 1, "NV-1")
    text = _text(_letter(_result(notices=(notice,), employments=(LEFT,))))
    assert "resigned in lieu" in text
    assert "no longer: employment NV9900200 2010-01-11 to 2019-09-20, resigned in lieu; now: " in text


def test_there_is_no_letter_about_nothing() -> None:
    stayed = record_pb2.Employment(ori=OWNER, hired_on="2010-01-11")
    for result in (_result(), _result(employments=(stayed,))):
        assert result.duty is Duty.NONE
        with pytest.raises(CheckError, match="nothing to tell"):
            _letter(result)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("separation_kind", record_pb2.SEPARATION_KIND_TERMINATED_FOR_CAUSE),
        ("separation_kind", record_pb2.SEPARATION_KIND_RETIRED_IN_LIEU),
        ("under_investigation", True),
    ],
)
def test_how_he_left_an_agency_opens_the_duty_as_a_record_does(field: str, value: object) -> None:
    left = record_pb2.Employment(
        ori=OWNER, hired_on="2010-01-11", separated_on="2019-09-20", separation_kind=record_pb2.SEPARATION_KIND_RESIGNED
    )
    assert _result(employments=(left,)).duty is Duty.NONE
    setattr(left, field, value)
    assert _result(employments=(left,)).duty is Duty.OPEN


@pytest.mark.parametrize("days", [0, 4, 366])
def test_the_applicant_has_neither_too_few_days_nor_for_ever(days: int) -> None:
    with pytest.raises(CheckError, match="days to answer"):
        letters.answer_until(TODAY, days)


def test_the_duty_is_open_from_the_first_disclosed_record_until_the_letter_is_delivered() -> None:
    written = StoredLetter(CHECK.id, 1, "2026-12-08", "BG-07")
    done = StoredLetter(CHECK.id, 1, "2026-12-08", "BG-07", 2, "BG-07")
    assert _result().duty is Duty.NONE
    assert _result(RECORD).duty is Duty.OPEN
    assert duty_of(told_at_ms=1, letter=written) is Duty.WRITTEN
    assert duty_of(told_at_ms=1, letter=done) is Duty.DONE
    assert "check letter abcd -o" in words(Duty.OPEN, None, "abcd")[1]
    assert "--delivered" in words(Duty.WRITTEN, written, "abcd")[1]
    assert words(Duty.NONE, None, "abcd") == ("", "")


@pytest.mark.parametrize("done_at_ms", [0, 2_000])
def test_what_a_pending_member_discloses_after_the_letter_opens_the_duty_again(done_at_ms: int) -> None:
    first = _result(RECORD)
    written = StoredLetter(CHECK.id, 1_000, "2026-12-08", "BG-07", done_at_ms, "BG-07")
    body = check_pb2.AnswerBody(candidates=[first.candidates[0].candidate]).SerializeToString()
    early = StoredAnswer(CHECK.id, OWNER, body, b"", 500)
    late = StoredAnswer(CHECK.id, "OR9900400", body, b"", 3_000)
    nothing = StoredAnswer(CHECK.id, "AZ9900300", b"", b"", 3_000)
    assert result_of(CHECK, [early, nothing], (), written).duty is (Duty.DONE if done_at_ms else Duty.WRITTEN)
    again = result_of(CHECK, [early, late], (), written)
    assert again.duty is Duty.OPEN
    assert "More was disclosed since the letter" in words(again.duty, written, "abcd")[0]
