"""One person under several keys: which officer stands for which, and the book of what was decided about pairs.

1. What each key's source says stays in its own row, and employments and records stay where they were: merging sets a
   link, splitting removes it. So neither loses anything, and a later import under either key finds its row.
2. Links are one step long: the officer who stands for others is linked to nobody.
3. A pair is decided by the newest decision about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from waypost.node.store.database import NodeDatabase


class Decision(StrEnum):
    """What a person decided about two officers."""

    MERGED = "merged"
    SPLIT = "split"
    DISTINCT = "distinct"
    """Two persons: not to be proposed again. A split says so, too."""


@dataclass(frozen=True, slots=True)
class DecidedPair:
    """An entry of the book: `officer_key` stands for `other_key`, or does no longer, or never did."""

    at_ms: int
    decision: Decision
    officer_key: str
    other_key: str
    reason: str


class Links:
    """Who stands for whom at one moment."""

    def __init__(self, links: Iterable[tuple[int, int]]) -> None:
        self._heads = dict(links)
        self._members: dict[int, list[int]] = defaultdict(list)
        for member, head in self._heads.items():
            self._members[head].append(member)

    def head(self, officer_id: int) -> int:
        """The officer that stands for this one; maybe himself."""
        return self._heads.get(officer_id, officer_id)

    def group(self, officer_id: int) -> tuple[int, ...]:
        """All that are one person with this officer, the one who stands for them first."""
        head = self.head(officer_id)
        return (head, *sorted(self._members.get(head, ())))

    def groups(self, officer_ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """The groups of these officers, by the one who stands for them, in ascending order."""
        return {head: self.group(head) for head in sorted({self.head(officer_id) for officer_id in officer_ids})}


class MergeRepository:
    """Links and decisions."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def links(self) -> Links:
        """All links."""
        return Links(self._db.rows("SELECT id, merged_into FROM officers WHERE merged_into IS NOT NULL"))

    def group(self, officer_id: int) -> tuple[int, ...]:
        """All that are one person with this officer, ascending; without reading the links of others."""
        sql = (
            "SELECT member.id FROM officers AS officer JOIN officers AS member "
            "ON member.id = coalesce(officer.merged_into, officer.id) "
            "OR member.merged_into = coalesce(officer.merged_into, officer.id) WHERE officer.id = ? ORDER BY member.id"
        )
        return tuple(int(row[0]) for row in self._db.rows(sql, (officer_id,)))

    def ever(self, officer_id: int) -> tuple[int, ...]:
        """All that are or once were one person with this officer, ascending: what was told of one names him, too."""
        sql = (
            "WITH RECURSIVE person (id) AS (VALUES (?) UNION "
            "SELECT CASE person.id WHEN officer_id THEN other_id ELSE officer_id END FROM person "
            "JOIN officer_decisions ON person.id IN (officer_id, other_id) WHERE decision = ?) SELECT id FROM person"
        )
        once = {int(row[0]) for row in self._db.rows(sql, (officer_id, Decision.MERGED))}
        return tuple(sorted(once | set(self.group(officer_id))))

    def link(self, officer_ids: Sequence[int], head: int) -> None:
        """Let one officer stand for these. His index entries are due."""
        with self._db.writing():
            self._db.run_many(
                "UPDATE officers SET merged_into = ? WHERE id = ?", ((head, each) for each in officer_ids)
            )
            self._due(head)

    def unlink(self, officer_id: int, head: int) -> None:
        """Let an officer stand for himself again. The index entries of both are due."""
        with self._db.writing():
            self._db.run("UPDATE officers SET merged_into = NULL WHERE id = ?", (officer_id,))
            self._due(officer_id)
            self._due(head)

    def _due(self, officer_id: int) -> None:
        self._db.run("UPDATE officers SET person_version = person_version + 1 WHERE id = ?", (officer_id,))

    def decide(self, decision: Decision, officer_id: int, other_id: int, reason: str, at_ms: int) -> None:
        """Enter a decision."""
        self._db.run(
            "INSERT INTO officer_decisions (at_ms, decision, officer_id, other_id, reason) VALUES (?, ?, ?, ?, ?)",
            (at_ms, decision, officer_id, other_id, reason),
        )

    def told_apart(self) -> frozenset[tuple[int, int]]:
        """Pairs (lower id first) that are two persons by the newest decision about them (rule 3)."""
        newest: dict[tuple[int, int], str] = {}
        for decision, one, other in self._db.rows(
            "SELECT decision, officer_id, other_id FROM officer_decisions ORDER BY id"
        ):
            newest[min(one, other), max(one, other)] = decision
        return frozenset(pair for pair, decision in newest.items() if decision != Decision.MERGED)

    def decisions(self, officer_ids: Sequence[int]) -> list[DecidedPair]:
        """All decisions about any of these officers, oldest first."""
        chosen = set(officer_ids)
        rows = self._db.rows(
            "SELECT at_ms, decision, one.officer_key, other.officer_key, reason, one.id, other.id "
            "FROM officer_decisions JOIN officers AS one ON one.id = officer_id "
            "JOIN officers AS other ON other.id = other_id ORDER BY officer_decisions.id"
        )
        return [
            DecidedPair(at_ms, Decision(decision), key, other_key, reason)
            for at_ms, decision, key, other_key, reason, *pair in rows
            if chosen & set(pair)
        ]
