"""Join codes survive being mailed about, and nothing else passes for one."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.protocol.errors import JoinCodeError
from waypost.protocol.joincode import JoinCode, decode_join_code

CODE = JoinCode(
    secret=os.urandom(16),
    enrolment_certificate=os.urandom(32),
    hub_key=os.urandom(32),
    trustee_key=os.urandom(32),
    enrolment_port=7401,
    link_port=7400,
    ori="CA9900100",
    state="CA",
    role=1,
    name="Harbor Point Police Department",
    host="hub.example.gov",
)


def test_a_code_reads_back_as_it_was_written() -> None:
    assert decode_join_code(CODE.encode()) == CODE


def test_a_code_wrapped_by_a_mail_program_still_reads() -> None:
    text = CODE.encode()
    assert decode_join_code(f"  {text[:70]}\r\n {text[70:]}\n") == CODE


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_single_slip_in_copying_is_noticed(data: st.DataObject) -> None:
    text = CODE.encode()
    place = data.draw(st.integers(4, len(text) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda char: char != text[place]))
    slipped = text[:place] + other + text[place + 1 :]
    if place == len(text) - 1:
        return  # unused low bits of the last character mean nothing
    with pytest.raises(JoinCodeError) as refused:
        decode_join_code(slipped)
    assert refused.value.hint


@given(st.text(max_size=1600))
@settings(max_examples=80, deadline=None)
def test_text_that_is_no_code_gives_the_one_error_with_a_hint(text: str) -> None:
    with pytest.raises(JoinCodeError) as refused:
        decode_join_code(text)
    assert refused.value.hint


def test_half_a_code_is_refused() -> None:
    with pytest.raises(JoinCodeError, match="incomplete"):
        decode_join_code(CODE.encode()[:120])
