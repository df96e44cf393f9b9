"""The letter to an applicant before an adverse decision: what was found, by whom, how to dispute it, how long he has.

1. There is a letter when a check has disclosed what an employer might hold against the applicant: a conduct record, or
   that he left an agency in such a way (duties.py). Before that there is nothing to tell.
2. It names each record as its owner disclosed it, and how it stands by what the owner has told since; one that no
   longer stands is named as such, for the applicant should know that it was seen. Employments are listed
   with how they ended.
3. It says whom to write to at the source, what to ask for, and until when this agency waits: at least ANSWER_DAYS_MIN.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from waypost.node.documents import Block, Document, Heading, Rows, Text
from waypost.node.duties import tells_against
from waypost.node.errors import CheckError
from waypost.node.limits import ANSWER_DAYS_MAX, ANSWER_DAYS_MIN
from waypost.node.record_words import ERASED, dispute_words, facts_of, kind_words
from waypost.node.results import (
    FoundCandidate,
    Result,
    employed_words,
    notice_facts,
    officer_notice_facts,
    separation_word,
)
from waypost.node.store import ReceivedNotice
from waypost.v1 import notice_pb2, record_pb2

_STANDING_WORDS: Final = {
    "stands": "stands",
    "withheld": "may not be shared now, so that we do not rely on it",
    "voided": "was voided",
    "sealed": "was sealed",
    "expunged": "was expunged",
}
_TO_HIM: Final = {"notice on": "you had notice on", "officer told on": "you were told that it will be shared on"}
_EMPLOYMENT_HEADINGS: Final = ("agency", "from", "to", "how it ended")


def answer_until(today: date, days: int) -> date:
    """The applicant's last day (rule 3); CheckError for fewer days than are fair."""
    if not ANSWER_DAYS_MIN <= days <= ANSWER_DAYS_MAX:
        raise CheckError(f"the applicant has {ANSWER_DAYS_MIN} to {ANSWER_DAYS_MAX} days to answer")
    return today + timedelta(days=days)


def letter(result: Result, *, agency: str, ori: str, members: Mapping[str, str], today: date, until: date) -> Document:
    """The letter; CheckError when nothing was disclosed that it could tell (rule 1)."""
    telling = [found for found in result.candidates if tells_against(found.candidate)]
    if not telling:
        raise CheckError("nothing was disclosed in this check that tells against the applicant: nothing to tell him")
    name = result.inquiry.person.names[0]
    blocks: list[Block] = [
        Text(f"{agency} ({ori})\n{today.isoformat()}\nReference: check {result.check.id.hex()}"),
        Text(f"Dear {name.given} {name.family},"),
        Text(
            f"You authorized us ({result.inquiry.authorization_reference}) to ask your earlier agencies about you. "
            "What follows was disclosed to us. We have not decided on your application. Before we do, you may tell us "
            f"what is wrong or missing, until {until.isoformat()}."
        ),
    ]
    for found in telling:
        blocks += _source(result, found, members)
    blocks += [
        Heading("If you think that something is wrong"),
        Text(
            "Write to the agency that keeps the record, named above, with the record's number. You may ask it what it "
            "holds about you and who was told, to add your own statement to the record, and to take up your dispute; "
            "whatever it changes is sent to us and to everybody else who received the record. Send us a copy of what "
            "you wrote, and we will take it into account."
        ),
        Text(
            "If you think that the record is about another person, tell us as well: we compared names, date of birth "
            "and numbers, and people can share these."
        ),
        Text(f"Yours sincerely,\n\n\n{agency}"),
    ]
    return Document("What we were told about you", f"{agency}, {today.isoformat()}", tuple(blocks))


def _source(result: Result, found: FoundCandidate, members: Mapping[str, str]) -> list[Block]:
    blocks: list[Block] = [Heading(f"Disclosed by {_named(found.ori, members)}")]
    for record in found.candidate.conduct:
        blocks += [Heading(f"{_heading(record)}", 2), _facts(record)]
        notice = result.updates.get((found.ori, record.record_key))
        if notice is not None:
            blocks += _since(record, notice)
    blocks += _employments(result, found, members)
    return blocks


def _since(record: record_pb2.ConductRecord, notice: ReceivedNotice) -> list[Block]:
    """How the record stands now."""
    now, body = notice_facts(notice), notice_pb2.NoticeBody.FromString(notice.body)
    why = f": {now['reason']}" if now["reason"] else ""
    stands = _STANDING_WORDS.get(now["standing"], now["standing"])
    blocks: list[Block] = [Text(f"On {now['changed_at']} the agency has told us that this record {stands}{why}.")]
    told_again = body.HasField("record") and record.status != ERASED
    if told_again and (facts := _facts(body.record)) != _facts(record):
        blocks += [Text("It says now:"), facts]
    return blocks


def _employments(result: Result, found: FoundCandidate, members: Mapping[str, str]) -> list[Block]:
    entries = found.candidate.employments
    rows = tuple((_named(entry.ori, members), *employed_words(entry), separation_word(entry)) for entry in entries)
    blocks: list[Block] = []
    if rows:
        blocks += [Heading("Your employment, as this agency holds it", 2), Rows(_EMPLOYMENT_HEADINGS, rows)]
    notice = result.officer_updates.get((found.ori, found.candidate.officer_key))
    if notice is not None:
        now = officer_notice_facts(notice, found.candidate)
        words = "; ".join(now["differences"]) or now["reason"] or "nothing else"
        blocks.append(Text(f"On {now['changed_at']} the agency has told us of a change: {words}."))
    return blocks


def _named(ori: str, members: Mapping[str, str]) -> str:
    return f"{members[ori]} ({ori})" if ori in members else ori


def _heading(record: record_pb2.ConductRecord) -> str:
    if record.status == ERASED:
        return f"Record {record.record_key}"
    return f"{kind_words(record).capitalize()}: record {record.record_key}"


def _facts(record: record_pb2.ConductRecord) -> Rows:
    if record.status == ERASED:
        return Rows((), (("what it says", "its content was erased since"),))
    rows = (
        *facts_of(record).items(),
        ("your dispute", dispute_words(record)),
        ("your statement", record.statement.text),
    )
    return Rows((), tuple((_TO_HIM.get(fact, fact), words) for fact, words in rows if words))
