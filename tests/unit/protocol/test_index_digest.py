"""Two sides with the same tokens agree, and a difference is found in its bucket."""

from __future__ import annotations

import hashlib
import os
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.protocol.index_digest import bucket_digest, bucket_digests, differing_buckets, index_digest

TOKENS = [os.urandom(16) for _ in range(2000)]


def test_order_and_repetition_do_not_matter() -> None:
    shuffled = [*TOKENS, *TOKENS[:50]]
    random.Random(1).shuffle(shuffled)
    assert bucket_digests(shuffled) == bucket_digests(TOKENS)


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=40), st.binary(min_size=16, max_size=16))
@settings(max_examples=60, deadline=None)
def test_one_token_more_differs_in_exactly_its_own_bucket(tokens: set[bytes], extra: bytes) -> None:
    tokens.discard(extra)
    ours, theirs = bucket_digests(tokens), bucket_digests({*tokens, extra})
    assert differing_buckets(ours, theirs) == (extra[0],)
    assert index_digest(ours) != index_digest(theirs)


def test_the_digest_is_what_the_protocol_text_says() -> None:
    low, high = b"\x00" + bytes(15), b"\x00" + b"\xff" * 15
    buckets = bucket_digests([high, low])
    assert buckets[0] == bucket_digest([low, high])
    assert buckets[0] == hashlib.sha256(low + high).digest()
    assert buckets[1] == hashlib.sha256(b"").digest()
    assert index_digest(buckets) == hashlib.sha256(b"".join(buckets)).digest()
