"""Members that answer rounds: the node's own code on a store of its own, over a real socket, without a process each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tests.parties.federation import Federation
from tests.parties.member import Attached, Member
from tests.parties.messages import now_ms

from waypost.crypto.envelope import parse_envelope
from waypost.node import messages
from waypost.node.due_process import Windows
from waypost.node.errors import Refused
from waypost.node.policy import PolicyEngine
from waypost.node.receiver import Receiver
from waypost.node.store import ProgrammeFact, Store
from waypost.v1 import envelope_pb2, link_pb2

CRISIS, DE_ESCALATION = "trained_crisis_intervention", "trained_de_escalation"


@dataclass
class CountingMember:
    """A member with its store; `trained` is what its custodian states for both trainings."""

    member: Member
    store: Store
    trained: tuple[int, int]
    policies: list[tuple[str, str]] = field(default_factory=list)
    taken: list[envelope_pb2.Envelope] = field(default_factory=list)
    """Every message that came in its mail."""

    def __post_init__(self) -> None:
        for name, number in zip((CRISIS, DE_ESCALATION), self.trained, strict=True):
            self.store.programmes.add(ProgrammeFact(name, str(number), date(2020, 1, 1), "A. Custodian", 1))

    @property
    def ori(self) -> str:
        return self.member.ori

    def receiver(self) -> Receiver:
        roster = self.member.roster
        assert roster is not None
        return Receiver(
            ori=self.ori,
            hub_key=roster.hub_signing_key,
            key=self.member.signing,
            sealing_key=self.member.sealing,
            roster=roster,
            policies=PolicyEngine(roster.policy_floor, self.policies),
            windows=Windows(),
            now_ms=now_ms(),
        )

    def answer_mail(self, link: Attached, count: int = 1) -> link_pb2.PostResult | None:
        """Take so many mails as the daemon does, and post what they put in the outbox; what became of the last."""
        for mail in [link.mail() for _ in range(count)]:
            self.taken.append(mail.message)
            refused = ""
            try:
                messages.take(self.store, mail.message, self.receiver())
            except Refused as error:
                refused = error.reason
            link.take(mail, refused)
        result = None
        for waiting in self.store.outbox.waiting(count + 10):
            result = link.post(parse_envelope(waiting.envelope), waiting.id)
            self.store.outbox.remove(waiting.id)
        return result

    def answer(self, count: int = 1) -> link_pb2.PostResult | None:
        """Attach, and answer so many mails that wait."""
        with self.member.attached() as link:
            return self.answer_mail(link, count)


def counting_member(federation: Federation, ori: str, trained: tuple[int, int]) -> CountingMember:
    """A member that has joined."""
    member = federation.member(ori)
    return CountingMember(member, open_store(federation.folder, ori), trained)


def open_store(folder: Path, ori: str) -> Store:
    return Store.open(folder / f"{ori}.db", ori.encode().ljust(32, b"."))


@contextmanager
def closing(members: list[CountingMember]) -> Iterator[list[CountingMember]]:
    """Close everything that the members hold open."""
    try:
        yield members
    finally:
        for each in members:
            each.store.close()
            each.member.channel.close()
