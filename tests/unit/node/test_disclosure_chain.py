"""A node that rewrites its own disclosure log: found by the chain, or by the heads that the hub's log holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.parties.logs import HUB, KEYS, NOW_MS, Log, entry

from waypost.crypto.envelope import SigningKey, parse_envelope
from waypost.node.disclosure_heads import HeadState, digest_of, judge, post_if_due
from waypost.node.store import DisclosedRecord, Disclosure, DisclosureChain, KeptProof, Store
from waypost.protocol.limits import DAY_MS
from waypost.protocol.transparency import Entry, head_commitment
from waypost.v1 import log_pb2

KEY = SigningKey.from_seed(b"\x07" * 32)
ORI = "NV9900200"
TRIGGERS = ("disclosures_stay", "disclosures_stay_there", "disclosure_chain_stays", "disclosure_chain_stays_there")


def disclosure(number: int, asker: str = "CA9900100") -> Disclosure:
    return Disclosure(
        at_ms=NOW_MS + number,
        check_id=number.to_bytes(16),
        asker=asker,
        purpose="hiring",
        authorization_digest=b"\x01" * 32,
        asker_reference="INV-3",
        officer_id=1,
        records=(DisclosedRecord("R-1", 1),),
        policies=("floor-hiring",),
        verdict="disclose",
        answer_digest=bytes(32),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "node.db", bytes(32))
    with sqlite3.connect(tmp_path / "node.db") as database:  # an officer for the entries to be about
        database.execute("INSERT INTO imports VALUES (1, 1, 0, 0, 0, 0)")
        database.execute(
            "INSERT INTO officers (id, officer_key, date_of_birth, digest, person_version, import_id) "
            "VALUES (1, 'A-1', '', x'', 1, 1)"
        )
    database.close()
    for number in range(4):
        store.disclosures.add(disclosure(number))
    return store


def tamper(path: Path, *statements: str) -> None:
    """As somebody who holds the file can: without the triggers."""
    with sqlite3.connect(path) as database:
        for trigger in TRIGGERS:
            database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            database.execute(statement)
    database.close()


CRIMES = {
    "drop": "DELETE FROM disclosures WHERE id = 2",
    "drop the last": "DELETE FROM disclosures WHERE id = 4",
    "rewrite": "UPDATE disclosures SET asker = 'OR9900400' WHERE id = 2",
    "reorder": "UPDATE disclosures SET id = CASE id WHEN 2 THEN 9 ELSE id END",
    "add": "INSERT INTO disclosures SELECT 8, at_ms, check_id, asker, purpose, authorization_digest, asker_reference, "
    "officer_id, records, policies, verdict, answer_digest FROM disclosures WHERE id = 1",
}


@pytest.mark.parametrize("crime", CRIMES)
def test_attack_an_entry_of_the_disclosure_log_is(crime: str, store: Store, tmp_path: Path) -> None:
    assert store.chain.recomputed().broken_at == 0
    tamper(tmp_path / "node.db", CRIMES[crime])
    assert store.chain.recomputed().broken_at != 0


def rebuilt(store: Store, path: Path, *statements: str) -> DisclosureChain:
    """The entries are changed, and the chain made to fit them."""
    tamper(path, *statements)
    chain = store.chain.recomputed()
    with sqlite3.connect(path) as database:
        numbers = [row[0] for row in database.execute("SELECT id FROM disclosures ORDER BY id")]
        database.execute("DELETE FROM disclosure_chain")
        rows = [(number, bytes(32), head) for number, head in zip(numbers, chain.heads[1:], strict=True)]
        database.executemany("INSERT INTO disclosure_chain VALUES (?, ?, ?)", rows)
    database.close()
    chain = store.chain.recomputed()
    assert chain.broken_at == 0
    return chain


def proof_of(store: Store) -> KeptProof:
    """The hub has logged the newest head."""
    (head,) = store.chain.posted()
    log = Log.of([entry(0), Entry(log_pb2.LOG_KIND_DISCLOSURE_HEAD, NOW_MS, digest_of(head)), entry(2)])
    return KeptProof(NOW_MS, str(log.proof(1)))


def state_of(store: Store, chain: DisclosureChain, proof: KeptProof | None) -> HeadState:
    heads = [(head, proof) for head in store.chain.posted()]
    return judge(chain, heads, signing_keys=frozenset({KEY.public}), keys=KEYS)


def test_an_honest_log_is_whole_before_and_after_it_grew(store: Store) -> None:
    assert post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS)
    proof = proof_of(store)
    assert state_of(store, store.chain.recomputed(), None) == HeadState(4, 1, 0, "")
    store.disclosures.add(disclosure(4))
    assert state_of(store, store.chain.recomputed(), proof) == HeadState(5, 1, 1, "")


@pytest.mark.parametrize("crime", ["drop", "drop the last", "rewrite", "reorder"])
def test_attack_the_whole_chain_is_computed_anew_after_an_entry_is(crime: str, store: Store, tmp_path: Path) -> None:
    post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS)
    chain = rebuilt(store, tmp_path / "node.db", CRIMES[crime])
    assert state_of(store, chain, None).trouble


def test_attack_the_kept_head_is_rewritten_with_the_chain(store: Store, tmp_path: Path) -> None:
    post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS)
    chain = rebuilt(store, tmp_path / "node.db", CRIMES["rewrite"])
    with sqlite3.connect(tmp_path / "node.db") as database:
        database.execute("UPDATE disclosure_heads SET head = ?", (chain.head,))
    database.close()
    assert "not the one that was posted" in state_of(store, chain, None).trouble


def test_attack_the_head_is_signed_anew_and_not_the_one_that_the_hub_logged(store: Store, tmp_path: Path) -> None:
    post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS)
    proof = proof_of(store)
    chain = rebuilt(store, tmp_path / "node.db", CRIMES["rewrite"], "DELETE FROM disclosure_heads")
    post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS)
    assert not state_of(store, chain, None).trouble  # the node alone cannot tell
    assert "does not hold" in state_of(store, chain, proof).trouble  # the hub's log can


def test_a_head_of_another_signer_is_refused(store: Store) -> None:
    post_if_due(store, ori=ORI, key=HUB, now_ms=NOW_MS)
    assert "not signed by this member" in state_of(store, store.chain.recomputed(), None).trouble


def test_a_head_goes_out_once_a_day_and_tells_the_hub_neither_number_nor_change(store: Store) -> None:
    assert post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS)
    assert not post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS + DAY_MS - 1)
    assert post_if_due(store, ori=ORI, key=KEY, now_ms=NOW_MS + DAY_MS)
    first, second = (
        log_pb2.DisclosureHead.FromString(parse_envelope(message.envelope).payload).commitment
        for message in store.outbox.waiting(9)
    )
    assert first != second  # nothing was disclosed in between, and the hub cannot tell
    kept = store.chain.posted()[0]
    assert first == head_commitment(kept.salt, 4, store.chain.recomputed().head)
