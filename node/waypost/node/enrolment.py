"""Joining a federation with a join code, and changing the signing key later.

1. The enrolment endpoint's certificate is fetched and compared with the code's fingerprint; only then is it trusted.
2. The application is signed by the node's own key; the private keys never leave the keystore.
3. The roster that comes back must be signed by hub and trustee, both with the keys whose fingerprints the code names,
   and must hold this node with the keys it applied with.
4. A new signing key is in the keystore before the hub hears of it, and takes the old one's place when the roster holds
   it; after a crash in between the same change is asked for again. Its application is signed by both keys.
5. Nothing signed by the old key may be on its way up: the node is stopped and its outbox empty. What has gone up and
   was not delivered yet comes back, and is signed anew when the node serves again (signing_again.py). The sealing key
   stays, for mail that waits is sealed to it.
"""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, parse_envelope, sign
from waypost.crypto.errors import PkiError
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.keystore import Keystore
from waypost.crypto.sealing import SealingKey
from waypost.crypto.serving import channel_options
from waypost.node import settings
from waypost.node.asking import READY
from waypost.node.audit import Event
from waypost.node.errors import LinkError
from waypost.node.federation import (
    Federation,
    authority_path,
    certificate_path,
    federation_path,
    read_federation,
    write_federation,
)
from waypost.node.store import AuditEntry, Store, StoredRoster
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.protocol.joincode import JoinCode
from waypost.protocol.roster import Roster, accept_roster, open_roster, parse_roster
from waypost.v1 import enrolment_service_pb2, roster_pb2
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub

JOIN_TIMEOUT_S: Final = 60.0
NEXT_SIGNING_KEY: Final = "signing-next"
"""The keystore's name for a signing key that the roster does not hold yet (rule 4)."""


def join(home: Path, keys: Keystore, store: Store, code: JoinCode) -> Roster:
    """Join, and remember the federation; LinkError says what was refused, and what to do."""
    if federation_path(home).exists():
        raise LinkError(f"{home} has joined a federation already", hint="use another --home for another membership")
    now_ms = time.time_ns() // 1_000_000
    endpoint = _Endpoint(code.host, code.enrolment_port, code.enrolment_certificate)
    certificate = _pinned_certificate(endpoint)
    signing = SigningKey.from_seed(keys.get(settings.SIGNING_KEY))
    entry = _Entry(code.ori, code.name, code.state, code.role)
    response = _call(endpoint, certificate, _application(entry, code.secret, keys, (signing,), now_ms), code.ori)
    roster = _open_roster(code, response, now_ms)
    _require_entry(roster, code.ori, signing)
    certificate_path(home).write_bytes(response.certificate_pem)
    authority_path(home).write_bytes(response.authority_pem)
    store.rosters.put(StoredRoster(roster.version, response.roster.SerializeToString(), now_ms))
    store.audit.add(AuditEntry(now_ms, Event.JOINED, code.ori))
    address = f"{code.host}:{code.link_port}"
    enrolment = f"{code.host}:{code.enrolment_port}"
    roots = (roster.hub_signing_key, roster.trustee_signing_key)
    write_federation(home, Federation(code.ori, address, *roots, enrolment, code.enrolment_certificate))
    return roster


