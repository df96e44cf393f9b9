"""EnrolmentService: how an invited agency becomes a member. Its port alone asks for no client certificate."""

from __future__ import annotations

from waypost.crypto import pki
from waypost.crypto.errors import EnvelopeError, PkiError
from waypost.crypto.freshness import header_from_payload
from waypost.crypto.serving import utc_now
from waypost.hub import invitations, members, transparency
from waypost.hub.audit import Event
from waypost.hub.database import add_audit
from waypost.hub.errors import HubError, Refused
from waypost.hub.limits import JOIN_REFUSALS_AUDITED_PER_MINUTE
from waypost.hub.service import Context, Hub, abort, now_ms
from waypost.protocol.limits import MINUTE_MS
from waypost.protocol.names import valid_ori
from waypost.v1 import enrolment_service_pb2, log_pb2
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceServicer


class EnrolmentService(EnrolmentServiceServicer):
    """EnrolmentService of enrolment_service.proto."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._refusals = RefusalCount()

    async def Join(  # noqa: N802 - the protocol's name
        self, request: enrolment_service_pb2.JoinRequest, context: Context
    ) -> enrolment_service_pb2.JoinResponse:
        """Verify the invitation, get the roster cosigned, issue a certificate."""
        hub = self._hub
        try:
            csr_pem = members.read_application(request.application).csr_pem
            _require_csr(hub.authority, csr_pem)
            member = await self._member(request)
        except HubError as error:
            await self._note_refusal(error, request)
            await abort(context, error)
        certificate = hub.authority.issue(csr_pem, name=member.ori, server=False, now=utc_now())
        fingerprint, moment = pki.fingerprint(certificate), now_ms()
        await hub.database.run(lambda c: transparency.append(c, log_pb2.LOG_KIND_CERTIFICATE, fingerprint, moment))
        return enrolment_service_pb2.JoinResponse(
            roster=hub.registrar.envelope, certificate_pem=certificate, authority_pem=hub.authority.certificate_pem
        )

    async def _member(self, request: enrolment_service_pb2.JoinRequest) -> members.MemberRow:
        """The member that the application makes, by an invitation or by a key change of a member."""
        secret = request.invitation_secret
        if not secret:
            return await self._hub.registrar.change_keys(request.application)
        if len(secret) != invitations.SECRET_BYTES:
            raise Refused("malformed", f"an invitation's secret has {invitations.SECRET_BYTES} bytes")
        return await self._hub.registrar.join(secret, request.application)

    async def malformed(self, caller: str, _method: str) -> None:
        """Bytes that are no message were refused."""
        await self._note("malformed", caller)

    async def _note_refusal(self, error: HubError, request: enrolment_service_pb2.JoinRequest) -> None:
        await self._note(error.reason if isinstance(error, Refused) else "trustee-unavailable", _claimed(request))

    async def _note(self, reason: str, subject: str) -> None:
        moment = now_ms()
        note, untold = self._refusals.count(moment)
        if untold:
            await self._hub.database.run(lambda c: add_audit(c, moment, Event.JOIN_REFUSED, "?", f"{untold} more"))
        if note:
            await self._hub.database.run(lambda c: add_audit(c, moment, Event.JOIN_REFUSED, subject, reason))


class RefusalCount:
    """Bounds the audit entries that strangers can cause: this port is open to everybody."""

    def __init__(self) -> None:
        self._minute = 0
        self._refused = 0

    def count(self, moment_ms: int) -> tuple[bool, int]:
        """Whether to note this refusal on its own, and how many of an earlier minute were not noted."""
        minute, untold = moment_ms // MINUTE_MS, 0
        if minute != self._minute:
            untold = max(0, self._refused - JOIN_REFUSALS_AUDITED_PER_MINUTE)
            self._minute, self._refused = minute, 0
        self._refused += 1
        return self._refused <= JOIN_REFUSALS_AUDITED_PER_MINUTE, untold


def _require_csr(authority: pki.CertificateAuthority, csr_pem: bytes) -> None:
    """Refuse a bad signing request before the invitation is used up."""
    try:
        authority.issue(csr_pem, name="probe", server=False, now=utc_now())
    except PkiError as error:
        raise Refused("malformed", str(error)) from error


def _claimed(request: enrolment_service_pb2.JoinRequest) -> str:
    try:
        sender = header_from_payload(request.application.payload).sender
    except EnvelopeError:
        return "?"
    return sender if valid_ori(sender) else "?"  # a stranger's own words do not go into the audit
