"""What long-running gRPC parties share: server credentials that renew themselves, channel options, and a settled heap.

A server whose party is its own authority issues its certificate when it starts, and a new one when two thirds of that
one's life are over; handshakes from then on show the new one, and streams that are up stay up.
"""

from __future__ import annotations

import gc
import socket
from datetime import UTC, datetime
from typing import Final

import grpc

from waypost.crypto import pki

KEEPALIVE_TIME_MS: Final = 20_000
"""A silent connection is probed this often: firewalls forget idle ones after a minute or so."""

KEEPALIVE_TIMEOUT_MS: Final = 10_000
"""A probe unanswered this long ends the connection."""


YOUNG_OBJECTS_MAX: Final = 10_000
"""New objects between two looks of Python's cycle collector. A message makes some hundreds, nearly none in cycles."""


def settle() -> None:
    """Called once when a party is up: what it has loaded by then stays, and the cycle collector leaves it alone.

    Otherwise the collector goes through some hundred thousand objects of the libraries again and again: a fifth of a
    busy hub's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])


def utc_now() -> datetime:
    """The clock for certificates."""
    return datetime.now(UTC)


def renewing_server_credentials(
    authority: pki.CertificateAuthority, name: str, client_root_pem: bytes
) -> grpc.ServerCredentials:
    """Credentials of a server of that DNS name, issued by its own authority; clients must show a certificate."""
    key_pem = pki.new_key_pem()
    request = pki.make_csr(key_pem, name)
    held = [authority.issue(request, name=name, server=True, now=utc_now())]

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(key_pem, held[0])], client_root_pem)

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Asked at every handshake. None leaves all as it is: a new configuration each time would have handshakes that
        are at work at once fail, for each replaces what the others use.
        """
        if not pki.renewal_due(held[0], now=utc_now()):
            return None
        held[0] = authority.issue(request, name=name, server=True, now=utc_now())
        return configuration()

    # The stubs do not know that gRPC takes None for "no change".
    return grpc.dynamic_ssl_server_credentials(configuration(), renewed, require_client_authentication=True)  # type: ignore[arg-type]


def why_not_listening(address: str) -> str:
    """Why nothing can listen on HOST:PORT, in the system's words; empty when something can.

    Asked before gRPC is: that prints a line of its own for whoever wrote it, and does not tell a reason.
    """
    host, _, port = address.rpartition(":")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", None) or "it is no address").lower()
    return ""


def channel_options(tls_name: str, *, message_bytes_max: int) -> list[tuple[str, str | int]]:
    """Options of a channel to the server of that DNS name, whatever its address; with keepalive."""
    return [("grpc.ssl_target_name_override", tls_name), *_common_options(message_bytes_max)]


def server_options(*, message_bytes_max: int) -> list[tuple[str, str | int]]:
    """Options of a server; two servers never share a port by accident."""
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_TIME_MS // 2),
        *_common_options(message_bytes_max),
    ]


def _common_options(message_bytes_max: int) -> list[tuple[str, str | int]]:
    return [
        ("grpc.max_receive_message_length", message_bytes_max),
        ("grpc.max_send_message_length", message_bytes_max),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
