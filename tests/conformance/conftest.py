"""One federation for all attacks: real processes, real sockets, and a hub and a trustee that a test can make rogues."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.parties.federation import Federation, Node, running
from tests.parties.member import Member
from tests.parties.people import HELD, HELD_RECORD, OTHERS, applicant

from waypost.crypto.envelope import countersign
from waypost.node.keys import match_inputs
from waypost.node.persons import Person
from waypost.node.results import Result
from waypost.v1 import check_pb2, envelope_pb2

PERSON = applicant(HELD)
_mail_ids = itertools.count(1 << 50)


@dataclass
class World:
    """`asker` asks about PERSON, whom `holder` alone holds; `member` is keys and a socket."""

    federation: Federation
    asker: Node
    holder: Node
    bystander: Node
    member: Member
    tokens: list[bytes] = field(default_factory=list)
    """The tokens of PERSON that the holder registered."""

    def query(self, request: envelope_pb2.Envelope | None = None) -> check_pb2.RoutedQuery:
        """A check of the member's about PERSON, countersigned and routed as the hub would."""
        submitted = self.member.check(self.tokens)
        openings = [opening for opening in submitted.openings if opening.token in self.tokens]
        signed = request or countersign(submitted.request, self.federation.hub_key)
        return check_pb2.RoutedQuery(request=signed, openings=openings)

    def deliver(self, node: Node, **content: Any) -> str:
        """Put mail on a node's link; the reason why the node refused it, or ''."""
        mail_id = next(_mail_ids)
        self.federation.relay.inject(node.ori, mail={"mail_id": mail_id, **content})
        taken = self.federation.relay.wait_frame(
            node.ori, lambda frame: frame.HasField("mail_taken") and frame.mail_taken.mail_id == mail_id
        )
        return str(taken.mail_taken.refused_reason)

    def unharmed(self, person: Person = PERSON) -> Result:
        """Somebody else's check goes all the way, whatever was tried before."""
        result = self.asker.check(person)
        assert [(found.ori, found.candidate.officer_key) for found in result.candidates] == [
            (self.holder.ori, HELD["officer_key"])
        ]
        assert [entry.record_key for entry in result.candidates[0].candidate.conduct] == [HELD_RECORD["record_key"]]
        assert not result.pending
        assert not result.refused
        return result


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("conformance")) as federation:
        asker, holder = federation.node("CA9900100"), federation.node("NV9900200")
        bystander = federation.node("OR9900400")
        member = federation.member("AZ9900300")
        holder.load([HELD], [HELD_RECORD])
        bystander.load(OTHERS)
        holder.wait_indexed()
        bystander.wait_indexed()
        federation.wait_roster()
        world = World(federation, asker, holder, bystander, member)
        tokens = member.tokens([entry.value for entry in match_inputs(PERSON, side="applicant")])
        world.tokens = [hit.token for hit in holder.store.tokens.lookup(tokens, 1)]
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The shared federation; whatever rules a test gave its relays are gone afterwards."""
    yield shared_world
    shared_world.federation.relay.behave()
    shared_world.federation.trustee_relay.behave()
    for node in shared_world.federation.nodes.values():
        assert node.running, node.log.read_text()[-2000:]
