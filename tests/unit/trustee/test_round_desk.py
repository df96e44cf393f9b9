"""The trustee in aggregate rounds: a lawful round goes through, and every attack is refused and audited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.parties.round_world import (
    HUB,
    NOW_MS,
    ORIS,
    ROGUE,
    TRUSTEE,
    RoundWorld,
    receiver,
    roster_of,
)

from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.sealing import SealingKey
from waypost.hub.round_closing import make_close
from waypost.node import rounds as node_rounds
from waypost.protocol import limits, names
from waypost.protocol.round_results import open_result
from waypost.trustee.audit import Event
from waypost.trustee.errors import Refused, Spent
from waypost.trustee.round_books import RoundState
from waypost.v1 import envelope_pb2, round_pb2


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RoundWorld]:
    made = RoundWorld(tmp_path)
    yield made
    made.store.close()


def refused(world: RoundWorld, envelope: envelope_pb2.Envelope, reason: str) -> None:
    """The trustee does not sign, says why, and leaves an audit entry."""
    with pytest.raises(Refused) as caught:
        world.desk.countersign(envelope, NOW_MS)
    assert caught.value.reason == reason
    assert world.events()[-1] == (Event.ROUND_REFUSED, reason)


def test_a_round_goes_through_and_anybody_can_verify_its_result(world: RoundWorld) -> None:
    held = world.opened()
    verify_signatures(held.message, (HUB.public, TRUSTEE.public), required=2, expected_type=names.ROUND)
    counts = world.counts(held)
    closed = world.closed(held, counts)
    assert closed.hub_half is not None
    signed = world.cosigned(world.result(closed, counts), closed.hub_half)
    result = open_result(signed, hub_key=HUB.public, trustee_key=TRUSTEE.public)
    assert result.participants == tuple(sorted(ORIS))
    for cell, true_total in zip(result.cells, (5000, 50_000), strict=True):
        assert abs(cell.total - true_total) < 7 * result.noise_deviation
    stored = world.store.rounds.get(held.round_id)
    assert stored is not None
    assert stored.state is RoundState.RELEASED


def test_every_call_repeated_gets_the_same_answer(world: RoundWorld) -> None:
    held = world.opened()
    assert world.desk.countersign(held.message, NOW_MS + 5).payload == held.message.payload
    counts = world.counts(held)
    closed = world.closed(held, counts)
    assert closed.hub_half is not None
    close = envelope_pb2.Envelope.FromString(closed.close or b"")
    again = world.desk.begin_close(close, NOW_MS + 5)
    assert isinstance(again, envelope_pb2.Envelope)
    assert round_pb2.PartialSum.FromString(again.payload).half == closed.trustee_half
    result = world.result(closed, counts)
    first = world.cosigned(result, closed.hub_half)
    assert world.cosigned(result, closed.hub_half, now_ms=NOW_MS + 5) == first
    assert sum(event == Event.ROUND_COUNTERSIGNED for event, _ in world.events()) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cells": 3}, "altered-measure"),
        ({"clip": 1}, "altered-measure"),
        ({"noise_scale_thousandths": 1}, "too-little-noise"),
        ({"rho_millionths": 60_000}, "too-much-loss"),
        ({"minimum_cohort": 1}, "too-small-cohort"),
        ({"small_cell": 1}, "too-small-cohort"),
        ({"roster_version": 6}, "wrong-version"),
        ({"period": "2026Q4"}, "period-not-over"),
        ({"trustee_sealing_key": SealingKey.generate().public}, "wrong-key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_attack_the_hub_proposes_other_terms_than_lawful_ones(
    world: RoundWorld, change: dict[str, Any], reason: str
) -> None:
    refused(world, world.proposed(**change).message, reason)


def test_attack_a_round_that_the_hub_did_not_sign(world: RoundWorld) -> None:
    payload = world.proposed().message.payload
    for key in (ROGUE, TRUSTEE):
        refused(world, sign(names.ROUND, payload, key), "wrong-signature")


def test_attack_a_round_below_the_minimum_cohort(world: RoundWorld) -> None:
    world.roster = roster_of(ORIS[:9])
    refused(world, world.proposed().message, "too-small-cohort")


def test_attack_asking_twice_to_average_the_noise_away(world: RoundWorld) -> None:
    world.opened()
    refused(world, world.proposed().message, "asked-before")


def test_attack_asking_twice_in_other_words(world: RoundWorld) -> None:
    world.opened()
    refused(world, world.proposed("CA", "NV", "OR").message, "asked-before")


def test_attack_another_round_under_a_signed_id(world: RoundWorld) -> None:
    held = world.opened()
    message = round_pb2.Round.FromString(held.message.payload)
    message.closes_at_ms += 1
    refused(world, sign(names.ROUND, message.SerializeToString(), HUB), "replayed")


def test_attack_two_cohorts_that_differ_in_one_agency(world: RoundWorld) -> None:
    # Nevada has one agency: the nation without it, and the nation, would give its count.
    lonely = [each for each in ORIS if not each.startswith("NV")] + [ORIS[20]]
    world.roster = roster_of(lonely)
    world.opened("CA", "OR")
    refused(world, world.proposed().message, "differencing")
    refused(world, world.proposed("CA", "NV", "OR").message, "differencing")


def test_attack_two_cohorts_that_differ_in_one_agency_over_overlapping_periods(world: RoundWorld) -> None:
    lonely = [each for each in ORIS if not each.startswith("NV")] + [ORIS[20]]
    world.roster = roster_of(lonely)
    world.opened("CA", "OR", measure="records", period="2026-09")
    refused(world, world.proposed(measure="records", period="2026Q3").message, "differencing")
    world.opened(measure="records", period="2026Q2")  # no day in common


def test_attack_two_cohorts_that_differ_in_one_agency_over_periods_of_what_stands_at_their_end(
    world: RoundWorld,
) -> None:
    # Who is trained in September was mostly trained in June: no day in common, and almost the same counts.
    lonely = [each for each in ORIS if not each.startswith("NV")] + [ORIS[20]]
    world.roster = roster_of(lonely)
    world.opened("CA", "OR", period="2026Q2")
    refused(world, world.proposed(period="2026Q3").message, "differencing")
    world.opened("CA", "OR", period="2026Q3")  # the same cohort again, a quarter later, is no difference


def test_attack_asking_twice_by_two_periods_that_end_on_one_day(world: RoundWorld) -> None:
    world.opened(period="2026Q2")
    refused(world, world.proposed(period="2026-06").message, "asked-before")


def test_attack_participants_that_differ_over_two_periods_that_end_on_one_day(world: RoundWorld) -> None:
    nation = world.opened(period="2026Q2")
    world.closed(nation, {each: (1, 1) for each in ORIS if each != ORIS[0]})
    for states in (("CA",), ("NV", "OR")):
        held = world.opened(*states, period="2026-06")
        close, answers = closing_of(world, held, world.counts(held))
        if states == ("CA",):
            assert isinstance(world.trustee_half(close, answers), envelope_pb2.Envelope)
            continue
        with pytest.raises(Refused) as caught:
            world.trustee_half(close, answers)
        assert caught.value.reason == "differencing"


def test_states_and_the_nation_may_be_asked_when_each_state_is_large(world: RoundWorld) -> None:
    for states in (("CA",), ("NV",), ("OR",), ()):
        world.opened(*states)


def test_attack_a_member_is_suspended_so_that_two_cohorts_differ_in_it(world: RoundWorld) -> None:
    # The nation was asked of 50; now 49 take part. Other participants on the same period are the same question.
    world.opened()
    world.roster = roster_of(suspended=[ORIS[3]], version=8)
    refused(world, world.proposed().message, "asked-before")


def test_a_spent_budget_refuses_and_another_state_still_pays(world: RoundWorld) -> None:
    rho = limits.ROUND_RHO_MILLIONTHS_MAX
    with world.store.transaction():
        world.store.rounds.set_budget(2 * rho)
    for period in ("2026Q1", "2026Q2"):
        world.opened("CA", period=period, rho_millionths=rho)
    proposal = world.proposed("CA", period="2026Q3").message
    with pytest.raises(Spent):
        world.desk.countersign(proposal, NOW_MS)
    refused(world, world.proposed(period="2026Q3").message, "budget-spent")
    world.opened("NV", period="2026Q3")
    assert world.store.rounds.losses(2026) == {"CA": 2 * rho, "NV": limits.ROUND_RHO_MILLIONTHS_DEFAULT}


def test_the_budget_is_a_years(world: RoundWorld) -> None:
    with world.store.transaction():
        world.store.rounds.set_budget(limits.ROUND_RHO_MILLIONTHS_DEFAULT)
    world.opened("CA")
    assert world.store.rounds.losses(2027) == {}


def close_refused(world: RoundWorld, close: envelope_pb2.Envelope, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        world.desk.begin_close(close, NOW_MS)
    assert caught.value.reason == reason
    assert (Event.ROUND_CLOSE_REFUSED, reason) in world.events()


def test_attack_a_second_closing_with_one_participant_less(world: RoundWorld) -> None:
    held = world.opened()
    counts = world.counts(held)
    closed = world.closed(held, counts)
    fewer = make_close(held.asked, sorted(counts)[1:], closed.hub_half or b"", HUB, NOW_MS)
    close_refused(world, fewer, "closed-before")


def test_attack_a_closing_below_the_minimum_ends_the_round_and_gives_the_loss_back(world: RoundWorld) -> None:
    held = world.opened()
    few = make_close(held.asked, sorted(ORIS)[:9], b"", HUB, NOW_MS)
    close_refused(world, few, "too-small-cohort")
    assert world.store.rounds.losses(2026) == {}
    enough = make_close(held.asked, sorted(ORIS)[:10], b"", HUB, NOW_MS)
    close_refused(world, enough, "abandoned")
    world.opened()  # may be asked anew


@pytest.mark.parametrize("crime", ["stranger", "repeated", "other-round", "unsigned", "unknown"])
def test_attack_a_closing_that_is_not_of_this_round_and_its_cohort(world: RoundWorld, crime: str) -> None:
    held = world.opened("CA")
    asked, own = held.asked, world.cohort(held)
    if crime == "stranger":
        close_refused(world, make_close(asked, [*own[:-1], ORIS[-1]], b"", HUB, NOW_MS), "not-asked")
    elif crime == "repeated":
        close_refused(world, make_close(asked, [*own, own[0]], b"", HUB, NOW_MS), "malformed")
    elif crime == "other-round":
        close_refused(world, make_close(replace(asked, digest=bytes(32)), own, b"", HUB, NOW_MS), "altered")
    elif crime == "unsigned":
        close_refused(world, make_close(asked, own, b"", ROGUE, NOW_MS), "wrong-signature")
    else:
        other = replace(asked, header=replace(asked.header, message_id=bytes(16)))
        close_refused(world, make_close(other, own, b"", HUB, NOW_MS), "unknown-round")


@pytest.mark.parametrize("crime", ["missing", "forged", "garbled", "others", "twice"])
def test_attack_participants_whose_share_is_not_theirs_are_named_and_nothing_is_given(
    world: RoundWorld, crime: str
) -> None:
    held = world.opened("CA")
    counts = world.counts(held)
    answers = world.answers(held.asked, counts)
    victim, other = sorted(counts)[:2]
    if crime == "missing":
        del answers[victim]
    elif crime == "forged":
        impostor = replace(receiver(victim, world.roster), key=ROGUE)
        answers[victim] = node_rounds.answer(held.asked, (1, 1), impostor)
    elif crime == "others":
        answers[victim] = answers[other]
    elif crime == "garbled":
        answers[victim] = garbled(answers[victim])
    else:
        answers["again"] = answers[victim]
    half = world.hub_half(held.asked, [answers[each] for each in counts if each in answers])
    close = make_close(held.asked, sorted(counts), half, HUB, NOW_MS)
    given = world.trustee_half(close, answers.values())
    if crime == "twice":
        assert isinstance(given, envelope_pb2.Envelope)  # the second copy is not added
        return
    assert given == {victim}
    stored = world.store.rounds.get(held.round_id)
    assert stored is not None
    assert (stored.state, stored.half) == (RoundState.COUNTERSIGNED, b"")
    # The hub leaves the member out, and the round closes without it.
    rest = {each: answer for each, answer in answers.items() if each in counts and each != victim}
    half = world.hub_half(held.asked, rest.values())
    close = make_close(held.asked, sorted(rest), half, HUB, NOW_MS)
    assert isinstance(world.trustee_half(close, rest.values()), envelope_pb2.Envelope)


def garbled(answer: envelope_pb2.Envelope) -> envelope_pb2.Envelope:
    """The member signs a seed share that does not open."""
    message = round_pb2.RoundAnswer.FromString(answer.payload)
    share = round_pb2.SeedShare.FromString(message.seed_share.payload)
    share.sealed_seed = bytes(len(share.sealed_seed))
    key = SigningKey(message.header.sender.encode().ljust(32, b"."))
    message.seed_share.CopyFrom(sign(names.ROUND_SEED_SHARE, share.SerializeToString(), key))
    return sign(names.ROUND_ANSWER, message.SerializeToString(), key)


def test_attack_shares_of_an_earlier_round_are_shown_again(world: RoundWorld) -> None:
    first = world.opened("CA", period="2026Q1")
    counts = world.counts(first)
    old = world.answers(first.asked, counts)
    second = world.opened("CA", period="2026Q2")
    close = make_close(second.asked, sorted(counts), b"", HUB, NOW_MS)
    assert world.trustee_half(close, old.values()) == frozenset(counts)


def test_members_that_would_be_singled_out_by_two_rounds_participants_are_left_out(world: RoundWorld) -> None:
    nation = world.opened()
    away = sorted(ORIS)[:3]
    present = {each: (1, 1) for each in ORIS if each not in away}
    world.closed(nation, present)
    # California now answers in full: the three were not in the nation's total, so they alone would differ ... unless
    # nothing adds up to them: California's total is no part of a difference with the nation's.
    california = world.opened("CA")
    counts = world.counts(california)
    assert isinstance(world.trustee_half(*closing_of(world, california, counts)), envelope_pb2.Envelope)
    # Nevada and Oregon together complete the nation: now the three would be California less (nation less the others).
    others = world.opened("NV", "OR")
    with pytest.raises(Refused) as caught:
        world.trustee_half(*closing_of(world, others, world.counts(others)))
    assert caught.value.reason == "differencing"


def closing_of(
    world: RoundWorld, held: object, counts: dict[str, tuple[int, int]]
) -> tuple[envelope_pb2.Envelope, list[envelope_pb2.Envelope]]:
    asked = held.asked  # type: ignore[attr-defined]
    answers = world.answers(asked, counts)
    half = world.hub_half(asked, answers.values())
    return make_close(asked, sorted(counts), half, HUB, NOW_MS), list(answers.values())


@pytest.mark.parametrize("crime", ["number", "participants", "absent", "epsilon", "small-cell", "half", "unsigned"])
def test_attack_a_result_that_the_halves_do_not_give(world: RoundWorld, crime: str) -> None:
    held = world.opened()
    counts = dict.fromkeys(ORIS[:40], (100, 1000))
    closed = world.closed(held, counts)
    honest = world.result(closed, counts)
    message = round_pb2.RoundResult.FromString(honest.payload)
    half, key = closed.hub_half or b"", HUB
    if crime == "number":
        message.cells[0].total += 1
    elif crime == "participants":
        message.participants.pop()
    elif crime == "absent":
        del message.absent[0]
    elif crime == "epsilon":
        message.epsilon_thousandths -= 1
    elif crime == "small-cell":
        message.small_cell = 1
    elif crime == "half":
        half = bytes(len(half))
    else:
        key = ROGUE
    forged = sign(names.ROUND_RESULT, message.SerializeToString(), key)
    with pytest.raises(Refused):
        world.cosigned(forged, half)
    assert world.events()[-1][0] == Event.ROUND_RESULT_REFUSED
    world.cosigned(honest, closed.hub_half)  # the honest one is still signed
    with pytest.raises(Refused, match="another result"):  # and then no other
        world.cosigned(world.result(closed, counts), closed.hub_half)


def test_a_result_says_of_a_member_what_it_signed_or_one_of_the_hubs_few_words(world: RoundWorld) -> None:
    held = world.opened()
    counts = dict.fromkeys(ORIS[3:], (100, 1000))
    closed = world.closed(held, counts)
    said = {ORIS[0]: "local.no-counts", ORIS[1]: "not-agreed", ORIS[2]: "refused: wrong-catalogue"}
    decline = world.decline(held.asked, ORIS[0], said[ORIS[0]])
    honest = world.result(closed, counts, said)
    signed = world.cosigned(honest, closed.hub_half, decline)
    result = open_result(signed, hub_key=HUB.public, trustee_key=TRUSTEE.public)
    assert {each.ori: each.reason for each in result.absent} == said


@pytest.mark.parametrize("crime", ["unsigned", "of-another", "of-another-round", "forged", "other-words", "not-a-word"])
def test_attack_the_hub_says_of_a_member_that_it_declined(world: RoundWorld, crime: str) -> None:
    held, other = world.opened(), world.opened("CA", period="2026Q2")
    counts = dict.fromkeys(ORIS[1:], (100, 1000))
    closed = world.closed(held, counts)
    said = "refused: because it likes to" if crime == "not-a-word" else "its-policy"
    declines = {
        "of-another": world.decline(held.asked, ORIS[1], said),
        "of-another-round": world.decline(other.asked, ORIS[0], said),
        "forged": sign(names.ROUND_ANSWER, world.decline(held.asked, ORIS[0], said).payload, ROGUE),
        "other-words": world.decline(held.asked, ORIS[0], "another-policy"),
    }
    given = [declines[crime]] if crime in declines else []
    with pytest.raises(Refused, match="did not sign"):
        world.cosigned(world.result(closed, counts, {ORIS[0]: said}), closed.hub_half, *given)
    assert world.events()[-1] == (Event.ROUND_RESULT_REFUSED, "altered")
    world.cosigned(world.result(closed, counts), closed.hub_half)  # that it did not answer is the hub's to say


def test_a_rounds_key_is_destroyed_with_its_end(world: RoundWorld) -> None:
    held = world.opened()
    assert f"round-{held.round_id.hex()}" in world.keystore.names()
    world.closed(held, world.counts(held))
    assert world.keystore.names() == {"signing"}


def test_a_key_that_a_crash_left_behind_is_destroyed_later(world: RoundWorld) -> None:
    held = world.opened()
    name = f"round-{held.round_id.hex()}"
    secret = world.keystore.get(name)
    world.closed(held, world.counts(held))
    world.keystore.put(name, secret)  # as if we had died before removing it
    world.desk.tidy(NOW_MS)
    assert world.keystore.names() == {"signing"}


def test_a_trustee_that_dies_before_it_stored_its_half_gives_one_half_only(world: RoundWorld) -> None:
    held = world.opened()
    counts = world.counts(held)
    close, answers = closing_of(world, held, counts)
    world.begin(close)  # added up, then died: nothing was stored, nothing was given
    world.reopen()
    first = world.trustee_half(close, answers)
    world.reopen()
    second = world.trustee_half(close, answers)
    assert isinstance(first, envelope_pb2.Envelope)
    assert isinstance(second, envelope_pb2.Envelope)
    halves = [round_pb2.PartialSum.FromString(each.payload).half for each in (first, second)]
    assert halves[0] == halves[1]


def test_rounds_that_came_to_nothing_are_abandoned_and_cost_nothing(world: RoundWorld) -> None:
    held, prepared = world.opened(), world.proposed("CA")
    world.desk.tidy(held.asked.header.expires_at_ms)
    assert world.store.rounds.losses(2026) == {}
    assert world.store.rounds.get(prepared.round_id) is None
    assert world.keystore.names() == {"signing"}
    assert world.events()[-1] == (Event.ROUND_ABANDONED, "expired")
