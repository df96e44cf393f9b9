"""What the owner's law lets a receiver do with a record, and what the receiver's node does about it.

    [terms]                       # in HOME/settings.toml: your law
    onward_sharing = false
    keep_days = 1095              # after disclosure; leave it out where your law has no such limit
    law = "Example Code 98.7"

    [terms.kinds.suspension]      # for kinds of records that the law treats otherwise
    keep_days = 365

1. A record may be used for the purpose that it was asked for, and no other.
2. Without a setting it may not be given to others, and may be kept as long as the receiver's own law allows.
3. The terms travel with the record, and are shown beside it.
4. On the day after the last one, the receiver's node erases the record from every answer and notice that it keeps, and
   the sealed original with it; and from notices that bear no last day, when no answer is left that discloses it. What
   stays is the record's key, its version, and the fact of the erasure in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from waypost.node.audit import Event
from waypost.node.errors import SettingsError
from waypost.node.limits import KEEP_DAYS_MAX
from waypost.node.noticed import without_record
from waypost.node.record_words import ERASED
from waypost.node.records import ConductKind, ConductRecord
from waypost.node.scrubbing import note_due
from waypost.node.settings import Tables, choices, require_known
from waypost.node.store import AuditEntry, Store
from waypost.v1 import check_pb2, notice_pb2, record_pb2

_CHOICES: Final = frozenset({"onward_sharing", "keep_days"})


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of one kind of record, or of all; SettingsError where they are made, when they cannot be."""

    onward_sharing: bool = False
    keep_days: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.onward_sharing, bool):
            raise SettingsError("terms: onward_sharing is neither true nor false", hint="mend settings.toml")
        days = self.keep_days
        if days is not None and (isinstance(days, bool) or not isinstance(days, int) or not 0 < days <= KEEP_DAYS_MAX):
            raise SettingsError(f"terms: keep_days is not 1 to {KEEP_DAYS_MAX}", hint="mend settings.toml")


@dataclass(frozen=True, slots=True)
class OwnTerms:
    """The owner's law: terms in general, and by kind."""

    general: Terms = Terms()
    kinds: Mapping[str, Terms] = field(default_factory=dict)

    def of(self, record: ConductRecord, purpose: str, today: date) -> record_pb2.Terms:
        """The terms under which the record goes out today (rules 1 to 3)."""
        terms = self.kinds.get(record.kind, self.general)
        until = "" if terms.keep_days is None else (today + timedelta(days=terms.keep_days)).isoformat()
        return record_pb2.Terms(permitted_purpose=purpose, onward_sharing=terms.onward_sharing, keep_until=until)


def terms_of(tables: Tables) -> OwnTerms:
    """The terms that a node's settings name; SettingsError when they cannot be used."""
    table = choices(tables, "terms", _CHOICES | {"kinds", "law"})
    kinds = table.get("kinds", {})
    if not isinstance(kinds, dict) or not all(isinstance(entry, dict) for entry in kinds.values()):
        raise SettingsError("terms: kinds are no tables", hint="write [terms.kinds.suspension], for example")
    unknown = sorted(set(kinds) - set(ConductKind))
    if unknown:
        raise SettingsError(f"terms: {unknown[0]!r} is no kind of record", hint="see docs/import.md")
    for kind, entry in kinds.items():
        require_known(entry, _CHOICES | {"law"}, f"settings.toml: [terms.kinds.{kind}] has a choice")
    general = _terms(table, Terms())
    return OwnTerms(general, {kind: _terms(entry, general) for kind, entry in kinds.items()})


def _terms(table: Mapping[str, Any], otherwise: Terms) -> Terms:
    return Terms(table.get("onward_sharing", otherwise.onward_sharing), table.get("keep_days", otherwise.keep_days))


def words(terms: record_pb2.Terms) -> str:
    """The terms for people."""
    use = f"may be used for {terms.permitted_purpose or 'the purpose it was asked for'}"
    onward = "may be given to others" if terms.onward_sharing else "not to be given to others"
    return "; ".join(filter(None, (use, onward, terms.keep_until and f"erased here after {terms.keep_until}")))


def lapse(store: Store, today: date, now_ms: int) -> int:
    """Erase what may not be kept any longer (rule 4); how many records."""
    erased = 0
    with store.writing():
        for answer in store.checks.all_answers():
            content = check_pb2.AnswerBody.FromString(answer.body)
            over = {
                record.record_key
                for candidate in content.candidates
                for record in candidate.conduct
                if is_over(record, today)
            }
            for record_key in sorted(over):
                content = without_record(content, record_key)
            if over:
                store.checks.redact_answer(answer.check_id, answer.ori, content.SerializeToString())
                store.audit.add(AuditEntry(now_ms, Event.DISCLOSURE_ERASED, answer.ori, f"{len(over)} records, terms"))
            erased += len(over)
        erased += _lapse_notices(store, today, now_ms)
        if erased:
            note_due(store)
    return erased


def _lapse_notices(store: Store, today: date, now_ms: int) -> int:
    gone = _gone(store)
    over: dict[tuple[str, str], None] = {}
    for notice in store.notices.received():
        body = notice_pb2.NoticeBody.FromString(notice.body)
        about = (notice.owner, notice.record_key)
        if body.HasField("record") and (is_over(body.record, today) or about in gone):
            over[about] = None
    for owner, record_key in over:
        store.notices.forget_received(owner, record_key)
        store.audit.add(AuditEntry(now_ms, Event.DISCLOSURE_ERASED, owner, "1 notice, terms"))
    return len(over)


def _gone(store: Store) -> frozenset[tuple[str, str]]:
    """Owner and key of each record that is erased in every answer kept here that had it."""
    erased: set[tuple[str, str]] = set()
    kept: set[tuple[str, str]] = set()
    for answer in store.checks.all_answers():
        for candidate in check_pb2.AnswerBody.FromString(answer.body).candidates:
            for record in candidate.conduct:
                (erased if record.status == ERASED else kept).add((answer.ori, record.record_key))
    return frozenset(erased - kept)


def is_over(record: record_pb2.ConductRecord, today: date) -> bool:
    """Whether the record's last day has passed; an owner's nonsense for a day counts as one that has."""
    until = record.terms.keep_until
    if not until:
        return False
    try:
        return today > date.fromisoformat(until)
    except ValueError:
        return True
