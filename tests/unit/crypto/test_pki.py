"""The federation's certificates, tried in real TLS handshakes over loopback."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from waypost.crypto.errors import PkiError
from waypost.crypto.limits import PEM_BYTES_MAX
from waypost.crypto.pki import (
    HUB_TLS_NAME,
    TRUSTEE_TLS_NAME,
    CertificateAuthority,
    certificate_expiry,
    certificate_name,
    channel_credentials,
    fingerprint,
    make_csr,
    new_key_pem,
    peer_name,
    renewal_due,
    self_signed,
    server_credentials,
)

NOW = datetime.now(UTC).replace(microsecond=0)
ORI = "CA9900100"
AUTHORITY = CertificateAuthority.create("Waypost test authority", now=NOW)
STRANGER = CertificateAuthority.create("Waypost test authority", now=NOW)
WHO_AM_I = "/waypost.test/WhoAmI"


def issued(
    name: str, *, server: bool = False, authority: CertificateAuthority = AUTHORITY, now: datetime = NOW
) -> tuple[bytes, bytes]:
    """A key and its certificate."""
    key = new_key_pem()
    return key, authority.issue(make_csr(key, name), name=name, server=server, now=now)


class WhoAmI(grpc.GenericRpcHandler):
    """Answers every call with the name of the peer, as peer_name reads it from the connection."""

    def service(self, _handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return peer_name(context.auth_context()).encode()
        except PkiError as error:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))


@contextmanager
def serving(credentials: grpc.ServerCredentials) -> Iterator[int]:
    """A gRPC server on a port of loopback."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((WhoAmI(),))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def ask(port: int, credentials: grpc.ChannelCredentials, server_name: str = HUB_TLS_NAME) -> str:
    """Call the server once: the name by which it knows us."""
    options = (("grpc.ssl_target_name_override", server_name), ("grpc.enable_retries", 0))
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
        call = channel.unary_unary(WHO_AM_I, request_serializer=str.encode, response_deserializer=bytes.decode)
        return call("", timeout=5)


@pytest.fixture(scope="module")
def hub() -> Iterator[int]:
    """The port of a server that asks for members' certificates."""
    key, certificate = issued(HUB_TLS_NAME, server=True)
    credentials = server_credentials(
        key_pem=key, certificate_pem=certificate, client_root_pem=AUTHORITY.certificate_pem
    )
    with serving(credentials) as port:
        yield port


def as_client(key: bytes, certificate: bytes) -> grpc.ChannelCredentials:
    """A client of the federation with this certificate."""
    return channel_credentials(root_pem=AUTHORITY.certificate_pem, key_pem=key, certificate_pem=certificate)


def test_a_member_connects_and_is_known_by_its_ori(hub: int) -> None:
    assert ask(hub, as_client(*issued(ORI))) == ORI


def test_a_renewed_certificate_for_the_same_key_connects(hub: int) -> None:
    key, first = issued(ORI, now=NOW - timedelta(days=20))
    assert renewal_due(first, now=NOW + timedelta(minutes=1))
    renewed = AUTHORITY.issue(make_csr(key, ORI), name=ORI, server=False, now=NOW)
    assert not renewal_due(renewed, now=NOW)
    assert certificate_expiry(renewed) == NOW + timedelta(days=30)
    assert ask(hub, as_client(key, renewed)) == ORI


@pytest.mark.parametrize(
    ("case", "credentials"),
    [
        ("another authority's", as_client(*issued(ORI, authority=STRANGER))),
        ("expired", as_client(*issued(ORI, now=NOW - timedelta(days=31)))),
        ("not yet valid", as_client(*issued(ORI, now=NOW + timedelta(days=2)))),
        ("a server's", as_client(*issued(ORI, server=True))),
        ("none", channel_credentials(root_pem=AUTHORITY.certificate_pem)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_client_without_a_valid_members_certificate_is_refused(
    hub: int, case: str, credentials: grpc.ChannelCredentials
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        ask(hub, credentials)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE, case


@pytest.mark.parametrize(
    ("key", "certificate"),
    [
        issued(HUB_TLS_NAME, server=True, authority=STRANGER),
        issued(HUB_TLS_NAME, server=True, now=NOW - timedelta(days=31)),
        issued(TRUSTEE_TLS_NAME, server=True),
        issued(HUB_TLS_NAME, server=False),
    ],
    ids=["another authority's", "expired", "another server's", "a member's"],
)
def test_a_client_refuses_a_server_without_the_expected_certificate(key: bytes, certificate: bytes) -> None:
    credentials = server_credentials(
        key_pem=key, certificate_pem=certificate, client_root_pem=AUTHORITY.certificate_pem
    )
    with serving(credentials) as port, pytest.raises(grpc.RpcError) as refused:
        ask(port, as_client(*issued(ORI)))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_server_that_asks_for_no_certificate_knows_no_peer() -> None:
    key, certificate = issued(HUB_TLS_NAME, server=True)
    credentials = server_credentials(key_pem=key, certificate_pem=certificate, client_root_pem=None)
    with serving(credentials) as port, pytest.raises(grpc.RpcError) as refused:
        ask(port, as_client(*issued(ORI)))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_node_enrols_with_no_more_than_a_pinned_fingerprint() -> None:
    key, certificate = self_signed(HUB_TLS_NAME, now=NOW, lifetime=timedelta(days=3650))
    pinned = fingerprint(certificate)
    credentials = server_credentials(key_pem=key, certificate_pem=certificate, client_root_pem=None)
    with serving(credentials) as port:
        fetched = ssl.get_server_certificate(("127.0.0.1", port), timeout=5).encode()
        assert fingerprint(fetched) == pinned
        with pytest.raises(grpc.RpcError) as refused:
            ask(port, channel_credentials(root_pem=fetched))
    # The handshake was good: what refuses is the server's own handler, which sees no client certificate.
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_an_impostor_of_the_same_name_is_told_from_the_pinned_server() -> None:
    _, certificate = self_signed(HUB_TLS_NAME, now=NOW, lifetime=timedelta(days=3650))
    key, impostor = self_signed(HUB_TLS_NAME, now=NOW, lifetime=timedelta(days=3650))
    assert fingerprint(impostor) != fingerprint(certificate)
    credentials = server_credentials(key_pem=key, certificate_pem=impostor, client_root_pem=None)
    with serving(credentials) as port, pytest.raises(grpc.RpcError) as refused:
        ask(port, channel_credentials(root_pem=certificate))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_says_who_its_member_is() -> None:
    _, pem = issued(ORI)
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate_name(pem) == ORI
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"waypost:member:{ORI}"]
    assert names.get_values_for_type(x509.DNSName) == []


def test_a_server_certificate_bears_its_dns_name() -> None:
    _, pem = issued(HUB_TLS_NAME, server=True)
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HUB_TLS_NAME]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == []


def test_what_a_request_asks_for_beyond_its_key_is_ignored() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier("waypost:member:hub")]), False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    certificate = x509.load_pem_x509_certificate(AUTHORITY.issue(greedy, name=ORI, server=False, now=NOW))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert certificate.public_key() == key.public_key()
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"waypost:member:{ORI}"]
    assert len(certificate.subject) == 1


