"""An officer's own file: all that the node holds about him and may release to him, and who saw it.

1. His details, employments and records in all their versions, with what he said to them, and when and why each was
   changed by hand. The SSN is named by its last four digits. Who of the staff did it is not told.
2. Of each record: whether others may have it today, and if not, everything that is missing.
3. A record that the node's own policies keep from him (purpose `self`) is named by its kind and the policy, no more.
4. The accounting of disclosures: each decision about him in an answer, with who asked, when, for what purpose, under
   which authorization and policies, and which versions went out. Decisions that disclosed nothing are in it, too, and
   so are answers that never left.
5. Of each change of a record: who was told, and whether that is acknowledged. Of an expunged record only the fact is
   left: its key, when and under which order it was erased, and who has confirmed to have erased it, too.

The same facts make the JSON and the PDF (selffile_pages.py). No network, no clock: the day is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from waypost.node.fairness import Withheld
from waypost.node.policy import Asker
from waypost.node.records import ConductRecord, Employment, Officer
from waypost.node.ruling import Ruling
from waypost.node.store import Disclosure, Store
from waypost.node.store.notices import DELIVERED

_VERDICTS = {
    "disclose": "disclosed",
    "referral": "a referral was offered; nothing was disclosed",
    "nothing": "nothing was disclosed",
    "declined": "nothing was disclosed, for policy forbids it",
    "released by hand": "disclosed after the agency's staff had looked at it",
    "notice": "told of a change",
}
_REPLACED = "made anew before it left; nothing was disclosed by this one"


@dataclass(frozen=True, slots=True)
class Custodian:
    """The agency that writes the file: its ORI, its name, and names of members by ORI."""

    ori: str
    name: str
    members: Mapping[str, str]

    def named(self, ori: str) -> str:
        """A member for people."""
        return f"{self.members[ori]} ({ori})" if ori in self.members else ori


def accounting(store: Store, officer_id: int, custodian: Custodian) -> list[dict[str, Any]]:
    """Who saw what of an officer (rule 4), oldest first, under whichever of the person's keys."""
    keys = set(store.merges.group(officer_id))
    entries = [entry for each in sorted(keys) for entry in store.disclosures.of_officer(each)]
    for once in set(store.merges.ever(officer_id)) - keys:  # told while another officer stood for him
        entries += (entry for entry in store.disclosures.of_officer(once) if _names_record_of(store, entry, keys))
    undelivered = store.unsent.undelivered()
    return [
        _disclosure(entry, custodian, arrived=entry.answer_digest not in undelivered)
        for entry in sorted(entries, key=lambda entry: entry.at_ms)
    ]


def _names_record_of(store: Store, entry: Disclosure, officer_ids: Collection[int]) -> bool:
    return any(store.conduct.owner_of(record.record_key) in officer_ids for record in entry.records)


def self_file(store: Store, officer: Officer, custodian: Custodian, ruling: Ruling, asker: Asker) -> dict[str, Any]:
    """Everything, as plain facts (rules 1 to 5). `asker` is the custodian itself, for the purpose `self`."""
    shown, kept = [], []
    told = _told_of_changes(store, custodian)
    for record in officer.conduct:
        forbidden = ruling.kept_back(asker, record)
        if forbidden:
            kept.append({"kind": str(record.kind), "policies": list(forbidden)})
        else:
            shown.append({**_record(store, record, ruling), "told": told.get(record.record_key, [])})
    person = officer.person
    return {
        "written_on": ruling.today.isoformat(),
        "agency": {"ori": custodian.ori, "name": custodian.name},
        "officer_key": officer.officer_key,
        "person": {
            "names": [
                {"family": n.family, "given": n.given, "middle": n.middle, "suffix": n.suffix, "kind": n.kind}
                for n in person.names
            ],
            "date_of_birth": str(person.date_of_birth),
            "ssn_last4": person.last4,
            "identifiers": [{"kind": i.kind, "issuer": i.issuer, "value": i.value} for i in person.identifiers],
        },
        "employment": [_employment(entry) for entry in officer.employment],
        "records": shown,
        "records_kept_back": kept,
        "records_expunged": [
            {
                "record_key": each.record_key,
                "at": _moment(each.at_ms),
                "cause": each.cause,
                "reference": each.reference,
                "told": told.get(each.record_key, []),
            }
            for each in store.changes.expungements()
            if store.conduct.owner_of(each.record_key) in store.merges.group(officer.id)
        ],
        "disclosures": accounting(store, officer.id, custodian),
    }


