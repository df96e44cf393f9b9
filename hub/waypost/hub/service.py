"""HubService: what members may call. A thin shell: who calls, which transaction, what is sent back.

Every call is made on a connection with a member's certificate, and every signed message on it must be that member's.
A refusal is audited here, and travels as a status code with "reason: sentence".
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import grpc
from grpc import aio
from sqlalchemy import Connection, select

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey
from waypost.crypto.errors import OprfError, PkiError
from waypost.crypto.serving import utc_now
from waypost.crypto.split_oprf import HalfKey, evaluate_half
from waypost.hub import index, log_answers, members, registering, routing, schema, transparency
from waypost.hub.attachment import Attachment
from waypost.hub.audit import Event
from waypost.hub.coverage import Coverages
from waypost.hub.database import Database, add_audit
from waypost.hub.day_limits import DayLimitReached, DayLimits
from waypost.hub.errors import HubError, RateExceeded, Refused, TrusteeUnavailable
from waypost.hub.limits import EVALUATIONS_AT_WORK_MAX, SUSPENDED_RETRY_AFTER_MS
from waypost.hub.links import Links
from waypost.hub.posted import Posted
from waypost.hub.registrar import Registrar
from waypost.hub.trustee_link import TrusteeLink
from waypost.protocol import limits, names
from waypost.protocol.errors import RosterError
from waypost.protocol.roster import Roster
from waypost.protocol.transparency import refusal_digest
from waypost.v1 import hub_service_pb2, index_pb2, link_pb2, log_pb2
from waypost.v1.hub_service_pb2_grpc import HubServiceServicer

_log = logging.getLogger("waypost.hub")
Context: TypeAlias = "aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True)
class Hub:
    """What the services share: the party's keys, its tables, its links, and the roster's keeper."""

    key: SigningKey
    authority: pki.CertificateAuthority
    half_key: Callable[[int], HalfKey]
    database: Database
    trustee: TrusteeLink
    registrar: Registrar
    links: Links
    callers: ThreadPoolExecutor
    cores: ThreadPoolExecutor
    day_limits: DayLimits = field(default_factory=DayLimits)

    def roster(self) -> Roster:
        """The roster in force; Refused while there is none."""
        roster = self.registrar.in_force
        if roster is None or roster.expired(now_ms()):
            raise Refused("no-roster", "the hub has no valid roster yet", hint="try again in a minute")
        return roster

    def tell_links(self) -> None:
        """There is a new roster, or a suspension: cut suspended members off at once, and wake the others."""
        roster = self.registrar.in_force
        for link in self.links.all():
            member = None if roster is None else roster.member(link.ori)
            if member is None or not member.active:
                link.end("suspended", SUSPENDED_RETRY_AFTER_MS)
            else:
                link.wake()


class HubService(HubServiceServicer):
    """HubService of hub_service.proto."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._coverages = Coverages()
        self._slots = asyncio.Semaphore(EVALUATIONS_AT_WORK_MAX)
        self._roster_response: tuple[link_pb2.HubFrame, hub_service_pb2.AttachResponse] | None = None

    async def Attach(  # noqa: N802 - the protocol's name
        self, request_iterator: AsyncIterator[hub_service_pb2.AttachRequest], context: Context
    ) -> AsyncIterator[hub_service_pb2.AttachResponse]:
        """One member's link, until either side ends it."""
        caller = await self._member(context)
        attachment = Attachment(self._hub, caller)
        try:
            async with aclosing(attachment.run(request_iterator)) as frames:
                async for frame in frames:
                    yield self._response(frame)
                    del frame  # as in Attachment.run
        except HubError as error:
            await abort(context, error)

    def _response(self, frame: link_pb2.HubFrame) -> hub_service_pb2.AttachResponse:
        """A frame's response. Of a roster it is one for all links: an idle link holds on to the last one it sent."""
        if not frame.HasField("roster"):
            return hub_service_pb2.AttachResponse(frame=frame)
        if self._roster_response is None or self._roster_response[0] is not frame:
            self._roster_response = frame, hub_service_pb2.AttachResponse(frame=frame)
        return self._roster_response[1]

    async def Evaluate(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.EvaluateRequest, context: Context
    ) -> hub_service_pb2.EvaluateResponse:
        """The trustee's half, then ours."""
        caller = await self._member(context)
        try:
            # Verified here as well, so that a member's slip costs the trustee nothing; replay is the trustee's to see.
            routing.verify_from_member(
                request.request,
                kind=names.EVALUATION_REQUEST,
                caller=caller,
                audience=names.TRUSTEE,
                roster=self._hub.roster(),
                now_ms=now_ms(),
            )
            async with self._slots:
                return await self._evaluate(request)
        except (HubError, OprfError) as error:
            await self._refuse(context, error, Event.EVALUATION_REFUSED, caller, counted=False)

    async def _evaluate(self, request: hub_service_pb2.EvaluateRequest) -> hub_service_pb2.EvaluateResponse:
        half = self._hub.half_key(self._hub.roster().epoch)
        first = await self._hub.trustee.evaluate(request.request)
        loop = asyncio.get_running_loop()
        second = await loop.run_in_executor(self._hub.callers, evaluate_half, half, first.elements, self._hub.cores)
        return hub_service_pb2.EvaluateResponse(
            trustee=first, hub=index_pb2.Evaluation(elements=second.elements, proof=second.proof)
        )

    async def Register(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.RegisterRequest, context: Context
    ) -> hub_service_pb2.RegisterResponse:
        """Add and withdraw pointers."""
        caller = await self._sender(context, request.ByteSize())
        try:
            posted = Posted(caller, self._hub.roster(), self._hub.key, now_ms())
            watchers = await self._hub.database.run(lambda c: registering.accept(c, request.registration, posted))
        except Refused as error:
            await self._refuse(context, error, Event.REGISTRATION_REFUSED, caller)
        self._hub.links.wake(watchers)
        return hub_service_pb2.RegisterResponse()

    async def ListRegistered(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.ListRegisteredRequest, context: Context
    ) -> AsyncIterator[hub_service_pb2.ListRegisteredResponse]:
        """The caller's own tokens in some buckets."""
        caller = await self._member(context)
        if any(bucket >= limits.INDEX_BUCKETS for bucket in request.buckets):
            await abort(context, Refused("malformed", "buckets are numbered 0 to 255"))
        for bucket in sorted(set(request.buckets)):
            tokens = await self._hub.database.run(
                lambda c, b=bucket: _listed(c, caller, request.epoch, b)  # type: ignore[misc]
            )
            for start in range(0, len(tokens), limits.LIST_REGISTERED_TOKENS_MAX):
                part = tokens[start : start + limits.LIST_REGISTERED_TOKENS_MAX]
                yield hub_service_pb2.ListRegisteredResponse(tokens=part)

    async def SubmitCheck(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.SubmitCheckRequest, context: Context
    ) -> hub_service_pb2.SubmitCheckResponse:
        """Accept a check, route it, and give its receipt."""
        caller = await self._sender(context, request.ByteSize())
        moment, key = now_ms(), self._hub.key
        try:
            roster = self._hub.roster()
            check = routing.open_check(request.request, request.openings, caller=caller, roster=roster, now_ms=moment)
            receipt, to_wake = await self._hub.database.run(
                lambda c: routing.accept_check(
                    c, check, roster=roster, coverages=self._coverages, key=key, now_ms=moment
                )
            )
        except Refused as error:
            refused, reason = hashlib.sha256(request.request.payload).digest(), error.reason
            digest = refusal_digest(refused, reason)
            await self._hub.database.run(lambda c: transparency.append(c, log_pb2.LOG_KIND_REFUSAL, digest, moment))
            await self._refuse(context, error, Event.CHECK_REFUSED, caller)
        self._hub.links.wake(to_wake)
        return hub_service_pb2.SubmitCheckResponse(receipt=receipt)

    async def GetRoster(  # noqa: N802 - the protocol's name
        self, _request: hub_service_pb2.GetRosterRequest, context: Context
    ) -> hub_service_pb2.GetRosterResponse:
        """The roster in force."""
        await self._member(context)
        return hub_service_pb2.GetRosterResponse(roster=self._hub.registrar.envelope)

    async def RenewCertificate(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.RenewCertificateRequest, context: Context
    ) -> hub_service_pb2.RenewCertificateResponse:
        """A fresh certificate for the caller."""
        caller = await self._sender(context, request.ByteSize())
        try:
            pem = self._hub.authority.issue(request.csr_pem, name=caller, server=False, now=utc_now())
        except PkiError as error:
            await abort(context, Refused("malformed", str(error)))
        await self._hub.database.run(lambda c: _note_renewal(c, caller, pki.fingerprint(pem)))
        return hub_service_pb2.RenewCertificateResponse(certificate_pem=pem)

    async def GetCheckpoint(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.GetCheckpointRequest, context: Context
    ) -> hub_service_pb2.GetCheckpointResponse:
        """The newest cosigned checkpoint, and where entries stand under it."""
        await self._member(context)
        try:
            return await self._hub.database.run(lambda c: log_answers.answer(c, request))
        except Refused as error:
            await abort(context, error)

    async def GetSealingKey(  # noqa: N802 - the protocol's name
        self, request: hub_service_pb2.GetSealingKeyRequest, context: Context
    ) -> hub_service_pb2.GetSealingKeyResponse:
        """A member's sealing key."""
        await self._member(context)
        table = schema.members
        query = select(table.c.sealing_public_key).where(table.c.ori == request.ori)
        key = await self._hub.database.run(lambda c: c.scalar(query))
        if key is None:
            await abort(context, Refused("not-a-member", "no member has this ORI"))
        return hub_service_pb2.GetSealingKeyResponse(sealing_public_key=key)

    async def malformed(self, caller: str, method: str) -> None:
        """Bytes that are no message were refused."""
        await self._note(Event.CALL_MALFORMED, caller, method)

    async def _member(self, context: Context) -> str:
        """The active member whose certificate the caller shows; the call ends otherwise."""
        caller = "?"
        try:
            caller = pki.peer_name({name: tuple(values) for name, values in context.auth_context().items()})
            self._hub.roster().active_member(caller)
        except (PkiError, RosterError) as error:
            reason = error.reason if isinstance(error, RosterError) else "not-a-member"
            await self._note(Event.CALLER_REFUSED, caller, reason)
            await abort(context, Refused(reason, str(error)))
        except Refused as error:
            await abort(context, error)
        return caller

    async def _sender(self, context: Context, message_bytes: int) -> str:
        """The same, for a call that leaves something at the hub: it counts against what a member may send in a day."""
        caller = await self._member(context)
        try:
            self._hub.day_limits.count(caller, message_bytes, now_ms())
        except DayLimitReached as error:
            if error.first:
                await self._hub.database.run(lambda c: add_audit(c, now_ms(), Event.DAY_LIMIT_REACHED, caller))
            await abort(context, error)
        return caller

    async def _note(self, event: Event, caller: str, detail: str) -> None:
        """Audit what counts against a member's day only where it leaves an entry."""
        if self._hub.day_limits.notes(caller, now_ms()):
            await self._hub.database.run(lambda c: add_audit(c, now_ms(), event, caller, detail))

    async def _refuse(
        self, context: Context, error: Exception, event: Event, caller: str, *, counted: bool = True
    ) -> NoReturn:
        if isinstance(error, OprfError):
            error = Refused("malformed", str(error))
        if isinstance(error, Refused):
            reason = error.reason
            if counted:
                await self._hub.database.run(lambda c: add_audit(c, now_ms(), event, caller, reason))
            else:
                await self._note(event, caller, reason)
        await abort(context, error)


