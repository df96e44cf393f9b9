"""A member that is no more than its keys and a socket: it can do whatever a dishonest one would."""

from __future__ import annotations

import contextlib
import os
import queue
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
from tests.parties.messages import Messages

from waypost.crypto import pki
from waypost.crypto.serving import channel_options
from waypost.crypto.split_oprf import Evaluation, blind_batch, finish_batch
from waypost.protocol import limits, names
from waypost.protocol.joincode import JoinCode
from waypost.v1 import (
    check_pb2,
    enrolment_service_pb2,
    envelope_pb2,
    hub_service_pb2,
    link_pb2,
)
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

CALL_S = 20.0
SERVICE = "/waypost.v1.HubService/"


def refusal(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """Code and reason of a call that was refused."""
    told: Any = error
    return told.code(), (told.details() or "").partition(":")[0]


@dataclass
class Member(Messages):
    """Keys, and the hub's address."""

    address: str = field(kw_only=True)
    _channel: grpc.Channel | None = None

    def join(self, code: JoinCode, application: envelope_pb2.Envelope | None = None) -> None:
        request = enrolment_service_pb2.JoinRequest(
            invitation_secret=code.secret, application=application or self.application(code)
        )
        response = enrol(code, request)
        self.certificate, self.authority = response.certificate_pem, response.authority_pem
        self.take_roster(response.roster)

    @property
    def channel(self) -> grpc.Channel:
        if self._channel is None:
            credentials = pki.channel_credentials(
                root_pem=self.authority, key_pem=self.tls_key, certificate_pem=self.certificate
            )
            options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=2 * limits.GRPC_MESSAGE_BYTES_MAX)
            options += [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
            self._channel = grpc.secure_channel(self.address, credentials, options=options)
        return self._channel

    @property
    def hub(self) -> Any:
        """The hub's calls."""
        return HubServiceStub(self.channel)

    def raw(self, method: str, data: bytes) -> bytes:
        """Call a method of the hub with any bytes."""
        call: Any = self.channel.unary_unary(SERVICE + method, None, None)
        answered: bytes = call(data, timeout=CALL_S)
        return answered

    def tokens(self, inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        """Tokens of these inputs under both parties' keys, both proofs verified."""
        assert self.roster is not None
        batch = blind_batch(inputs)
        request = hub_service_pb2.EvaluateRequest(request=self.evaluation(batch.elements, epoch=self.roster.epoch))
        response = self.hub.Evaluate(request, timeout=CALL_S)
        trustee, own = (Evaluation(tuple(half.elements), half.proof) for half in (response.trustee, response.hub))
        return finish_batch(
            batch, trustee, own, trustee_public=self.roster.trustee_index_key, hub_public=self.roster.hub_index_key
        )

    def hold(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Register these inputs in a full batch; the batch, own tokens first."""
        tokens = list(self.tokens(inputs))
        batch = tokens + [os.urandom(limits.TOKEN_BYTES) for _ in range(limits.REGISTRATION_BATCH_TOKENS - len(tokens))]
        self.hub.Register(self.registration(add=batch), timeout=CALL_S)
        return batch

    def submit(self, request: hub_service_pb2.SubmitCheckRequest) -> check_pb2.Receipt:
        receipt = self.hub.SubmitCheck(request, timeout=CALL_S).receipt
        return check_pb2.Receipt.FromString(receipt.payload)

    @contextlib.contextmanager
    def attached(self) -> Iterator[Attached]:
        link = Attached(self)
        try:
            version = self.roster.version if self.roster else 0
            link.send(hello=link_pb2.Hello(protocol=1, roster_version=version, software="test"))
            link.next("welcome")
            yield link
        finally:
            link.close()


class Attached:
    """A member's stream."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._in: queue.SimpleQueue[link_pb2.HubFrame | grpc.RpcError | None] = queue.SimpleQueue()
        call: Any = member.channel.stream_stream(SERVICE + "Attach", None, hub_service_pb2.AttachResponse.FromString)
        self._call: Any = call(iter(self._out.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for response in self._call:
                self._in.put(response.frame)
            self._in.put(None)
        except grpc.RpcError as error:
            self._in.put(error)

    def close(self) -> None:
        self._out.put(None)
        self._call.cancel()

    def send_bytes(self, data: bytes) -> None:
        self._out.put(data)

    def send(self, **frame: Any) -> None:
        self.send_bytes(hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(**frame)).SerializeToString())

    def frame(self) -> link_pb2.HubFrame | None:
        """The next frame; None at the end of the stream, RpcError when it was broken off."""
        found = self._in.get(timeout=CALL_S)
        if isinstance(found, grpc.RpcError):
            raise found
        return found

    def next(self, kind: str) -> link_pb2.HubFrame:
        """The next frame of that kind; rosters that come before it are taken."""
        while (frame := self.frame()) is not None:
            if frame.HasField(kind):  # type: ignore[arg-type]
                return frame
            assert frame.HasField("roster"), frame
            self._member.take_roster(frame.roster)
        raise AssertionError(f"the stream ended before a {kind}")

    def mail(self) -> link_pb2.Mail:
        return self.next("mail").mail

    def take(self, mail: link_pb2.Mail, reason: str = "") -> None:
        self.send(mail_taken=link_pb2.MailTaken(mail_id=mail.mail_id, refused_reason=reason))

    def receipt(self) -> check_pb2.Receipt:
        """The next mail, which is a receipt; taken."""
        mail = self.mail()
        self.take(mail)
        assert mail.message.payload_type == names.RECEIPT
        return check_pb2.Receipt.FromString(mail.message.payload)

    def post(self, message: envelope_pb2.Envelope, post_id: int = 1) -> link_pb2.PostResult:
        self.send(post=link_pb2.Post(post_id=post_id, message=message))
        return self.next("post_result").post_result


def enrol(code: JoinCode, request: enrolment_service_pb2.JoinRequest) -> enrolment_service_pb2.JoinResponse:
    """Pin the enrolment endpoint by the code, and join."""
    pem = ssl.get_server_certificate((code.host, code.enrolment_port)).encode()
    assert pki.fingerprint(pem) == code.enrolment_certificate
    options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
    address, credentials = f"{code.host}:{code.enrolment_port}", pki.channel_credentials(root_pem=pem)
    with grpc.secure_channel(address, credentials, options=options) as channel:
        return EnrolmentServiceStub(channel).Join(request, timeout=CALL_S)
