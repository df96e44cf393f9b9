"""A round at the hub: its states, and the transactions that change them.

    asked --made, signed by us--> proposed --trustee signed--> open --time is over, or nobody is left--> closing
    closing --trustee gave its half--> closed --result signed by us--> signing --trustee signed--> done
    closing --trustee does not agree to some--> open (without these)
    proposed --the roster has changed meanwhile--> asked
    asked, proposed, open, closing --refused, or too few--> failed

1. Whatever leaves the hub is a row first; a hub that dies does the same step again with the same bytes. Every step
   changes the row only from the state it was taken in.
2. A half of a total is stored, and leaves, with the noise in. A hub that dies while it adds up adds up anew.
3. When a round is done or failed, the shares are deleted and its sealing key is destroyed: no share is used twice.
4. Losses are booked when a round is asked, anew when it is proposed (the roster may have changed), and taken back only
   if it fails before it was closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from waypost.crypto.envelope import parse_envelope
from waypost.hub import mailbox, round_schema, schema, transparency
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.mailbox import MailKind
from waypost.hub.round_results import DONE
from waypost.protocol.round_declines import NOT_AGREED
from waypost.protocol.rounds import Round, parse_round
from waypost.v1 import envelope_pb2, log_pb2

_ROUNDS: Final = round_schema.rounds
_MEMBERS: Final = round_schema.round_members
_LOSSES: Final = round_schema.round_losses


class RoundState(StrEnum):
    """The states of the drawing above."""

    ASKED = "asked"
    PROPOSED = "proposed"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    SIGNING = "signing"
    DONE = DONE
    FAILED = "failed"


OVER: Final = frozenset({RoundState.DONE, RoundState.FAILED})
_REFUNDED: Final = frozenset({RoundState.ASKED, RoundState.PROPOSED, RoundState.OPEN})


class Part(StrEnum):
    """What a member of the cohort did. OUT: the two parties did not agree on its share."""

    ASKED = "asked"
    ANSWERED = "answered"
    DECLINED = "declined"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class HeldRound:
    """A round as it stands; envelopes and halves are None before they exist."""

    round_id: bytes
    measure: str
    period: str
    states: tuple[str, ...]
    rho_millionths: int
    open_ms: int
    asked_at_ms: int
    changed_at_ms: int
    state: RoundState = RoundState.ASKED
    reason: str = ""
    envelope: bytes | None = None
    closes_at_ms: int | None = None
    close: bytes | None = None
    hub_half: bytes | None = None
    trustee_half: bytes | None = None
    result: bytes | None = None

    @property
    def message(self) -> envelope_pb2.Envelope:
        """The signed round; only once it is proposed."""
        return parse_envelope(self.envelope or b"")

    @property
    def asked(self) -> Round:
        """What the signed round says; only once it is proposed."""
        return parse_round(self.message.payload)

    @property
    def question(self) -> str:
        """Measure, period and states in words, for people and audit entries."""
        return " ".join((self.measure, self.period, *self.states))


@dataclass(frozen=True, slots=True)
class MemberPart:
    """A member of the cohort and its part."""

    ori: str
    part: Part
    reason: str


def get(connection: Connection, round_id: bytes) -> HeldRound | None:
    """The round of that id."""
    row = connection.execute(select(_ROUNDS).where(_ROUNDS.c.round_id == round_id)).first()
    return None if row is None else _held(row)


def unfinished(connection: Connection) -> list[HeldRound]:
    """Rounds that have a step to do, oldest first."""
    over = [state.value for state in OVER]
    query = select(_ROUNDS).where(_ROUNDS.c.state.not_in(over)).order_by(_ROUNDS.c.asked_at_ms, _ROUNDS.c.round_id)
    return [_held(row) for row in connection.execute(query)]


def newest(connection: Connection, count: int) -> list[HeldRound]:
    """The newest rounds, newest first."""
    query = select(_ROUNDS).order_by(_ROUNDS.c.asked_at_ms.desc(), _ROUNDS.c.round_id).limit(count)
    return [_held(row) for row in connection.execute(query)]


def find(connection: Connection, prefix: str) -> list[HeldRound]:
    """Rounds whose id, in hexadecimal, begins with this."""
    ids = connection.scalars(select(_ROUNDS.c.round_id)).all()
    found = [get(connection, round_id) for round_id in ids if round_id.hex().startswith(prefix.lower())]
    return [held for held in found if held is not None]


def add(connection: Connection, held: HeldRound, states: Iterable[str], *, year: int) -> None:
    """Enter a round that was asked, and what it costs each of these states (rule 4)."""
    connection.execute(insert(_ROUNDS).values(**_values(held)))
    _book(connection, held, states, year)
    add_audit(connection, held.asked_at_ms, Event.ROUND_ASKED, held.round_id.hex(), held.question)


def move(connection: Connection, held: HeldRound, state: RoundState, now_ms: int, **changes: Any) -> bool:  # noqa: ANN401
    """Bring a round to another state; False, and no change, when it is no longer in the one it was read in (rule 1)."""
    here = (_ROUNDS.c.round_id == held.round_id, _ROUNDS.c.state == held.state.value)
    values = {"state": state.value, "changed_at_ms": now_ms, **changes}
    return connection.execute(update(_ROUNDS).where(*here).values(**values)).rowcount == 1


def propose(
    connection: Connection,
    held: HeldRound,
    envelope: envelope_pb2.Envelope,
    cohort: Iterable[str],
    states: Iterable[str],
    *,
    year: int,
    now_ms: int,
) -> None:
    """Keep the round as it was made, with its cohort and its losses (rules 1 and 4)."""
    asked = parse_round(envelope.payload)
    changes = {"envelope": envelope.SerializeToString(), "closes_at_ms": asked.closes_at_ms}
    if not move(connection, held, RoundState.PROPOSED, now_ms, **changes):
        return
    connection.execute(delete(_MEMBERS).where(_MEMBERS.c.round_id == held.round_id))
    rows = [
        {"round_id": held.round_id, "ori": ori, "part": Part.ASKED.value, "reason": "", "answer_digest": b""}
        for ori in sorted(cohort)
    ]
    connection.execute(insert(_MEMBERS), rows)
    _book(connection, held, states, year)


def open_round(
    connection: Connection, held: HeldRound, envelope: envelope_pb2.Envelope, now_ms: int
) -> tuple[str, ...]:
    """The trustee has signed: leave the round in every mailbox of the cohort; who has mail now."""
    content = envelope.SerializeToString()
    if not move(connection, held, RoundState.OPEN, now_ms, envelope=content):
        return ()
    expires_at_ms = held.asked.closes_at_ms
    oris = tuple(member.ori for member in members(connection, held.round_id))
    for ori in oris:
        mailbox.put(connection, ori, MailKind.MESSAGE, held.round_id, content, expires_at_ms)
    transparency.append(connection, log_pb2.LOG_KIND_ROUND, held.asked.digest, now_ms)
    add_audit(connection, now_ms, Event.ROUND_OPENED, held.round_id.hex(), f"{len(oris)} asked")
    return oris


def members(connection: Connection, round_id: bytes, part: Part | None = None) -> list[MemberPart]:
    """The cohort's members, or those with that part, ascending."""
    query = select(_MEMBERS.c.ori, _MEMBERS.c.part, _MEMBERS.c.reason).where(_MEMBERS.c.round_id == round_id)
    if part is not None:
        query = query.where(_MEMBERS.c.part == part.value)
    return [MemberPart(row.ori, Part(row.part), row.reason) for row in connection.execute(query.order_by("ori"))]


