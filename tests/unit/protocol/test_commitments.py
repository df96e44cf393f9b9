"""A check commits to its tokens; whoever is shown an opening can tell a false one."""

from __future__ import annotations

import os

import pytest

from waypost.protocol.commitments import Opening, commit, verify_openings
from waypost.protocol.errors import ProtocolError
from waypost.protocol.limits import CHECK_TOKENS, TOKEN_BYTES

TOKENS = [os.urandom(TOKEN_BYTES) for _ in range(17)]


def _commitments(openings: tuple[Opening, ...]) -> list[bytes]:
    return [opening.commitment for opening in openings]


def test_every_check_has_the_same_number_of_places_whatever_it_asks() -> None:
    for count in (0, 1, 17, CHECK_TOKENS):
        openings = commit([os.urandom(TOKEN_BYTES) for _ in range(count)])
        assert len(openings) == CHECK_TOKENS
        assert {len(opening.token) for opening in openings} == {TOKEN_BYTES}


def test_openings_of_some_places_verify_and_hold_the_tokens() -> None:
    openings = commit(TOKENS)
    real = [opening for opening in openings if opening.token in TOKENS]
    assert {opening.token for opening in real} == set(TOKENS)
    verify_openings(_commitments(openings), real)


def test_the_order_of_places_does_not_tell_real_tokens_from_decoys() -> None:
    first_places = {frozenset(o.slot for o in commit(TOKENS) if o.token in TOKENS) for _ in range(5)}
    assert len(first_places) > 1


def test_too_many_or_misshapen_tokens_are_refused() -> None:
    for tokens in ([os.urandom(TOKEN_BYTES)] * (CHECK_TOKENS + 1), [b"short"]):
        with pytest.raises(ProtocolError) as refused:
            commit(tokens)
        assert refused.value.reason == "malformed"


@pytest.mark.parametrize("field", ["token", "salt"])
def test_attack_hub_shows_a_node_a_token_that_the_asker_did_not_send(field: str) -> None:
    openings = commit(TOKENS)
    forged = openings[3]._replace(token=os.urandom(16)) if field == "token" else openings[3]._replace(salt=bytes(16))
    with pytest.raises(ProtocolError) as refused:
        verify_openings(_commitments(openings), [openings[0], forged])
    assert refused.value.reason == "wrong-opening"


def test_attack_hub_moves_an_opening_to_another_slot() -> None:
    openings = commit(TOKENS)
    with pytest.raises(ProtocolError):
        verify_openings(_commitments(openings), [openings[3]._replace(slot=4)])
    with pytest.raises(ProtocolError):
        verify_openings(_commitments(openings), [openings[3]._replace(slot=CHECK_TOKENS)])


def test_attack_one_slot_is_shown_twice() -> None:
    openings = commit(TOKENS)
    with pytest.raises(ProtocolError) as refused:
        verify_openings(_commitments(openings), [openings[3], openings[3]])
    assert refused.value.reason == "malformed"


def test_a_check_with_fewer_commitments_is_refused() -> None:
    openings = commit(TOKENS)
    with pytest.raises(ProtocolError):
        verify_openings(_commitments(openings)[:-1], [openings[0]])
