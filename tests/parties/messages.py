"""What a member says: signed messages from its keys, without any socket."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, SealingKey, open_sealed, seal
from waypost.protocol import limits, names
from waypost.protocol.commitments import commit
from waypost.protocol.joincode import JoinCode
from waypost.protocol.roster import Roster, accept_roster
from waypost.v1 import check_pb2, envelope_pb2, hub_service_pb2, index_pb2, roster_pb2


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Messages:
    """An agency's keys, and what it got when it joined."""

    ori: str
    signing: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    answering: SealingKey = field(default_factory=SealingKey.generate)
    tls_key: bytes = field(default_factory=pki.new_key_pem)
    certificate: bytes = b""
    authority: bytes = b""
    roster: Roster | None = None

    def take_roster(self, envelope: envelope_pb2.Envelope) -> None:
        stated = roster_pb2.Roster.FromString(envelope.payload)
        self.roster = accept_roster(
            envelope,
            held=self.roster,
            hub_key=stated.hub_signing_key,
            trustee_key=stated.trustee_signing_key,
            now_ms=now_ms(),
        )

    def header(self, audience: str, lifetime_ms: int, message_id: bytes | None = None) -> envelope_pb2.Header:
        header = new_header(
            sender=self.ori, audience=audience, now_ms=now_ms(), lifetime_ms=lifetime_ms, message_id=message_id
        )
        return header_to_proto(header)

    def application(self, code: JoinCode, *more_keys: SigningKey, **changes: Any) -> envelope_pb2.Envelope:
        content: dict[str, Any] = {
            "header": self.header(names.HUB, limits.JOIN_LIFETIME_MS),
            "ori": self.ori,
            "invitation_digest": hashlib.sha256(code.secret).digest() if code.secret else b"",
            "signing_public_key": self.signing.public,
            "sealing_public_key": self.sealing.public,
            "csr_pem": pki.make_csr(self.tls_key, self.ori),
            "name": code.name,
            "state": code.state,
            "role": code.role,
        }
        payload = roster_pb2.JoinApplication(**{**content, **changes}).SerializeToString()
        return sign(names.JOIN_APPLICATION, payload, self.signing, *more_keys)

    def evaluation(self, elements: Sequence[bytes], purpose: Any = None, epoch: int = 1) -> envelope_pb2.Envelope:
        request = index_pb2.EvaluationRequest(
            header=self.header(names.TRUSTEE, limits.EVALUATION_LIFETIME_MS),
            epoch=epoch,
            purpose=purpose or index_pb2.EVALUATION_PURPOSE_REGISTRATION,
            blinded_elements=elements,
        )
        return sign(names.EVALUATION_REQUEST, request.SerializeToString(), self.signing)

    def registration(
        self, add: Sequence[bytes] = (), withdraw: Sequence[bytes] = (), epoch: int = 1
    ) -> hub_service_pb2.RegisterRequest:
        content = index_pb2.Registration(
            header=self.header(names.HUB, limits.REGISTRATION_LIFETIME_MS), epoch=epoch, add=add, withdraw=withdraw
        )
        return hub_service_pb2.RegisterRequest(
            registration=sign(names.REGISTRATION, content.SerializeToString(), self.signing)
        )

    def check(self, tokens: Sequence[bytes], **changes: Any) -> hub_service_pb2.SubmitCheckRequest:
        openings = commit(list(tokens))
        content: dict[str, Any] = {
            "header": self.header(names.HUB, limits.DAY_MS),
            "epoch": 1,
            "purpose": check_pb2.PURPOSE_HIRING,
            "authorization_digest": hashlib.sha256(b"signed by the applicant").digest(),
            "authorization_reference": "FILE-7",
            "staff_reference": "INV-3",
            "answer_public_key": self.answering.public,
            "commitments": [opening.commitment for opening in openings],
        }
        payload = check_pb2.CheckRequest(**{**content, **changes}).SerializeToString()
        return hub_service_pb2.SubmitCheckRequest(
            request=sign(names.CHECK_REQUEST, payload, self.signing),
            openings=[check_pb2.TokenOpening(slot=o.slot, salt=o.salt, token=o.token) for o in openings],
        )

    def answer(self, query: check_pb2.RoutedQuery, text: bytes, **changes: Any) -> envelope_pb2.Envelope:
        request = check_pb2.CheckRequest.FromString(query.request.payload)
        asker, check_id = request.header.sender, request.header.message_id
        body = seal(
            text,
            request.answer_public_key,
            SealingContext(names.SEAL_ANSWER, self.ori, asker, check_id),
            minimum_bytes=limits.ANSWER_BYTES_MIN,
        )
        content: dict[str, Any] = {
            "header": self.header(asker, limits.ANSWER_LIFETIME_MS),
            "check_id": check_id,
            "request_digest": hashlib.sha256(query.request.payload).digest(),
            "sealed_body": body,
        }
        payload = check_pb2.Answer(**{**content, **changes}).SerializeToString()
        return sign(names.ANSWER, payload, self.signing)

    def open_answer(self, envelope: envelope_pb2.Envelope) -> bytes:
        content = check_pb2.Answer.FromString(envelope.payload)
        context = SealingContext(names.SEAL_ANSWER, content.header.sender, self.ori, content.check_id)
        return open_sealed(content.sealed_body, self.answering, context)
