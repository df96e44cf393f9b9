"""The index, rule by rule, with both halves of the key: what goes up, in which sizes, and behind what covers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.parties.blind_hub import BlindHub
from tests.parties.duty_world import PERSON, TODAY, World, with_facts

from waypost.node import announcing, changing, covering
from waypost.node.changing import Why
from waypost.node.due_process import Windows
from waypost.node.errors import LinkError, Refused
from waypost.node.keys import match_inputs
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.tokenizing import Evaluator, Threads, Tokenizer
from waypost.protocol import limits
from waypost.protocol.index_digest import bucket_digests, index_digest
from waypost.protocol.roster import Roster
from waypost.v1 import index_pb2, link_pb2

SIZE = limits.REGISTRATION_BATCH_TOKENS
MARRIED = Person(names=(PersonName("Whitfield", "Kathryn", "Anne"),), date_of_birth=PartialDate(1988, 3, 14))


class Index:
    """The owner's index: its store, its tokenizer, and the hub that it speaks to."""

    def __init__(self, world: World, threads: Threads) -> None:
        self.world, self.store = world, world.owner.store
        self.hub = BlindHub(world.owner.key.public)
        self.store.tokens.forget_epoch(1)  # the world's own tokens are of no key
        self.store.officers.mark_all_dirty()
        key, ori = world.owner.key, world.owner.ori
        self.tokenizer = Tokenizer(self.store, self.hub, Evaluator(self.hub, ori, key, threads), ori, key, threads)

    def roster(self, epoch: int = 1) -> Roster:
        return self.hub.roster(self.world.roster(), epoch)

    async def settle(self, epoch: int = 1) -> list[index_pb2.Registration]:
        """Work until there is none: what the hub was told."""
        before = len(self.hub.registered)
        while await self.tokenizer.step(self.roster(epoch), self.world.now_ms):
            pass
        return self.hub.registered[before:]

    def add(self, *people: Person) -> list[int]:
        with self.store.writing():
            batch = self.store.imports.begin(self.world.now_ms)
            keyed = [(os.urandom(8).hex(), person) for person in people]
            return list(self.store.officers.add(keyed, batch).values())

    def tokens_of(self, officer_id: int, epoch: int = 1) -> set[bytes]:
        sql = "SELECT token FROM tokens WHERE officer_id = ? AND epoch = ?"
        return {row[0] for row in self.store._database.rows(sql, (officer_id, epoch))}

    def agrees(self) -> bool:
        return set(self.store.tokens.registered(1)) == self.hub.tokens


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, with_facts(told_on=TODAY))  # not shareable until its window is over
    yield made
    made.close()


@pytest.fixture
def index(world: World) -> Iterator[Index]:
    with ThreadPoolExecutor(1) as store, ThreadPoolExecutor(1) as callers, ThreadPoolExecutor(2) as cores:
        yield Index(world, Threads(store, callers, cores))


