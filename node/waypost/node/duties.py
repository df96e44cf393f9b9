"""The duty of who asks: before an adverse decision the applicant must be told what was found.

none          --something that tells against him is disclosed--> open
open          --the letter is written-----> written
written       --marked as delivered-------> done
written, done --more that tells against him arrives--> open
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from waypost.node.store import StoredLetter
from waypost.v1 import check_pb2, record_pb2

_ADVERSE: Final = frozenset(
    {
        record_pb2.SEPARATION_KIND_RESIGNED_IN_LIEU,
        record_pb2.SEPARATION_KIND_RETIRED_IN_LIEU,
        record_pb2.SEPARATION_KIND_TERMINATED_FOR_CAUSE,
        record_pb2.SEPARATION_KIND_TERMINATED_OTHER,
    }
)


class Duty(StrEnum):
    """The states drawn above."""

    NONE = "none"
    OPEN = "open"
    WRITTEN = "written"
    DONE = "done"


def tells_against(candidate: check_pb2.Candidate) -> bool:
    """Whether something was disclosed that an employer might hold against the applicant: a record, or how he left."""
    left = candidate.employments
    return bool(candidate.conduct) or any(each.under_investigation or each.separation_kind in _ADVERSE for each in left)


def duty_of(*, told_at_ms: int, letter: StoredLetter | None) -> Duty:
    """How the duty stands when the newest of what tells against him came at that moment (0: nothing did)."""
    if not told_at_ms:
        return Duty.NONE
    if letter is None or letter.written_at_ms < told_at_ms:
        return Duty.OPEN
    return Duty.DONE if letter.done_at_ms else Duty.WRITTEN


def words(duty: Duty, letter: StoredLetter | None, check: str) -> tuple[str, str]:
    """The duty for people, and the command that is next; empty where there is none."""
    if duty is Duty.OPEN:
        command = f"waypost-node check letter {check} -o letter.pdf --by YOU"
        if letter is not None:
            return "More was disclosed since the letter to the applicant; write it anew:", command
        return "Before an adverse decision the applicant must be told:", command
    if letter is None or duty is Duty.NONE:
        return "", ""
    if duty is Duty.WRITTEN:
        said = f"The letter to the applicant is written; he may answer until {letter.answer_until}. When he has it:"
        return said, f"waypost-node check letter {check} --delivered --by YOU"
    return f"The applicant has been told; he may answer until {letter.answer_until}.", ""
