"""What a party accepts as the federation's log, and what it refuses by which word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.parties.logs import CRIMES, HUB, KEYS, NOW_S, TRUSTEE, Log, entry, forged

from waypost.crypto.tlog.checkpoint import Checkpoint, cosign, sign_checkpoint, with_signature
from waypost.protocol.errors import TransparencyError
from waypost.protocol.transparency import (
    WORDS,
    Entry,
    accept_signed,
    accept_witnessed,
    log_keys,
    parse_entry,
    refusal_digest,
)
from waypost.v1 import log_pb2

HONEST = Log.of(entry(n) for n in range(5))
HELD = HONEST.checkpoint(3)


def refused_with(reason: str) -> pytest.RaisesExc[TransparencyError]:
    return pytest.RaisesExc(TransparencyError, check=lambda error: error.reason == reason)


def test_a_log_that_grew_is_accepted_from_nothing_and_from_every_size_before() -> None:
    for size in range(5):
        held = HONEST.checkpoint(size) if size else None
        accepted = accept_witnessed(HONEST.cosigned(), HONEST.consistency(size), held=held, keys=KEYS)
        assert (accepted.checkpoint, accepted.cosigned_at_s) == (HONEST.checkpoint(), NOW_S)


def test_the_same_checkpoint_again_is_accepted() -> None:
    assert accept_witnessed(HONEST.cosigned(3), (), held=HELD, keys=KEYS).checkpoint == HELD


@pytest.mark.parametrize("crime", CRIMES)
def test_a_log_with_one_entry_dropped_moved_or_rewritten_is_a_split_view(crime: str) -> None:
    other = forged(HONEST, crime)
    with refused_with("split-view"):
        accept_witnessed(other.cosigned(), other.consistency(3), held=HELD, keys=KEYS)
    with refused_with("split-view"):  # nor with the honest log's proof
        accept_witnessed(other.cosigned(5), HONEST.consistency(3), held=HELD, keys=KEYS)


@pytest.mark.parametrize("crime", CRIMES)
def test_two_histories_of_the_same_length_are_a_split_view(crime: str) -> None:
    with refused_with("split-view"):
        accept_witnessed(forged(HONEST, crime).cosigned(3), (), held=HELD, keys=KEYS)


def test_a_shorter_log_is_refused_even_when_it_is_the_beginning_of_the_one_held() -> None:
    with refused_with("rolled-back"):
        accept_witnessed(HONEST.cosigned(2), (), held=HELD, keys=KEYS)


def test_a_checkpoint_that_the_trustee_has_not_cosigned_is_refused_by_members_and_taken_by_the_trustee() -> None:
    with refused_with("not-cosigned"):
        accept_witnessed(HONEST.signed(), HONEST.consistency(3), held=HELD, keys=KEYS)
    assert accept_signed(HONEST.signed(), HONEST.consistency(3), held=HELD, keys=KEYS) == HONEST.checkpoint()


def test_the_trustee_alone_cannot_make_a_checkpoint() -> None:
    checkpoint = HONEST.checkpoint()
    note = sign_checkpoint(checkpoint, TRUSTEE)
    with refused_with("wrong-checkpoint"):
        accept_witnessed(
            with_signature(note, cosign(checkpoint, KEYS.witness.name, TRUSTEE, NOW_S)), (), held=None, keys=KEYS
        )


def test_another_federations_log_is_refused() -> None:
    other = Checkpoint(log_keys(TRUSTEE.public, HUB.public).origin, 1, HONEST.checkpoint(1).root)
    with refused_with("wrong-checkpoint"):
        accept_signed(sign_checkpoint(other, HUB), (), held=None, keys=KEYS)


@given(st.sampled_from(sorted(WORDS)), st.integers(0, 2**62), st.binary(min_size=32, max_size=32))
def test_entries_are_read_as_they_were_written(kind: log_pb2.LogKind.ValueType, at_ms: int, digest: bytes) -> None:
    made = Entry(kind, at_ms, digest)
    assert parse_entry(made.to_bytes()) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "waypost-log/v1 check 1 " + "a" * 64,
        "waypost-log/v1 check 01 " + "a" * 64 + "\n",
        "waypost-log/v1 check 1 " + "A" * 64 + "\n",
        "waypost-log/v1 check 1 " + "a" * 63 + "\n",
        "waypost-log/v1 gossip 1 " + "a" * 64 + "\n",
        "waypost-log/v2 check 1 " + "a" * 64 + "\n",
        "waypost-log/v1 check 1 " + "a" * 64 + "\n\n",
        "waypost-log/v1  check 1 " + "a" * 64 + "\n",
        "waypost-log/v1 unspecified 1 " + "a" * 64 + "\n",
    ],
)
def test_a_line_in_any_other_form_is_no_entry(text: str) -> None:
    with refused_with("malformed"):
        parse_entry(text.encode())


def test_a_refusal_is_bound_to_what_was_refused_and_to_the_reason() -> None:
    digests = {refusal_digest(bytes([n]) * 32, reason) for n in (1, 2) for reason in ("expired", "replayed")}
    assert len(digests) == 4