def people(count: int) -> list[Person]:
    """Synthetic: no two alike."""
    found = []
    for number in range(count):
        word = hashlib.sha256(str(number).encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
        found.append(Person((PersonName(word[:8], word[8:14], word[14:20]),), PartialDate(1960 + number % 40, 1, 2)))
    return found


async def test_rules_1_to_3_a_new_officers_keys_become_tokens_that_the_hub_holds_among_decoys(index: Index) -> None:
    (told,) = await index.settle()
    own = index.tokens_of(index.world.officer_id)
    assert len(own) == len({entry.value for entry in match_inputs(PERSON, side="record")})
    assert own < set(told.add)
    assert (len(told.add), len(set(told.add)), len(told.withdraw)) == (SIZE, SIZE, 0)
    assert index.agrees()
    assert await index.settle() == []


async def test_rule_1_the_same_key_gives_the_same_token_to_two_officers_and_it_is_registered_once(index: Index) -> None:
    (other,) = index.add(PERSON)
    (told,) = await index.settle()
    assert index.tokens_of(other) == index.tokens_of(index.world.officer_id)
    assert len(set(told.add)) == SIZE


async def test_rule_1_attack_a_half_that_is_evaluated_with_another_key(index: Index) -> None:
    index.hub.lies = True
    with pytest.raises(Refused) as refused:
        await index.settle()
    assert refused.value.reason == "wrong-proof"
    assert index.store.officers.dirty_count() == 1
    assert index.hub.registered == []


@pytest.mark.parametrize("when", ["dies_before", "dies_after"])
async def test_rule_2_a_hub_that_dies_during_a_registration_is_told_again_and_holds_the_same(
    index: Index, when: str
) -> None:
    setattr(index.hub, when, True)
    with pytest.raises(LinkError):
        await index.settle()
    assert index.tokens_of(index.world.officer_id)
    setattr(index.hub, when, False)
    told = await index.settle()
    assert {len(each.add) for each in told} == {SIZE}
    assert index.agrees()
    assert index.hub.evaluated == [SIZE]  # nothing is made twice


async def test_rule_3_what_a_corrected_officer_no_longer_has_is_withdrawn_among_covers(index: Index) -> None:
    await index.settle()
    before = index.tokens_of(index.world.officer_id)
    index.store.officers.change([(index.world.officer_id, MARRIED)], 1)
    (told,) = await index.settle()
    after = index.tokens_of(index.world.officer_id)
    assert before - after < set(told.withdraw)
    assert len(told.withdraw) % covering.WITHDRAWN_TOGETHER == 0
    assert not set(told.withdraw) & after
    assert (after - before) < set(told.add)
    assert len(told.add) == SIZE
    assert index.agrees()


async def test_rule_4_the_digest_says_whether_everything_was_told_and_is_that_of_what_the_hub_holds(
    index: Index,
) -> None:
    assert not (await index.tokenizer.digest(1)).complete
    await index.settle()
    digest = await index.tokenizer.digest(1)
    assert digest.complete
    assert digest.digest == index_digest(bucket_digests(sorted(index.hub.tokens)))


async def test_rule_4_attack_the_hub_has_lost_some_tokens_and_invented_others(index: Index) -> None:
    await index.settle()
    lost, invented = sorted(index.hub.tokens)[:9], [os.urandom(limits.TOKEN_BYTES) for _ in range(3)]
    index.hub.tokens = (index.hub.tokens - set(lost)) | set(invented)
    theirs = bucket_digests(sorted(index.hub.tokens))
    verdict = link_pb2.IndexVerdict(agrees=False, bucket_digests=theirs)
    assert await index.tokenizer.mend(verdict, 1) == 12
    await index.settle()
    assert index.agrees()
    assert not set(invented) & index.hub.tokens
    assert set(lost) <= index.hub.tokens | set(index.hub.registered[-1].withdraw)
    assert await index.tokenizer.mend(link_pb2.IndexVerdict(bucket_digests=[b"short"]), 1) == 0


async def test_rule_5_a_new_epoch_makes_everything_due_and_forgets_the_old_one(index: Index) -> None:
    await index.settle()
    old = index.tokens_of(index.world.officer_id)
    index.hub.hub = type(index.hub.hub).generate()
    (told,) = await index.settle(epoch=2)
    assert told.epoch == 2
    new = index.tokens_of(index.world.officer_id, 2)
    assert len(new) == len(old)
    assert not new & old
    assert index.tokens_of(index.world.officer_id, 1) == set()


async def test_rule_6_attack_the_length_of_a_name_is_read_from_the_number_of_elements(index: Index) -> None:
    index.add(Person((PersonName("Li", "Wu"),), PartialDate(1990, 1, 2)))
    await index.settle()
    index.add(Person((PersonName("Delacroix-Montgomery Vandenberg", "Katherine", "Elizabeth"), *PERSON.names)))
    await index.settle()
    assert {count % SIZE for count in index.hub.evaluated} == {0}


# Covers


def announced(index: Index, *record_keys: str) -> int:
    """A month later, when the officer's window to answer is over; with those whose record is corrected, if any."""
    for key in record_keys:
        changing.correct(index.store, key, {"summary": "Anew."}, Why("IA-1", "mended", index.world.now_ms, TODAY))
    return announcing.announce(index.store, Windows(), now_ms=index.world.now_ms, today=index.world.today)


async def test_covers_attack_the_tokens_of_one_officer_who_is_announced_alone_are_told_from_those_beside(
    index: Index,
) -> None:
    """The hub held all of them before; and he was registered with exactly these, so it learns nothing it had not."""
    (first,) = await index.settle()
    index.world.pass_days(40)
    assert announced(index) == 1
    (told,) = await index.settle()
    assert set(told.add) == set(first.add)
    assert list(told.add) != list(first.add)
    assert len(told.withdraw) == 0
    assert announced(index, "NVPOST-17") == 1  # and once more
    (again,) = await index.settle()
    assert set(again.add) == set(first.add)


async def test_covers_attack_an_officer_of_a_larger_agency_is_announced_alone(index: Index) -> None:
    index.add(*people(100))
    registrations = await index.settle()
    held, own = set(index.hub.tokens), index.tokens_of(index.world.officer_id)
    index.world.pass_days(40)
    assert announced(index) == 1
    (told,) = await index.settle()
    assert own < set(told.add) <= held
    covers = set(told.add) - own
    assert not covers & {token for other in range(1, 300) for token in index.tokens_of(other)}
    came_in = [set(each.add) for each in registrations]
    beside = set().union(*(batch for batch in came_in if batch & own))
    assert covers <= beside  # they came in the very registrations that brought his


async def announced_alone(index: Index, *officer_ids: int) -> set[bytes]:
    """What goes up when these officers are announced on a day, and nobody else."""
    covering.announce(index.store, officer_ids, 1)
    return {token for told in await index.settle() for token in told.add}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["first-alone", "first-together"])
