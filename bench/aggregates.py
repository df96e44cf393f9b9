"""What the two parties' sums over the whole country cost beside the bare unsealing and summing in them."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from _measure import SHORT, Report
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from nacl import bindings

from waypost.crypto.envelope import SigningKey, pae, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.padding import unpad
from waypost.crypto.sealing import MLKEM_SEED_BYTES, SealingContext, SealingKey, seal
from waypost.crypto.share_sums import ShareSum
from waypost.crypto.shares import split_words
from waypost.hub.round_closing import VectorSum
from waypost.protocol import limits, names
from waypost.protocol.measures import CATALOGUE_VERSION, measure
from waypost.protocol.periods import parse_period
from waypost.protocol.rounds import Round, least_noise_scale_thousandths, parse_round
from waypost.trustee.round_sums import SeedSum
from waypost.trustee.rounds import Closing
from waypost.v1 import envelope_pb2, round_pb2

MEMBERS = 300 if SHORT else 18_000
MEASURE, PERIOD = "force-findings", "2018..2025"
"""520 cells."""
PART = 256
NOW_MS = 1_795_000_000_000
KEY = SigningKey.generate()
HUB, TRUSTEE = SealingKey.generate(), SealingKey.generate()
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def a_round() -> Round:
    asked, period = measure(MEASURE), parse_period(PERIOD)
    header = new_header(sender=names.HUB, audience="*", now_ms=NOW_MS, lifetime_ms=2 * limits.DAY_MS)
    message = round_pb2.Round(
        header=header_to_proto(header),
        measure=MEASURE,
        catalogue_version=CATALOGUE_VERSION,
        period=PERIOD,
        roster_version=1,
        cells=asked.cell_count(period),
        clip=asked.clip,
        rho_millionths=limits.ROUND_RHO_MILLIONTHS_DEFAULT,
        noise_scale_thousandths=least_noise_scale_thousandths(asked.clip, limits.ROUND_RHO_MILLIONTHS_DEFAULT),
        minimum_cohort=limits.MINIMUM_COHORT,
        small_cell=limits.ROUND_SMALL_CELL,
        closes_at_ms=NOW_MS + limits.DAY_MS,
        hub_sealing_key=HUB.public,
        trustee_sealing_key=TRUSTEE.public,
    )
    return parse_round(message.SerializeToString())


def oris() -> list[str]:
    return [f"CA{number:07}" for number in range(MEMBERS)]


def an_answer(asked: Round, ori: str) -> envelope_pb2.Envelope:
    """A member's answer; its inner parts are signed, the outer signature is not read again at the closing."""
    shares = split_words(os.urandom(8 * asked.cells))
    seed = round_pb2.SeedShare(
        header=header_to_proto(new_header(sender=ori, audience=names.TRUSTEE, now_ms=NOW_MS, lifetime_ms=1000)),
        round_id=asked.round_id,
        round_digest=asked.digest,
        sealed_seed=seal(shares.seed, TRUSTEE.public, context(names.SEAL_SEED_SHARE, ori, names.TRUSTEE, asked)),
    )
    message = round_pb2.RoundAnswer(
        header=header_to_proto(new_header(sender=ori, audience=names.HUB, now_ms=NOW_MS, lifetime_ms=1000)),
        round_id=asked.round_id,
        round_digest=asked.digest,
        sealed_vector=seal(shares.vector, HUB.public, context(names.SEAL_VECTOR_SHARE, ori, names.HUB, asked)),
        seed_share=sign(names.ROUND_SEED_SHARE, seed.SerializeToString(), KEY),
    )
    return envelope_pb2.Envelope(payload_type=names.ROUND_ANSWER, payload=message.SerializeToString())


def context(purpose: str, ori: str, audience: str, asked: Round) -> SealingContext:
    return SealingContext(purpose, ori, audience, asked.round_id)


def parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), PART):
        yield items[start : start + PART]


