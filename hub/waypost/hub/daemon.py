"""The hub's process: two servers, the roster's upkeep, and housekeeping; ends cleanly on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from sqlalchemy import Connection

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey
from waypost.crypto.errors import KeystoreError
from waypost.crypto.keystore import Keystore
from waypost.crypto.reading import RequestReader
from waypost.crypto.serving import renewing_server_credentials, server_options, settle, why_not_listening
from waypost.crypto.split_oprf import HalfKey
from waypost.hub import checks, index, mailbox, reconciliations, returned, routing, standings, watches
from waypost.hub.checkpoints import Checkpoints
from waypost.hub.database import Database, empty_log, forget_seen, get_meta, open_engine, put_meta
from waypost.hub.enrolment import EnrolmentService
from waypost.hub.errors import Refused, SettingsError, TrusteeUnavailable
from waypost.hub.limits import (
    CONCURRENT_CALLS_MAX,
    HOUSEKEEPING_INTERVAL_S,
    JOIN_BYTES_MAX,
    MEMBERSHIP_POLL_S,
    RECONCILIATIONS_SIGNED_EVERY_S,
    RESTART_RETRY_AFTER_MS,
    ROSTER_RETRY_FIRST_S,
    ROSTER_RETRY_MAX_S,
    THREAD_TURN_S,
)
from waypost.hub.links import Links
from waypost.hub.members import RosterRoots
from waypost.hub.registrar import Registrar
from waypost.hub.round_keeper import RoundKeeper
from waypost.hub.service import Hub, HubService, now_ms
from waypost.hub.settings import (
    Home,
    Settings,
    TrusteeIdentity,
    database_url,
    index_key_name,
    read_settings,
    read_trustee,
)
from waypost.hub.trustee_link import TrusteeLink
from waypost.protocol.limits import GRPC_MESSAGE_BYTES_MAX
from waypost.protocol.transparency import log_keys
from waypost.v1 import enrolment_service_pb2, hub_service_pb2
from waypost.v1.enrolment_service_pb2_grpc import add_EnrolmentServiceServicer_to_server
from waypost.v1.hub_service_pb2_grpc import add_HubServiceServicer_to_server

_log = logging.getLogger("waypost.hub")
_STOP_GRACE_S: Final = 3.0


@dataclass(slots=True)
class IndexKeys:
    """Both parties' index keys by epoch: our halves from the keystore, the trustee's public ones as it told them."""

    keystore: Keystore
    trustee: TrusteeIdentity
    public: dict[int, bytes]

    def half(self, epoch: int) -> HalfKey:
        """Our half of an epoch."""
        return HalfKey.from_bytes(self.keystore.get(index_key_name(epoch)))

    async def prepare(self, epoch: int, link: TrusteeLink) -> None:
        """Make sure that both halves of an epoch exist."""
        try:
            self.keystore.get(index_key_name(epoch))
        except KeystoreError:
            self.keystore.put(index_key_name(epoch), HalfKey.generate().to_bytes())
        if epoch not in self.public:
            self.public[epoch] = await link.index_key(epoch)

    def roots(self, hub_key: bytes, epoch: int) -> RosterRoots:
        """What a roster of that epoch names."""
        return RosterRoots(hub_key, self.trustee.signing_key, epoch, self.half(epoch).public, self.public[epoch])


async def serve(home: Home, keystore: Keystore) -> None:
    """Serve members until told to stop; prints one line when ready."""
    settings = read_settings(home)
    trustee = read_trustee(home.trustee)
    database = Database(open_engine(database_url(home, settings)))
    key = SigningKey.from_seed(keystore.get("signing"))
    authority = pki.CertificateAuthority.from_bytes(keystore.get("ca"))
    link = TrusteeLink(settings.trustee, trustee.ca_pem, authority)
    keys = IndexKeys(keystore, trustee, {1: trustee.index_key})
    registrar = Registrar(database, link, key, lambda epoch: keys.roots(key.public, epoch))
    await registrar.load()
    if registrar.roster is not None:
        keys.public[registrar.roster.epoch] = registrar.roster.trustee_index_key
    cores = os.cpu_count() or 1
    hub = Hub(
        key=key,
        authority=authority,
        half_key=keys.half,
        database=database,
        trustee=link,
        registrar=registrar,
        links=Links(),
        callers=ThreadPoolExecutor(cores, "callers"),
        cores=ThreadPoolExecutor(cores, "cores"),
    )
    registrar.on_publish(hub.tell_links)
    probe = health.aio.HealthServicer()
    link_server, link_address = await _serve_links(hub, settings, probe)
    enrol_server, enrol_address = await _serve_enrolment(hub, home, keystore, settings, probe)
    await database.run(lambda c: _note_addresses(c, link_address, enrol_address))
    settle()
    sys.setswitchinterval(THREAD_TURN_S)
    print(  # noqa: T201 - for whoever waits for it
        f"waypost-hub serving links on {link_address}, enrolment on {enrol_address}", flush=True
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(_keep_roster(hub, keys)), asyncio.create_task(_housekeeping(hub))]
    tasks.append(asyncio.create_task(_sign_days(hub, trustee.signing_key)))
    log = Checkpoints(database, link, key, log_keys(key.public, trustee.signing_key))
    tasks.append(asyncio.create_task(log.keep()))
    tasks.append(asyncio.create_task(RoundKeeper(hub, keystore).run()))
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await _stop(hub, probe, link_server, enrol_server)


async def _stop(hub: Hub, probe: health.aio.HealthServicer, *servers: aio.Server) -> None:
    await probe.enter_graceful_shutdown()
    for attached in hub.links.all():
        attached.end("restarting", RESTART_RETRY_AFTER_MS)
    await asyncio.gather(*(server.stop(_STOP_GRACE_S) for server in servers))
    await hub.trustee.close()
    hub.callers.shutdown()
    hub.cores.shutdown()
    hub.database.close()


async def _serve_links(hub: Hub, settings: Settings, probe: health.aio.HealthServicer) -> tuple[aio.Server, str]:
    service = HubService(hub)
    options = server_options(message_bytes_max=GRPC_MESSAGE_BYTES_MAX)
    options += [("grpc.max_concurrent_streams", CONCURRENT_CALLS_MAX)]
    server = aio.server(interceptors=(RequestReader(service.malformed),), options=options)
    add_HubServiceServicer_to_server(service, server)
    await _add_standard(server, probe, hub_service_pb2.DESCRIPTOR.services_by_name["HubService"].full_name)
    credentials = renewing_server_credentials(hub.authority, pki.HUB_TLS_NAME, hub.authority.certificate_pem)
    return server, await _start(server, settings.listen, credentials)


async def _serve_enrolment(
    hub: Hub, home: Home, keystore: Keystore, settings: Settings, probe: health.aio.HealthServicer
) -> tuple[aio.Server, str]:
    options = [*server_options(message_bytes_max=GRPC_MESSAGE_BYTES_MAX)]
    options = [option for option in options if option[0] != "grpc.max_receive_message_length"]
    options += [("grpc.max_receive_message_length", JOIN_BYTES_MAX)]
    service = EnrolmentService(hub)
    server = aio.server(interceptors=(RequestReader(service.malformed),), options=options)
    add_EnrolmentServiceServicer_to_server(service, server)
    name = enrolment_service_pb2.DESCRIPTOR.services_by_name["EnrolmentService"].full_name
    await _add_standard(server, probe, name)
    credentials = pki.server_credentials(
        key_pem=keystore.get("enrol"), certificate_pem=home.enrol_certificate.read_bytes(), client_root_pem=None
    )
    return server, await _start(server, settings.enrol_listen, credentials)


async def _add_standard(server: aio.Server, probe: health.aio.HealthServicer, name: str) -> None:
    """Health, of the server and of the service by its name, and reflection."""
    await probe.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(probe, server)
    reflection.enable_server_reflection((name, health.SERVICE_NAME, reflection.SERVICE_NAME), server)


async def _start(server: aio.Server, address: str, credentials: object) -> str:
    hint = (
        "perhaps this hub is served already, or another program holds the port (ss -ltnp tells); settings.toml has it"
    )
    if why := why_not_listening(address):
        raise SettingsError(f"nothing can listen on {address}: {why}", hint=hint)
    try:
        port = server.add_secure_port(address, credentials)  # type: ignore[arg-type]
    except RuntimeError:
        raise SettingsError(f"nothing can listen on {address}", hint=hint) from None
    await server.start()
    return f"{address.rpartition(':')[0]}:{port}"


def _note_addresses(connection: Connection, link_address: str, enrol_address: str) -> None:
    put_meta(connection, "link_address", link_address)
    put_meta(connection, "enrol_address", enrol_address)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the operator's commands last asked for: a count of membership changes, and the epoch."""

    membership: int
    epoch: int


