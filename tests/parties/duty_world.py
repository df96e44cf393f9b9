"""Two members with real stores, real messages between them, and a hub that is no more than its key. All synthetic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from waypost.crypto.envelope import SigningKey, countersign, parse_envelope, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.sealing import SealingKey
from waypost.node import answering, asking, details, disputing, messages, noticing
from waypost.node.applicants import Inquiry
from waypost.node.due_process import Windows
from waypost.node.persons import PartialDate, Person, PersonName
from waypost.node.policy import PolicyEngine
from waypost.node.receiver import Receiver
from waypost.node.records import (
    Appeal,
    ConductKind,
    ConductRecord,
    Employment,
    FairProcess,
    Hearing,
    RecordStatus,
)
from waypost.node.results import Result, result_of
from waypost.node.store import OfficerEmployment, OfficerTokens, Store
from waypost.protocol import floor, limits, names
from waypost.protocol.roster import Member, Roster, parse_roster
from waypost.v1 import check_pb2, envelope_pb2, roster_pb2

NOW_MS = 1_800_000_000_000
TODAY: date = datetime.fromtimestamp(NOW_MS / 1000, UTC).date()
OWNER, ASKER = "NV9900900", "CA9900100"
SCHEMES = ("ssn", "name-date", "cert-given")
PERSON = Person(names=(PersonName("Delacroix", "Kathryn", "Anne"),), date_of_birth=PartialDate(1988, 3, 14))
JOB = Employment(OWNER, "Officer", True, TODAY - timedelta(days=4000))
FAIR = FairProcess(
    notice_on=TODAY - timedelta(days=400),
    hearing=Hearing.HELD,
    decided_by="Commission",
    decided_on=TODAY - timedelta(days=300),
    appeal=Appeal.NONE,
    final_on=TODAY - timedelta(days=250),
    told_on=TODAY - timedelta(days=200),
)
RECORD = ConductRecord(
    record_key="NVPOST-17",
    version=1,
    kind=ConductKind.EXCESSIVE_FORCE_FINDING,
    occurred_on=TODAY - timedelta(days=420),
    effective_on=TODAY - timedelta(days=300),
    summary="Struck a handcuffed person.",
    force_type=None,
    force_outcome=None,
    amount_cents=0,
    authority="Demonstration POST Board",
    fair_process=FAIR,
    status=RecordStatus.ACTIVE,
)


@dataclass
class Party:
    """A member: its keys, its store, and its own policy files."""

    ori: str
    role: roster_pb2.Role.ValueType
    store: Store
    key: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    local: tuple[tuple[str, str], ...] = ()
    readable: bool = True

    def own(self) -> answering.Self:
        policies = PolicyEngine(floor.text(), self.local) if self.readable else None
        return answering.Self(self.ori, self.key, policies, Windows())


class World:
    """An owner that holds one officer with RECORD, and an asker; the clock only goes when it is told to."""

    def __init__(self, folder: Path, record: ConductRecord = RECORD) -> None:
        self.now_ms = NOW_MS
        self.folder = folder
        self.hub = SigningKey.generate()
        self.owner = Party(OWNER, roster_pb2.ROLE_POST, Store.open(folder / "owner.db", bytes(32)))
        self.asker = Party(ASKER, roster_pb2.ROLE_AGENCY, Store.open(folder / "asker.db", bytes(range(32))))
        self.tokens = [hashlib.sha256(bytes([number])).digest()[:16] for number in range(len(SCHEMES))]
        self.inactive: frozenset[str] = frozenset()
        self._hold(record)

    def close(self) -> None:
        self.owner.store.close()
        self.asker.store.close()

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now_ms / 1000, UTC).date()

    def pass_days(self, days: int) -> None:
        self.now_ms += days * limits.DAY_MS

    def _hold(self, record: ConductRecord) -> None:
        store = self.owner.store
        with store.writing():
            batch = store.imports.begin(NOW_MS)
            (self.officer_id,) = store.officers.add([("K-1", PERSON)], batch).values()
            store.employment.put([OfficerEmployment(self.officer_id, JOB)], batch)
            store.conduct.put([(self.officer_id, record)], batch)
        tokens = tuple(zip(SCHEMES, self.tokens, strict=True))
        store.tokens.replace([OfficerTokens(self.officer_id, 1, tokens)], 1)

    def roster(self) -> Roster:
        return parse_roster(self.roster_payload())

    def roster_payload(self) -> bytes:
        header = new_header(sender=names.HUB, audience="*", now_ms=self.now_ms, lifetime_ms=limits.ROSTER_LIFETIME_MS)
        members = sorted((self.owner, self.asker), key=lambda party: party.ori)
        payload = roster_pb2.Roster(
            header=header_to_proto(header),
            version=1,
            members=[self._entry(party) for party in members],
            hub_signing_key=self.hub.public,
            trustee_signing_key=bytes(range(32)),
            index_keys=roster_pb2.IndexKeys(epoch=1, hub_public_key=bytes(32), trustee_public_key=bytes(32)),
            policy_floor=floor.text(),
        )
        return payload.SerializeToString()

    def _entry(self, party: Party) -> roster_pb2.Member:
        gone = party.ori in self.inactive
        return roster_pb2.Member(
            ori=party.ori,
            name=f"Agency {party.ori}",
            state=party.ori[:2],
            role=party.role,
            status=roster_pb2.MEMBER_STATUS_SUSPENDED if gone else roster_pb2.MEMBER_STATUS_ACTIVE,
            signing_public_key=party.key.public,
            sealing_key_digest=hashlib.sha256(party.sealing.public).digest(),
            key_since_version=1,
        )

    def member(self, party: Party) -> Member:
        return self.roster().members[party.ori]

    def receiver(self, party: Party) -> Receiver:
        return Receiver(
            ori=party.ori,
            hub_key=self.hub.public,
            key=party.key,
            sealing_key=party.sealing,
            roster=self.roster(),
            policies=None,
            windows=Windows(),
            now_ms=self.now_ms,
        )

    # A whole check

    def ask(self) -> bytes:
        """The asker asks about the officer, and the owner answers; the check's id."""
        routed = self.asked()
        answering.answer(
            self.owner.store, routed, own=self.owner.own(), roster=self.roster(), now_ms=self.now_ms, today=self.today
        )
        self.deliver()
        return check_pb2.CheckRequest.FromString(routed.request.payload).header.message_id

    def asked(self) -> check_pb2.RoutedQuery:
        """The asker asks about the officer, and has the first receipt; what the hub routes to the owner."""
        inquiry = Inquiry(PERSON, "hiring", "AUTH-1", hashlib.sha256(b"signed").digest(), "BG-07")
        check = asking.new_check(inquiry, self.now_ms)
        self.asker.store.checks.add(check)
        ready = asking.make_ready(
            check, inquiry, self.tokens, ori=ASKER, epoch=1, key=self.asker.key, now_ms=self.now_ms
        )
        self.asker.store.checks.update(ready)
        submitted = asking.submission(ready)
        receipt = self.receipt(submitted.request.payload)
        asking.take_receipt(self.asker.store, receipt, own=asking.Asker(ASKER, self.hub.public), now_ms=self.now_ms)
        return check_pb2.RoutedQuery(
            request=countersign(submitted.request, self.hub),
            openings=[opening for opening in submitted.openings if opening.token in self.tokens],
        )

    def receipt(
        self, request: bytes, *, sequence: int = 1, answer: envelope_pb2.Envelope | None = None
    ) -> envelope_pb2.Envelope:
        """The hub's receipt for a request of the asker's: the owner matched, and has given that answer or none yet."""
        header = new_header(sender="hub", audience=ASKER, now_ms=self.now_ms, lifetime_ms=limits.RECEIPT_LIFETIME_MS)
        check = check_pb2.CheckRequest.FromString(request)
        part = check_pb2.Response(ori=OWNER, state=check_pb2.RESPONSE_STATE_PENDING)
        if answer is not None:
            part.state = check_pb2.RESPONSE_STATE_ANSWERED
            part.answer_digest = hashlib.sha256(answer.payload).digest()
        receipt = check_pb2.Receipt(
            header=header_to_proto(header),
            check_id=check.header.message_id,
            request_digest=hashlib.sha256(request).digest(),
            roster_version=1,
            accepted_at_ms=check.header.issued_at_ms,
            coverage=check_pb2.Coverage(members=1, current=1),
            responses=[part],
            sequence=sequence,
        )
        return sign(names.RECEIPT, receipt.SerializeToString(), self.hub)

    # Mail, as the hub would pass it

    def posts(self, party: Party) -> list[envelope_pb2.Envelope]:
        """What waits in a member's outbox, taken out of it as accepted."""
        envelopes = []
        for message in party.store.outbox.waiting(100):
            envelopes.append(parse_envelope(message.envelope))
            messages.settle(party.store, message.id, accepted=True, reason="", now_ms=self.now_ms)
        return envelopes

    def deliver(self) -> None:
        """Carry all mail to and fro until nothing waits."""
        for _ in range(4):
            for sender, receiver in ((self.owner, self.asker), (self.asker, self.owner)):
                for envelope in self.posts(sender):
                    messages.take(receiver.store, envelope, self.receiver(receiver))

    def make_notices(self) -> None:
        """What the owner's task does."""
        store = self.owner.store
        details.owe_changed(store, self.now_ms, 100)
        disputing.note_overdue(store, self.today, now_ms=self.now_ms)
        for owed in store.notices.due(self.now_ms, 100):
            recipient = self.owner if owed.recipient == OWNER else self.asker
            noticing.make(
                store,
                owed,
                own=self.owner.own(),
                recipient=self.member(recipient),
                sealing_public_key=recipient.sealing.public,
                roster=self.roster(),
                now_ms=self.now_ms,
                today=self.today,
            )

    def tell(self) -> None:
        """Make the notices that are owed, and deliver them."""
        self.make_notices()
        self.deliver()

    def result(self, check_id: bytes) -> Result:
        """What the asker shows of a check."""
        store = self.asker.store
        check = store.checks.get(check_id)
        assert check is not None
        return result_of(check, store.checks.answers(check_id), store.notices.standing_of(OWNER))


def with_facts(**facts: object) -> ConductRecord:
    """RECORD with other fair-process facts."""
    return replace(RECORD, fair_process=replace(FAIR, **facts))  # type: ignore[arg-type]
