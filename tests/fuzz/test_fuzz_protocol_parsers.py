"""What everybody may send: whatever the bytes are, a parser of the protocol gives a value or its own error."""

from __future__ import annotations

import base64
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.protocol.errors import JoinCodeError, ProtocolError, RosterError
from waypost.protocol.joincode import decode_join_code
from waypost.protocol.roster import parse_roster
from waypost.v1 import roster_pb2

BYTES = st.binary(max_size=600)
FIELDS = st.fixed_dictionaries(
    {
        "version": st.integers(0, 2**64 - 1),
        "hub_signing_key": st.binary(max_size=40),
        "trustee_signing_key": st.binary(max_size=40),
        "policy_floor": st.text(max_size=40),
        "previous_digest": st.binary(max_size=40),
    }
)
MEMBERS = st.lists(
    st.builds(
        roster_pb2.Member,
        ori=st.text(max_size=12),
        name=st.text(max_size=12),
        state=st.text(max_size=4),
        signing_public_key=st.binary(max_size=40),
        sealing_key_digest=st.binary(max_size=40),
        key_since_version=st.integers(0, 2**64 - 1),
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(BYTES)
def test_any_bytes_are_a_roster_or_are_refused_as_none(data: bytes) -> None:
    with contextlib.suppress(RosterError):
        parse_roster(data)


@settings(max_examples=300, deadline=None)
@given(FIELDS, MEMBERS)
def test_a_roster_with_any_fields_is_one_or_is_refused(
    fields: dict[str, object], members: list[roster_pb2.Member]
) -> None:
    roster = roster_pb2.Roster(members=members, **fields)  # type: ignore[arg-type]
    with contextlib.suppress(RosterError):
        parse_roster(roster.SerializeToString())


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | BYTES.map(lambda data: "WP1-" + base64.urlsafe_b64encode(data).decode().rstrip("=")))
def test_any_line_is_a_join_code_or_is_refused_as_none(text: str) -> None:
    with contextlib.suppress(JoinCodeError, ProtocolError):
        decode_join_code(text)
