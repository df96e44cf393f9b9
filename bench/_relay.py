"""Bare gRPC over mutual TLS with a check's hops and message sizes: what is left of a check without Waypost.

An asker submits by a unary call and gets a receipt; the relay puts a query on the holder's stream; the holder takes it
and posts an answer; the relay puts it, and two receipts, on the asker's stream, who takes them. The bytes mean nothing:
the first says what kind of message it is, the next twelve which asker and which check; nothing is stored.

    python bench/_relay.py serve FOLDER | hold FOLDER

run as a process of its own, on the certificates that `Material.write` has left in the folder.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from _process import ADDRESS, Process
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.serving import channel_options, renewing_server_credentials, server_options
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX

if TYPE_CHECKING:  # a relay's process starts without all that founds a federation
    from _federation import Federation, Party

Call: TypeAlias = Any
"""A stream of bytes; gRPC's stubs know none whose messages are not protobuf."""

SERVICE = "bench.Relay"
QUERY, POST, ANSWER, RECEIPT, TAKEN, RESULT = (bytes((kind,)) for kind in range(6))
HEAD_BYTES = 13
"""The kind, and asker, holder and check in four bytes each."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of each message of one check, as they were seen on Waypost's own wire."""

    request: int
    receipt: int
    query: int
    post: int
    answer: int
    mailed_receipt: int
    taken: int
    result: int


@dataclass(frozen=True, slots=True)
class Head:
    """Which check a message is of."""

    asker: int
    holder: int
    check: int

    def framed(self, kind: bytes, size: int) -> bytes:
        """A message of that kind and size."""
        numbers = b"".join(number.to_bytes(4, "big") for number in (self.asker, self.holder, self.check))
        return (kind + numbers).ljust(size, b"\0")

    @classmethod
    def of(cls, data: bytes) -> Head:
        return cls(*(int.from_bytes(data[at : at + 4], "big") for at in (1, 5, 9)))


class Relay:
    """The process in the middle."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._streams: dict[int, asyncio.Queue[bytes]] = {}

    async def submit(self, data: bytes, _context: object) -> bytes:
        head = Head.of(data)
        self._streams[head.holder].put_nowait(head.framed(QUERY, self._sizes.query))
        self._streams[head.asker].put_nowait(head.framed(RECEIPT, self._sizes.mailed_receipt))
        return head.framed(RECEIPT, self._sizes.receipt)

    async def attach(self, requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        hello = await anext(requests)
        self._streams[Head.of(hello).asker] = outgoing
        outgoing.put_nowait(hello)
        reader = asyncio.create_task(self._read(requests, outgoing))
        try:
            while True:
                yield await outgoing.get()
        finally:
            reader.cancel()

    async def _read(self, requests: AsyncIterator[bytes], outgoing: asyncio.Queue[bytes]) -> None:
        sizes = self._sizes
        async for data in requests:
            if data[:1] != POST:
                continue
            head = Head.of(data)
            outgoing.put_nowait(head.framed(RESULT, sizes.result))
            self._streams[head.asker].put_nowait(head.framed(ANSWER, sizes.answer))
            self._streams[head.asker].put_nowait(head.framed(RECEIPT, sizes.mailed_receipt))


class End:
    """One member's channel to the relay."""

    def __init__(self, number: int, sizes: Sizes, channel: aio.Channel) -> None:
        self._number, self._sizes = number, sizes
        self._submit: Any = channel.unary_unary(f"/{SERVICE}/Submit")
        self._attach: Any = channel.stream_stream(f"/{SERVICE}/Attach")
        self._answered: Callable[[int], None] = lambda _check: None
        self._tasks: list[asyncio.Task[None]] = []

    async def attach(self, answered: Callable[[int], None] = lambda _check: None) -> None:
        """Attach; from now on queries are answered, and `answered` is told the number of a check that was."""
        self._answered = answered
        call = self._attach()
        await call.write(Head(self._number, 0, 0).framed(TAKEN, HEAD_BYTES))
        await call.read()  # the relay has taken it up
        self._tasks.append(asyncio.create_task(self._read(call)))

    async def ask(self, holder: int, check: int) -> None:
        await self._submit(Head(self._number, holder, check).framed(RECEIPT, self._sizes.request))

    async def _read(self, call: Call) -> None:
        sizes = self._sizes
        while (data := await call.read()) is not aio.EOF:
            kind = data[:1]
            if kind == RESULT:
                continue
            head = Head.of(data)
            if kind == ANSWER:
                self._answered(head.check)
            await call.write(head.framed(TAKEN, sizes.taken))
            if kind == QUERY:
                await call.write(head.framed(POST, sizes.post))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


def write_material(folder: Path, federation: Federation, holder: Party, sizes: Sizes) -> None:
    """What the relay and a holder in a process of its own need."""
    folder.mkdir()
    (folder / "ca").write_bytes(federation.authority.to_bytes())
    (folder / "authority.pem").write_bytes(federation.authority.certificate_pem)
    (folder / "key.pem").write_bytes(federation.tls_key)
    (folder / "certificate.pem").write_bytes(holder.certificate)
    (folder / "relay.json").write_text(json.dumps({"holder": holder.number, "sizes": asdict(sizes)}))


def start(folder: Path) -> tuple[Process, str]:
    """The relay as a process of its own, and where it listens."""
    process = Process([sys.executable, Path(__file__), "serve", folder], folder / "serve.log", "listening on")
    return process, process.wait().rpartition(" ")[2]


def start_holder(folder: Path, address: str) -> Process:
    """A holder as a process of its own, attached."""
    process = Process([sys.executable, Path(__file__), "hold", folder, address], folder / "hold.log", "attached")
    process.wait()
    return process


async def _serve(folder: Path, sizes: Sizes) -> None:
    authority = pki.CertificateAuthority.from_bytes((folder / "ca").read_bytes())
    relay, server = Relay(sizes), aio.server(options=server_options(message_bytes_max=GRPC_MESSAGE_BYTES_MAX))
    handlers: dict[str, Any] = {
        "Submit": grpc.unary_unary_rpc_method_handler(relay.submit),
        "Attach": grpc.stream_stream_rpc_method_handler(relay.attach),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    credentials = renewing_server_credentials(authority, pki.HUB_TLS_NAME, authority.certificate_pem)
    port = server.add_secure_port(f"{ADDRESS}0", credentials)
    await server.start()
    print(f"listening on {ADDRESS}{port}", flush=True)
    await server.wait_for_termination()


async def _hold(folder: Path, sizes: Sizes, number: int, address: str) -> None:
    credentials = pki.channel_credentials(
        root_pem=(folder / "authority.pem").read_bytes(),
        key_pem=(folder / "key.pem").read_bytes(),
        certificate_pem=(folder / "certificate.pem").read_bytes(),
    )
    options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
    async with aio.secure_channel(address, credentials, options=options) as channel:
        await End(number, sizes, channel).attach()
        print("attached", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    role, folder = sys.argv[1], Path(sys.argv[2])
    facts = json.loads((folder / "relay.json").read_text())
    sizes = Sizes(**facts["sizes"])
    asyncio.run(_serve(folder, sizes) if role == "serve" else _hold(folder, sizes, facts["holder"], sys.argv[3]))


if __name__ == "__main__":
    main()
