"""The trustee's process: one loop, one server, and housekeeping; ends cleanly on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from waypost.crypto.keystore import Keystore
from waypost.crypto.pki import TRUSTEE_TLS_NAME, CertificateAuthority
from waypost.crypto.reading import RequestReader
from waypost.crypto.serving import renewing_server_credentials, server_options, settle, why_not_listening
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX
from waypost.trustee.errors import SettingsError
from waypost.trustee.limits import HOUSEKEEPING_INTERVAL_S
from waypost.trustee.round_service import RoundService
from waypost.trustee.rounds import RoundDesk
from waypost.trustee.service import Executors, Trustee, TrusteeService
from waypost.trustee.settings import Home, listen_address, read_hub
from waypost.trustee.store import Store
from waypost.v1.round_service_pb2_grpc import add_RoundServiceServicer_to_server
from waypost.v1.trustee_service_pb2_grpc import add_TrusteeServiceServicer_to_server

_log = logging.getLogger("waypost.trustee")
_STOP_GRACE_S: Final = 5.0


async def serve(home: Home, keystore: Keystore) -> None:
    """Serve the accepted hub until told to stop; prints one line when ready."""
    cores = os.cpu_count() or 1
    executors = Executors(
        ThreadPoolExecutor(1, "store"), ThreadPoolExecutor(cores, "callers"), ThreadPoolExecutor(cores, "cores")
    )
    hub, store = read_hub(home.hub), Store(home.database)
    trustee = Trustee(keystore, store, hub)
    service = TrusteeService(trustee, executors)
    desk = RoundDesk(keystore, store, hub.signing_key, trustee.key, lambda: trustee.roster)
    options = server_options(message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
    server = aio.server(interceptors=(RequestReader(service.malformed),), options=options)
    add_TrusteeServiceServicer_to_server(service, server)
    add_RoundServiceServicer_to_server(RoundService(desk, service), server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    authority = CertificateAuthority.from_bytes(keystore.get("ca"))
    address = listen_address(home)
    hint = "perhaps this trustee is served already, or another program holds the port (ss -ltnp); settings.toml has it"
    if why := why_not_listening(address):
        raise SettingsError(f"nothing can listen on {address}: {why}", hint=hint)
    try:
        credentials = renewing_server_credentials(authority, TRUSTEE_TLS_NAME, hub.ca_pem)
        port = server.add_secure_port(address, credentials)
    except RuntimeError:
        raise SettingsError(f"nothing can listen on {address}", hint=hint) from None
    await server.start()
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    settle()
    print(f"waypost-trustee serving on {address.rpartition(':')[0]}:{port}", flush=True)  # noqa: T201 - for whoever waits
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    housekeeper = asyncio.create_task(_housekeeping(store, desk, executors.store))
    await stop.wait()
    housekeeper.cancel()
    await checks.enter_graceful_shutdown()
    await server.stop(_STOP_GRACE_S)
    for executor in (executors.callers, executors.cores, executors.store):
        executor.shutdown()
    store.close()


async def _housekeeping(store: Store, desk: RoundDesk, executor: ThreadPoolExecutor) -> None:
    while True:
        now_ms = time.time_ns() // 1_000_000
        await asyncio.get_running_loop().run_in_executor(executor, store.housekeeping, now_ms)
        await asyncio.get_running_loop().run_in_executor(executor, desk.tidy, now_ms)
        await asyncio.sleep(HOUSEKEEPING_INTERVAL_S)
