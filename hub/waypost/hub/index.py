"""The pointer index: which member registered which token. It knows nothing else.

1. A registration is signed by the member whose link it came on, and is for the epoch in force.
2. It adds no token or exactly REGISTRATION_BATCH_TOKENS, and withdraws at most WITHDRAW_MAX; each has TOKEN_BYTES.
3. Adding what is there, or withdrawing what is not, changes nothing.
4. A member's index is current when it said that it is complete and its digest agreed within the last 48 hours.
5. Bucket digests are kept, and computed anew only where a registration has changed a bucket: 18,000 members that attach
   after a restart cost 18,000 rows, not 80 million.
6. A member has at most the POINTERS_MAX of its role; a role that has none registers nothing. How many it has is kept
   beside them, so that a registration costs the same however many there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, tuple_, update

from waypost.hub import schema
from waypost.hub.database import put_meta
from waypost.hub.errors import Refused
from waypost.hub.limits import DIGESTED_TOKENS_PER_STEP, DROPPED_POINTERS_PER_STEP, LOOKUP_CHUNK, POINTERS_MAX
from waypost.hub.statements import Prepared
from waypost.protocol import limits
from waypost.protocol.index_digest import bucket_digests

_DIGEST_BYTES = 32
_STALE = bytes(_DIGEST_BYTES)
"""Stands for a digest that must be computed; no SHA-256 is all zeros."""

_STRIDE = 16
"""Buckets read with one query."""

_ADD = Prepared(
    text("INSERT INTO pointers (epoch, token, member_id) VALUES (:epoch, :token, :member_id) ON CONFLICT DO NOTHING")
)
_PLACES: Final = tuple(f"token_{place}" for place in range(limits.CHECK_TOKENS))
_pointers, _members = schema.pointers, schema.members
_LOOK_UP: Final = Prepared(
    select(_members.c.ori, _pointers.c.token)
    .join(_members, _members.c.id == _pointers.c.member_id)
    .where(_pointers.c.epoch == bindparam("of_epoch"), _pointers.c.token.in_([bindparam(name) for name in _PLACES]))
)
"""With a place for every token of a check: a list whose length is open costs more than the look-up itself."""

_STATES_META: Final = "index-states"
_STATE_MARK: Final = Prepared(select(schema.meta.c.value).where(schema.meta.c.name == bindparam("of_name")))


def check_tokens(stated_epoch: int, add: Sequence[bytes], withdraw: Sequence[bytes], epoch: int) -> None:
    """Rules 1 (epoch) and 2; Refused otherwise."""
    if stated_epoch != epoch:
        raise Refused("wrong-epoch", f"the index is in epoch {epoch}, not {stated_epoch}")
    if len(add) not in {0, limits.REGISTRATION_BATCH_TOKENS} or len(withdraw) > limits.WITHDRAW_MAX:
        raise Refused(
            "malformed",
            f"a registration adds none or {limits.REGISTRATION_BATCH_TOKENS} tokens, "
            f"and withdraws at most {limits.WITHDRAW_MAX}",
        )
    if any(len(token) != limits.TOKEN_BYTES for token in (*add, *withdraw)):
        raise Refused("malformed", f"a token has {limits.TOKEN_BYTES} bytes")


def register(connection: Connection, member_id: int, epoch: int, add: Sequence[bytes], gone: Sequence[bytes]) -> int:
    """Add and withdraw a member's pointers: how many it has then."""
    pointers, held = schema.pointers, count_pointers(connection, member_id, epoch)
    if add:
        rows = [{"epoch": epoch, "token": token, "member_id": member_id} for token in add]
        held += _ADD.changed_by_all(connection, rows)
    for part in chunks(gone):
        held -= connection.execute(
            delete(pointers).where(
                pointers.c.epoch == epoch, pointers.c.member_id == member_id, pointers.c.token.in_(part)
            )
        ).rowcount
    _keep_count(connection, member_id, epoch, held)
    _mark_changed(connection, member_id, epoch, {token[0] for token in (*add, *gone)})
    return held


