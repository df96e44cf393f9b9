"""A node's watches, rule by rule: what goes up, which hit counts, and which check it causes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType

import pytest

from waypost.crypto.envelope import SigningKey, parse_envelope, sign, verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import Header, header_to_proto, new_header
from waypost.crypto.sealing import SealingKey
from waypost.node import asking, watching
from waypost.node.applicants import Inquiry, inquiry_from_json
from waypost.node.due_process import Windows
from waypost.node.errors import CheckError
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.receiver import Receiver
from waypost.node.store import Store
from waypost.protocol import limits, names
from waypost.protocol.roster import Roster
from waypost.v1 import envelope_pb2, watch_pb2

NOW_MS = 1_795_000_000_000
ORI = "CA9900100"
HUB_KEY, OWN_KEY = SigningKey.generate(), SigningKey.generate()
BATCH = limits.REGISTRATION_BATCH_TOKENS


def _receiver(now_ms: int = NOW_MS) -> Receiver:
    roster = Roster(
        header=Header(bytes(16), "hub", "*", NOW_MS, NOW_MS + limits.ROSTER_LIFETIME_MS),
        version=1,
        members=MappingProxyType({}),
        hub_signing_key=HUB_KEY.public,
        trustee_signing_key=bytes(32),
        epoch=1,
        hub_index_key=bytes(32),
        trustee_index_key=bytes(32),
        policy_floor="",
        previous_digest=b"",
        payload_digest=bytes(32),
    )
    return Receiver(ORI, HUB_KEY.public, OWN_KEY, SealingKey.generate(), roster, None, Windows(), now_ms)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "node.db", bytes(32)) as held:
        yield held


def _person(family: str = "Thornbury") -> Person:
    return Person((PersonName(family, "Isolde"),), PartialDate.parse("1988-03-14"))


def _watched(store: Store, count: int = 30, days: int = 365) -> tuple[bytes, list[bytes]]:
    inquiry = Inquiry(_person(), "hiring", "CONSENT-7", bytes(32), "HR-1")
    watch = watching.new_watch(inquiry, "EMP-1", days, NOW_MS)
    store.watches.add(watch)
    tokens = [os.urandom(limits.TOKEN_BYTES) for _ in range(count)]
    watching.put_tokens(store, {watch.id: tokens}, 1)
    return watch.id, tokens


def _hit(tokens: list[bytes], key: SigningKey = HUB_KEY, audience: str = ORI, epoch: int = 1) -> envelope_pb2.Envelope:
    header = new_header(sender=names.HUB, audience=audience, now_ms=NOW_MS, lifetime_ms=limits.DAY_MS)
    hit = watch_pb2.WatchHit(header=header_to_proto(header), epoch=epoch, tokens=sorted(tokens))
    return sign(names.WATCH_HIT, hit.SerializeToString(), key)


def _posted(store: Store) -> list[watch_pb2.WatchRegistration]:
    found = []
    for message in store.outbox.waiting(1000):
        envelope = parse_envelope(message.envelope)
        verified = verify_signatures(envelope, (OWN_KEY.public,), required=1, expected_type=names.WATCH_REGISTRATION)
        found.append(watch_pb2.WatchRegistration.FromString(verified.payload))
        store.outbox.remove(message.id)
    return found


def _post_due(store: Store, now_ms: int = NOW_MS) -> list[watch_pb2.WatchRegistration]:
    watching.post_due(store, 1, ori=ORI, key=OWN_KEY, now_ms=now_ms)
    return _posted(store)


@pytest.mark.parametrize("count", [1, 40, BATCH, BATCH + 1])
def test_tokens_go_up_in_full_batches_whatever_their_number(store: Store, count: int) -> None:
    _, tokens = _watched(store, count)
    messages = _post_due(store)
    assert {len(message.add) for message in messages} == {BATCH}
    assert len(messages) == -(-count // BATCH)
    assert set(tokens) <= {token for message in messages for token in message.add}
    assert _post_due(store) == []


def test_a_lease_is_renewed_when_half_of_it_is_over_decoys_included(store: Store) -> None:
    _watched(store)
    (first,) = _post_due(store)
    assert _post_due(store, NOW_MS + limits.WATCH_LEASE_MS // 2 - 1) == []
    (again,) = _post_due(store, NOW_MS + limits.WATCH_LEASE_MS // 2 + 1)
    assert set(again.add) == set(first.add)


def test_a_watch_is_at_the_hub_from_the_lease_of_its_last_token_until_its_end_or_the_leases(store: Store) -> None:
    watch_id, _ = _watched(store)
    assert store.watches.at_hub(NOW_MS) == frozenset()
    _post_due(store)
    assert store.watches.at_hub(NOW_MS) == {watch_id, b""}  # the decoys are there, too
    assert store.watches.at_hub(NOW_MS + limits.WATCH_LEASE_MS) == frozenset()
    watch = store.watches.get(watch_id)
    assert watch is not None
    watching.remove(store, watch)
    assert watch_id not in store.watches.at_hub(NOW_MS)


def test_a_removed_watch_takes_its_tokens_back_except_those_another_watch_needs(store: Store) -> None:
    watch_id, tokens = _watched(store)
    other_id, _ = _watched(store)
    watching.put_tokens(store, {other_id: tokens[:5]}, 1)
    _post_due(store)
    watch = store.watches.get(watch_id)
    assert watch is not None
    watching.remove(store, watch)
    (message,) = _post_due(store)
    assert list(message.withdraw) == sorted(tokens[5:])
    ended = store.watches.get(watch_id)
    assert ended is not None
    assert ended.inquiry_json == ""


def test_a_hit_queues_a_check_under_the_watchs_authorization(store: Store) -> None:
    watch_id, tokens = _watched(store)
    watching.take_hit(store, _hit(tokens[:3]), _receiver())
    watch = store.watches.get(watch_id)
    assert watch is not None
    check = store.checks.get(watch.check_id)
    assert check is not None
    assert check.state == asking.QUEUED
    assert inquiry_from_json(check.request_json).authorization_reference == "CONSENT-7"


def test_a_hit_that_is_delivered_twice_counts_once(store: Store) -> None:
    _, tokens = _watched(store)
    hit = _hit(tokens[:3])
    watching.take_hit(store, hit, _receiver())
    with pytest.raises(EnvelopeError) as refused:
        watching.take_hit(store, hit, _receiver())
    assert refused.value.reason == "replayed"
    assert len(store.checks.newest(10)) == 1


def test_two_hits_before_the_check_was_asked_cause_one_check_and_a_later_one_another(store: Store) -> None:
    watch_id, tokens = _watched(store)
    watching.take_hit(store, _hit(tokens[:1]), _receiver())
    watching.take_hit(store, _hit(tokens[1:2]), _receiver())
    (check,) = store.checks.newest(10)
    store.checks.update(replace(check, state=asking.ANSWERED))
    watching.take_hit(store, _hit(tokens[2:3]), _receiver())
    assert len(store.checks.newest(10)) == 2
    assert store.watches.get(watch_id) is not None


@pytest.mark.parametrize(
    ("hit", "reason"),
    [
        (lambda tokens: _hit(tokens, key=OWN_KEY), "wrong-signature"),
        (lambda tokens: _hit(tokens, audience="NV9900200"), "wrong-audience"),
    ],
)
def test_a_hit_that_the_hub_did_not_sign_for_this_node_causes_nothing(store: Store, hit: object, reason: str) -> None:
    _, tokens = _watched(store)
    assert callable(hit)
    with pytest.raises(EnvelopeError) as refused:
        watching.take_hit(store, hit(tokens), _receiver())
    assert refused.value.reason == reason
    assert store.checks.newest(10) == []


def test_a_hit_on_tokens_of_another_epoch_or_of_nobody_causes_nothing(store: Store) -> None:
    _, tokens = _watched(store)
    watching.take_hit(store, _hit(tokens, epoch=2), _receiver())
    watching.take_hit(store, _hit([os.urandom(limits.TOKEN_BYTES)]), _receiver())
    assert store.checks.newest(10) == []


def test_a_watch_whose_time_is_over_causes_no_check_even_before_it_was_ended(store: Store) -> None:
    _, tokens = _watched(store, days=1)
    later_ms = NOW_MS + limits.DAY_MS
    header = new_header(sender=names.HUB, audience=ORI, now_ms=later_ms, lifetime_ms=limits.DAY_MS)
    hit = watch_pb2.WatchHit(header=header_to_proto(header), epoch=1, tokens=tokens)
    watching.take_hit(store, sign(names.WATCH_HIT, hit.SerializeToString(), HUB_KEY), _receiver(later_ms))
    assert store.checks.newest(10) == []
    assert watching.end_overdue(store, later_ms) == 1
    assert watching.end_overdue(store, later_ms) == 0


@pytest.mark.parametrize("days", [0, -1, limits.WATCH_LIFETIME_DAYS_MAX + 1])
def test_a_watch_lasts_no_longer_than_the_federation_allows(days: int) -> None:
    with pytest.raises(CheckError, match="a watch lasts"):
        watching.end_of(days, NOW_MS)


def test_the_day_of_birth_of_a_watched_person_is_not_in_the_file_in_the_clear(store: Store, tmp_path: Path) -> None:
    _watched(store)
    born = date(1988, 3, 14).isoformat().encode()
    files = [path.read_bytes() for path in tmp_path.iterdir() if path.is_file()]
    assert files
    assert all(born not in content and b"Thornbury" not in content for content in files)