async def test_covers_attack_two_announcements_differ_by_one_officer_or_have_only_one_in_common(
    index: Index, order: tuple[int, int]
) -> None:
    """The hub takes the intersection and the differences of what it was told twice."""
    one, other = index.add(*people(190))[:2]
    await index.settle()
    first, second = [await announced_alone(index, *(one, other)[:count]) for count in order]
    for officer_id, found in [(one, first & second), (other, first ^ second)]:
        own = index.tokens_of(officer_id)
        assert own <= found
        assert len(found - own) >= SIZE - covering.TOKENS_OF_ONE


async def test_covers_attack_one_of_many_officers_is_found_by_what_he_was_announced_with_before(index: Index) -> None:
    everyone = index.add(*people(190))
    await index.settle()
    alone = await announced_alone(index, everyone[0])
    many = await announced_alone(index, *everyone[: covering.APART_MAX + 4])
    assert alone <= many
    assert len(many) % SIZE == 0
    assert len(many) <= 3 * SIZE  # and no batch for each of the many


async def test_covers_of_two_officers_who_share_tokens_fill_whole_batches(index: Index) -> None:
    first, second = index.add(people(1)[0], people(1)[0])
    index.add(*people(190)[1:])
    await index.settle()
    held = set(index.hub.tokens)
    covering.announce(index.store, (first, second), 1)
    told = await index.settle()
    assert [len(each.add) for each in told] == [SIZE]
    assert set(told[0].add) <= held


async def test_covers_attack_what_goes_together_is_told_by_having_come_in_the_same_registrations(index: Index) -> None:
    """Groups of officers come in registrations of their own: covers of other groups would stand out."""
    changed = index.add(*people(50))[0]
    of_his_group = {token for told in await index.settle() for token in told.add}
    index.add(*people(200)[50:])
    await index.settle()
    own = index.tokens_of(changed)
    index.store.tokens.erase(changed)
    told = await index.settle()
    gone = {token for each in told for token in each.withdraw}
    assert own < gone <= of_his_group
    assert len(gone) % covering.WITHDRAWN_TOGETHER == 0


async def test_covers_that_do_not_suffice_are_made_up_by_new_decoys(index: Index) -> None:
    await index.settle()
    index.store._database.run("DELETE FROM decoys WHERE token > ?", (b"\x10",))
    index.hub.tokens = set(index.store.tokens.registered(1))
    index.world.pass_days(40)
    announced(index)
    (told,) = await index.settle()
    assert len(told.add) == SIZE
    assert index.tokens_of(index.world.officer_id) < set(told.add)
    assert index.agrees()


@pytest.mark.parametrize("officers", [0, 8, 24, 31])
async def test_covers_for_one_officer_are_registered_whatever_the_size_of_the_agency(
    index: Index, officers: int
) -> None:
    index.add(*people(officers))
    await index.settle()
    tokens, covers = index.store.tokens.count(1), index.store.covers.count(1)
    assert (tokens + covers) % SIZE == 0
    assert covers >= max(SIZE - covering.TOKENS_OF_ONE, tokens / covering.TOKENS_PER_COVER)
    assert covers < 2 * SIZE + tokens / covering.TOKENS_PER_COVER


async def test_a_store_of_before_covers_announces_as_well(index: Index) -> None:
    """Its decoys and tokens all count as of the first registration."""
    await index.settle()
    for table in ("tokens", "decoys"):
        index.store._database.run(f"UPDATE {table} SET registered = 1")
    index.store.state.set("registrations", 0)
    index.world.pass_days(40)
    announced(index)
    (told,) = await index.settle()
    assert set(told.add) <= index.hub.tokens
