"""Rounds in the hub's tables: one answer to a question, a ledger, schedules, and members' parts as they are posted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update
from tests.parties.round_world import HUB, KEYS, NOW_MS, ORIS, ROGUE, TRUSTEE, RoundWorld, roster_of

from waypost.crypto import noise
from waypost.crypto.envelope import sign
from waypost.hub import mailbox, round_answers, round_asking, rounds
from waypost.hub.audit import Event
from waypost.hub.database import open_engine
from waypost.hub.errors import Refused, SettingsError
from waypost.hub.limits import ROUND_RHO_MILLIONTHS_PER_YEAR
from waypost.hub.mailbox import Mail, MailKind
from waypost.hub.posted import Posted
from waypost.hub.round_asking import Question
from waypost.hub.round_closing import make_close, read_declines, read_partial_sum
from waypost.hub.round_results import list_results
from waypost.hub.round_schema import round_schedules
from waypost.hub.rounds import HeldRound, Part, RoundState
from waypost.hub.schema import audit, log_queue
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.periods import Span
from waypost.protocol.round_declines import is_hubs_word
from waypost.protocol.round_results import cells_of, totals
from waypost.v1 import envelope_pb2, round_pb2

MEASURE = "officers-trained"
QUESTION = Question(MEASURE, ())
ROSTER = roster_of()
CHI_SQUARED = (349.0, 727.0)
"""Quantiles 10^-9 and 1 - 10^-9 of chi-squared with 520 degrees of freedom (Wilson and Hilferty)."""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path / 'hub.db'}", create=True)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RoundWorld]:
    made = RoundWorld(tmp_path)
    yield made
    made.store.close()


def ask(connection: Connection, question: Question = QUESTION, period: str = "2026Q3") -> HeldRound:
    return round_asking.ask(connection, question, period, ROSTER, NOW_MS)[0]


def events(connection: Connection) -> list[str]:
    return list(connection.scalars(select(audit.c.event).order_by(audit.c.id)))


def opened(connection: Connection, world: RoundWorld, *states: str, **changes: Any) -> HeldRound:
    """A round that the trustee signed, in every mailbox of its cohort."""
    signed = world.opened(*states, **changes)
    cohort = world.cohort(signed)
    rounds.add(connection, replace(signed, envelope=None), {each[:2] for each in cohort}, year=2026)
    held = rounds.get(connection, signed.round_id)
    assert held is not None
    rounds.propose(connection, held, signed.message, cohort, {each[:2] for each in cohort}, year=2026, now_ms=NOW_MS)
    held = rounds.get(connection, signed.round_id)
    assert held is not None
    rounds.open_round(connection, held, signed.message, NOW_MS)
    held = rounds.get(connection, signed.round_id)
    assert held is not None
    return held


# Asking


def test_the_same_question_in_the_same_period_is_the_same_round(connection: Connection) -> None:
    first = ask(connection)
    again, is_new = round_asking.ask(connection, replace(QUESTION, rho_millionths=1), "2026Q3", ROSTER, NOW_MS + 1)
    assert (again.round_id, is_new) == (first.round_id, False)
    assert events(connection) == [Event.ROUND_ASKED, Event.ROUND_REPEATED]
    assert ask(connection, replace(QUESTION, states=("NV", "CA"))) == ask(
        connection, replace(QUESTION, states=("CA", "NV", "CA"))
    )
    assert ask(connection, period="2026Q2").round_id != first.round_id


@pytest.mark.parametrize(
    ("states", "period"),
    [(("CA", "NV", "OR"), "2026Q3"), ((), "2026-09"), (("CA", "NV", "OR"), "2026-09")],
    ids=["every-state", "another-span", "both"],
)
def test_the_same_question_in_other_words_is_the_same_round(
    connection: Connection, states: tuple[str, ...], period: str
) -> None:
    first = ask(connection)
    again, is_new = round_asking.ask(connection, replace(QUESTION, states=states), period, ROSTER, NOW_MS + 1)
    assert (again.round_id, is_new) == (first.round_id, False)
    by_year = ask(connection, Question("records", ()))
    assert ask(connection, Question("records", ()), "2026-09").round_id != by_year.round_id


def test_a_question_that_failed_may_be_asked_anew(connection: Connection) -> None:
    first = ask(connection)
    rounds.fail(connection, first, "too-few-answers", NOW_MS)
    assert ask(connection).round_id != first.round_id


@pytest.mark.parametrize(
    ("question", "period", "reason"),
    [
        (QUESTION, "2026Q4", "period-not-over"),
        (QUESTION, "whenever", "malformed"),
        (replace(QUESTION, measure="names"), "2026Q3", "unknown-measure"),
        (replace(QUESTION, states=("TX",)), "2026Q3", "unknown-state"),
        (replace(QUESTION, rho_millionths=limits.ROUND_RHO_MILLIONTHS_MAX + 1), "2026Q3", "too-much-loss"),
        (replace(QUESTION, open_ms=limits.ROUND_OPEN_MAX_MS + 1), "2026Q3", "too-long-lived"),
    ],
)
def test_a_question_beyond_its_bounds_is_not_asked(
    connection: Connection, question: Question, period: str, reason: str
) -> None:
    caught = ""
    try:
        ask(connection, question, period)
    except (Refused, ProtocolError) as error:
        caught = error.reason
    assert caught == reason
    assert rounds.unfinished(connection) == []


def test_attack_a_cohort_below_the_minimum_is_refused_at_once(connection: Connection) -> None:
    with pytest.raises(Refused) as caught:
        round_asking.ask(connection, QUESTION, "2026Q3", roster_of(ORIS[: limits.MINIMUM_COHORT - 1]), NOW_MS)
    assert caught.value.reason == "too-small-cohort"
    assert rounds.losses(connection, 2026) == {}
    round_asking.ask(connection, QUESTION, "2026Q3", roster_of(ORIS[: limits.MINIMUM_COHORT]), NOW_MS)


def test_the_hubs_own_ledger_refuses_what_is_spent(connection: Connection, world: RoundWorld) -> None:
    rho = limits.ROUND_RHO_MILLIONTHS_MAX
    months = [f"2025-{month:02}" for month in range(1, ROUND_RHO_MILLIONTHS_PER_YEAR // rho + 1)]
    for period in months:
        opened(connection, world, "CA", period=period, rho_millionths=rho)
    with pytest.raises(Refused) as caught:
        ask(connection, Question(MEASURE, ("CA",)))
    assert caught.value.reason == "budget-spent"
    ask(connection, Question(MEASURE, ("NV",)))


def test_attack_many_questions_at_once_cannot_spend_what_each_alone_may(connection: Connection) -> None:
    dear = replace(QUESTION, states=("CA",), rho_millionths=limits.ROUND_RHO_MILLIONTHS_MAX)
    affordable = ROUND_RHO_MILLIONTHS_PER_YEAR // dear.rho_millionths
    for month in range(1, affordable + 1):
        ask(connection, dear, f"2025-{month:02}")
    with pytest.raises(Refused) as caught:
        ask(connection, dear, f"2025-{affordable + 1:02}")
    assert caught.value.reason == "budget-spent"
    assert rounds.losses(connection, 2026) == {"CA": ROUND_RHO_MILLIONTHS_PER_YEAR}
    rounds.fail(connection, rounds.unfinished(connection)[0], "too-few-answers", NOW_MS)
    ask(connection, dear, f"2025-{affordable + 1:02}")  # what came to nothing gave its loss back


def test_a_round_that_fails_before_it_was_closed_costs_nothing_and_leaves_no_mail(
    connection: Connection, world: RoundWorld
) -> None:
    held = opened(connection, world, "CA")
    assert rounds.losses(connection, 2026) == {"CA": limits.ROUND_RHO_MILLIONTHS_DEFAULT}
    assert mailbox.count_waiting(connection, ORIS[0]) == 1
    rounds.fail(connection, held, "too-few-answers", NOW_MS)
    assert rounds.losses(connection, 2026) == {}
    assert mailbox.count_waiting(connection, ORIS[0]) == 0


def test_a_round_that_was_closed_keeps_its_loss_when_it_fails(connection: Connection, world: RoundWorld) -> None:
    held = opened(connection, world, "CA")
    assert rounds.move(connection, held, RoundState.CLOSING, NOW_MS, close=b"c", hub_half=b"h")
    closing = rounds.get(connection, held.round_id)
    assert closing is not None
    rounds.fail(connection, closing, "altered", NOW_MS)
    assert rounds.losses(connection, 2026) == {"CA": limits.ROUND_RHO_MILLIONTHS_DEFAULT}


def test_a_step_counts_once_only(connection: Connection, world: RoundWorld) -> None:
    held = opened(connection, world, "CA")
    assert rounds.move(connection, held, RoundState.CLOSING, NOW_MS, hub_half=b"first")
    assert not rounds.move(connection, held, RoundState.CLOSING, NOW_MS, hub_half=b"second")
    stored = rounds.get(connection, held.round_id)
    assert stored is not None
    assert stored.hub_half == b"first"


# Schedules

FEBRUARY_2027_MS = 1_801_440_000_000
CRON = "0 3 2 1,4,7,10 *"


def test_a_schedule_asks_on_the_newest_quarter_that_is_over(connection: Connection) -> None:
    number = round_asking.add_schedule(connection, QUESTION, Span.QUARTER, CRON, ROSTER, NOW_MS)
    assert round_asking.ask_due(connection, ROSTER, NOW_MS) == 0
    (held,) = round_asking.schedules(connection)
    assert round_asking.ask_due(connection, ROSTER, held.next_at_ms) == 1
    (asked,) = rounds.unfinished(connection)
    assert (asked.measure, asked.period) == (MEASURE, "2026Q4")
    assert round_asking.ask_due(connection, ROSTER, held.next_at_ms + 1) == 0
    round_asking.remove_schedule(connection, number, NOW_MS)
    assert round_asking.schedules(connection) == []


def test_a_hub_that_was_away_for_years_asks_once(connection: Connection) -> None:
    round_asking.add_schedule(connection, QUESTION, Span.MONTH, "0 3 2 * *", ROSTER, NOW_MS)
    assert round_asking.ask_due(connection, ROSTER, FEBRUARY_2027_MS) == 1
    assert len(rounds.unfinished(connection)) == 1


def test_a_schedule_whose_question_is_refused_goes_on_and_leaves_an_entry(connection: Connection) -> None:
    round_asking.add_schedule(connection, Question(MEASURE, ("CA",)), Span.MONTH, CRON, ROSTER, NOW_MS)
    without = roster_of(each for each in ORIS if not each.startswith("CA"))
    assert round_asking.ask_due(connection, without, FEBRUARY_2027_MS) == 1
    assert events(connection)[-1] == Event.ROUND_REFUSED
    assert round_asking.schedules(connection)[0].next_at_ms > FEBRUARY_2027_MS


def test_a_schedule_of_a_measure_that_is_no_more_stops_no_other(connection: Connection) -> None:
    round_asking.add_schedule(connection, QUESTION, Span.MONTH, CRON, ROSTER, NOW_MS)
    connection.execute(update(round_schedules).values(measure="of-an-earlier-release"))
    round_asking.add_schedule(connection, QUESTION, Span.MONTH, CRON, ROSTER, NOW_MS)
    assert round_asking.ask_due(connection, ROSTER, FEBRUARY_2027_MS) == 2
    assert events(connection)[-2:] == [Event.ROUND_REFUSED, Event.ROUND_ASKED]


@pytest.mark.parametrize("cron", ["", "every day", "99 * * * *", "* * * *"])
def test_a_line_that_is_no_cron_line_is_refused(connection: Connection, cron: str) -> None:
    with pytest.raises(SettingsError, match="cron"):
        round_asking.add_schedule(connection, QUESTION, Span.QUARTER, cron, ROSTER, NOW_MS)


# Members' parts


def posted(caller: str, now_ms: int = NOW_MS) -> Posted:
    return Posted(caller, ROSTER, HUB, now_ms)


def post(connection: Connection, envelope: envelope_pb2.Envelope, caller: str, now_ms: int = NOW_MS) -> None:
    assert round_answers.accept_answer(connection, envelope, posted(caller, now_ms)) == ()


def part_of(connection: Connection, held: HeldRound, ori: str) -> Part:
    (found,) = (member.part for member in rounds.members(connection, held.round_id) if member.ori == ori)
    return found


def test_an_answer_counts_once_and_no_other_takes_its_place(connection: Connection, world: RoundWorld) -> None:
    held, ori = opened(connection, world, "CA"), ORIS[0]
    first, second = (world.answers(held.asked, {ori: (1, 2)})[ori] for _ in range(2))
    for _ in range(2):
        post(connection, first, ori)
    with pytest.raises(Refused) as caught:
        post(connection, second, ori)
    assert caught.value.reason == "answered-before"
    assert rounds.answers(connection, held.round_id, [ori]) == [first]
    assert rounds.progress(connection, held.round_id)[Part.ANSWERED] == 1


def reworked(envelope: envelope_pb2.Envelope, ori: str, **changes: Any) -> envelope_pb2.Envelope:
    message = round_pb2.RoundAnswer.FromString(envelope.payload)
    for name, value in changes.items():
        if value is None:
            message.ClearField(name)  # type: ignore[arg-type]
        else:
            setattr(message, name, value)
    return sign(names.ROUND_ANSWER, message.SerializeToString(), KEYS[ori])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"round_digest": bytes(32)}, "altered"),
        ({"round_id": bytes(16)}, "not-asked"),
        ({"seed_share": None}, "malformed"),
        ({"sealed_vector": b""}, "malformed"),
        ({"sealed_vector": bytes(16)}, "malformed"),
        ({"sealed_vector": bytes(100_000)}, "malformed"),
        ({"declined_reason": "and shares"}, "malformed"),
        ({"seed_share": None, "sealed_vector": b"", "declined_reason": "x" * 201}, "malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_attack_an_answer_that_is_none_is_refused(
    connection: Connection, world: RoundWorld, changes: dict[str, Any], reason: str
) -> None:
    held, ori = opened(connection, world, "CA"), ORIS[0]
    answer = reworked(world.answers(held.asked, {ori: (1, 2)})[ori], ori, **changes)
    with pytest.raises(Refused) as caught:
        post(connection, answer, ori)
    assert caught.value.reason == reason
    assert part_of(connection, held, ori) is Part.ASKED


def test_attack_an_answer_by_or_for_another_is_refused(connection: Connection, world: RoundWorld) -> None:
    held = opened(connection, world, "CA")
    mine, other, stranger = ORIS[0], ORIS[1], ORIS[-1]
    answer = world.answers(held.asked, {mine: (1, 2)})[mine]
    forged = sign(names.ROUND_ANSWER, answer.payload, ROGUE)
    outside = world.answers(held.asked, {stranger: (1, 2)})[stranger]
    for envelope, caller, reason in (
        *((answer, other, "wrong-signature"), (forged, mine, "wrong-signature")),
        (outside, stranger, "not-asked"),
    ):
        with pytest.raises(Refused) as caught:
            post(connection, envelope, caller)
        assert caught.value.reason == reason
    assert rounds.progress(connection, held.round_id)[Part.ANSWERED] == 0


def test_an_answer_after_the_closing_is_refused(connection: Connection, world: RoundWorld) -> None:
    held, ori = opened(connection, world, "CA"), ORIS[0]
    answer = world.answers(held.asked, {ori: (1, 2)})[ori]
    with pytest.raises(Refused) as caught:
        post(connection, answer, ori, held.asked.closes_at_ms)
    assert caught.value.reason == "expired"


def test_a_node_that_refuses_the_round_is_named_with_its_reason(connection: Connection, world: RoundWorld) -> None:
    held, ori = opened(connection, world, "CA"), ORIS[0]
    mail = Mail(1, MailKind.MESSAGE, held.round_id, b"")
    round_answers.mail_refused(connection, mail, ori, "wrong-catalogue", NOW_MS)
    (member,) = (each for each in rounds.members(connection, held.round_id) if each.ori == ori)
    assert (member.part, member.reason) == (Part.DECLINED, "refused: wrong-catalogue")


def test_attack_a_node_refuses_with_words_that_the_trustee_would_not_sign(
    connection: Connection, world: RoundWorld
) -> None:
    held, ori = opened(connection, world, "CA"), ORIS[0]
    mail = Mail(1, MailKind.MESSAGE, held.round_id, b"")
    round_answers.mail_refused(connection, mail, ori, "<b>Ask CA9900001!</b>", NOW_MS)
    (member,) = rounds.members(connection, held.round_id, Part.DECLINED)
    assert is_hubs_word(member.reason)


def test_a_members_signed_decline_is_kept_until_the_round_is_over_and_no_longer(
    connection: Connection, world: RoundWorld
) -> None:
    held, ori = opened(connection, world, "CA"), ORIS[0]
    decline = world.decline(held.asked, ori, "local.no\u202e-counts")
    post(connection, decline, ori)
    assert rounds.answers(connection, held.round_id, [ori]) == [decline]
    (read,) = read_declines([decline, envelope_pb2.Envelope()], held.asked, ROSTER)
    assert read == (ori, "local.no-counts", decline)
    (member,) = rounds.members(connection, held.round_id, Part.DECLINED)
    assert member.reason == "local.no-counts"
    rounds.fail(connection, held, "too-few-answers", NOW_MS)
    assert rounds.answers(connection, held.round_id, [ori]) == []


@pytest.mark.parametrize(
    ("crime", "reason"),
    [
        ("one-participant-less", "wrong-participants"),
        ("another-round", "wrong-participants"),
        ("too-short", "malformed"),
        ("forged", "malformed"),
        ("of-another-kind", "malformed"),
    ],
)
def test_attack_the_trustees_half_is_of_another_participant_set_or_is_none(
    world: RoundWorld, crime: str, reason: str
) -> None:
    held = world.opened("CA")
    counts = world.counts(held)
    closed = world.closed(held, counts)
    close = envelope_pb2.Envelope.FromString(closed.close or b"")
    honest = world.desk.begin_close(close, NOW_MS)
    assert isinstance(honest, envelope_pb2.Envelope)
    assert read_partial_sum(honest, close, held.asked, TRUSTEE.public) == closed.trustee_half
    message, key, kind = round_pb2.PartialSum.FromString(honest.payload), TRUSTEE, names.ROUND_PARTIAL_SUM
    if crime == "one-participant-less":
        fewer = make_close(held.asked, sorted(counts)[1:], closed.hub_half or b"", HUB, NOW_MS)
        message.close_digest = hashlib.sha256(fewer.payload).digest()
    elif crime == "another-round":
        message.round_id = bytes(16)
    elif crime == "too-short":
        message.half = message.half[:-1]
    elif crime == "forged":
        key = ROGUE
    else:
        kind = names.ROUND_CLOSE
    with pytest.raises(Refused) as caught:
        read_partial_sum(sign(kind, message.SerializeToString(), key), close, held.asked, TRUSTEE.public)
    assert caught.value.reason == reason


def test_a_done_round_keeps_its_result_and_no_share(connection: Connection, world: RoundWorld) -> None:
    held = opened(connection, world)
    counts = world.counts(held)
    for ori, answer in world.answers(held.asked, counts).items():
        post(connection, answer, ori)
    closed = world.closed(held, counts)
    signed = world.cosigned(world.result(closed, counts), closed.hub_half)
    assert rounds.move(connection, held, RoundState.SIGNING, NOW_MS)
    signing = rounds.get(connection, held.round_id)
    assert signing is not None
    assert rounds.finish(connection, signing, signed, NOW_MS)
    assert rounds.answers(connection, held.round_id, ORIS) == []
    (found,) = list_results(connection)
    assert found.result.round_id == held.round_id
    assert list_results(connection, measure="records") == []
    assert found.envelope.payload == signed.payload
    digest = hashlib.sha256(signed.payload).digest()
    logged = connection.scalar(select(func.count()).select_from(log_queue).where(log_queue.c.digest == digest))
    assert logged == 1


# The noise of whole rounds


def test_the_noisy_totals_lie_around_the_true_ones_as_the_results_say(world: RoundWorld) -> None:
    """Eight rounds of 65 cells: neither too far (a share missing) nor too near (one party's noise missing)."""
    squares, of_one_party, inside, cells = 0.0, 0.0, 0, 0
    for month in range(1, 9):
        held = world.opened(measure="force-findings", period=f"2026-{month:02}")
        asked = held.asked
        counts = {ori: tuple(1000 + place for place in range(asked.cells)) for ori in sorted(ORIS)[:10]}
        closed = world.closed(held, counts)
        deviation = 2**0.5 * asked.noise_scale
        of_one_party += sum((value / deviation) ** 2 for value in noise.draw(asked.noise_scale, asked.cells))
        for place, total in enumerate(totals(closed.hub_half or b"", closed.trustee_half or b"")):
            error = total - 10 * (1000 + place)
            squares += (error / deviation) ** 2
            inside += abs(error) <= 1.96 * deviation
            cells += 1
        assert not any(cell.suppressed for cell in cells_of(asked, [10_000] * asked.cells))
    assert cells == 520
    assert CHI_SQUARED[0] < squares < CHI_SQUARED[1]
    assert of_one_party < CHI_SQUARED[0]  # the test would have noticed
    assert inside > 464  # 494 are expected; six standard deviations below