def progress(connection: Connection, round_id: bytes) -> dict[Part, int]:
    """How many members have which part."""
    query = select(_MEMBERS.c.part, func.count()).where(_MEMBERS.c.round_id == round_id).group_by(_MEMBERS.c.part)
    counted = {Part(row[0]): int(row[1]) for row in connection.execute(query)}
    return {part: counted.get(part, 0) for part in Part}


def answers(connection: Connection, round_id: bytes, oris: Collection[str]) -> list[envelope_pb2.Envelope]:
    """The answers of these members, ascending by ORI."""
    query = select(_MEMBERS.c.answer).where(_MEMBERS.c.round_id == round_id, _MEMBERS.c.ori.in_(oris))
    return [parse_envelope(data) for data in connection.scalars(query.order_by(_MEMBERS.c.ori)) if data]


def leave_out(connection: Connection, held: HeldRound, oris: Collection[str], now_ms: int) -> None:
    """The parties do not agree on the shares of these: they are out, and the round is open to be closed anew."""
    if not move(connection, held, RoundState.OPEN, now_ms, close=None, hub_half=None, closes_at_ms=now_ms):
        return
    here = (_MEMBERS.c.round_id == held.round_id, _MEMBERS.c.ori.in_(oris))
    connection.execute(update(_MEMBERS).where(*here).values(part=Part.OUT.value, reason=NOT_AGREED, answer=None))
    add_audit(connection, now_ms, Event.ROUND_LEFT_OUT, held.round_id.hex(), " ".join(sorted(oris))[:500])


