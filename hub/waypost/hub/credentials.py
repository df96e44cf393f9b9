"""An agency's credential standing on a day (Executive Order 13929, section 2), from signed facts alone.

1. A credential holds from its issue to its expiry, unless its body revoked it by that day.
2. An application is in process from the body's confirmation until the day it names, or until the same body gives the
   agency a credential: then that says what there is to say.
3. Neither counts unless the body is certified on that day for the agency's state: the certification covers the day, and
   no withdrawal came after it.
4. Of several standings the best holds; among those that do not count, the one of the newest fact.

Credentialed and in process satisfy section 2(b): "have sought or are in the process of seeking appropriate
credentials".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from waypost.protocol.facts import (
    BodyCertification,
    BodyWithdrawal,
    Credential,
    CredentialProcess,
    CredentialRevocation,
    Fact,
    day_of,
)


@dataclass(frozen=True, slots=True)
class Counted:
    """A verified fact, the digest by which others name it, and since when it counts (milliseconds since 1970)."""

    fact: Fact
    digest: bytes
    from_ms: int

    @property
    def from_on(self) -> date:
        """The day since which it counts."""
        return day_of(self.from_ms)


class CredentialStanding(StrEnum):
    """How an agency stands; MEETS_2B are those that satisfy section 2(b)."""

    CREDENTIALED = "credentialed"
    IN_PROCESS = "in-process"
    BODY_NOT_CERTIFIED = "body-not-certified"
    REVOKED = "revoked"
    EXPIRED = "expired"
    NONE = "none"


MEETS_2B = frozenset({CredentialStanding.CREDENTIALED, CredentialStanding.IN_PROCESS})
_RANK = {
    CredentialStanding.CREDENTIALED: 2,
    CredentialStanding.IN_PROCESS: 1,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing, by which body, and until when (None: over, or there is none)."""

    standing: CredentialStanding
    body: str = ""
    until: date | None = None
    topics: tuple[int, ...] = ()


@dataclass(slots=True)
class Books:
    """The credentials' facts that count on a day, by whom they are about."""

    as_of: date
    certifications: dict[str, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    withdrawals: dict[str, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    credentials: dict[str, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    processes: dict[str, list[Counted]] = field(default_factory=lambda: defaultdict(list))
    revoked: dict[bytes, str] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Iterable[Counted], as_of: date) -> Books:
        """Sort the facts; those that count later than that day are left out."""
        books = cls(as_of)
        for counted in facts:
            if counted.from_on <= as_of:
                books._enter(counted)
        return books

    def _enter(self, counted: Counted) -> None:
        match counted.fact:
            case BodyCertification() as fact:
                self.certifications[fact.body_ori].append(counted)
            case BodyWithdrawal() as fact:
                self.withdrawals[fact.body_ori].append(counted)
            case Credential() as fact:
                self.credentials[fact.agency_ori].append(counted)
            case CredentialProcess() as fact:
                self.processes[fact.agency_ori].append(counted)
            case CredentialRevocation() as fact:
                self.revoked[fact.credential_digest] = fact.author

    def certification(self, body: str, state: str = "") -> BodyCertification | None:
        """The certification that a body has on the day, for a state's agencies (rule 3); the longest of several."""
        withdrawn_ms = max((counted.from_ms for counted in self.withdrawals.get(body, ())), default=-1)
        in_force = [
            counted.fact
            for counted in self.certifications.get(body, ())
            if isinstance(counted.fact, BodyCertification)
            and counted.from_ms > withdrawn_ms
            and counted.fact.from_on <= self.as_of <= counted.fact.to_on
            and (not state or not counted.fact.states or state in counted.fact.states)
        ]
        return max(in_force, key=lambda fact: fact.to_on, default=None)

    def standing(self, ori: str, state: str) -> Standing:
        """An agency's standing on the day (rule 4)."""
        found = [(counted.from_ms, self._credential(counted, state)) for counted in self.credentials.get(ori, ())]
        found += [
            (counted.from_ms, self._process(counted, state))
            for counted in self.processes.get(ori, ())
            if not self._superseded(counted, ori)
        ]
        best = max(found, key=lambda each: (_RANK.get(each[1].standing, 0), each[0]), default=None)
        return Standing(CredentialStanding.NONE) if best is None else best[1]

    def _credential(self, counted: Counted, state: str) -> Standing:
        fact = counted.fact
        assert isinstance(fact, Credential)  # noqa: S101 - `_enter` put nothing else there
        kind = CredentialStanding.CREDENTIALED
        if self.revoked.get(counted.digest) == fact.author:  # rule 1
            kind = CredentialStanding.REVOKED
        elif fact.expires_on < self.as_of:
            kind = CredentialStanding.EXPIRED
        elif self.certification(fact.author, state) is None:  # rule 3
            kind = CredentialStanding.BODY_NOT_CERTIFIED
        return Standing(kind, fact.author, fact.expires_on, fact.topics)

    def _process(self, counted: Counted, state: str) -> Standing:
        fact = counted.fact
        assert isinstance(fact, CredentialProcess)  # noqa: S101 - as above
        kind = CredentialStanding.IN_PROCESS
        if fact.valid_until < self.as_of:
            kind = CredentialStanding.EXPIRED
        elif self.certification(fact.author, state) is None:
            kind = CredentialStanding.BODY_NOT_CERTIFIED
        return Standing(kind, fact.author, fact.valid_until)

    def _superseded(self, process: Counted, ori: str) -> bool:
        """Rule 2."""
        return any(
            credential.fact.author == process.fact.author and credential.from_ms >= process.from_ms
            for credential in self.credentials.get(ori, ())
        )
