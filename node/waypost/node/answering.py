"""Answering a check: from a routed query to a sealed answer in the outbox. One transaction, no network.

1. The request bears the signatures of the asker (an active member of the roster) and of the hub over the same bytes,
   is of its type, addressed to the hub, and in its time; the roster has not expired.
2. Every opening fits its commitment, and the epoch is the roster's.
3. At least one opened token is this node's own; a query without one is refused, and nothing leaves.
4. A request that was answered before changes nothing: its answer waits in the outbox, or the hub has it. The query is
   kept beside a waiting answer, so that it can be answered anew when a record changes before it leaves (unsent.py).
5. Each officer the tokens stand for is weighed by the schemes that agree. Below the threshold nothing of him leaves.
6. Fair process is asked of each record, then policy of the officer and of each record.
7. The disclosure log and the outbox are written in the same transaction, before anything leaves.
8. The answer is sealed to the request's one-time key and padded to ANSWER_BYTES_MIN, so that none and ten records look
   alike to the hub.
9. A node that asks looks its own records up as well, by the same rules 5 to 7, and nothing of that leaves it: an
   applicant may come back to where he was.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from google.protobuf.message import DecodeError

from waypost.crypto.envelope import SigningKey, Verified, Verifier, parse_envelope, sign
from waypost.crypto.errors import EnvelopeError, SealingError
from waypost.crypto.freshness import MemoryReplayStore, header_to_proto, new_header
from waypost.crypto.sealing import SealingContext, seal
from waypost.node import details, wire
from waypost.node.audit import Event
from waypost.node.due_process import Windows
from waypost.node.errors import Refused
from waypost.node.policy import Asker, Decision, PolicyEngine
from waypost.node.policy_facts import PURPOSES, asker_of
from waypost.node.records import ConductRecord, Officer
from waypost.node.ruling import Ruling
from waypost.node.store import (
    AuditEntry,
    DisclosedRecord,
    Disclosure,
    KeptQuery,
    ReferralOffer,
    Store,
    StoredAnswer,
    StoredCheck,
    TokenHit,
)
from waypost.node.terms import OwnTerms
from waypost.node.weighing import Verdict, officers_in_reach, weigh
from waypost.protocol import limits, names
from waypost.protocol.commitments import Opening, verify_openings
from waypost.protocol.errors import ProtocolError
from waypost.protocol.roster import Member, Roster
from waypost.v1 import check_pb2, envelope_pb2

OUTBOX_ANSWER = "answer"
VERDICT_DECLINED = "declined"
"""In the disclosure log: policy forbade everything about the officer."""
_DIGEST_BYTES = 32
_REFERENCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Self:
    """Who answers: the node's ORI and signing key, its policies (None while they cannot be read), windows and terms."""

    ori: str
    key: SigningKey
    policies: PolicyEngine | None
    windows: Windows = field(default_factory=Windows)
    terms: OwnTerms = field(default_factory=OwnTerms)

    def ruling(self, roster: Roster, today: date) -> Ruling:
        """The node's rules on that day; Refused while a policy file cannot be read."""
        if self.policies is None:
            raise Refused("policy-unreadable", "a policy file cannot be read")
        member = roster.member(self.ori)
        state = member.state if member is not None else ""
        return Ruling(self.ori, state, self.policies, self.windows, today, self.terms)


@dataclass(frozen=True, slots=True)
class Query:
    """A verified query: the request, its digest, its asker, and the opened tokens."""

    request: check_pb2.CheckRequest
    digest: bytes
    asker: Member
    tokens: tuple[bytes, ...]