def _told_of_changes(store: Store, custodian: Custodian) -> dict[str, list[dict[str, Any]]]:
    """Rule 5: by record_key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for notice in store.notices.owed():
        entry = {
            "member": notice.recipient,
            "member_name": custodian.members.get(notice.recipient, ""),
            "changes": list(notice.changes),
            "changed_at": _moment(notice.changed_at_ms),
            "acknowledged": notice.state == DELIVERED,
        }
        found.setdefault(notice.record_key, []).append(entry)
    return found


def _employment(entry: Employment) -> dict[str, Any]:
    return {
        "ori": entry.ori,
        "rank": entry.rank,
        "sworn": entry.sworn,
        "hired_on": _iso(entry.hired_on),
        "separated_on": _iso(entry.separated_on),
        "separation_kind": str(entry.separation_kind or ""),
        "under_investigation": entry.under_investigation,
    }


def _record(store: Store, record: ConductRecord, ruling: Ruling) -> dict[str, Any]:
    fairness = ruling.fairness(record)
    missing = list(fairness.words) if isinstance(fairness, Withheld) else []
    statement, dispute = record.statement, record.dispute
    return {
        **_content(record),
        "others_may_have_it": not missing,
        "missing": missing,
        "statement": statement and {"text": statement.text, "given_on": statement.given_on.isoformat()},
        "dispute": dispute
        and {
            "opened_on": dispute.opened_on.isoformat(),
            "due_on": dispute.due_on.isoformat(),
            "overdue": dispute.overdue(ruling.today),
        },
        "changes": [
            {"at": _moment(each.at_ms), "change": each.change, "version": each.version, "reason": each.reason}
            for each in store.changes.of_record(record.record_key)
        ],
        "earlier_versions": [_content(each) for each in store.conduct.history(record.record_key)[:-1]],
    }


def _content(record: ConductRecord) -> dict[str, Any]:
    facts = record.fair_process
    return {
        "record_key": record.record_key,
        "version": record.version,
        "status": str(record.status),
        "kind": str(record.kind),
        "occurred_on": _iso(record.occurred_on),
        "effective_on": _iso(record.effective_on),
        "summary": record.summary,
        "force_type": str(record.force_type or ""),
        "outcome": str(record.force_outcome or ""),
        "amount_cents": record.amount_cents,
        "authority": record.authority,
        "notice_on": _iso(facts.notice_on),
        "hearing": str(facts.hearing or ""),
        "decided_by": facts.decided_by,
        "decided_on": _iso(facts.decided_on),
        "appeal": str(facts.appeal or ""),
        "final_on": _iso(facts.final_on),
        "told_on": _iso(facts.told_on),
    }


def _disclosure(entry: Disclosure, custodian: Custodian, *, arrived: bool) -> dict[str, Any]:
    return {
        "at": _moment(entry.at_ms),
        "asker": entry.asker,
        "asker_name": custodian.members.get(entry.asker, ""),
        "purpose": entry.purpose,
        "asked_by": entry.asker_reference,
        "authorization_digest": entry.authorization_digest.hex(),
        "verdict": _VERDICTS.get(entry.verdict, entry.verdict) if arrived else _REPLACED,
        "records": [{"record_key": each.record_key, "version": each.version} for each in entry.records],
        "policies": list(entry.policies),
        "check": entry.check_id.hex(),
    }


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
