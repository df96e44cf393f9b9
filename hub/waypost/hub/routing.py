"""Checks at the hub: what is accepted, and whom it is routed to.

1. The request is signed by the asker, an active member, on whose own connection it came; it is addressed to the hub, in
   its time, and lives at most CHECK_LIFETIME_MS.
2. Its purpose is one that the asker's role has. A hiring check bears the digest and reference of the applicant's
   authorization, a self check those of the officer's own signed request; a POST board certifies by its office.
3. It is for the epoch in force, has CHECK_TOKENS commitments and their openings, and every opening fits.
4. The asker is within its rate for that purpose, by the hour and by the day, and has fewer than CHECKS_OPEN_MAX checks
   that the hub still holds.
5. The same request again gives the present receipt; another request under the same id is refused.

Accepting, looking up, mailing the matching members and writing the receipt are one transaction. A member is mailed the
openings of its own tokens and no others. The asker itself is not asked, nor is a suspended member.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, bindparam, delete, select, text

from waypost.crypto.envelope import SigningKey, Verified, Verifier, countersign
from waypost.crypto.errors import EnvelopeError
from waypost.crypto.sealing import PUBLIC_KEY_BYTES
from waypost.hub import checks, index, mailbox, schema, transparency
from waypost.hub.audit import Event
from waypost.hub.coverage import Coverages
from waypost.hub.database import SeenStore, add_audit
from waypost.hub.errors import RateExceeded, Refused
from waypost.hub.limits import CHECKS_OPEN_MAX, CHECKS_PER_DAY, CHECKS_PER_HOUR
from waypost.hub.mailbox import MailKind
from waypost.hub.receipts import CheckState
from waypost.hub.statements import Prepared
from waypost.protocol import limits, names
from waypost.protocol.commitments import Opening, verify_openings
from waypost.protocol.errors import ProtocolError, RosterError
from waypost.protocol.roster import Member, Roster
from waypost.v1 import check_pb2, envelope_pb2, log_pb2, roster_pb2

_ALLOWED = {
    check_pb2.PURPOSE_HIRING: (roster_pb2.ROLE_AGENCY,),
    check_pb2.PURPOSE_CERTIFICATION: (roster_pb2.ROLE_POST,),
    check_pb2.PURPOSE_SELF: (roster_pb2.ROLE_AGENCY, roster_pb2.ROLE_POST),
}
_PURPOSE_WORDS = {
    check_pb2.PURPOSE_HIRING: "hiring",
    check_pb2.PURPOSE_CERTIFICATION: "certification",
    check_pb2.PURPOSE_SELF: "self",
}
_SIGNED_BY_THE_PERSON = {
    check_pb2.PURPOSE_HIRING: ("a hiring check", "the applicant's signed authorization"),
    check_pb2.PURPOSE_SELF: ("a self check", "the officer's own signed request"),
}
_HOURS = limits.DAY_MS // limits.HOUR_MS
_counts = schema.check_counts
_COUNTED = Prepared(
    select(_counts.c.hour, _counts.c.checks).where(
        _counts.c.asker == bindparam("asker"),
        _counts.c.purpose == bindparam("purpose"),
        _counts.c.hour > bindparam("after"),
    )
)
_COUNT = Prepared(
    text(
        "INSERT INTO check_counts (asker, purpose, hour, checks) VALUES (:asker, :purpose, :hour, 1) "
        "ON CONFLICT (asker, purpose, hour) DO UPDATE SET checks = check_counts.checks + 1"
    )
)
_DIGEST_BYTES = 32
_REFERENCE_CHARS_MAX = 100
_STAFF_CHARS_MAX = 64


class _IdempotentReplay:
    """Stands where a ReplayStore is wanted: the tables recognize repetitions (rule 5; `answers`, rule 3)."""

    def add(self, _sender: str, _message_id: bytes, _expires_at_ms: int) -> bool:
        return True


def verify_from_member(
    envelope: envelope_pb2.Envelope, *, kind: str, caller: str, audience: str, roster: Roster, now_ms: int
) -> Verified:
    """A message of the member on whose connection it came (rule 1; `answers`, rule 1); Refused otherwise."""
    try:
        member = roster.active_member(caller)
        return Verifier((audience,), _IdempotentReplay()).verify(
            envelope, expected_type=kind, keys=(member.signing_public_key,), sender=caller, now_ms=now_ms
        )
    except (EnvelopeError, RosterError) as error:
        raise Refused(error.reason, str(error), hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class IncomingCheck:
    """A verified check request and its openings in slot order; `digest` is SHA-256 of its payload."""

    envelope: envelope_pb2.Envelope
    content: check_pb2.CheckRequest
    openings: tuple[Opening, ...]
    digest: bytes

    @property
    def check_id(self) -> bytes:
        return self.content.header.message_id


def open_check(
    envelope: envelope_pb2.Envelope,
    openings: Sequence[check_pb2.TokenOpening],
    *,
    caller: str,
    roster: Roster,
    now_ms: int,
) -> IncomingCheck:
    """Verify a check without any table (rules 1 to 3)."""
    verified = verify_from_member(
        envelope, kind=names.CHECK_REQUEST, caller=caller, audience=names.HUB, roster=roster, now_ms=now_ms
    )
    content = _parse(verified.payload)
    if verified.header.expires_at_ms - verified.header.issued_at_ms > limits.CHECK_LIFETIME_MS:
        raise Refused("too-long-lived", "a check lives at most 30 days")
    _check_purpose(content, roster.members[caller])
    if content.epoch != roster.epoch:
        raise Refused("wrong-epoch", f"the index is in epoch {roster.epoch}, not {content.epoch}")
    opened = tuple(Opening(entry.slot, entry.salt, entry.token) for entry in openings)
    try:
        verify_openings(content.commitments, opened)
    except ProtocolError as error:
        raise Refused(error.reason, str(error)) from error
    if len(opened) != limits.CHECK_TOKENS:
        raise Refused("malformed", f"a check is submitted with all {limits.CHECK_TOKENS} openings")
    return IncomingCheck(envelope, content, opened, hashlib.sha256(verified.payload).digest())


def _check_purpose(content: check_pb2.CheckRequest, asker: Member) -> None:
    if asker.role not in _ALLOWED.get(content.purpose, ()):
        raise Refused("purpose-not-allowed", "the member's role may not ask for this purpose")
    authorized = len(content.authorization_digest) == _DIGEST_BYTES and bool(content.authorization_reference.strip())
    if content.purpose in _SIGNED_BY_THE_PERSON and not authorized:
        check, paper = _SIGNED_BY_THE_PERSON[content.purpose]
        raise Refused(
            "no-authorization",
            f"{check} needs the digest and reference of {paper}",
            hint="name it with --authorization",
        )
    if (
        not 0 < len(content.staff_reference) <= _STAFF_CHARS_MAX
        or len(content.authorization_reference) > _REFERENCE_CHARS_MAX
        or len(content.answer_public_key) != PUBLIC_KEY_BYTES
        or len(content.authorization_digest) not in {0, _DIGEST_BYTES}
    ):
        raise Refused("malformed", "the check lacks a reference of who asks, or a one-time key")


def accept_check(
    connection: Connection, check: IncomingCheck, *, roster: Roster, coverages: Coverages, key: SigningKey, now_ms: int
) -> tuple[envelope_pb2.Envelope, frozenset[str]]:
    """Accept and route a check in one transaction: its receipt, and the members that have mail now."""
    asker = check.content.header.sender
    held = checks.state_of(connection, check.check_id)
    if held is not None:
        if (held.asker, held.request_digest) != (asker, check.digest):
            raise Refused("replayed", "another check was made under this id")
        parts = checks.responses_of(connection, held.check_id)
        return checks.logged_receipt(connection, held, parts, key, now_ms), frozenset()
    if not _first_time(connection, check):
        raise Refused("replayed", "this check was made and delivered before")
    _require_room(connection, asker)
    _count(connection, asker, check.content.purpose, now_ms)  # rule 4; a refusal takes the counting back with it
    matches = _matches(connection, check, roster)
    state = CheckState(
        check_id=check.check_id,
        asker=asker,
        request_digest=check.digest,
        accepted_at_ms=now_ms,
        roster_version=roster.version,
        coverage=coverages.of(connection, roster, asker, now_ms).SerializeToString(),
        sequence=1,
    )
    expires_at_ms = check.content.header.expires_at_ms
    checks.record(connection, state, expires_at_ms, matches)
    signed = countersign(check.envelope, key)
    for ori, tokens in matches.items():
        own = [_opening(opening) for opening in check.openings if opening.token in tokens]
        query = check_pb2.RoutedQuery(request=signed, openings=own)
        content = query.SerializeToString()
        mailbox.put(connection, ori, MailKind.QUERY, check.check_id, content, expires_at_ms, author=asker)
    detail = f"{check.digest.hex()} matched {len(matches)}"
    add_audit(connection, now_ms, Event.CHECK_ACCEPTED, asker, detail)
    transparency.append(connection, log_pb2.LOG_KIND_CHECK, check.digest, now_ms)
    receipt = checks.mail_receipt(connection, state, checks.pending_parts(matches), key, now_ms)
    return receipt, frozenset({asker, *matches})


def _matches(connection: Connection, check: IncomingCheck, roster: Roster) -> dict[str, set[bytes]]:
    found = index.look_up(connection, roster.epoch, [opening.token for opening in check.openings])
    asker = check.content.header.sender
    return {ori: tokens for ori, tokens in found.items() if ori != asker and _takes_part(roster, ori)}


def _takes_part(roster: Roster, ori: str) -> bool:
    member = roster.member(ori)
    return member is not None and member.active


def _count(connection: Connection, asker: str, purpose: int, now_ms: int) -> None:
    """Rule 4: count the check in its hour."""
    hour = now_ms // limits.HOUR_MS
    used = dict(_COUNTED.all(connection, asker=asker, purpose=purpose, after=hour - _HOURS))
    word = _PURPOSE_WORDS[check_pb2.Purpose.ValueType(purpose)]
    _require_rate(asker, word, used.get(hour, 0), CHECKS_PER_HOUR[word], "hour")
    _require_rate(asker, word, sum(used.values()), CHECKS_PER_DAY[word], "day")
    _COUNT.changed(connection, asker=asker, purpose=purpose, hour=hour)


def forget_counts(connection: Connection, now_ms: int) -> None:
    """Forget how many checks were asked in hours that no limit looks at any more."""
    connection.execute(delete(_counts).where(_counts.c.hour <= now_ms // limits.HOUR_MS - _HOURS))


def _require_rate(asker: str, word: str, used: int, allowed: int, span: str) -> None:
    if used >= allowed:
        raise RateExceeded(
            "rate-exceeded",
            f"{asker} has asked {used} checks for {word} within the {span}",
            hint=f"the next {span} takes more; the batch goes on where it stopped",
        )


def _require_room(connection: Connection, asker: str) -> None:
    """Rule 4: what the hub holds for that asker is bounded."""
    if checks.open_of(connection, asker, CHECKS_OPEN_MAX) >= CHECKS_OPEN_MAX:
        raise RateExceeded(
            "too-many-open",
            f"the hub holds {CHECKS_OPEN_MAX:,} checks of {asker} that are not over",
            hint="take their mail, and wait for members that have not answered",
        )


def _first_time(connection: Connection, check: IncomingCheck) -> bool:
    header = check.content.header
    return SeenStore(connection).add(header.sender, header.message_id, header.expires_at_ms)


def _opening(opening: Opening) -> check_pb2.TokenOpening:
    return check_pb2.TokenOpening(slot=opening.slot, salt=opening.salt, token=opening.token)


def _parse(payload: bytes) -> check_pb2.CheckRequest:
    try:
        return check_pb2.CheckRequest.FromString(payload)
    except DecodeError:
        raise Refused("malformed", "the check cannot be read") from None
