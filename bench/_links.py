"""Members that are attached to a hub and do nothing: a process of its own that holds their links.

    python bench/_links.py FOLDER      (says "attached", then holds them until it is told to stop)

Each has its own connection with its own certificate, and a stream that is up, as a node's is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _process import Process
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.serving import channel_options
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX
from waypost.v1 import hub_service_pb2, link_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

if TYPE_CHECKING:  # a relay's process starts without all that founds a federation
    from _federation import Federation, Party

AT_A_TIME = 32
"""Handshakes at work."""
START_TIMEOUT_S = 300.0


def start(federation: Federation, members: list[Party]) -> Process:
    """Attach these members to the hub; their process, once all are."""
    folder = federation.folder / "links"
    folder.mkdir()
    (folder / "authority.pem").write_bytes(federation.authority.certificate_pem)
    (folder / "key.pem").write_bytes(federation.tls_key)
    facts = {
        "address": federation.address,
        "version": federation.roster.version,
        "certificates": [party.certificate.decode() for party in members],
    }
    (folder / "links.json").write_text(json.dumps(facts))
    process = Process([sys.executable, Path(__file__), folder], folder / "links.log", "attached")
    process.wait(START_TIMEOUT_S)
    return process


async def _attach(folder: Path) -> None:
    facts = json.loads((folder / "links.json").read_text())
    root, key = ((folder / name).read_bytes() for name in ("authority.pem", "key.pem"))
    options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
    turn, held = asyncio.Semaphore(AT_A_TIME), list[Any]()

    async def one(certificate: str) -> None:
        async with turn:
            credentials = pki.channel_credentials(root_pem=root, key_pem=key, certificate_pem=certificate.encode())
            channel = aio.secure_channel(facts["address"], credentials, options=options)
            call: Any = HubServiceStub(channel).Attach()
            hello = link_pb2.Hello(protocol=1, roster_version=facts["version"], software="bench")
            await call.write(hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(hello=hello)))
            first = await call.read()
            assert first.frame.HasField("welcome"), first
            held.append((channel, call))

    await asyncio.gather(*(one(certificate) for certificate in facts["certificates"]))
    print(f"attached {len(held)}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_attach(Path(sys.argv[1])))
