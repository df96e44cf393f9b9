"""The country's members, made by the parties' own code in steps of many members instead of one roster a member.

Enrolling one by one makes a roster of all members each time: with 18,000 that is 160 million entries to write, sign
and read twice. So invitations, applications, the trustee's judgement and both signatures are the real ones, and only
the transport is left out: an application and its approval are calls within this process, before hub and trustee start.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import _parties
from _parties import Messages, Parties, now_ms

from waypost.crypto import pki
from waypost.crypto.envelope import SigningKey, sign
from waypost.crypto.freshness import header_to_proto, new_header
from waypost.crypto.keystore import Keystore
from waypost.crypto.serving import utc_now
from waypost.hub import invitations as hub_invitations
from waypost.hub import members as hub_members
from waypost.hub import registrar, settings
from waypost.hub.daemon import IndexKeys
from waypost.hub.database import open_engine
from waypost.protocol import limits, names
from waypost.protocol.joincode import JoinCode
from waypost.protocol.roster import Roster, parse_roster
from waypost.trustee import settings as trustee_settings
from waypost.trustee.service import Trustee
from waypost.trustee.store import Store
from waypost.v1 import envelope_pb2, roster_pb2

STEP = 1_500
"""Members of one proposal: their applications and the roster stay within the bound on a signed message."""
STATES = ("AL", "AZ", "CA", "CO", "FL", "GA", "IL", "IN", "MA", "MI", "MN", "NC", "NJ", "NV", "NY", "OH", "PA", "TX")


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place on the link: what its client needs."""

    ori: str
    seed: bytes
    tls_key: bytes
    certificate: bytes

    def to_json(self) -> str:
        return json.dumps([self.ori, self.seed.hex(), self.tls_key.decode(), self.certificate.decode()])

    @classmethod
    def from_json(cls, line: str) -> Seat:
        ori, seed, tls_key, certificate = json.loads(line)
        return cls(ori, bytes.fromhex(seed), tls_key.encode(), certificate.encode())


@dataclass(frozen=True, slots=True)
class Founded:
    """The members in the order of their row ids, the hub's authority (PEM), and the roster's size and version."""

    seats: list[Seat]
    authority: bytes
    roster_version: int
    roster_bytes: int


def ori_of(number: int) -> str:
    return f"{STATES[number % len(STATES)]}99{number:05}"


def found(parties: Parties, count: int) -> Founded:
    """Make `count` members: in the hub's tables, in both parties' rosters, with keys and certificates."""
    home = settings.Home(parties.hub.home)
    keystore = Keystore.open(home.keys, _parties.PASSPHRASE)
    authority = pki.CertificateAuthority.from_bytes(keystore.get("ca"))
    founding = _Founding(parties, keystore)
    seats: list[Seat] = []
    with ThreadPoolExecutor() as pool:
        for start in range(0, count, STEP):
            fresh = list(pool.map(lambda n: Messages(ori_of(n)), range(start, min(start + STEP, count))))
            founding.admit(fresh)
            seats += pool.map(lambda each: _seat(each, authority), fresh)
    founding.close()
    assert founding.roster is not None
    return Founded(seats, authority.certificate_pem, founding.roster.version, founding.roster_bytes)


def _seat(member: Messages, authority: pki.CertificateAuthority) -> Seat:
    request = pki.make_csr(member.tls_key, member.ori)
    certificate = authority.issue(request, name=member.ori, server=False, now=utc_now())
    return Seat(member.ori, member.signing.seed, member.tls_key, certificate)


class _Founding:
    def __init__(self, parties: Parties, keystore: Keystore) -> None:
        home, trustee = settings.Home(parties.hub.home), trustee_settings.Home(parties.trustee.home)
        self._engine = open_engine(settings.database_url(home, settings.read_settings(home)))
        self._key = SigningKey.from_seed(keystore.get("signing"))
        identity = settings.read_trustee(home.trustee)
        self._roots = IndexKeys(keystore, identity, {1: identity.index_key}).roots(self._key.public, 1)
        trustee_keys = Keystore.open(trustee.keys, _parties.PASSPHRASE)
        self._store = Store(trustee.database)
        self._trustee = Trustee(trustee_keys, self._store, trustee_settings.read_hub(trustee.hub))
        self._rows: list[hub_members.MemberRow] = []
        self.roster: Roster | None = None
        self.roster_bytes = 0

    def admit(self, fresh: Sequence[Messages]) -> None:
        """Invite, admit, judge, sign and adopt."""
        moment = now_ms()
        applications = list(self._applications(fresh, moment))
        contents = [hub_members.read_application(each) for each in applications]
        self._rows += [hub_members.member_of(each) for each in contents]
        with self._store.transaction():
            self._store.admit([each.ori for each in contents], moment)
        proposed = hub_members.make_roster(self._rows, self._roots, self.roster, self._key, moment)
        header = new_header(sender=names.HUB, audience=names.TRUSTEE, now_ms=moment, lifetime_ms=limits.HOUR_MS)
        content = roster_pb2.RosterProposal(header=header_to_proto(header), roster=proposed, applications=applications)
        signed = self._trustee.cosign(sign(names.ROSTER_PROPOSAL, content.SerializeToString(), self._key), moment)
        roster = parse_roster(signed.payload)
        proposal = registrar._Proposal(proposed, None, None)
        with self._engine.begin() as connection:
            registrar._adopt(connection, signed, roster, proposal, moment)
            for each, application in zip(contents, applications, strict=True):
                row = hub_members.member_of(each)
                hub_members.put_member(connection, row, application.SerializeToString(), moment)
        self.roster, self.roster_bytes = roster, len(signed.SerializeToString())

    def _applications(self, fresh: Sequence[Messages], moment: int) -> Iterator[envelope_pb2.Envelope]:
        with self._engine.begin() as connection:
            for member in fresh:
                ori, name = member.ori, f"Synthetic Police Department {member.ori}"
                invitation = hub_invitations.Invitation(ori, name, ori[:2], roster_pb2.ROLE_AGENCY)
                secret = hub_invitations.invite(connection, invitation, moment, limits.DAY_MS)
                code = JoinCode(
                    secret, bytes(32), bytes(32), bytes(32), 1, 1, ori, ori[:2], roster_pb2.ROLE_AGENCY, name, "x"
                )
                application = member.application(code)
                digest, invited = hub_invitations.open_invitation(connection, secret, moment)
                hub_members.open_application(application, digest, invited, moment)
                yield application

    def close(self) -> None:
        self._store.close()
        self._engine.dispose()


def write_seats(path: Path, seats: Sequence[Seat]) -> None:
    """For the clients; the file holds throw-away keys and goes with its folder."""
    path.touch(mode=0o600)
    path.write_text("".join(seat.to_json() + "\n" for seat in seats))


def read_seats(path: Path) -> list[Seat]:
    with path.open() as lines:
        return [Seat.from_json(line) for line in lines]
