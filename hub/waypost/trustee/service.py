"""The trustee's gRPC service: a thin shell around `cosigning` and `evaluating`.

Every call must come from the accepted hub's client certificate. Database work runs in one thread, group arithmetic in
the others; the loop stays free. Refusals are audited here, and travel as a status code with "reason: sentence".
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
from grpc import aio

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, Verifier
from waypost.crypto.errors import EnvelopeError, KeystoreError, OprfError, PkiError
from waypost.crypto.keystore import Keystore
from waypost.crypto.split_oprf import Evaluation, HalfKey, evaluate_half
from waypost.crypto.tlog.checkpoint import open_checkpoint
from waypost.protocol import names
from waypost.protocol.roster import Roster, parse_roster
from waypost.protocol.transparency import log_keys
from waypost.trustee import cosigning, evaluating, witnessing
from waypost.trustee.audit import Event
from waypost.trustee.errors import NotAdmitted, Refused, Spent
from waypost.trustee.limits import CONCURRENT_EVALUATIONS_MAX
from waypost.trustee.settings import HubIdentity, index_key_name
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, index_pb2, roster_pb2, trustee_service_pb2
from waypost.v1.trustee_service_pb2_grpc import TrusteeServiceServicer

_log = logging.getLogger("waypost.trustee")
_Result = TypeVar("_Result")
Context: TypeAlias = "aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, slots=True)
class Executors:
    """One thread for the database; as many as there are cores for arithmetic; callers that wait for these."""

    store: ThreadPoolExecutor
    callers: ThreadPoolExecutor
    cores: ThreadPoolExecutor


class Trustee:
    """What the service decides with: keys, database, the roster signed last. Its methods run in the store thread."""

    def __init__(self, keystore: Keystore, store: Store, hub: HubIdentity) -> None:
        self._keystore = keystore
        self.store = store
        self.hub = hub
        self.key = SigningKey.from_seed(keystore.get("signing"))
        held = store.roster()
        self.roster: Roster | None = parse_roster(held.payload) if held is not None else None
        self._log_keys = log_keys(hub.signing_key, self.key.public)

    def half_key(self, epoch: int) -> HalfKey | None:
        """Our half of an epoch's index key, if there is one."""
        try:
            return HalfKey.from_bytes(self._keystore.get(index_key_name(epoch)))
        except KeystoreError:
            return None

    def _index_public(self, epoch: int) -> bytes | None:
        half = self.half_key(epoch)
        return None if half is None else half.public

    def cosign(self, proposal: envelope_pb2.Envelope, now_ms: int) -> envelope_pb2.Envelope:
        """Judge a proposal and sign its roster; the new roster is held before the signature leaves."""
        version = "?"
        try:
            verified = Verifier((names.TRUSTEE,), self.store).verify(
                proposal,
                expected_type=names.ROSTER_PROPOSAL,
                keys=(self.hub.signing_key,),
                sender=names.HUB,
                now_ms=now_ms,
            )
            content = roster_pb2.RosterProposal.FromString(verified.payload)
            with self.store.transaction():
                approval = cosigning.judge(
                    content.roster,
                    content.applications,
                    held=self.roster,
                    admitted=self.store.admitted(),
                    roots=cosigning.Roots(self.hub.signing_key, self.key.public, self._index_public),
                    now_ms=now_ms,
                )
                version = str(approval.roster.version)
                signed = cosigning.cosign(content.roster, self.hub.signing_key, self.key)
                if approval.repeated:
                    return signed
                self.store.withdraw(approval.admissions_used)
                self.store.put_roster(approval.roster.version, signed)
                detail = " ".join(sorted(approval.admissions_used))
                self.store.audit(now_ms, Event.ROSTER_COSIGNED, version, detail)
        except EnvelopeError as error:
            self.store.audit(now_ms, Event.ROSTER_REFUSED, version, error.reason)
            raise Refused(error.reason, f"the proposal was refused: {error}") from error
        except Refused as error:
            self.store.audit(now_ms, Event.ROSTER_REFUSED, version, f"{error.reason}: {error}")
            raise
        self.roster = approval.roster
        return signed

    def admit(self, request: envelope_pb2.Envelope, now_ms: int) -> evaluating.Admitted:
        """Admit an evaluation request and count it against its sender's budget."""
        try:
            with self.store.transaction():
                admitted = evaluating.admit(request, roster=self.roster, store=self.store, now_ms=now_ms)
                purpose = index_pb2.EvaluationPurpose.Name(admitted.purpose).removeprefix("EVALUATION_PURPOSE_")
                detail = f"{purpose.lower()} {len(admitted.elements)}"
                self.store.audit(now_ms, Event.EVALUATED, admitted.ori, detail)
        except Refused as error:
            self.store.audit(now_ms, Event.EVALUATION_REFUSED, evaluating.sender_of(request)[:32], error.reason)
            raise
        return admitted

    def witness(
        self, request: trustee_service_pb2.CosignCheckpointRequest, now_ms: int
    ) -> trustee_service_pb2.CosignCheckpointResponse:
        """Judge a checkpoint of the hub's log and cosign it; it is held before the cosignature leaves."""
        keys, note = self._log_keys, request.checkpoint
        try:
            with self.store.transaction():
                last = self.store.checkpoint()
                held = None if last is None else open_checkpoint(last, keys.log)
                checkpoint = witnessing.judge(note, request.old_size, request.consistency, held=held, keys=keys)
                if checkpoint is None:
                    return trustee_service_pb2.CosignCheckpointResponse(held_size=held.size if held else 0)
                self.store.put_checkpoint(note)
        except Refused as error:
            if self.store.keep_refused(note, now_ms, error.reason):
                self.store.audit(now_ms, Event.CHECKPOINT_REFUSED, "", f"{error.reason}: {error}")
            raise
        line = witnessing.signature_line(checkpoint, keys, self.key, now_ms)
        return trustee_service_pb2.CosignCheckpointResponse(signature_line=line, held_size=checkpoint.size)

    def index_key(self, epoch: int, now_ms: int) -> tuple[bytes, int]:
        """Our public index key of the present epoch or the next, made on first demand; and the roster's version."""
        present = self.roster.epoch if self.roster is not None else 1
        half = self.half_key(epoch)
        if half is None:
            if epoch != present + 1:
                raise Refused("wrong-epoch", f"only epoch {present + 1} can be prepared, not {epoch}")
            half = HalfKey.generate()
            self._keystore.put(index_key_name(epoch), half.to_bytes())
            self.store.audit(now_ms, Event.INDEX_KEY_MADE, str(epoch))
        return half.public, self.roster.version if self.roster is not None else 0


