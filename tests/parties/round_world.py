"""A trustee's desk, a hub's hand and 50 members' keys: rounds from end to end without a socket or a process."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import new_header
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.hub.round_closing import VectorSum, make_close, make_round, make_round_result
from waypost.hub.rounds import HeldRound, MemberPart, Part
from waypost.node import rounds as node_rounds
from waypost.node.due_process import Windows
from waypost.node.receiver import Receiver
from waypost.protocol import limits, names
from waypost.protocol.roster import Member, Roster
from waypost.protocol.rounds import Round, cohort, parse_round
from waypost.trustee.round_sums import SeedSum
from waypost.trustee.rounds import Closing, RoundDesk
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, roster_pb2, round_pb2

NOW_MS = 1_795_000_000_000  # 2026-11-18
HUB, TRUSTEE, ROGUE = SigningKey(b"h" * 32), SigningKey(b"t" * 32), SigningKey(b"r" * 32)
MEASURE = "officers-trained"
"""Two cells, clip 2."""
STATES = ("CA",) * 20 + ("NV",) * 15 + ("OR",) * 15


def ori(number: int, state: str) -> str:
    return f"{state}{9_900_000 + number}"


ORIS = tuple(ori(number, state) for number, state in enumerate(STATES))
KEYS = {each: SigningKey(each.encode().ljust(32, b".")) for each in ORIS}


def roster_of(oris: Iterable[str] = ORIS, *, version: int = 7, suspended: Iterable[str] = ()) -> Roster:
    out = set(suspended)
    members = {
        each: Member(
            ori=each,
            name=f"Agency {each}",
            state=each[:2],
            role=roster_pb2.ROLE_AGENCY,
            status=roster_pb2.MEMBER_STATUS_SUSPENDED if each in out else roster_pb2.MEMBER_STATUS_ACTIVE,
            signing_public_key=KEYS[each].public if each in KEYS else bytes(32),
            sealing_key_digest=bytes(32),
            key_since_version=1,
        )
        for each in sorted(oris)
    }
    header = new_header(sender=names.HUB, audience="*", now_ms=NOW_MS - 1000, lifetime_ms=limits.ROSTER_LIFETIME_MS)
    return Roster(
        *(header, version, MappingProxyType(members), HUB.public, TRUSTEE.public, 1, bytes(32), bytes(32)),
        *("", bytes(32), bytes(32)),
    )


@dataclass
class RoundWorld:
    """`desk` is the trustee's; the rest of the methods are what an honest hub and honest members do."""

    folder: Path
    roster: Roster = field(default_factory=roster_of)
    hub_keys: dict[bytes, SealingKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keystore = Keystore.create(self.folder / "keys", "a passphrase", {"signing": TRUSTEE.seed})
        self.store = Store(self.folder / "trustee.db", create=True)
        self.reopen()

    def reopen(self) -> None:
        """A new desk on the same files, as after a crash."""
        self.desk = RoundDesk(self.keystore, self.store, HUB.public, TRUSTEE, lambda: self.roster)

    def proposed(self, *states: str, measure: str = MEASURE, period: str = "2026Q3", **changes: Any) -> HeldRound:
        """A round that the trustee has prepared and the hub signed; `changes` are made before signing."""
        held = HeldRound(
            round_id=os.urandom(16),
            measure=measure,
            period=period,
            states=tuple(sorted(states)),
            rho_millionths=changes.pop("rho_millionths", limits.ROUND_RHO_MILLIONTHS_DEFAULT),
            open_ms=limits.DAY_MS,
            asked_at_ms=NOW_MS,
            changed_at_ms=NOW_MS,
        )
        own = self.hub_keys.setdefault(held.round_id, SealingKey.generate())
        trustee_key = self.desk.prepare(held.round_id, NOW_MS)
        envelope = make_round(held, self.roster, (own.public, trustee_key), HUB, NOW_MS)
        if changes:
            message = round_pb2.Round.FromString(envelope.payload)
            for name, value in changes.items():
                setattr(message, name, value)
            envelope = sign(names.ROUND, message.SerializeToString(), HUB)
        return replace(held, envelope=envelope.SerializeToString())

    def opened(self, *states: str, **changes: Any) -> HeldRound:
        """A round that bears both signatures."""
        held = self.proposed(*states, **changes)
        signed = self.desk.countersign(held.message, NOW_MS)
        return replace(held, envelope=signed.SerializeToString())

    def cohort(self, held: HeldRound) -> list[str]:
        return sorted(cohort(self.roster, held.states))

    def answers(self, asked: Round, counts: Mapping[str, Sequence[int]]) -> dict[str, envelope_pb2.Envelope]:
        """Each member's signed answer, made by the node's own code."""
        return {
            each: node_rounds.answer(asked, tuple(vector), receiver(each, self.roster))
            for each, vector in counts.items()
        }

    def hub_half(self, asked: Round, answers: Iterable[envelope_pb2.Envelope]) -> bytes:
        total = VectorSum(asked, self.hub_keys[asked.round_id])
        total.take(answers)
        assert not total.unusable
        return total.noisy_half()

    def begin(self, close: envelope_pb2.Envelope) -> Closing:
        closing = self.desk.begin_close(close, NOW_MS)
        assert isinstance(closing, Closing)
        return closing

    def trustee_half(
        self, close: envelope_pb2.Envelope, answers: Iterable[envelope_pb2.Envelope]
    ) -> envelope_pb2.Envelope | frozenset[str]:
        """What CloseRound does: the signed half, or who is refused."""
        closing = self.desk.begin_close(close, NOW_MS)
        if isinstance(closing, envelope_pb2.Envelope):
            return closing
        strangers = self.desk.strangers(closing, NOW_MS)
        if strangers:
            return strangers
        seeds = SeedSum(closing)
        seeds.take([round_pb2.RoundAnswer.FromString(answer.payload).seed_share for answer in answers])
        if seeds.outstanding:
            self.desk.leave_out(closing, seeds.outstanding, NOW_MS)
            return frozenset(seeds.outstanding)
        return self.desk.finish_close(closing, seeds.noisy_half(), NOW_MS)

    def close(self, held: HeldRound, *, without: Collection[str] = ()) -> frozenset[str]:
        """Close a round without these: whom the trustee wants left out as well. Its refusal is raised."""
        asked = held.asked
        own = [each for each in self.cohort(held) if each not in without]
        answers = self.answers(asked, dict.fromkeys(own, (1,) * asked.cells))
        message = make_close(asked, own, self.hub_half(asked, answers.values()), HUB, NOW_MS)
        given = self.trustee_half(message, answers.values())
        return frozenset() if isinstance(given, envelope_pb2.Envelope) else given

    def closed(self, held: HeldRound, counts: Mapping[str, Sequence[int]]) -> HeldRound:
        """A round with both halves."""
        answers = self.answers(held.asked, counts)
        half = self.hub_half(held.asked, answers.values())
        close = make_close(held.asked, sorted(counts), half, HUB, NOW_MS)
        given = self.trustee_half(close, answers.values())
        assert isinstance(given, envelope_pb2.Envelope), given
        other = round_pb2.PartialSum.FromString(given.payload).half
        return replace(held, close=close.SerializeToString(), hub_half=half, trustee_half=other)

    def result(
        self, held: HeldRound, counts: Mapping[str, Sequence[int]], declined: Mapping[str, str] = MappingProxyType({})
    ) -> envelope_pb2.Envelope:
        """The hub's result of a closed round."""
        parts = [
            MemberPart(
                each, Part.ANSWERED if each in counts else Part.DECLINED if each in declined else Part.ASKED, "?"
            )
            for each in self.cohort(held)
        ]
        return make_round_result(held, parts, declined, HUB, NOW_MS)

    def cosigned(
        self,
        result: envelope_pb2.Envelope,
        hub_half: bytes | None,
        *declines: envelope_pb2.Envelope,
        now_ms: int = NOW_MS,
    ) -> envelope_pb2.Envelope:
        """The result with the trustee's signature; `Refused` is raised."""
        return self.desk.cosign_result(result, hub_half or b"", declines, now_ms)

    def decline(self, asked: Round, each: str, reason: str) -> envelope_pb2.Envelope:
        """What the node of a member posts when its policy forbids counting."""
        return node_rounds.answer(asked, (), receiver(each, self.roster), declined=reason)

    def counts(self, held: HeldRound) -> dict[str, tuple[int, int]]:
        """Every member of the cohort counts alike."""
        return dict.fromkeys(self.cohort(held), (100, 1000))

    def events(self) -> list[tuple[str, str]]:
        return [(entry.event, entry.detail) for entry in self.store.entries(1000)]


def receiver(each: str, roster: Roster) -> Receiver:
    return Receiver(
        ori=each,
        hub_key=HUB.public,
        key=KEYS[each],
        sealing_key=SealingKey.generate(),
        roster=roster,
        policies=None,
        windows=Windows(),
        now_ms=NOW_MS,
    )


def rounds_message(held: HeldRound) -> round_pb2.Round:
    return round_pb2.Round.FromString(held.message.payload)


__all__ = ["HUB", "ORIS", "ROGUE", "TRUSTEE", "RoundWorld", "parse_round", "receiver", "roster_of", "rounds_message"]
