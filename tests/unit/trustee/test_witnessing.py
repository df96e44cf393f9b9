"""What the trustee cosigns, and what it keeps as evidence instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parties.commands import run
from tests.parties.logs import CRIMES, HUB, KEYS, NOW_MS, TRUSTEE, Log, entry, forged

from waypost.crypto.keystore import Keystore
from waypost.protocol.transparency import accept_witnessed
from waypost.trustee.audit import Event
from waypost.trustee.errors import Refused
from waypost.trustee.service import Trustee
from waypost.trustee.settings import HubIdentity
from waypost.trustee.store import Store
from waypost.v1 import trustee_service_pb2

HONEST = Log.of(entry(n) for n in range(6))


@pytest.fixture
def trustee(tmp_path: Path) -> Trustee:
    keys = Keystore.create(tmp_path / "keys", "correct horse battery", {"signing": TRUSTEE.seed})
    return Trustee(keys, Store(tmp_path / "trustee.db", create=True), HubIdentity(HUB.public, b""))


def ask(log: Log, size: int, old: int) -> trustee_service_pb2.CosignCheckpointRequest:
    return trustee_service_pb2.CosignCheckpointRequest(
        checkpoint=log.signed(size), old_size=old, consistency=log.consistency(old, size)
    )


def test_a_log_that_grows_is_cosigned_again_and_again(trustee: Trustee) -> None:
    old = 0
    for size in (2, 3, 3, 6):
        answer = trustee.witness(ask(HONEST, size, old), NOW_MS)
        note = HONEST.signed(size) + answer.signature_line.encode()
        assert accept_witnessed(note, (), held=None, keys=KEYS).checkpoint == HONEST.checkpoint(size)
        assert answer.held_size == size
        old = size


def test_a_proof_from_another_size_than_the_one_held_is_answered_with_that_size_and_no_signature(
    trustee: Trustee,
) -> None:
    trustee.witness(ask(HONEST, 3, 0), NOW_MS)
    for old in (0, 2, 4):
        answer = trustee.witness(ask(HONEST, 6, old), NOW_MS)
        assert (answer.signature_line, answer.held_size) == ("", 3)


@pytest.mark.parametrize("crime", CRIMES)
def test_a_rewritten_log_is_refused_and_kept_as_evidence_once(trustee: Trustee, crime: str) -> None:
    trustee.witness(ask(HONEST, 4, 0), NOW_MS)
    other = forged(HONEST, crime)
    for _ in range(2):
        with pytest.raises(Refused, match="not the one that was shown before"):
            trustee.witness(ask(other, 7, 4), NOW_MS)
    assert trustee.store.refused_checkpoints() == [other.signed(7)]
    assert [each.event for each in trustee.store.entries()] == [Event.CHECKPOINT_REFUSED]
    assert trustee.witness(ask(HONEST, 6, 4), NOW_MS).held_size == 6


def test_a_log_that_was_cut_short_is_refused(trustee: Trustee) -> None:
    trustee.witness(ask(HONEST, 4, 0), NOW_MS)
    with pytest.raises(Refused, match="had 4 entries and now has 2"):
        trustee.witness(ask(HONEST, 2, 4), NOW_MS)


def test_what_the_hub_has_not_signed_is_refused_before_anything_is_compared(trustee: Trustee) -> None:
    request = trustee_service_pb2.CosignCheckpointRequest(checkpoint=b"nothing", old_size=9)
    with pytest.raises(Refused, match="no checkpoint"):
        trustee.witness(request, NOW_MS)


def test_a_hub_that_lost_its_log_begins_anew_only_after_the_operator_said_so(trustee: Trustee, tmp_path: Path) -> None:
    assert run("waypost-trustee", "log", "restart", "--reason", "early", home=tmp_path).returncode == 1
    trustee.witness(ask(HONEST, 4, 0), NOW_MS)
    with pytest.raises(Refused):
        trustee.witness(ask(HONEST, 2, 4), NOW_MS)
    assert (
        run("waypost-trustee", "log", "show", home=tmp_path).stdout.count(KEYS.origin) == 4
    )  # two notes, two lines each
    assert run("waypost-trustee", "log", "restart", "--reason", "disk lost", home=tmp_path).returncode == 0
    assert trustee.witness(ask(HONEST, 2, 0), NOW_MS).signature_line
    assert [each.event for each in trustee.store.entries()] == [Event.CHECKPOINT_REFUSED, Event.LOG_RESTARTED]


def test_a_trustee_that_was_started_again_still_knows_what_it_has_cosigned(trustee: Trustee, tmp_path: Path) -> None:
    trustee.witness(ask(HONEST, 4, 0), NOW_MS)
    trustee.store.close()
    keys = Keystore.open(tmp_path / "keys", "correct horse battery")
    again = Trustee(keys, Store(tmp_path / "trustee.db"), HubIdentity(HUB.public, b""))
    assert again.witness(ask(forged(HONEST, "drop"), 6, 0), NOW_MS).held_size == 4
    with pytest.raises(Refused):
        again.witness(ask(forged(HONEST, "drop"), 6, 4), NOW_MS)
