"""The checks that this node asks, and their answers. What tells who the applicant is, is encrypted (cipher.py)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from waypost.node.errors import StoreError
from waypost.node.limits import CHECK_JSON_BYTES_MAX
from waypost.node.store.cipher import ANSWER, CHECK, ColumnCipher
from waypost.node.store.database import NodeDatabase, Row


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A check. States and transitions are those of docs/protocol.md, "A check"; `id` is the request's message id."""

    id: bytes
    state: str
    request_json: str
    """What was asked for, as JSON; encrypted in the file."""
    created_at_ms: int
    updated_at_ms: int
    secret: bytes | None = None
    """The one-time sealing key and the openings; encrypted in the file."""
    envelope: bytes | None = None
    """The signed CheckRequest."""
    receipt: bytes | None = None
    """The newest Receipt's envelope."""
    receipt_sequence: int = 0
    reason: str = ""
    """Why it failed, in words."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One member's answer: the opened AnswerBody (encrypted in the file) and the signed envelope it came in."""

    check_id: bytes
    ori: str
    body: bytes
    envelope: bytes
    at_ms: int


class CheckRepository:
    """Checks and their answers."""

    def __init__(self, database: NodeDatabase, cipher: ColumnCipher) -> None:
        self._db = database
        self._cipher = cipher

    def add(self, check: StoredCheck) -> None:
        """Keep a new check."""
        self._db.run(
            f"INSERT INTO checks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (check.id, *self._values(check)),
        )

    def update(self, check: StoredCheck, *, expected_state: str | None = None) -> bool:
        """Put this in the place of the check of that id; False, and no change, when it is not in the expected state."""
        sql = (
            "UPDATE checks SET state = ?, request_box = ?, created_at_ms = ?, updated_at_ms = ?, secret_box = ?, "
            "envelope = ?, receipt = ?, receipt_sequence = ?, reason = ? WHERE id = ?"
        )
        values: tuple[object, ...] = (*self._values(check), check.id)
        if expected_state is None:
            return self._db.run(sql, values) == 1
        return self._db.run(sql + " AND state = ?", (*values, expected_state)) == 1

    def get(self, check_id: bytes) -> StoredCheck | None:
        """The check of that id."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM checks WHERE id = ?", (check_id,))
        return self._check(row) if row else None

    def in_states(self, states: Collection[str], limit: int = -1) -> list[StoredCheck]:
        """Checks in any of these states, oldest first."""
        marks = ", ".join("?" * len(states))
        sql = f"SELECT {_COLUMNS} FROM checks WHERE state IN ({marks}) ORDER BY created_at_ms, id LIMIT ?"
        return [self._check(row) for row in self._db.rows(sql, (*states, limit))]

    def submitted_at_ms(self) -> list[int]:
        """When each check was asked that the hub took."""
        sql = "SELECT created_at_ms FROM checks WHERE receipt IS NOT NULL ORDER BY created_at_ms"
        return [int(row[0]) for row in self._db.rows(sql)]

    def newest(self, limit: int) -> list[StoredCheck]:
        """The newest checks, newest first."""
        sql = f"SELECT {_COLUMNS} FROM checks ORDER BY created_at_ms DESC, id LIMIT ?"
        return [self._check(row) for row in self._db.rows(sql, (limit,))]

    def add_answer(self, answer: StoredAnswer) -> bool:
        """Keep an answer; False, and no change, when this member's answer to the check is there already."""
        body_box = self._cipher.seal(ANSWER, answer.body)
        added = self._db.run(
            "INSERT OR IGNORE INTO check_answers (check_id, ori, body_box, envelope, at_ms) VALUES (?, ?, ?, ?, ?)",
            (answer.check_id, answer.ori, body_box, answer.envelope, answer.at_ms),
        )
        return added == 1

    def answers(self, check_id: bytes) -> list[StoredAnswer]:
        """All answers to a check, in the order of arrival."""
        sql = (
            "SELECT check_id, ori, body_box, envelope, at_ms FROM check_answers WHERE check_id = ? ORDER BY at_ms, ori"
        )
        return [
            StoredAnswer(check, ori, self._cipher.open(ANSWER, body_box), envelope, at_ms)
            for check, ori, body_box, envelope, at_ms in self._db.rows(sql, (check_id,))
        ]

    def all_answers(self) -> list[StoredAnswer]:
        """Every answer to any check."""
        sql = "SELECT check_id, ori, body_box, envelope, at_ms FROM check_answers ORDER BY check_id, ori"
        return [
            StoredAnswer(check, ori, self._cipher.open(ANSWER, body_box), envelope, at_ms)
            for check, ori, body_box, envelope, at_ms in self._db.rows(sql)
        ]

    def answers_of(self, ori: str) -> list[StoredAnswer]:
        """All answers of one member, whatever the check."""
        sql = "SELECT check_id, ori, body_box, envelope, at_ms FROM check_answers WHERE ori = ? ORDER BY at_ms"
        return [
            StoredAnswer(check, member, self._cipher.open(ANSWER, body_box), envelope, at_ms)
            for check, member, body_box, envelope, at_ms in self._db.rows(sql, (ori,))
        ]

    def redact_answer(self, check_id: bytes, ori: str, body: bytes, *, arrived_at_ms: int | None = None) -> None:
        """Put this in the place of an answer's body; the sealed original is erased with it.

        `arrived_at_ms`: when it holds more than before, since when.
        """
        self._db.run(
            "UPDATE check_answers SET body_box = ?, envelope = x'', at_ms = coalesce(?, at_ms) "
            "WHERE check_id = ? AND ori = ?",
            (self._cipher.seal(ANSWER, body), arrived_at_ms, check_id, ori),
        )

    def _values(self, check: StoredCheck) -> tuple[object, ...]:
        request = check.request_json.encode()
        if len(request) > CHECK_JSON_BYTES_MAX:
            raise StoreError("the check's request is larger than any applicant's details are")
        return (
            *(check.state, self._cipher.seal(CHECK, request), check.created_at_ms, check.updated_at_ms),
            None if check.secret is None else self._cipher.seal(CHECK, check.secret),
            *(check.envelope, check.receipt, check.receipt_sequence, check.reason),
        )

    def _check(self, row: Row) -> StoredCheck:
        check_id, state, request_box, created_at_ms, updated_at_ms, secret_box, *rest = row
        return StoredCheck(
            check_id,
            state,
            self._cipher.open(CHECK, request_box).decode(),
            created_at_ms,
            updated_at_ms,
            None if secret_box is None else self._cipher.open(CHECK, secret_box),
            *rest,
        )


_COLUMNS = (
    "id, state, request_box, created_at_ms, updated_at_ms, secret_box, envelope, receipt, receipt_sequence, reason"
)
