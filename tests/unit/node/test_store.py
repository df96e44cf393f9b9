"""The node's database: what is in it survives, what is secret in it is not readable, what is its owner's stays so."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from waypost.node.errors import Refused, StoreError
from waypost.node.persons import Identifier, PartialDate, Person, PersonName
from waypost.node.records import Employment, SeparationKind
from waypost.node.store import (
    AuditEntry,
    DisclosedRecord,
    Disclosure,
    OfficerEmployment,
    OfficerTokens,
    Store,
    StoredAnswer,
    StoredCheck,
    StoredRoster,
    TokenHit,
)
from waypost.node.store.mail import OutboxRepository, ReplayRepository
from waypost.node.store.schema import MIGRATIONS

KEY = bytes(range(32))
PERSON = Person(
    names=(PersonName("Larkin", "Dennis", "J", "Jr"), PersonName("Hale", "Denny", kind="alias")),
    date_of_birth=PartialDate(1979, 2, 28),
    ssn="912345678",
    identifiers=(Identifier("cert", "OR", "P1"), Identifier("officer-id", "US", "77")),
)
JOB = Employment("OR9900400", "Sergeant", True, date(2010, 1, 11), date(2012, 5, 18), SeparationKind.RESIGNED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(path, KEY) as opened:
        yield opened


def _token(number: int) -> bytes:
    return bytes([number]) * 16


def _add(store: Store, *people: tuple[str, Person]) -> dict[str, int]:
    with store.writing():
        return store.officers.add(people, store.imports.begin(1))


def test_an_officer_comes_back_as_he_was_put_in(store: Store) -> None:
    (officer_id,) = _add(store, ("OR-1", PERSON)).values()
    store.employment.put([OfficerEmployment(officer_id, JOB)], 1)
    officer = store.officers.get(officer_id)
    assert officer is not None
    assert (officer.officer_key, officer.person, officer.employment) == ("OR-1", PERSON, (JOB,))
    assert store.officers.by_key("OR-1") == officer
    assert store.officers.get(officer_id + 1) is None


@pytest.mark.parametrize(
    "person",
    [
        Person(names=(PersonName("Larkin", "Dennis"),)),
        Person(names=(PersonName("Larkin", "Dennis"),), date_of_birth=PartialDate(1979), ssn_last4="4321"),
        Person(names=(PersonName("Núñez", "José"),), date_of_birth=PartialDate(1979, 2)),
    ],
)
def test_what_is_known_in_part_stays_known_in_part(store: Store, person: Person) -> None:
    (officer_id,) = _add(store, ("OR-1", person)).values()
    assert store.officers.people([officer_id])[0].person == person


def test_attack_the_file_is_stolen_and_searched_for_social_security_numbers(store: Store, path: Path) -> None:
    _add(store, ("OR-1", PERSON))
    store.close()
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"Larkin" in everything  # the search itself works
    for trace in (b"912345678", b"12345678", b"5678"):
        assert trace not in everything


def test_equal_numbers_of_two_officers_look_different_in_the_file(store: Store, path: Path) -> None:
    _add(store, ("OR-1", PERSON), ("OR-2", PERSON))
    with sqlite3.connect(path) as raw:
        boxes = [row[0] for row in raw.execute("SELECT ssn_box FROM officers")]
    raw.close()
    assert len(set(boxes)) == 2


def test_attack_an_encrypted_number_is_exchanged_in_the_file(store: Store, path: Path) -> None:
    (officer_id,) = _add(store, ("OR-1", PERSON)).values()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE officers SET ssn_box = zeroblob(49)")
    raw.close()
    with pytest.raises(StoreError, match="does not open"):
        store.officers.get(officer_id)


def test_another_nodes_keys_are_noticed_before_anything_is_written(store: Store, path: Path) -> None:
    store.close()
    with pytest.raises(StoreError, match="other keys"):
        Store.open(path, bytes(32))


def test_the_file_and_its_companions_are_the_owners_alone(store: Store, path: Path) -> None:
    _add(store, ("OR-1", PERSON))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "node.db-wal" in modes


def test_a_file_that_others_can_read_is_refused(store: Store, path: Path) -> None:
    store.close()
    path.chmod(0o640)
    with pytest.raises(StoreError) as refused:
        Store.open(path, KEY)
    assert refused.value.hint == f"chmod 600 {path}"


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        Store.open(path, KEY)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + os.urandom(4096)])
def test_a_damaged_file_is_told_from_a_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError) as refused:
        Store.open(path, KEY)
    assert refused.value.hint == "restore it from a backup"


def test_a_database_of_a_newer_version_is_refused(store: Store, path: Path) -> None:
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    with pytest.raises(StoreError, match="newer version"):
        Store.open(path, KEY)


def _open_and_count(path: Path) -> int:
    with Store.open(path, KEY) as store:
        return store.officers.count()


def test_several_processes_that_open_a_new_file_at_once_all_get_it(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_open_and_count, [path] * 3) == [0, 0, 0]


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    def fail() -> None:
        with store.writing():
            _add(store, ("OR-1", PERSON))  # a transaction within joins the outer one
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.officers.count() == 0
    _add(store, ("OR-1", PERSON))
    assert store.officers.count() == 1


def test_threads_take_turns_in_their_transactions(store: Store) -> None:
    store.state.set("counter", 0)

    def count() -> None:
        for _ in range(50):
            with store.writing():
                store.state.set("counter", store.state.get_int("counter") + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.state.get_int("counter") == 200


def test_a_reader_does_not_wait_for_another_process_that_writes(store: Store, path: Path) -> None:
    with Store.open(path, KEY) as other, other.writing():
        _add(other, ("OR-1", PERSON))
        assert store.officers.count() == 0
    assert store.officers.count() == 1


def test_changed_details_make_an_officer_due_for_tokens_until_they_are_made(store: Store) -> None:
    (officer_id,) = _add(store, ("OR-1", PERSON)).values()
    assert store.officers.dirty(10) == [officer_id]
    store.tokens.replace([OfficerTokens(officer_id, 1, (("cert", _token(1)),))], epoch=1)
    assert store.officers.dirty_count() == 0
    store.officers.change([(officer_id, Person(names=(PersonName("Hale", "Dennis"),)))], 1)
    assert store.officers.dirty(10) == [officer_id]
    store.tokens.replace([OfficerTokens(officer_id, 1, (("cert", _token(1)),))], epoch=1)  # made from old details
    assert store.officers.dirty(10) == [officer_id]
    store.tokens.replace([OfficerTokens(officer_id, 2, (("cert", _token(2)),))], epoch=1)
    assert store.officers.dirty(10) == []
    store.officers.mark_all_dirty()
    assert store.officers.dirty_count() == 1


def test_tokens_lead_to_every_officer_that_they_stand_for(store: Store) -> None:
    first, second = _add(store, ("OR-1", PERSON), ("OR-2", PERSON)).values()
    shared, own = ("given-dob", _token(1)), ("cert", _token(2))
    store.tokens.replace([OfficerTokens(first, 1, (shared, own)), OfficerTokens(second, 1, (shared,))], epoch=1)
    assert set(store.tokens.lookup([_token(1), _token(9)], epoch=1)) == {
        TokenHit(_token(1), first, "given-dob"),
        TokenHit(_token(1), second, "given-dob"),
    }
    assert store.tokens.lookup([_token(n % 256) for n in range(2000)], epoch=2) == []
    assert store.tokens.count(epoch=1) == 2


def test_the_hub_is_told_to_forget_a_token_only_when_no_officer_has_it_any_more(store: Store) -> None:
    first, second = _add(store, ("OR-1", PERSON), ("OR-2", PERSON)).values()
    both = (("given-dob", _token(1)),)
    store.tokens.replace([OfficerTokens(first, 1, both), OfficerTokens(second, 1, both)], epoch=1)
    store.tokens.replace([OfficerTokens(first, 1, ())], epoch=1)
    assert store.tokens.to_withdraw(1, 10) == []
    store.tokens.replace([OfficerTokens(second, 1, ())], epoch=1)
    assert store.tokens.to_withdraw(1, 10) == [_token(1)]
    store.tokens.replace([OfficerTokens(second, 1, both)], epoch=1)  # it is back before the hub was told
    assert store.tokens.to_withdraw(1, 10) == []


def test_the_registration_work_list_shrinks_by_what_the_hub_confirmed_and_survives_a_restart(
    store: Store, path: Path
) -> None:
    (officer_id,) = _add(store, ("OR-1", PERSON)).values()
    store.tokens.replace([OfficerTokens(officer_id, 1, (("cert", _token(3)), ("ssn", _token(1))))], epoch=1)
    store.tokens.add_decoys([_token(2)], epoch=1)
    assert store.tokens.unregistered(1, 10) == [_token(1), _token(2), _token(3)]
    store.tokens.mark_registered([_token(1), _token(2)], epoch=1)
    store.close()
    with Store.open(path, KEY) as again:
        assert again.tokens.unregistered(1, 10) == [_token(3)]
        assert again.tokens.unregistered_count(1) == 1
        assert list(again.tokens.registered(1)) == [_token(1), _token(2), _token(3)]
        assert list(again.tokens.registered(1, bucket=2)) == [_token(2)]
        assert list(again.tokens.registered(1, bucket=255)) == []
        again.tokens.mark_unregistered([_token(2)], epoch=1)
        assert again.tokens.unregistered_count(1) == 2
        again.tokens.forget_epoch(1)
        assert list(again.tokens.registered(1)) == []


def test_attack_a_message_is_replayed_after_a_restart(store: Store, path: Path) -> None:
    assert store.replay.add("hub", _token(1), 1000)
    store.close()
    with Store.open(path, KEY) as again:
        assert not again.replay.add("hub", _token(1), 1000)
        assert again.replay.add("CA0000001", _token(1), 1000)
        again.replay.purge(1000)
        assert again.replay.add("hub", _token(1), 2000)


def test_attack_the_store_of_seen_messages_is_flooded(store: Store) -> None:
    replay = ReplayRepository(store._database, messages_max=2)
    assert replay.add("hub", _token(1), 1000)
    assert replay.add("hub", _token(2), 2000)
    with pytest.raises(Refused):
        replay.add("hub", _token(3), 1000)
    replay.purge(1500)
    assert replay.add("hub", _token(3), 3000)


def _disclosure(officer_id: int) -> Disclosure:
    return Disclosure(
        at_ms=1,
        check_id=_token(1),
        asker="CA9900100",
        purpose="hiring",
        authorization_digest=bytes(32),
        asker_reference="HP-BG-07",
        officer_id=officer_id,
        records=(DisclosedRecord("R-1", 2),),
        policies=("floor-1",),
        verdict="disclosed",
        answer_digest=bytes(32),
    )


def test_the_disclosure_log_gives_an_account_by_officer_and_by_check(store: Store) -> None:
    first, second = _add(store, ("OR-1", PERSON), ("OR-2", PERSON)).values()
    store.disclosures.add(_disclosure(first))
    assert list(store.disclosures.of_officer(first)) == [_disclosure(first)]
    assert list(store.disclosures.of_officer(second)) == []
    assert list(store.disclosures.of_check(_token(1))) == list(store.disclosures.all()) == [_disclosure(first)]


@pytest.mark.parametrize("sql", ["UPDATE {} SET at_ms = 0", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["disclosures", "audit"])
def test_attack_an_entry_of_the_books_is_changed_or_removed(store: Store, path: Path, table: str, sql: str) -> None:
    (officer_id,) = _add(store, ("OR-1", PERSON)).values()
    store.disclosures.add(_disclosure(officer_id))
    store.audit.add(AuditEntry(1, "import", "batch 1", "rows 1"))
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        raw.execute(sql.format(table))
    raw.close()
    assert store.audit.newest(5) == [AuditEntry(1, "import", "batch 1", "rows 1")]


def test_attack_the_file_is_searched_for_the_applicants_of_our_checks(store: Store, path: Path) -> None:
    check = StoredCheck(_token(7), "queued", '{"family": "Whitfield"}', 1, 1, secret=b"one-time key")
    store.checks.add(check)
    store.checks.add_answer(StoredAnswer(_token(7), "OR9900400", b"Whitfield, disclosed", b"envelope", 2))
    assert store.checks.get(_token(7)) == check
    store.close()
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"queued" in everything
    assert b"Whitfield" not in everything
    assert b"one-time key" not in everything


def test_a_check_moves_on_only_from_the_state_it_is_expected_in(store: Store) -> None:
    queued = StoredCheck(_token(7), "queued", "{}", 1, 1)
    store.checks.add(queued)
    submitted = StoredCheck(_token(7), "submitted", "{}", 1, 2, envelope=b"e", receipt=b"r", receipt_sequence=1)
    assert store.checks.update(submitted, expected_state="queued")
    assert not store.checks.update(queued, expected_state="queued")
    assert store.checks.get(_token(7)) == submitted
    assert store.checks.in_states({"submitted", "partial"}) == store.checks.newest(5) == [submitted]
    assert store.checks.in_states({"queued"}) == []


def test_an_answer_that_comes_twice_is_kept_once(store: Store) -> None:
    store.checks.add(StoredCheck(_token(7), "submitted", "{}", 1, 1))
    first = StoredAnswer(_token(7), "OR9900400", b"first", b"e", 2)
    assert store.checks.add_answer(first)
    assert not store.checks.add_answer(StoredAnswer(_token(7), "OR9900400", b"second", b"e", 3))
    assert store.checks.answers(_token(7)) == [first]


def test_the_outbox_keeps_order_never_reuses_a_number_and_refuses_rather_than_forgets(store: Store) -> None:
    first = store.outbox.add("answer", _token(1), b"one", 1)
    second = store.outbox.add("answer", _token(2), b"two", 2)
    assert [message.envelope for message in store.outbox.waiting(10)] == [b"one", b"two"]
    assert [message.id for message in store.outbox.waiting(10, after_id=first)] == [second]
    store.outbox.remove(second)
    assert store.outbox.get(second) is None
    assert store.outbox.add("answer", _token(3), b"three", 3) > second
    with pytest.raises(StoreError, match="outbox is full"):
        OutboxRepository(store._database, messages_max=2).add("answer", _token(4), b"four", 4)


def test_the_outbox_is_full_by_what_waits_not_by_the_numbers_that_it_has_given(store: Store) -> None:
    box = OutboxRepository(store._database, messages_max=3)
    first, *others = (box.add("answer", _token(n), b"", 1) for n in range(3))
    with pytest.raises(StoreError, match="outbox is full"):
        box.add("answer", _token(9), b"", 1)
    for number in others:  # the oldest stays, and the numbers go on
        box.remove(number)
        box.add("answer", _token(number), b"", 1)
    with pytest.raises(StoreError, match="outbox is full"):
        box.add("answer", _token(9), b"", 1)
    box.remove(first)
    assert box.add("answer", _token(9), b"", 1) > max(others)


def test_the_newest_roster_is_in_force_and_a_held_one_is_never_replaced(store: Store) -> None:
    assert store.rosters.newest() is None
    for version in (2, 1):
        store.rosters.put(StoredRoster(version, b"envelope", 5))
    store.rosters.put(StoredRoster(2, b"forged", 6))
    assert store.rosters.newest() == StoredRoster(2, b"envelope", 5)
    assert store.rosters.get(1) == StoredRoster(1, b"envelope", 5)
