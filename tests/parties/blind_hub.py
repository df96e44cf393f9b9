"""A hub and a trustee that are no more than their index keys: what a node's tokenizing speaks to, and what they saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from waypost.crypto.envelope import verify_signatures
from waypost.crypto.split_oprf import HalfKey, evaluate_half
from waypost.node.errors import LinkError
from waypost.protocol import names
from waypost.protocol.roster import Roster
from waypost.v1 import hub_service_pb2, index_pb2


@dataclass
class BlindHub:
    """Evaluates for real, takes registrations, and dies before or after the one that it is told to."""

    member_key: bytes
    hub: HalfKey = field(default_factory=HalfKey.generate)
    trustee: HalfKey = field(default_factory=HalfKey.generate)
    evaluated: list[int] = field(default_factory=list)
    """Elements of each request."""
    registered: list[index_pb2.Registration] = field(default_factory=list)
    tokens: set[bytes] = field(default_factory=set)
    dies_before: bool = False
    dies_after: bool = False
    lies: bool = False

    def roster(self, roster: Roster, epoch: int = 1) -> Roster:
        """That roster with this hub's and trustee's index keys."""
        return replace(roster, epoch=epoch, hub_index_key=self.hub.public, trustee_index_key=self.trustee.public)

    async def evaluate(self, request: hub_service_pb2.EvaluateRequest) -> hub_service_pb2.EvaluateResponse:
        payload = self._opened(request.request, names.EVALUATION_REQUEST)
        elements = index_pb2.EvaluationRequest.FromString(payload).blinded_elements
        self.evaluated.append(len(elements))
        first = evaluate_half(self.trustee, elements)
        second = evaluate_half(HalfKey.generate() if self.lies else self.hub, first.elements)
        return hub_service_pb2.EvaluateResponse(
            trustee=index_pb2.Evaluation(elements=first.elements, proof=first.proof),
            hub=index_pb2.Evaluation(elements=second.elements, proof=second.proof),
        )

    async def register(self, request: hub_service_pb2.RegisterRequest) -> None:
        if self.dies_before:
            raise LinkError("the hub is gone")
        message = index_pb2.Registration.FromString(self._opened(request.registration, names.REGISTRATION))
        self.registered.append(message)
        self.tokens = (self.tokens | set(message.add)) - set(message.withdraw)
        if self.dies_after:
            raise LinkError("the hub is gone")

    async def list_registered(self, epoch: int, buckets: Sequence[int]) -> list[bytes]:
        assert epoch == 1
        return sorted(token for token in self.tokens if token[0] in buckets)

    def _opened(self, envelope: object, kind: str) -> bytes:
        return verify_signatures(envelope, (self.member_key,), required=1, expected_type=kind).payload  # type: ignore[arg-type]
