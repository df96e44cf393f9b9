"""Signed messages: DSSE's own vectors, then every check of the Verifier, each under its attack's name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import (
    KEYS_TRIED_MAX,
    PAYLOAD_TYPE_BYTES_MAX,
    REASONS,
    SigningKey,
    Verified,
    Verifier,
    countersign,
    pae,
    parse_envelope,
    payload_type,
    sign,
    signers,
    verify_signatures,
)
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, MemoryReplayStore, header_to_proto, new_header
from waypost.crypto.limits import CLOCK_SKEW_MAX_MS, MESSAGE_LIFETIME_MAX_MS, PAYLOAD_BYTES_MAX, SIGNATURES_MAX
from waypost.v1 import envelope_pb2

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "dsse.json").read_text())
KIND = payload_type("test")
NOW_MS = 1_795_000_000_000
HOUR_MS = 3_600_000
ASKER = SigningKey.from_seed(bytes(range(32)))
HUB = SigningKey.generate()
STRANGER = SigningKey.generate()
BOTH = (ASKER.public, HUB.public)


def payload(header: Header | None = None) -> bytes:
    """A payload from an agency to the hub, an hour long."""
    header = header or new_header(sender="CA9900100", audience="hub", now_ms=NOW_MS, lifetime_ms=HOUR_MS)
    return envelope_pb2.SignedPayload(header=header_to_proto(header)).SerializeToString()


def message(
    *, sender: str = "CA9900100", audience: str = "hub", issued_ms: int = NOW_MS, life_ms: int = HOUR_MS
) -> envelope_pb2.Envelope:
    """A message that ASKER has signed."""
    header = new_header(sender=sender, audience=audience, now_ms=issued_ms, lifetime_ms=life_ms)
    return sign(KIND, payload(header), ASKER)


def hub() -> Verifier:
    """A verifier as the hub has it."""
    return Verifier({"hub"}, MemoryReplayStore())


def verify(envelope: envelope_pb2.Envelope, verifier: Verifier | None = None, now_ms: int = NOW_MS) -> Verified:
    """What the hub makes of a message that should be from CA9900100."""
    return (verifier or hub()).verify(
        envelope, expected_type=KIND, keys={ASKER.public}, sender="CA9900100", now_ms=now_ms
    )


def reason(envelope: envelope_pb2.Envelope, verifier: Verifier | None = None, now_ms: int = NOW_MS) -> str:
    """Why the hub refuses this message."""
    with pytest.raises(EnvelopeError) as refused:
        verify(envelope, verifier, now_ms)
    assert refused.value.reason in REASONS
    return refused.value.reason


def test_dsse_example_is_encoded_as_the_specification_says() -> None:
    example = VECTORS["example"]
    encoded = pae(example["payload_type"], bytes.fromhex(example["payload"]))
    assert encoded.hex() == example["pae"]
    public = ec.EllipticCurvePublicNumbers(
        int(example["ecdsa_p256"]["x"]), int(example["ecdsa_p256"]["y"]), ec.SECP256R1()
    ).public_key()
    raw = bytes.fromhex(example["ecdsa_p256"]["signature_r_s"])
    signature = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public.verify(signature, encoded, ec.ECDSA(hashes.SHA256()))  # the specification's own signature holds over it


@pytest.mark.parametrize("vector", VECTORS["envelopes"], ids=lambda vector: vector["id"])
def test_dsse_vectors_are_accepted_and_rejected_as_the_specification_says(vector: dict[str, Any]) -> None:
    public = {name: bytes.fromhex(key["public"]) for name, key in VECTORS["keys"].items()}
    envelope = envelope_pb2.Envelope(
        payload_type=vector["payload_type"],
        payload=bytes.fromhex(vector["payload"]),
        signatures=[
            envelope_pb2.Signature(
                key_id=hashlib.sha256(public[entry["key"]]).digest() if entry["key"] else b"",
                signature=bytes.fromhex(entry["signature"]),
            )
            for entry in vector["signatures"]
        ],
    )
    supported = vector["payload_type"] in vector["supported_payload_types"]
    enough = len(signers(envelope, [public[name] for name in vector["trusted_keys"]])) >= vector["threshold"]
    assert (supported and enough) is (vector["expect"] == "accept")
    encoded_as_signed = pae(vector["payload_type"], envelope.payload).hex() == vector["pae"]
    assert encoded_as_signed is (vector["id"] != "payload-type-swapped")


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS["envelopes"] if vector["expect"] == "accept"],
    ids=lambda vector: vector["id"],
)
def test_our_signatures_are_byte_for_byte_those_of_the_dsse_vectors(vector: dict[str, Any]) -> None:
    keys = [SigningKey.from_seed(bytes.fromhex(VECTORS["keys"][name]["seed"])) for name in ("A", "B")]
    assert [key.public.hex() for key in keys] == [VECTORS["keys"][name]["public"] for name in ("A", "B")]
    signed = sign(vector["payload_type"], bytes.fromhex(vector["payload"]), *keys[: len(vector["signatures"])])
    assert [entry.signature.hex() for entry in signed.signatures] == [
        entry["signature"] for entry in vector["signatures"]
    ]


def test_a_good_message_is_verified_and_its_exact_bytes_are_returned() -> None:
    envelope = message()
    received = parse_envelope(envelope.SerializeToString())
    verified = verify(received)
    assert verified.payload == envelope.payload
    assert verified.payload_type == KIND
    assert verified.signers == {ASKER.public}
    assert verified.header.sender == "CA9900100"


def test_payload_fields_that_we_do_not_know_stay_in_the_verified_bytes() -> None:
    newer = payload() + b"\xf2\x07\x05later"  # field 126 of a later version
    assert verify(sign(KIND, newer, ASKER)).payload == newer


def test_no_flipped_bit_of_a_message_changes_what_is_verified() -> None:
    envelope = message()
    data = envelope.SerializeToString()
    survived = 0
    for place in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        try:
            verified = verify(parse_envelope(bytes(flipped)))
        except EnvelopeError:
            continue
        survived += 1
        assert (verified.payload_type, verified.payload) == (KIND, envelope.payload)
    # What survives is a key id turned into a field that nobody knows: one byte, DSSE's unauthenticated hint.
    assert survived <= 8


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.binary(max_size=60), st.text(max_size=40), st.binary(max_size=60))
def test_no_two_messages_have_the_same_signed_bytes(kind: str, body: bytes, other: str, other_body: bytes) -> None:
    assert (pae(kind, body) == pae(other, other_body)) is ((kind, body) == (other, other_body))
    # Moving bytes over the border between type and payload changes what is signed, too.
    assert pae(kind + "1 x", body) != pae(kind, b"1 x" + body)


def test_a_message_signed_by_a_stranger_is_refused() -> None:
    assert reason(sign(KIND, payload(), STRANGER)) == "wrong-signature"


def test_a_strangers_signature_under_a_members_key_id_is_refused() -> None:
    envelope = sign(KIND, payload(), STRANGER)
    envelope.signatures[0].key_id = ASKER.key_id
    assert reason(envelope) == "wrong-signature"


def test_a_message_stripped_of_its_signature_is_refused() -> None:
    envelope = message()
    del envelope.signatures[:]
    assert reason(envelope) == "unsigned"


def test_a_signature_for_one_type_does_not_serve_another() -> None:
    envelope = sign(payload_type("other"), payload(), ASKER)
    assert reason(envelope) == "wrong-type"
    envelope.payload_type = KIND
    assert reason(envelope) == "wrong-signature"


def test_a_message_in_anothers_name_is_refused() -> None:
    assert reason(message(sender="NY9900100")) == "wrong-sender"


def test_a_message_forwarded_to_somebody_else_is_refused() -> None:
    assert reason(message(audience="trustee")) == "wrong-audience"


def test_a_party_takes_messages_for_each_of_its_audiences() -> None:
    member = Verifier({"CA9900100", "*"}, MemoryReplayStore())
    for audience in ("CA9900100", "*"):
        assert verify(message(audience=audience), member).header.audience == audience
    assert reason(message(audience="NY9900100"), member) == "wrong-audience"


def test_an_expired_message_is_refused_from_its_last_moment_on() -> None:
    assert verify(message(), now_ms=NOW_MS + HOUR_MS - 1)
    assert reason(message(), now_ms=NOW_MS + HOUR_MS) == "expired"


def test_a_message_from_beyond_the_allowed_clock_skew_is_refused() -> None:
    assert verify(message(issued_ms=NOW_MS + CLOCK_SKEW_MAX_MS))
    assert reason(message(issued_ms=NOW_MS + CLOCK_SKEW_MAX_MS + 1)) == "future-dated"


def test_a_message_that_would_live_longer_than_it_is_remembered_is_refused() -> None:
    assert verify(message(life_ms=MESSAGE_LIFETIME_MAX_MS))
    assert reason(message(life_ms=MESSAGE_LIFETIME_MAX_MS + 1)) == "too-long-lived"


def test_a_replayed_message_is_refused() -> None:
    verifier = hub()
    envelope = message()
    assert verify(envelope, verifier)
    assert reason(envelope, verifier) == "replayed"
    assert reason(sign(KIND, envelope.payload, ASKER), verifier) == "replayed"


def test_a_countersignature_does_not_make_a_replay_new() -> None:
    verifier = hub()
    envelope = message()
    assert verify(envelope, verifier)
    assert reason(countersign(envelope, HUB), verifier) == "replayed"


def test_a_refused_message_is_not_remembered_and_so_cannot_block_the_true_one() -> None:
    verifier = hub()
    true = message()
    forged = sign(KIND, true.payload, STRANGER)
    assert reason(forged, verifier) == "wrong-signature"
    assert reason(true, verifier, now_ms=NOW_MS + HOUR_MS) == "expired"
    assert verify(true, verifier)


def test_two_required_signers_both_count() -> None:
    envelope = countersign(message(), HUB)
    assert verify_signatures(envelope, BOTH, required=2, expected_type=KIND).signers == set(BOTH)


def test_countersigning_leaves_the_signed_message_as_it_was() -> None:
    envelope = message()
    before = envelope.SerializeToString()
    countersigned = countersign(envelope, HUB)
    assert envelope.SerializeToString() == before
    assert countersigned.payload == envelope.payload
    assert countersigned.signatures[0] == envelope.signatures[0]


def test_one_key_signing_twice_is_one_signer() -> None:
    envelope = sign(KIND, payload(), ASKER, ASKER)
    with pytest.raises(EnvelopeError, match="1 of 2") as refused:
        verify_signatures(envelope, BOTH, required=2, expected_type=KIND)
    assert refused.value.reason == "wrong-signature"


def test_one_key_listed_twice_is_one_signer() -> None:
    with pytest.raises(EnvelopeError, match="1 of 2"):
        verify_signatures(message(), [ASKER.public, ASKER.public], required=2, expected_type=KIND)


def test_a_strangers_signature_beside_enough_good_ones_does_no_harm() -> None:
    envelope = sign(KIND, payload(), STRANGER, ASKER, HUB)
    assert verify_signatures(envelope, BOTH, required=2, expected_type=KIND).signers == set(BOTH)


@pytest.mark.parametrize("required", [0, -1])
def test_requiring_no_signature_at_all_is_refused(required: int) -> None:
    with pytest.raises(EnvelopeError, match="at least one"):
        verify_signatures(sign(KIND, payload(), STRANGER), BOTH, required=required, expected_type=KIND)


def test_no_message_passes_where_no_key_is_expected() -> None:
    with pytest.raises(EnvelopeError, match="0 of 1"):
        verify_signatures(message(), [], required=1, expected_type=KIND)


# RFC 8032 leaves the public keys of small order undefined; libsodium's list, and some that are no point at all.
GARBAGE_KEYS = {
    "identity": "01" + "00" * 31,
    "order two": "ec" + "ff" * 30 + "7f",
    "order four": "00" * 32,
    "order eight": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "not reduced": "ee" + "ff" * 30 + "7f",
    "no point": "02" + "00" * 31,
    "short": "00" * 31,
    "long": "00" * 33,
    "empty": "",
}


@pytest.mark.parametrize("key", [bytes.fromhex(key) for key in GARBAGE_KEYS.values()], ids=list(GARBAGE_KEYS))
def test_a_garbage_key_verifies_nothing(key: bytes) -> None:
    # With the identity as key, R = identity and S = 0 satisfy the bare equation SB = R + kA for every message.
    for commitment in ("01" + "00" * 31, "ec" + "ff" * 30 + "7f", "00" * 32):
        envelope = envelope_pb2.Envelope(payload_type=KIND, payload=payload())
        envelope.signatures.add(key_id=hashlib.sha256(key).digest(), signature=bytes.fromhex(commitment) + bytes(32))
        assert signers(envelope, [key]) == frozenset()


def test_a_signature_made_larger_by_the_group_order_is_refused() -> None:
    envelope = message()
    signature = envelope.signatures[0].signature
    order = 2**252 + 27742317777372353535851937790883648493
    grown = int.from_bytes(signature[32:], "little") + order
    envelope.signatures[0].signature = signature[:32] + grown.to_bytes(32, "little")
    assert reason(envelope) == "wrong-signature"


def test_a_signature_without_a_key_id_is_tried_with_a_few_keys_only() -> None:
    envelope = message()
    envelope.signatures[0].key_id = b""
    others = [SigningKey.generate().public for _ in range(KEYS_TRIED_MAX)]
    assert signers(envelope, [*others[1:], ASKER.public]) == {ASKER.public}
    assert signers(envelope, [*others, ASKER.public]) == frozenset()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"payload_type": ""}, "malformed"),
        ({"payload": b""}, "malformed"),
        ({"payload_type": "x" * (PAYLOAD_TYPE_BYTES_MAX + 1)}, "oversized"),
        ({"payload": bytes(PAYLOAD_BYTES_MAX + 1)}, "oversized"),
        ({"signatures": [envelope_pb2.Signature()] * (SIGNATURES_MAX + 1)}, "oversized"),
        ({"signatures": [envelope_pb2.Signature(key_id=ASKER.key_id, signature=b"x" * 63)]}, "wrong-signature"),
    ],
)
def test_an_envelope_out_of_bounds_is_refused(change: dict[str, Any], expected: str) -> None:
    good = message()
    parts = {"payload_type": good.payload_type, "payload": good.payload, "signatures": good.signatures, **change}
    assert reason(envelope_pb2.Envelope(**parts)) == expected


@pytest.mark.parametrize("body", [b"no protobuf at all", b"\x12\x03abc", b"\x0a\x00"])
def test_a_signed_payload_without_a_whole_header_is_refused(body: bytes) -> None:
    assert reason(sign(KIND, body, ASKER)) == "malformed"


def test_a_signing_key_comes_back_from_its_seed() -> None:
    again = SigningKey.from_seed(STRANGER.seed)
    assert (again.public, again.key_id) == (STRANGER.public, hashlib.sha256(STRANGER.public).digest())


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(EnvelopeError, match="32 bytes"):
        SigningKey.from_seed(bytes(length))


def test_nothing_secret_is_in_a_signing_keys_description() -> None:
    assert ASKER.seed.hex() not in repr(ASKER)
    assert repr(ASKER.seed) not in repr(ASKER)
