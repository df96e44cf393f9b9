"""The trustee's audit events: what each means and what it names. No event names a person; none can be switched off."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """A kind of audit entry; the docstring of each value is its meaning."""

    HUB_ACCEPTED = "hub-accepted"
    ADMITTED = "admitted"
    ADMISSION_WITHDRAWN = "admission-withdrawn"
    ROSTER_COSIGNED = "roster-cosigned"
    ROSTER_REFUSED = "roster-refused"
    EVALUATED = "evaluated"
    EVALUATION_REFUSED = "evaluation-refused"
    BUDGET_SET = "budget-set"
    INDEX_KEY_MADE = "index-key-made"
    ROUND_COUNTERSIGNED = "round-countersigned"
    ROUND_REFUSED = "round-refused"
    ROUND_CLOSED = "round-closed"
    ROUND_CLOSE_REFUSED = "round-close-refused"
    ROUND_LEFT_OUT = "round-left-out"
    ROUND_RELEASED = "round-released"
    ROUND_RESULT_REFUSED = "round-result-refused"
    ROUND_ABANDONED = "round-abandoned"
    ROUND_BUDGET_SET = "round-budget-set"
    RELEASE_COSIGNED = "release-cosigned"
    CALLER_REFUSED = "caller-refused"
    CALL_MALFORMED = "call-malformed"
    LOG_RESTARTED = "log-restarted"
    CHECKPOINT_REFUSED = "checkpoint-refused"


MEANING: dict[Event, str] = {
    Event.HUB_ACCEPTED: "The operator accepted a hub's keys; subject: the fingerprint of its public file.",
    Event.ADMITTED: "The operator admitted an ORI for one enrolment; subject: the ORI.",
    Event.ADMISSION_WITHDRAWN: "The operator withdrew an admission; subject: the ORI.",
    Event.ROSTER_COSIGNED: "A roster was signed; subject: its version; detail: ORIs whose key is new.",
    Event.ROSTER_REFUSED: "A proposed roster was refused; subject: its version if readable; detail: the reason.",
    Event.EVALUATED: "Elements were evaluated; subject: the member; detail: purpose and number.",
    Event.EVALUATION_REFUSED: "An evaluation was refused; subject: the member if known; detail: the reason.",
    Event.BUDGET_SET: "The operator changed a member's budget; subject: the ORI; detail: purpose or officers, number.",
    Event.INDEX_KEY_MADE: "A half of an index key was made; subject: the epoch.",
    Event.LOG_RESTARTED: "The operator let the hub begin its transparency log anew; detail: the reason given.",
    Event.CHECKPOINT_REFUSED: "A checkpoint of the hub's log does not continue the one cosigned before; detail: why.",
    Event.CALL_MALFORMED: "Bytes that are no message were refused; subject: the caller; detail: the method.",
    Event.ROUND_COUNTERSIGNED: "A round was signed and its loss booked; subject: its id; detail: what it asks.",
    Event.ROUND_REFUSED: "A round was not signed; subject: its id if readable; detail: the reason.",
    Event.ROUND_CLOSED: "Shares were added up and noise put in; subject: the round; detail: how many participants.",
    Event.ROUND_CLOSE_REFUSED: "A close was refused; subject: the round if readable; detail: the reason.",
    Event.ROUND_LEFT_OUT: "Participants were not agreed to; subject: the round; detail: whom.",
    Event.ROUND_RELEASED: "A result was signed; subject: the round; detail: measure and period.",
    Event.ROUND_RESULT_REFUSED: "A result was not signed; subject: the round if readable; detail: the reason.",
    Event.ROUND_ABANDONED: "A round ended without a sum, its loss was taken back; subject: its id; detail: why.",
    Event.ROUND_BUDGET_SET: "The operator set the yearly privacy budget; detail: rho in millionths.",
    Event.RELEASE_COSIGNED: "The operator signed a verified public release; subject: its number; detail: its digest.",
    Event.CALLER_REFUSED: "Somebody other than the hub called; subject: the name in the certificate.",
}
