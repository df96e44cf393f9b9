"""The node's calls to the hub over mutual TLS, and what their failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.serving import channel_options, utc_now
from waypost.node.errors import LinkError, Refused
from waypost.node.federation import authority_path, certificate_path
from waypost.node.limits import LISTED_TOKENS_MAX
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX, TOKEN_BYTES
from waypost.v1 import envelope_pb2, hub_service_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

if TYPE_CHECKING:
    from waypost.v1.hub_service_pb2_grpc import HubServiceAsyncStub

_Response = TypeVar("_Response")

CALL_TIMEOUT_S: Final = 120.0
"""Longest wait for a call: the trustee may be busy with other members' batches."""

_WORLD: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What may be different the next time: the network, a restart, a spent rate or budget."""

_IN_WORDS: Final = {
    "certificate is not yet valid": (
        "the hub's certificate is not yet valid by this machine's clock, which is slow, or the hub's is fast: set it"
    ),
    "certificate has expired": (
        "the hub's certificate has expired by this machine's clock: set the clock, or tell the hub's operator"
    ),
    "Connection refused": "nothing listens at the hub's address: the hub is stopped, or a firewall refuses",
}
"""What TLS and sockets say, and what it means for who reads it."""


class HubClient:
    """A channel to the hub with the node's present certificate."""

    def __init__(self, address: str, home: Path, tls_key: bytes) -> None:
        self._home = home
        self._tls_key = tls_key
        credentials = pki.channel_credentials(
            root_pem=authority_path(home).read_bytes(),
            key_pem=tls_key,
            certificate_pem=certificate_path(home).read_bytes(),
        )
        options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
        # Back-off between tries is the link's own subject; the channel must not add another.
        options += [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 200)]
        self._channel = aio.secure_channel(address, credentials, options=options)
        self.stub: HubServiceAsyncStub = HubServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def evaluate(self, request: hub_service_pb2.EvaluateRequest) -> hub_service_pb2.EvaluateResponse:
        """HubService.Evaluate."""
        return await _answered(self.stub.Evaluate(request, timeout=CALL_TIMEOUT_S))

    async def register(self, request: hub_service_pb2.RegisterRequest) -> None:
        """HubService.Register."""
        await _answered(self.stub.Register(request, timeout=CALL_TIMEOUT_S))

    async def list_registered(self, epoch: int, buckets: Sequence[int]) -> list[bytes]:
        """HubService.ListRegistered, all messages together; LinkError when they are not tokens of those buckets."""
        tokens: list[bytes] = []
        request = hub_service_pb2.ListRegisteredRequest(epoch=epoch, buckets=buckets)
        asked = frozenset(buckets)
        with _failures_told():
            async for response in self.stub.ListRegistered(request, timeout=CALL_TIMEOUT_S):
                more = _readable(response).tokens
                if any(len(token) != TOKEN_BYTES or token[0] not in asked for token in more):
                    raise LinkError("the hub lists tokens that were not asked for")
                tokens.extend(more)
                if len(tokens) > LISTED_TOKENS_MAX:
                    raise LinkError("the hub lists more tokens than a member may have")
        return tokens

    async def submit_check(self, request: hub_service_pb2.SubmitCheckRequest) -> envelope_pb2.Envelope:
        """HubService.SubmitCheck: the receipt."""
        return (await _answered(self.stub.SubmitCheck(request, timeout=CALL_TIMEOUT_S))).receipt

    async def sealing_key(self, ori: str) -> bytes:
        """HubService.GetSealingKey: a member's sealing key, not yet compared with the roster."""
        request = hub_service_pb2.GetSealingKeyRequest(ori=ori)
        return (await _answered(self.stub.GetSealingKey(request, timeout=CALL_TIMEOUT_S))).sealing_public_key

    async def checkpoint(self, request: hub_service_pb2.GetCheckpointRequest) -> hub_service_pb2.GetCheckpointResponse:
        """HubService.GetCheckpoint."""
        return await _answered(self.stub.GetCheckpoint(request, timeout=CALL_TIMEOUT_S))

    async def renew_certificate_if_due(self, ori: str) -> bool:
        """Fetch a fresh certificate when two thirds of the present one's life are over; the next channel shows it."""
        path = certificate_path(self._home)
        if not pki.renewal_due(path.read_bytes(), now=utc_now()):
            return False
        request = hub_service_pb2.RenewCertificateRequest(csr_pem=pki.make_csr(self._tls_key, ori))
        response = await _answered(self.stub.RenewCertificate(request, timeout=CALL_TIMEOUT_S))
        fresh = path.with_suffix(".new")
        fresh.write_bytes(response.certificate_pem)
        fresh.replace(path)
        return True


async def _answered(call: Awaitable[_Response]) -> _Response:
    """What a call gives; Refused or LinkError when it fails."""
    with _failures_told():
        return _readable(await call)


@contextmanager
def _failures_told() -> Iterator[None]:
    """Failures of a call as Refused or LinkError.

    When a link ends its channel is closed, and gRPC cancels the calls on it: that is the world's fault like any other
    lost connection, and must not look as if the task that waits had been cancelled itself.
    """
    try:
        yield
    except aio.AioRpcError as error:
        raise told(error) from error
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise LinkError("the connection to the hub has ended", hint="the node tries again by itself") from None


def _readable(response: _Response | None) -> _Response:
    """GRPC gives None for bytes that are no message, and for a call that ends well without one."""
    if response is None:
        raise LinkError("the hub's answer cannot be read", hint="the node tries again by itself")
    return response


def told(error: aio.AioRpcError) -> Refused | LinkError:
    """What a failed call means: Refused when the hub said no for good, LinkError when it may be different next time."""
    reason, _, sentence = (error.details() or "").partition(": ")
    for sign, words in _IN_WORDS.items():
        if sign in sentence:
            return LinkError(words, hint="the node tries again by itself")
    if error.code() in _WORLD or reason in {"no-roster", "trustee-unavailable"}:
        return LinkError(sentence or "the hub cannot be reached", hint="the node tries again by itself")
    return Refused(reason or "refused", sentence or "the hub refused the call")
