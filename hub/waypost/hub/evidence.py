"""The evidence of compliance, read from the hub's database and verified again, whatever the tables say.

1. The hub's own facts and days bear the hub's signature.
2. A member's fact bears the signature of the key that the roster named by its acceptance has for its author; that
   roster bears both roots' signatures.
3. Its acceptance bears the hub's signature and names the fact's digest; its time is when the fact began to count.
4. What does not verify does not count, and is told.

The roster of a past day is the newest one issued by its end, found by bisection: versions and times rise together. A
roster says since which version each key stands, so the newest one tells most keys of earlier versions, too; only where
a key has changed since is the roster of that time opened.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from sqlalchemy import Connection, Row, select

from waypost.crypto.envelope import Verified, parse_envelope, verify_signatures
from waypost.crypto.errors import CryptoError
from waypost.crypto.freshness import header_from_payload
from waypost.hub import schema
from waypost.hub.compliance import Agency, Evidence
from waypost.hub.credentials import Counted
from waypost.hub.errors import Refused
from waypost.hub.limits import ROSTERS_OPENED_MAX, SILENT_DAYS
from waypost.protocol import names
from waypost.protocol.errors import ProtocolError
from waypost.protocol.facts import ReconciliationDay, fact_digest, parse_fact
from waypost.protocol.roster import Roster, open_roster
from waypost.v1 import compliance_pb2, roster_pb2


@dataclass(frozen=True, slots=True)
class Broken:
    """A stored fact that does not verify."""

    author: str
    digest: bytes


@dataclass
class Rosters:
    """The hub's rosters by version; the ROSTERS_OPENED_MAX last used stay open."""

    connection: Connection
    hub_key: bytes
    trustee_key: bytes
    opened: OrderedDict[int, Roster] = field(default_factory=OrderedDict)

    @cached_property
    def versions(self) -> list[int]:
        """All versions that are kept, rising."""
        return list(self.connection.scalars(select(schema.rosters.c.version).order_by(schema.rosters.c.version)))

    def version(self, number: int) -> Roster | None:
        """The roster of that version, verified; None when it is not held or not signed by both."""
        if number not in self.opened:
            query = select(schema.rosters.c.envelope).where(schema.rosters.c.version == number)
            envelope = self.connection.scalar(query)
            if envelope is None:
                return None
            try:
                roster = open_roster(parse_envelope(envelope), hub_key=self.hub_key, trustee_key=self.trustee_key)
            except (CryptoError, ProtocolError):
                return None
            self.opened[number] = roster
            if len(self.opened) > ROSTERS_OPENED_MAX:
                self.opened.popitem(last=False)
        self.opened.move_to_end(number)
        return self.opened[number]

    def key_of(self, ori: str, number: int) -> bytes | None:
        """The signing key that the roster of that version has for a member; None when it has none."""
        newest = self.version(self.versions[-1]) if self.versions else None
        now = newest.member(ori) if newest is not None else None
        if newest is not None and now is not None and now.key_since_version <= number <= newest.version:
            return now.signing_public_key
        place = bisect_left(self.versions, number)  # the keys of one that is not kept are those of the next that is
        then = self.version(self.versions[place]) if place < len(self.versions) else None
        member = then.member(ori) if then is not None else None
        return member.signing_public_key if member is not None and member.key_since_version <= number else None

    def at(self, moment_ms: int) -> Roster | None:
        """The newest roster issued before that moment."""
        low, high = 0, len(self.versions)
        while low < high:
            middle = (low + high) // 2
            if self._issued_at_ms(self.versions[middle]) < moment_ms:
                low = middle + 1
            else:
                high = middle
        return self.version(self.versions[low - 1]) if low else None

    def _issued_at_ms(self, number: int) -> int:
        envelope = self.connection.scalar(select(schema.rosters.c.envelope).where(schema.rosters.c.version == number))
        return header_from_payload(parse_envelope(envelope or b"").payload).issued_at_ms


def read_evidence(rosters: Rosters, as_of: date) -> tuple[Evidence, list[Broken]]:
    """Everything that compliance on that day is computed from, and what did not verify."""
    connection, broken = rosters.connection, list[Broken]()
    ends = datetime.combine(as_of + timedelta(days=1), time(), UTC)
    roster = rosters.at(int(ends.timestamp() * 1000))
    new = _joined_since(connection, int((ends - timedelta(days=SILENT_DAYS)).timestamp() * 1000))
    agencies = () if roster is None else tuple(_agencies(roster, new))
    counted = []
    for row in connection.execute(select(schema.facts).order_by(schema.facts.c.id)):
        try:
            counted.append(_counted(row, rosters))
        except (CryptoError, ProtocolError, Refused):
            broken.append(Broken(row.author, row.digest))
    return Evidence(agencies, tuple(counted), tuple(_days(rosters, broken))), broken


def _joined_since(connection: Connection, moment_ms: int) -> frozenset[str]:
    """Members that joined since: the hub's own word, which only decides whether one is called silent."""
    table = schema.members
    return frozenset(connection.scalars(select(table.c.ori).where(table.c.joined_at_ms >= moment_ms)))


def _agencies(roster: Roster, new: frozenset[str]) -> list[Agency]:
    wanted = [member for member in roster.members.values() if member.role == roster_pb2.ROLE_AGENCY]
    return [Agency(member.ori, member.name, member.state, member.active, member.ori in new) for member in wanted]


def _counted(row: Row[tuple[object, ...]], rosters: Rosters) -> Counted:
    envelope = parse_envelope(row.envelope)
    if row.acceptance is None:  # rule 1
        verified = verify_signatures(envelope, (rosters.hub_key,), required=1, expected_type=row.type)
        _require(verified.header.sender == names.HUB)
        from_ms = verified.header.issued_at_ms
    else:
        version, from_ms = _acceptance(row.acceptance, fact_digest(envelope.payload), rosters)
        author = header_from_payload(envelope.payload).sender
        key = rosters.key_of(author, version)
        keys = () if key is None else (key,)
        verified = verify_signatures(envelope, keys, required=1, expected_type=row.type)  # rule 2
    return Counted(parse_fact(row.type, verified.payload), fact_digest(verified.payload), from_ms)


def _acceptance(content: bytes, digest: bytes, rosters: Rosters) -> tuple[int, int]:
    """Rule 3: the roster's version and the moment that an acceptance names."""
    verified: Verified = verify_signatures(
        parse_envelope(content), (rosters.hub_key,), required=1, expected_type=names.FACT_ACCEPTANCE
    )
    acceptance = compliance_pb2.FactAcceptance.FromString(verified.payload)
    _require(acceptance.fact_digest == digest)
    return acceptance.roster_version, verified.header.issued_at_ms


def _days(rosters: Rosters, broken: list[Broken]) -> list[ReconciliationDay]:
    days = []
    for content in rosters.connection.scalars(select(schema.reconciliation_days.c.envelope)):
        envelope = parse_envelope(content)
        try:
            verify_signatures(envelope, (rosters.hub_key,), required=1, expected_type=names.RECONCILIATION_DAY)
            day = parse_fact(names.RECONCILIATION_DAY, envelope.payload)
        except (CryptoError, ProtocolError):
            broken.append(Broken(names.HUB, fact_digest(envelope.payload)))
            continue
        if isinstance(day, ReconciliationDay):
            days.append(day)
    return days


def _require(holds: object) -> None:
    if not holds:
        raise Refused("wrong-signature", "a stored fact does not verify")