def change_signing_key(home: Path, keys: Keystore, store: Store) -> Roster:
    """Enrol a fresh signing key under the old one's signature (rules 4 and 5); LinkError says what keeps it from it."""
    federation, now_ms = read_federation(home), time.time_ns() // 1_000_000
    if store.outbox.count() or store.checks.in_states((READY,), 1):
        raise LinkError(
            "messages signed by the present key wait to be sent", hint="run waypost-node serve until none do"
        )
    stored = store.rosters.newest()
    roots = {"hub_key": federation.hub_key, "trustee_key": federation.trustee_key}
    held = open_roster(parse_envelope(stored.envelope), **roots) if stored is not None else None
    entry = held.member(federation.ori) if held is not None else None
    if held is None or entry is None:
        raise LinkError("the node holds no roster that names it", hint="run waypost-node serve first")
    if NEXT_SIGNING_KEY not in keys.names():
        keys.put(NEXT_SIGNING_KEY, SigningKey.generate().seed)
    old, new = (SigningKey.from_seed(keys.get(name)) for name in (settings.SIGNING_KEY, NEXT_SIGNING_KEY))
    request = _application(_Entry(entry.ori, entry.name, entry.state, entry.role), b"", keys, (new, old), now_ms)
    endpoint = _Endpoint.at(federation.enrolment_address, federation.enrolment_certificate)
    response = _call(endpoint, _pinned_certificate(endpoint), request, federation.ori)
    try:
        roster = accept_roster(response.roster, held=held, now_ms=now_ms, **roots)
    except RosterError as error:
        raise LinkError(f"the hub's roster was refused: {error}", hint="tell the hub's operator") from error
    _require_entry(roster, federation.ori, new)
    store.rosters.put(StoredRoster(roster.version, response.roster.SerializeToString(), now_ms))
    store.audit.add(AuditEntry(now_ms, Event.KEY_CHANGED, federation.ori))
    keys.change({settings.SIGNING_KEY: new.seed, NEXT_SIGNING_KEY: None})
    return roster


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where to enrol, and the fingerprint of the certificate that answers there."""

    host: str
    port: int
    certificate: bytes

    @classmethod
    def at(cls, address: str, certificate: bytes) -> _Endpoint:
        host, _, port = address.rpartition(":")
        return cls(host, int(port), certificate)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the roster says, or shall say, of the applicant."""

    ori: str
    name: str
    state: str
    role: int


def _require_entry(roster: Roster, ori: str, signing: SigningKey) -> None:
    member = roster.member(ori)
    if member is None or member.signing_public_key != signing.public:
        raise LinkError("the hub's roster does not hold this node", hint="tell the hub's operator, and the trustee's")


def _pinned_certificate(endpoint: _Endpoint) -> bytes:
    """Rule 1."""
    host, port = endpoint.host, endpoint.port
    try:
        pem = ssl.get_server_certificate((host, port), timeout=JOIN_TIMEOUT_S).encode()
    except (OSError, ValueError) as error:
        raise LinkError(
            f"the hub cannot be reached at {host}:{port}: {error}",
            hint="check the network and firewall, or ask the hub's operator",
        ) from error
    try:
        genuine = pki.fingerprint(pem) == endpoint.certificate
    except PkiError:
        genuine = False
    if not genuine:
        raise LinkError(
            f"whoever answers at {host}:{port} is not the hub that wrote the join code",
            hint="do not try again from this network; tell the hub's operator",
        )
    return pem


def _application(
    entry: _Entry, secret: bytes, keys: Keystore, signers: Sequence[SigningKey], now_ms: int
) -> enrolment_service_pb2.JoinRequest:
    """The request to enrol the first of `signers`; without an invitation's secret all of them must vouch for it."""
    header = new_header(sender=entry.ori, audience=names.HUB, now_ms=now_ms, lifetime_ms=limits.JOIN_LIFETIME_MS)
    application = roster_pb2.JoinApplication(
        header=header_to_proto(header),
        ori=entry.ori,
        invitation_digest=hashlib.sha256(secret).digest() if secret else b"",
        signing_public_key=signers[0].public,
        sealing_public_key=SealingKey.from_bytes(keys.get(settings.SEALING_KEY)).public,
        csr_pem=pki.make_csr(keys.get(settings.TLS_KEY), entry.ori),
        name=entry.name,
        state=entry.state,
        role=roster_pb2.Role.ValueType(entry.role),
    )
    envelope = sign(names.JOIN_APPLICATION, application.SerializeToString(), *signers)
    return enrolment_service_pb2.JoinRequest(invitation_secret=secret, application=envelope)


def _call(
    endpoint: _Endpoint, certificate: bytes, request: enrolment_service_pb2.JoinRequest, ori: str
) -> enrolment_service_pb2.JoinResponse:
    options = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
    credentials = pki.channel_credentials(root_pem=certificate)
    with grpc.secure_channel(f"{endpoint.host}:{endpoint.port}", credentials, options=options) as channel:
        try:
            return EnrolmentServiceStub(channel).Join(request, timeout=JOIN_TIMEOUT_S)
        except grpc.RpcError as error:
            raise _refused(error, ori) from error


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