def bare_key(key: SealingKey) -> hpke.MLKEM768X25519PrivateKey:
    data = key.to_bytes()
    return hpke.MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(data[:MLKEM_SEED_BYTES]),
        x25519.X25519PrivateKey.from_private_bytes(data[MLKEM_SEED_BYTES:]),
    )


def adding(report: Report, cells: int) -> None:
    vectors = [os.urandom(8 * cells) for _ in range(MEMBERS)]

    def ours() -> bytes:
        total = ShareSum(cells)
        for part in parts(vectors):
            total.add_vectors(part)
        return total.to_bytes()

    def bare() -> bytes:
        total = np.zeros(cells, dtype="<u8")
        for vector in vectors:
            total += np.frombuffer(vector, dtype="<u8")
        return total.tobytes()

    assert ours() == bare()
    report.compare(f"add {MEMBERS:,} share vectors of {cells} cells", ours, bare, target=2.0, rounds=5)


def hubs_half(report: Report, asked: Round, answers: list[envelope_pb2.Envelope]) -> None:
    messages = [round_pb2.RoundAnswer.FromString(answer.payload) for answer in answers]
    sealed = [
        (each.sealed_vector, context(names.SEAL_VECTOR_SHARE, each.header.sender, names.HUB, asked).info())
        for each in messages
    ]
    key = bare_key(HUB)

    def ours() -> VectorSum:
        total = VectorSum(asked, HUB)
        for part in parts(answers):
            total.take(part)
        return total

    def bare() -> bytes:
        total = np.zeros(asked.cells, dtype="<u8")
        for data, info in sealed:
            total += np.frombuffer(unpad(SUITE.decrypt(data, key, info)), dtype="<u8")
        return total.tobytes()

    assert not ours().unusable
    report.compare(f"the hub's half of {MEMBERS:,} answers", ours, bare, target=1.5, rounds=3)
    tracemalloc.start()
    ours().noisy_half()
    report.figure("its peak memory beyond the answers", tracemalloc.get_traced_memory()[1] / 1e6, "MB", target=20)
    tracemalloc.stop()


def trustees_half(report: Report, asked: Round, answers: list[envelope_pb2.Envelope]) -> None:
    shares = [round_pb2.RoundAnswer.FromString(answer.payload).seed_share for answer in answers]
    bodies = [round_pb2.SeedShare.FromString(share.payload) for share in shares]
    ready = [
        (
            share.signatures[0].signature + pae(share.payload_type, share.payload),
            body.sealed_seed,
            context(names.SEAL_SEED_SHARE, body.header.sender, names.TRUSTEE, asked).info(),
        )
        for share, body in zip(shares, bodies, strict=True)
    ]
    member = SimpleNamespace(signing_public_key=KEY.public)
    roster: Any = SimpleNamespace(active_member=lambda _ori: member)
    closing = Closing(asked, envelope_pb2.Envelope(), frozenset(oris()), TRUSTEE, roster)
    key, zeros = bare_key(TRUSTEE), bytes(8 * asked.cells)

    def ours() -> SeedSum:
        total = SeedSum(closing)
        for part in parts(shares):
            total.take(part)
        return total

    def bare() -> bytes:
        total = np.zeros(asked.cells, dtype="<u8")
        for signed, data, info in ready:
            bindings.crypto_sign_open(signed, KEY.public)
            seed = unpad(SUITE.decrypt(data, key, info))
            stream = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor().update(zeros)
            total += np.frombuffer(stream, dtype="<u8")
        return total.tobytes()

    assert not ours().outstanding
    report.compare(f"the trustee's half of {MEMBERS:,} shares, signatures too", ours, bare, target=1.5, rounds=3)
    tracemalloc.start()
    ours().noisy_half()
    report.figure("its peak memory beyond the shares", tracemalloc.get_traced_memory()[1] / 1e6, "MB", target=20)
    tracemalloc.stop()


def main() -> None:
    report = Report("aggregates")
    asked = a_round()
    adding(report, asked.cells)
    answers = [an_answer(asked, ori) for ori in oris()]
    hubs_half(report, asked, answers)
    trustees_half(report, asked, answers)
    report.done()


if __name__ == "__main__":
    main()
