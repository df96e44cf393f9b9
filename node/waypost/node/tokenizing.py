"""Keeping the blind index in step with the records: what is due is tokenized, registered, compared and mended.

1. Officers that are new or changed are due. A group of them at a time is turned into match keys, the keys of the whole
   group are shuffled, and evaluated in batches by trustee and hub, whose proofs are verified.
2. Tokens are stored with their officers before the hub hears of them.
3. The hub is told in registrations of exactly REGISTRATION_BATCH_TOKENS; the last one is filled with random decoys,
   which are stored as this node's own. What no officer has any more is withdrawn. Both go behind covers (covering.py).
4. When nothing is due the index digest is sent, and once a day from then on. Where it differs from the hub's, the
   buckets that differ are listed and mended.
5. A new epoch makes everything due. Whatever was not finished when the process died is due when it starts again.
6. Keys go up for evaluation in multiples of FILLED_ELEMENTS, filled with random ones: how many keys one changed officer
   has, and so how long his names are and how many he bore, cannot be read from it. A check has its own fixed number.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.errors import OprfError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.split_oprf import BlindedBatch, Evaluation, blind_batch, finish_batch
from waypost.node import covering
from waypost.node.asking import evaluation_request
from waypost.node.errors import Refused
from waypost.node.keys import OFFICER_TOKENS_MAX, match_inputs
from waypost.node.limits import MENDED_BUCKETS
from waypost.node.store import IndexedPerson, OfficerTokens, Store
from waypost.protocol import limits, names
from waypost.protocol.index_digest import bucket_digest, differing_buckets, index_digest
from waypost.protocol.roster import Roster
from waypost.v1 import hub_service_pb2, index_pb2, link_pb2

OFFICERS_PER_GROUP: Final = 200
"""Officers tokenized at a time: their 4,000 keys are mixed, and take about two seconds of two cores."""

BATCH_ELEMENTS: Final = 1024
"""Keys evaluated under one proof: under a second of work, 32 KiB on the wire."""

BATCHES_IN_FLIGHT: Final = 3
"""Batches on their way at a time: one at each of node, trustee and hub, so that none of them waits for the others."""

FILLED_ELEMENTS: Final = limits.REGISTRATION_BATCH_TOKENS
"""Keys under one proof are a multiple of this: more than any one officer has; 0.4 s of one core."""

DECOY_BYTES: Final = 32
_CHECK: Final = index_pb2.EVALUATION_PURPOSE_CHECK

EPOCH_STATE: Final = "index-epoch"
AGREED_STATE: Final = "index-agreed-at-ms"
REGISTRATIONS_STATE: Final = "registrations"
"""How many registrations the hub has confirmed."""

assert OFFICER_TOKENS_MAX <= FILLED_ELEMENTS  # noqa: S101 - relations between bounds, checked at import
assert BATCH_ELEMENTS % FILLED_ELEMENTS == 0  # noqa: S101

_Result = TypeVar("_Result")


class HubCalls(Protocol):
    """The unary calls of HubService that tokenizing needs."""

    async def evaluate(self, request: hub_service_pb2.EvaluateRequest) -> hub_service_pb2.EvaluateResponse:
        """HubService.Evaluate."""
        ...

    async def register(self, request: hub_service_pb2.RegisterRequest) -> None:
        """HubService.Register."""
        ...

    async def list_registered(self, epoch: int, buckets: Sequence[int]) -> list[bytes]:
        """HubService.ListRegistered, all messages together."""
        ...


@dataclass(frozen=True, slots=True)
class Threads:
    """Where blocking work runs: one thread for the store, the others for group arithmetic."""

    store: ThreadPoolExecutor
    callers: ThreadPoolExecutor
    cores: ThreadPoolExecutor

    async def in_store(self, work: Callable[[], _Result]) -> _Result:
        """Run in the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(self.store, work)

    async def compute(self, work: Callable[[], _Result]) -> _Result:
        """Run beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.callers, work)


class Evaluator:
    """Turns inputs into tokens through hub and trustee."""

    def __init__(self, hub: HubCalls, ori: str, key: SigningKey, threads: Threads) -> None:
        self._hub = hub
        self._ori = ori
        self._key = key
        self._threads = threads

    async def tokens(
        self, inputs: Sequence[bytes], purpose: index_pb2.EvaluationPurpose.ValueType, roster: Roster, now_ms: int
    ) -> tuple[bytes, ...]:
        """The tokens of one batch, both proofs verified; Refused when a proof does not hold."""
        threads, count = self._threads, len(inputs)
        filled = [*inputs, *(os.urandom(DECOY_BYTES) for _ in range(-count % FILLED_ELEMENTS))]  # rule 6
        batch = await threads.compute(lambda: blind_batch(inputs if purpose == _CHECK else filled, threads.cores))
        request = evaluation_request(
            purpose, batch.elements, ori=self._ori, epoch=roster.epoch, key=self._key, now_ms=now_ms
        )
        response = await self._hub.evaluate(request)
        try:
            return (await threads.compute(lambda: self._finish(batch, response, roster)))[:count]
        except OprfError as error:
            raise Refused("wrong-proof", str(error)) from error

    def _finish(
        self, batch: BlindedBatch, response: hub_service_pb2.EvaluateResponse, roster: Roster
    ) -> tuple[bytes, ...]:
        return finish_batch(
            batch,
            Evaluation(tuple(response.trustee.elements), response.trustee.proof),
            Evaluation(tuple(response.hub.elements), response.hub.proof),
            trustee_public=roster.trustee_index_key,
            hub_public=roster.hub_index_key,
            executor=self._threads.cores,
        )


class Tokenizer:
    """The index's upkeep. One `step` does a bounded amount of work."""

    def __init__(
        self, store: Store, hub: HubCalls, evaluator: Evaluator, ori: str, key: SigningKey, threads: Threads
    ) -> None:
        self._store = store
        self._hub = hub
        self._evaluator = evaluator
        self._ori = ori
        self._key = key
        self._threads = threads

    async def step(self, roster: Roster, now_ms: int) -> bool:
        """Do the next piece of work (rules 1 to 3, 5): whether there was any."""
        store, threads = self._store, self._threads
        await threads.in_store(lambda: _enter_epoch(store, roster.epoch))
        due = await threads.in_store(lambda: store.officers.people(store.officers.dirty(OFFICERS_PER_GROUP)))
        if due:
            made = await self._tokenize(due, roster, now_ms)
            await threads.in_store(lambda: _put(store, made, roster.epoch))
        return await self._register(roster.epoch, now_ms, fill=not due) or bool(due)

    async def _tokenize(self, due: list[IndexedPerson], roster: Roster, now_ms: int) -> list[OfficerTokens]:
        keys = [(each, match_inputs(each.person, side="record")) for each in due]
        values = list({entry.value for _, entries in keys for entry in entries})
        secrets.SystemRandom().shuffle(values)
        token_of = await self._evaluate(values, roster, now_ms)
        return [
            OfficerTokens(
                each.officer_id,
                each.person_version,
                tuple((entry.scheme, token_of[entry.value]) for entry in entries),
            )
            for each, entries in keys
        ]

    async def _evaluate(self, values: Sequence[bytes], roster: Roster, now_ms: int) -> dict[bytes, bytes]:
        """The token of every key, several batches on their way at a time; the first refusal when all have come back."""
        room = asyncio.Semaphore(BATCHES_IN_FLIGHT)

        async def batch(part: Sequence[bytes]) -> tuple[bytes, ...]:
            async with room:
                return await self._evaluator.tokens(part, index_pb2.EVALUATION_PURPOSE_REGISTRATION, roster, now_ms)

        parts = [values[start : start + BATCH_ELEMENTS] for start in range(0, len(values), BATCH_ELEMENTS)]
        results = await asyncio.gather(*(batch(part) for part in parts), return_exceptions=True)
        token_of: dict[bytes, bytes] = {}
        for part, tokens in zip(parts, results, strict=True):
            if isinstance(tokens, BaseException):
                raise tokens
            token_of.update(zip(part, tokens, strict=True))
        return token_of

    async def _register(self, epoch: int, now_ms: int, *, fill: bool) -> bool:
        """Tell the hub what it does not know; `fill` up the last batch with decoys. Whether there was anything."""
        store, threads, size = self._store, self._threads, limits.REGISTRATION_BATCH_TOKENS
        worked = False
        while True:
            add = await threads.in_store(lambda: store.tokens.unregistered(epoch, size))
            gone = await threads.in_store(lambda: _to_withdraw(store, epoch))
            if 0 < len(add) < size:
                if not fill:
                    return worked
                decoys = [os.urandom(limits.TOKEN_BYTES) for _ in range(size - len(add))]
                await threads.in_store(lambda d=decoys: store.tokens.add_decoys(d, epoch))  # type: ignore[misc]
                continue
            if not add and not gone:
                return worked
            random.shuffle(add)
            await self._hub.register(self._registration(epoch, add, gone, now_ms))
            await threads.in_store(lambda a=add, g=gone: _mark_told(store, a, g, epoch))  # type: ignore[misc]
            worked = True

    def _registration(
        self, epoch: int, add: Sequence[bytes], gone: Sequence[bytes], now_ms: int
    ) -> hub_service_pb2.RegisterRequest:
        header = new_header(
            sender=self._ori, audience=names.HUB, now_ms=now_ms, lifetime_ms=limits.REGISTRATION_LIFETIME_MS
        )
        payload = index_pb2.Registration(header=header_to_proto(header), epoch=epoch, add=add, withdraw=gone)
        return hub_service_pb2.RegisterRequest(
            registration=sign(names.REGISTRATION, payload.SerializeToString(), self._key)
        )

    async def digest(self, epoch: int) -> index_pb2.IndexDigest:
        """The index digest to send (rule 4)."""
        return await self._threads.in_store(lambda: _digest(self._store, epoch))

    async def mend(self, verdict: link_pb2.IndexVerdict, epoch: int) -> int:
        """Find what differs and make it due (rule 4): how many tokens."""
        store, threads = self._store, self._threads
        if len(verdict.bucket_digests) != limits.INDEX_BUCKETS:
            return 0
        theirs = tuple(verdict.bucket_digests)
        ours = await threads.in_store(lambda: _bucket_digests(store, epoch))
        buckets, mended = differing_buckets(ours, theirs), 0
        for start in range(0, len(buckets), MENDED_BUCKETS):  # a few at a time, so that memory does not grow with them
            part = buckets[start : start + MENDED_BUCKETS]
            listed = set(await self._hub.list_registered(epoch, part))
            mended += await threads.in_store(lambda p=part, ls=listed: _mend(store, epoch, p, ls))  # type: ignore[misc]
        return mended


