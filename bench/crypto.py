"""What Waypost's cryptographic operations cost beside the raw primitives that they cannot do without."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from _measure import Report
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from nacl import bindings

from waypost.crypto import ristretto
from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.padding import pad
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed, seal
from waypost.crypto.split_oprf import HalfKey, blind_batch, evaluate_half, finish_batch
from waypost.v1 import check_pb2

TYPE = "application/vnd.waypost.check-request.v1+protobuf"
BATCH = 256
MULTIPLICATIONS = 10
"""Scalar multiplications a token cannot avoid: the member blinds, unblinds and verifies two proofs (2 each); trustee
and hub evaluate and prove (2 each)."""


def envelopes(report: Report) -> None:
    key = SigningKey.generate()
    header = new_header(sender="CA9900100", audience="hub", now_ms=1, lifetime_ms=2)
    request = check_pb2.CheckRequest(header=header_to_proto(header), commitments=[os.urandom(32) for _ in range(96)])
    payload = request.SerializeToString()
    message = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE.encode(), len(payload), payload)
    public, secret = bindings.crypto_sign_seed_keypair(key.seed)
    signed = bindings.crypto_sign(message, secret)
    envelope = sign(TYPE, payload, key)
    calls = 200
    report.compare(
        "sign a check request (3 KB)",
        lambda: sign(TYPE, payload, key),
        lambda: bindings.crypto_sign(message, secret),
        target=1.5,
        calls=calls,
    )
    report.compare(
        "verify it",
        lambda: verify_signatures(envelope, (key.public,), required=1, expected_type=TYPE),
        lambda: bindings.crypto_sign_open(signed, public),
        target=1.5,
        calls=calls,
    )


def sealing(report: Report) -> None:
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    key = SealingKey.generate()
    context = SealingContext("answer", "NV9900200", "CA9900100", bytes(16))
    body = os.urandom(6000)
    padded, info = pad(body, minimum=8192), context.info()
    sealed = seal(body, key.public, context, minimum_bytes=8192)
    raw_private = hpke.MLKEM768X25519PrivateKey(key._mlkem, key._x25519)
    mlkem_bytes, x25519_bytes = key.public[:-32], key.public[-32:]

    def raw_seal() -> bytes:
        """Every check has a key of its own, so its decoding is part of what cannot be avoided."""
        recipient = hpke.MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(mlkem_bytes),
            x25519.X25519PublicKey.from_public_bytes(x25519_bytes),
        )
        return suite.encrypt(padded, recipient, info)

    calls = 100
    report.compare(
        "seal an answer (8 KiB)",
        lambda: seal(body, key.public, context, minimum_bytes=8192),
        raw_seal,
        target=1.3,
        calls=calls,
    )
    report.compare(
        "open it",
        lambda: open_sealed(sealed, key, context),
        lambda: suite.decrypt(sealed, raw_private, info),
        target=1.3,
        calls=calls,
    )


def tokens(report: Report) -> None:
    trustee, hub = HalfKey.generate(), HalfKey.generate()
    inputs = [os.urandom(24) for _ in range(BATCH)]
    scalar, element = ristretto.random_scalar(), ristretto.hash_to_group(b"x", b"bench")

    def through(executor: ThreadPoolExecutor | None) -> object:
        batch = blind_batch(inputs, executor)
        first = evaluate_half(trustee, batch.elements, executor)
        second = evaluate_half(hub, first.elements, executor)
        publics = {"trustee_public": trustee.public, "hub_public": hub.public}
        return finish_batch(batch, first, second, executor=executor, **publics)

    def multiply(count: int) -> None:
        for _ in range(count):
            ristretto._scalarmult(buffer, scalar, element)

    buffer = ristretto._buffer(32)
    count = BATCH * MULTIPLICATIONS
    report.compare(
        f"{BATCH} tokens through both halves, proofs included, one core",
        lambda: through(None),
        lambda: multiply(count),
        target=2.0,
        rounds=5,
    )
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        report.compare(
            f"{BATCH} tokens, {cores} cores, against the multiplications on them",
            lambda: through(pool),
            lambda: list(pool.map(multiply, [count // cores] * cores)),
            target=2.0,
            rounds=5,
        )


def main() -> None:
    report = Report("cryptography against the raw primitives")
    envelopes(report)
    sealing(report)
    tokens(report)
    report.done()


if __name__ == "__main__":
    main()
