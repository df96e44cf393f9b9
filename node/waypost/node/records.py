"""What a node holds about an officer: employments and conduct records (Executive Order 13929, section 3(a) and (b)).

1. A value that exists is possible: texts are bounded and printable, dates of one thing are in order. A wrong value
   raises RecordError, which names the canonical file's column.
2. Words are those of the canonical files, of record.proto (without its prefixes) and of the store: one spelling.
3. Whether a date lies in the future is not checked here, for these values know no clock: intake.py does.
4. Whether a record may be shared is not decided here: fairness.py does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from waypost.node.errors import RecordError
from waypost.node.limits import (
    AMOUNT_CENTS_MAX,
    AUTHORITY_CHARS_MAX,
    KEY_CHARS_MAX,
    RANK_CHARS_MAX,
    SUMMARY_CHARS_MAX,
    YEAR_MIN,
)
from waypost.node.persons import Person
from waypost.node.statements import Dispute, Statement
from waypost.protocol.names import valid_ori
from waypost.protocol.states import ORI_STATES

OFFICER_ID_ISSUER: Final = "US"
"""Issuer of the national officer id, an `Identifier` of kind "officer-id", in files and in checks alike."""


class SeparationKind(StrEnum):
    """How an employment ended; the kinds that state boards' files really tell apart."""

    RESIGNED = "resigned"
    RESIGNED_IN_LIEU = "resigned_in_lieu"
    """In lieu of termination."""
    RETIRED = "retired"
    RETIRED_IN_LIEU = "retired_in_lieu"
    TERMINATED_FOR_CAUSE = "terminated_for_cause"
    TERMINATED_OTHER = "terminated_other"
    """Probation, training, fitness."""
    LAID_OFF = "laid_off"
    TERM_ENDED = "term_ended"
    """A contract, or a term of office."""
    TRANSFERRED = "transferred"
    MEDICAL = "medical"
    DECEASED = "deceased"
    UNKNOWN = "unknown"
    """Separated; the source does not say how."""


class ConductKind(StrEnum):
    """What a conduct record is about: section 3(a) and (b), then what later federal practice added."""

    EXCESSIVE_FORCE_FINDING = "excessive_force_finding"
    TERMINATION = "termination"
    DECERTIFICATION = "decertification"
    CRIMINAL_CONVICTION = "criminal_conviction"
    CIVIL_JUDGMENT = "civil_judgment"
    RESIGNATION_UNDER_INVESTIGATION = "resignation_under_investigation"
    RETIREMENT_UNDER_INVESTIGATION = "retirement_under_investigation"
    SUSPENSION = "suspension"
    SUSTAINED_COMPLAINT = "sustained_complaint"
    COMMENDATION = "commendation"


class ForceType(StrEnum):
    """Force used, in the terms of the FBI's National Use-of-Force Data Collection; the choke hold is one of its own."""

    FIREARM = "firearm"
    ELECTRONIC_CONTROL_WEAPON = "electronic_control_weapon"
    EXPLOSIVE_DEVICE = "explosive_device"
    CHEMICAL_AGENT = "chemical_agent"
    """Pepper or OC spray, or another."""
    BATON = "baton"
    IMPACT_PROJECTILE = "impact_projectile"
    BLUNT_INSTRUMENT = "blunt_instrument"
    HANDS_FISTS_FEET = "hands_fists_feet"
    CANINE = "canine"
    CHOKE_HOLD = "choke_hold"
    """Section 2(c)(ii): a maneuver that restricts the ability to breathe for the purposes of incapacitation."""
    OTHER = "other"
    UNKNOWN = "unknown"


class ForceOutcome(StrEnum):
    """What the force led to."""

    DEATH = "death"
    SERIOUS_INJURY = "serious_injury"
    """Serious bodily injury, 18 U.S.C. 2246(4)."""
    INJURY = "injury"
    NONE = "none"


class CertificationAction(StrEnum):
    """What a decertification record did to the certification; `reinstated` ends an earlier one."""

    REVOKED = "revoked"
    SUSPENDED = "suspended"
    SURRENDERED = "surrendered"
    LAPSED = "lapsed"
    DENIED = "denied"
    REINSTATED = "reinstated"


class RecordStatus(StrEnum):
    """Whether a record stands."""

    ACTIVE = "active"
    CORRECTED = "corrected"
    """Stands, and replaces an earlier version of itself."""
    VOIDED = "voided"
    SEALED = "sealed"


class Hearing(StrEnum):
    """How a hearing stood."""

    HELD = "held"
    WAIVED = "waived"
    OFFERED_DECLINED = "offered_declined"
    NOT_OFFERED = "not_offered"


class Appeal(StrEnum):
    """How an appeal stands."""

    NONE = "none"
    """None was taken, and the time for it is over."""
    OPEN = "open"
    """The time for one still runs."""
    PENDING = "pending"
    UPHELD = "upheld"
    """Decided: the decision stands."""
    OVERTURNED = "overturned"


