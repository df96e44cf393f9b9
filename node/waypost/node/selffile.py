"""An officer's own file: all that the node holds about him and may release to him, and who saw it.

1. His details, employments and records in all their versions, with what he said to them, and when and why each was
   changed by hand. The SSN is named by its last four digits. Who of the staff did it is not told.
2. Of each record: whether others may have it today, and if not, everything that is missing.
3. A record that the node's own policies keep from him (purpose `self`) is named by its kind and the policy, no more.
4. The accounting of disclosures: each decision about him in an answer, with who asked, when, for what purpose, under
   which authorization and policies, and which versions went out. Decisions that disclosed nothing are in it, too, and
   so are answers that never left.

The same facts make the JSON and the PDF. No network, no clock: the day is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from waypost.node.documents import Block, Document, Heading, Rows, Text
from waypost.node.fairness import Withheld
from waypost.node.policy import Asker
from waypost.node.records import ConductRecord, Employment, Officer
from waypost.node.ruling import Ruling
from waypost.node.store import Disclosure, Store

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
    """Everything, as plain facts (rules 1 to 4). `asker` is the custodian itself, for the purpose `self`."""
    shown, kept = [], []
    for record in officer.conduct:
        forbidden = ruling.kept_back(asker, record)
        if forbidden:
            kept.append({"kind": str(record.kind), "policies": list(forbidden)})
        else:
            shown.append(_record(store, record, ruling))
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
        "disclosures": accounting(store, officer.id, custodian),
    }


def _employment(entry: Employment) -> dict[str, Any]:
    return {
        "ori": entry.ori,
        "rank": entry.rank,
        "sworn": entry.sworn,
        "hired_on": entry.hired_on.isoformat(),
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


def document(facts: dict[str, Any], custodian: Custodian) -> Document:
    """The facts as a document in plain words."""
    name = facts["person"]["names"][0]
    blocks: list[Block] = [
        Text(
            f"This is what {custodian.name} ({custodian.ori}) holds about you in Waypost, as of {facts['written_on']}, "
            "and who has been told about it. You may answer to any record with a statement, which goes out with it "
            "from then on, and you may dispute it; ask the agency how."
        ),
        Heading("You"),
        Rows((), tuple(_person_rows(facts["person"]))),
        Heading("Your employment"),
        *_employments(facts["employment"], custodian),
        Heading("Your records"),
        *(block for record in facts["records"] for block in _record_blocks(record)),
        *_kept_back(facts),
        Heading("Who has been told"),
        *_told(facts["disclosures"], custodian),
    ]
    title = f"Your file: {name['given']} {name['family']}, officer {facts['officer_key']}"
    return Document(title, f"{custodian.name}, {facts['written_on']}", tuple(blocks))


def _person_rows(person: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (
            f"{name['kind']} name",
            " ".join(filter(None, (name["given"], name["middle"], name["family"], name["suffix"]))),
        )
        for name in person["names"]
    ]
    rows.append(("date of birth", person["date_of_birth"] or "not recorded"))
    if person["ssn_last4"]:
        rows.append(("social security number", f"ends in {person['ssn_last4']}"))
    kinds = {"cert": "certification", "officer-id": "officer number"}
    rows += [(kinds.get(i["kind"], i["kind"]), f"{i['issuer']} {i['value']}") for i in person["identifiers"]]
    return rows


def _employments(entries: list[dict[str, Any]], custodian: Custodian) -> list[Block]:
    if not entries:
        return [Text("None is recorded.")]
    rows = []
    for entry in entries:
        how = entry["separation_kind"].replace("_", " ")
        how += ", under investigation" if entry["under_investigation"] else ""
        until = entry["separated_on"] or ("" if how else "present")
        rows.append((custodian.named(entry["ori"]), entry["rank"], entry["hired_on"], until, how))
    return [Rows(("agency", "rank", "from", "to", "how it ended"), tuple(rows))]


def _record_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("what happened", record["summary"]),
        ("on", record["occurred_on"]),
        ("in effect from", record["effective_on"]),
        ("force", record["force_type"].replace("_", " ")),
        ("outcome", record["outcome"].replace("_", " ")),
        ("amount", f"${record['amount_cents'] / 100:,.2f}" if record["amount_cents"] else ""),
        ("kept by", record["authority"]),
        ("you had notice on", record["notice_on"]),
        ("hearing", record["hearing"].replace("_", " ")),
        ("decided", " by ".join(filter(None, (record["decided_on"], record["decided_by"])))),
        ("appeal", record["appeal"]),
        ("final on", record["final_on"]),
        ("you were told that it will be shared on", record["told_on"]),
        ("state of the record", record["status"]),
    ]
    return [(name, value) for name, value in rows if value]


def _record_blocks(record: dict[str, Any]) -> list[Block]:
    rows = _record_rows(record)
    blocks: list[Block] = [
        Heading(
            f"{record['kind'].replace('_', ' ').capitalize()}: {record['record_key']}, version {record['version']}", 2
        ),
        Rows((), tuple(rows)),
    ]
    for earlier in reversed(record["earlier_versions"]):
        before = dict(_record_rows(earlier))
        changed = [name for name in dict.fromkeys([*dict(rows), *before]) if before.get(name) != dict(rows).get(name)]
        if not changed:
            continue
        blocks.append(Text(f"Version {earlier['version']} said otherwise than version {record['version']}:"))
        blocks.append(Rows((), tuple((name, before.get(name, "not recorded")) for name in changed)))
    if record["changes"]:
        events = ((each["at"][:10], each["change"].replace("_", " "), each["reason"]) for each in record["changes"])
        blocks += [Text("What was done to it:"), Rows((), tuple(events))]
    if record["statement"]:
        blocks.append(Text(f"Your statement of {record['statement']['given_on']}:\n{record['statement']['text']}"))
    if record["dispute"]:
        late = " It is overdue." if record["dispute"]["overdue"] else ""
        opened, due = record["dispute"]["opened_on"], record["dispute"]["due_on"]
        blocks.append(Text(f"You dispute it since {opened}; the agency has until {due} to resolve that.{late}"))
    if record["others_may_have_it"]:
        blocks.append(Text("Other agencies may have this record when they ask for a lawful purpose."))
    else:
        blocks.append(Text("No other agency gets this record: " + "; ".join(record["missing"]) + "."))
    return blocks


def _kept_back(facts: dict[str, Any]) -> list[Block]:
    if not facts["records"] and not facts["records_kept_back"]:
        return [Text("There are none.")]
    return [
        Text(
            f"One more record ({entry['kind'].replace('_', ' ')}) is held that the agency does not release to you, "
            f"under its policy {', '.join(entry['policies'])}."
        )
        for entry in facts["records_kept_back"]
    ]


def _told(entries: list[dict[str, Any]], custodian: Custodian) -> list[Block]:
    if not entries:
        return [Text("Nobody has asked about you since the agency joined.")]
    rows = tuple(
        (
            entry["at"].replace("T", " ").replace("Z", " UTC"),
            custodian.named(entry["asker"]),
            f"{entry['purpose']}, by {entry['asked_by']}",
            entry["verdict"],
            ", ".join(f"{each['record_key']} v{each['version']}" for each in entry["records"]) or "-",
        )
        for entry in entries
    )
    return [
        Text("Every answer that this agency gave about you is written down before it leaves."),
        Rows(("when", "who asked", "what for", "what was answered", "records"), rows),
    ]


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
