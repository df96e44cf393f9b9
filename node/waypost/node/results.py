"""What a check has come to: candidates scored against the applicant, who is pending, and how much stood behind it.

*No record found* is never a result by itself: it comes with the coverage, and only when nothing is open (clear.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from waypost.node import wire
from waypost.node.applicants import Inquiry, inquiry_from_json
from waypost.node.asking import receipt_of
from waypost.node.clear import verdict_of
from waypost.node.details import differences
from waypost.node.duties import Duty, duty_of, tells_against
from waypost.node.errors import RecordError
from waypost.node.matching import Comparison, Confidence, score
from waypost.node.record_words import ERASED, dispute_words, kind_words
from waypost.node.record_words import differences as record_differences
from waypost.node.since import News, news
from waypost.node.store import ReceivedNotice, ReferralAsked, StoredAnswer, StoredCheck, StoredLetter
from waypost.node.store.referrals import REFUSED, RELEASED
from waypost.v1 import check_pb2, notice_pb2, record_pb2

_ORDER = {Confidence.CONFIRMED: 0, Confidence.PROBABLE: 1, Confidence.POSSIBLE: 2}
_DECIDED = {RELEASED: 0, REFUSED: 1}


@dataclass(frozen=True, slots=True)
class FoundCandidate:
    """A disclosed officer of a member, compared field by field."""

    ori: str
    candidate: check_pb2.Candidate
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Result:
    """A check as the investigator sees it. `referrals` and `declined` name members; `refused` with the reason."""

    check: StoredCheck
    inquiry: Inquiry
    candidates: tuple[FoundCandidate, ...]
    referrals: tuple[str, ...]
    declined: tuple[tuple[str, str], ...]
    pending: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    coverage: check_pb2.Coverage | None
    updates: News = field(default_factory=dict)
    """What owners have told since about records disclosed here: by owner and record_key."""
    officer_updates: News = field(default_factory=dict)
    """What owners have told since about officers themselves: by owner and officer_key."""
    letter: StoredLetter | None = None
    """The letter to the applicant, once there is one."""
    told_at_ms: int = 0
    """When the newest of what tells against the applicant arrived; 0 when nothing does."""
    referrals_asked: Mapping[str, ReferralAsked] = field(default_factory=dict)
    """What became of the referral that this node asked for in this check, by member: of several an undecided one."""

    @property
    def duty(self) -> Duty:
        """Whether the applicant must still be told (duties.py)."""
        return duty_of(told_at_ms=self.told_at_ms, letter=self.letter)

    @property
    def complete(self) -> bool:
        """Whether every matched member's part is known."""
        return self.coverage is not None and not self.pending


def result_of(
    check: StoredCheck,
    answers: Sequence[StoredAnswer],
    notices: Sequence[ReceivedNotice] = (),
    letter: StoredLetter | None = None,
    asked: Sequence[ReferralAsked] = (),
) -> Result:
    """Score a check's answers as they are now, beside what owners have told since (`notices`, oldest first)."""
    inquiry = inquiry_from_json(check.request_json)
    found, referrals, declined, refused = [], [], [], []
    for answer in answers:
        body = check_pb2.AnswerBody.FromString(answer.body)
        for candidate in body.candidates:
            if candidate.verdict == check_pb2.VERDICT_DISCLOSED:
                try:
                    person = wire.person_of(candidate)
                except RecordError as error:
                    refused.append((answer.ori, f"its answer describes no person: {error.column} {error}"))
                    continue
                comparison = score(inquiry.person, person, ssn_agrees=candidate.ssn_agrees)
                found.append(FoundCandidate(answer.ori, candidate, comparison))
            elif candidate.verdict == check_pb2.VERDICT_REFERRAL:
                referrals.append(answer.ori)
            declined += [(answer.ori, policy) for entry in candidate.declined for policy in entry.policy_ids]
    found.sort(key=lambda each: (_ORDER[each.comparison.confidence], -each.comparison.bits, each.ori))
    receipt = receipt_of(check)
    responses = receipt.responses if receipt is not None else ()
    arrived = {answer.ori for answer in answers}
    pending = [
        response.ori
        for response in responses
        if response.state in {check_pb2.RESPONSE_STATE_PENDING, check_pb2.RESPONSE_STATE_EXPIRED}
        or (response.state == check_pb2.RESPONSE_STATE_ANSWERED and response.ori not in arrived)
    ]
    refused += [
        (response.ori, response.reason) for response in responses if response.state == check_pb2.RESPONSE_STATE_REFUSED
    ]
    return Result(
        check,
        inquiry,
        tuple(found),
        tuple(dict.fromkeys(referrals)),
        tuple(dict.fromkeys(declined)),
        tuple(pending),
        tuple(refused),
        receipt.coverage if receipt is not None else None,
        *news(answers, notices),
        letter,
        _told_at_ms(answers, found),
        {each.ori: each for each in sorted(asked, key=lambda each: _DECIDED.get(each.state, len(_DECIDED)))},
    )


def _told_at_ms(answers: Sequence[StoredAnswer], found: Sequence[FoundCandidate]) -> int:
    telling = {each.ori for each in found if tells_against(each.candidate)}
    return max((answer.at_ms for answer in answers if answer.ori in telling), default=0)