def _mend(store: Store, epoch: int, buckets: Sequence[int], listed: set[bytes]) -> int:
    held = {token for bucket in buckets for token in store.tokens.registered(epoch, bucket)}
    store.tokens.mark_unregistered(sorted(held - listed), epoch)
    store.tokens.withdraw(listed - held, epoch)
    return len(held ^ listed)


def _enter_epoch(store: Store, epoch: int) -> None:
    """Rule 5."""
    before = store.state.get_int(EPOCH_STATE)
    if before == epoch:
        return
    with store.writing():
        if before:
            store.tokens.forget_epoch(before)
        store.officers.mark_all_dirty()
        store.state.set(AGREED_STATE, 0)
        store.state.set(EPOCH_STATE, epoch)


def _put(store: Store, made: Sequence[OfficerTokens], epoch: int) -> None:
    with store.writing():
        store.tokens.replace(made, epoch)
        covering.mix_in(store, sum(len(officer.tokens) for officer in made), epoch)


def _to_withdraw(store: Store, epoch: int) -> list[bytes]:
    covering.cover_withdrawals(store, epoch)
    return store.tokens.to_withdraw(epoch, limits.WITHDRAW_MAX)


def _mark_told(store: Store, added: Sequence[bytes], gone: Sequence[bytes], epoch: int) -> None:
    with store.writing():
        number = store.state.get_int(REGISTRATIONS_STATE) + 1
        store.state.set(REGISTRATIONS_STATE, number)
        store.tokens.mark_registered(added, epoch, number)
        store.tokens.mark_withdrawn(gone, epoch)


def _bucket_digests(store: Store, epoch: int) -> tuple[bytes, ...]:
    """Bucket by bucket, so that memory does not grow with the tokens of a large agency."""
    return tuple(bucket_digest(store.tokens.registered(epoch, bucket)) for bucket in range(limits.INDEX_BUCKETS))


def _digest(store: Store, epoch: int) -> index_pb2.IndexDigest:
    with store.reading():
        complete = store.officers.dirty_count() == 0 and store.tokens.unregistered_count(epoch) == 0
        digest = index_digest(_bucket_digests(store, epoch))
    return index_pb2.IndexDigest(epoch=epoch, digest=digest, complete=complete)
