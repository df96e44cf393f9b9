"""What a server does with bytes that are no message. gRPC would log a traceback, and answer with an internal error.

1. Requests of Waypost's own services are read here, not by gRPC. Others (health, reflection) are left alone.
2. Bytes that cannot be read end the call with INVALID_ARGUMENT and "malformed: …", and are told to the party, which
   writes them into its audit. The servicer never sees them.
3. A stream ends there for its servicer, as if the caller had gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.errors import PkiError

_OURS: Final = "/waypost."
_TOLD: Final = "malformed: the request cannot be read"
_UNKNOWN_CALLER: Final = "?"

Told: TypeAlias = Callable[[str, str], Awaitable[None]]
"""Told the name in the caller's certificate (or "?"), and the method's name."""
_Context: TypeAlias = "aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = Any
"""gRPC's stubs know the handlers of synchronous servers only."""


class RequestReader(aio.ServerInterceptor):
    """Reads the requests of one server (rules 1 to 3)."""

    def __init__(self, told: Told) -> None:
        self._told = told

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """The handler of a method, which now takes bytes."""
        handler = await continuation(handler_call_details)
        path = str(handler_call_details.method)
        if handler is None or not path.startswith(_OURS):
            return handler
        method = path.rpartition("/")[2]
        if handler.stream_stream is not None:
            return self._stream(handler, method)
        if handler.stream_unary is not None:
            return self._stream_unary(handler, method)
        if handler.unary_stream is not None:
            return self._unary_stream(handler, method)
        return self._unary(handler, method)

    def _unary(self, handler: _Handler, method: str) -> _Handler:
        async def run(data: bytes, context: _Context) -> Message:
            request = await self._read(handler, method, data, context)
            response: Message = await handler.unary_unary(request, context)
            return response

        return grpc.unary_unary_rpc_method_handler(run, None, handler.response_serializer)

    def _unary_stream(self, handler: _Handler, method: str) -> _Handler:
        async def run(data: bytes, context: _Context) -> AsyncIterator[Any]:
            request = await self._read(handler, method, data, context)
            async for response in handler.unary_stream(request, context):
                yield response

        return grpc.unary_stream_rpc_method_handler(run, None, handler.response_serializer)

    def _stream(self, handler: _Handler, method: str) -> _Handler:
        async def run(stream: AsyncIterator[bytes], context: _Context) -> AsyncIterator[Any]:
            requests = _Requests(stream, handler.request_deserializer)
            async for response in handler.stream_stream(requests.read(), context):
                yield response
                del response  # a stream may be idle for hours, and some responses are megabytes
            if requests.broken:
                await self._refuse(method, context)

        return grpc.stream_stream_rpc_method_handler(run, None, handler.response_serializer)

    def _stream_unary(self, handler: _Handler, method: str) -> _Handler:
        async def run(stream: AsyncIterator[bytes], context: _Context) -> Message:
            requests = _Requests(stream, handler.request_deserializer)
            response: Message = await handler.stream_unary(requests.read(), context)
            if requests.broken:
                await self._refuse(method, context)
            return response

        return grpc.stream_unary_rpc_method_handler(run, None, handler.response_serializer)

    async def _read(self, handler: _Handler, method: str, data: bytes, context: _Context) -> Message:
        try:
            request: Message = handler.request_deserializer(data)
        except DecodeError:
            await self._refuse(method, context)
        return request

    async def _refuse(self, method: str, context: _Context) -> NoReturn:
        try:
            caller = pki.peer_name({name: tuple(values) for name, values in context.auth_context().items()})
        except PkiError:
            caller = _UNKNOWN_CALLER
        await self._told(caller, method)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, _TOLD)


class _Requests:
    """A stream of requests that ends at the first one that cannot be read (rule 3)."""

    def __init__(self, stream: AsyncIterator[bytes], deserialize: Callable[[bytes], Message]) -> None:
        self._stream = stream
        self._deserialize = deserialize
        self.broken = False

    async def read(self) -> AsyncIterator[Any]:
        """The requests."""
        async for data in self._stream:
            try:
                request = self._deserialize(data)
            except DecodeError:
                self.broken = True
                return
            yield request
