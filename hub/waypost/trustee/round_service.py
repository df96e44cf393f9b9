"""RoundService: the trustee's gRPC side of aggregate rounds, a thin shell around `rounds` and `round_sums`.

Decisions run in the store's thread; opening and adding up thousands of shares runs in the callers' threads, so that
evaluations and rosters go on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from waypost.crypto.errors import KeystoreError
from waypost.protocol.limits import MEMBERS_MAX, ROUND_SHARES_PER_MESSAGE_MAX
from waypost.trustee.errors import Refused
from waypost.trustee.round_sums import SeedSum
from waypost.trustee.rounds import Closing, RoundDesk
from waypost.trustee.service import Context, TrusteeService, abort, now_ms
from waypost.v1 import envelope_pb2, round_service_pb2
from waypost.v1.round_service_pb2_grpc import RoundServiceServicer


class RoundService(RoundServiceServicer):
    """RoundService of round_service.proto."""

    def __init__(self, desk: RoundDesk, calls: TrusteeService) -> None:
        self._desk = desk
        self._calls = calls
        self._closing = asyncio.Lock()

    async def PrepareRound(  # noqa: N802 - the protocol's name
        self, request: round_service_pb2.PrepareRoundRequest, context: Context
    ) -> round_service_pb2.PrepareRoundResponse:
        """Our key of a round."""
        await self._calls.require_hub(context)
        key = await self._calls.decide(context, lambda: self._prepare(request.round_id))
        return round_service_pb2.PrepareRoundResponse(sealing_public_key=key)

    def _prepare(self, round_id: bytes) -> bytes:
        try:
            return self._desk.prepare(round_id, now_ms())
        except KeystoreError as error:
            raise Refused("no-key", str(error)) from error

    async def CountersignRound(  # noqa: N802 - the protocol's name
        self, request: round_service_pb2.CountersignRoundRequest, context: Context
    ) -> round_service_pb2.CountersignRoundResponse:
        """Judge, book, sign."""
        await self._calls.require_hub(context)
        signed = await self._calls.decide(context, lambda: self._desk.countersign(request.round, now_ms()))
        return round_service_pb2.CountersignRoundResponse(round=signed)

    async def CloseRound(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[round_service_pb2.CloseRoundRequest], context: Context
    ) -> round_service_pb2.CloseRoundResponse:
        """Judge the close, add up what comes, add noise, store, give. One closing at a time."""
        await self._calls.require_hub(context)
        async with self._closing:
            return await self._close(request_iterator, context)

    async def _close(
        self, requests: AsyncIterator[round_service_pb2.CloseRoundRequest], context: Context
    ) -> round_service_pb2.CloseRoundResponse:
        desk, calls = self._desk, self._calls
        closing: Closing | None = None
        seeds: SeedSum | None = None
        taken = 0
        async for request in requests:
            if seeds is None or closing is None:
                judged = await calls.decide(context, lambda r=request: desk.begin_close(r.close, now_ms()))  # type: ignore[misc]
                if isinstance(judged, envelope_pb2.Envelope):
                    return round_service_pb2.CloseRoundResponse(partial_sum=judged)
                closing, seeds = judged, SeedSum(judged)
                strangers = await calls.decide(context, lambda c=judged: desk.strangers(c, now_ms()))  # type: ignore[misc]
                if strangers:
                    return round_service_pb2.CloseRoundResponse(refused_participants=sorted(strangers))
            taken += len(request.seed_shares)
            if len(request.seed_shares) > ROUND_SHARES_PER_MESSAGE_MAX or taken > MEMBERS_MAX:
                await abort(context, Refused("oversized", "more shares than the protocol allows"))
            await calls.compute(seeds.take, list(request.seed_shares))
        if seeds is None or closing is None:
            await abort(context, Refused("malformed", "a closing begins with its close"))
        if seeds.outstanding:
            unagreed, missing = closing, seeds.outstanding
            await calls.decide(context, lambda: desk.leave_out(unagreed, missing, now_ms()))
            return round_service_pb2.CloseRoundResponse(refused_participants=sorted(seeds.outstanding))
        half = await calls.compute(seeds.noisy_half)
        done = closing
        partial = await calls.decide(context, lambda: desk.finish_close(done, half, now_ms()))
        return round_service_pb2.CloseRoundResponse(partial_sum=partial)

    async def CosignResult(  # noqa: N802 - the protocol's name
        self, request: round_service_pb2.CosignResultRequest, context: Context
    ) -> round_service_pb2.CosignResultResponse:
        """Recompute, sign."""
        await self._calls.require_hub(context)
        declines = list(request.declines)
        if len(declines) > MEMBERS_MAX:
            await abort(context, Refused("oversized", "more members declined than the protocol allows"))
        signed = await self._calls.decide(
            context, lambda: self._desk.cosign_result(request.result, request.hub_half, declines, now_ms())
        )
        return round_service_pb2.CosignResultResponse(result=signed)
