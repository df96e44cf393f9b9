"""How agencies stood, kept day by day: what changed, signed by the hub, each day naming the one before.

    (nothing) --a day is over, its comparisons are signed for good--> kept --the next day is over--> kept ...

1. A day is kept once, after its end, and never again. A hub that was away keeps the days it missed when it is back: a
   past day's standing is computed from the facts that counted on it (compliance.py).
2. A day holds the agencies that are new or stand otherwise than on the day kept before, and those that are gone. All
   days together give every agency's standing on each.
3. Days are a chain: each names the digest of the one before, and that of all standings it leads to. A day that was
   altered, left out or put in later does not verify. Each is an entry of the transparency log as well, so the newest
   cannot be dropped unseen either.
4. What is kept is what was told. Facts that cease to verify later change what is computed for that day, and not what
   was kept: the two are compared by that digest whenever such a day is asked about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Engine, insert, select

from waypost.crypto.envelope import SigningKey, parse_envelope, sign, verify_signatures
from waypost.crypto.errors import EnvelopeError
from waypost.hub import grants, transparency
from waypost.hub.compliance import assess
from waypost.hub.database import reading
from waypost.hub.errors import SettingsError
from waypost.hub.evidence import Rosters, read_evidence
from waypost.hub.facts import hub_header
from waypost.hub.grants import Decision
from waypost.hub.limits import STANDING_DAYS_PER_STEP
from waypost.hub.standing_schema import compliance_days
from waypost.protocol import names
from waypost.protocol.facts import day_of
from waypost.v1 import log_pb2, standing_pb2


@dataclass(frozen=True, slots=True)
class Standing:
    """How an agency stood on a day; reasons are a clause and a word each."""

    ori: str
    attestation: str
    index_current: bool
    credential: str
    eligible: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day that was kept: the standings that changed, who is gone, and the digest of all standings."""

    day: date
    changed: tuple[Standing, ...]
    gone: tuple[str, ...]
    standings_digest: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """An agency's step from one kept day to the next; `before` None: it is new, `after` None: it is gone."""

    day: date
    ori: str
    before: Standing | None
    after: Standing | None


def standing_of(decision: Decision) -> Standing:
    """What is kept of a decision."""
    held = decision.standing
    return Standing(
        held.agency.ori,
        held.attested.submission.value,
        held.index_current,
        held.credential.standing.value,
        decision.eligible,
        tuple(f"{reason.clause} {reason.word}" for reason in decision.reasons),
    )


def standings_digest(standings: Iterable[Standing]) -> bytes:
    """The digest of all standings of a day (standing.proto)."""
    digest = hashlib.sha256()
    for each in sorted(standings, key=lambda one: one.ori):
        content = _to_proto(each).SerializeToString(deterministic=True)
        digest.update(len(content).to_bytes(4) + content)
    return digest.digest()


def kept_days(connection: Connection, hub_key: bytes) -> Iterator[KeptDay]:
    """Every day that was kept, oldest first, signature and chain verified; SettingsError at the first that is wrong."""
    previous = b""
    table = compliance_days
    for row in connection.execute(select(table).order_by(table.c.day)):
        held = _open(row.day, row.envelope, hub_key, previous)
        previous = held.digest
        yield held


def changes(days: Iterable[KeptDay]) -> Iterator[Change]:
    """All changes, day by day, from the first that was kept (rule 2)."""
    standings: dict[str, Standing] = {}
    for day in days:
        for after in day.changed:
            yield Change(day.day, after.ori, standings.get(after.ori), after)
            standings[after.ori] = after
        for ori in day.gone:
            yield Change(day.day, ori, standings.pop(ori, None), None)


def standings_after(days: Iterable[KeptDay]) -> dict[str, Standing]:
    """How every agency stands after these days."""
    standings: dict[str, Standing] = {}
    for change in changes(days):
        if change.after is None:
            standings.pop(change.ori, None)
        else:
            standings[change.ori] = change.after
    return standings


