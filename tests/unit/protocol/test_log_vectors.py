"""The log format's vectors for other implementations: made here, kept as a file, and read back as a stranger would.

Written anew by: python tests/unit/protocol/test_log_vectors.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.parties.logs import HUB, KEYS, NOW_MS, NOW_S, TRUSTEE, Log, forged

from waypost.crypto.envelope import sign
from waypost.crypto.freshness import Header, header_to_proto
from waypost.crypto.tlog import merkle
from waypost.crypto.tlog.checkpoint import Checkpoint, open_checkpoint
from waypost.crypto.tlog.proof import parse_proof, verify_proof
from waypost.node.store import chain
from waypost.protocol import names
from waypost.protocol.errors import TransparencyError
from waypost.protocol.log_files import LoggedReceipt, verify_receipt_file
from waypost.protocol.transparency import (
    WORDS,
    Entry,
    accept_witnessed,
    head_commitment,
    log_keys,
    parse_entry,
    refusal_digest,
)
from waypost.v1 import check_pb2, log_pb2

FILE = Path(__file__).parents[2] / "vectors" / "log.json"
HEADER = Header(bytes(range(16)), names.HUB, "CA9900100", NOW_MS, NOW_MS + 60_000)
RECEIPT = sign(
    names.RECEIPT,
    check_pb2.Receipt(
        header=header_to_proto(HEADER),
        check_id=bytes(range(16, 32)),
        request_digest=hashlib.sha256(b"request").digest(),
        roster_version=3,
        accepted_at_ms=NOW_MS,
        coverage=check_pb2.Coverage(members=5, current=5),
        sequence=1,
    ).SerializeToString(),
    HUB,
)
LOG = Log.of(
    [
        Entry(log_pb2.LOG_KIND_ROSTER, NOW_MS - 9000, hashlib.sha256(b"roster").digest()),
        Entry(log_pb2.LOG_KIND_CHECK, NOW_MS, hashlib.sha256(b"request").digest()),
        Entry(log_pb2.LOG_KIND_RECEIPT, NOW_MS, hashlib.sha256(RECEIPT.payload).digest()),
        Entry(log_pb2.LOG_KIND_REFUSAL, NOW_MS + 7, refusal_digest(hashlib.sha256(b"refused").digest(), "expired")),
        Entry(log_pb2.LOG_KIND_DISCLOSURE_HEAD, NOW_MS + 8, hashlib.sha256(b"head").digest()),
    ]
)
HELD_SIZE = 3
DISCLOSURES = (
    {"answer_digest": "00" * 32, "asker": "CA9900100", "at_ms": NOW_MS, "id": 1, "purpose": "hiring"},
    {"answer_digest": "11" * 32, "asker": "OR9900400", "at_ms": NOW_MS + 5, "id": 2, "purpose": "self"},
)


def build() -> dict[str, Any]:
    other = forged(LOG, "rewrite")
    cosigned = LOG.cosigned().decode()
    return {
        "source": "Waypost's own: docs/log.md. Keys are Ed25519 seeds of one repeated byte; the receipt is synthetic.",
        "fields": "sizes count entries; digests, hashes and keys are hexadecimal; notes and files stand as they are. "
        "refused: what a holder of the checkpoint of held_size must refuse, and by which reason.",
        "keys": {
            "hub_seed": HUB.seed.hex(),
            "hub": HUB.public.hex(),
            "trustee_seed": TRUSTEE.seed.hex(),
            "trustee": TRUSTEE.public.hex(),
            "log_verifier_key": str(KEYS.log),
            "witness_verifier_key": str(KEYS.witness),
        },
        "entries": [
            {"text": entry.to_bytes().decode(), "leaf": merkle.leaf_hash(entry.to_bytes()).hex()}
            for entry in LOG.entries
        ],
        "roots": [merkle.root(size, LOG.read).hex() for size in range(len(LOG.entries) + 1)],
        "refusal": {"refused": hashlib.sha256(b"refused").hexdigest(), "reason": "expired"},
        "held_size": HELD_SIZE,
        "held": LOG.cosigned(HELD_SIZE).decode(),
        "checkpoint": cosigned,
        "consistency": [each.hex() for each in LOG.consistency(HELD_SIZE)],
        "proof": {"of": 2, "text": str(LOG.proof(2))},
        "receipt_file": LoggedReceipt(RECEIPT.SerializeToString(), NOW_MS, str(LOG.proof(2))).to_bytes().decode(),
        "disclosure_chain": _chain(),
        "refused": [
            _refused("signed by the hub alone", "not-cosigned", LOG.signed().decode(), LOG.consistency(HELD_SIZE)),
            _refused("no longer signed", "wrong-checkpoint", cosigned.replace("\n5\n", "\n6\n"), []),
            _refused("cosigned at another time", "not-cosigned", _later(cosigned), LOG.consistency(HELD_SIZE)),
            _refused("a shorter log", "rolled-back", LOG.cosigned(2).decode(), []),
            _refused("an entry rewritten", "split-view", other.cosigned().decode(), other.consistency(HELD_SIZE)),
            _refused("another log of the same size", "split-view", other.cosigned(HELD_SIZE).decode(), []),
            _refused("no proof", "split-view", cosigned, []),
        ],
    }


def _refused(what: str, reason: str, note: str, consistency: list[bytes]) -> dict[str, Any]:
    return {"what": what, "reason": reason, "checkpoint": note, "consistency": [each.hex() for each in consistency]}


def _later(note: str) -> str:
    """The cosignature of the note, moved to one made a second later."""
    other = LOG.cosigned(4, at_s=NOW_S + 1).decode().splitlines(keepends=True)[-1]
    return "".join([*note.splitlines(keepends=True)[:-1], other])


def _chain() -> dict[str, Any]:
    links, heads = [], [chain.FIRST]
    for entry in DISCLOSURES:
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        heads.append(hashlib.sha256(heads[-1] + hashlib.sha256(text.encode()).digest()).digest())
        links.append({"entry": text, "head": heads[-1].hex()})
    salt = bytes(range(32))
    commitment = head_commitment(salt, len(links), heads[-1]).hex()
    return {"first": chain.FIRST.hex(), "links": links, "salt": salt.hex(), "commitment": commitment}


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return read


def test_the_file_is_what_this_code_makes(vectors: dict[str, Any]) -> None:
    assert vectors == build()


def test_entries_and_roots(vectors: dict[str, Any]) -> None:
    tree = merkle.Frontier()
    for entry, root in zip(vectors["entries"], vectors["roots"], strict=False):
        assert tree.root.hex() == root
        assert parse_entry(entry["text"].encode()).kind in WORDS
        leaf = merkle.leaf_hash(entry["text"].encode())
        assert leaf.hex() == entry["leaf"]
        tree.add(leaf)
    assert tree.root.hex() == vectors["roots"][-1]


def test_checkpoints_proof_and_receipt_hold(vectors: dict[str, Any]) -> None:
    hub, trustee = bytes.fromhex(vectors["keys"]["hub"]), bytes.fromhex(vectors["keys"]["trustee"])
    keys, held = log_keys(hub, trustee), _held(vectors)
    consistency = [bytes.fromhex(each) for each in vectors["consistency"]]
    accept_witnessed(vectors["checkpoint"].encode(), consistency, held=held, keys=keys)
    entry = vectors["entries"][vectors["proof"]["of"]]["text"].encode()
    verify_proof(parse_proof(vectors["proof"]["text"].encode()), entry, keys.log, keys.witness)
    verified = verify_receipt_file(vectors["receipt_file"].encode(), hub_key=hub, trustee_key=trustee)
    assert verified.receipt.roster_version == 3


@pytest.mark.parametrize("number", range(7))
def test_what_must_be_refused_is(number: int, vectors: dict[str, Any]) -> None:
    case = vectors["refused"][number]
    consistency = [bytes.fromhex(each) for each in case["consistency"]]
    with pytest.raises(TransparencyError) as caught:
        accept_witnessed(case["checkpoint"].encode(), consistency, held=_held(vectors), keys=KEYS)
    assert caught.value.reason == case["reason"]
    assert len(vectors["refused"]) == 7


def _held(vectors: dict[str, Any]) -> Checkpoint:
    return open_checkpoint(vectors["held"].encode(), KEYS.log)


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
