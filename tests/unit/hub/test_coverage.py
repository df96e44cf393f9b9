"""The coverage that every receipt states: right at every moment, and computed anew only when it may have changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from tests.parties.hub_world import ASKER, EPOCH, HOLDER, NOW_MS, OTHER, POST, HubWorld

from waypost.hub import index, members
from waypost.hub.coverage import Coverages
from waypost.protocol import limits
from waypost.protocol.roster import Roster


class Watched:
    """Coverages over a world, and how often the states of all members were read."""

    def __init__(self, world: HubWorld) -> None:
        self.world, self.roster, self.read = world, world.roster(), 0
        self._coverages = Coverages()
        event.listen(world.engine, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_more: object) -> None:
        self.read += "OUTER JOIN index_states" in statement

    def stale(self, asker: str = ASKER, *, later_ms: int = 0, roster: Roster | None = None) -> tuple[int, set[str]]:
        """How many members stand behind a check of that asker, and which of them do not count."""
        told = self.world.do(lambda c: self._coverages.of(c, roster or self.roster, asker, NOW_MS + later_ms))
        assert told.current == told.members - len(told.stale_oris)
        return told.members, set(told.stale_oris)

    def agree(self, ori: str, *, later_ms: int = 0) -> None:
        self.world.do(lambda c: index.set_agreed(c, _id(c, ori), EPOCH, NOW_MS + later_ms))

    def differ(self, ori: str) -> None:
        self.world.do(lambda c: index.clear_agreed(c, _id(c, ori)))


def _id(connection: Connection, ori: str) -> int:
    return members.member_id(connection, ori)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    world = HubWorld(tmp_path)
    yield Watched(world)
    world.close()


def test_rule_1_other_agencies_and_boards_stand_behind_a_check_and_the_stale_ones_are_named(watched: Watched) -> None:
    assert watched.stale() == (3, {HOLDER, OTHER, POST})
    watched.agree(HOLDER)
    watched.agree(ASKER)
    assert watched.stale() == (3, {OTHER, POST})
    assert watched.stale(HOLDER) == (3, {OTHER, POST})
    assert watched.stale(OTHER) == (3, {POST})


def test_rule_2_a_member_that_comes_to_agree_or_no_longer_does_shows_at_once(watched: Watched) -> None:
    for ori in (HOLDER, OTHER, POST):
        watched.agree(ori)
    assert watched.stale() == (3, set())
    watched.differ(OTHER)
    assert watched.stale() == (3, {OTHER})
    watched.agree(OTHER)
    assert watched.stale() == (3, set())


def test_rule_2_a_change_that_was_taken_back_changes_nothing_and_hides_no_later_one(watched: Watched) -> None:
    def lost(connection: Connection) -> None:
        index.set_agreed(connection, _id(connection, HOLDER), EPOCH, NOW_MS)
        watched._coverages.of(connection, watched.roster, ASKER, NOW_MS)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        watched.world.do(lost)
    assert watched.stale() == (3, {HOLDER, OTHER, POST})
    watched.agree(OTHER)
    assert watched.stale() == (3, {HOLDER, POST})


def test_rule_2_a_member_whose_time_is_over_is_stale_without_anybody_saying_so(watched: Watched) -> None:
    watched.agree(HOLDER)
    watched.agree(OTHER, later_ms=1000)
    assert watched.stale() == (3, {POST})
    assert watched.stale(later_ms=limits.INDEX_CURRENT_MS - 1) == (3, {POST})
    assert watched.stale(later_ms=limits.INDEX_CURRENT_MS) == (3, {HOLDER, POST})
    assert watched.stale(later_ms=limits.INDEX_CURRENT_MS + 1000) == (3, {HOLDER, OTHER, POST})


def test_rule_2_a_suspended_member_is_stale_from_the_roster_that_says_so(watched: Watched) -> None:
    watched.agree(HOLDER)
    assert watched.stale() == (3, {OTHER, POST})
    watched.world.suspended.add(HOLDER)
    assert watched.stale(roster=watched.world.roster()) == (3, {HOLDER, OTHER, POST})


def test_nothing_is_computed_while_nothing_has_changed_not_even_when_members_agree_again(watched: Watched) -> None:
    watched.agree(HOLDER)
    for asker in (ASKER, HOLDER, OTHER):
        watched.stale(asker)
    watched.agree(HOLDER, later_ms=limits.DAY_MS)
    watched.differ(POST)  # which never agreed
    watched.stale(later_ms=limits.DAY_MS)
    assert watched.read == 1
