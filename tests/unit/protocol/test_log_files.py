"""Files that prove something offline: what they prove, and that no altered one proves anything else."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parties.logs import CRIMES, HUB, NOW_MS, NOW_S, TRUSTEE, Log, entry, forged

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.protocol import names
from waypost.protocol.errors import TransparencyError
from waypost.protocol.log_files import (
    LoggedReceipt,
    VerifiedReceipt,
    export_log,
    parse_receipt_file,
    verify_log_file,
    verify_receipt_file,
)
from waypost.protocol.transparency import Entry
from waypost.v1 import check_pb2, log_pb2

HEADER = new_header(
    sender=names.HUB, audience="CA9900100", now_ms=NOW_MS, lifetime_ms=60_000, message_id=bytes(range(16))
)
RECEIPT = check_pb2.Receipt(header=header_to_proto(HEADER), check_id=bytes(16), sequence=1)
ENVELOPE = sign(names.RECEIPT, RECEIPT.SerializeToString(), HUB)
ENTRY = Entry(log_pb2.LOG_KIND_RECEIPT, NOW_MS + 5, hashlib.sha256(ENVELOPE.payload).digest())
LOG = Log.of([entry(0), entry(1), ENTRY, entry(3)])
FILE = LoggedReceipt(ENVELOPE.SerializeToString(), ENTRY.at_ms, str(LOG.proof(2))).to_bytes()


def verify(data: bytes, hub: SigningKey = HUB, trustee: SigningKey = TRUSTEE) -> VerifiedReceipt:
    return verify_receipt_file(data, hub_key=hub.public, trustee_key=trustee.public)


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(FILE), **changes}).encode()


def test_a_receipts_file_proves_the_receipt_with_nothing_but_the_root_keys() -> None:
    verified = verify(FILE)
    assert (verified.receipt, verified.index, verified.logged_at_ms) == (RECEIPT, 2, ENTRY.at_ms)
    assert verified.witnessed.cosigned_at_s == NOW_S
    assert parse_receipt_file(FILE).to_bytes() == FILE


@pytest.mark.parametrize(("hub", "trustee"), [(TRUSTEE, TRUSTEE), (HUB, HUB)])
def test_under_other_root_keys_it_proves_nothing(hub: SigningKey, trustee: SigningKey) -> None:
    with pytest.raises(TransparencyError):
        verify(FILE, hub, trustee)


def test_a_receipt_that_was_never_logged_is_refused_however_well_it_is_signed() -> None:
    other = sign(names.RECEIPT, check_pb2.Receipt(header=RECEIPT.header, sequence=2).SerializeToString(), HUB)
    with pytest.raises(TransparencyError, match="not proven to be in the log"):
        verify(LoggedReceipt(other.SerializeToString(), ENTRY.at_ms, str(LOG.proof(2))).to_bytes())


def test_an_answer_does_not_pass_for_a_receipt() -> None:
    other = sign(names.ANSWER, ENVELOPE.payload, HUB)
    with pytest.raises(TransparencyError, match="not the hub's"):
        verify(LoggedReceipt(other.SerializeToString(), ENTRY.at_ms, str(LOG.proof(2))).to_bytes())


def test_a_receipt_cannot_be_dated_otherwise() -> None:
    with pytest.raises(TransparencyError):
        verify(changed(logged_at_ms=ENTRY.at_ms - 1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 200_000,
        b"x" * 2_000_000,
        changed(**{"waypost-receipt": 2}),
        changed(logged_at_ms="now"),
        changed(logged_at_ms=-1),
        changed(logged_at_ms=True),
        changed(proof=7),
        changed(proof="\ud800"),
        changed(receipt="~"),
        changed(receipt=""),
    ],
    ids=range(12),
)
def test_what_is_no_receipts_file_is_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(TransparencyError):
        verify(data)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.binary(min_size=1, max_size=1))
def test_a_changed_byte_of_a_receipts_file_proves_nothing_else(place: int, byte: bytes) -> None:
    with suppress(TransparencyError):
        verified = verify(FILE[:place] + byte + FILE[place + 1 :])
        assert (verified.receipt, verified.logged_at_ms) == (RECEIPT, ENTRY.at_ms)


def lines_of(entries: list[Entry], note: bytes) -> list[bytes]:
    return b"".join(export_log(entries, note)).splitlines(keepends=True)


def test_a_whole_log_proves_itself_with_nothing_but_the_root_keys() -> None:
    verified = verify_log_file(lines_of(LOG.entries, LOG.cosigned()), hub_key=HUB.public, trustee_key=TRUSTEE.public)
    assert verified.witnessed.checkpoint == LOG.checkpoint()
    assert verified.counts == {"check": 3, "receipt": 1}


@pytest.mark.parametrize("crime", CRIMES)
def test_an_exported_log_with_one_entry_dropped_moved_or_rewritten_is_refused(crime: str) -> None:
    other = forged(LOG, crime)
    size = 3 if crime == "drop" else 4
    with pytest.raises(TransparencyError) as caught:
        verify_log_file(lines_of(other.entries[:size], LOG.cosigned()), hub_key=HUB.public, trustee_key=TRUSTEE.public)
    assert caught.value.reason == ("entry-missing" if crime == "drop" else "split-view")


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_of_an_exported_log_is_caught(place: int, change: int) -> None:
    data = bytearray(b"".join(export_log(LOG.entries, LOG.cosigned())))
    data[place % len(data)] ^= change
    with pytest.raises(TransparencyError):
        verify_log_file(bytes(data).splitlines(keepends=True), hub_key=HUB.public, trustee_key=TRUSTEE.public)
