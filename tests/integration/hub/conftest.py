"""A hub and a trustee as real processes, and members that are no more than their keys and a socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from tests.parties import commands
from tests.parties.messages import Messages

from waypost.crypto import pki
from waypost.crypto.serving import channel_options
from waypost.crypto.split_oprf import Evaluation, blind_batch, finish_batch
from waypost.protocol import limits, names
from waypost.protocol.index_digest import bucket_digests, index_digest
from waypost.protocol.joincode import JoinCode, decode_join_code
from waypost.v1 import (
    check_pb2,
    enrolment_service_pb2,
    envelope_pb2,
    hub_service_pb2,
    index_pb2,
    link_pb2,
)
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub
from waypost.v1.hub_service_pb2_grpc import HubServiceStub

READY_TIMEOUT_S = 30.0
FRAME_TIMEOUT_S = 10.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Federation:
    """Homes below `folder`, and the two processes that run on them."""

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def hub(self) -> Path:
        return self.folder / "hub"

    @property
    def trustee(self) -> Path:
        return self.folder / "trustee"

    def do(self, command: str, *arguments: str) -> str:
        return commands.do(command, *arguments, home=self.hub if command == "waypost-hub" else self.trustee)

    def start(self, command: str) -> None:
        home = self.hub if command == "waypost-hub" else self.trustee
        log = self.folder / f"{command}.log"
        with log.open("wb") as sink:
            program = [str(Path(sys.executable).with_name(command)), "serve", "--home", str(home)]
            process = subprocess.Popen(program, env={**os.environ, **commands.ENVIRONMENT}, stdout=sink, stderr=sink)
        self.processes[command] = process
        deadline = time.monotonic() + READY_TIMEOUT_S
        while b"serving" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def stop(self, command: str, number: signal.Signals = signal.SIGTERM) -> int:
        process = self.processes.pop(command)
        process.send_signal(number)
        return process.wait(15)

    def log(self, command: str) -> str:
        return (self.folder / f"{command}.log").read_text()

    def status(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.do("waypost-hub", "status", "--json"))
        return facts

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.do("waypost-hub", "audit", "--json", "--count", "1000").splitlines()]

    def wait_for(self, **facts: object) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (status := self.status()) and any(status[name] != value for name, value in facts.items()):
            assert time.monotonic() < deadline, (facts, status)

    def invite(self, ori: str, *more: str, role: str = "agency") -> JoinCode:
        arguments = ("invite", ori, "--name", f"Agency {ori}", "--state", ori[:2], "--role", role, "--json", *more)
        return decode_join_code(json.loads(self.do("waypost-hub", *arguments))["join_code"])

    def admit(self, *oris: str) -> None:
        self.do("waypost-trustee", "admit", *oris)

    async def member(self, ori: str, role: str = "agency") -> Member:
        """An agency that was invited and admitted, and has joined."""
        self.admit(ori)
        member = Member(ori, federation=self)
        await member.join(self.invite(ori, role=role))
        return member


@dataclass
class Member(Messages):
    """An agency that speaks over real sockets."""

    federation: Federation = field(kw_only=True)

    async def join(self, code: JoinCode, application: envelope_pb2.Envelope | None = None) -> None:
        """Pin the endpoint by the code, apply, and hold what the code promised."""
        address = f"{code.host}:{code.enrolment_port}"
        pem = ssl.get_server_certificate((code.host, code.enrolment_port)).encode()
        assert pki.fingerprint(pem) == code.enrolment_certificate
        options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
        async with aio.secure_channel(address, pki.channel_credentials(root_pem=pem), options=options) as channel:
            request = enrolment_service_pb2.JoinRequest(
                invitation_secret=code.secret, application=application or self.application(code)
            )
            response = await EnrolmentServiceStub(channel).Join(request, timeout=30)
        self.certificate, self.authority = response.certificate_pem, response.authority_pem
        self.take_roster(response.roster)
        assert self.roster is not None
        keys = (self.roster.hub_signing_key, self.roster.trustee_signing_key)
        assert tuple(hashlib.sha256(key).digest() for key in keys) == (code.hub_key, code.trustee_key)

    def channel(self, *, certificate: bytes | None = None) -> aio.Channel:
        credentials = pki.channel_credentials(
            root_pem=self.authority, key_pem=self.tls_key, certificate_pem=certificate or self.certificate
        )
        options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
        return aio.secure_channel(self.federation.status()["links"], credentials, options=options)

    @contextlib.asynccontextmanager
    async def calling(self) -> AsyncIterator[Any]:
        async with self.channel() as channel:
            yield HubServiceStub(channel)

    @contextlib.asynccontextmanager
    async def attached(self) -> AsyncIterator[Attached]:
        async with self.channel() as channel:
            call = HubServiceStub(channel).Attach()
            link = Attached(call, self)
            version = self.roster.version if self.roster else 0
            await link.send(hello=link_pb2.Hello(protocol=1, roster_version=version, software="test"))
            link.welcome = (await link.next("welcome")).welcome
            try:
                yield link
            finally:
                call.cancel()

    async def tokens(self, hub: Any, inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        """Tokens of these inputs under both parties' keys, both proofs verified."""
        assert self.roster is not None
        batch = blind_batch(inputs)
        request = hub_service_pb2.EvaluateRequest(request=self.evaluation(batch.elements, epoch=self.roster.epoch))
        response = await hub.Evaluate(request, timeout=30)
        trustee, own = (Evaluation(tuple(half.elements), half.proof) for half in (response.trustee, response.hub))
        return finish_batch(
            batch, trustee, own, trustee_public=self.roster.trustee_index_key, hub_public=self.roster.hub_index_key
        )


