"""What a node makes of the hub's log: proofs that hold, entries that are missing, and a hub that forks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parties.logs import CRIMES, KEYS, NOW_MS, NOW_S, Log, entry, forged

from waypost.crypto.tlog.proof import parse_proof, verify_proof
from waypost.node.log_examining import Examined, examine, request_for
from waypost.node.store import Conflict, KeptProof, Store, WantedEntry
from waypost.protocol.errors import TransparencyError
from waypost.protocol.limits import LOG_MERGE_DELAY_MS
from waypost.protocol.transparency import Entry
from waypost.v1 import hub_service_pb2, log_pb2

HONEST = Log.of(entry(n) for n in range(6))


def wanted(number: int, since_ms: int = NOW_MS, lacking_since_ms: int = 0) -> WantedEntry:
    made = entry(number)
    return WantedEntry(made.kind, made.digest, since_ms, lacking_since_ms)


def response(log: Log, held: int, *entries: WantedEntry, at_s: int = NOW_S) -> hub_service_pb2.GetCheckpointResponse:
    """An honest hub's response, from its log."""
    places = {each.digest: place for place, each in enumerate(log.entries)}
    return hub_service_pb2.GetCheckpointResponse(
        checkpoint=log.cosigned(at_s=at_s),
        consistency=log.consistency(held),
        inclusions=[inclusion(log, places.get(each.digest)) for each in entries],
    )


def inclusion(log: Log, place: int | None) -> log_pb2.LogInclusion:
    if place is None:
        return log_pb2.LogInclusion()
    at_ms, proof = log.entries[place].at_ms, log.proof(place).hashes
    return log_pb2.LogInclusion(included=True, at_ms=at_ms, index=place, proof=proof)


def look(answer: hub_service_pb2.GetCheckpointResponse, held: int, *entries: WantedEntry) -> Examined:
    return examine(answer, held=HONEST.checkpoint(held) if held else None, wanted=entries, keys=KEYS)


def test_entries_are_proven_and_the_proofs_kept_verify_by_themselves() -> None:
    owed = (wanted(1), wanted(4))
    examined = look(response(HONEST, 3, *owed), 3, *owed)
    assert not examined.missing
    for each, kept in examined.proven:
        text = Entry(each.kind, kept.at_ms, each.digest).to_bytes()
        assert verify_proof(parse_proof(kept.proof.encode()), text, KEYS.log, KEYS.witness).checkpoint.size == 6
    assert [each for each, _ in examined.proven] == list(owed)


LATE_S = NOW_S + LOG_MERGE_DELAY_MS // 1000


def test_an_entry_that_is_not_logged_yet_is_waited_for_by_the_trustees_clock_alone() -> None:
    for owed in (
        wanted(99, since_ms=0),
        wanted(99, since_ms=NOW_MS, lacking_since_ms=NOW_MS),
    ):  # the node's clock is off
        examined = look(response(HONEST, 0, owed, at_s=LATE_S), 0, owed)
        assert (examined.lacking, examined.missing) == ((owed,), ())


def test_attack_the_hub_drops_an_event_before_it_gets_a_place() -> None:
    owed = wanted(99, lacking_since_ms=NOW_MS)
    assert look(response(HONEST, 0, owed, at_s=LATE_S + 1), 0, owed).missing == (owed,)


@pytest.mark.parametrize("crime", CRIMES)
def test_attack_the_hub_forks_its_log(crime: str) -> None:
    with pytest.raises(TransparencyError) as caught:
        look(response(forged(HONEST, crime), 4), 4)
    assert caught.value.reason == "split-view"


def test_attack_the_hub_says_that_it_has_no_log() -> None:
    assert look(hub_service_pb2.GetCheckpointResponse(), 0) == Examined(None)
    with pytest.raises(TransparencyError) as caught:
        look(hub_service_pb2.GetCheckpointResponse(), 3)
    assert caught.value.reason == "rolled-back"


@pytest.mark.parametrize("field", ["at_ms", "index", "proof"])
def test_a_proof_that_does_not_hold_is_refused_and_accuses_nobody(field: str) -> None:
    owed = wanted(2)
    answer = response(HONEST, 0, owed)
    if field == "proof":
        answer.inclusions[0].proof[0] = bytes(32)
    else:
        setattr(answer.inclusions[0], field, 1)
    with pytest.raises(TransparencyError) as caught:
        look(answer, 0, owed)
    assert caught.value.reason == "wrong-proof"


def test_a_response_about_other_entries_than_those_asked_for_is_refused() -> None:
    with pytest.raises(TransparencyError, match="of each entry"):
        look(response(HONEST, 0), 0, wanted(1))


def test_the_request_names_what_is_held_and_wanted() -> None:
    request = request_for(HONEST.checkpoint(3), [wanted(1)])
    assert (request.held_size, request.entries[0].digest) == (3, entry(1).digest)
    assert request_for(None, []).held_size == 0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "node.db", bytes(32))


def test_an_entry_is_wanted_until_it_is_proven_and_never_again(store: Store) -> None:
    owed = wanted(1)
    for now_ms in (NOW_MS, NOW_MS + 5):
        store.transparency.want(owed.kind, owed.digest, now_ms)
    assert store.transparency.wanted(9) == [owed]
    for moment_ms in (NOW_MS + 7, NOW_MS + 9):
        store.transparency.lacks(owed, moment_ms)
    assert store.transparency.wanted(9) == [wanted(1, lacking_since_ms=NOW_MS + 7)]
    store.transparency.prove(owed, KeptProof(7, "proof"))
    store.transparency.want(owed.kind, owed.digest, NOW_MS)
    assert store.transparency.wanted(9) == []
    assert store.transparency.proof(owed.kind, owed.digest) == KeptProof(7, "proof")
    assert store.transparency.proof(log_pb2.LOG_KIND_ANSWER, owed.digest) is None


def test_evidence_is_kept_once_and_survives_being_resolved(store: Store) -> None:
    conflict = Conflict("split-view", b"note", NOW_MS)
    assert store.transparency.add_conflict(conflict)
    assert not store.transparency.add_conflict(Conflict("split-view", b"note", NOW_MS + 1))
    store.transparency.put_checkpoint(b"held")
    assert store.transparency.conflicts() == [conflict]
    assert store.transparency.resolve() == 1
    assert (store.transparency.conflicts(), store.transparency.checkpoint()) == ([], None)
    assert store.transparency.add_conflict(conflict)  # the same again is news again