def test_a_request_for_somebody_elses_key_is_refused() -> None:
    mine, theirs = new_key_pem(), new_key_pem()
    request = x509.load_pem_x509_csr(make_csr(mine, ORI))
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = serialization.load_pem_private_key(theirs, None).public_key().public_bytes(*spki)
    der = request.public_bytes(serialization.Encoding.DER)
    swapped = der.replace(request.public_key().public_bytes(*spki), public)
    assert swapped != der
    forged = x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(PkiError, match="not signed by its own key"):
        AUTHORITY.issue(forged, name=ORI, server=False, now=NOW)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_request_for_a_key_that_grpc_cannot_use_is_refused(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    algorithm = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, algorithm)
    with pytest.raises(PkiError, match="P-256"):
        AUTHORITY.issue(request.public_bytes(serialization.Encoding.PEM), name=ORI, server=False, now=NOW)


def test_a_certificate_for_a_key_that_grpc_cannot_use_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ORI)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1)).public_key(key.public_key())
    with pytest.raises(PkiError, match="P-256"):
        certificate_name(builder.sign(key, None).public_bytes(serialization.Encoding.PEM))


def test_a_certificate_never_outlives_its_authority() -> None:
    late = certificate_expiry(AUTHORITY.certificate_pem) - timedelta(days=3)
    _, certificate = issued(ORI, now=late)
    assert certificate_expiry(certificate) == certificate_expiry(AUTHORITY.certificate_pem)


def test_an_expired_authority_issues_nothing() -> None:
    with pytest.raises(PkiError):
        issued(ORI, now=certificate_expiry(AUTHORITY.certificate_pem) + timedelta(seconds=1))


def test_an_authority_comes_back_from_its_bytes() -> None:
    again = CertificateAuthority.from_bytes(AUTHORITY.to_bytes())
    assert again.certificate_pem == AUTHORITY.certificate_pem
    _, certificate = issued(ORI, authority=again)
    root = x509.load_pem_x509_certificate(AUTHORITY.certificate_pem)
    x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(root)


def test_an_authority_with_anothers_certificate_is_refused() -> None:
    with pytest.raises(PkiError, match="do not belong together"):
        CertificateAuthority.from_bytes(new_key_pem() + AUTHORITY.certificate_pem)


def test_credentials_of_a_key_and_a_foreign_certificate_are_refused_before_any_connection() -> None:
    _, certificate = issued(ORI)
    with pytest.raises(PkiError, match="do not belong together"):
        as_client(new_key_pem(), certificate)
    with pytest.raises(PkiError, match="do not belong together"):
        server_credentials(key_pem=new_key_pem(), certificate_pem=certificate, client_root_pem=None)


@pytest.mark.parametrize("name", ["", "x" * 65, "CA\x009900100", "Zürich", "CA\n"])
def test_a_name_that_could_be_read_in_two_ways_is_refused(name: str) -> None:
    with pytest.raises(PkiError):
        AUTHORITY.issue(make_csr(new_key_pem(), ORI), name=name, server=False, now=NOW)
    with pytest.raises(PkiError):
        AUTHORITY.issue(make_csr(new_key_pem(), ORI), name=name, server=True, now=NOW)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(PkiError, match="time zone"):
        issued(ORI, now=NOW.replace(tzinfo=None))


def test_a_name_without_the_members_uri_does_not_make_a_member() -> None:
    context = {"x509_common_name": [ORI.encode()], "x509_subject_alternative_name": [b"waypost:member:NY9900100"]}
    with pytest.raises(PkiError, match="not a member's"):
        peer_name(context)
    context["x509_subject_alternative_name"] = [f"waypost:member:{ORI}".encode()]
    assert peer_name(context) == ORI
    context["x509_common_name"] *= 2
    with pytest.raises(PkiError):
        peer_name(context)


def test_oversized_bytes_are_refused_unread() -> None:
    _, certificate = issued(ORI)
    with pytest.raises(PkiError, match="larger"):
        certificate_name(certificate + b"\n" * PEM_BYTES_MAX)
