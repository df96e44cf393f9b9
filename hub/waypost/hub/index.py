"""The pointer index: which member registered which token. It knows nothing else.

1. A registration is signed by the member whose link it came on, and is for the epoch in force.
2. It adds no token or exactly REGISTRATION_BATCH_TOKENS, and withdraws at most WITHDRAW_MAX; each has TOKEN_BYTES.
3. Adding what is there, or withdrawing what is not, changes nothing.
4. A member's index is current when it said that it is complete and its digest agreed within the last 48 hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, delete, insert, select, text, update

from waypost.hub import schema
from waypost.hub.errors import Refused
from waypost.hub.limits import LOOKUP_CHUNK
from waypost.protocol import limits
from waypost.protocol.index_digest import bucket_digests
from waypost.v1 import index_pb2

_ADD = text("INSERT INTO pointers (epoch, token, member_id) VALUES (:epoch, :token, :member_id) ON CONFLICT DO NOTHING")


def check_registration(message: index_pb2.Registration, epoch: int) -> None:
    """Rules 1 (epoch) and 2; Refused otherwise."""
    if message.epoch != epoch:
        raise Refused("wrong-epoch", f"the index is in epoch {epoch}, not {message.epoch}")
    if len(message.add) not in {0, limits.REGISTRATION_BATCH_TOKENS} or len(message.withdraw) > limits.WITHDRAW_MAX:
        raise Refused(
            "malformed",
            f"a registration adds none or {limits.REGISTRATION_BATCH_TOKENS} tokens, "
            f"and withdraws at most {limits.WITHDRAW_MAX}",
        )
    if any(len(token) != limits.TOKEN_BYTES for token in (*message.add, *message.withdraw)):
        raise Refused("malformed", f"a token has {limits.TOKEN_BYTES} bytes")


def register(connection: Connection, member_id: int, epoch: int, add: Sequence[bytes], gone: Sequence[bytes]) -> None:
    """Add and withdraw a member's pointers."""
    pointers = schema.pointers
    if add:
        connection.execute(_ADD, [{"epoch": epoch, "token": token, "member_id": member_id} for token in add])
    for part in _chunks(gone):
        connection.execute(
            delete(pointers).where(
                pointers.c.epoch == epoch, pointers.c.member_id == member_id, pointers.c.token.in_(part)
            )
        )


def look_up(connection: Connection, epoch: int, tokens: Sequence[bytes]) -> dict[int, set[bytes]]:
    """Members that registered any of the tokens, by their row id, with the tokens that each registered."""
    pointers = schema.pointers
    found: dict[int, set[bytes]] = {}
    for part in _chunks(tokens):
        query = select(pointers.c.member_id, pointers.c.token)
        for member_id, token in connection.execute(query.where(pointers.c.epoch == epoch, pointers.c.token.in_(part))):
            found.setdefault(member_id, set()).add(token)
    return found


def registered(connection: Connection, member_id: int, epoch: int, bucket: int | None = None) -> Iterator[bytes]:
    """A member's tokens in ascending order, or those of one bucket (the first byte)."""
    pointers = schema.pointers
    query = select(pointers.c.token).where(pointers.c.member_id == member_id, pointers.c.epoch == epoch)
    if bucket is not None:
        low, high = bytes((bucket,)), bytes((bucket,)) + b"\xff" * limits.TOKEN_BYTES
        query = query.where(pointers.c.token >= low, pointers.c.token <= high)
    for (token,) in connection.execute(query.order_by(pointers.c.token)):
        yield token


def member_buckets(connection: Connection, member_id: int, epoch: int) -> tuple[bytes, ...]:
    """The 256 bucket digests of a member's tokens."""
    return bucket_digests(registered(connection, member_id, epoch))


def set_agreed(connection: Connection, member_id: int, epoch: int, now_ms: int) -> None:
    """Record that a member's complete index agreed just now."""
    states = schema.index_states
    values = {"epoch": epoch, "agreed_at_ms": now_ms}
    changed = connection.execute(update(states).where(states.c.member_id == member_id).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(states).values(member_id=member_id, **values))


def clear_agreed(connection: Connection, member_id: int) -> None:
    """Record that a member's index does not agree."""
    connection.execute(delete(schema.index_states).where(schema.index_states.c.member_id == member_id))


def current_oris(connection: Connection, epoch: int, now_ms: int) -> frozenset[str]:
    """Members whose index is current (rule 4)."""
    states, members = schema.index_states, schema.members
    query = (
        select(members.c.ori)
        .join(states, states.c.member_id == members.c.id)
        .where(states.c.epoch == epoch, states.c.agreed_at_ms > now_ms - limits.INDEX_CURRENT_MS)
    )
    return frozenset(connection.scalars(query))


def drop_other_epochs(connection: Connection, member_id: int, epoch: int) -> None:
    """Delete a member's tokens of other epochs, once the present one is complete."""
    pointers = schema.pointers
    connection.execute(delete(pointers).where(pointers.c.member_id == member_id, pointers.c.epoch != epoch))


def _chunks(tokens: Iterable[bytes]) -> Iterator[list[bytes]]:
    listed = list(tokens)
    for start in range(0, len(listed), LOOKUP_CHUNK):
        yield listed[start : start + LOOKUP_CHUNK]