def _note_renewal(connection: Connection, caller: str, fingerprint: bytes) -> None:
    moment_ms = now_ms()
    add_audit(connection, moment_ms, Event.CERTIFICATE_RENEWED, caller)
    transparency.append(connection, log_pb2.LOG_KIND_CERTIFICATE, fingerprint, moment_ms)


def _listed(connection: Connection, caller: str, epoch: int, bucket: int) -> list[bytes]:
    return index.registered(connection, members.member_id(connection, caller), epoch, bucket, bucket)


_CODES = {
    "malformed": grpc.StatusCode.INVALID_ARGUMENT,
    "oversized": grpc.StatusCode.INVALID_ARGUMENT,
    "wrong-opening": grpc.StatusCode.INVALID_ARGUMENT,
    "wrong-entry": grpc.StatusCode.INVALID_ARGUMENT,
    "no-authorization": grpc.StatusCode.INVALID_ARGUMENT,
    "not-a-member": grpc.StatusCode.PERMISSION_DENIED,
    "suspended": grpc.StatusCode.PERMISSION_DENIED,
    "purpose-not-allowed": grpc.StatusCode.PERMISSION_DENIED,
    "unknown-invitation": grpc.StatusCode.PERMISSION_DENIED,
    "used-invitation": grpc.StatusCode.PERMISSION_DENIED,
    "withdrawn-invitation": grpc.StatusCode.PERMISSION_DENIED,
    "expired-invitation": grpc.StatusCode.PERMISSION_DENIED,
    "not-admitted": grpc.StatusCode.FAILED_PRECONDITION,
    "wrong-epoch": grpc.StatusCode.FAILED_PRECONDITION,
    "too-many-pointers": grpc.StatusCode.FAILED_PRECONDITION,
    "no-roster": grpc.StatusCode.UNAVAILABLE,
}


async def abort(context: Context, error: Exception) -> NoReturn:
    """End a call with the status that tells what happened."""
    if isinstance(error, RateExceeded):
        code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, error.reason
    elif isinstance(error, Refused):
        code, reason = _CODES.get(error.reason, grpc.StatusCode.UNAUTHENTICATED), error.reason
    elif isinstance(error, TrusteeUnavailable):
        code, reason = grpc.StatusCode.UNAVAILABLE, "trustee-unavailable"
    else:
        code, reason = grpc.StatusCode.INTERNAL, "internal"
    _log.info("refused: %s", reason)
    await context.abort(code, f"{reason}: {error}")


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000
