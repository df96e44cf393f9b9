"""Whether a check that found nobody is a clear, or what keeps it from being one.

It is a clear when every other member's index stood behind it, every member that matched has answered, and nobody
refused, kept something back or offered a referral.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waypost.node.results import Result


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
    if result.candidates:
        return str(len(result.candidates))
    if result.referrals:
        return "referral"
    return "none so far" if open_ends(result) else "none"


def _members(count: int, which: str = "") -> str:
    return f"{count} {which}member{'s' if count != 1 else ''}"


def _have(members: tuple[str, ...]) -> str:
    return "has" if len(members) == 1 else "have"
