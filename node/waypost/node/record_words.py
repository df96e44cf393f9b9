"""A disclosed record in words, for people: what it says, fact by fact, and what two versions of it say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from waypost.node import wire
from waypost.v1 import record_pb2

ERASED: Final = "erased"
"""The status of a record of which nothing but the key is kept here (noticed.py, terms.py)."""
SUMMARY: Final = "what it says"
STATEMENT: Final = "officer's statement"


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is otherwise now; an empty text stands for a fact that is not recorded."""

    fact: str
    told: str
    now: str


def facts_of(record: record_pb2.ConductRecord) -> dict[str, str]:
    """What the record says, by fact, in the order for reading; facts that are not recorded are left out."""
    process = record.fair_process
    facts = {
        SUMMARY: record.summary,
        "it happened on": record.occurred_on,
        "in effect from": record.effective_on,
        "force": _plain(record.force_type),
        "outcome": _plain(record.force_outcome),
        "amount": amount_words(record.amount_cents),
        "notice on": process.notice_on,
        "hearing": wire.word(record_pb2.Hearing, process.hearing) if process.hearing else "",
        "decided": " by ".join(filter(None, (process.decided_on, process.decided_by))),
        "appeal": wire.word(record_pb2.Appeal, process.appeal) if process.appeal else "",
        "final on": process.final_on,
        "officer told on": process.told_on,
        "kept by": record.authority,
    }
    return {fact: words for fact, words in facts.items() if words}


def differences(told: record_pb2.ConductRecord, now: record_pb2.ConductRecord) -> list[Difference]:
    """What the record says now and did not say when it was told, or the other way round."""
    before, after = _whole(told), _whole(now)
    return [
        Difference(fact, before.get(fact, ""), after.get(fact, ""))
        for fact in dict.fromkeys([*after, *before])
        if before.get(fact, "") != after.get(fact, "")
    ]


def _whole(record: record_pb2.ConductRecord) -> dict[str, str]:
    return {
        "kind": kind_words(record),
        **facts_of(record),
        "dispute": dispute_words(record),
        STATEMENT: record.statement.text,
    }


def kind_words(record: record_pb2.ConductRecord) -> str:
    """A record's kind; "record" when nothing of it is kept."""
    return "record" if record.status == ERASED else wire.word(record_pb2.ConductKind, record.kind)


def dispute_words(record: record_pb2.ConductRecord) -> str:
    """The officer's open dispute; empty when there is none."""
    if not record.HasField("dispute"):
        return ""
    dispute = record.dispute
    due = f"to be resolved by {dispute.due_on}"
    return f"disputed since {dispute.opened_on}, {f'OVERDUE: {due}' if dispute.overdue else due}"


def amount_words(cents: int) -> str:
    """An amount in US cents, in dollars; empty for none."""
    return f"${cents / 100:,.2f}" if cents else ""


def _plain(word: str) -> str:
    return word.replace("_", " ")