class Attached:
    """A stream that is up."""

    def __init__(self, call: Any, member: Member) -> None:
        self._call = call
        self._member = member
        self.welcome = link_pb2.Welcome()

    async def send(self, **frame: Any) -> None:
        await self._call.write(hub_service_pb2.AttachRequest(frame=link_pb2.NodeFrame(**frame)))

    async def frame(self) -> link_pb2.HubFrame | None:
        """The next frame, whatever it is; None at the end of the stream."""
        async with asyncio.timeout(FRAME_TIMEOUT_S):
            response = await self._call.read()
        return None if response is aio.EOF else response.frame

    async def next(self, kind: str) -> link_pb2.HubFrame:
        """The next frame of that kind; rosters that come before it are taken."""
        while (frame := await self.frame()) is not None:
            if frame.HasField(kind):  # type: ignore[arg-type]
                return frame
            assert frame.HasField("roster"), frame
            self._member.take_roster(frame.roster)
        raise AssertionError(f"the stream ended before a {kind}")

    async def mail(self) -> link_pb2.Mail:
        return (await self.next("mail")).mail

    async def take(self, mail: link_pb2.Mail, reason: str = "") -> None:
        await self.send(mail_taken=link_pb2.MailTaken(mail_id=mail.mail_id, refused_reason=reason))

    async def end(self) -> None:
        """Say no more, and wait until the hub has ended the stream as well."""
        await self._call.done_writing()
        while await self.frame() is not None:
            pass

    async def receipt(self) -> check_pb2.Receipt:
        """The next mail, which is a receipt; taken."""
        mail = await self.mail()
        await self.take(mail)
        assert mail.message.payload_type == names.RECEIPT
        return check_pb2.Receipt.FromString(mail.message.payload)

    async def post(self, message: envelope_pb2.Envelope, post_id: int = 1) -> link_pb2.PostResult:
        await self.send(post=link_pb2.Post(post_id=post_id, message=message))
        return (await self.next("post_result")).post_result

    async def agree(self, tokens: Sequence[bytes], epoch: int = 1, *, complete: bool = True) -> link_pb2.IndexVerdict:
        digest = index_digest(bucket_digests(tokens))
        await self.send(index_digest=index_pb2.IndexDigest(epoch=epoch, digest=digest, complete=complete))
        return (await self.next("index_verdict")).index_verdict


def found(folder: Path) -> Federation:
    federation = Federation(folder)
    port = _free_port()
    federation.do("waypost-trustee", "init", "--listen", f"127.0.0.1:{port}")
    federation.do(
        "waypost-hub",
        "init",
        *("--trustee", str(federation.trustee / "trustee.json"), "--trustee-address", f"127.0.0.1:{port}"),
        *("--listen", "127.0.0.1:0", "--enrol-listen", "127.0.0.1:0"),
    )
    federation.do("waypost-trustee", "accept", str(federation.hub / "hub.json"))
    return federation


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[Federation]:
    federation = found(folder)
    try:
        federation.start("waypost-trustee")
        federation.start("waypost-hub")
        federation.wait_for(roster_version=1)
        yield federation
    finally:
        for process in federation.processes.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """One for all tests that leave it as it was; each uses members of its own."""
    with _running(tmp_path_factory.mktemp("federation")) as running:
        yield running


@pytest.fixture
def own_federation(tmp_path: Path) -> Iterator[Federation]:
    """For tests that stop, kill or change it as a whole."""
    with _running(tmp_path) as running:
        yield running
