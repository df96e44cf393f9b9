"""Headers, and stores of what has been seen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import SigningKey, Verifier, payload_type, sign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import (
    MESSAGE_ID_BYTES,
    NAME_CHARS_MAX,
    Header,
    MemoryReplayStore,
    header_from_payload,
    header_to_proto,
    new_header,
)
from waypost.v1 import envelope_pb2

NOW_MS = 1_795_000_000_000
GOOD: dict[str, Any] = {
    "message_id": bytes(range(16)),
    "sender": "CA9900100",
    "audience": "hub",
    "issued_at_ms": NOW_MS,
    "expires_at_ms": NOW_MS + 1,
}
NAMES = st.text(min_size=1, max_size=NAME_CHARS_MAX)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=16, max_size=16), NAMES, NAMES, st.integers(1, 2**62), st.integers(1, 2**62 - 1))
def test_a_header_survives_the_wire(
    message_id: bytes, sender: str, audience: str, issued_ms: int, life_ms: int
) -> None:
    header = Header(message_id, sender, audience, issued_ms, issued_ms + life_ms)
    payload = envelope_pb2.SignedPayload(header=header_to_proto(header)).SerializeToString()
    assert header_from_payload(payload) == header


def test_a_new_header_lives_from_now_on_under_an_id_of_its_own() -> None:
    one, two = (new_header(sender="hub", audience="*", now_ms=NOW_MS, lifetime_ms=5) for _ in range(2))
    assert (one.issued_at_ms, one.expires_at_ms) == (NOW_MS, NOW_MS + 5)
    assert len(one.message_id) == MESSAGE_ID_BYTES
    assert one.message_id != two.message_id


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": b""},
        {"message_id": bytes(15)},
        {"message_id": bytes(17)},
        {"sender": ""},
        {"sender": "x" * (NAME_CHARS_MAX + 1)},
        {"audience": ""},
        {"audience": "x" * (NAME_CHARS_MAX + 1)},
        {"issued_at_ms": 0},
        {"issued_at_ms": -1},
        {"expires_at_ms": NOW_MS},
        {"expires_at_ms": 0},
    ],
    ids=str,
)
def test_an_incomplete_or_contradictory_header_is_refused(change: dict[str, Any]) -> None:
    good = envelope_pb2.SignedPayload(header=envelope_pb2.Header(**GOOD)).SerializeToString()
    assert header_from_payload(good) == Header(**GOOD)
    bad = envelope_pb2.SignedPayload(header=envelope_pb2.Header(**{**GOOD, **change})).SerializeToString()
    with pytest.raises(EnvelopeError) as refused:
        header_from_payload(bad)
    assert refused.value.reason == "malformed"


def test_a_payload_without_a_header_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="missing"):
        header_from_payload(b"")


def test_the_same_id_from_two_senders_is_two_messages() -> None:
    store = MemoryReplayStore()
    assert store.add("CA9900100", bytes(16), NOW_MS)
    assert store.add("NY9900100", bytes(16), NOW_MS)
    assert not store.add("CA9900100", bytes(16), NOW_MS)


def test_a_full_store_refuses_messages_rather_than_forget_any() -> None:
    store = MemoryReplayStore(messages_max=2)
    assert store.add("hub", b"1" * 16, NOW_MS)
    assert store.add("hub", b"2" * 16, NOW_MS + 1000)
    with pytest.raises(EnvelopeError, match="full"):
        store.add("hub", b"3" * 16, NOW_MS)
    assert not store.add("hub", b"1" * 16, NOW_MS)
    store.purge(NOW_MS)
    assert store.add("hub", b"3" * 16, NOW_MS + 1000)
    assert not store.add("hub", b"2" * 16, NOW_MS + 1000)


class SqliteReplayStore:
    """The least store that survives a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("create table if not exists seen (sender, id, expires_at_ms, primary key (sender, id))")

    def add(self, sender: str, message_id: bytes, expires_at_ms: int) -> bool:
        with closing(sqlite3.connect(self._path)) as db, db:
            row = (sender, message_id, expires_at_ms)
            return db.execute("insert or ignore into seen values (?, ?, ?)", row).rowcount == 1


def test_a_message_replayed_after_a_restart_is_refused(tmp_path: Path) -> None:
    key = SigningKey.generate()
    header = new_header(sender="CA9900100", audience="hub", now_ms=NOW_MS, lifetime_ms=60_000)
    kind = payload_type("test")
    envelope = sign(kind, envelope_pb2.SignedPayload(header=header_to_proto(header)).SerializeToString(), key)

    def receive() -> Header:
        verifier = Verifier({"hub"}, SqliteReplayStore(tmp_path / "hub.db"))
        return verifier.verify(envelope, expected_type=kind, keys={key.public}, now_ms=NOW_MS + 1).header

    assert receive() == header
    with pytest.raises(EnvelopeError) as refused:
        receive()
    assert refused.value.reason == "replayed"
