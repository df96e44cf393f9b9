"""What answering a check costs at a node, beside the look-up and the cryptography that cannot be avoided."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from _measure import SHORT, Report
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from nacl import bindings

from waypost.crypto.envelope import SigningKey, countersign, pae, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.padding import pad
from waypost.crypto.sealing import SealingKey
from waypost.node import answering
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.policy import PolicyEngine
from waypost.node.store import OfficerTokens, Store
from waypost.protocol import floor, limits, names
from waypost.protocol.commitments import commit
from waypost.protocol.roster import Roster, parse_roster
from waypost.v1 import check_pb2, roster_pb2

OFFICERS = 300 if SHORT else 100_000
TOKENS_PER_OFFICER = 20
CHECKS = 10 if SHORT else 300
NOW_MS = 1_800_000_000_000
TODAY = datetime.fromtimestamp(NOW_MS / 1000, UTC).date()
ASKER, HOLDER = "CA9900100", "NV9900200"
HUB, TRUSTEE = SigningKey.generate(), SigningKey.generate()
KEYS = {ASKER: SigningKey.generate(), HOLDER: SigningKey.generate()}
SCHEMES = ("name-date", "family-dob", "cert-given", "cert-year")


def a_roster() -> Roster:
    members = [
        roster_pb2.Member(
            ori=ori,
            name=ori,
            state=ori[:2],
            role=roster_pb2.ROLE_AGENCY,
            status=roster_pb2.MEMBER_STATUS_ACTIVE,
            signing_public_key=key.public,
            sealing_key_digest=bytes(32),
            key_since_version=1,
        )
        for ori, key in sorted(KEYS.items())
    ]
    header = new_header(sender=names.HUB, audience="*", now_ms=NOW_MS, lifetime_ms=limits.ROSTER_LIFETIME_MS)
    keys = roster_pb2.IndexKeys(epoch=1, hub_public_key=HUB.public, trustee_public_key=TRUSTEE.public)
    roster = roster_pb2.Roster(
        header=header_to_proto(header),
        version=1,
        members=members,
        hub_signing_key=HUB.public,
        trustee_signing_key=TRUSTEE.public,
        index_keys=keys,
        policy_floor=floor.text(),
    )
    return parse_roster(roster.SerializeToString())


def fill(store: Store) -> list[list[bytes]]:
    """Officers with random tokens; the tokens of those that will be asked about."""
    asked: list[list[bytes]] = []
    with store.writing():
        batch = store.imports.begin(1)
        people = [
            (
                f"NV-{n}",
                Person((PersonName(f"Family{n}", "Given"),), PartialDate(1970 + n % 30, 1 + n % 12, 1 + n % 28)),
            )
            for n in range(OFFICERS)
        ]
        ids = store.officers.add(people, batch)
        for number, officer_id in enumerate(ids.values()):
            tokens = [os.urandom(limits.TOKEN_BYTES) for _ in range(TOKENS_PER_OFFICER)]
            named = tuple((SCHEMES[n % len(SCHEMES)], token) for n, token in enumerate(tokens))
            store.tokens.replace([OfficerTokens(officer_id, 1, named)], 1)
            if number % max(1, OFFICERS // CHECKS) == 0 and len(asked) < CHECKS:
                asked.append(tokens)
    return asked


def query(tokens: list[bytes], one_time: SealingKey) -> check_pb2.RoutedQuery:
    openings = commit(tokens)
    header = new_header(sender=ASKER, audience=names.HUB, now_ms=NOW_MS, lifetime_ms=limits.CHECK_LIFETIME_MS)
    request = check_pb2.CheckRequest(
        header=header_to_proto(header),
        epoch=1,
        purpose=check_pb2.PURPOSE_HIRING,
        authorization_digest=bytes(32),
        authorization_reference="BENCH",
        staff_reference="BENCH",
        answer_public_key=one_time.public,
        commitments=[opening.commitment for opening in openings],
    )
    envelope = countersign(sign(names.CHECK_REQUEST, request.SerializeToString(), KEYS[ASKER]), HUB)
    shown = [
        check_pb2.TokenOpening(slot=opening.slot, salt=opening.salt, token=opening.token)
        for opening in openings
        if opening.token in set(tokens)
    ]
    return check_pb2.RoutedQuery(request=envelope, openings=shown)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "node.db", bytes(32)) as store:
        asked, one_time, roster = fill(store), SealingKey.generate(), a_roster()
        own = answering.Self(HOLDER, KEYS[HOLDER], PolicyEngine(floor.text()))
        # Every query is answered once only, so each call takes a fresh one; making them is not timed.
        queries = [query(tokens, one_time) for tokens in asked for _ in range(12)]
        waiting = iter(queries)

        def ours() -> object:
            return answering.answer(store, next(waiting), own=own, roster=roster, now_ms=NOW_MS, today=TODAY)

        sealed_bytes = pad(bytes(500), minimum=limits.ANSWER_BYTES_MIN)
        suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        envelope = queries[0].request
        message = pae(envelope.payload_type, envelope.payload)
        signed = [entry.signature + message for entry in envelope.signatures]
        public = [KEYS[ASKER].public, HUB.public]
        _, secret = bindings.crypto_sign_seed_keypair(KEYS[HOLDER].seed)
        answer = bytes(limits.ANSWER_BYTES_MIN + 1200)
        raw = sqlite3.connect(Path(folder) / "node.db", isolation_level=None)
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("CREATE TABLE bench (content BLOB)")
        marks = ", ".join("?" * TOKENS_PER_OFFICER)
        look_up = f"SELECT officer_id FROM tokens WHERE epoch = 1 AND token IN ({marks})"
        turns = iter(asked * 100)

        def limit() -> None:
            """The look-up, two signature checks, one seal, one signature, and one durable write of the answer."""
            raw.execute(look_up, next(turns)).fetchall()
            for signature, key in zip(signed, public, strict=True):
                bindings.crypto_sign_open(signature, key)
            recipient = hpke.MLKEM768X25519PublicKey(
                mlkem.MLKEM768PublicKey.from_public_bytes(one_time.public[:-32]),
                x25519.X25519PublicKey.from_public_bytes(one_time.public[-32:]),
            )
            suite.encrypt(sealed_bytes, recipient, b"info")
            bindings.crypto_sign(answer, secret)
            raw.execute("INSERT INTO bench VALUES (?)", (answer,))

        report = Report("answering a check at a node")
        name = f"one check, {OFFICERS:,} officers, durable, against look-up and cryptography"
        report.compare(name, ours, limit, target=2.0, rounds=9, calls=len(asked) // 2)
        report.done()
        raw.close()


if __name__ == "__main__":
    main()