def finish(connection: Connection, held: HeldRound, result: envelope_pb2.Envelope, now_ms: int) -> bool:
    """Keep the result with both signatures, and delete the shares (rule 3)."""
    if not move(connection, held, RoundState.DONE, now_ms, result=result.SerializeToString()):
        return False
    _forget(connection, held.round_id)
    digest = hashlib.sha256(result.payload).digest()
    transparency.append(connection, log_pb2.LOG_KIND_ROUND, digest, now_ms)
    add_audit(connection, now_ms, Event.ROUND_DONE, held.round_id.hex(), held.question)
    return True


def fail(connection: Connection, held: HeldRound, reason: str, now_ms: int) -> None:
    """The round came to nothing: delete the shares, the mail, and the losses if nothing was added up."""
    if not move(connection, held, RoundState.FAILED, now_ms, reason=reason, hub_half=None):
        return
    _forget(connection, held.round_id)
    if held.state in _REFUNDED:
        connection.execute(delete(_LOSSES).where(_LOSSES.c.round_id == held.round_id))
    add_audit(connection, now_ms, Event.ROUND_FAILED, held.round_id.hex(), reason)


def losses(connection: Connection, year: int) -> dict[str, int]:
    """Rho lost in that year by state, in millionths."""
    query = select(_LOSSES.c.state, func.sum(_LOSSES.c.rho_millionths)).where(_LOSSES.c.year == year)
    return {row[0]: int(row[1]) for row in connection.execute(query.group_by(_LOSSES.c.state).order_by("state"))}


def _book(connection: Connection, held: HeldRound, states: Iterable[str], year: int) -> None:
    """Book a round's losses in the place of those booked for it before."""
    connection.execute(delete(_LOSSES).where(_LOSSES.c.round_id == held.round_id))
    loss = {"round_id": held.round_id, "year": year, "rho_millionths": held.rho_millionths}
    connection.execute(insert(_LOSSES), [{**loss, "state": state} for state in sorted(states)])


def _forget(connection: Connection, round_id: bytes) -> None:
    """Delete the shares, and the mail of those who never took it."""
    connection.execute(delete(schema.mailbox).where(schema.mailbox.c.check_id == round_id))
    connection.execute(update(_MEMBERS).where(_MEMBERS.c.round_id == round_id).values(answer=None))


def _values(held: HeldRound) -> dict[str, Any]:
    values = {name: getattr(held, name) for name in HeldRound.__slots__}
    return {**values, "states": " ".join(held.states), "state": held.state.value}


def _held(row: Any) -> HeldRound:  # noqa: ANN401 - a row has the table's columns
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row's columns
    values |= {"states": tuple(row.states.split()), "state": RoundState(row.state)}
    return HeldRound(**values)
