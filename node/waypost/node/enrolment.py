"""Joining a federation with a join code.

1. The enrolment endpoint's certificate is fetched and compared with the code's fingerprint; only then is it trusted.
2. The application is signed by the node's own key; the private keys never leave the keystore.
3. The roster that comes back must be signed by hub and trustee, both with the keys whose fingerprints the code names,
   and must hold this node with the keys it applied with.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from pathlib import Path
from typing import Final

import grpc

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.errors import PkiError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.crypto.serving import channel_options
from waypost.node import settings
from waypost.node.audit import Event
from waypost.node.errors import LinkError
from waypost.node.federation import (
    Federation,
    authority_path,
    certificate_path,
    federation_path,
    write_federation,
)
from waypost.node.store import AuditEntry, Store, StoredRoster
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.protocol.joincode import JoinCode
from waypost.protocol.roster import Roster, accept_roster, parse_roster
from waypost.v1 import enrolment_service_pb2, roster_pb2
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub

JOIN_TIMEOUT_S: Final = 60.0


def join(home: Path, keys: Keystore, store: Store, code: JoinCode) -> Roster:
    """Join, and remember the federation; LinkError says what was refused, and what to do."""
    if federation_path(home).exists():
        raise LinkError(f"{home} has joined a federation already", hint="use another --home for another membership")
    now_ms = time.time_ns() // 1_000_000
    certificate = _pinned_certificate(code)
    signing = SigningKey.from_seed(keys.get(settings.SIGNING_KEY))
    response = _call(code, certificate, _application(code, keys, signing, now_ms))
    roster = _open_roster(code, response, now_ms)
    member = roster.member(code.ori)
    if member is None or member.signing_public_key != signing.public:
        raise LinkError("the hub's roster does not hold this node", hint="tell the hub's operator, and the trustee's")
    certificate_path(home).write_bytes(response.certificate_pem)
    authority_path(home).write_bytes(response.authority_pem)
    store.rosters.put(StoredRoster(roster.version, response.roster.SerializeToString(), now_ms))
    store.audit.add(AuditEntry(now_ms, Event.JOINED, code.ori))
    address = f"{code.host}:{code.link_port}"
    write_federation(home, Federation(code.ori, address, roster.hub_signing_key, roster.trustee_signing_key))
    return roster


def _pinned_certificate(code: JoinCode) -> bytes:
    """Rule 1."""
    try:
        pem = ssl.get_server_certificate((code.host, code.enrolment_port), timeout=JOIN_TIMEOUT_S).encode()
    except (OSError, ValueError) as error:
        raise LinkError(
            f"the hub cannot be reached at {code.host}:{code.enrolment_port}: {error}",
            hint="check the network and firewall, or ask the hub's operator",
        ) from error
    try:
        genuine = pki.fingerprint(pem) == code.enrolment_certificate
    except PkiError:
        genuine = False
    if not genuine:
        raise LinkError(
            f"whoever answers at {code.host}:{code.enrolment_port} is not the hub that wrote this join code",
            hint="do not try again from this network; tell the hub's operator",
        )
    return pem


def _application(code: JoinCode, keys: Keystore, signing: SigningKey, now_ms: int) -> enrolment_service_pb2.JoinRequest:
    header = new_header(sender=code.ori, audience=names.HUB, now_ms=now_ms, lifetime_ms=limits.JOIN_LIFETIME_MS)
    application = roster_pb2.JoinApplication(
        header=header_to_proto(header),
        ori=code.ori,
        invitation_digest=hashlib.sha256(code.secret).digest(),
        signing_public_key=signing.public,
        sealing_public_key=SealingKey.from_bytes(keys.get(settings.SEALING_KEY)).public,
        csr_pem=pki.make_csr(keys.get(settings.TLS_KEY), code.ori),
        name=code.name,
        state=code.state,
        role=roster_pb2.Role.ValueType(code.role),
    )
    envelope = sign(names.JOIN_APPLICATION, application.SerializeToString(), signing)
    return enrolment_service_pb2.JoinRequest(invitation_secret=code.secret, application=envelope)


def _call(
    code: JoinCode, certificate: bytes, request: enrolment_service_pb2.JoinRequest
) -> enrolment_service_pb2.JoinResponse:
    options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
    address = f"{code.host}:{code.enrolment_port}"
    credentials = pki.channel_credentials(root_pem=certificate)
    with grpc.secure_channel(address, credentials, options=options) as channel:
        try:
            return EnrolmentServiceStub(channel).Join(request, timeout=JOIN_TIMEOUT_S)
        except grpc.RpcError as error:
            raise _refused(error, code.ori) from error


def _refused(error: grpc.RpcError, ori: str) -> LinkError:
    code, details = error.code(), error.details() or ""
    reason, _, sentence = details.partition(": ")
    if reason == "not-admitted":
        return LinkError(
            "waiting for the trustee: it has not admitted this agency yet",
            hint=f"ask the trustee's operator to admit {ori}, then join again with the same code",
        )
    if code is grpc.StatusCode.UNAVAILABLE:
        return LinkError("the hub or its trustee cannot be reached now", hint="try again with the same code")
    return LinkError(sentence or "the hub refused to let this node join", hint="ask the hub's operator for a new code")


def _open_roster(code: JoinCode, response: enrolment_service_pb2.JoinResponse, now_ms: int) -> Roster:
    """Rule 3."""
    try:
        stated = parse_roster(response.roster.payload)
        digests = [hashlib.sha256(key).digest() for key in (stated.hub_signing_key, stated.trustee_signing_key)]
        roster = accept_roster(
            response.roster,
            held=None,
            hub_key=stated.hub_signing_key,
            trustee_key=stated.trustee_signing_key,
            now_ms=now_ms,
        )
    except RosterError as error:
        raise LinkError(f"the hub's roster was refused: {error}", hint="tell the hub's operator") from error
    if digests != [code.hub_key, code.trustee_key]:
        raise LinkError("the hub's roster names other root keys than the join code", hint="tell the hub's operator")
    return roster
