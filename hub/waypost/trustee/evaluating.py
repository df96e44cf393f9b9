"""Whether a member's evaluation request may be served, and what it costs that member. A core over a Store.

1. The sender is an active member of the roster that the trustee signed last, and signed the request.
2. It is addressed to the trustee, in its time, and was not seen before.
3. It is for the epoch of that roster, names a purpose, and holds a lawful number of elements: exactly CHECK_TOKENS for
   a check, 1 to OPRF_BATCH_MAX for a registration.
4. The member's budgets for that purpose cover it: one of a day for checks; for registrations one of a day and one of
   REGISTRATION_WINDOW_MS, by the number of officers that the operator has stated for it. It is counted before anything
   is evaluated, and stays counted when the answer is lost: a hub that repeats requests spends the member's budget, and
   gains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from waypost.crypto.envelope import Verifier
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.freshness import header_from_payload
from waypost.crypto.limits import OPRF_BATCH_MAX
from waypost.protocol import limits as protocol_limits
from waypost.protocol import names
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster
from waypost.trustee import limits
from waypost.trustee.errors import Refused, Spent
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, index_pb2

CHECK = index_pb2.EVALUATION_PURPOSE_CHECK
REGISTRATION = index_pb2.EVALUATION_PURPOSE_REGISTRATION


@dataclass(frozen=True, slots=True)
class Budget:
    """What a member may have evaluated for one purpose within a sliding window."""

    elements: int
    window_ms: int

    @property
    def days(self) -> int:
        """The window in days."""
        return self.window_ms // protocol_limits.DAY_MS


PURPOSES = (CHECK, REGISTRATION)


def budgets_of(store: Store, ori: str, purpose: index_pb2.EvaluationPurpose.ValueType) -> tuple[Budget, ...]:
    """What a member may have evaluated for a purpose. One that the operator set replaces that of the longest window."""
    default: tuple[Budget, ...] = (Budget(limits.CHECK_ELEMENTS_PER_DAY, limits.CHECK_WINDOW_MS),)
    if purpose == REGISTRATION:
        default = _registration_budgets(store.officers_stated(ori))
    own = store.budget(ori, purpose)
    return default if own is None else (*default[:-1], Budget(own, default[-1].window_ms))


def _registration_budgets(officers: int | None) -> tuple[Budget, ...]:
    day, window = limits.REGISTRATION_ELEMENTS_PER_DAY, limits.REGISTRATION_ELEMENTS_PER_WINDOW
    if officers is not None:
        upkeep, everybody = limits.UPKEEP_ELEMENTS_PER_DAY, officers * limits.ELEMENTS_PER_OFFICER
        days = limits.REGISTRATION_WINDOW_MS // limits.CHECK_WINDOW_MS
        day, window = everybody + upkeep, limits.REGISTRATIONS_OF_ALL_PER_WINDOW * everybody + days * upkeep
    return Budget(day, limits.CHECK_WINDOW_MS), Budget(window, limits.REGISTRATION_WINDOW_MS)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be served: who asks, for what, and the blinded elements (32 bytes each)."""

    ori: str
    purpose: index_pb2.EvaluationPurpose.ValueType
    elements: tuple[bytes, ...]


def sender_of(envelope: envelope_pb2.Envelope) -> str:
    """Whom an unverified message claims to be from; empty when it cannot be read. For audit entries only."""
    try:
        return header_from_payload(envelope.payload).sender
    except EnvelopeError:
        return ""


def admit(envelope: envelope_pb2.Envelope, *, roster: Roster | None, store: Store, now_ms: int) -> Admitted:
    """Admit a request and count it (rules 1 to 4), within the caller's transaction; Refused or Spent otherwise."""
    if roster is None or roster.expired(now_ms):
        raise Refused("no-roster", "the trustee holds no valid roster", hint="the hub proposes one when it starts")
    try:
        member = roster.active_member(sender_of(envelope))
        verified = Verifier((names.TRUSTEE,), store).verify(
            envelope,
            expected_type=names.EVALUATION_REQUEST,
            keys=(member.signing_public_key,),
            sender=member.ori,
            now_ms=now_ms,
        )
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, f"the evaluation request was refused: {error}") from error
    request = index_pb2.EvaluationRequest.FromString(verified.payload)
    _check_content(request, roster)
    _spend(member.ori, request.purpose, len(request.blinded_elements), store, now_ms)
    return Admitted(member.ori, request.purpose, tuple(request.blinded_elements))


def _check_content(request: index_pb2.EvaluationRequest, roster: Roster) -> None:
    if request.epoch != roster.epoch:
        raise Refused("wrong-epoch", f"the index is in epoch {roster.epoch}, not {request.epoch}")
    if request.purpose not in PURPOSES:
        raise Refused("malformed", "the evaluation request names no purpose")
    count = len(request.blinded_elements)
    if request.purpose == CHECK and count != protocol_limits.CHECK_TOKENS:
        raise Refused("malformed", f"a check has exactly {protocol_limits.CHECK_TOKENS} elements, not {count}")
    if not 0 < count <= OPRF_BATCH_MAX:
        raise Refused("oversized", f"a batch has 1 to {OPRF_BATCH_MAX} elements, not {count}")


def _spend(ori: str, purpose: index_pb2.EvaluationPurpose.ValueType, elements: int, store: Store, now_ms: int) -> None:
    for budget in budgets_of(store, ori, purpose):
        if store.used(ori, purpose, now_ms - budget.window_ms) + elements > budget.elements:
            raise Spent(
                "budget-spent",
                f"{ori} has used up its budget of {budget.elements} elements in {budget.days} days",
                hint=f"wait, or ask the trustee's operator for: waypost-trustee budgets set {ori}",
            )
    store.use(ori, purpose, now_ms, elements)