class TrusteeService(TrusteeServiceServicer):
    """TrusteeService of trustee_service.proto."""

    def __init__(self, trustee: Trustee, executors: Executors) -> None:
        self._trustee = trustee
        self._executors = executors
        self._slots = asyncio.Semaphore(CONCURRENT_EVALUATIONS_MAX)

    async def EvaluateHalf(  # noqa: N802 - the protocol's name
        self, request: trustee_service_pb2.EvaluateHalfRequest, context: Context
    ) -> trustee_service_pb2.EvaluateHalfResponse:
        """Verify, count, evaluate."""
        await self.require_hub(context)
        async with self._slots:
            admitted = await self.decide(context, lambda: self._trustee.admit(request.request, now_ms()))
            evaluation = await self._evaluate(context, admitted.elements)
        return trustee_service_pb2.EvaluateHalfResponse(
            evaluation=index_pb2.Evaluation(elements=evaluation.elements, proof=evaluation.proof)
        )

    async def CosignRoster(  # noqa: N802 - the protocol's name
        self, request: trustee_service_pb2.CosignRosterRequest, context: Context
    ) -> trustee_service_pb2.CosignRosterResponse:
        """Judge, hold, sign."""
        await self.require_hub(context)
        roster = await self.decide(context, lambda: self._trustee.cosign(request.proposal, now_ms()))
        return trustee_service_pb2.CosignRosterResponse(roster=roster)

    async def CosignCheckpoint(  # noqa: N802 - the protocol's name
        self, request: trustee_service_pb2.CosignCheckpointRequest, context: Context
    ) -> trustee_service_pb2.CosignCheckpointResponse:
        """Judge, hold, cosign."""
        await self.require_hub(context)
        return await self.decide(context, lambda: self._trustee.witness(request, now_ms()))

    async def GetIndexKey(  # noqa: N802 - the protocol's name
        self, request: trustee_service_pb2.GetIndexKeyRequest, context: Context
    ) -> trustee_service_pb2.GetIndexKeyResponse:
        """Our half of an epoch's key."""
        await self.require_hub(context)
        key, version = await self.decide(context, lambda: self._trustee.index_key(request.epoch, now_ms()))
        return trustee_service_pb2.GetIndexKeyResponse(public_key=key, roster_version=version)

    async def malformed(self, caller: str, method: str) -> None:
        """Bytes that are no message were refused."""
        await self.in_store(lambda: self._trustee.store.audit(now_ms(), Event.CALL_MALFORMED, caller, method))

    async def require_hub(self, context: Context) -> None:
        """End the call unless it comes from the accepted hub."""
        try:
            caller = pki.peer_name({name: tuple(values) for name, values in context.auth_context().items()})
        except PkiError:
            caller = "?"
        if caller != names.HUB:
            await self.in_store(lambda: self._trustee.store.audit(now_ms(), Event.CALLER_REFUSED, caller))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not-the-hub: only the hub may call the trustee")

    async def decide(self, context: Context, work: Callable[[], _Result]) -> _Result:
        """Do work in the store's thread; a refusal ends the call."""
        try:
            return await self.in_store(work)
        except Refused as refusal:
            await abort(context, refusal)

    async def in_store(self, work: Callable[[], _Result]) -> _Result:
        """Do work in the store's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executors.store, work)

    async def compute(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        """Do work in a caller's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executors.callers, work, *arguments)

    async def _evaluate(self, context: Context, elements: tuple[bytes, ...]) -> Evaluation:
        roster = self._trustee.roster
        half = self._trustee.half_key(roster.epoch) if roster is not None else None
        if half is None:
            await abort(context, Refused("no-roster", "the trustee holds no key of this epoch"))
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executors.callers, evaluate_half, half, elements, self._executors.cores
            )
        except OprfError as error:
            await abort(context, Refused("malformed", str(error)))


async def abort(context: Context, refusal: Refused) -> NoReturn:
    """End the call with the status that a refusal has."""
    code = grpc.StatusCode.UNAUTHENTICATED
    if isinstance(refusal, Spent):
        code = grpc.StatusCode.RESOURCE_EXHAUSTED
    elif isinstance(refusal, NotAdmitted) or refusal.reason in {
        "no-roster",
        "wrong-epoch",
        "wrong-version",
        "abandoned",
        "asked-before",
        "differencing",
    }:
        code = grpc.StatusCode.FAILED_PRECONDITION
    elif refusal.reason in {"malformed", "oversized"}:
        code = grpc.StatusCode.INVALID_ARGUMENT
    elif refusal.reason in {"not-a-member", "suspended"}:
        code = grpc.StatusCode.PERMISSION_DENIED
    _log.info("refused: %s", refusal.reason)
    await context.abort(code, f"{refusal.reason}: {refusal}")


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000