def require_within(held: int, role: int) -> None:
    """Rule 6, after tokens were added; Refused otherwise, and the caller takes the registration back."""
    if role not in POINTERS_MAX:
        raise Refused("purpose-not-allowed", "only agencies and POST boards register officers")
    if held > POINTERS_MAX[role]:
        raise Refused(
            "too-many-pointers",
            f"a member of this role registers at most {POINTERS_MAX[role]:,} tokens",
            hint="withdraw those of officers who are not held any more, or talk to the hub's operator",
        )


def count_pointers(connection: Connection, member_id: int, epoch: int) -> int:
    """How many pointers a member has in that epoch."""
    counts, pointers = schema.pointer_counts, schema.pointers
    kept = connection.scalar(select(counts.c.pointers).where(counts.c.member_id == member_id, counts.c.epoch == epoch))
    if kept is not None:
        return int(kept)
    query = select(func.count()).select_from(pointers)
    return int(connection.scalar(query.where(pointers.c.member_id == member_id, pointers.c.epoch == epoch)) or 0)


def _keep_count(connection: Connection, member_id: int, epoch: int, held: int) -> None:
    counts = schema.pointer_counts
    here = (counts.c.member_id == member_id, counts.c.epoch == epoch)
    if connection.execute(update(counts).where(*here).values(pointers=held)).rowcount == 0:
        connection.execute(insert(counts).values(member_id=member_id, epoch=epoch, pointers=held))


def look_up(connection: Connection, epoch: int, tokens: Sequence[bytes]) -> dict[str, set[bytes]]:
    """Members that registered any of the tokens, by ORI, with the tokens that each registered."""
    found: dict[str, set[bytes]] = {}
    for start in range(0, len(tokens), limits.CHECK_TOKENS):
        part = tokens[start : start + limits.CHECK_TOKENS]
        filled = [*part, *[part[0]] * (limits.CHECK_TOKENS - len(part))]
        values = dict(zip(_PLACES, filled, strict=True))
        for ori, token in _LOOK_UP.all(connection, of_epoch=epoch, **values):
            found.setdefault(ori, set()).add(token)
    return found


def registered(
    connection: Connection, member_id: int, epoch: int, first: int = 0, last: int = limits.INDEX_BUCKETS - 1
) -> list[bytes]:
    """A member's tokens in the buckets (first bytes) `first` to `last`, in ascending order."""
    pointers = schema.pointers
    low, high = bytes((first,)), bytes((last,)) + b"\xff" * limits.TOKEN_BYTES
    query = select(pointers.c.token).where(
        pointers.c.member_id == member_id,
        pointers.c.epoch == epoch,
        pointers.c.token >= low,
        pointers.c.token <= high,
    )
    return list(connection.scalars(query.order_by(pointers.c.token)))


def freshen(connection: Connection, member_id: int, epoch: int) -> tuple[bytes, ...] | None:
    """The 256 bucket digests of a member's tokens (rule 5).

    None when there was more to compute than fits a short transaction: call again, in another one.
    """
    digests = _kept(connection, member_id, epoch)
    changed, read = False, 0
    for first in range(0, limits.INDEX_BUCKETS, _STRIDE):
        part = slice(first, first + _STRIDE)
        if read < DIGESTED_TOKENS_PER_STEP and _STALE in digests[part]:
            tokens = registered(connection, member_id, epoch, first, first + _STRIDE - 1)
            digests[part] = bucket_digests(tokens)[part]
            changed, read = True, read + len(tokens)
    if changed:
        _keep(connection, member_id, epoch, digests)
    return None if _STALE in digests else tuple(digests)


def _mark_changed(connection: Connection, member_id: int, epoch: int, buckets: set[int]) -> None:
    table = schema.bucket_digests
    if not buckets:
        return
    if len(buckets) > limits.INDEX_BUCKETS // 2:  # a batch of new tokens: there is next to nothing left to keep
        connection.execute(delete(table).where(table.c.member_id == member_id, table.c.epoch == epoch))
        return
    digests = _kept(connection, member_id, epoch)
    for bucket in buckets:
        digests[bucket] = _STALE
    _keep(connection, member_id, epoch, digests)


def _kept(connection: Connection, member_id: int, epoch: int) -> list[bytes]:
    table = schema.bucket_digests
    query = select(table.c.digests).where(table.c.member_id == member_id, table.c.epoch == epoch)
    joined = connection.scalar(query) or _STALE * limits.INDEX_BUCKETS
    return [joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES)]