def _wanted(connection: Connection) -> _Wanted:
    return _Wanted(int(get_meta(connection, "membership") or "0"), int(get_meta(connection, "epoch") or "1"))


async def _keep_roster(hub: Hub, keys: IndexKeys) -> None:
    """Publish whatever the operator's commands changed, and renew in time; back off while the trustee is away."""
    retry_s, done = ROSTER_RETRY_FIRST_S, None
    while True:
        try:
            wanted = await hub.database.run(_wanted)
            if wanted != done or hub.registrar.renewal_due():
                await hub.registrar.bar_suspended()
                await keys.prepare(wanted.epoch, hub.trustee)
                await hub.registrar.refresh(wanted.epoch)
                done = wanted
            retry_s = ROSTER_RETRY_FIRST_S
            await asyncio.sleep(MEMBERSHIP_POLL_S)
        except (TrusteeUnavailable, Refused) as error:
            _log.warning("no new roster: %s (the trustee is expected at %s)", error, hub.trustee.address)
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, ROSTER_RETRY_MAX_S)
        except Exception:  # noqa: BLE001 - the roster must be kept up whatever happens
            _log.exception("the roster's upkeep failed")
            await asyncio.sleep(ROSTER_RETRY_MAX_S)


async def _housekeeping(hub: Hub) -> None:
    while True:
        try:
            await _tidy(hub, now_ms())
        except Exception:  # noqa: BLE001 - the next round may do what this one could not
            _log.exception("housekeeping failed; it tries again")
        await asyncio.sleep(HOUSEKEEPING_INTERVAL_S)


