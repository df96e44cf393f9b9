"""A party in the middle: it has the keys of the server it stands for, sees every message in the clear, and may change,
drop or add what it likes. Without rules it passes everything on, and keeps the bytes of all that went through it.

Real TLS on both sides: callers meet a certificate of the server's own authority, and the real server meets, for each
caller, a certificate in that caller's name. So a relay in front of the hub is what the hub itself could do.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc

from waypost.crypto import pki
from waypost.crypto.serving import channel_options, renewing_server_credentials, server_options, utc_now
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX
from waypost.v1 import hub_service_pb2, link_pb2

STREAMS_MAX = 64
WAIT_S = 20.0
_UNBOUNDED_S = 1e6
_END = object()


@dataclass(frozen=True, slots=True)
class Seen:
    """One message that went by, as serialized protobuf; `upward` from the caller to the server."""

    caller: str
    method: str
    upward: bool
    data: bytes


@dataclass(eq=False)
class Call:
    """A call in progress: its method's last part, who called, and what he has sent so far."""

    method: str
    caller: str
    requests: list[bytes] = field(default_factory=list)
    answered: bool = False
    down: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    upstream: Any = None
    refused: RefusedByRelay | None = None


Rule: TypeAlias = Callable[[Call, bytes], Iterable[bytes]]


