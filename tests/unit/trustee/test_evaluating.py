"""Whom the trustee serves, and what it costs, rule by rule, on a real store with the clock as an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import Header, header_to_proto, new_header
from waypost.crypto.limits import OPRF_BATCH_MAX
from waypost.protocol import limits, names
from waypost.protocol.roster import Member, Roster
from waypost.trustee import limits as own_limits
from waypost.trustee.errors import Refused, Spent
from waypost.trustee.evaluating import CHECK, REGISTRATION, Admitted, admit, budgets_of, sender_of
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, index_pb2, roster_pb2

NOW_MS = 1_800_000_000_000 - 1_800_000_000_000 % limits.HOUR_MS
ORI, SUSPENDED = "CA9900100", "NV9900200"
KEYS = {ori: SigningKey.generate() for ori in (ORI, SUSPENDED)}
ELEMENTS = [hashlib.sha256(bytes([number])).digest() for number in range(limits.CHECK_TOKENS)]


def _roster() -> Roster:
    members = {
        ori: Member(
            ori=ori,
            name=ori,
            state=ori[:2],
            role=roster_pb2.ROLE_AGENCY,
            status=roster_pb2.MEMBER_STATUS_SUSPENDED if ori == SUSPENDED else roster_pb2.MEMBER_STATUS_ACTIVE,
            signing_public_key=key.public,
            sealing_key_digest=bytes(32),
            key_since_version=1,
        )
        for ori, key in KEYS.items()
    }
    return Roster(
        header=Header(bytes(16), "hub", "*", NOW_MS, NOW_MS + limits.ROSTER_LIFETIME_MS),
        version=1,
        members=MappingProxyType(members),
        hub_signing_key=bytes(32),
        trustee_signing_key=bytes(32),
        epoch=2,
        hub_index_key=bytes(32),
        trustee_index_key=bytes(32),
        policy_floor="",
        previous_digest=b"",
        payload_digest=bytes(32),
    )


ROSTER = _roster()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    held = Store(tmp_path / "trustee.db", create=True)
    yield held
    held.close()


def request(
    elements: Sequence[bytes] = ELEMENTS,
    *,
    purpose: int = CHECK,
    epoch: int = 2,
    sender: str = ORI,
    audience: str = names.TRUSTEE,
    key: SigningKey | None = None,
    now_ms: int = NOW_MS,
) -> envelope_pb2.Envelope:
    header = new_header(sender=sender, audience=audience, now_ms=now_ms, lifetime_ms=limits.EVALUATION_LIFETIME_MS)
    content = index_pb2.EvaluationRequest(
        header=header_to_proto(header),
        epoch=epoch,
        purpose=index_pb2.EvaluationPurpose.ValueType(purpose),
        blinded_elements=elements,
    )
    return sign(names.EVALUATION_REQUEST, content.SerializeToString(), key or KEYS[sender])


def admitted(store: Store, envelope: envelope_pb2.Envelope, now_ms: int = NOW_MS) -> Admitted:
    with store.transaction():
        return admit(envelope, roster=ROSTER, store=store, now_ms=now_ms)


def refused(store: Store, envelope: envelope_pb2.Envelope, reason: str, now_ms: int = NOW_MS) -> None:
    with pytest.raises(Refused) as told:
        admitted(store, envelope, now_ms)
    assert told.value.reason == reason
    assert store.used(ORI, CHECK, 0) == 0


def test_a_members_check_is_admitted_with_its_elements_as_they_came(store: Store) -> None:
    assert admitted(store, request()) == Admitted(ORI, CHECK, tuple(ELEMENTS))


def test_rule_1_attack_a_request_in_a_members_name_signed_by_another(store: Store) -> None:
    refused(store, request(key=SigningKey.generate()), "wrong-signature")


def test_rule_1_attack_the_hub_asks_in_its_own_name(store: Store) -> None:
    refused(store, request(sender=names.HUB, key=SigningKey.generate()), "not-a-member")


def test_rule_1_attack_a_suspended_member_goes_on_asking(store: Store) -> None:
    refused(store, request(sender=SUSPENDED), "suspended")


def test_rule_1_without_a_roster_or_under_an_expired_one_nobody_is_served(store: Store) -> None:
    for roster, now_ms in ((None, NOW_MS), (ROSTER, ROSTER.header.expires_at_ms + limits.HOUR_MS)):
        with pytest.raises(Refused) as told:
            admit(request(now_ms=now_ms), roster=roster, store=store, now_ms=now_ms)
        assert told.value.reason == "no-roster"


def test_rule_2_attack_a_request_meant_for_the_hub_is_shown_to_the_trustee(store: Store) -> None:
    refused(store, request(audience=names.HUB), "wrong-audience")


def test_rule_2_a_request_out_of_its_time_is_refused(store: Store) -> None:
    refused(store, request(now_ms=NOW_MS - limits.DAY_MS), "expired")
    refused(store, request(now_ms=NOW_MS + limits.DAY_MS), "future-dated")


def test_rule_2_attack_the_hub_repeats_a_members_request(store: Store) -> None:
    envelope = request()
    admitted(store, envelope)
    with pytest.raises(Refused) as told:
        admitted(store, envelope)
    assert told.value.reason == "replayed"
    assert store.used(ORI, CHECK, 0) == limits.CHECK_TOKENS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epoch": 1}, "wrong-epoch"),
        ({"epoch": 3}, "wrong-epoch"),
        ({"purpose": index_pb2.EVALUATION_PURPOSE_UNSPECIFIED}, "malformed"),
        ({"elements": ELEMENTS[:-1]}, "malformed"),
        ({"elements": [*ELEMENTS, bytes(32)]}, "malformed"),
        ({"elements": [], "purpose": REGISTRATION}, "oversized"),
        ({"elements": [bytes(32)] * (OPRF_BATCH_MAX + 1), "purpose": REGISTRATION}, "oversized"),
    ],
)
def test_rule_3_another_epoch_no_purpose_or_an_unlawful_number_is_refused(
    change: dict[str, object], reason: str, store: Store
) -> None:
    refused(store, request(**change), reason)  # type: ignore[arg-type]


def test_rule_4_attack_a_member_enumerates_beyond_its_budget_and_a_refusal_costs_nothing(store: Store) -> None:
    store.set_budget(ORI, CHECK, 2 * limits.CHECK_TOKENS + 1)
    admitted(store, request())
    admitted(store, request())
    with pytest.raises(Spent):
        admitted(store, request())
    assert store.used(ORI, CHECK, 0) == 2 * limits.CHECK_TOKENS


def test_rule_4_budgets_of_two_purposes_and_of_two_members_are_apart(store: Store) -> None:
    store.set_budget(ORI, CHECK, 0)
    store.set_budget(SUSPENDED, REGISTRATION, 0)
    with pytest.raises(Spent):
        admitted(store, request())
    assert admitted(store, request(purpose=REGISTRATION)).purpose == REGISTRATION


def test_rule_4_a_budget_of_none_at_all_is_not_taken_for_the_default(store: Store) -> None:
    store.set_budget(ORI, REGISTRATION, 0)
    with pytest.raises(Spent):
        admitted(store, request(purpose=REGISTRATION))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at_ms=st.integers(0, limits.HOUR_MS - 1), early_ms=st.integers(1, limits.DAY_MS))
def test_rule_4_attack_a_spent_budget_is_never_renewed_before_its_window_is_over(
    at_ms: int, early_ms: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spent_at_ms = NOW_MS + at_ms
    again_ms = spent_at_ms + limits.DAY_MS - early_ms
    store = Store(tmp_path_factory.mktemp("trustee") / "trustee.db", create=True)
    store.set_budget(ORI, CHECK, limits.CHECK_TOKENS)
    admitted(store, request(now_ms=spent_at_ms), spent_at_ms)
    with pytest.raises(Spent):
        admitted(store, request(now_ms=again_ms), again_ms)
    store.close()


def test_rule_4_a_budget_is_whole_again_an_hour_after_its_window(store: Store) -> None:
    store.set_budget(ORI, CHECK, limits.CHECK_TOKENS)
    spent_at_ms = NOW_MS + limits.HOUR_MS - 1
    admitted(store, request(now_ms=spent_at_ms), spent_at_ms)
    again_ms = spent_at_ms + limits.DAY_MS + limits.HOUR_MS
    assert admitted(store, request(now_ms=again_ms), again_ms).ori == ORI


def in_registration(store: Store, count: int, now_ms: int) -> Admitted:
    elements = [bytes([number % 256]) * 32 for number in range(count)]
    return admitted(store, request(elements, purpose=REGISTRATION, now_ms=now_ms), now_ms)


def spend_registration(store: Store, count: int, now_ms: int) -> None:
    """In batches, as nodes do."""
    for start in range(0, count, OPRF_BATCH_MAX):
        in_registration(store, min(OPRF_BATCH_MAX, count - start), now_ms)


def test_rule_4_attack_a_member_of_ten_officers_has_the_whole_countrys_names_evaluated_for_registration(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_limits, "UPKEEP_ELEMENTS_PER_DAY", 100)
    store.state_officers(ORI, 10)
    of_a_day = 10 * own_limits.ELEMENTS_PER_OFFICER + 100
    spend_registration(store, of_a_day, NOW_MS)
    with pytest.raises(Spent, match="in 1 days"):
        in_registration(store, 1, NOW_MS)
    of_a_month = 2 * 10 * own_limits.ELEMENTS_PER_OFFICER + 30 * 100
    days = of_a_month // of_a_day
    for day in range(1, days):
        spend_registration(store, of_a_day, NOW_MS + day * (limits.DAY_MS + limits.HOUR_MS))
    with pytest.raises(Spent, match="in 30 days"):
        spend_registration(store, of_a_day, NOW_MS + days * (limits.DAY_MS + limits.HOUR_MS))
    assert of_a_month - of_a_day < store.used(ORI, REGISTRATION, 0) <= of_a_month
    assert admitted(store, request()).purpose == CHECK


def test_rule_4_without_a_stated_size_the_largest_department_gets_through_in_a_day_and_not_more(store: Store) -> None:
    day, month = budgets_of(store, ORI, REGISTRATION)
    assert 36_000 * 40 < day.elements < month.elements == own_limits.REGISTRATION_ELEMENTS_PER_WINDOW
    with store.transaction():
        store.use(ORI, REGISTRATION, NOW_MS, day.elements)
    with pytest.raises(Spent):
        in_registration(store, 1, NOW_MS)
    assert in_registration(store, 1, NOW_MS + limits.DAY_MS + limits.HOUR_MS)


@pytest.mark.parametrize("officers", [0, 1, 400, 36_000])
def test_rule_4_a_stated_size_leaves_room_for_everybody_at_once_and_for_new_keys_within_the_month(
    store: Store, officers: int
) -> None:
    store.state_officers(ORI, officers)
    day, month = budgets_of(store, ORI, REGISTRATION)
    filled = -(-officers * 40 // limits.REGISTRATION_BATCH_TOKENS) * limits.REGISTRATION_BATCH_TOKENS
    assert filled <= day.elements
    assert 2 * filled <= month.elements
    assert (day.window_ms, month.window_ms) == (limits.DAY_MS, own_limits.REGISTRATION_WINDOW_MS)


def test_rule_4_a_budget_that_the_operator_set_is_that_of_the_month_and_the_days_stays(store: Store) -> None:
    store.state_officers(ORI, 10)
    store.set_budget(ORI, REGISTRATION, 5)
    assert [budget.elements for budget in budgets_of(store, ORI, REGISTRATION)] == [
        10 * own_limits.ELEMENTS_PER_OFFICER + own_limits.UPKEEP_ELEMENTS_PER_DAY,
        5,
    ]


def test_a_message_that_cannot_be_read_is_audited_without_a_sender() -> None:
    assert sender_of(envelope_pb2.Envelope(payload=b"\xff\xff")) == ""
    assert sender_of(request()) == ORI
