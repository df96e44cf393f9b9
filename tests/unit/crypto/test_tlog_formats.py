"""Notes, checkpoints, cosignatures and proofs: C2SP's own examples, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import SigningKey
from waypost.crypto.errors import LogError
from waypost.crypto.tlog import merkle
from waypost.crypto.tlog.checkpoint import (
    Checkpoint,
    cosign,
    cosigned_at_s,
    cosigner_key,
    log_key,
    open_checkpoint,
    open_witnessed,
    parse_checkpoint,
    sign_checkpoint,
    with_signature,
)
from waypost.crypto.tlog.note import NoteKey, decode_base64, parse_note, sign_text, verifies, verify_text
from waypost.crypto.tlog.proof import Proof, parse_proof, verify_proof

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "c2sp-note.json").read_text())
ORIGIN, WITNESS, NOW_S = "waypost/log/test", "waypost/trustee/test", 1_795_000_000
HUB, TRUSTEE, STRANGER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
LOG, COSIGNER = log_key(ORIGIN, HUB.public), cosigner_key(WITNESS, TRUSTEE.public)
ENTRIES = [b"entry %d" % n for n in range(5)]
ROOT = merkle.node_hash(
    merkle.node_hash(
        merkle.node_hash(*map(merkle.leaf_hash, ENTRIES[:2])), merkle.node_hash(*map(merkle.leaf_hash, ENTRIES[2:4]))
    ),
    merkle.leaf_hash(ENTRIES[4]),
)
CHECKPOINT = Checkpoint(ORIGIN, 5, ROOT)
SIGNED = sign_checkpoint(CHECKPOINT, HUB)
WITNESSED = with_signature(SIGNED, cosign(CHECKPOINT, WITNESS, TRUSTEE, NOW_S))
PROOF = Proof(
    4, (merkle.node_hash(*(merkle.node_hash(*map(merkle.leaf_hash, ENTRIES[n : n + 2])) for n in (0, 2))),), WITNESSED
)


def key_of(text: str) -> NoteKey:
    name, _, encoded = text.split("+", 2)
    data = decode_base64(encoded)
    return NoteKey(name, data[0], data[1:])


@pytest.mark.parametrize("vector", VECTORS["notes"], ids=lambda vector: vector["key"].split("+")[0])
def test_published_notes_verify(vector: dict[str, str]) -> None:
    key, note = key_of(vector["key"]), parse_note(vector["note"].encode())
    assert str(key) == vector["key"]
    verify_text(note, key)
    assert str(note) == vector["note"]


def test_a_public_witness_cosignature_of_a_public_log_verifies() -> None:
    vector = VECTORS["cosigned"]
    note = parse_note(vector["note"].encode())
    assert parse_checkpoint(note).size == vector["size"]
    assert cosigned_at_s(note, key_of(vector["key"])) == 1_785_704_691


def test_a_cosignature_is_over_the_specifications_message() -> None:
    vector = VECTORS["cosigned_message"]
    checkpoint = parse_checkpoint(parse_note(f"{vector['text']}\n{sign_text('', 'any', HUB)}".encode()))
    signature = cosign(checkpoint, WITNESS, TRUSTEE, vector["time"])
    assert signature.signature[:8] == vector["time"].to_bytes(8)
    assert verifies(vector["message"].encode(), signature.signature[8:], TRUSTEE.public)


def test_what_log_and_witness_signed_opens() -> None:
    assert open_checkpoint(SIGNED, LOG) == CHECKPOINT
    witnessed = open_witnessed(WITNESSED, LOG, COSIGNER)
    assert (witnessed.checkpoint, witnessed.cosigned_at_s, witnessed.note) == (CHECKPOINT, NOW_S, WITNESSED)


def test_a_checkpoint_without_the_cosignature_is_no_witnessed_one() -> None:
    with pytest.raises(LogError, match="not cosigned"):
        open_witnessed(SIGNED, LOG, COSIGNER)


def test_a_log_cannot_cosign_for_the_witness() -> None:
    forged = with_signature(SIGNED, cosign(CHECKPOINT, WITNESS, HUB, NOW_S))
    with pytest.raises(LogError, match="not cosigned"):
        open_witnessed(forged, LOG, COSIGNER)


def test_a_cosignature_under_the_witness_key_id_that_does_not_verify_is_refused() -> None:
    honest = cosign(CHECKPOINT, WITNESS, TRUSTEE, NOW_S)
    other = cosign(Checkpoint(ORIGIN, 6, ROOT), WITNESS, TRUSTEE, NOW_S)
    with pytest.raises(LogError, match="does not verify"):
        open_witnessed(with_signature(with_signature(SIGNED, honest), other), LOG, COSIGNER)


def test_a_cosignature_cannot_be_given_another_time() -> None:
    line = cosign(CHECKPOINT, WITNESS, TRUSTEE, NOW_S)
    moved = type(line)(line.name, line.key_id, (NOW_S + 1).to_bytes(8) + line.signature[8:])
    with pytest.raises(LogError, match="does not verify"):
        open_witnessed(with_signature(SIGNED, moved), LOG, COSIGNER)


def test_a_note_signature_does_not_pass_for_a_cosignature_nor_the_other_way() -> None:
    text = CHECKPOINT.text
    plain = sign_text(text, WITNESS, TRUSTEE)
    with pytest.raises(LogError, match="not cosigned"):
        open_witnessed(with_signature(SIGNED, plain), LOG, COSIGNER)
    only_cosigned = f"{text}\n{cosign(CHECKPOINT, ORIGIN, HUB, NOW_S)}".encode()
    with pytest.raises(LogError, match="not signed"):
        open_checkpoint(only_cosigned, LOG)


def test_another_logs_checkpoint_is_refused_even_under_the_same_key() -> None:
    with pytest.raises(LogError, match="another log"):
        open_checkpoint(sign_checkpoint(Checkpoint("waypost/log/other", 5, ROOT), HUB), LOG)


def test_a_strangers_checkpoint_is_refused() -> None:
    with pytest.raises(LogError, match="not signed"):
        open_checkpoint(sign_checkpoint(CHECKPOINT, STRANGER), LOG)


@pytest.mark.parametrize(
    "lines",
    [
        [ORIGIN, "05", "{root}"],
        [ORIGIN, "+5", "{root}"],
        [ORIGIN, "", "{root}"],
        [ORIGIN, "5", "{root}", "an extension"],
        [ORIGIN, "5"],
        ["", "5", "{root}"],
        [ORIGIN, "5", "{root} "],
        [ORIGIN, "5", "AAAA"],
        [ORIGIN, "0", "{root}"],
        [ORIGIN, str(2**63), "{root}"],
    ],
    ids="|".join,
)
def test_a_text_that_is_not_exactly_a_checkpoint_is_refused_although_signed(lines: list[str]) -> None:
    root = CHECKPOINT.text.split("\n")[2]
    text = "".join(line.format(root=root) + "\n" for line in lines)
    with pytest.raises(LogError):
        open_checkpoint(f"{text}\n{sign_text(text, ORIGIN, HUB)}".encode(), LOG)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(WITNESSED) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_witnessed_checkpoint_is_caught(place: int, change: int) -> None:
    data = bytearray(WITNESSED)
    data[place] ^= change
    with pytest.raises(LogError):
        open_witnessed(bytes(data), LOG, COSIGNER)


def test_a_proof_shows_an_entry_to_be_in_the_log_with_nothing_but_two_keys() -> None:
    kept = str(PROOF).encode()
    assert parse_proof(kept) == PROOF
    assert verify_proof(parse_proof(kept), ENTRIES[4], LOG, COSIGNER).checkpoint == CHECKPOINT
    with pytest.raises(LogError, match="root"):
        verify_proof(PROOF, b"another entry", LOG, COSIGNER)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(str(PROOF).encode()) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_proof_is_caught(place: int, change: int) -> None:
    data = bytearray(str(PROOF).encode())
    data[place] ^= change
    with pytest.raises(LogError):
        verify_proof(parse_proof(bytes(data)), ENTRIES[4], LOG, COSIGNER)