def facts(result: Result) -> dict[str, Any]:
    """A result for machines."""
    coverage = result.coverage
    return {
        "check": result.check.id.hex(),
        "verdict": verdict_of(result).value,
        "state": result.check.state,
        "reason": result.check.reason,
        "applicant": result.inquiry.row or 1,
        "candidates": [_candidate_facts(found, result) for found in result.candidates],
        "referrals": list(result.referrals),
        "referrals_asked": [
            {"ori": ori, "state": each.state, "reason": each.reason} for ori, each in result.referrals_asked.items()
        ],
        "declined": [{"ori": ori, "policy": policy} for ori, policy in result.declined],
        "pending": list(result.pending),
        "duty": result.duty.value,
        "refused": [{"ori": ori, "reason": reason} for ori, reason in result.refused],
        "coverage": None
        if coverage is None
        else {
            "members": coverage.members,
            "current": coverage.current,
            "stale": list(coverage.stale_oris),
        },
    }


def _candidate_facts(found: FoundCandidate, result: Result) -> dict[str, Any]:
    candidate, updates = found.candidate, result.updates
    since = result.officer_updates.get((found.ori, candidate.officer_key))
    return {
        "ori": found.ori,
        "officer_key": candidate.officer_key,
        "confidence": found.comparison.confidence.value,
        "score": found.comparison.bits,
        "fields": {field.field: field.agreement.value for field in found.comparison.fields},
        "employments": [_employment_facts(entry) for entry in candidate.employments],
        "now": None if since is None else officer_notice_facts(since, candidate),
        "records": [
            {
                "record_key": entry.record_key,
                "version": entry.version,
                "kind": kind_words(entry),
                "decided_on": entry.fair_process.decided_on,
                "summary": entry.summary,
                "status": entry.status,
                "statement": entry.statement.text,
                "dispute": dispute_words(entry),
                "terms": {
                    "permitted_purpose": entry.terms.permitted_purpose,
                    "onward_sharing": entry.terms.onward_sharing,
                    "keep_until": entry.terms.keep_until,
                },
                "now": since_facts(updates[found.ori, entry.record_key], entry)
                if (found.ori, entry.record_key) in updates
                else None,
            }
            for entry in candidate.conduct
        ],
    }


def _employment_facts(entry: record_pb2.Employment) -> dict[str, Any]:
    return {
        "ori": entry.ori,
        "rank": entry.rank,
        "hired_on": entry.hired_on,
        "separated_on": entry.separated_on,
        "separation": separation_word(entry),
    }


def officer_notice_facts(notice: ReceivedNotice, told: check_pb2.Candidate) -> dict[str, Any]:
    """What an owner told about an officer himself whom it had disclosed."""
    body = notice_pb2.NoticeBody.FromString(notice.body)
    stands = body.HasField("details")
    return {
        "standing": standing_word(body),
        "reason": body.reason,
        "changed_at": _day(body.changed_at_ms),
        "employments": [_employment_facts(entry) for entry in body.details.employments],
        "differences": list(differences(told, body.details)) if stands else [],
    }


def notice_facts(notice: ReceivedNotice) -> dict[str, Any]:
    """What an owner told about a record that it had disclosed."""
    body = notice_pb2.NoticeBody.FromString(notice.body)
    return {
        "owner": notice.owner,
        "record_key": notice.record_key,
        "officer_key": notice.officer_key,
        "standing": standing_word(body),
        "changes": [wire.word(notice_pb2.NoticeChange, each) for each in body.changes],
        "version": body.version,
        "told_version": body.told_version,
        "reason": body.reason,
        "changed_at": _day(body.changed_at_ms),
        "summary": body.record.summary,
        "statement": body.record.statement.text,
        "dispute": dispute_words(body.record),
    }


def since_facts(notice: ReceivedNotice, told: record_pb2.ConductRecord) -> dict[str, Any]:
    """The same, with what the record says now and did not say when it was told; no content of one erased here."""
    if told.status == ERASED:
        return {**notice_facts(notice), "summary": "", "statement": "", "dispute": "", "differences": []}
    now = notice_pb2.NoticeBody.FromString(notice.body).record
    stands = now.record_key == told.record_key
    found = record_differences(told, now) if stands else []
    differing = [{"fact": each.fact, "told": each.told, "now": each.now} for each in found]
    return {**notice_facts(notice), "differences": differing}


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def standing_word(body: notice_pb2.NoticeBody) -> str:
    """How a record stands now, in one word."""
    return wire.word(notice_pb2.Standing, body.standing)


def employed_words(employment: record_pb2.Employment) -> tuple[str, str]:
    """From and until when somebody was employed: days, `present`, or `unknown`."""
    until = employment.separated_on or ("unknown" if employment.separation_kind else "present")
    return employment.hired_on or "unknown", until


def separation_word(employment: record_pb2.Employment) -> str:
    """How an employment ended, in words; empty while it lasts."""
    word = wire.word(record_pb2.SeparationKind, employment.separation_kind)
    if word == "unspecified":
        return ""
    return f"{word}, under investigation" if employment.under_investigation else word