class RefusedByRelay(Exception):  # noqa: N818 - it is a decision
    """Raised by a rule: the call ends with this status, as if the server had said so."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


def passing(_call: Call, data: bytes) -> Iterable[bytes]:
    yield data


@dataclass(frozen=True, slots=True)
class Side:
    """A server: its TLS name and the authority that issues its certificate."""

    name: str
    authority: pki.CertificateAuthority


class Relay(grpc.GenericRpcHandler):
    """Listens in `server`'s name for members of `members`, and passes calls on to the real one at `upstream`."""

    def __init__(self, server: Side, members: pki.CertificateAuthority, upstream: str, *, port: int = 0) -> None:
        self._server_side, self._members, self._upstream = server, members, upstream
        self._tls_key = pki.new_key_pem()
        self._channels: dict[str, grpc.Channel] = {}
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self.up: Rule = passing
        self.down: Rule = passing
        self.seen: list[Seen] = []
        self.metadata: list[tuple[str, str | bytes]] = []
        self._grpc = grpc.server(
            ThreadPoolExecutor(STREAMS_MAX, "relay"),
            handlers=[self],
            options=server_options(message_bytes_max=2 * GRPC_MESSAGE_BYTES_MAX),
        )
        credentials = renewing_server_credentials(server.authority, server.name, members.certificate_pem)
        self.address = f"127.0.0.1:{self._grpc.add_secure_port(f'127.0.0.1:{port}', credentials)}"
        self._grpc.start()

    def stop(self) -> None:
        for call in list(self._calls):
            call.upstream.cancel()
        self._grpc.stop(0).wait()
        for channel in self._channels.values():
            channel.close()

    def behave(self) -> None:
        """Pass everything on again."""
        self.up = self.down = passing

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        path = str(handler_call_details.method)
        self.metadata += [(item[0], item[1]) for item in handler_call_details.invocation_metadata or ()]

        def run(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            return self._run(path, requests, context)

        return grpc.stream_stream_rpc_method_handler(run, None, None)

    def channel(self, caller: str) -> grpc.Channel:
        """A connection to the real server with a certificate in that name, as the authority's owner can make one."""
        with self._lock:
            if caller not in self._channels:
                self._channels[caller] = self._connect(caller)
            return self._channels[caller]

    def _connect(self, caller: str) -> grpc.Channel:
        certificate = self._members.issue(pki.make_csr(self._tls_key, caller), name=caller, server=False, now=utc_now())
        credentials = pki.channel_credentials(
            root_pem=self._server_side.authority.certificate_pem, key_pem=self._tls_key, certificate_pem=certificate
        )
        options = channel_options(self._server_side.name, message_bytes_max=2 * GRPC_MESSAGE_BYTES_MAX)
        options += [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
        return grpc.secure_channel(self._upstream, credentials, options=options)

    def _run(self, path: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        call = Call(path.rpartition("/")[2], _caller(context))
        forward: Any = self.channel(call.caller).stream_stream(path, None, None)
        call.upstream = forward(self._upward(call, requests), timeout=_deadline_s(context))
        context.add_callback(call.upstream.cancel)
        self._calls.append(call)
        threading.Thread(target=self._pump, args=(call,), daemon=True).start()
        try:
            while (item := call.down.get()) is not _END:
                call.answered = True
                yield item
        finally:
            self._calls.remove(call)
        if call.refused is not None:
            context.abort(call.refused.code, call.refused.details)
        code = call.upstream.code()
        if code is not grpc.StatusCode.OK:
            context.abort(code, call.upstream.details() or "")
        if not call.answered and call.method != "Attach":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection is gone")  # a rule took the answer away

    def _upward(self, call: Call, requests: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for data in requests:
                self.seen.append(Seen(call.caller, call.method, True, data))
                call.requests.append(data)
                yield from self.up(call, data)
        except RefusedByRelay as refusal:
            call.refused = refusal
            call.upstream.cancel()
        except Exception:  # noqa: BLE001 - the caller has gone
            return

    def _pump(self, call: Call) -> None:
        try:
            for data in call.upstream:
                self.seen.append(Seen(call.caller, call.method, False, data))
                for changed in self.down(call, data):
                    call.down.put(changed)
        except grpc.RpcError:
            pass
        finally:
            call.down.put(_END)

    def attached(self, ori: str) -> Call:
        """The member's link, once it is up."""
        until = time.monotonic() + WAIT_S
        while True:
            for call in reversed(self._calls):
                if call.method == "Attach" and call.caller == ori:
                    return call
            assert time.monotonic() < until, f"{ori} is not attached"
            time.sleep(0.02)

    def inject(self, ori: str, **frame: Any) -> None:
        """Send a member a frame that the real hub never sent."""
        message = hub_service_pb2.AttachResponse(frame=link_pb2.HubFrame(**frame))
        self.inject_bytes(ori, message.SerializeToString())

    def inject_bytes(self, ori: str, data: bytes) -> None:
        """The same with any bytes."""
        self.attached(ori).down.put(data)

    def cut(self, ori: str) -> None:
        """Break the member's link."""
        self.attached(ori).upstream.cancel()

    def frames(self, ori: str, *, upward: bool) -> list[Any]:
        """The frames that went by on a member's links."""
        kind: Any = hub_service_pb2.AttachRequest if upward else hub_service_pb2.AttachResponse
        return [
            kind.FromString(each.data).frame
            for each in list(self.seen)
            if (each.caller, each.method, each.upward) == (ori, "Attach", upward)
        ]

    def wait_frame(self, ori: str, want: Callable[[Any], bool], *, upward: bool = True) -> Any:
        """The first such frame, once it has gone by."""
        until = time.monotonic() + WAIT_S
        while not (found := [frame for frame in self.frames(ori, upward=upward) if want(frame)]):
            assert time.monotonic() < until, f"{ori} sent no such frame"
            time.sleep(0.02)
        return found[0]


def _caller(context: grpc.ServicerContext) -> str:
    return pki.peer_name(dict(context.auth_context()))


def _deadline_s(context: grpc.ServicerContext) -> float | None:
    left: float | None = context.time_remaining()
    return left if left is not None and left < _UNBOUNDED_S else None


def frame_rule(change: Callable[[Call, Any], Iterable[Any]], *, upward: bool) -> Rule:
    """A rule over the frames of links; other calls pass."""
    kind: Any = hub_service_pb2.AttachRequest if upward else hub_service_pb2.AttachResponse

    def rule(call: Call, data: bytes) -> Iterable[bytes]:
        if call.method != "Attach":
            return (data,)
        return [kind(frame=frame).SerializeToString() for frame in change(call, kind.FromString(data).frame)]

    return rule
