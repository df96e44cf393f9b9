"""Rounds: what their form refuses, how little two of them may differ by, and what a result says."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import SigningKey, countersign, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingKey
from waypost.crypto.shares import pack
from waypost.protocol import limits, names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.measures import CATALOGUE_VERSION
from waypost.protocol.round_results import (
    AbsentMember,
    make_result,
    open_result,
    parse_result,
    result_payload,
    totals,
)
from waypost.protocol.rounds import Round, least_noise_scale_thousandths, open_round, parse_round, singled_out
from waypost.v1 import envelope_pb2, round_pb2

NOW_MS = 1_795_000_000_000  # 2026-11-18
HUB, TRUSTEE, ROGUE = SigningKey(b"h" * 32), SigningKey(b"t" * 32), SigningKey(b"r" * 32)
HUB_SEALING, TRUSTEE_SEALING = SealingKey.generate().public, SealingKey.generate().public


def round_message(**changes: Any) -> round_pb2.Round:
    header = new_header(
        sender=changes.pop("sender", names.HUB),
        audience=changes.pop("audience", names.ALL_MEMBERS),
        now_ms=NOW_MS,
        lifetime_ms=changes.pop("lifetime_ms", 2 * limits.DAY_MS),
    )
    content: dict[str, Any] = {
        "header": header_to_proto(header),
        "measure": "officers-employed",
        "catalogue_version": CATALOGUE_VERSION,
        "period": "2026Q3",
        "states": ["CA", "NV"],
        "roster_version": 7,
        "cells": 2,
        "clip": 1,
        "rho_millionths": 10_000,
        "noise_scale_thousandths": 7072,
        "minimum_cohort": 10,
        "small_cell": 10,
        "closes_at_ms": NOW_MS + limits.DAY_MS,
        "hub_sealing_key": HUB_SEALING,
        "trustee_sealing_key": TRUSTEE_SEALING,
    }
    return round_pb2.Round(**{**content, **changes})


def a_round(**changes: Any) -> Round:
    return parse_round(round_message(**changes).SerializeToString())


def test_a_lawful_round_is_read() -> None:
    asked = a_round()
    assert (asked.measure.name, asked.period.text, asked.states, asked.cells) == (
        *("officers-employed", "2026Q3", ("CA", "NV"), 2),
    )
    assert asked.noise_scale == 7.072


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"measure": "officers-named-smith"}, "unknown-measure"),
        ({"catalogue_version": CATALOGUE_VERSION + 1}, "wrong-catalogue"),
        ({"cells": 3}, "altered-measure"),
        ({"clip": 2}, "altered-measure"),
        ({"period": "2026Q4"}, "period-not-over"),
        ({"period": "lately"}, "malformed"),
        ({"states": ["NV", "CA"]}, "malformed"),
        ({"states": ["CA", "CA"]}, "malformed"),
        ({"rho_millionths": 0}, "too-much-loss"),
        ({"rho_millionths": limits.ROUND_RHO_MILLIONTHS_MAX + 1}, "too-much-loss"),
        ({"noise_scale_thousandths": 7071}, "too-little-noise"),
        ({"noise_scale_thousandths": 0}, "too-little-noise"),
        ({"minimum_cohort": 9}, "too-small-cohort"),
        ({"small_cell": 9}, "too-small-cohort"),
        ({"closes_at_ms": NOW_MS}, "too-long-lived"),
        ({"closes_at_ms": NOW_MS + 2 * limits.DAY_MS}, "too-long-lived"),
        ({"lifetime_ms": 40 * limits.DAY_MS, "closes_at_ms": NOW_MS + 39 * limits.DAY_MS}, "too-long-lived"),
        ({"lifetime_ms": 9 * limits.DAY_MS}, "too-long-lived"),
        ({"sender": "CA9900100"}, "wrong-audience"),
        ({"audience": "CA9900100"}, "wrong-audience"),
        ({"hub_sealing_key": b""}, "malformed"),
        ({"trustee_sealing_key": bytes(1215)}, "malformed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_round_beyond_its_bounds_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        a_round(**changes)
    assert caught.value.reason == reason


def signed(*keys: SigningKey, payload: bytes | None = None) -> envelope_pb2.Envelope:
    return sign(names.ROUND, payload or round_message().SerializeToString(), *keys)


def test_a_round_counts_with_both_signatures_only() -> None:
    open_round(signed(HUB, TRUSTEE), hub_key=HUB.public, trustee_key=TRUSTEE.public, now_ms=NOW_MS)
    for envelope in (signed(HUB), signed(TRUSTEE), signed(HUB, HUB), signed(HUB, ROGUE), signed()):
        with pytest.raises(ProtocolError, match="round was refused"):
            open_round(envelope, hub_key=HUB.public, trustee_key=TRUSTEE.public, now_ms=NOW_MS)


def test_parameters_changed_after_signing_are_refused() -> None:
    good = signed(HUB, TRUSTEE)
    message = round_pb2.Round.FromString(good.payload)
    message.minimum_cohort = 11
    good.payload = message.SerializeToString()
    with pytest.raises(ProtocolError) as caught:
        open_round(good, hub_key=HUB.public, trustee_key=TRUSTEE.public, now_ms=NOW_MS)
    assert caught.value.reason == "wrong-signature"


def test_an_expired_or_future_round_is_refused() -> None:
    for now_ms in (NOW_MS + 2 * limits.DAY_MS, NOW_MS - limits.HOUR_MS):
        with pytest.raises(ProtocolError):
            open_round(signed(HUB, TRUSTEE), hub_key=HUB.public, trustee_key=TRUSTEE.public, now_ms=now_ms)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_the_bytes_they_are_a_round_or_refused(data: bytes) -> None:
    good = round_message().SerializeToString()
    for payload in (data, good[: len(data)] + data, data + good):
        with suppress(ProtocolError):
            parse_round(payload)
        with suppress(ProtocolError):
            parse_result(payload)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10), st.integers(1, limits.ROUND_RHO_MILLIONTHS_MAX))
def test_the_least_noise_is_the_least_that_suffices(clip: int, rho: int) -> None:
    def loss(scale: int) -> float:
        return clip * clip / (2 * (scale / 1000) ** 2) * 1e6

    least = least_noise_scale_thousandths(clip, rho)
    assert loss(least) <= rho * (1 + 1e-12)
    assert loss(least - 1) > rho * (1 - 1e-12)


def oris(count: int, state: str = "CA") -> frozenset[str]:
    return frozenset(f"{state}99{number:05}" for number in range(count))


def test_attack_two_groups_that_differ_in_one_member_single_it_out() -> None:
    everybody = oris(50)
    without_one = everybody - {"CA9900007"}
    assert singled_out([everybody, everybody], 10) == frozenset()
    assert singled_out([everybody, without_one], 10) == {"CA9900007"}


def test_attack_three_groups_that_differ_by_ten_single_one_member_out_together() -> None:
    # Any two of these differ by ten or more, yet first - second - third is one agency's count.
    first, second = oris(41), oris(20)
    third = first - second - {"CA9900040"}
    assert all(len(a ^ b) >= 10 for a, b in combinations((first, second, third), 2))
    assert singled_out([first, second, third], 10) == {"CA9900040"}


def test_members_that_were_away_in_one_of_two_rounds_are_not_singled_out_by_that() -> None:
    # State first, then nation with two of the state's away: no combination of the totals speaks of those two alone.
    state, others = oris(12), oris(30, "NV")
    nation = (state | others) - {"CA9900000", "CA9900001"}
    assert singled_out([state, nation], 10) == frozenset()
    assert singled_out([state, others, nation], 10) == {"CA9900000", "CA9900001"}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.frozensets(st.sampled_from("abcdefgh"), min_size=1), min_size=1, max_size=4),
    st.lists(st.integers(-3, 3), min_size=4, max_size=4),
)
def test_no_combination_of_totals_speaks_of_few_members_unless_they_are_named(
    groups: list[frozenset[str]], factors: list[int]
) -> None:
    minimum = 3
    named = singled_out(groups, minimum)
    weights = {
        ori: sum(factor for factor, group in zip(factors, groups, strict=False) if ori in group) for ori in "abcdefgh"
    }
    spoken_of = {ori for ori, weight in weights.items() if weight}
    assert not 0 < len(spoken_of) < minimum or spoken_of <= named


def test_halves_add_up_and_small_and_negative_totals_are_suppressed() -> None:
    noisy = totals(pack([2**64 - 5, 100]), pack([2, 12_345]))
    assert noisy == (-3, 12_445)
    result = make_result(
        a_round(), epsilon_thousandths=700, participants=("NV1", "CA1"), absent=(), noisy=noisy, closed_at_ms=NOW_MS
    )
    assert [(cell.values, cell.total, cell.suppressed) for cell in result.cells] == [
        (("sworn",), 0, True),
        (("not_sworn",), 12_445, False),
    ]
    assert result.participants == ("CA1", "NV1")
    assert 10.001 < result.noise_deviation < 10.003  # sqrt(2) of 7.072


@dataclass
class Signed:
    payload: bytes
    envelope: envelope_pb2.Envelope


def a_result() -> Signed:
    result = make_result(
        a_round(),
        epsilon_thousandths=700,
        participants=sorted(oris(10)),
        absent=[AbsentMember("NV9900001", "local.no-counts"), AbsentMember("CA9999999", "")],
        noisy=(500, 20),
        closed_at_ms=NOW_MS,
    )
    header = new_header(sender=names.HUB, audience=names.ALL_MEMBERS, now_ms=NOW_MS, lifetime_ms=limits.DAY_MS)
    payload = result_payload(result, header, CATALOGUE_VERSION)
    assert parse_result(payload) == result
    return Signed(payload, countersign(sign(names.ROUND_RESULT, payload, HUB), TRUSTEE))


def test_a_result_is_verified_by_anybody_with_both_keys() -> None:
    result = open_result(a_result().envelope, hub_key=HUB.public, trustee_key=TRUSTEE.public)
    assert [member.ori for member in result.absent] == ["CA9999999", "NV9900001"]


def test_a_result_without_the_trustees_signature_or_with_another_number_is_refused() -> None:
    good = a_result()
    alone = sign(names.ROUND_RESULT, good.payload, HUB, ROGUE)
    message = round_pb2.RoundResult.FromString(good.payload)
    message.cells[0].total += 1
    good.envelope.payload = message.SerializeToString()
    for envelope in (alone, good.envelope):
        with pytest.raises(ProtocolError) as caught:
            open_result(envelope, hub_key=HUB.public, trustee_key=TRUSTEE.public)
        assert caught.value.reason == "wrong-signature"


@pytest.mark.parametrize("change", ["cell", "order", "repeated", "leak"])
def test_a_result_of_another_form_is_refused(change: str) -> None:
    message = round_pb2.RoundResult.FromString(a_result().payload)
    if change == "cell":
        del message.cells[0]
    elif change == "order":
        message.participants.extend(["AA9900000"])
    elif change == "repeated":
        message.participants.append(message.participants[-1])
    else:
        message.cells[0].suppressed = True
    with pytest.raises(ProtocolError):
        parse_result(message.SerializeToString())
