"""The hub's connection to the trustee: mutual TLS, the hub's client certificate issued by its own authority."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import grpc
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.serving import channel_options, utc_now
from waypost.hub.errors import RateExceeded, Refused, TrusteeUnavailable
from waypost.hub.limits import TRUSTEE_TIMEOUT_S
from waypost.protocol import names
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX
from waypost.v1 import envelope_pb2, index_pb2, trustee_service_pb2
from waypost.v1.trustee_service_pb2_grpc import TrusteeServiceStub

if TYPE_CHECKING:
    from waypost.v1.trustee_service_pb2_grpc import TrusteeServiceAsyncStub

_Response = TypeVar("_Response")
_RECONNECT_MAX_MS = 2000
_UNAVAILABLE = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNIMPLEMENTED,
}


class TrusteeLink:
    """Calls the trustee; a refusal of the trustee's is Refused, anything else TrusteeUnavailable."""

    def __init__(self, address: str, trustee_ca_pem: bytes, authority: pki.CertificateAuthority) -> None:
        self.address = address
        self._root = trustee_ca_pem
        self._authority = authority
        self._key = pki.new_key_pem()
        self._certificate = b""
        self._channel: aio.Channel | None = None

    def channel(self) -> aio.Channel:
        """The connection, with a certificate in its time."""
        now = utc_now()
        if self._channel is None or pki.renewal_due(self._certificate, now=now):
            request = pki.make_csr(self._key, names.HUB)
            self._certificate = self._authority.issue(request, name=names.HUB, server=False, now=now)
            credentials = pki.channel_credentials(
                root_pem=self._root, key_pem=self._key, certificate_pem=self._certificate
            )
            options = channel_options(pki.TRUSTEE_TLS_NAME, message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
            # gRPC's own back-off grows to two minutes: a trustee that is back should be found within seconds.
            options += [("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX_MS)]
            self._channel = aio.secure_channel(self.address, credentials, options=options)
        return self._channel

    def _stub(self) -> TrusteeServiceAsyncStub:
        return TrusteeServiceStub(self.channel())

    async def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            await self._channel.close()

    async def evaluate(self, request: envelope_pb2.Envelope) -> index_pb2.Evaluation:
        """The trustee's half for a member's signed request."""
        message = trustee_service_pb2.EvaluateHalfRequest(request=request)
        return (await answered(self._stub().EvaluateHalf(message, timeout=TRUSTEE_TIMEOUT_S))).evaluation

    async def cosign(self, proposal: envelope_pb2.Envelope) -> envelope_pb2.Envelope:
        """The roster of a proposal with the trustee's signature."""
        message = trustee_service_pb2.CosignRosterRequest(proposal=proposal)
        return (await answered(self._stub().CosignRoster(message, timeout=TRUSTEE_TIMEOUT_S))).roster

    async def cosign_checkpoint(
        self, note: bytes, old_size: int, consistency: list[bytes]
    ) -> trustee_service_pb2.CosignCheckpointResponse:
        """The trustee's cosignature of a checkpoint, or the size that a proof must start from."""
        message = trustee_service_pb2.CosignCheckpointRequest(
            checkpoint=note, old_size=old_size, consistency=consistency
        )
        return await answered(self._stub().CosignCheckpoint(message, timeout=TRUSTEE_TIMEOUT_S))

    async def index_key(self, epoch: int) -> bytes:
        """The trustee's public index key of an epoch, 32 bytes."""
        message = trustee_service_pb2.GetIndexKeyRequest(epoch=epoch)
        return (await answered(self._stub().GetIndexKey(message, timeout=TRUSTEE_TIMEOUT_S))).public_key


async def answered(call: Awaitable[_Response]) -> _Response:
    """What a call gives; Refused or TrusteeUnavailable when it fails. gRPC gives None for bytes that are no message."""
    try:
        response: _Response | None = await call
    except aio.AioRpcError as error:
        raise told(error) from error
    if response is None:
        raise TrusteeUnavailable("the trustee's answer cannot be read", hint="try again in a minute")
    return response


def told(error: aio.AioRpcError) -> Refused | TrusteeUnavailable:
    """What a failed call means."""
    details = error.details() or ""
    if error.code() in _UNAVAILABLE:
        return TrusteeUnavailable("the trustee cannot be reached", hint="try again in a minute")
    reason, _, sentence = details.partition(": ")
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return RateExceeded(reason, sentence or details)
    return Refused(reason or "refused", sentence or details)
