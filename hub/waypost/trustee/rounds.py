"""A round at the trustee: its states, and each call as one transaction.

    (none) --prepare--> prepared --countersign--> countersigned --close--> closed --cosign--> released
                        prepared --a day without a signature--> (none)
                        countersigned --too few participants, or such as single others out, or expired--> abandoned

1. Every call may be repeated: the same bytes get the same answer. Other bytes are refused and audited (round_audit.py).
2. The sealing key of a round is made for it alone, stands in the keystore, and is destroyed as soon as the round is
   closed or abandoned: its shares can never be opened again.
3. The half of a total is stored with the noise in, before it leaves; a trustee that dies in between adds up anew, with
   fresh noise, which is safe because nothing of the first sum was seen.
4. Losses are booked with the signature. They are taken back only when a round is abandoned, that is, when no half of
   it has left.
5. A result is signed only if it is the one that the round and its halves allow (round_signing.py).
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from waypost.crypto.envelope import SigningKey, check_times, sign, verify_signatures
from waypost.crypto.errors import KeystoreError
from waypost.crypto.freshness import header_from_payload, header_to_proto, new_header
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.protocol import limits, names
from waypost.protocol.measures import Measure, measure
from waypost.protocol.roster import Roster
from waypost.protocol.rounds import Round, parse_round
from waypost.trustee import round_rules
from waypost.trustee.audit import Event
from waypost.trustee.errors import Refused
from waypost.trustee.limits import ROUND_RHO_MILLIONTHS_PER_YEAR, ROUNDS_PREPARED_MAX
from waypost.trustee.round_audit import audited
from waypost.trustee.round_books import HeldRound, RoundState
from waypost.trustee.round_signing import require_result, with_ours
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, round_pb2

_log = logging.getLogger("waypost.trustee")
_ID_BYTES: Final = 16
_LEFT_OUT_CHARS_MAX: Final = 500
_KEY_PREFIX: Final = "round-"


@dataclass(frozen=True, slots=True)
class Closing:
    """A close that was judged: what adding up needs."""

    asked: Round
    close: envelope_pb2.Envelope
    participants: frozenset[str]
    sealing_key: SealingKey
    roster: Roster


class RoundDesk:
    """The trustee's decisions on rounds. Its methods run in the store's thread; `roster` gives the one signed last."""

    def __init__(
        self, keystore: Keystore, store: Store, hub_key: bytes, key: SigningKey, roster: Callable[[], Roster | None]
    ) -> None:
        self._keystore = keystore
        self._store = store
        self._hub_key = hub_key
        self._key = key
        self._roster = roster

    def prepare(self, round_id: bytes, now_ms: int) -> bytes:
        """Our sealing key for a round, made on first demand (rule 2)."""
        if len(round_id) != _ID_BYTES:
            raise Refused("malformed", "a round's id has 16 bytes")
        with self._store.transaction():
            held = self._store.rounds.get(round_id)
            if held is None:
                if len(self._store.rounds.in_state(RoundState.PREPARED)) >= ROUNDS_PREPARED_MAX:
                    raise Refused("oversized", "too many rounds are prepared and not signed", hint="wait a day")
                self._keystore.put(_key_name(round_id), SealingKey.generate().to_bytes())
                self._store.rounds.put(_prepared(round_id, now_ms + limits.DAY_MS))
            elif held.state is not RoundState.PREPARED:
                raise Refused("replayed", "this round was signed before")
        return self._sealing_key(round_id).public

    def countersign(self, envelope: envelope_pb2.Envelope, now_ms: int) -> envelope_pb2.Envelope:
        """The round with our signature as well, its losses booked (rule 4)."""
        with audited(self._store, Event.ROUND_REFUSED, envelope, now_ms), self._store.transaction():
            round_id = header_from_payload(envelope.payload).message_id
            held = self._store.rounds.get(round_id)
            if held is not None and held.state is not RoundState.PREPARED:
                if not hmac.compare_digest(held.payload, envelope.payload):
                    raise Refused("replayed", "another round was signed under this id")
                verify_signatures(envelope, (self._hub_key,), required=1, expected_type=names.ROUND)
                return with_ours(envelope, self._hub_key, self._key)
            if held is None:
                raise Refused("wrong-key", "the round was not prepared")
            approval = self._judge(envelope, now_ms)
            asked = approval.asked
            self._store.rounds.put(
                replace(
                    held,
                    state=RoundState.COUNTERSIGNED,
                    measure=asked.measure.name,
                    period=asked.period.text,
                    states=asked.states,
                    cohort=approval.cohort,
                    payload=envelope.payload,
                    expires_at_ms=asked.header.expires_at_ms,
                )
            )
            self._store.rounds.lose(round_id, approval.states, approval.year, asked.rho_millionths)
            self._store.audit(now_ms, Event.ROUND_COUNTERSIGNED, round_id.hex(), _question(asked))
        return with_ours(envelope, self._hub_key, self._key)

    def _judge(self, envelope: envelope_pb2.Envelope, now_ms: int) -> round_rules.Approval:
        roster = self._roster_in_force(now_ms)
        stated = round_pb2.Round.FromString(envelope.payload)
        own = self._store.rounds.budget()
        ledger = round_rules.Ledger(
            self._store.rounds.losses(round_rules.year_of(now_ms)),
            ROUND_RHO_MILLIONTHS_PER_YEAR if own is None else own,
        )
        return round_rules.judge(
            envelope,
            hub_key=self._hub_key,
            own_sealing_key=self._sealing_key(stated.header.message_id).public,
            roster=roster,
            asked_before=self._comparable(measure(stated.measure)),
            ledger=ledger,
            now_ms=now_ms,
        )

    def _comparable(self, asked: Measure) -> list[HeldRound]:
        return self._store.rounds.asked(frozenset().union(*asked.families))

    def begin_close(self, envelope: envelope_pb2.Envelope, now_ms: int) -> Closing | envelope_pb2.Envelope:
        """What adding up needs; or our half, when it was given for this very close before (rule 1)."""
        with audited(self._store, Event.ROUND_CLOSE_REFUSED, envelope, now_ms):
            message, asked, held = self._open_close(envelope, now_ms)
            if held.state in {RoundState.CLOSED, RoundState.RELEASED}:
                if not hmac.compare_digest(held.close, envelope.payload):
                    raise Refused("closed-before", "the round was closed with other participants before")
                return self._partial_sum(held, now_ms)
            participants = frozenset(message.participants)
            if len(participants) < asked.minimum_cohort:
                self._abandon(held, "below the minimum cohort", now_ms)
                raise Refused("too-small-cohort", f"{len(participants)} participants are below the round's minimum")
            return Closing(
                asked, envelope, participants, self._sealing_key(held.round_id), self._roster_in_force(now_ms)
            )

    def _open_close(
        self, envelope: envelope_pb2.Envelope, now_ms: int
    ) -> tuple[round_pb2.RoundClose, Round, HeldRound]:
        verified = verify_signatures(envelope, (self._hub_key,), required=1, expected_type=names.ROUND_CLOSE)
        message, header = round_pb2.RoundClose.FromString(verified.payload), verified.header
        if (header.sender, header.audience) != (names.HUB, names.TRUSTEE):
            raise Refused("wrong-audience", "the close is not from the hub to the trustee")
        check_times(header, now_ms)
        held = self._signed_round(message.round_id)
        asked = parse_round(held.payload)
        if message.round_digest != asked.digest or len(message.hub_half_digest) != hashlib.sha256().digest_size:
            raise Refused("altered", "the close speaks of another round than the one signed")
        if list(message.participants) != sorted(set(message.participants)):
            raise Refused("malformed", "the participants are not distinct and ascending")
        if held.state is RoundState.COUNTERSIGNED and not set(message.participants) <= held.cohort:
            raise Refused("not-asked", "a participant is not of the cohort")
        return message, asked, held

    def strangers(self, closing: Closing, now_ms: int) -> frozenset[str]:
        """Participants that must stay out so that no earlier round gives a few members away."""
        asked = closing.asked
        before = [held for held in self._comparable(asked.measure) if held.round_id != asked.round_id]
        with audited(self._store, Event.ROUND_CLOSE_REFUSED, closing.close, now_ms):
            try:
                out = round_rules.check_participants(asked, closing.participants, before)
            except Refused as refusal:  # as too few participants do: it may be asked anew when the others are back
                self._abandon(self._signed_round(asked.round_id), refusal.reason, now_ms)
                raise
        if out:
            self.leave_out(closing, out, now_ms)
        return out

    def leave_out(self, closing: Closing, oris: Collection[str], now_ms: int) -> None:
        """Enter that we do not agree to these participants; the hub closes anew without them."""
        told = " ".join(sorted(oris))[:_LEFT_OUT_CHARS_MAX]
        self._store.audit(now_ms, Event.ROUND_LEFT_OUT, closing.asked.round_id.hex(), told)

    def finish_close(self, closing: Closing, half: bytes, now_ms: int) -> envelope_pb2.Envelope:
        """Store our half with its noise in, destroy the round's key, and give the half (rules 2 and 3)."""
        round_id = closing.asked.round_id
        with self._store.transaction():
            held = self._signed_round(round_id)
            if held.state is RoundState.COUNTERSIGNED:
                held = replace(held, state=RoundState.CLOSED, close=closing.close.payload, half=half)
                self._store.rounds.put(held)
                detail = f"{len(closing.participants)} participants"
                self._store.audit(now_ms, Event.ROUND_CLOSED, round_id.hex(), detail)
            elif not hmac.compare_digest(held.close, closing.close.payload):  # another call was faster
                raise Refused("closed-before", "the round was closed with other participants before")
        self._destroy(_key_name(round_id))
        return self._partial_sum(held, now_ms)

    def _partial_sum(self, held: HeldRound, now_ms: int) -> envelope_pb2.Envelope:
        header = new_header(sender=names.TRUSTEE, audience=names.HUB, now_ms=now_ms, lifetime_ms=limits.HOUR_MS)
        message = round_pb2.PartialSum(
            header=header_to_proto(header),
            round_id=held.round_id,
            close_digest=hashlib.sha256(held.close).digest(),
            half=held.half,
        )
        return sign(names.ROUND_PARTIAL_SUM, message.SerializeToString(), self._key)

    def cosign_result(
        self, envelope: envelope_pb2.Envelope, hub_half: bytes, declines: Iterable[envelope_pb2.Envelope], now_ms: int
    ) -> envelope_pb2.Envelope:
        """The result with our signature as well (rule 5)."""
        with audited(self._store, Event.ROUND_RESULT_REFUSED, envelope, now_ms), self._store.transaction():
            verify_signatures(envelope, (self._hub_key,), required=1, expected_type=names.ROUND_RESULT)
            held = self._signed_round(round_pb2.RoundResult.FromString(envelope.payload).round_id)
            if held.state is RoundState.RELEASED and hmac.compare_digest(held.result, envelope.payload):
                return with_ours(envelope, self._hub_key, self._key)
            if held.state is not RoundState.CLOSED:
                raise Refused("closed-before", "the round is not closed, or another result was signed")
            require_result(envelope.payload, hub_half, held, declines, self._roster())
            self._store.rounds.put(replace(held, state=RoundState.RELEASED, result=envelope.payload))
            self._store.audit(now_ms, Event.ROUND_RELEASED, held.round_id.hex(), f"{held.measure} {held.period}")
        return with_ours(envelope, self._hub_key, self._key)

    def tidy(self, now_ms: int) -> None:
        """Abandon what expired without closing, and forget what was only prepared."""
        for state in (RoundState.PREPARED, RoundState.COUNTERSIGNED):
            for held in self._store.rounds.in_state(state):
                if held.expires_at_ms <= now_ms:
                    self._abandon(held, "expired", now_ms)
        for name in self._keystore.names():
            if name.startswith(_KEY_PREFIX) and not self._needs_key(bytes.fromhex(name.removeprefix(_KEY_PREFIX))):
                self._destroy(name)  # we died between closing and destroying it

    def _destroy(self, name: str) -> None:
        try:
            self._keystore.remove(name)
        except KeystoreError as error:  # the passphrase was changed meanwhile; `tidy` tries again after a restart
            _log.warning("the key of a round is still there: %s", error)

    def _needs_key(self, round_id: bytes) -> bool:
        held = self._store.rounds.get(round_id)
        return held is not None and held.state in {RoundState.PREPARED, RoundState.COUNTERSIGNED}

    def _abandon(self, held: HeldRound, why: str, now_ms: int) -> None:
        with self._store.transaction():
            self._store.rounds.take_back(held.round_id)
            if held.state is RoundState.PREPARED:
                self._store.rounds.remove(held.round_id)
            else:
                self._store.rounds.put(replace(held, state=RoundState.ABANDONED))
                self._store.audit(now_ms, Event.ROUND_ABANDONED, held.round_id.hex(), why)
        self._destroy(_key_name(held.round_id))

    def _signed_round(self, round_id: bytes) -> HeldRound:
        held = self._store.rounds.get(round_id)
        if held is None or held.state is RoundState.PREPARED:
            raise Refused("unknown-round", "the trustee did not sign such a round")
        if held.state is RoundState.ABANDONED:
            raise Refused("abandoned", "the round was abandoned; ask it anew")
        return held

    def _sealing_key(self, round_id: bytes) -> SealingKey:
        try:
            return SealingKey.from_bytes(self._keystore.get(_key_name(round_id)))
        except KeystoreError:
            raise Refused("wrong-key", "the trustee holds no key of this round") from None

    def _roster_in_force(self, now_ms: int) -> Roster:
        roster = self._roster()
        if roster is None or roster.expired(now_ms):
            raise Refused("no-roster", "the trustee holds no valid roster", hint="the hub proposes one when it starts")
        return roster


def _prepared(round_id: bytes, expires_at_ms: int) -> HeldRound:
    empty = b""
    return HeldRound(
        *(round_id, RoundState.PREPARED, "", "", (), frozenset(), empty, empty, empty, empty, expires_at_ms)
    )


def _key_name(round_id: bytes) -> str:
    return f"{_KEY_PREFIX}{round_id.hex()}"


def _question(asked: Round) -> str:
    return " ".join((asked.measure.name, asked.period.text, *asked.states))
