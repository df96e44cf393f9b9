"""An officer's own file as a document in plain words: the facts of selffile.py, section by section."""

from __future__ import annotations

from typing import Any

from waypost.node.changing import CAUSE_ORDER
from waypost.node.documents import Block, Document, Heading, Rows, Text
from waypost.node.selffile import Custodian


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
        *(block for record in facts["records"] for block in _record_blocks(record, custodian)),
        *_kept_back(facts),
        *_expunged(facts["records_expunged"], custodian),
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
        until = entry["separated_on"] or ("unknown" if how else "present")
        rows.append((custodian.named(entry["ori"]), entry["rank"], entry["hired_on"] or "unknown", until, how))
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


def _record_blocks(record: dict[str, Any], custodian: Custodian) -> list[Block]:
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
    blocks += _told_rows(record["told"], custodian)
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


def _told_rows(told: list[dict[str, Any]], custodian: Custodian) -> list[Block]:
    """Rule 5."""
    if not told:
        return []
    rows = tuple(
        (
            each["changed_at"][:10],
            custodian.named(each["member"]),
            ", ".join(each["changes"]).replace("_", " "),
            "acknowledged" if each["acknowledged"] else "not acknowledged yet",
        )
        for each in told
    )
    return [Text("Who had received it, and was told of that:"), Rows((), rows)]


def _expunged(entries: list[dict[str, Any]], custodian: Custodian) -> list[Block]:
    """Rule 5."""
    blocks: list[Block] = []
    for entry in entries:
        why = f"under the order {entry['reference']}" if entry["cause"] == CAUSE_ORDER else "for its time was over"
        words = f"Record {entry['record_key']} was erased on {entry['at'][:10]}, {why}. Nothing of it is kept here."
        blocks += [Text(words), *_told_rows(entry["told"], custodian)]
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
