"""Covers: what goes up together shall not belong together, so tokens that stand for nobody go up with it.

The hub cannot tell a decoy from a token of somebody: both are 16 bytes that it cannot compute.

1. With every group of officers, one cover for each TOKENS_PER_COVER of their tokens is registered, mixed among them,
   and as many as one officer announced alone needs. The decoys that fill up a batch are covers as well.
2. Officers who are announced go up once more in whole batches of REGISTRATION_BATCH_TOKENS, filled with covers that the
   hub holds as well: those that came in the same registrations first. So what was registered alone is announced with
   exactly what it was registered with, and announced again with exactly what it was announced with. Of a few officers
   who are announced together each brings covers of his own, for another time he is announced without the others, and
   what two announcements have in common, or not, must not be one officer. Many cover each other, and bring only those
   that went up with one of them before.
3. What the hub must forget goes up in multiples of WITHDRAWN_TOGETHER, filled with covers, those that came in the same
   registrations first.
4. Where covers do not suffice, what is left is filled with new decoys, which the hub can tell by their being new.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from waypost.node.store import Store
from waypost.protocol import limits

TOKENS_PER_COVER: Final = 8
"""One cover for so many tokens: two officers of a group of 200 can be announced alone, each behind its own."""

TOKENS_OF_ONE: Final = 64
"""Tokens that an officer mostly has fewer of: the rest of his batch are covers."""

WITHDRAWN_TOGETHER: Final = 64
"""Withdrawals are a multiple of this: more than an officer loses by a correction."""

APART_MAX: Final = 8
"""Officers announced together who bring covers of their own: it costs a batch each."""

assert limits.WITHDRAW_MAX % WITHDRAWN_TOGETHER == 0  # noqa: S101 - relations between bounds, checked at import


def mix_in(store: Store, tokens: int, epoch: int) -> None:
    """Add covers for that many tokens of officers, to be registered among them (rule 1)."""
    count, size = -(-tokens // TOKENS_PER_COVER), limits.REGISTRATION_BATCH_TOKENS
    held = store.covers.count(epoch)
    if held + -tokens % size < size - TOKENS_OF_ONE:  # what will fill up the last batch does not suffice
        count = max(count, size - held)
    store.tokens.add_decoys([os.urandom(limits.TOKEN_BYTES) for _ in range(count)], epoch)


def announce(store: Store, officer_ids: Sequence[int], epoch: int) -> None:
    """Have the officers' tokens registered once more, with covers that the hub holds (rule 2)."""
    size, total = limits.REGISTRATION_BATCH_TOKENS, 0
    beside: frozenset[int] = frozenset()
    with store.writing():
        for officer_id in officer_ids:
            held, numbers = store.covers.beside(officer_id, epoch)
            store.tokens.announce((officer_id,), epoch)
            many = len(officer_ids) > APART_MAX
            total += held + store.covers.use(-held % size, epoch, numbers, only_again=many)
            beside |= numbers
        store.covers.use(-total % size, epoch, beside)


def cover_withdrawals(store: Store, epoch: int) -> None:
    """Add covers to what the hub must forget (rule 3)."""
    missing = -store.covers.withdrawals(epoch) % WITHDRAWN_TOGETHER
    if missing:
        with store.writing():
            store.covers.withdraw(missing, epoch)
