"""EnrolmentService: how an invited agency becomes a member. Its port alone asks for no client certificate."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from waypost.crypto import pki
from waypost.crypto.errors import EnvelopeError, PkiError
from waypost.crypto.freshness import header_from_payload
from waypost.crypto.serving import utc_now
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import HubError, Refused
from waypost.hub.members import SECRET_BYTES
from waypost.hub.service import Context, Hub, abort, now_ms
from waypost.v1 import enrolment_service_pb2, roster_pb2
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceServicer


class EnrolmentService(EnrolmentServiceServicer):
    """EnrolmentService of enrolment_service.proto."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def Join(  # noqa: N802 - the protocol's name
        self, request: enrolment_service_pb2.JoinRequest, context: Context
    ) -> enrolment_service_pb2.JoinResponse:
        """Verify the invitation, get the roster cosigned, issue a certificate."""
        hub = self._hub
        try:
            if len(request.invitation_secret) != SECRET_BYTES:
                raise Refused("malformed", "an invitation's secret has 16 bytes")
            csr_pem = _csr(request)
            _require_csr(hub.authority, csr_pem)
            member = await hub.registrar.join(request.invitation_secret, request.application)
        except HubError as error:
            reason = error.reason if isinstance(error, Refused) else "trustee-unavailable"
            subject = _claimed(request)
            await hub.database.run(lambda c: add_audit(c, now_ms(), Event.JOIN_REFUSED, subject, reason))
            await abort(context, error)
        certificate = hub.authority.issue(csr_pem, name=member.ori, server=False, now=utc_now())
        return enrolment_service_pb2.JoinResponse(
            roster=hub.registrar.envelope, certificate_pem=certificate, authority_pem=hub.authority.certificate_pem
        )


def _csr(request: enrolment_service_pb2.JoinRequest) -> bytes:
    try:
        return roster_pb2.JoinApplication.FromString(request.application.payload).csr_pem
    except DecodeError:
        raise Refused("malformed", "the join application cannot be read") from None


def _require_csr(authority: pki.CertificateAuthority, csr_pem: bytes) -> None:
    """Refuse a bad signing request before the invitation is used up."""
    try:
        authority.issue(csr_pem, name="probe", server=False, now=utc_now())
    except PkiError as error:
        raise Refused("malformed", str(error)) from error


def _claimed(request: enrolment_service_pb2.JoinRequest) -> str:
    try:
        return header_from_payload(request.application.payload).sender[:9]
    except EnvelopeError:
        return "?"