def _keep(connection: Connection, member_id: int, epoch: int, digests: Sequence[bytes]) -> None:
    table = schema.bucket_digests
    joined = b"".join(digests)
    here = (table.c.member_id == member_id, table.c.epoch == epoch)
    if connection.execute(update(table).where(*here).values(digests=joined)).rowcount == 0:
        connection.execute(insert(table).values(member_id=member_id, epoch=epoch, digests=joined))


def set_agreed(connection: Connection, member_id: int, epoch: int, now_ms: int) -> None:
    """Record that a member's complete index agreed just now."""
    states = schema.index_states
    values = {"epoch": epoch, "agreed_at_ms": now_ms}
    before = connection.execute(select(states).where(states.c.member_id == member_id)).first()
    if before is None or before.epoch != epoch or before.agreed_at_ms <= now_ms - limits.INDEX_CURRENT_MS:
        _mark_states(connection)
    changed = connection.execute(update(states).where(states.c.member_id == member_id).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(states).values(member_id=member_id, **values))


def clear_agreed(connection: Connection, member_id: int) -> None:
    """Record that a member's index does not agree."""
    states = schema.index_states
    if connection.execute(delete(states).where(states.c.member_id == member_id)).rowcount:
        _mark_states(connection)


def state_mark(connection: Connection) -> str:
    """Changes whenever a member's index has become current, or no longer agrees; not when its time runs out."""
    return _STATE_MARK.scalar(connection, of_name=_STATES_META) or ""


def _mark_states(connection: Connection) -> None:
    """Random, not counted: a number that was rolled back would come again and mean something else."""
    put_meta(connection, _STATES_META, os.urandom(8).hex())


def current_oris(connection: Connection, epoch: int, now_ms: int) -> frozenset[str]:
    """Members whose index is current (rule 4)."""
    states, members = schema.index_states, schema.members
    query = (
        select(members.c.ori)
        .join(states, states.c.member_id == members.c.id)
        .where(states.c.epoch == epoch, states.c.agreed_at_ms > now_ms - limits.INDEX_CURRENT_MS)
    )
    return frozenset(connection.scalars(query))


def current_until_ms(connection: Connection, epoch: int, now_ms: int) -> int:
    """When the first of those that are current is no longer, unless its index agrees again until then."""
    states = schema.index_states
    first = select(func.min(states.c.agreed_at_ms)).where(
        states.c.epoch == epoch, states.c.agreed_at_ms > now_ms - limits.INDEX_CURRENT_MS
    )
    return int(connection.scalar(first) or now_ms) + limits.INDEX_CURRENT_MS


def stale_oris(connection: Connection, epoch: int, now_ms: int) -> frozenset[str]:
    """Members whose index is not current: the few, so that a check need not read 18,000 rows to tell of the many."""
    states, members = schema.index_states, schema.members
    query = (
        select(members.c.ori)
        .outerjoin(states, states.c.member_id == members.c.id)
        .where(
            states.c.epoch.is_(None)
            | (states.c.epoch != epoch)
            | (states.c.agreed_at_ms <= now_ms - limits.INDEX_CURRENT_MS)
        )
    )
    return frozenset(connection.scalars(query))


def drop_past_epochs(connection: Connection, epoch: int) -> bool:
    """Delete some tokens of epochs before the one in force, which no check asks with; False when none are left."""
    pointers, digests = schema.pointers, schema.bucket_digests
    connection.execute(delete(digests).where(digests.c.epoch < epoch))
    connection.execute(delete(schema.pointer_counts).where(schema.pointer_counts.c.epoch < epoch))
    key = (pointers.c.epoch, pointers.c.token, pointers.c.member_id)
    some = select(*key).where(pointers.c.epoch < epoch).limit(DROPPED_POINTERS_PER_STEP)
    return connection.execute(delete(pointers).where(tuple_(*key).in_(some))).rowcount > 0


def chunks(tokens: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Tokens in lists that fit one statement."""
    listed = list(tokens)
    for start in range(0, len(listed), LOOKUP_CHUNK):
        yield listed[start : start + LOOKUP_CHUNK]
