"""The hub's calls of the trustee's RoundService."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from grpc import aio

from waypost.hub.errors import Refused
from waypost.hub.limits import ROUND_CLOSE_TIMEOUT_S, TRUSTEE_TIMEOUT_S
from waypost.hub.trustee_link import TrusteeLink, told
from waypost.v1 import envelope_pb2, round_service_pb2
from waypost.v1.round_service_pb2_grpc import RoundServiceStub

if TYPE_CHECKING:
    from waypost.v1.round_service_pb2_grpc import RoundServiceAsyncStub


class RoundLink:
    """A refusal of the trustee's is Refused, anything else TrusteeUnavailable."""

    def __init__(self, link: TrusteeLink) -> None:
        self._link = link

    def _stub(self) -> RoundServiceAsyncStub:
        return RoundServiceStub(self._link.channel())

    async def prepare(self, round_id: bytes) -> bytes:
        """The trustee's sealing key for a round."""
        message = round_service_pb2.PrepareRoundRequest(round_id=round_id)
        try:
            response = await self._stub().PrepareRound(message, timeout=TRUSTEE_TIMEOUT_S)
        except aio.AioRpcError as error:
            raise told(error) from error
        return response.sealing_public_key

    async def countersign(self, envelope: envelope_pb2.Envelope) -> envelope_pb2.Envelope:
        """The round with the trustee's signature."""
        message = round_service_pb2.CountersignRoundRequest(round=envelope)
        try:
            response = await self._stub().CountersignRound(message, timeout=TRUSTEE_TIMEOUT_S)
        except aio.AioRpcError as error:
            raise told(error) from error
        return response.round

    async def close(
        self, close: envelope_pb2.Envelope, shares: AsyncIterator[list[envelope_pb2.Envelope]]
    ) -> envelope_pb2.Envelope | frozenset[str]:
        """The trustee's half, or the participants it does not agree to."""

        async def requests() -> AsyncIterator[round_service_pb2.CloseRoundRequest]:
            yield round_service_pb2.CloseRoundRequest(close=close)
            async for part in shares:
                yield round_service_pb2.CloseRoundRequest(seed_shares=part)

        try:
            response = await self._stub().CloseRound(requests(), timeout=ROUND_CLOSE_TIMEOUT_S)
        except aio.AioRpcError as error:
            raise told(error) from error
        if response.refused_participants:
            return frozenset(response.refused_participants)
        if not response.HasField("partial_sum"):
            raise Refused("malformed", "the trustee gave neither a half nor a reason")
        return response.partial_sum

    async def cosign_result(
        self, envelope: envelope_pb2.Envelope, hub_half: bytes, declines: Iterable[envelope_pb2.Envelope]
    ) -> envelope_pb2.Envelope:
        """The result with the trustee's signature."""
        message = round_service_pb2.CosignResultRequest(result=envelope, hub_half=hub_half, declines=declines)
        try:
            response = await self._stub().CosignResult(message, timeout=TRUSTEE_TIMEOUT_S)
        except aio.AioRpcError as error:
            raise told(error) from error
        return response.result
