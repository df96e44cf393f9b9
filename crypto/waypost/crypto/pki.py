"""The federation's private certificate authority, and mutual TLS for gRPC from it.

X.509 (RFC 5280), ECDSA P-256 with SHA-256. gRPC's TLS takes no Ed25519 certificates, so these keys are apart from those
that sign messages: TLS guards the connection, envelopes guard what is said over it.

1. A signing request is refused unless it is signed by its own key, and that key is on P-256.
2. Of a request only the key is taken. Name, use and life of a certificate are the issuer's decision.
3. A member's certificate is for TLS clients only; its common name is the ORI, repeated as the URI waypost:member:<ORI>.
   A server's certificate is for TLS servers only; its DNS name is its common name.
4. Certificates live 30 days and are renewed after two thirds of that, so nothing is ever revoked: a suspended member
   is refused by the roster at once, and not renewed.
5. A certificate never outlives its authority. It is valid from CLOCK_SKEW_MAX_MS before its issue.
6. A peer's name counts only if its certificate bears rule 3's URI for that very name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from waypost.crypto.errors import PkiError
from waypost.crypto.limits import CLOCK_SKEW_MAX_MS, PEM_BYTES_MAX

HUB_TLS_NAME: Final = "hub.waypost.internal"
TRUSTEE_TLS_NAME: Final = "trustee.waypost.internal"
"""Names in server certificates, whatever the machine's address; clients set grpc.ssl_target_name_override to them."""

MEMBER_URI_PREFIX: Final = "waypost:member:"
CERTIFICATE_LIFETIME: Final = timedelta(days=30)
AUTHORITY_LIFETIME: Final = timedelta(days=3653)
"""Ten years: changing the authority means a new roster and a new link of every member."""

