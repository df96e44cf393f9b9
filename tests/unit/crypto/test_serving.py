"""A server that renews its own certificate, tried in real TLS handshakes over loopback."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from waypost.crypto import serving
from waypost.crypto.pki import HUB_TLS_NAME, CertificateAuthority, channel_credentials, make_csr, new_key_pem

NOW = datetime.now(UTC).replace(microsecond=0)
AUTHORITY = CertificateAuthority.create("Waypost test authority", now=NOW - timedelta(days=60))
ECHO = "/waypost.test/Echo"
AT_ONCE = 24
ROUNDS = 4


class Echo(grpc.GenericRpcHandler):
    """Gives back what it gets."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return (
            grpc.unary_unary_rpc_method_handler(lambda data, _: data) if handler_call_details.method == ECHO else None
        )


@contextmanager
def served() -> Iterator[int]:
    """The port of a server that renews its certificate."""
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    credentials = serving.renewing_server_credentials(AUTHORITY, HUB_TLS_NAME, AUTHORITY.certificate_pem)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def test_handshakes_at_once_all_succeed_as_when_every_node_comes_back_after_a_restart() -> None:
    key = new_key_pem()

    def call(number: int, port: int) -> str:
        name = f"CA{number:05d}00"  # a certificate of its own each, so that connections are not shared
        certificate = AUTHORITY.issue(make_csr(key, name), name=name, server=False, now=NOW)
        credentials = channel_credentials(root_pem=AUTHORITY.certificate_pem, key_pem=key, certificate_pem=certificate)
        options = (("grpc.ssl_target_name_override", HUB_TLS_NAME), ("grpc.enable_retries", 0))
        with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
            ask = channel.unary_unary(ECHO, request_serializer=str.encode, response_deserializer=bytes.decode)
            return ask(name, timeout=20)

    for _ in range(ROUNDS):
        with served() as port, ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(call, range(AT_ONCE), [port] * AT_ONCE))
        assert answers == [f"CA{number:05d}00" for number in range(AT_ONCE)]


def test_a_server_shows_a_new_certificate_when_the_old_one_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key_pem()
    own = AUTHORITY.issue(make_csr(key, "CA9900100"), name="CA9900100", server=False, now=NOW)
    (tmp_path / "own.pem").write_bytes(key + own)

    def shown(port: int) -> int:
        context = ssl.create_default_context(cadata=AUTHORITY.certificate_pem.decode())
        context.load_cert_chain(tmp_path / "own.pem")
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=HUB_TLS_NAME) as connection,
        ):
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number

    monkeypatch.setattr(serving, "utc_now", lambda: NOW - timedelta(days=25))
    with served() as port:
        first = shown(port)
        assert shown(port) == first
        monkeypatch.setattr(serving, "utc_now", lambda: NOW)
        renewed = shown(port)
        assert renewed != first
        assert shown(port) == renewed
