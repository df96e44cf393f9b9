"""The hub's task that brings rounds forward: for each, the one step that its state asks for (rounds.py).

Every step reads a row, does what the state says, and changes the row in one transaction; whatever happens in between,
the next turn begins where the row stands. The trustee's absence delays a round; its refusal, or too few participants,
end it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, NoReturn, TypeVar

from sqlalchemy import Connection

from waypost.crypto.envelope import parse_envelope
from waypost.crypto.errors import KeystoreError
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.hub import round_asking, round_closing, rounds
from waypost.hub.errors import Refused, TrusteeUnavailable
from waypost.hub.limits import ROUND_ANSWERS_PER_STEP, ROUND_POLL_S, ROUND_RETRY_S
from waypost.hub.round_link import RoundLink
from waypost.hub.rounds import HeldRound, Part, RoundState
from waypost.hub.service import Hub
from waypost.protocol import limits
from waypost.protocol.errors import ProtocolError
from waypost.protocol.round_results import open_result
from waypost.protocol.rounds import Round, cohort, open_round, states_of
from waypost.v1 import envelope_pb2, round_pb2

_log = logging.getLogger("waypost.hub")
_KEY_PREFIX: Final = "round-"
_Result = TypeVar("_Result")
_Step = Callable[["RoundKeeper", HeldRound], Awaitable[None]]


class RoundKeeper:
    """Brings all rounds of a hub forward."""

    def __init__(self, hub: Hub, keystore: Keystore) -> None:
        self._hub = hub
        self._keystore = keystore
        self._trustee = RoundLink(hub.trustee)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.turn()
                await asyncio.sleep(ROUND_POLL_S)
            except (TrusteeUnavailable, KeystoreError) as error:
                _log.warning("rounds wait: %s (%s)", error, error.hint)
                await asyncio.sleep(ROUND_RETRY_S)
            except Exception:  # noqa: BLE001 - one round's trouble must not end the others
                _log.exception("rounds wait")
                await asyncio.sleep(ROUND_RETRY_S)

    async def turn(self) -> None:
        """Ask what is due, then one step of each unfinished round."""
        roster = self._hub.registrar.roster
        if roster is None:
            return
        await self._store(lambda c: round_asking.ask_due(c, roster, _now_ms()))
        held = await self._store(rounds.unfinished)
        for each in held:
            try:
                await _STEPS[each.state](self, each)
            except (Refused, ProtocolError) as refusal:
                reason = refusal.reason
                _log.warning("round %s: %s", each.round_id.hex(), refusal)
                await self._store(lambda c, h=each, r=reason: rounds.fail(c, h, r, _now_ms()))  # type: ignore[misc]
        await self._destroy_keys({each.round_id for each in held})

    async def _store(self, work: Callable[[Connection], _Result]) -> _Result:
        return await self._hub.database.run(work)

    # The steps

    async def propose(self, held: HeldRound) -> None:
        """asked: both sealing keys, the signed round, its cohort and losses."""
        registrar, now_ms = self._hub.registrar, _now_ms()
        roster = registrar.roster
        if roster is None:
            return
        trustee_key = await self._trustee.prepare(held.round_id)
        keys = (self._sealing_key(held.round_id).public, trustee_key)
        envelope = round_closing.make_round(held, roster, keys, self._hub.key, now_ms)
        members = cohort(roster, held.states)
        if len(members) < limits.MINIMUM_COHORT:
            raise Refused("too-small-cohort", f"the cohort has {len(members)} members, below the minimum")
        states, year = states_of(roster, members), round_asking.year_of(now_ms)
        await self._store(lambda c: rounds.propose(c, held, envelope, members, states, year=year, now_ms=now_ms))

    async def open(self, held: HeldRound) -> None:
        """proposed: the trustee's signature, then mail for everybody asked."""
        roots = self._roots()
        try:
            signed = await self._trustee.countersign(held.message)
        except Refused as refusal:
            if refusal.reason not in {"wrong-version", "expired"}:
                raise
            _log.info("round %s is made anew: %s", held.round_id.hex(), refusal)  # the roster has changed meanwhile
            await self._store(lambda c: rounds.move(c, held, RoundState.ASKED, _now_ms(), envelope=None))
            return
        if signed.payload != held.message.payload:
            raise Refused("altered", "the trustee signed another round than the one proposed")
        now_ms = _now_ms()
        open_round(signed, hub_key=roots[0], trustee_key=roots[1], now_ms=now_ms)
        have_mail = await self._store(lambda c: rounds.open_round(c, held, signed, now_ms))
        self._hub.links.wake(have_mail)

    async def close(self, held: HeldRound) -> None:
        """open: when the time is over or nobody is left, the hub's half and the signed close."""
        parts = await self._store(lambda c: rounds.progress(c, held.round_id))
        closes_at_ms = held.closes_at_ms or 0
        if parts[Part.ASKED] and _now_ms() < closes_at_ms:
            return
        asked = held.asked
        answered = [m.ori for m in await self._store(lambda c: rounds.members(c, held.round_id, Part.ANSWERED))]
        if len(answered) < asked.minimum_cohort:
            await self._give_up(asked, answered)
        total = round_closing.VectorSum(asked, self._sealing_key(held.round_id))
        async for answers in self._answers(held.round_id, answered):
            await self._compute(lambda a=answers: total.take(a))  # type: ignore[misc]
        if total.unusable:
            await self._store(lambda c: rounds.leave_out(c, held, total.unusable, _now_ms()))
            return
        half = await self._compute(total.noisy_half)
        close = round_closing.make_close(asked, answered, half, self._hub.key, _now_ms())
        changes = {"close": close.SerializeToString(), "hub_half": half}
        await self._store(lambda c: rounds.move(c, held, RoundState.CLOSING, _now_ms(), **changes))

    async def _give_up(self, asked: Round, answered: list[str]) -> NoReturn:
        """Let the trustee know, which then takes the losses back and lets the question be asked anew."""
        close = round_closing.make_close(asked, answered, b"", self._hub.key, _now_ms())
        with contextlib.suppress(Refused):
            await self._trustee.close(close, self._seed_shares(asked.round_id, []))
        raise Refused("too-few-answers", f"{len(answered)} members answered, below the minimum")

    async def agree(self, held: HeldRound) -> None:
        """closing: the trustee's half, or a smaller set of participants."""
        close = parse_envelope(held.close or b"")
        participants = list(round_pb2.RoundClose.FromString(close.payload).participants)
        given = await self._trustee.close(close, self._seed_shares(held.round_id, participants))
        if isinstance(given, frozenset):
            if not given <= set(participants):
                raise Refused("wrong-participants", "the trustee refuses members that do not take part")
            await self._store(lambda c: rounds.leave_out(c, held, given, _now_ms()))
            return
        half = round_closing.read_partial_sum(given, close, held.asked, self._roots()[1])
        await self._store(lambda c: rounds.move(c, held, RoundState.CLOSED, _now_ms(), trustee_half=half))

    async def sign(self, held: HeldRound) -> None:
        """closed: the result, signed by the hub."""
        members = await self._store(lambda c: rounds.members(c, held.round_id))
        declines = {ori: reason for ori, reason, _ in await self._declines(held)}
        result = round_closing.make_round_result(held, members, declines, self._hub.key, _now_ms())
        content = result.SerializeToString()
        await self._store(lambda c: rounds.move(c, held, RoundState.SIGNING, _now_ms(), result=content))

    async def finish(self, held: HeldRound) -> None:
        """signing: the trustee's signature, and the end of the shares."""
        own, roots = parse_envelope(held.result or b""), self._roots()
        declines = [message for _, _, message in await self._declines(held)]
        signed = await self._trustee.cosign_result(own, held.hub_half or b"", declines)
        if signed.payload != own.payload:
            raise Refused("altered", "the trustee signed another result than the one made")
        open_result(signed, hub_key=roots[0], trustee_key=roots[1])
        await self._store(lambda c: rounds.finish(c, held, signed, _now_ms()))
        self._keystore.remove(_key_name(held.round_id))

    # What the steps use

    def _roots(self) -> tuple[bytes, bytes]:
        roster = self._hub.registrar.roster
        if roster is None:
            raise TrusteeUnavailable("the hub has no roster yet")
        return roster.hub_signing_key, roster.trustee_signing_key

    async def _answers(self, round_id: bytes, oris: list[str]) -> AsyncIterator[list[envelope_pb2.Envelope]]:
        for start in range(0, len(oris), ROUND_ANSWERS_PER_STEP):
            part = oris[start : start + ROUND_ANSWERS_PER_STEP]
            yield await self._store(lambda c, p=part: rounds.answers(c, round_id, p))  # type: ignore[misc]

    async def _seed_shares(self, round_id: bytes, oris: list[str]) -> AsyncIterator[list[envelope_pb2.Envelope]]:
        async for answers in self._answers(round_id, oris):
            yield [round_pb2.RoundAnswer.FromString(answer.payload).seed_share for answer in answers]

    async def _declines(self, held: HeldRound) -> list[tuple[str, str, envelope_pb2.Envelope]]:
        """Those who declined: member, reason and signed message."""
        roster = self._hub.registrar.roster
        if roster is None:
            raise TrusteeUnavailable("the hub has no roster yet")
        declined = [m.ori for m in await self._store(lambda c: rounds.members(c, held.round_id, Part.DECLINED))]
        messages = [each async for part in self._answers(held.round_id, declined) for each in part]
        return await self._compute(lambda: list(round_closing.read_declines(messages, held.asked, roster)))

    async def _compute(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._hub.callers, work)

    def _sealing_key(self, round_id: bytes) -> SealingKey:
        """The round's own key, made on first demand."""
        name = _key_name(round_id)
        try:
            return SealingKey.from_bytes(self._keystore.get(name))
        except KeystoreError:
            key = SealingKey.generate()
            self._keystore.put(name, key.to_bytes())
            return key

    async def _destroy_keys(self, needed: set[bytes]) -> None:
        """Destroy the keys of rounds that are over, also of those whose end a crash has interrupted."""
        kept = {_key_name(round_id) for round_id in needed}
        for name in self._keystore.names():
            if name.startswith(_KEY_PREFIX) and name not in kept:
                self._keystore.remove(name)


_STEPS: Final[Mapping[RoundState, _Step]] = MappingProxyType(
    {
        RoundState.ASKED: RoundKeeper.propose,
        RoundState.PROPOSED: RoundKeeper.open,
        RoundState.OPEN: RoundKeeper.close,
        RoundState.CLOSING: RoundKeeper.agree,
        RoundState.CLOSED: RoundKeeper.sign,
        RoundState.SIGNING: RoundKeeper.finish,
    }
)


def _key_name(round_id: bytes) -> str:
    return f"{_KEY_PREFIX}{round_id.hex()}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
