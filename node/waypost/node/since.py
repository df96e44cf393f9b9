"""What owners have told since an answer, beside what the answer said. No I/O.

1. A notice is news to an answer that was made before the change, or less than MARGIN_MS after it, by the owner's clock
   in both. When an answer was made is not known of one that was redacted since: then the record's versions decide.
2. A notice that says nothing else than the answer, in the same version, is none.
3. In doubt it is shown: news told twice harms nobody, news withheld does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from waypost.crypto.envelope import parse_envelope
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_from_payload
from waypost.node.details import differences as officer_differences
from waypost.node.record_words import differences
from waypost.node.store import ReceivedNotice, StoredAnswer
from waypost.v1 import check_pb2, notice_pb2, record_pb2

MARGIN_MS: Final = 60_000
"""A change is dated before it is written, and an answer made in between does not know of it: seconds, at most."""

News: TypeAlias = Mapping[tuple[str, str], ReceivedNotice]
"""By owner, and record_key or officer_key."""


def news(answers: Sequence[StoredAnswer], notices: Sequence[ReceivedNotice]) -> tuple[News, News]:
    """The notices that are news to these answers, about records and about officers; `notices` are oldest first."""
    records: dict[tuple[str, str], ReceivedNotice] = {}
    officers: dict[tuple[str, str], ReceivedNotice] = {}
    by_owner: dict[str, list[ReceivedNotice]] = {}
    for notice in notices:
        by_owner.setdefault(notice.owner, []).append(notice)
    for answer in answers:
        body, made_at_ms = check_pb2.AnswerBody.FromString(answer.body), _made_at_ms(answer)
        told = {record.record_key: record for each in body.candidates for record in each.conduct}
        candidates = {each.officer_key: each for each in body.candidates}
        for notice in by_owner.get(answer.ori, ()):
            content = notice_pb2.NoticeBody.FromString(notice.body)
            if notice.record_key in told:
                records.pop((answer.ori, notice.record_key), None)
                if _of_record(content, told[notice.record_key], made_at_ms):
                    records[answer.ori, notice.record_key] = notice
            elif notice.officer_key in candidates:
                officers.pop((answer.ori, notice.officer_key), None)
                if _of_officer(content, candidates[notice.officer_key], made_at_ms):
                    officers[answer.ori, notice.officer_key] = notice
    return records, officers


def _of_record(body: notice_pb2.NoticeBody, told: record_pb2.ConductRecord, made_at_ms: int) -> bool:
    if body.standing == notice_pb2.STANDING_EXPUNGED:
        return True
    if body.version > told.version:
        return True
    if body.version == told.version and body.HasField("record") and not differences(told, body.record):
        return False  # rule 2
    if not made_at_ms and 0 < body.version < told.version:
        return False  # rule 1
    return _later(body, made_at_ms)


def _of_officer(body: notice_pb2.NoticeBody, told: check_pb2.Candidate, made_at_ms: int) -> bool:
    if body.HasField("details") and not list(officer_differences(told, body.details)):
        return False  # rule 2
    return _later(body, made_at_ms)


def _later(body: notice_pb2.NoticeBody, made_at_ms: int) -> bool:
    """Whether the change is not certainly older than the answer (rules 1 and 3)."""
    return body.changed_at_ms + MARGIN_MS > made_at_ms


def _made_at_ms(answer: StoredAnswer) -> int:
    """When the owner made the answer; 0, before everything, when its envelope is not kept."""
    try:
        return header_from_payload(parse_envelope(answer.envelope).payload).issued_at_ms if answer.envelope else 0
    except EnvelopeError:
        return 0