def answer(store: Store, routed: check_pb2.RoutedQuery, *, own: Self, roster: Roster, now_ms: int, today: date) -> bool:
    """Answer a routed query (rules 1 to 8): True when an answer was put into the outbox; Refused otherwise."""
    query = open_query(routed, roster=roster, now_ms=now_ms)
    header = query.request.header
    with store.writing():
        hits = store.tokens.lookup(query.tokens, roster.epoch)
        if not hits:
            raise Refused("holds-nothing", "none of the query's tokens is this node's")
        ruling = own.ruling(roster, today)
        if not store.replay.add(header.sender, header.message_id, header.expires_at_ms):
            return False  # rule 4
        kept = KeptQuery(routed.SerializeToString(), ())
        _put_out(store, query, hits, kept, roster, ruling=ruling, own=own, now_ms=now_ms)
    return True


def answer_again(
    store: Store,
    routed: check_pb2.RoutedQuery,
    kept: KeptQuery,
    *,
    own: Self,
    roster: Roster,
    now_ms: int,
    today: date,
) -> None:
    """Answer as the records stand now a query whose answer has not left (unsent.py); Refused when it counts no more.

    It was verified when it came. Should its asker have changed his key since, it still counts under the one of then.
    """
    query = open_query(routed, roster=roster, now_ms=now_ms, former=store.rosters.keys_of)
    with store.writing():
        hits = store.tokens.lookup(query.tokens, roster.epoch)
        _put_out(store, query, hits, kept, roster, ruling=own.ruling(roster, today), own=own, now_ms=now_ms)


def _put_out(
    store: Store,
    query: Query,
    hits: list[TokenHit],
    kept: KeptQuery,
    roster: Roster,
    *,
    ruling: Ruling,
    own: Self,
    now_ms: int,
) -> None:
    """Rules 5 to 8."""
    header = query.request.header
    decided = _decide_all(store, hits, query, ruling, roster)
    body = check_pb2.AnswerBody(
        candidates=[each.candidate for each in decided if each.candidate is not None],
        records_as_of_ms=store.imports.last_change_ms(),
    )
    envelope, digest = _sealed(body, query, own, now_ms)
    post_id = store.outbox.add(OUTBOX_ANSWER, header.message_id, envelope.SerializeToString(), now_ms)
    store.unsent.keep_query(post_id, kept)
    for each in decided:
        _enter(store, each, query, digest, now_ms)
        if each.candidate is not None and each.candidate.referral_reference:
            store.referrals.offer(_offer(each.candidate.referral_reference, each.officer_id, query, now_ms))
    disclosed = sum(each.verdict == Verdict.DISCLOSE for each in decided)
    event = Event.ANSWER_REMADE if kept.instead_of else Event.QUERY_ANSWERED
    store.audit.add(AuditEntry(now_ms, event, header.sender, f"{len(decided)} weighed, {disclosed} disclosed"))


def answer_own(
    store: Store, check: StoredCheck, tokens: Sequence[bytes], *, own: Self, roster: Roster, now_ms: int, today: date
) -> None:
    """Keep, beside the answers to come, what the asking node itself holds (rule 9), within the caller's transaction."""
    hits = store.tokens.lookup(tokens, roster.epoch)
    if not hits or own.policies is None:
        return
    payload = parse_envelope(check.envelope or b"").payload
    request, digest = check_pb2.CheckRequest.FromString(payload), hashlib.sha256(payload).digest()
    query = Query(request, digest, roster.active_member(own.ori), tuple(tokens))
    ruling = own.ruling(roster, today)
    decided = _decide_all(store, hits, query, ruling, roster)
    body = check_pb2.AnswerBody(
        candidates=[each.candidate for each in decided if each.candidate is not None],
        records_as_of_ms=store.imports.last_change_ms(),
    )
    for candidate in body.candidates:
        candidate.referral_reference = b""  # nobody needs to be asked
    content = body.SerializeToString()
    store.checks.add_answer(StoredAnswer(check.id, own.ori, content, b"", now_ms))
    for each in decided:
        _enter(store, each, query, hashlib.sha256(content).digest(), now_ms)