_NAME_CHARS_MAX: Final = 64  # ub-common-name, RFC 5280 appendix A.1
_BACKDATED: Final = timedelta(milliseconds=CLOCK_SKEW_MAX_MS)
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises for bytes that are not what they should be."""


def new_key_pem() -> bytes:
    """A fresh P-256 private key, PKCS #8 PEM, unencrypted: it belongs into a keystore."""
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def make_csr(key_pem: bytes, name: str) -> bytes:
    """A signing request (RFC 2986, PEM) for this key; `name` is for people, and decides nothing (rule 2)."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_subject(name))
    return request.sign(_load_key(key_pem), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class CertificateAuthority:
    """A private root. `certificate_pem` is public; `to_bytes()` holds the private key and belongs into a keystore."""

    __slots__ = ("_certificate", "_key", "certificate_pem")

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        if key.public_key() != certificate.public_key():
            raise PkiError("the authority's key and certificate do not belong together")
        self._key = key
        self._certificate = certificate
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)

    @classmethod
    def create(cls, common_name: str, *, now: datetime) -> CertificateAuthority:
        """A new authority that lives AUTHORITY_LIFETIME from `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = _key_usage(certificate_sign=True)
        builder = _builder(common_name, key.public_key(), now, now + AUTHORITY_LIFETIME)
        builder = builder.issuer_name(_subject(common_name)).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def from_bytes(cls, data: bytes) -> CertificateAuthority:
        """The authority that `to_bytes` gave; PkiError for anything else."""
        key_pem, marker, rest = data.partition(b"-----BEGIN CERTIFICATE-----")
        return cls(_load_key(key_pem), _load_certificate(marker + rest))

    def to_bytes(self) -> bytes:
        """Private key and certificate, PEM."""
        return _key_pem(self._key) + self.certificate_pem

    def __repr__(self) -> str:
        return f"CertificateAuthority({fingerprint(self.certificate_pem).hex()[:16]})"

    def issue(
        self, csr_pem: bytes, *, name: str, server: bool, now: datetime, lifetime: timedelta = CERTIFICATE_LIFETIME
    ) -> bytes:
        """A certificate (PEM) for the request's key under `name` (rules 1 to 5); PkiError for a bad request."""
        builder = _builder(name, _requested_key(csr_pem), now, now + lifetime, self._certificate.not_valid_after_utc)
        builder = _leaf(builder, name, server=server)
        builder = builder.issuer_name(self._certificate.subject).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def self_signed(name: str, *, now: datetime, lifetime: timedelta) -> tuple[bytes, bytes]:
    """A fresh key and a server certificate signed by itself (both PEM), for a client that knows its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _leaf(_builder(name, key.public_key(), now, now + lifetime), name, server=True)
    certificate = builder.issuer_name(_subject(name)).sign(key, hashes.SHA256())
    return _key_pem(key), certificate.public_bytes(serialization.Encoding.PEM)


def certificate_name(pem: bytes) -> str:
    """The common name: an ORI, a party or a server."""
    return _common_name(_load_certificate(pem))


def certificate_expiry(pem: bytes) -> datetime:
    """When the certificate ends, UTC."""
    return _load_certificate(pem).not_valid_after_utc


def renewal_due(pem: bytes, *, now: datetime) -> bool:
    """Whether two thirds of the certificate's life are over (rule 4)."""
    certificate = _load_certificate(pem)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begins + (ends - begins) * 2 / 3


def fingerprint(pem: bytes) -> bytes:
    """SHA-256 of the certificate's DER encoding, 32 bytes."""
    return hashlib.sha256(_load_certificate(pem).public_bytes(serialization.Encoding.DER)).digest()


def server_credentials(
    *, key_pem: bytes, certificate_pem: bytes, client_root_pem: bytes | None
) -> grpc.ServerCredentials:
    """TLS for a gRPC server. With `client_root_pem`, clients must show a certificate from that authority."""
    _require_pair(key_pem, certificate_pem)
    if client_root_pem is None:
        return grpc.ssl_server_credentials([(key_pem, certificate_pem)])
    _load_certificate(client_root_pem)
    return grpc.ssl_server_credentials([(key_pem, certificate_pem)], client_root_pem, require_client_auth=True)


def channel_credentials(
    *, root_pem: bytes, key_pem: bytes | None = None, certificate_pem: bytes | None = None
) -> grpc.ChannelCredentials:
    """TLS for a gRPC client that trusts `root_pem` alone, and shows its own certificate if it has one."""
    _load_certificate(root_pem)
    if key_pem is None or certificate_pem is None:
        return grpc.ssl_channel_credentials(root_pem)
    _require_pair(key_pem, certificate_pem)
    return grpc.ssl_channel_credentials(root_pem, key_pem, certificate_pem)


def peer_name(auth_context: Mapping[str, Sequence[bytes] | bytes]) -> str:
    """The ORI (or "hub") in the client certificate that gRPC verified; PkiError when there is none (rule 6)."""
    names = _property(auth_context, "x509_common_name")
    if len(names) != 1:
        raise PkiError("the peer has shown no certificate of a member", hint="join the federation first")
    if MEMBER_URI_PREFIX.encode() + names[0] not in _property(auth_context, "x509_subject_alternative_name"):
        raise PkiError("the peer's certificate is not a member's", hint="renew the certificate, or join again")
    try:
        return _checked(names[0].decode("ascii"))
    except UnicodeDecodeError:
        raise PkiError("the peer's certificate bears a name that no member has") from None


def _property(auth_context: Mapping[str, Sequence[bytes] | bytes], name: str) -> Sequence[bytes]:
    values = auth_context.get(name, ())
    return () if isinstance(values, bytes) else values  # gRPC gives lists, though its type stubs say bytes


def _builder(
    name: str, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime, limit: datetime | None = None
) -> x509.CertificateBuilder:
    if now.tzinfo is None:
        raise PkiError("the time of issue lacks a time zone")
    ends = until if limit is None else min(until, limit)  # rule 5
    if ends <= now:
        raise PkiError("the certificate would end before it begins", hint="look whether the authority has expired")
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _leaf(builder: x509.CertificateBuilder, name: str, *, server: bool) -> x509.CertificateBuilder:
    use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    alternative = x509.DNSName(name) if server else x509.UniformResourceIdentifier(MEMBER_URI_PREFIX + name)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(certificate_sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    )


def _key_usage(*, certificate_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificate_sign,
        key_cert_sign=certificate_sign,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _checked(name: str) -> str:
    if not 0 < len(name) <= _NAME_CHARS_MAX or not name.isascii() or not name.isprintable():
        raise PkiError(f"a name in a certificate has 1 to {_NAME_CHARS_MAX} printable ASCII characters")
    return name


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _checked(name))])


def _common_name(certificate: x509.Certificate) -> str:
    try:
        values = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except _UNREADABLE:
        values = []
    if len(values) != 1 or not isinstance(values[0], str):
        raise PkiError("the certificate does not bear exactly one name")
    return values[0]


def _requested_key(csr_pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        request = x509.load_pem_x509_csr(_bounded(csr_pem))
        key, signed = request.public_key(), request.is_signature_valid
    except _UNREADABLE:
        raise PkiError("these bytes are not a certificate signing request") from None
    if not signed:
        raise PkiError("the signing request is not signed by its own key")
    return _p256(key)


def _load_certificate(pem: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(_bounded(pem))
        # These are decoded when they are asked for: ask here, where a fault is known to be the certificate's.
        key, _, _ = certificate.public_key(), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _UNREADABLE:
        raise PkiError("these bytes are not a certificate") from None
    _p256(key)
    return certificate


def _p256(key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PkiError("the key is not on the curve P-256")
    return key


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_bounded(pem), password=None)
    except _UNREADABLE:
        raise PkiError("these bytes are not a private key") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PkiError("the private key is not on the curve P-256")
    return key


def _bounded(pem: bytes) -> bytes:
    if len(pem) > PEM_BYTES_MAX:
        raise PkiError("a certificate, request or key is larger than any of ours")
    return pem


def _require_pair(key_pem: bytes, certificate_pem: bytes) -> None:
    if _load_key(key_pem).public_key() != _load_certificate(certificate_pem).public_key():
        raise PkiError("the private key and the certificate do not belong together")


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
