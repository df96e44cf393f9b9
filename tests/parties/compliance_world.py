"""A hub's database with members, rosters signed by both roots, and a clock that the test sets. Synthetic throughout."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from google.protobuf.message import Message
from sqlalchemy import Engine

from waypost.crypto.envelope import SigningKey, countersign, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import PUBLIC_KEY_BYTES
from waypost.hub import facts, members, past_rosters, posts, reconciliations
from waypost.hub.compliance import Compliance, assess
from waypost.hub.database import open_engine
from waypost.hub.evidence import Broken, Rosters, read_evidence
from waypost.hub.grants import Decision, decide
from waypost.hub.members import MemberRow, RosterRoots
from waypost.hub.posted import Posted
from waypost.protocol import limits, names
from waypost.protocol.facts import Fact, fact_digest
from waypost.protocol.roster import Roster, open_roster
from waypost.v1 import envelope_pb2, roster_pb2


def noon(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp() * 1000)


@dataclass
class World:
    """A hub without its process: the engine, both roots, and every member's key."""

    engine: Engine
    hub: SigningKey = field(default_factory=SigningKey.generate)
    trustee: SigningKey = field(default_factory=SigningKey.generate)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    held: Roster | None = None

    @classmethod
    def at(cls, folder: Path) -> World:
        return cls(open_engine(f"sqlite:///{folder / 'hub.db'}", create=True))

    def join(self, ori: str, role: int = roster_pb2.ROLE_AGENCY, name: str = "") -> None:
        self.keys[ori] = SigningKey.generate()
        row = MemberRow(
            *(ori, name or f"Synthetic agency {ori}", ori[:2], role, roster_pb2.MEMBER_STATUS_ACTIVE),
            self.keys[ori].public,
            bytes(PUBLIC_KEY_BYTES),
        )
        with self.engine.begin() as connection:
            members.put_member(connection, row, b"", 0)

    def publish(self, day: str) -> Roster:
        """The next roster of all members, signed by both."""
        roots = RosterRoots(self.hub.public, self.trustee.public, 1, bytes(32), bytes(32))
        with self.engine.begin() as connection:
            rows = members.all_members(connection)
            envelope = countersign(members.make_roster(rows, roots, self.held, self.hub, noon(day)), self.trustee)
            self.held = open_roster(envelope, hub_key=self.hub.public, trustee_key=self.trustee.public)
            past_rosters.put(connection, self.held.version, envelope)
        return self.held

    @property
    def roster(self) -> Roster:
        assert self.held is not None
        return self.held

    def signed(self, ori: str, kind: str, content: Message, day: str) -> envelope_pb2.Envelope:
        header = new_header(
            sender=ori, audience=names.ALL_MEMBERS, now_ms=noon(day), lifetime_ms=limits.FACT_LIFETIME_MS
        )
        content.header.CopyFrom(header_to_proto(header))  # type: ignore[attr-defined]
        return sign(kind, content.SerializeToString(), self.keys[ori])

    def post(self, ori: str, envelope: envelope_pb2.Envelope, day: str) -> tuple[str, ...]:
        """What the hub does when it comes up the member's link on that day: who has mail."""
        posted = Posted(ori, self.roster, self.hub, noon(day))
        with self.engine.begin() as connection:
            return tuple(posts.accept(connection, envelope, posted))

    def says(self, ori: str, kind: str, content: Message, day: str) -> bytes:
        """A member's fact, taken on the day it was signed: its digest."""
        envelope = self.signed(ori, kind, content, day)
        self.post(ori, envelope, day)
        return fact_digest(envelope.payload)

    def hub_says(self, kind: str, content: Message, day: str) -> Fact:
        with self.engine.begin() as connection:
            return facts.state_fact(connection, kind, content, self.hub, noon(day))

    def compared(self, ori: str, day: str, *, agreed: bool = True) -> None:
        with self.engine.begin() as connection:
            reconciliations.note(connection, ori, agreed=agreed, now_ms=noon(day))

    def sign_days(self, day: str) -> None:
        with self.engine.begin() as connection:
            reconciliations.sign_days(connection, self.hub, noon(day))

    def assess(self, day: str) -> tuple[dict[str, Compliance], list[Broken]]:
        as_of = date.fromisoformat(day)
        with self.engine.begin() as connection:
            evidence, broken = read_evidence(Rosters(connection, self.hub.public, self.trustee.public), as_of)
        return {each.agency.ori: each for each in assess(evidence, as_of)}, broken

    def decide(self, day: str) -> dict[str, Decision]:
        return {ori: decide(standing) for ori, standing in self.assess(day)[0].items()}
