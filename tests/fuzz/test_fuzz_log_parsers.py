"""Bytes from outside that claim to be of a log: a value that says nothing new, or the one documented error."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parties.logs import HUB, KEYS, TRUSTEE, Log, entry

from waypost.node.log_examining import examine
from waypost.node.store import WantedEntry
from waypost.protocol.errors import TransparencyError
from waypost.protocol.log_files import export_log, parse_receipt_file, verify_log_file, verify_receipt_file
from waypost.protocol.transparency import parse_entry
from waypost.v1 import hub_service_pb2, log_pb2

QUICK = settings(max_examples=150, deadline=None)
LOG = Log.of(entry(n) for n in range(4))
EXPORTED = b"".join(export_log(LOG.entries, LOG.cosigned()))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(draw(st.integers(0, 4))):
        place, length = draw(st.integers(0, len(data))), draw(st.integers(0, 8))
        data[place : place + length] = draw(st.binary(max_size=8))
    return bytes(data)


@QUICK
@given(mutated(LOG.entries[0].to_bytes()) | st.binary(max_size=200))
def test_entries(data: bytes) -> None:
    with suppress(TransparencyError):
        assert parse_entry(data).to_bytes() == data


@QUICK
@given(mutated(EXPORTED))
def test_exported_logs(data: bytes) -> None:
    with suppress(TransparencyError):
        verified = verify_log_file(data.splitlines(keepends=True), hub_key=HUB.public, trustee_key=TRUSTEE.public)
        assert verified.witnessed.checkpoint == LOG.checkpoint()  # nothing else was ever cosigned
        assert data.startswith(EXPORTED[: EXPORTED.index(b"\n\n")])


@QUICK
@given(
    st.binary(max_size=300)
    | st.fixed_dictionaries(dict.fromkeys(("waypost-receipt", "receipt", "logged_at_ms", "proof"), JSON_VALUES)).map(
        lambda content: json.dumps(content).encode()
    )
)
def test_receipts_files(data: bytes) -> None:
    with suppress(TransparencyError):
        assert parse_receipt_file(data).proof
    with suppress(TransparencyError):
        verify_receipt_file(data, hub_key=HUB.public, trustee_key=TRUSTEE.public)
        raise AssertionError("nothing was logged, and something was proven")


@QUICK
@given(mutated(LOG.cosigned()), st.lists(st.binary(max_size=33), max_size=4), st.booleans())
def test_responses_of_the_hub(note: bytes, proof: list[bytes], included: bool) -> None:
    wanted = WantedEntry(entry(9).kind, entry(9).digest, 0)
    response = hub_service_pb2.GetCheckpointResponse(
        checkpoint=note,
        consistency=proof,
        inclusions=[log_pb2.LogInclusion(included=included, at_ms=len(proof), proof=proof)],
    )
    with suppress(TransparencyError):
        examined = examine(response, held=LOG.checkpoint(2), wanted=[wanted], keys=KEYS)
        assert not examined.proven  # it never was in the log