def open_query(
    routed: check_pb2.RoutedQuery,
    *,
    roster: Roster,
    now_ms: int,
    former: Callable[[str], frozenset[bytes]] = lambda _: frozenset(),
) -> Query:
    """Verify a query without any store (rules 1 and 2); `former` gives a member's earlier keys, where those count."""
    if roster.expired(now_ms):
        raise Refused("roster-expired", "the roster has expired", hint="the link to the hub brings a newer one")
    try:
        claimed = check_pb2.CheckRequest.FromString(routed.request.payload)
        asker = roster.active_member(claimed.header.sender)
        keys = former(asker.ori) | {asker.signing_public_key}
        verified = _verify(routed.request, asker.ori, _signer(routed.request, keys), roster, now_ms)
        openings = tuple(Opening(entry.slot, entry.salt, entry.token) for entry in routed.openings)
        verify_openings(claimed.commitments, openings)
    except DecodeError:
        raise Refused("malformed", "the query cannot be read") from None
    except (EnvelopeError, ProtocolError) as error:
        raise Refused(error.reason, f"the query was refused: {error}") from error
    if claimed.epoch != roster.epoch:
        raise Refused("wrong-epoch", "the query is of another index epoch")
    if claimed.purpose not in PURPOSES:
        raise Refused("purpose-not-allowed", "the query names no purpose")
    digest = hashlib.sha256(verified.payload).digest()
    return Query(claimed, digest, asker, tuple(opening.token for opening in openings))


def _signer(envelope: envelope_pb2.Envelope, keys: frozenset[bytes]) -> bytes:
    """Of an asker's keys the one that the request says it is signed with; any when it names none of them."""
    named = {signature.key_id for signature in envelope.signatures}
    return max(keys, key=lambda key: hashlib.sha256(key).digest() in named)


def _verify(envelope: envelope_pb2.Envelope, asker: str, asker_key: bytes, roster: Roster, now_ms: int) -> Verified:
    # Replay is judged later, within the transaction that answers (rule 4).
    return Verifier((names.HUB,), MemoryReplayStore()).verify(
        envelope,
        expected_type=names.CHECK_REQUEST,
        keys=(asker_key, roster.hub_signing_key),
        required=2,
        sender=asker,
        now_ms=now_ms,
    )


def _group(store: Store, hits: list[TokenHit]) -> list[tuple[Officer, frozenset[str]]]:
    agreeing: dict[int, set[str]] = defaultdict(set)
    for hit in hits:
        agreeing[hit.officer_id].add(hit.scheme)
    return [(officer, frozenset(agreeing[officer.id])) for officer in store.officers.get_many(sorted(agreeing))]


@dataclass(frozen=True, slots=True)
class _Decided:
    officer_id: int
    verdict: str
    records: tuple[ConductRecord, ...]
    policy_ids: tuple[str, ...]
    candidate: check_pb2.Candidate | None


def _decide_all(store: Store, hits: list[TokenHit], query: Query, ruling: Ruling, roster: Roster) -> list[_Decided]:
    officers = officers_in_reach(store.officers.ever_held(), len(roster.members))
    weighed = [
        (officer, agreeing, weigh(officer.person, agreeing, officers=officers).verdict)
        for officer, agreeing in _group(store, hits)
    ]
    return [_decide(officer, agreeing, verdict, query, ruling) for officer, agreeing, verdict in weighed]


def _decide(officer: Officer, agreeing: frozenset[str], verdict: Verdict, query: Query, ruling: Ruling) -> _Decided:
    if verdict is Verdict.NOTHING:
        return _Decided(officer.id, verdict, (), (), None)
    authorized = len(query.request.authorization_digest) == _DIGEST_BYTES
    asker = asker_of(query.asker, PURPOSES[query.request.purpose], authorized=authorized)
    whole = ruling.of_officer(asker, officer)
    if not whole.allowed:
        declined = check_pb2.Declined(records=0, policy_ids=whole.policy_ids)
        candidate = check_pb2.Candidate(verdict=check_pb2.VERDICT_DECLINED, declined=[declined])
        return _Decided(officer.id, VERDICT_DECLINED, (), whole.policy_ids, candidate)
    if verdict is Verdict.REFERRAL:
        reference = os.urandom(_REFERENCE_BYTES)
        candidate = check_pb2.Candidate(verdict=check_pb2.VERDICT_REFERRAL, referral_reference=reference)
        return _Decided(officer.id, verdict, (), whole.policy_ids, candidate)
    return _disclose(officer, agreeing, asker, ruling, whole)