@dataclass(frozen=True, slots=True)
class Employment:
    """A span of employment at one agency.

    It may have ended (`separation_kind`) on a day unknown (`separated_on`). Of one that has ended, the day on which it
    began may be unknown too (`hired_on`).
    """

    ori: str
    rank: str
    sworn: bool
    hired_on: date | None
    separated_on: date | None = None
    separation_kind: SeparationKind | None = None
    under_investigation: bool = False

    def __post_init__(self) -> None:
        if not valid_ori(self.ori):
            raise RecordError("ori", "is not an ORI: nine capital letters and digits, the first two a state's code")
        if self.ori[:2] not in ORI_STATES:
            raise RecordError("ori", "does not begin with a state's code")
        _require_text("rank", self.rank, RANK_CHARS_MAX)
        if self.hired_on is not None:
            _require_year("hired_on", self.hired_on)
        elif not self.ended:
            raise RecordError("hired_on", "is empty although the employment has not ended")
        if self.separated_on is None:
            return
        if self.hired_on is not None and self.separated_on < self.hired_on:
            raise RecordError("separated_on", "is before hired_on")
        if self.separation_kind is None:
            raise RecordError("separation_kind", "is empty although the employment ended", hint="write `unknown`")

    @property
    def ended(self) -> bool:
        """Whether the employment is over, on whatever date."""
        return self.separation_kind is not None


@dataclass(frozen=True, slots=True)
class FairProcess:
    """The facts of section 3(b): what process the officer was afforded. None or empty: not recorded."""

    notice_on: date | None = None
    hearing: Hearing | None = None
    decided_by: str = ""
    decided_on: date | None = None
    appeal: Appeal | None = None
    final_on: date | None = None
    told_on: date | None = None
    """When the officer was told that the record will be shared."""

    def __post_init__(self) -> None:
        _require_text("decided_by", self.decided_by, AUTHORITY_CHARS_MAX)
        for column in ("notice_on", "decided_on", "final_on", "told_on"):
            _require_year(column, getattr(self, column))
        _require_order("notice_on", self.notice_on, "decided_on", self.decided_on)
        _require_order("decided_on", self.decided_on, "final_on", self.final_on)
        _require_order("notice_on", self.notice_on, "final_on", self.final_on)


@dataclass(frozen=True, slots=True)
class ConductRecord:
    """One conduct record in one version. `record_key` is the owner's stable id; `version` counts up from 1.

    `statement` and `dispute` are the officer's as they stand now, whatever the version.
    """

    record_key: str
    version: int
    kind: ConductKind
    occurred_on: date | None
    effective_on: date | None
    summary: str
    force_type: ForceType | None
    force_outcome: ForceOutcome | CertificationAction | None
    amount_cents: int
    authority: str
    fair_process: FairProcess
    status: RecordStatus
    statement: Statement | None = None
    dispute: Dispute | None = None

    def __post_init__(self) -> None:
        _require_key("record_key", self.record_key)
        if self.version < 1:
            raise RecordError("version", "counts up from 1")
        _require_text("summary", self.summary, SUMMARY_CHARS_MAX)
        _require_text("authority", self.authority, AUTHORITY_CHARS_MAX)
        for column in ("occurred_on", "effective_on"):
            _require_year(column, getattr(self, column))
        _require_order("occurred_on", self.occurred_on, "effective_on", self.effective_on)
        if not 0 <= self.amount_cents <= AMOUNT_CENTS_MAX:
            raise RecordError("amount", "is below zero or beyond any judgment")
        outcome = CertificationAction if self.kind is ConductKind.DECERTIFICATION else ForceOutcome
        if self.force_outcome is not None and not isinstance(self.force_outcome, outcome):
            raise RecordError("force_outcome", f"of a {self.kind} is one of {', '.join(outcome)}")


@dataclass(frozen=True, slots=True)
class Officer:
    """All that a node holds about one person. `id` is the store's, `officer_key` the agency's own.

    `person_version` rises whenever the person's details change; the blind index is made anew from it.
    """

    id: int
    officer_key: str
    person: Person
    employment: tuple[Employment, ...] = ()
    conduct: tuple[ConductRecord, ...] = ()
    person_version: int = 1

    def __post_init__(self) -> None:
        _require_key("officer_key", self.officer_key)


def _require_text(column: str, text: str, chars_max: int) -> None:
    if len(text) > chars_max:
        raise RecordError(column, f"is longer than {chars_max:,} characters")
    if not text.isprintable() and any(not (char.isprintable() or char in "\t\n\r") for char in text):
        raise RecordError(column, "holds a control character")


def _require_key(column: str, key: str) -> None:
    if not key:
        raise RecordError(column, "is empty")
    _require_text(column, key, KEY_CHARS_MAX)
    if not key.isprintable():
        raise RecordError(column, "holds a control character")


def _require_year(column: str, day: date | None) -> None:
    if day is not None and day.year < YEAR_MIN:
        raise RecordError(column, f"is before {YEAR_MIN}: a placeholder is no date", hint="leave it empty")


def _require_order(first: str, first_day: date | None, then: str, then_day: date | None) -> None:
    if first_day is not None and then_day is not None and then_day < first_day:
        raise RecordError(then, f"is before {first}")