async def _sign_days(hub: Hub, trustee_key: bytes) -> None:
    """Comparisons first: a day's standings rest on them."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await hub.database.run(lambda c: reconciliations.sign_days(c, hub.key, now_ms()))
            await loop.run_in_executor(
                hub.callers, lambda: standings.keep(hub.database.engine, hub.key, trustee_key, now_ms())
            )
        except Exception:  # noqa: BLE001 - counts stay until they are signed, days until they are kept
            _log.exception("the day's comparisons or standings could not be signed; the hub tries again")
        await asyncio.sleep(RECONCILIATIONS_SIGNED_EVERY_S)


async def _tidy(hub: Hub, moment_ms: int) -> None:
    """Close what has expired, and forget what was delivered or no longer counts."""
    askers = await hub.database.run(lambda c: checks.expire_checks(c, key=hub.key, now_ms=moment_ms))
    hub.links.wake(askers)
    await hub.database.run(lambda c: mailbox.drop_expired(c, moment_ms))
    await hub.database.run(lambda c: returned.drop_expired(c, moment_ms))
    await hub.database.run(lambda c: forget_seen(c, moment_ms))
    await hub.database.run(lambda c: routing.forget_counts(c, moment_ms))
    while await hub.database.run(lambda c: checks.forget_delivered(c, moment_ms)):
        pass
    roster = hub.registrar.roster
    if roster is not None:
        await hub.database.run(lambda c: watches.drop_expired(c, roster.epoch, moment_ms))
    while roster is not None and await hub.database.run(lambda c: index.drop_past_epochs(c, roster.epoch)):
        pass
    # Who matched a check is deleted by now, and shall not go on standing in the database's log.
    await asyncio.get_running_loop().run_in_executor(hub.callers, empty_log, hub.database.engine)