def _disclose(officer: Officer, agreeing: frozenset[str], asker: Asker, ruling: Ruling, whole: Decision) -> _Decided:
    records: list[ConductRecord] = []
    declined: dict[tuple[str, ...], int] = defaultdict(int)
    ids = set(whole.policy_ids)
    for record in officer.conduct:
        decision = ruling.of_record(asker, record)
        if decision is None:
            continue  # section 3(b): not even counted
        if decision.allowed:
            records.append(record)
        else:
            declined[decision.policy_ids] += 1
        ids.update(decision.policy_ids)
    content = [ruling.content(asker, record) for record in records]
    candidate = wire.candidate_of(officer, content, ssn_agrees="ssn" in agreeing, declined=dict(declined))
    return _Decided(officer.id, Verdict.DISCLOSE, tuple(records), tuple(sorted(ids)), candidate)


def _sealed(body: check_pb2.AnswerBody, query: Query, own: Self, now_ms: int) -> tuple[envelope_pb2.Envelope, bytes]:
    request = query.request.header
    context = SealingContext(names.SEAL_ANSWER, own.ori, request.sender, request.message_id)
    try:
        sealed = seal(
            body.SerializeToString(), query.request.answer_public_key, context, minimum_bytes=limits.ANSWER_BYTES_MIN
        )
    except SealingError as error:
        raise Refused("malformed", f"the query's one-time key does not serve: {error}") from error
    header = new_header(sender=own.ori, audience=request.sender, now_ms=now_ms, lifetime_ms=limits.ANSWER_LIFETIME_MS)
    payload = check_pb2.Answer(
        header=header_to_proto(header), check_id=request.message_id, request_digest=query.digest, sealed_body=sealed
    ).SerializeToString()
    return sign(names.ANSWER, payload, own.key), hashlib.sha256(payload).digest()


def _offer(reference: bytes, officer_id: int, query: Query, now_ms: int) -> ReferralOffer:
    request = query.request
    return ReferralOffer(
        reference=reference,
        check_id=request.header.message_id,
        asker=query.asker.ori,
        officer_id=officer_id,
        purpose=PURPOSES[request.purpose],
        authorization_digest=request.authorization_digest,
        asker_reference=request.staff_reference,
        offered_at_ms=now_ms,
    )


def _enter(store: Store, decided: _Decided, query: Query, answer_digest: bytes, now_ms: int) -> None:
    """Rule 7; and what the asker was told of the officer himself, for it hears when that changes."""
    store.disclosures.add(_entry(decided, query, answer_digest, now_ms))
    if decided.candidate is not None and decided.candidate.verdict == check_pb2.VERDICT_DISCLOSED:
        details.note_told(store, query.asker.ori, decided.officer_id, decided.candidate)


def _entry(decided: _Decided, query: Query, answer_digest: bytes, now_ms: int) -> Disclosure:
    return Disclosure(
        at_ms=now_ms,
        check_id=query.request.header.message_id,
        asker=query.asker.ori,
        purpose=PURPOSES[query.request.purpose],
        authorization_digest=query.request.authorization_digest,
        asker_reference=query.request.staff_reference,
        officer_id=decided.officer_id,
        records=tuple(DisclosedRecord(record.record_key, record.version) for record in decided.records),
        policies=decided.policy_ids,
        verdict=decided.verdict,
        answer_digest=answer_digest,
    )
