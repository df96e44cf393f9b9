"""A hub without its process: a real database, members with real keys, and a clock that only goes when it is told to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import Connection

from waypost.crypto.envelope import SigningKey, sign, verify_signatures
from waypost.crypto.freshness import Header, header_to_proto, new_header
from waypost.crypto.sealing import SealingKey
from waypost.hub import answers, index, mailbox, members, routing
from waypost.hub.coverage import Coverages
from waypost.hub.database import open_engine
from waypost.hub.mailbox import Mail, MailKind
from waypost.hub.members import MemberRow
from waypost.protocol import limits, names
from waypost.protocol.commitments import Opening, commit
from waypost.protocol.roster import Member, Roster
from waypost.v1 import check_pb2, envelope_pb2, roster_pb2

NOW_MS = 1_800_000_000_000
ASKER, HOLDER, OTHER, POST, BODY = "CA9900100", "NV9900200", "AZ9900300", "OR9900800", "WA9900700"
ROLES = {
    ASKER: roster_pb2.ROLE_AGENCY,
    HOLDER: roster_pb2.ROLE_AGENCY,
    OTHER: roster_pb2.ROLE_AGENCY,
    POST: roster_pb2.ROLE_POST,
    BODY: roster_pb2.ROLE_CREDENTIALING_BODY,
}
EPOCH = 1
SEALING = SealingKey.generate().public
_Result = TypeVar("_Result")


@dataclass
class Asked:
    """A check as the asker made it: the signed request, and its openings in slot order."""

    envelope: envelope_pb2.Envelope
    openings: tuple[Opening, ...]

    @property
    def content(self) -> check_pb2.CheckRequest:
        return check_pb2.CheckRequest.FromString(self.envelope.payload)

    @property
    def id(self) -> bytes:
        return self.content.header.message_id

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.envelope.payload).digest()


@dataclass
class HubWorld:
    """The members of ROLES, all active but those in `suspended`."""

    folder: Path
    now_ms: int = NOW_MS
    suspended: set[str] = field(default_factory=set)
    hub: SigningKey = field(default_factory=SigningKey.generate)
    keys: dict[str, SigningKey] = field(default_factory=lambda: {ori: SigningKey.generate() for ori in ROLES})

    coverages: Coverages = field(default_factory=Coverages)

    def __post_init__(self) -> None:
        self.engine = open_engine(f"sqlite:///{self.folder / 'hub.db'}", create=True)
        active = roster_pb2.MEMBER_STATUS_ACTIVE
        for ori, role in ROLES.items():
            row = MemberRow(ori, f"Agency {ori}", ori[:2], role, active, self.keys[ori].public, SEALING)
            self.do(lambda connection, row=row: members.put_member(connection, row, b"", NOW_MS))  # type: ignore[misc]

    def close(self) -> None:
        self.engine.dispose()

    def do(self, work: Callable[[Connection], _Result]) -> _Result:
        """One transaction, as the hub makes it: taken back when it raises."""
        with self.engine.begin() as connection:
            return work(connection)

    def roster(self) -> Roster:
        on, off = roster_pb2.MEMBER_STATUS_ACTIVE, roster_pb2.MEMBER_STATUS_SUSPENDED
        entries = {
            ori: Member(ori, ori, ori[:2], role, off if ori in self.suspended else on, self.keys[ori].public, b"", 1)
            for ori, role in ROLES.items()
        }
        return Roster(
            header=Header(bytes(16), names.HUB, "*", self.now_ms, self.now_ms + limits.ROSTER_LIFETIME_MS),
            version=7,
            members=MappingProxyType(entries),
            hub_signing_key=self.hub.public,
            trustee_signing_key=bytes(32),
            epoch=EPOCH,
            hub_index_key=bytes(32),
            trustee_index_key=bytes(32),
            policy_floor="",
            previous_digest=b"",
            payload_digest=bytes(32),
        )

    # What members do

    def signed(self, ori: str, kind: str, payload: bytes, key: SigningKey | None = None) -> envelope_pb2.Envelope:
        return sign(kind, payload, key or self.keys[ori])

    def register(self, ori: str, tokens: Sequence[bytes]) -> None:
        def work(connection: Connection) -> None:
            member_id = members.member_id(connection, ori)
            index.register(connection, member_id, EPOCH, tokens, [])
            index.set_agreed(connection, member_id, EPOCH, self.now_ms)

        self.do(work)

    def ask(
        self, tokens: Sequence[bytes] = (), *, sender: str = ASKER, key: SigningKey | None = None, **content: Any
    ) -> Asked:
        """A lawful hiring check, but for what `content` and `key` say otherwise."""
        openings = commit(tokens)
        header = new_header(sender=sender, audience=names.HUB, now_ms=self.now_ms, lifetime_ms=limits.CHECK_LIFETIME_MS)
        fields = {
            "header": header_to_proto(header),
            "epoch": EPOCH,
            "purpose": check_pb2.PURPOSE_HIRING,
            "authorization_digest": hashlib.sha256(b"signed").digest(),
            "authorization_reference": "AUTH-1",
            "staff_reference": "BG-07",
            "answer_public_key": SEALING,
            "commitments": [opening.commitment for opening in openings],
        }
        request = check_pb2.CheckRequest(**{**fields, **content})
        return Asked(self.signed(sender, names.CHECK_REQUEST, request.SerializeToString(), key), openings)

    def submit(self, asked: Asked, *, caller: str = ASKER) -> check_pb2.Receipt:
        """What the hub says to a submission, and does by it."""
        openings = [check_pb2.TokenOpening(slot=o.slot, salt=o.salt, token=o.token) for o in asked.openings]
        roster = self.roster()
        check = routing.open_check(asked.envelope, openings, caller=caller, roster=roster, now_ms=self.now_ms)
        receipt, _ = self.do(
            lambda connection: routing.accept_check(
                connection, check, roster=roster, coverages=self.coverages, key=self.hub, now_ms=self.now_ms
            )
        )
        return self.opened(receipt)

    def answer(self, asked: Asked, ori: str = HOLDER, **content: Any) -> envelope_pb2.Envelope:
        """A member's answer to a check; the hub does not read what it says."""
        header = new_header(sender=ori, audience=ASKER, now_ms=self.now_ms, lifetime_ms=limits.ANSWER_LIFETIME_MS)
        fields = {
            "header": header_to_proto(header),
            "check_id": asked.id,
            "request_digest": asked.digest,
            "sealed_body": os.urandom(64),
        }
        return self.signed(ori, names.ANSWER, check_pb2.Answer(**{**fields, **content}).SerializeToString())

    def give(self, envelope: envelope_pb2.Envelope, *, caller: str = HOLDER) -> str | None:
        """A member's answer comes up its link."""
        return self.do(
            lambda connection: answers.accept_answer(
                connection, envelope, caller=caller, roster=self.roster(), key=self.hub, now_ms=self.now_ms
            )
        )

    # What members find

    def mail(self, ori: str) -> list[Mail]:
        return self.do(lambda connection: mailbox.waiting(connection, ori, 0, 100))

    def queries(self, ori: str) -> list[check_pb2.RoutedQuery]:
        return [mail.to_proto().query for mail in self.mail(ori) if mail.kind is MailKind.QUERY]

    def messages(self, ori: str, kind: str) -> list[envelope_pb2.Envelope]:
        found = (mail.to_proto().message for mail in self.mail(ori) if mail.kind is MailKind.MESSAGE)
        return [message for message in found if message.payload_type == kind]

    def receipts(self, ori: str = ASKER) -> list[check_pb2.Receipt]:
        return [self.opened(envelope) for envelope in self.messages(ori, names.RECEIPT)]

    def opened(self, receipt: envelope_pb2.Envelope) -> check_pb2.Receipt:
        verified = verify_signatures(receipt, (self.hub.public,), required=1, expected_type=names.RECEIPT)
        return check_pb2.Receipt.FromString(verified.payload)

    def take_mail(self, ori: str) -> None:
        """The member takes all of it."""
        for mail in self.mail(ori):
            self.do(lambda connection, mail=mail: mailbox.take(connection, ori, mail.mail_id))  # type: ignore[misc]
