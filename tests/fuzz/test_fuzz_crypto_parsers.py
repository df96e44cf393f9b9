"""Bytes from outside: whatever they are, a parser of waypost.crypto gives a value or its one documented error."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import SigningKey, Verifier, parse_envelope, payload_type, sign, signers
from waypost.crypto.errors import EnvelopeError, KeystoreError, LogError, PkiError, SealingError
from waypost.crypto.freshness import MemoryReplayStore, header_from_payload, header_to_proto, new_header
from waypost.crypto.keystore import Keystore
from waypost.crypto.padding import pad, unpad
from waypost.crypto.pki import (
    CertificateAuthority,
    certificate_expiry,
    certificate_name,
    channel_credentials,
    fingerprint,
    make_csr,
    new_key_pem,
    peer_name,
    renewal_due,
    server_credentials,
)
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed, seal
from waypost.crypto.tlog.checkpoint import Checkpoint, cosign, cosigner_key, log_key, open_witnessed, sign_checkpoint
from waypost.crypto.tlog.checkpoint import with_signature as noted
from waypost.crypto.tlog.merkle import leaf_hash
from waypost.crypto.tlog.note import parse_note
from waypost.crypto.tlog.proof import Proof, parse_proof, verify_proof
from waypost.v1 import envelope_pb2

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NOW_MS = 1_795_000_000_000
NOW = datetime(2026, 11, 24, tzinfo=UTC)
KIND = payload_type("test")
KEY = SigningKey.from_seed(bytes(32))
HEADER = new_header(sender="CA9900100", audience="hub", now_ms=NOW_MS, lifetime_ms=60_000)
PAYLOAD = envelope_pb2.SignedPayload(header=header_to_proto(HEADER)).SerializeToString()
ENVELOPE = sign(KIND, PAYLOAD, KEY).SerializeToString()
SEALING_KEY = SealingKey.generate()
CONTEXT = SealingContext("answer", "CA9900100", "hub", bytes(16))
SEALED = seal(b"a record", SEALING_KEY.public, CONTEXT)
AUTHORITY = CertificateAuthority.create("fuzz", now=NOW)
TLS_KEY = new_key_pem()
CSR = make_csr(TLS_KEY, "CA9900100")
CERTIFICATE = AUTHORITY.issue(CSR, name="CA9900100", server=False, now=NOW)
CHECKPOINT = Checkpoint("waypost/log/fuzz", 1, leaf_hash(b"entry"))
NOTE = noted(sign_checkpoint(CHECKPOINT, KEY), cosign(CHECKPOINT, "fuzz", KEY, 1))
LOG, COSIGNER = log_key(CHECKPOINT.origin, KEY.public), cosigner_key("fuzz", KEY.public)
PROOF = str(Proof(0, (), NOTE)).encode()
PASSPHRASE = "a passphrase for fuzzing"


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes like `good`, with a few places changed, cut out or put in; or any bytes at all."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        data[place : place + length] = draw(st.binary(max_size=8))
    return bytes(data)


@st.composite
def mutated_pem(draw: st.DrawFn, good: bytes) -> bytes:
    """PEM whose DER inside is mutated, so that the ASN.1 parser and not only the frame is tried; or mutated PEM."""
    if draw(st.booleans()):
        return draw(mutated(good))
    first, *body, last = good.splitlines()
    der = draw(mutated(base64.b64decode(b"".join(body))))
    return b"\n".join((first, base64.encodebytes(der).rstrip(), last, b""))


@QUICK
@given(mutated(ENVELOPE))
def test_envelopes(data: bytes) -> None:
    with suppress(EnvelopeError):
        envelope = parse_envelope(data)
        assert signers(envelope, [KEY.public]) <= {KEY.public}
        verified = Verifier({"hub"}, MemoryReplayStore()).verify(
            envelope, expected_type=KIND, keys=[KEY.public], now_ms=NOW_MS
        )
        assert verified.payload == PAYLOAD  # nothing else was ever signed


@QUICK
@given(mutated(PAYLOAD))
def test_headers(data: bytes) -> None:
    with suppress(EnvelopeError):
        header = header_from_payload(data)
        assert len(header.message_id) == 16
        assert 0 < header.issued_at_ms < header.expires_at_ms
        assert header.sender
        assert header.audience


@QUICK
@given(mutated(SEALED))
def test_sealed_messages(data: bytes) -> None:
    with suppress(SealingError):
        assert open_sealed(data, SEALING_KEY, CONTEXT) == b"a record"
        assert data == SEALED


@QUICK
@given(mutated(SEALING_KEY.public))
def test_sealing_public_keys(data: bytes) -> None:
    with suppress(SealingError):
        assert seal(b"x", data, CONTEXT)


@QUICK
@given(mutated(pad(b"a record", minimum=64)))
def test_padded_messages(data: bytes) -> None:
    with suppress(SealingError):
        found = unpad(data)
        assert data[4:].startswith(found)


@QUICK
@given(mutated_pem(CERTIFICATE))
def test_certificates(data: bytes) -> None:
    with suppress(PkiError):
        assert certificate_name(data)
    with suppress(PkiError):
        assert certificate_expiry(data).tzinfo is UTC
    with suppress(PkiError):
        assert len(fingerprint(data)) == 32
    with suppress(PkiError):
        assert isinstance(renewal_due(data, now=NOW), bool)
    with suppress(PkiError):
        server_credentials(key_pem=TLS_KEY, certificate_pem=data, client_root_pem=None)
    with suppress(PkiError):
        channel_credentials(root_pem=data)


@QUICK
@given(mutated_pem(CSR))
def test_signing_requests(data: bytes) -> None:
    with suppress(PkiError):
        certificate = AUTHORITY.issue(data, name="CA9900100", server=False, now=NOW)
        # Whatever survived the mutation is signed by its own key, which is the only key that ever signed one.
        assert server_credentials(key_pem=TLS_KEY, certificate_pem=certificate, client_root_pem=None)


@QUICK
@given(mutated(AUTHORITY.to_bytes()))
def test_authorities(data: bytes) -> None:
    with suppress(PkiError):
        assert CertificateAuthority.from_bytes(data).certificate_pem


@QUICK
@given(st.lists(mutated(b"CA9900100"), max_size=2), st.lists(mutated(b"waypost:member:CA9900100"), max_size=2))
def test_peers(names: list[bytes], alternatives: list[bytes]) -> None:
    with suppress(PkiError):
        name = peer_name({"x509_common_name": names, "x509_subject_alternative_name": alternatives})
        assert f"waypost:member:{name}".encode() in alternatives


@QUICK
@given(mutated(NOTE))
def test_notes(data: bytes) -> None:
    with suppress(LogError):
        assert str(parse_note(data)).encode() == data
        assert open_witnessed(data, LOG, COSIGNER).checkpoint == CHECKPOINT  # nothing else was ever signed


@QUICK
@given(mutated(PROOF))
def test_log_proofs(data: bytes) -> None:
    with suppress(LogError):
        proof = parse_proof(data)
        assert verify_proof(proof, b"entry", LOG, COSIGNER).checkpoint == CHECKPOINT
        assert str(proof).encode() == data


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A good keystore file."""
    path = tmp_path_factory.mktemp("fuzz") / "keys"
    Keystore.create(path, PASSPHRASE, {"signing": bytes(32)})
    return path.read_bytes()


@settings(QUICK, max_examples=40)
@given(st.data())
def test_keystores(keystore: bytes, tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["bytes", "value", "field"]))
    if kind == "bytes":
        content = data.draw(mutated(keystore))
    elif kind == "value":
        content = json.dumps(data.draw(JSON_VALUES)).encode()
    else:
        document = json.loads(keystore)
        document[data.draw(st.sampled_from(sorted(document)))] = data.draw(JSON_VALUES)
        content = json.dumps(document).encode() + b"\n"
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with suppress(KeystoreError):
        store = Keystore.open(path, PASSPHRASE)
        assert content == keystore
        assert store.get("signing") == bytes(32)