def keep(engine: Engine, key: SigningKey, trustee_key: bytes, now_ms: int) -> int:
    """Keep the days that are over and were not kept, at most STANDING_DAYS_PER_STEP of them; how many (rule 1)."""
    with reading(engine) as connection:
        days = list(kept_days(connection, key.public))
        standings, previous = standings_after(days), days[-1].digest if days else b""
        rosters, made = Rosters(connection, key.public, trustee_key), list[tuple[str, bytes, bytes]]()
        for day in _due(days, day_of(now_ms)):
            evidence, _ = read_evidence(rosters, day)
            found = [standing_of(grants.decide(each)) for each in assess(evidence, day)]
            if not found and not standings:
                continue
            content = _day(day, found, standings, previous)
            content.header.CopyFrom(hub_header(now_ms))
            envelope = sign(names.COMPLIANCE_DAY, content.SerializeToString(), key)
            standings, previous = {each.ori: each for each in found}, hashlib.sha256(envelope.payload).digest()
            made.append((day.isoformat(), envelope.SerializeToString(), previous))
    with engine.begin() as connection:
        newest = connection.scalar(select(compliance_days.c.day).order_by(compliance_days.c.day.desc()).limit(1))
        if made and newest == (days[-1].day.isoformat() if days else None):  # no other replica was faster
            connection.execute(insert(compliance_days), [{"day": day, "envelope": held} for day, held, _ in made])
            for _, _, digest in made:
                transparency.append(connection, log_pb2.LOG_KIND_COMPLIANCE_DAY, digest, now_ms)
            return len(made)
    return 0


def _due(days: list[KeptDay], today: date) -> list[date]:
    yesterday = today - timedelta(days=1)
    first = days[-1].day + timedelta(days=1) if days else yesterday
    count = min((yesterday - first).days + 1, STANDING_DAYS_PER_STEP)
    return [first + timedelta(days=number) for number in range(count)]


def _day(
    day: date, found: Iterable[Standing], before: Mapping[str, Standing], previous: bytes
) -> standing_pb2.ComplianceDay:
    now = {each.ori: each for each in found}
    return standing_pb2.ComplianceDay(
        day=day.isoformat(),
        changed=[_to_proto(now[ori]) for ori in sorted(now) if now[ori] != before.get(ori)],
        gone=sorted(set(before) - set(now)),
        standings_digest=standings_digest(now.values()),
        previous_digest=previous,
    )


def _open(day: str, content: bytes, hub_key: bytes, previous: bytes) -> KeptDay:
    """Rule 3."""
    hint = "restore the hub's database from a backup"
    try:
        verified = verify_signatures(
            parse_envelope(content), (hub_key,), required=1, expected_type=names.COMPLIANCE_DAY
        )
        message = standing_pb2.ComplianceDay.FromString(verified.payload)
    except (EnvelopeError, DecodeError) as error:
        raise SettingsError(f"what was kept of {day} does not verify: {error}", hint=hint) from error
    if message.day != day or message.previous_digest != previous:
        raise SettingsError(f"what was kept of {day} does not follow the day before: one is missing", hint=hint)
    return KeptDay(
        day=date.fromisoformat(day),
        changed=tuple(
            Standing(
                each.ori, each.attestation, each.index_current, each.credential, each.eligible, tuple(each.reasons)
            )
            for each in message.changed
        ),
        gone=tuple(message.gone),
        standings_digest=message.standings_digest,
        digest=hashlib.sha256(verified.payload).digest(),
    )


def _to_proto(standing: Standing) -> standing_pb2.AgencyStanding:
    return standing_pb2.AgencyStanding(
        ori=standing.ori,
        attestation=standing.attestation,
        index_current=standing.index_current,
        credential=standing.credential,
        eligible=standing.eligible,
        reasons=standing.reasons,
    )
