"""Bytes that are no message, and messages that are too large, at every socket that listens."""

from __future__ import annotations

import ssl
from typing import Any

import grpc
import pytest
from tests.conformance.conftest import World
from tests.parties.member import CALL_S, refusal

from waypost.crypto import pki
from waypost.crypto.limits import PAYLOAD_BYTES_MAX
from waypost.crypto.serving import channel_options
from waypost.protocol import limits, names
from waypost.v1 import envelope_pb2, hub_service_pb2

pytestmark = pytest.mark.xdist_group("conformance")

GARBAGE = b"\xff\xff\xff\xff not protobuf"
HUB_METHODS = ("Evaluate", "Register", "SubmitCheck", "RenewCertificate", "GetSealingKey", "ListRegistered")
TRUSTEE_METHODS = ("EvaluateHalf", "CosignRoster", "GetIndexKey")


@pytest.mark.parametrize("method", HUB_METHODS)
def test_attack_bytes_that_are_no_message_to_the_hub(method: str, world: World) -> None:
    with (
        world.federation.audited("hub", "call-malformed", subject=world.member.ori, detail=method),
        pytest.raises(grpc.RpcError) as error,
    ):
        world.member.raw(method, GARBAGE)
    assert refusal(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


@pytest.mark.parametrize("method", TRUSTEE_METHODS)
def test_attack_bytes_that_are_no_message_to_the_trustee(method: str, world: World) -> None:
    channel = world.federation.trustee_relay.channel(names.HUB)
    call: Any = channel.unary_unary(f"/waypost.v1.TrusteeService/{method}", None, None)
    with (
        world.federation.audited("trustee", "call-malformed", subject=names.HUB, detail=method),
        pytest.raises(grpc.RpcError) as error,
    ):
        call(GARBAGE, timeout=CALL_S)
    assert refusal(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def test_attack_a_link_sends_bytes_that_are_no_frame(world: World) -> None:
    with world.member.attached() as link:
        with world.federation.audited("hub", "call-malformed", subject=world.member.ori, detail="Attach"):
            link.send_bytes(GARBAGE)
        with pytest.raises(grpc.RpcError) as error:
            [*iter(link.frame, None)]  # mail of other tests may be under way
    assert refusal(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")
    world.unharmed()


def _enrolment(world: World) -> grpc.Channel:
    (address,) = world.federation.query("hub", "SELECT value FROM meta WHERE name = 'enrol_address'")[0]
    host, _, port = str(address).rpartition(":")
    pem = ssl.get_server_certificate((host, int(port))).encode()
    options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=2 * limits.GRPC_MESSAGE_BYTES_MAX)
    return grpc.secure_channel(f"{host}:{port}", pki.channel_credentials(root_pem=pem), options=options)


def test_attack_bytes_that_are_no_message_to_the_enrolment_endpoint(world: World) -> None:
    with _enrolment(world) as channel:
        call: Any = channel.unary_unary("/waypost.v1.EnrolmentService/Join", None, None)
        with (
            world.federation.audited("hub", "join-refused", detail="malformed"),
            pytest.raises(grpc.RpcError) as error,
        ):
            call(GARBAGE, timeout=CALL_S)
    assert refusal(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "malformed")


def test_attack_a_message_larger_than_the_protocol_allows(world: World) -> None:
    """Within what the transport takes, so that the hub reads it, names it, and writes it down."""
    member = world.member
    registration = member.registration().registration
    large = envelope_pb2.Envelope(
        payload_type=registration.payload_type,
        payload=registration.payload + bytes(PAYLOAD_BYTES_MAX),
        signatures=registration.signatures,
    )
    with (
        world.federation.audited("hub", "registration-refused", subject=member.ori, detail="oversized"),
        pytest.raises(grpc.RpcError) as error,
    ):
        member.hub.Register(hub_service_pb2.RegisterRequest(registration=large), timeout=CALL_S)
    assert refusal(error.value) == (grpc.StatusCode.INVALID_ARGUMENT, "oversized")
    many = envelope_pb2.Envelope()
    many.CopyFrom(registration)
    many.signatures.extend(many.signatures[0] for _ in range(8))
    with (
        world.federation.audited("hub", "registration-refused", subject=member.ori, detail="oversized"),
        pytest.raises(grpc.RpcError),
    ):
        member.hub.Register(hub_service_pb2.RegisterRequest(registration=many), timeout=CALL_S)
    world.unharmed()


def test_attack_a_message_larger_than_the_transport_takes(world: World) -> None:
    """It is cut off before it is read: by the hub, by the enrolment endpoint, and by a node."""
    with pytest.raises(grpc.RpcError) as error:
        world.member.raw("Register", bytes(limits.GRPC_MESSAGE_BYTES_MAX + 1024))
    assert refusal(error.value)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    with _enrolment(world) as channel:
        call: Any = channel.unary_unary("/waypost.v1.EnrolmentService/Join", None, None)
        with pytest.raises(grpc.RpcError) as error:
            call(bytes(1024 * 1024), timeout=CALL_S)
    assert refusal(error.value)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    with world.federation.audited(world.bystander.ori, "detached"):
        world.federation.relay.inject_bytes(world.bystander.ori, bytes(limits.GRPC_MESSAGE_BYTES_MAX + 1024))
    world.federation.relay.attached(world.bystander.ori)
    world.unharmed()


def test_attack_a_method_that_does_not_exist(world: World) -> None:
    with pytest.raises(grpc.RpcError) as error:
        world.member.raw("ReadEverything", b"")
    assert refusal(error.value)[0] is grpc.StatusCode.UNIMPLEMENTED
