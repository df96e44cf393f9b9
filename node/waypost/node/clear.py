"""Whether a check that found nobody is a clear, or what keeps it from being one.

It is a clear when every other member's index stood behind it, every member that matched has answered, and nobody
refused, kept something back or offered a referral.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from waypost.node import asking

if TYPE_CHECKING:
    from waypost.node.results import Result


class CheckVerdict(StrEnum):
    """What a check has come to, in one word: the first of these that holds. Later answers may change it."""

    NOT_ASKED = "not-asked"
    """A row of a file that was rejected: there is no check, and nobody was asked."""
    REFUSED = "refused"
    """The hub refused the check: nobody was asked."""
    FOUND = "found"
    """At least one officer was disclosed: compare the fields. Others may still be pending."""
    REFERRAL = "referral"
    """Nobody was disclosed, and at least one member may know the person."""
    NOT_A_CLEAR = "not-a-clear"
    """Nobody was found so far, and something is open: coverage, an answer, a refusal, what was kept back."""
    CLEAR = "clear"
    """Nobody was found, and nothing is open."""


def verdict_of(result: Result) -> CheckVerdict:
    """What a check has come to by now."""
    if result.check.state == asking.FAILED:
        return CheckVerdict.REFUSED
    if result.candidates:
        return CheckVerdict.FOUND
    if result.referrals:
        return CheckVerdict.REFERRAL
    return CheckVerdict.NOT_A_CLEAR if open_ends(result) else CheckVerdict.CLEAR


def open_ends(result: Result) -> tuple[str, ...]:
    """What keeps a check that found nobody from being a clear, in words; empty when it is one."""
    coverage = result.coverage
    if coverage is None:
        return ("the hub has not taken the check yet",)
    ends = []
    if not coverage.members:
        ends.append("there is no other member to ask")
    elif coverage.current < coverage.members:
        missing = coverage.members - coverage.current
        ends.append(f"the records of {missing} of {_members(coverage.members, 'other ')} may be missing")
    if result.pending:
        ends.append(f"{_members(len(result.pending))} {_have(result.pending)} not answered yet")
    if result.referrals:
        ends.append(f"{_members(len(result.referrals))} may know the person")
    if result.declined:
        ends.append(f"{_members(len({ori for ori, _ in result.declined}))} kept something back")
    if result.refused:
        ends.append(f"{_members(len({ori for ori, _ in result.refused}))} refused the check")
    return tuple(ends)


def found_word(result: Result) -> str:
    """What a check has come to, in a cell of a table: "none" is said of a clear alone."""
    match verdict_of(result):
        case CheckVerdict.FOUND:
            return str(len(result.candidates))
        case CheckVerdict.REFERRAL:
            return "referral"
        case CheckVerdict.CLEAR:
            return "none"
        case CheckVerdict.REFUSED | CheckVerdict.NOT_ASKED as word:
            return word.value
        case CheckVerdict.NOT_A_CLEAR:
            return "none so far"


def _members(count: int, which: str = "") -> str:
    return f"{count} {which}member{'s' if count != 1 else ''}"


def _have(members: tuple[str, ...]) -> str:
    return "has" if len(members) == 1 else "have"
