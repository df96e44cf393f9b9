"""What one node's rules say on one day: fair process first, then the federation's floor, then the node's own policies.

Everything that leaves a node about an officer is asked here: answers, notices, releases by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from waypost.node import wire
from waypost.node.due_process import Windows
from waypost.node.fairness import Fairness, Shareable, judge
from waypost.node.policy import Asker, Decision, Explanation, PolicyEngine
from waypost.node.policy_facts import officer_resource, record_resource
from waypost.node.records import ConductRecord, Officer
from waypost.node.terms import OwnTerms
from waypost.v1 import record_pb2


@dataclass(frozen=True, slots=True)
class Ruling:
    """The rules of the member of that ORI and state, on that day."""

    ori: str
    state: str
    policies: PolicyEngine
    windows: Windows
    today: date
    terms: OwnTerms = field(default_factory=OwnTerms)

    def of_officer(self, asker: Asker, officer: Officer) -> Decision:
        """Whether the asker may have the officer's employment history, and with it anything about him."""
        return self.explain_officer(asker, officer).decision

    def explain_officer(self, asker: Asker, officer: Officer) -> Explanation:
        """How policy decides on the officer as a whole."""
        return self.policies.explain(asker, officer_resource(officer, ori=self.ori, state=self.state, today=self.today))

    def of_record(self, asker: Asker, record: ConductRecord) -> Decision | None:
        """Whether the asker may have the record; None when section 3(b) does not even let it be counted."""
        return self.explain(asker, record).decision if self.admits(record) else None

    def explain(self, asker: Asker, record: ConductRecord) -> Explanation:
        """How policy decides on the record."""
        resource = record_resource(record, state=self.state, today=self.today, window_days=self.windows.of(record))
        return self.policies.explain(asker, resource)

    def kept_back(self, asker: Asker, record: ConductRecord) -> tuple[str, ...]:
        """The node's own policies that forbid the record, also where the floor has not let it be asked about at all."""
        resource = record_resource(record, state=self.state, today=self.today, window_days=self.windows.of(record))
        return self.policies.forbidding(asker, resource)

    def fairness(self, record: ConductRecord) -> Fairness:
        """What section 3(b) says of the record."""
        return judge(record, self.today, window_days=self.windows.of(record))

    def content(self, asker: Asker, record: ConductRecord) -> record_pb2.ConductRecord:
        """The record as it goes out to the asker today, with the terms under which it does."""
        content = wire.record_of(record, self.today)
        content.terms.CopyFrom(self.terms.of(record, asker.purpose, self.today))
        return content

    def admits(self, record: ConductRecord) -> bool:
        """Whether section 3(b) admits the record."""
        return isinstance(self.fairness(record), Shareable)
